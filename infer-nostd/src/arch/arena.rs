//! The memory of a plan: rows are borrowed from it where the plan's check has found them to lie.

use crate::ops::Step;
use crate::plan::{Plan, Tensor, Uses};
use crate::ring::{RowMut, Rows};
use crate::schedule::{self, Progress, Span};
use core::{ptr, slice};

/// A checked plan and as many words as it asks for.
///
/// `Plan::parse` has found of every plan there is: rings, accumulators and places where rows land lie in the arena, and what an operator
/// reads lies apart from what it writes. So nothing is looked at again when a step borrows them.
///
/// `USES` is what the plan uses, for the compiler to leave out the rest.
#[derive(Debug)]
pub struct Arena<'a, const USES: u128> {
    plan: Plan<'a>,
    words: &'a mut [u32],
}

impl<'a, const USES: u128> Arena<'a, USES> {
    /// `None` where there are fewer words than the plan asks for.
    pub fn new(plan: Plan<'a>, words: &'a mut [u32]) -> Option<Self> {
        (words.len() >= plan.arena_words()).then_some(Self { plan, words })
    }

    /// The plan.
    #[inline(always)]
    pub fn plan(&self) -> &Plan<'a> {
        &self.plan
    }

    /// Makes every value of the ring of tensor `id` a stored zero.
    pub fn fill_ring(&mut self, id: usize) {
        let tensor = self.plan.tensor(id);
        self.words[tensor.ring_range()].fill(tensor.zero_word());
    }

    /// The values of the output.
    pub fn output(&self) -> &[i8] {
        let output = self.plan.tensor(self.plan.operator_count());
        &super::as_i8(&self.words[output.ring_range()])[..output.height as usize * output.row_len()]
    }

    /// The place of row `row`, padding counted, of tensor `id`.
    #[inline(always)]
    pub fn row(&mut self, id: usize, row: usize) -> RowMut<'_> {
        let tensor = self.plan.tensor(id);
        // SAFETY: `self` is borrowed for as long as the row, and the words are as many as the plan asks for.
        unsafe { row_of::<USES>(self.words.as_mut_ptr(), tensor, row) }
    }

    /// Row `row` of tensor `id`, padding counted, if it is the one that was written last.
    pub fn stored_row(&self, id: usize, row: usize) -> Rows<'_> {
        let tensor = self.plan.tensor(id);
        let ring = super::as_bytes(&self.words[tensor.ring_range()]);
        let landing = super::as_bytes(&self.words[tensor.landing_range()]);
        Rows::new(tensor, ring, landing, Span { first: row, last: row })
    }

    /// The step of operator `id` that comes next.
    #[inline(always)]
    pub fn step(&self, id: usize, progress: Progress) -> Step<'a> {
        let (operator, input, output) = self.plan.around(id);
        Step { operator, input, output, words: self.plan.words(), at: progress.at, row: progress.rows }
    }

    /// The words, for a step that [`step`](Self::step), which alone makes steps, has made of this plan.
    #[inline(always)]
    fn words_for(&mut self, step: &Step<'a>) -> *mut u32 {
        assert!(ptr::eq(step.words.as_ptr(), self.plan.words().as_ptr()));
        self.words.as_mut_ptr()
    }

    /// What `step`, one of this plan's, reads of its first input, and the row that it writes.
    #[inline(always)]
    pub fn rows(&mut self, step: &Step<'a>) -> (Rows<'_>, RowMut<'_>) {
        let words = self.words_for(step);
        // SAFETY: `self` is borrowed for as long as the rows, and the operator's input lies apart from its output.
        unsafe { (rows_of::<USES>(words, step, step.input), output_of::<USES>(words, step)) }
    }

    /// The same with the operator's accumulators.
    #[inline(always)]
    pub fn rows_and_accumulators(&mut self, step: &Step<'a>) -> (Rows<'_>, &mut [i32], RowMut<'_>) {
        let words = self.words_for(step);
        // SAFETY: as in `rows`; the accumulators lie in the arena, apart from both.
        unsafe {
            let state = words.add(step.operator.state as usize).cast();
            // A mean has one a channel, a dense layer as many as its kernel and its input's rows want.
            let len = match const { Uses(USES).dense() } {
                true => step.operator.state_words(step.input, step.output),
                false => step.output.channels as usize,
            };
            let accumulators = slice::from_raw_parts_mut(state, len);
            (rows_of::<USES>(words, step, step.input), accumulators, output_of::<USES>(words, step))
        }
    }

    /// The same with what it reads of its second input, before the row that it writes.
    #[inline(always)]
    pub fn rows_of_two(&mut self, step: &Step<'a>) -> (Rows<'_>, Rows<'_>, RowMut<'_>) {
        let words = self.words_for(step);
        let second = self.plan.tensor(step.operator.inputs[1] as usize);
        // SAFETY: as in `rows`; both inputs lie apart from the output.
        unsafe {
            (
                rows_of::<USES>(words, step, step.input),
                rows_of::<USES>(words, step, second),
                output_of::<USES>(words, step),
            )
        }
    }

    /// Moves the row of tensor `id` that has landed into the slot of row `row`. Where rows do not land, nothing.
    #[inline(never)]
    pub fn bring_in(&mut self, id: usize, row: usize) {
        let tensor = self.plan.tensor(id);
        let len = tensor.landing_words();
        let slot = tensor.ring as usize + tensor.slot_of(row) * len;
        let words = self.words.as_mut_ptr();
        // SAFETY: both lie in the arena, apart from each other.
        unsafe { super::copy_words(words.wrapping_add(tensor.landing as usize), words.add(slot), len) };
    }
}

/// The rows that a step reads of one of its inputs.
///
/// # Safety
/// `words` is the arena of the step's plan, and nothing writes to the input while they are borrowed.
#[inline(always)]
unsafe fn rows_of<'m, const USES: u128>(words: *const u32, step: &Step<'m>, input: &'m Tensor) -> Rows<'m> {
    // SAFETY: the ring lies in the arena, and so does the place where rows land if they do.
    let bytes = |at: u32, len| unsafe { slice::from_raw_parts(words.wrapping_add(at as usize).cast::<u8>(), len) };
    let landing =
        if const { Uses(USES).lands() } && input.lands() { bytes(input.landing, input.slot_len()) } else { &[] };
    let ring = bytes(input.ring, input.slots as usize * input.slot_len());
    Rows::new(input, ring, landing, schedule::span(step.operator, input, step.at))
}

/// The place of the row that a step writes.
///
/// # Safety
/// `words` is the arena of the step's plan, and nothing else reads or writes the place while it is borrowed.
#[inline(always)]
unsafe fn output_of<'m, const USES: u128>(words: *mut u32, step: &Step<'m>) -> RowMut<'m> {
    // SAFETY: the caller's.
    unsafe { row_of::<USES>(words, step.output, step.output.pads[0] as usize + step.row as usize) }
}

/// The place of row `row` of a tensor, padding counted: in its ring, or where rows land.
///
/// # Safety
/// `words` is the arena of the tensor's plan, and nothing else reads or writes the place while it is borrowed.
#[inline(always)]
unsafe fn row_of<'m, const USES: u128>(words: *mut u32, tensor: &'m Tensor, row: usize) -> RowMut<'m> {
    let (at, offset) = match const { Uses(USES).lands() } && tensor.lands() {
        true => (tensor.landing, 0),
        false => (tensor.ring, tensor.slot_of(row) * tensor.slot_len()),
    };
    // SAFETY: a slot of the ring lies in the arena, and so does the place where rows land.
    let slot = unsafe { words.add(at as usize).cast::<u8>().add(offset) };
    RowMut::new(tensor, unsafe { slice::from_raw_parts_mut(slot, tensor.slot_len()) })
}

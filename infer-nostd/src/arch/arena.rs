//! The memory of a plan: rows are borrowed from it where the plan's check has found them to lie.

use crate::plan::{Plan, Tensor};
use crate::ring::{RowMut, Rows};
use crate::schedule;
use core::slice;

/// A checked plan and as many words as it asks for.
///
/// `Plan::parse` has found of every plan there is: rings, accumulators and places where rows land lie in the arena, and what an operator
/// reads lies apart from what it writes. So nothing is looked at again when a step borrows them.
#[derive(Debug)]
pub struct Arena<'a> {
    plan: Plan<'a>,
    words: &'a mut [u32],
}

impl<'a> Arena<'a> {
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
        // SAFETY: `self` is borrowed for as long as the row.
        unsafe { row_of(self.words.as_mut_ptr(), tensor, row) }
    }

    /// What a step of operator `id` reads of its first input, and the place of row `row`, padding counted, of its output.
    #[inline(always)]
    pub fn step(&mut self, id: usize, at: u16, row: usize) -> (Rows<'_>, RowMut<'_>) {
        let words = self.words.as_mut_ptr();
        // SAFETY: `self` is borrowed for as long as the rows, and the operator's input lies apart from its output.
        unsafe { (rows_of(words, &self.plan, id, 0, at), row_of(words, self.plan.tensor(id + 1), row)) }
    }

    /// The same with the operator's accumulators.
    pub fn accumulating_step(&mut self, id: usize, at: u16, row: usize) -> (Rows<'_>, &mut [i32], RowMut<'_>) {
        let (operator, output) = (self.plan.operator(id), self.plan.tensor(id + 1));
        let len = operator.state_words(self.plan.tensor(operator.inputs[0] as usize), output);
        let words = self.words.as_mut_ptr();
        // SAFETY: as in `step`; the accumulators lie in the arena, apart from both.
        unsafe {
            let accs = slice::from_raw_parts_mut(words.add(operator.state as usize).cast(), len);
            (rows_of(words, &self.plan, id, 0, at), accs, row_of(words, output, row))
        }
    }

    /// The same with what it reads of its second input.
    pub fn step_of_two(&mut self, id: usize, at: u16, row: usize) -> (Rows<'_>, Rows<'_>, RowMut<'_>) {
        let (plan, words) = (&self.plan, self.words.as_mut_ptr());
        // SAFETY: as in `step`; both inputs lie apart from the output.
        unsafe {
            let output = row_of(words, plan.tensor(id + 1), row);
            (rows_of(words, plan, id, 0, at), rows_of(words, plan, id, 1, at), output)
        }
    }

    /// Moves the row of tensor `id` that has landed into the slot of row `row`.
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

/// The rows that the step of operator `id` that begins with row `at` reads of one of its inputs.
///
/// # Safety
/// `words` is the plan's arena, and nothing writes to the input while they are borrowed.
#[inline(always)]
unsafe fn rows_of<'m>(words: *const u32, plan: &Plan<'m>, id: usize, input: usize, at: u16) -> Rows<'m> {
    let operator = plan.operator(id);
    let tensor = plan.tensor(operator.inputs[input] as usize);
    // SAFETY: the ring lies in the arena, and so does the place where rows land if they do.
    let bytes = |at: u32, len| unsafe { slice::from_raw_parts(words.wrapping_add(at as usize).cast::<u8>(), len) };
    let landing = bytes(tensor.landing, if tensor.lands() { tensor.slot_len() } else { 0 });
    let ring = bytes(tensor.ring, tensor.slots as usize * tensor.slot_len());
    Rows::new(tensor, ring, landing, schedule::span(operator, tensor, at))
}

/// The place of row `row` of a tensor, padding counted: in its ring, or where rows land.
///
/// # Safety
/// `words` is the arena of the tensor's plan, and nothing else reads or writes the place while it is borrowed.
#[inline(always)]
unsafe fn row_of<'m>(words: *mut u32, tensor: &'m Tensor, row: usize) -> RowMut<'m> {
    let (at, offset) = if tensor.lands() { (tensor.landing, 0) } else { (tensor.ring, tensor.slot_of(row) * tensor.slot_len()) };
    // SAFETY: a slot of the ring lies in the arena, and so does the place where rows land.
    let slot = unsafe { words.add(at as usize).cast::<u8>().add(offset) };
    RowMut::new(tensor, unsafe { slice::from_raw_parts_mut(slot, tensor.slot_len()) })
}

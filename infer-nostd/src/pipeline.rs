//! Runs a plan, a row at a time.

use crate::arch;
use crate::ops::{self, Step};
use crate::plan::{Kernel, Kind, MAX_TENSORS, Plan, Tensor, Uses};
use crate::ring::{RowMut, Rows};
use crate::schedule::{self, Progress, Span};
use core::fmt;
use core::ops::Range;
use heapless::Vec;

/// One network at work: a plan, the RAM its rows live in, and how far the image in flight has come.
///
/// `TENSORS` is the size of the table of progress, 4 bytes an entry, and `USES` what the engine can do: [`Engine::new`] takes
/// any plan; firmware names [`Plan::tensor_count`] and [`Plan::uses`] and calls [`Engine::sized`], and has no code for anything else.
#[derive(Debug)]
pub struct Engine<'a, const TENSORS: usize = MAX_TENSORS, const USES: u128 = { Uses::ALL.0 }> {
    plan: Plan<'a>,
    arena: &'a mut [u32],
    progress: Vec<Progress, TENSORS>,
}

/// What a caller can do wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// The arena is shorter than [`Plan::arena_words`].
    ArenaTooSmall {
        /// Words that the plan needs.
        expected: usize,
        /// Words that were given.
        found: usize,
    },
    /// `TENSORS` is less than [`Plan::tensor_count`].
    TableTooSmall {
        /// Entries that the plan needs.
        expected: usize,
    },
    /// `USES` lacks what the plan needs: it was taken from another plan.
    LacksOperators,
    /// A row, or an image, of another length than the input's.
    InputLength {
        /// Values expected.
        expected: usize,
        /// Values given.
        found: usize,
    },
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ArenaTooSmall { expected, found } => {
                write!(f, "the arena has {found} words, the plan needs {expected}: see Plan::arena_words")
            }
            Self::TableTooSmall { expected } => write!(f, "the engine's TENSORS must be at least {expected}"),
            Self::LacksOperators => write!(f, "the engine's USES is not this plan's: see Plan::uses"),
            Self::InputLength { expected, found } => write!(f, "the input has {found} values, expected {expected}"),
        }
    }
}

impl core::error::Error for EngineError {}

impl<'a> Engine<'a> {
    /// An engine that runs any plan.
    ///
    /// # Errors
    /// [`EngineError::ArenaTooSmall`].
    pub fn new(plan: Plan<'a>, arena: &'a mut [u32]) -> Result<Self, EngineError> {
        Self::sized(plan, arena)
    }
}

impl<'a, const TENSORS: usize, const USES: u128> Engine<'a, TENSORS, USES> {
    /// An engine with a table of progress of `TENSORS` entries that can do what is in `USES`.
    ///
    /// # Errors
    /// [`EngineError::ArenaTooSmall`], [`EngineError::TableTooSmall`], [`EngineError::LacksOperators`].
    pub fn sized(plan: Plan<'a>, arena: &'a mut [u32]) -> Result<Self, EngineError> {
        let (expected, found) = (plan.arena_words(), arena.len());
        if found < expected {
            return Err(EngineError::ArenaTooSmall { expected, found });
        }
        if USES != Uses::ALL.0 && plan.uses() & !USES != 0 {
            return Err(EngineError::LacksOperators);
        }
        let mut progress = Vec::new();
        progress
            .resize_default(plan.tensor_count())
            .map_err(|_| EngineError::TableTooSmall { expected: plan.tensor_count() })?;
        let mut engine = Self { plan, arena, progress };
        engine.start();
        Ok(engine)
    }

    /// The plan that this engine runs.
    pub fn plan(&self) -> &Plan<'a> {
        &self.plan
    }

    /// Forgets the image in flight and waits for the first row of the next one.
    pub fn start(&mut self) {
        schedule::start(&self.plan, &mut self.progress);
        for tensor in self.plan.tensors() {
            if tensor.pads != [0; 4] {
                self.arena[tensor.ring_range()].fill(u32::from_le_bytes([tensor.zero_byte(); 4]));
            }
        }
    }

    /// Takes the next row of the image: W·C values, channels last. The output after the last row, else `None`.
    ///
    /// The first row after an output begins the next image.
    ///
    /// # Errors
    /// [`EngineError::InputLength`]; the image in flight stays as it is.
    pub fn push_row(&mut self, row: &[i8]) -> Result<Option<&[i8]>, EngineError> {
        self.push_row_with(row, &mut |_| {})
    }

    /// The same, and tells `probe` the number of each operator before it makes a step: for measuring.
    ///
    /// # Errors
    /// As [`push_row`](Self::push_row).
    pub fn push_row_with(&mut self, row: &[i8], probe: &mut impl FnMut(usize)) -> Result<Option<&[i8]>, EngineError> {
        let input = self.plan.tensor(0);
        expect_len(input.row_len(), row.len())?;
        if !schedule::input_open(&self.plan, &self.progress) {
            self.start();
        }
        self.store_row(row);
        self.progress[0].rows += 1;
        self.settle(input.last_reader, probe);
        // The output may be complete before the last row, where strides leave rows at the end unread.
        Ok(if schedule::input_open(&self.plan, &self.progress) { None } else { Some(self.output()) })
    }

    /// Puts a row of the image into the input's ring.
    #[inline(never)] // its frame is gone when the operators work
    fn store_row(&mut self, row: &[i8]) {
        let input = self.plan.tensor(0);
        let at = input.pads[0] as usize + self.progress[0].rows as usize;
        let ring = &mut self.arena[input.ring_range()];
        for lane in 0..input.rows_a_step().min(at + 1) {
            let mut slot = RowMut::new(input, ring, at - lane);
            for channel in 0..input.channels as usize {
                let mut values = slot.channel(channel + lane);
                for (x, pixel) in row.chunks_exact(input.channels as usize).enumerate() {
                    values.put(x, pixel[channel]);
                }
            }
        }
    }

    /// Takes a whole image, H·W·C values, channels last, and gives the output, channels last.
    ///
    /// # Errors
    /// [`EngineError::InputLength`].
    pub fn infer(&mut self, image: &[i8]) -> Result<&[i8], EngineError> {
        let input = self.plan.input();
        expect_len(input.len(), image.len())?;
        self.start();
        for row in image.chunks_exact(input.row_len()) {
            self.push_row(row)?;
        }
        Ok(self.output())
    }

    /// The output of the last complete image.
    fn output(&self) -> &[i8] {
        let output = self.plan.tensor(self.plan.operator_count());
        let words = &self.arena[output.ring_range()];
        &arch::as_i8(words)[..output.height as usize * output.row_len()]
    }

    /// Lets every operator work that can, until none can.
    #[inline(always)]
    fn settle(&mut self, mut from: u16, probe: &mut impl FnMut(usize)) {
        while let Some(id) = schedule::next_ready(&self.plan, &self.progress, from) {
            probe(id);
            from = self.step(id);
        }
    }

    /// One step of operator `id`: it reads rows and gives a row, or takes one into its accumulators or into a row. Where to look for
    /// work next.
    #[inline(never)]
    fn step(&mut self, id: usize) -> u16 {
        let operator = self.plan.operator(id);
        let (input, output) = (self.plan.tensor(operator.inputs[0] as usize), self.plan.tensor(id + 1));
        let Progress { rows, at } = self.progress[id + 1];
        let step = Step { operator, input, output, words: self.plan.words(), at, row: rows };
        let span = schedule::span(operator, input, at);
        self.fill_padding(&step, span.last);
        self.run(&step, span, output.pads[0] as usize + rows as usize);
        if input.lands() {
            self.bring_in(input, span.last);
        }
        let now = schedule::advanced(Progress { rows, at }, operator);
        self.progress[id + 1] = now;
        let next = schedule::resume_from(output, id);
        if output.lands() {
            self.settle_landed(output, next as usize, output.pads[0] as usize + now.rows as usize - 1);
        }
        next
    }

    /// Moves the row that has just landed into the ring unless it is the last one that its reader is about to read.
    #[inline(never)]
    fn settle_landed(&mut self, tensor: &Tensor, reader: usize, row: usize) {
        let span = schedule::span(self.plan.operator(reader), tensor, self.progress[reader + 1].at);
        if row != span.last {
            self.bring_in(tensor, row);
        }
    }

    /// Moves the row that has landed into its slot of the ring.
    #[inline(never)]
    fn bring_in(&mut self, tensor: &Tensor, row: usize) {
        let [landing, ring] = disjoint(self.arena, [tensor.landing_range(), tensor.ring_range()]);
        let slot = tensor.slot_of(row) * landing.len();
        ring[slot..slot + landing.len()].copy_from_slice(landing);
    }

    /// The work of a step, into row `at` of the output.
    ///
    /// What `USES` has not, the compiler does not even look at.
    #[inline(always)]
    fn run(&mut self, step: &Step, span: Span, at: usize) {
        let has_kernel = step.operator.kernel != Kernel::Portable;
        let row: fn(&Step, &Rows, &mut RowMut) = match step.operator.kind {
            Kind::Conv2d if has_kernel && const { Uses(USES).conv_kernels() } => ops::packed::row::<USES>,
            Kind::Conv2d if const { Uses(USES).portable(Kind::Conv2d) } => ops::conv2d::row,
            Kind::Depthwise if has_kernel && const { Uses(USES).any_depthwise_kernels() } => {
                ops::packed_depthwise::row::<USES>
            }
            Kind::Depthwise if const { Uses(USES).portable(Kind::Depthwise) } => ops::depthwise::row,
            Kind::MaxPool if step.operator.merges() && const { Uses(USES).merging_pools() } => {
                ops::max_pool::merge::<USES>
            }
            Kind::MaxPool if const { Uses(USES).portable(Kind::MaxPool) } => ops::max_pool::row,
            Kind::AveragePool if const { Uses(USES).portable(Kind::AveragePool) } => ops::average_pool::row,
            Kind::Requantize if const { Uses(USES).portable(Kind::Requantize) } => ops::add::requantize_row,
            Kind::Lookup if const { Uses(USES).portable(Kind::Lookup) } => ops::lookup::row,
            Kind::Dense if has_kernel && const { Uses(USES).any_dense_kernels() } => {
                return self.accumulating_step(step, span, ops::packed_dense::take::<USES>);
            }
            Kind::Dense if const { Uses(USES).portable(Kind::Dense) } => {
                return self.accumulating_step(step, span, ops::dense::take);
            }
            Kind::GlobalAveragePool if const { Uses(USES).portable(Kind::GlobalAveragePool) } => {
                return self.accumulating_step(step, span, ops::global_average_pool::take);
            }
            Kind::Add if const { Uses(USES).portable(Kind::Add) } => {
                return self.joining_step(step, span, at, ops::add::sum_row);
            }
            Kind::Concat if const { Uses(USES).portable(Kind::Concat) } => {
                return self.joining_step(step, span, at, ops::concat::row);
            }
            _ => unreachable!(), // `sized` has held USES against the plan
        };
        self.window_step(step, span, at, row);
    }

    /// A step that reads rows and gives one. One function for all operators: less code, and one frame.
    #[inline(never)]
    fn window_step(&mut self, step: &Step, span: Span, at: usize, row: fn(&Step, &Rows, &mut RowMut)) {
        let (ring, write) = (step.input.ring_range(), step.output.write_range());
        let (ring, landing, write): (&[u32], &[u32], _) = if step.input.lands() {
            let [ring, landing, write] = disjoint(self.arena, [ring, step.input.landing_range(), write]);
            (ring, landing, write)
        } else {
            let [ring, write] = disjoint(self.arena, [ring, write]);
            (ring, &[], write)
        };
        let out = &mut RowMut::new(step.output, write, at);
        out.renew_edges();
        row(step, &Rows::new(step.input, ring, landing, span), out);
    }

    /// A step that takes a row into accumulators and writes a row after the last.
    #[inline(never)]
    fn accumulating_step(&mut self, step: &Step, span: Span, take: fn(&Step, &Rows, &mut [i32], &mut RowMut)) {
        let (at, len) = (step.operator.state as usize, step.operator.state_words(step.input, step.output));
        let state = if len == 0 { 0..0 } else { at..at + len };
        let [read, accs, write] = disjoint(self.arena, [step.input.ring_range(), state, step.output.write_range()]);
        let out = &mut RowMut::new(step.output, write, step.output.pads[0] as usize);
        out.renew_edges();
        take(step, &Rows::new(step.input, read, &[], span), arch::as_i32_mut(accs), out);
    }

    /// A step that reads a row of each of two tensors, which may be the same. Where they are not, neither's rows land.
    #[inline(never)]
    fn joining_step(&mut self, step: &Step, span: Span, at: usize, row: Join) {
        let second = self.plan.tensor(step.operator.inputs[1] as usize);
        if step.operator.input_count() == 1 {
            let [read, write] = disjoint(self.arena, [step.input.ring_range(), step.output.write_range()]);
            let rows = Rows::new(step.input, read, &[], span);
            let out = &mut RowMut::new(step.output, write, at);
            out.renew_edges();
            return row(step, second, &rows, &rows, out);
        }
        let ranges = [step.input.ring_range(), second.ring_range(), step.output.write_range()];
        let [a, b, write] = disjoint(self.arena, ranges);
        let span_b = schedule::span(step.operator, second, step.at);
        let (a, b) = (Rows::new(step.input, a, &[], span), Rows::new(second, b, &[], span_b));
        let out = &mut RowMut::new(step.output, write, at);
        out.renew_edges();
        row(step, second, &a, &b, out);
    }

    /// Makes the padding below the map of the step's first input, down to row `last`, which the step is about to read. An operator of two inputs
    /// reads none.
    #[inline(never)] // like those below: what it holds is off the stack when the operator works
    fn fill_padding(&mut self, step: &Step, last: usize) {
        let (tensor, source) = (step.input, step.operator.inputs[0] as usize);
        while tensor.pads[0] as usize + self.progress[source].rows as usize <= last {
            let row = tensor.pads[0] as usize + self.progress[source].rows as usize;
            let words = &mut self.arena[tensor.write_range()];
            RowMut::new(tensor, words, row).fill_zero();
            for lane in 1..tensor.rows_a_step().min(row + 1) {
                let mut above = RowMut::new(tensor, words, row - lane);
                let mut values = above.channel(lane);
                (0..tensor.width as usize).for_each(|x| values.put(x, tensor.zero_point));
            }
            if tensor.lands() && row < last {
                self.bring_in(tensor, row);
            }
            self.progress[source].rows += 1;
        }
    }
}

/// Makes a row of two tensors' rows; the second of them is described apart.
type Join = fn(&Step, &Tensor, &Rows, &Rows, &mut RowMut);

/// Parts of the arena that the plan's check has found apart.
fn disjoint<const N: usize>(arena: &mut [u32], ranges: [Range<usize>; N]) -> [&mut [u32]; N] {
    arena.get_disjoint_mut(ranges).unwrap_or_else(|_| unreachable!())
}

fn expect_len(expected: usize, found: usize) -> Result<(), EngineError> {
    if found == expected { Ok(()) } else { Err(EngineError::InputLength { expected, found }) }
}

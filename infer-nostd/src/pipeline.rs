//! Runs a plan, a row at a time.

use crate::arch::arena::Arena;
use crate::ops::{self, Step};
use crate::plan::{Kernel, Kind, MAX_TENSORS, Plan, Tensor, Uses};
use crate::ring::{RowMut, Rows};
use crate::schedule::{self, Progress, Ready};
use core::fmt;

/// One network at work: a plan, the RAM its rows live in, and how far the image in flight has come.
///
/// `TENSORS` is the size of the table of progress, 4 bytes an entry, and `USES` what the engine can do: [`Engine::new`] takes
/// any plan; firmware names [`Plan::tensor_count`] and [`Plan::uses`] and calls [`Engine::sized`], and has no code for anything else. Firmware with
/// several plans names the largest of the counts and the union of the uses.
#[derive(Debug)]
pub struct Engine<'a, const TENSORS: usize = MAX_TENSORS, const USES: u128 = { Uses::ALL.0 }> {
    arena: Arena<'a, USES>,
    progress: [Progress; TENSORS],
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
    /// `USES` lacks what the plan needs: it was taken from other plans.
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
            Self::LacksOperators => write!(f, "the engine's USES lacks what the plan uses: see Plan::uses"),
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
    /// An engine with a table of progress of `TENSORS` entries that can do what is in `USES`: this plan's own [`Plan::uses`], the union of
    /// several plans', or everything.
    ///
    /// # Errors
    /// [`EngineError::ArenaTooSmall`], [`EngineError::TableTooSmall`], [`EngineError::LacksOperators`].
    pub fn sized(plan: Plan<'a>, arena: &'a mut [u32]) -> Result<Self, EngineError> {
        if USES != Uses::ALL.0 && plan.uses() & !USES != 0 {
            return Err(EngineError::LacksOperators);
        }
        if TENSORS < plan.tensor_count() {
            return Err(EngineError::TableTooSmall { expected: plan.tensor_count() });
        }
        let found = arena.len();
        let Some(arena) = Arena::new(plan, arena) else {
            return Err(EngineError::ArenaTooSmall { expected: plan.arena_words(), found });
        };
        let mut engine = Self { arena, progress: [Progress::default(); TENSORS] };
        engine.start();
        Ok(engine)
    }

    /// The plan that this engine runs.
    pub fn plan(&self) -> &Plan<'a> {
        self.arena.plan()
    }

    /// Forgets the image in flight and waits for the first row of the next one.
    pub fn start(&mut self) {
        self.progress = [Progress::default(); TENSORS];
        if const { !Uses(USES).renews() } {
            (0..self.plan().tensor_count()).for_each(|id| self.make_padding(id));
        }
    }

    /// Makes a tensor's padding, before there are rows.
    #[inline(always)]
    fn make_padding(&mut self, id: usize) {
        if self.plan().tensor(id).pads != [0; 4] {
            self.arena.fill_ring(id);
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
        self.take_row(row, |engine, reader| engine.settle(reader, probe))
    }

    /// The same, and shows `watch` the engine and the number of each tensor that has just got a row: for comparing on the desk. [`newest_row`](Self::newest_row)
    /// reads it.
    ///
    /// # Errors
    /// As [`push_row`](Self::push_row).
    pub fn push_row_watched(
        &mut self,
        row: &[i8],
        watch: &mut impl FnMut(&Self, usize),
    ) -> Result<Option<&[i8]>, EngineError> {
        self.take_row(row, |engine, mut from| {
            while let Some(ready) = schedule::next_ready::<USES>(engine.plan(), &engine.progress, from) {
                let tensor = ready.id + 1;
                let rows = engine.rows(tensor);
                from = engine.step(ready);
                if engine.rows(tensor) > rows {
                    watch(engine, tensor);
                }
            }
        })
    }

    /// Copies the row of an operator's tensor that was made last into `values`, W·C of them, channels last, and says how far down the map it is.
    ///
    /// To be asked while [`push_row_watched`](Self::push_row_watched) shows the tensor: the next step may overwrite the row.
    ///
    /// # Errors
    /// [`EngineError::InputLength`] where `values` has another length.
    pub fn newest_row(&self, tensor: usize, values: &mut [i8]) -> Result<usize, EngineError> {
        let record = self.plan().tensor(tensor);
        expect_len(record.row_len(), values.len())?;
        let number = (self.progress[tensor].rows as usize).saturating_sub(1);
        let row = self.arena.stored_row(tensor, record.pads[0] as usize + number);
        let channels = record.channels as usize;
        for (i, value) in values.iter_mut().enumerate() {
            *value = row.channel(0, i % channels).get(record.pads[1] as usize + i / channels);
        }
        Ok(number)
    }

    /// Takes a row in and lets the operators `work`, from the input's last reader on.
    #[inline(always)]
    fn take_row(&mut self, row: &[i8], work: impl FnOnce(&mut Self, u16)) -> Result<Option<&[i8]>, EngineError> {
        let input = self.plan().tensor(0);
        expect_len(input.row_len(), row.len())?;
        if !self.is_open() {
            self.start();
        }
        self.store_row(row);
        work(self, input.last_reader);
        // The output may be complete before the last row, where strides leave rows at the end unread.
        Ok(if self.is_open() { None } else { Some(self.arena.output()) })
    }

    /// Whether the image in flight lacks rows.
    #[inline(always)]
    fn is_open(&self) -> bool {
        schedule::input_open(self.plan(), &self.progress)
    }

    /// Puts a row of the image into the input's ring.
    #[inline(never)] // its frame is gone when the operators work
    fn store_row(&mut self, row: &[i8]) {
        if const { Uses(USES).renews() } && self.progress[0].rows == 0 {
            self.make_padding(0);
        }
        let input = self.plan().tensor(0);
        let at = input.pads[0] as usize + self.progress[0].rows as usize;
        if const { Uses(USES).stacks() } && (const { !Uses(USES).plain_inputs() } || input.stacked) {
            for lane in 0..input.lanes().min(at + 1) {
                self.arena.row(0, at - lane).channel(lane).put_each(row, 1);
            }
        } else {
            ops::input::store(input, row, &mut self.arena.row(0, at));
        }
        self.progress[0].rows += 1;
    }

    /// Takes a whole image, H·W·C values, channels last, and gives the output, channels last.
    ///
    /// # Errors
    /// [`EngineError::InputLength`].
    pub fn infer(&mut self, image: &[i8]) -> Result<&[i8], EngineError> {
        let input = self.plan().input();
        expect_len(input.len(), image.len())?;
        self.start();
        for row in image.chunks_exact(input.row_len()) {
            self.push_row(row)?;
        }
        Ok(self.arena.output())
    }

    /// Lets every operator work that can, until none can.
    #[inline(always)]
    fn settle(&mut self, mut from: u16, probe: &mut impl FnMut(usize)) {
        while let Some(ready) = schedule::next_ready::<USES>(self.plan(), &self.progress, from) {
            probe(ready.id);
            from = self.step(ready);
        }
    }

    /// One step of an operator: it reads rows and gives a row, or takes one into its accumulators or into a row. Where to look for work next.
    #[inline(always)]
    fn step(&mut self, Ready { id, lacks_rows }: Ready) -> u16 {
        if const { Uses(USES).renews() } {
            self.renew_padding(id);
        }
        if lacks_rows {
            self.fill_padding(id);
        }
        self.run(id);
        self.advance(id)
    }

    /// Rows of tensor `id` that there are, padding counted.
    #[inline(always)]
    fn rows(&self, id: usize) -> usize {
        self.plan().tensor(id).pads[0] as usize + self.progress[id].rows as usize
    }

    /// Makes the padding of what operator `id` makes, before its first step, and of what it reads before there are rows: other rows may have lain there.
    #[inline(never)]
    fn renew_padding(&mut self, id: usize) {
        let [a, b] = self.plan().operator(id).inputs.map(usize::from);
        for tensor in [a, b, id + 1] {
            if self.progress[tensor] == Progress::default() {
                self.make_padding(tensor);
            }
        }
    }

    /// After a step of operator `id`: what has landed and been read moves into its ring. Where to look for work next.
    #[inline(never)]
    fn advance(&mut self, id: usize) -> u16 {
        let (operator, input, output) = self.plan().around(id);
        let before = self.progress[id + 1];
        if const { Uses(USES).lands() } && input.lands() {
            self.arena.bring_in(operator.inputs[0] as usize, schedule::span(operator, input, before.at).last);
        }
        self.progress[id + 1] = schedule::advanced::<USES>(before, operator);
        let next = schedule::resume_from(output, id);
        if const { Uses(USES).lands() } && output.lands() {
            self.settle_landed(id + 1, next as usize);
        }
        next
    }

    /// Moves the row that has just landed into the ring unless it is the last one that its reader is about to read.
    #[inline(always)]
    fn settle_landed(&mut self, id: usize, reader: usize) {
        let row = self.rows(id) - 1;
        let span = schedule::span(self.plan().operator(reader), self.plan().tensor(id), self.progress[reader + 1].at);
        if row != span.last {
            self.arena.bring_in(id, row);
        }
    }

    /// The work of a step. What `USES` has not, the compiler does not even look at.
    #[inline(never)] // like its neighbours: what they hold is off the stack when others work
    fn run(&mut self, id: usize) {
        let step = self.arena.step(id, self.progress[id + 1]);
        let operator = step.operator;
        // What a plan has in one form only is not asked about its form.
        let has_kernel = operator.kernel != Kernel::Portable;
        let row: fn(&Step, &Rows, &mut RowMut) = match operator.kind {
            Kind::Conv2d | Kind::Depthwise
                if const { Uses(USES).conv_kernels() } && (has_kernel || const { !Uses(USES).portable_convs() }) =>
            {
                ops::packed::row::<USES>
            }
            Kind::Conv2d if const { Uses(USES).portable(Kind::Conv2d) } => ops::conv2d::row,
            Kind::Depthwise if const { Uses(USES).portable(Kind::Depthwise) } => ops::depthwise::row,
            Kind::MaxPool
                if const { Uses(USES).merging_pools() }
                    && (operator.merges || const { !Uses(USES).portable(Kind::MaxPool) }) =>
            {
                ops::max_pool::merge::<USES>
            }
            Kind::MaxPool if const { Uses(USES).portable(Kind::MaxPool) } => ops::max_pool::row,
            Kind::AveragePool if const { Uses(USES).portable(Kind::AveragePool) } => ops::average_pool::row,
            Kind::Requantize if const { Uses(USES).portable(Kind::Requantize) } => ops::add::requantize_row,
            Kind::Resize if const { Uses(USES).portable(Kind::Resize) } => ops::resize::row,
            Kind::Lookup if const { Uses(USES).portable(Kind::Lookup) } => ops::lookup::row,
            Kind::Dense
                if const { Uses(USES).any_dense_kernels() }
                    && (has_kernel || const { !Uses(USES).portable(Kind::Dense) }) =>
            {
                return self.accumulating_step(&step, ops::packed_dense::take::<USES>);
            }
            Kind::Dense if const { Uses(USES).portable(Kind::Dense) } => {
                return self.accumulating_step(&step, ops::dense::take);
            }
            Kind::GlobalAveragePool if const { Uses(USES).portable(Kind::GlobalAveragePool) } => {
                return self.accumulating_step(&step, ops::global_average_pool::take);
            }
            Kind::Add if const { Uses(USES).portable(Kind::Add) } => {
                return self.joining_step(&step, ops::add::sum_row);
            }
            Kind::Concat if const { Uses(USES).portable(Kind::Concat) } => {
                return self.joining_step(&step, ops::concat::row);
            }
            Kind::Mul if const { Uses(USES).portable(Kind::Mul) } => {
                return self.joining_step(&step, ops::mul::row);
            }
            _ => unreachable!(), // `sized` has held USES against the plan
        };
        let (rows, mut out) = self.arena.rows(&step);
        if const { Uses(USES).lands() } {
            out.renew_edges();
        }
        row(&step, &rows, &mut out);
    }

    /// A step that takes a row into accumulators and writes a row after the last.
    #[inline(never)]
    fn accumulating_step(&mut self, step: &Step<'a>, take: fn(&Step, &Rows, &mut [i32], &mut RowMut)) {
        let (rows, accumulators, mut out) = self.arena.rows_and_accumulators(step);
        if const { Uses(USES).lands() } {
            out.renew_edges();
        }
        take(step, &rows, accumulators, &mut out);
    }

    /// A step that reads a row of each of two tensors, which may be the same. Neither's rows land.
    #[inline(never)]
    fn joining_step(&mut self, step: &Step<'a>, row: Join) {
        let (a, b, mut out) = self.arena.rows_of_two(step);
        if const { Uses(USES).lands() } {
            out.renew_edges();
        }
        row(step, &a, &b, &mut out);
    }

    /// Rows side by side in each row of a tensor.
    #[inline(always)]
    fn rows_stacked(tensor: &Tensor) -> usize {
        if const { Uses(USES).stacks() } { tensor.rows_a_step() } else { 1 }
    }

    /// Makes the padding below the map that operator `id` is about to read. An operator of two inputs reads none.
    #[inline(never)]
    fn fill_padding(&mut self, id: usize) {
        let (operator, tensor, _) = self.plan().around(id);
        let source = operator.inputs[0] as usize;
        let last = schedule::span(operator, tensor, self.progress[id + 1].at).last;
        while self.rows(source) <= last {
            self.fill_row(source, last);
        }
    }

    /// Makes the next row of padding below the map of tensor `id`.
    #[inline(never)]
    fn fill_row(&mut self, id: usize, last: usize) {
        let (tensor, row) = (self.plan().tensor(id), self.rows(id));
        self.arena.row(id, row).fill_zero();
        for lane in 1..Self::rows_stacked(tensor).min(row + 1) {
            let mut above = self.arena.row(id, row - lane);
            let mut values = above.channel(lane);
            (0..tensor.width as usize).for_each(|x| values.put(x, tensor.zero_point));
        }
        if const { Uses(USES).lands() } && tensor.lands() && row < last {
            self.arena.bring_in(id, row);
        }
        self.progress[id].rows += 1;
    }
}

/// Makes a row of two tensors' rows.
type Join = fn(&Step, &Rows, &Rows, &mut RowMut);

fn expect_len(expected: usize, found: usize) -> Result<(), EngineError> {
    if found == expected { Ok(()) } else { Err(EngineError::InputLength { expected, found }) }
}

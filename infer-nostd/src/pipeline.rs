//! Runs a plan, a row at a time.

use crate::arch;
use crate::ops::{self, Step};
use crate::plan::{Kind, MAX_TENSORS, Operator, Plan, Tensor};
use crate::ring::{self, Rows};
use crate::schedule::{self, Progress};
use core::fmt;
use core::ops::Range;
use heapless::Vec;

/// One network at work: a plan, the RAM its rows live in, and how far the image in flight has come.
///
/// `TENSORS` is the size of the table of progress, 4 bytes an entry: [`Engine::new`] takes one that fits any plan;
/// firmware names [`Plan::tensor_count`] and calls [`Engine::sized`].
#[derive(Debug)]
pub struct Engine<'a, const TENSORS: usize = MAX_TENSORS> {
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
            Self::InputLength { expected, found } => write!(f, "the input has {found} values, expected {expected}"),
        }
    }
}

impl core::error::Error for EngineError {}

impl<'a> Engine<'a> {
    /// An engine with a table of progress that fits any plan.
    ///
    /// # Errors
    /// [`EngineError::ArenaTooSmall`].
    pub fn new(plan: Plan<'a>, arena: &'a mut [u32]) -> Result<Self, EngineError> {
        Self::sized(plan, arena)
    }
}

impl<'a, const TENSORS: usize> Engine<'a, TENSORS> {
    /// An engine with a table of progress of `TENSORS` entries.
    ///
    /// # Errors
    /// [`EngineError::ArenaTooSmall`], [`EngineError::TableTooSmall`].
    pub fn sized(plan: Plan<'a>, arena: &'a mut [u32]) -> Result<Self, EngineError> {
        let (expected, found) = (plan.arena_words(), arena.len());
        if found < expected {
            return Err(EngineError::ArenaTooSmall { expected, found });
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
        for id in 0..self.plan.tensor_count() {
            let tensor = self.plan.tensor(id);
            if tensor.pads != [0; 4] {
                arch::as_i8_mut(&mut self.arena[ring_range(&tensor)]).fill(tensor.zero_point);
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
        let input = self.plan.tensor(0);
        expect_len(input.row_len(), row.len())?;
        if !schedule::input_open(&self.plan, &self.progress) {
            self.start();
        }
        let at = self.progress[0].rows as usize;
        ring::interior(&input, arch::as_i8_mut(&mut self.arena[ring_range(&input)]), at).copy_from_slice(row);
        self.progress[0].rows += 1;
        self.settle(input.last_reader);
        // The output may be complete before the last row, where strides leave rows at the end unread.
        Ok(if schedule::input_open(&self.plan, &self.progress) { None } else { Some(self.output()) })
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
        let words = &self.arena[ring_range(&output)];
        &arch::as_i8(words)[..output.height as usize * output.row_len()]
    }

    /// Lets every operator work that can, until none can.
    fn settle(&mut self, mut from: u16) {
        while let Some(id) = schedule::next_ready(&self.plan, &self.progress, from) {
            self.step(id);
            schedule::advance(&self.plan, &mut self.progress, id);
            from = schedule::resume_from(&self.plan, id);
        }
    }

    /// One step of operator `id`: it reads rows and gives a row, or takes one into its accumulators.
    fn step(&mut self, id: usize) {
        let operator = self.plan.operator(id);
        for i in 0..operator.input_count() {
            self.fill_padding(id, &operator, operator.inputs[i] as usize);
        }
        let (input, output) = (self.plan.tensor(operator.inputs[0] as usize), self.plan.tensor(id + 1));
        let step = Step {
            id,
            operator,
            input,
            output,
            weights: arch::as_i8(self.plan.weights(id)),
            table: self.plan.table(id),
            number: self.progress[id + 1].steps as usize,
        };
        match operator.kind {
            Kind::Conv2d => self.window_step(&step, ops::conv2d::row),
            Kind::Depthwise => self.window_step(&step, ops::depthwise::row),
            Kind::MaxPool => self.window_step(&step, ops::max_pool::row),
            Kind::AveragePool => self.window_step(&step, ops::average_pool::row),
            Kind::Dense => self.accumulating_step(&step, ops::dense::take),
            Kind::GlobalAveragePool => self.accumulating_step(&step, ops::global_average_pool::take),
            Kind::Add => self.sum_step(&step),
            Kind::Requantize => self.window_step(&step, ops::add::requantize_row),
        }
    }

    /// A step that reads rows and gives one.
    fn window_step(&mut self, step: &Step, row: fn(&Step, Rows, &mut [i8])) {
        let at = self.progress[step.id + 1].rows as usize;
        let [read, write] = disjoint(self.arena, [ring_range(&step.input), ring_range(&step.output)]);
        let out = ring::interior(&step.output, arch::as_i8_mut(write), at);
        row(step, rows(step, &step.input, read), out);
    }

    /// A step that takes a row into accumulators.
    fn accumulating_step(&mut self, step: &Step, take: fn(&Step, &[i8], &mut [i32], &mut [i8])) {
        let at = self.progress[step.id + 1].rows as usize;
        let state = step.operator.state as usize;
        let state = state..state + step.operator.state_words(&step.output);
        let [read, accs, write] = disjoint(self.arena, [ring_range(&step.input), state, ring_range(&step.output)]);
        let out = ring::interior(&step.output, arch::as_i8_mut(write), at);
        take(step, rows(step, &step.input, read).map_row(&step.input), arch::as_i32_mut(accs), out);
    }

    /// A step that reads a row of each of two tensors, which may be the same.
    fn sum_step(&mut self, step: &Step) {
        let at = self.progress[step.id + 1].rows as usize;
        let second = self.plan.tensor(step.operator.inputs[1] as usize);
        if step.operator.input_count() == 1 {
            return self.window_step(step, |step, rows, out| {
                let row = rows.map_row(&step.input);
                ops::add::sum_row(step, row, row, out);
            });
        }
        let ranges = [ring_range(&step.input), ring_range(&second), ring_range(&step.output)];
        let [a, b, write] = disjoint(self.arena, ranges);
        let out = ring::interior(&step.output, arch::as_i8_mut(write), at);
        let (a, b) = (rows(step, &step.input, a), rows(step, &second, b));
        ops::add::sum_row(step, a.map_row(&step.input), b.map_row(&second), out);
    }

    /// Makes the padding below the map of tensor `source`, as far as operator `id` is about to read it.
    fn fill_padding(&mut self, id: usize, operator: &Operator, source: usize) {
        let tensor = self.plan.tensor(source);
        let last = schedule::span(operator, &tensor, self.progress[id + 1].steps as usize).last;
        while self.progress[source].rows as usize <= last {
            let row = self.progress[source].rows as usize;
            ring::interior(&tensor, arch::as_i8_mut(&mut self.arena[ring_range(&tensor)]), row).fill(tensor.zero_point);
            self.progress[source].rows += 1;
        }
    }
}

/// The rows of `tensor` that the step reads.
fn rows<'a>(step: &Step, tensor: &Tensor, ring: &'a [u32]) -> Rows<'a> {
    let first = schedule::span(&step.operator, tensor, step.number).first;
    Rows::new(tensor, arch::as_i8(ring), first)
}

fn ring_range(tensor: &Tensor) -> Range<usize> {
    let at = tensor.ring as usize;
    at..at + tensor.ring_words()
}

/// Parts of the arena that the plan's check has found apart.
fn disjoint<const N: usize>(arena: &mut [u32], ranges: [Range<usize>; N]) -> [&mut [u32]; N] {
    arena.get_disjoint_mut(ranges).unwrap_or_else(|_| unreachable!())
}

fn expect_len(expected: usize, found: usize) -> Result<(), EngineError> {
    if found == expected { Ok(()) } else { Err(EngineError::InputLength { expected, found }) }
}

//! The order of work: which operator makes which row when. It moves counters and touches no data, so that the engine,
//! the check of a plan and the planner follow one and the same schedule.
//!
//! A row that arrives wakes the operators that read it; the furthest one downstream that can make a row makes it, until
//! none can. Nothing waits longer than it must, which is what keeps the rings short.
//!
//! Progress counts rows of the map. Where memory is meant (spans, slots), rows are counted with the stored padding: row `pads[0]`
//! is then the first real one. The padding below the map comes into being when a window first reaches it.

use crate::plan::{Kind, NO_READER, Operator, Plan, Tensor, Uses};

/// How far a tensor and the operator that makes it have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows of the map made so far; more once the padding below has come into being.
    pub rows: u16,
    /// The row that the operator's next step begins with, counted from the operator's own padding; [`Operator::end`] after the last step.
    pub at: u16,
}

/// First and last row that an operator reads, both counted, padding counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First row.
    pub first: usize,
    /// Last row.
    pub last: usize,
}

/// Sets every tensor to the start of an image.
///
/// `progress` has an entry for each of the plan's tensors.
pub const fn start(plan: &Plan, progress: &mut [Progress]) {
    let mut id = 0;
    while id < plan.tensor_count() {
        progress[id] = Progress { rows: 0, at: 0 };
        id += 1;
    }
}

/// Whether tensor 0 still takes rows.
pub const fn input_open(plan: &Plan, progress: &[Progress]) -> bool {
    progress[0].rows < plan.tensor(0).height
}

/// Whether every row of the output has been made.
pub const fn is_complete(plan: &Plan, progress: &[Progress]) -> bool {
    let last = plan.tensor_count() - 1;
    progress[last].rows == plan.tensor(last).height
}

/// An operator that can make a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// Its number.
    pub id: usize,
    /// Whether the step may reach below the map of its input, so that padding must be made first.
    pub lacks_rows: bool,
}

/// The furthest operator at or before `from` that can make a step.
///
/// `USES` is what the plan uses, for the compiler to leave out the rest.
#[inline(always)]
pub const fn next_ready<const USES: u128>(plan: &Plan, progress: &[Progress], from: u16) -> Option<Ready> {
    let mut id = from as usize + 1;
    if id > plan.operator_count() {
        id = plan.operator_count();
    }
    while id > 0 {
        let at = progress[id].at;
        id -= 1;
        let (operator, input, _) = plan.around(id);
        if at == operator.end {
            continue;
        }
        let [a, b] = operator.inputs;
        let rows = progress[a as usize].rows;
        let lacks_rows = rows as usize + (operator.pads[0] as usize) < at as usize + operator.reach as usize;
        // With the map whole, the padding below it can be made as well. An operator of two inputs reads row by row, or its second input has one
        // row for all of the first.
        let second = b as usize;
        if (!lacks_rows || rows >= input.height)
            && (a == b
                || progress[second].rows > at
                || const { Uses(USES).spreads() } && progress[second].rows > 0 && plan.tensor(second).height == 1)
        {
            return Some(Ready { id, lacks_rows });
        }
    }
    None
}

/// The rows of `input` that the step of `operator` reads which begins with row `at`.
#[inline(always)]
pub const fn span(operator: &Operator, input: &Tensor, at: u16) -> Span {
    let (top, pad) = (input.pads[0] as usize, operator.pads[0] as usize);
    let first = top + at as usize; // of the window, moved down by the operator's own padding
    let last = first + operator.reach as usize - 1;
    if operator.kind.reads_padding() {
        return Span { first: first - pad, last: last - pad };
    }
    let map_last = top + input.height as usize - 1;
    Span { first: clamp(first, top + pad, map_last + pad) - pad, last: clamp(last, top + pad, map_last + pad) - pad }
}

const fn clamp(x: usize, min: usize, max: usize) -> usize {
    if x < min {
        min
    } else if x > max {
        max
    } else {
        x
    }
}

/// The progress of an operator's output after the operator's next step.
///
/// `USES` is what the plan uses, for the compiler to leave out the rest.
#[inline(always)]
pub const fn advanced<const USES: u128>(progress: Progress, operator: &Operator) -> Progress {
    if const { Uses(USES).repeats() } && matches!(operator.kind, Kind::Resize) {
        let rows = progress.rows + 1;
        let is_last_copy = rows as u32 == (progress.at as u32 + 1) * operator.strides[0] as u32;
        return Progress { rows, at: progress.at + is_last_copy as u16 };
    }
    let at = progress.at + operator.advance as u16;
    let gives = at as u32 == (progress.rows as u32 + 1) * operator.rows_each as u32;
    Progress { rows: progress.rows + gives as u16, at }
}

/// When in an image a tensor's memory, and its operator's accumulators, are written or read: the first and the last step, the arrival of a row of the
/// input counted as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// The first.
    pub first: u32,
    /// The last; `u32::MAX` of the output, which the caller reads.
    pub last: u32,
}

impl Life {
    /// Of a tensor that nothing has been done with.
    pub const NONE: Self = Self { first: u32::MAX, last: 0 };

    const fn at(&mut self, step: u32) {
        if self.first > step {
            self.first = step;
        }
        if self.last < step {
            self.last = step;
        }
    }

    /// Whether one is over before the other begins.
    pub const fn is_apart(self, other: Self) -> bool {
        self.last < other.first || other.last < self.first
    }
}

/// Runs the schedule of one image without data and keeps, for each tensor, the most rows that were alive at once, and when that was.
///
/// `progress`, `alive` and `lives` have an entry for each tensor. The result is whether the output was completed.
pub const fn simulate(plan: &Plan, progress: &mut [Progress], alive: &mut [u16], lives: &mut [Life]) -> bool {
    start(plan, progress);
    let (mut id, mut step) = (0, 0);
    while id < plan.tensor_count() {
        alive[id] = plan.tensor(id).pads[0] as u16;
        lives[id] = Life::NONE;
        id += 1;
    }
    while input_open(plan, progress) {
        note_row(plan, progress, alive, 0);
        progress[0].rows += 1;
        lives[0].at(step);
        step += 1;
        let mut from = plan.tensor(0).last_reader;
        while let Some(Ready { id, .. }) = next_ready::<{ Uses::ALL.0 }>(plan, progress, from) {
            note_padding(plan, progress, alive, id);
            // The row that the step writes, or goes on writing. A step that only accumulates asks for a row too early,
            // which costs nothing: its output has no earlier row.
            note_row(plan, progress, alive, id + 1);
            let [a, b] = plan.operator(id).inputs;
            lives[a as usize].at(step);
            lives[b as usize].at(step);
            lives[id + 1].at(step);
            step += 1;
            progress[id + 1] = advanced::<{ Uses::ALL.0 }>(progress[id + 1], plan.operator(id));
            from = resume_from(plan.tensor(id + 1), id);
        }
    }
    lives[plan.operator_count()].last = u32::MAX;
    is_complete(plan, progress)
}

/// Where to look for work after operator `id` has made a step into `output`.
#[inline(always)]
pub const fn resume_from(output: &Tensor, id: usize) -> u16 {
    match output.last_reader {
        NO_READER => id as u16,
        reader => reader,
    }
}

/// Padding below the map, made because operator `id` is about to read it.
const fn note_padding(plan: &Plan, progress: &mut [Progress], alive: &mut [u16], id: usize) {
    let operator = plan.operator(id);
    let source = operator.inputs[0] as usize; // an operator of two inputs reads no padding
    let input = plan.tensor(source);
    let last = span(operator, input, progress[id + 1].at).last;
    while input.pads[0] as usize + progress[source].rows as usize <= last {
        note_row(plan, progress, alive, source);
        progress[source].rows += 1;
    }
}

/// Takes note of the rows of tensor `id` that must be alive while its next one is written.
const fn note_row(plan: &Plan, progress: &[Progress], alive: &mut [u16], id: usize) {
    let row = plan.tensor(id).pads[0] as usize + progress[id].rows as usize;
    let oldest = oldest_needed(plan, progress, id);
    let rows = row + 1 - if oldest < row { oldest } else { row };
    if rows > alive[id] as usize {
        alive[id] = rows as u16;
    }
}

/// The first row of tensor `id` that an operator has yet to read.
const fn oldest_needed(plan: &Plan, progress: &[Progress], id: usize) -> usize {
    let tensor = plan.tensor(id);
    if tensor.is_output() {
        return 0;
    }
    let mut oldest = usize::MAX;
    let mut reader = id;
    while reader <= tensor.last_reader as usize {
        let operator = plan.operator(reader);
        let reads = operator.inputs[0] as usize == id || operator.inputs[1] as usize == id;
        if reads && progress[reader + 1].at != operator.end {
            let first = span(operator, tensor, progress[reader + 1].at).first;
            if first < oldest {
                oldest = first;
            }
        }
        reader += 1;
    }
    oldest
}

/// Whether short-lived rows of two tensors, the second made later, may have the same place in memory: neither tensor is made from the other.
pub const fn take_turns(plan: &Plan, first: usize, second: usize) -> bool {
    let inputs = plan.operator(second - 1).inputs;
    inputs[0] as usize != first && inputs[1] as usize != first
}

/// Whether each row of the tensor is dead as soon as the operator that it wakes has made its step: the reader is alone, takes
/// every row in its turn and waits for nothing else, and the maker writes a row in one step.
pub const fn is_passing(plan: &Plan, id: usize) -> bool {
    let tensor = plan.tensor(id);
    let is_bare = u32::from_le_bytes(tensor.pads) == 0 && !tensor.lands();
    if !has_one_reader(plan, id) || tensor.slots != 1 || !is_bare {
        return false;
    }
    let reader = plan.operator(tensor.last_reader as usize);
    reader.takes_rows() || reader.window[0] == 1 && reader.strides[0] == 1
}

/// Whether the tensor's rows may land: its reader is alone and a convolution, which then runs whenever the last row of its window has just
/// come, so that the newest row is the only one outside the ring; and the maker writes a row in one step.
pub const fn may_land(plan: &Plan, id: usize) -> bool {
    if !has_one_reader(plan, id) {
        return false;
    }
    let reader = plan.operator(plan.tensor(id).last_reader as usize);
    reader.kind.reads_padding() && (reader.pads[0] as usize) < reader.extent(0) && reader.extent(0) > 1
}

/// Whether one operator of one input reads the tensor, and another made it, each row in one step.
const fn has_one_reader(plan: &Plan, id: usize) -> bool {
    let tensor = plan.tensor(id);
    if id == 0 || tensor.is_output() || plan.operator(id - 1).takes_rows() {
        return false;
    }
    let mut readers = 0;
    let mut operator = id;
    while operator < plan.operator_count() {
        let inputs = plan.operator(operator).inputs;
        if inputs[0] as usize == id || inputs[1] as usize == id {
            readers += 1;
        }
        operator += 1;
    }
    readers == 1 && plan.operator(tensor.last_reader as usize).input_count() == 1
}

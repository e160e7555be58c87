//! The order of work: which operator makes which row when. It moves counters and touches no data, so that the engine,
//! the check of a plan and the planner follow one and the same schedule.
//!
//! A row that arrives wakes the operators that read it; the furthest one downstream that can make a row makes it, until
//! none can. Nothing waits longer than it must, which is what keeps the rings short.
//!
//! Rows are counted with the stored padding: row `pads[0]` is the first real one. The padding below the map comes into
//! being when a window first reaches it.

use crate::plan::{NO_READER, Operator, Plan, Tensor};

/// How far a tensor and the operator that makes it have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Rows in the ring so far, padding counted.
    pub rows: u16,
    /// Steps that the tensor's operator has made: rows given, or rows taken by one that accumulates.
    pub steps: u16,
}

/// First and last row that an operator reads, both counted, padding counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First row.
    pub first: usize,
    /// Last row.
    pub last: usize,
}

/// Sets every tensor to the start of an image: the padding above it is there, nothing else.
///
/// `progress` has an entry for each of the plan's tensors.
pub const fn start(plan: &Plan, progress: &mut [Progress]) {
    let mut id = 0;
    while id < plan.tensor_count() {
        progress[id] = Progress { rows: plan.tensor(id).pads[0] as u16, steps: 0 };
        id += 1;
    }
}

/// Whether tensor 0 still takes rows.
pub const fn input_open(plan: &Plan, progress: &[Progress]) -> bool {
    let input = plan.tensor(0);
    (progress[0].rows as usize) < input.pads[0] as usize + input.height as usize
}

/// Whether every row of the output has been made.
pub const fn is_complete(plan: &Plan, progress: &[Progress]) -> bool {
    let last = plan.tensor_count() - 1;
    progress[last].rows as usize == plan.tensor(last).height as usize
}

/// The furthest operator at or before `from` that can make a step.
pub const fn next_ready(plan: &Plan, progress: &[Progress], from: u16) -> Option<usize> {
    let mut id = from as usize + 1;
    if id > plan.operator_count() {
        id = plan.operator_count();
    }
    while id > 0 {
        id -= 1;
        if is_ready(plan, progress, id) {
            return Some(id);
        }
    }
    None
}

const fn is_ready(plan: &Plan, progress: &[Progress], id: usize) -> bool {
    let operator = plan.operator(id);
    let steps = progress[id + 1].steps as usize;
    if steps == total_steps(plan, id, &operator) {
        return false;
    }
    let mut i = 0;
    while i < operator.input_count() {
        let source = operator.inputs[i] as usize;
        let input = plan.tensor(source);
        if span(&operator, &input, steps).last >= available(&input, progress[source]) {
            return false;
        }
        i += 1;
    }
    true
}

/// Steps that operator `id` makes for one image.
const fn total_steps(plan: &Plan, id: usize, operator: &Operator) -> usize {
    if operator.kind.accumulates() {
        plan.tensor(operator.inputs[0] as usize).height as usize
    } else {
        plan.tensor(id + 1).height as usize
    }
}

/// Rows that may be read: those in the ring and, once the map is whole, the padding below it.
const fn available(input: &Tensor, progress: Progress) -> usize {
    let real_end = input.pads[0] as usize + input.height as usize;
    let rows = progress.rows as usize;
    if rows >= real_end { input.padded_height() } else { rows }
}

/// The rows of `input` that step `step` of `operator` reads.
pub const fn span(operator: &Operator, input: &Tensor, step: usize) -> Span {
    let top = input.pads[0] as usize;
    if operator.kind.accumulates() {
        return Span { first: top + step, last: top + step };
    }
    let first = top + step * operator.strides[0] as usize; // of the window, moved down by the operator's own padding
    let last = first + operator.extent(0) - 1;
    let pad = operator.pads[0] as usize;
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

/// Counts the step that operator `id` has just made; whether it gave a row.
pub const fn advance(plan: &Plan, progress: &mut [Progress], id: usize) -> bool {
    let operator = plan.operator(id);
    progress[id + 1].steps += 1;
    let gives = !operator.kind.accumulates() || progress[id + 1].steps as usize == total_steps(plan, id, &operator);
    if gives {
        progress[id + 1].rows += 1;
    }
    gives
}

/// Runs the schedule of one image without data and keeps, for each tensor, the most rows that were alive at once.
///
/// `progress` and `alive` have an entry for each tensor. The result is whether the output was completed.
pub const fn simulate(plan: &Plan, progress: &mut [Progress], alive: &mut [u16]) -> bool {
    start(plan, progress);
    let mut id = 0;
    while id < plan.tensor_count() {
        alive[id] = progress[id].rows;
        id += 1;
    }
    while input_open(plan, progress) {
        note_row(plan, progress, alive, 0);
        progress[0].rows += 1;
        let mut from = plan.tensor(0).last_reader;
        while let Some(id) = next_ready(plan, progress, from) {
            note_padding(plan, progress, alive, id);
            if advance(plan, progress, id) {
                progress[id + 1].rows -= 1;
                note_row(plan, progress, alive, id + 1);
                progress[id + 1].rows += 1;
            }
            from = resume_from(plan, id);
        }
    }
    is_complete(plan, progress)
}

/// Where to look for work after operator `id` has made a step.
pub const fn resume_from(plan: &Plan, id: usize) -> u16 {
    match plan.tensor(id + 1).last_reader {
        NO_READER => id as u16,
        reader => reader,
    }
}

/// Padding below the map, made because operator `id` is about to read it.
const fn note_padding(plan: &Plan, progress: &mut [Progress], alive: &mut [u16], id: usize) {
    let operator = plan.operator(id);
    let mut i = 0;
    while i < operator.input_count() {
        let source = operator.inputs[i] as usize;
        let last = span(&operator, &plan.tensor(source), progress[id + 1].steps as usize).last;
        while progress[source].rows as usize <= last {
            note_row(plan, progress, alive, source);
            progress[source].rows += 1;
        }
        i += 1;
    }
}

/// Takes note of the rows of tensor `id` that must be alive while its next one is written.
const fn note_row(plan: &Plan, progress: &[Progress], alive: &mut [u16], id: usize) {
    let row = progress[id].rows as usize;
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
        let steps = progress[reader + 1].steps as usize;
        if reads && steps < total_steps(plan, reader, &operator) {
            let first = span(&operator, &tensor, steps).first;
            if first < oldest {
                oldest = first;
            }
        }
        reader += 1;
    }
    oldest
}

//! Everything the engine relies on, looked at once.

use super::{
    HEADER_WORDS, Kind, MAGIC, MAX_OPERATORS, MAX_TENSORS, NO_READER, OPERATOR_WORDS, Operator, Plan, PlanError,
    TENSOR_WORDS, Tensor, VERSION, crc32,
};
use crate::fixed::MAX_SHIFT_BITS;
use crate::schedule::{self, Progress};

/// Longest padded row in bytes, so that a row's length fits 32 bits with room to spare.
const MAX_SLOT_LEN: u64 = 1 << 20;

macro_rules! ensure {
    ($condition:expr, $error:expr) => {
        if !$condition {
            return Err($error);
        }
    };
}

/// The header, the checksum, and that all records are there and of a known kind.
pub(super) const fn header(words: &[u32]) -> Result<Plan<'_>, PlanError> {
    ensure!(words.len() >= HEADER_WORDS && words[0] == MAGIC, PlanError::NotAPlan);
    ensure!(words[1] == VERSION, PlanError::Version { found: words[1] });
    let len = words.len() as u32;
    ensure!(words[2] == len, PlanError::Length { expected: words[2], found: len });
    let crc = crc32(words, 4);
    ensure!(words[3] == crc, PlanError::Checksum { expected: words[3], found: crc });
    let operators = words[4];
    ensure!(operators >= 1 && operators <= MAX_OPERATORS as u32, PlanError::OperatorCount { found: operators });
    let operators = operators as usize;
    let records = HEADER_WORDS + (operators + 1) * TENSOR_WORDS + operators * OPERATOR_WORDS;
    let names = words[6] as usize;
    ensure!(records <= names && names <= words.len(), PlanError::Records);
    Ok(Plan { words, operators, arena_words: words[5] as usize, names })
}

/// Every record by itself and with those it names.
pub(super) const fn records(plan: &Plan) -> Result<(), PlanError> {
    let mut id = 0;
    while id < plan.tensor_count() {
        tri!(tensor(&plan.tensor(id), id as u16));
        id += 1;
    }
    let mut id = 0;
    while id < plan.operator_count() {
        tri!(operator(plan, id));
        id += 1;
    }
    last_readers(plan)
}

const fn tensor(tensor: &Tensor, id: u16) -> Result<(), PlanError> {
    let pixels = tensor.pads[1] as u64 + tensor.width as u64 + tensor.pads[3] as u64;
    let fits = pixels * (tensor.channels as u64) < MAX_SLOT_LEN && tensor.padded_height() < u16::MAX as usize;
    let is_kept = !tensor.is_output() || (tensor.slots == tensor.height && u32::from_le_bytes(tensor.pads) == 0);
    let is_empty = tensor.height == 0 || tensor.width == 0 || tensor.channels == 0 || tensor.slots == 0;
    ensure!(fits && is_kept && !is_empty, PlanError::BadShape(id));
    ensure!(tensor.scale.is_finite() && tensor.scale > 0.0, PlanError::BadScale(id));
    Ok(())
}

const fn operator(plan: &Plan, id: usize) -> Result<(), PlanError> {
    let at = HEADER_WORDS + plan.tensor_count() * TENSOR_WORDS + id * OPERATOR_WORDS;
    let Some(operator) = Operator::decode(plan.words, at) else {
        return Err(PlanError::UnknownKind(id as u16));
    };
    let [a, b] = [operator.inputs[0] as usize, operator.inputs[1] as usize];
    ensure!(a <= id && b <= id && (a == b || matches!(operator.kind, Kind::Add)), PlanError::BadInput(id as u16));
    let (input, output) = (plan.tensor(a), plan.tensor(id + 1));
    ensure!(operator.kernel == 0, PlanError::UnknownKernel(id as u16));
    ensure!(
        geometry(&operator, &input, &output) && same_shape(&input, &plan.tensor(b)),
        PlanError::BadGeometry(id as u16)
    );
    let [weights, table] = [operator.weights as usize, operator.table as usize];
    let weights_words = operator.weights_len(&input, &output).div_ceil(4);
    let table_words = operator.table_words(&output);
    ensure!(
        within(weights, weights_words, plan.names) && within(table, table_words, plan.names),
        PlanError::OutsideFile(id as u16)
    );
    ensure!(requant(plan, &operator, table, table_words), PlanError::BadRequant(id as u16));
    Ok(())
}

/// Whether the window, the padding and the groups give the output's shape.
const fn geometry(operator: &Operator, input: &Tensor, output: &Tensor) -> bool {
    let [kh, kw] = operator.window;
    let [sh, sw] = operator.strides;
    let [dh, dw] = operator.dilations;
    if kh == 0 || kw == 0 || sh == 0 || sw == 0 || dh == 0 || dw == 0 {
        return false;
    }
    let same_channels = input.channels == output.channels;
    let groups = operator.groups;
    match operator.kind {
        Kind::Conv2d => {
            groups > 0
                && input.channels.is_multiple_of(groups)
                && output.channels.is_multiple_of(groups)
                && stores_padding(operator, input)
                && windows_fit(operator, input, output)
        }
        Kind::Depthwise => {
            groups == input.channels
                && same_channels
                && stores_padding(operator, input)
                && windows_fit(operator, input, output)
        }
        Kind::MaxPool | Kind::AveragePool => same_channels && windows_fit(operator, input, output),
        Kind::Dense => output.height == 1 && output.width == 1,
        Kind::GlobalAveragePool => output.height == 1 && output.width == 1 && same_channels,
        Kind::Add | Kind::Requantize => same_shape(input, output) && kh == 1 && sh == 1 && operator.pads[0] == 0,
    }
}

/// Whether the rows that the operator reads hold at least its padding.
const fn stores_padding(operator: &Operator, input: &Tensor) -> bool {
    let mut side = 0;
    while side < 4 {
        if input.pads[side] < operator.pads[side] {
            return false;
        }
        side += 1;
    }
    true
}

const fn windows_fit(operator: &Operator, input: &Tensor, output: &Tensor) -> bool {
    axis_fits(operator, 0, input.height, output.height) && axis_fits(operator, 1, input.width, output.width)
}

/// out = ⌊(in + before + after − extent) / stride⌋ + 1, and every window touches the map.
const fn axis_fits(operator: &Operator, axis: usize, input: u16, output: u16) -> bool {
    let (before, after) = (operator.pads[axis] as usize, operator.pads[axis + 2] as usize);
    let (input, extent, stride) = (input as usize, operator.extent(axis), operator.strides[axis] as usize);
    let padded = before + input + after;
    padded >= extent
        && output as usize == (padded - extent) / stride + 1
        // A pool's window must touch the map; a convolution's may lie in stored padding.
        && (operator.kind.reads_padding() || (before < extent && (output as usize - 1) * stride < before + input))
}

const fn same_shape(a: &Tensor, b: &Tensor) -> bool {
    a.height == b.height && a.width == b.width && a.channels == b.channels
}

const fn within(at: usize, len: usize, end: usize) -> bool {
    at <= end && len <= end - at
}

/// Whether the shift and the clamp are in range and every multiplier is positive.
const fn requant(plan: &Plan, operator: &Operator, table: usize, table_words: usize) -> bool {
    if operator.shift_bits > MAX_SHIFT_BITS || operator.clamp[0] > operator.clamp[1] {
        return false;
    }
    let (first, step, last) = match operator.kind {
        Kind::AveragePool | Kind::GlobalAveragePool => (0, 1, table_words),
        Kind::Add | Kind::Requantize => (1, 1, 2),
        _ => (1, 2, table_words),
    };
    let mut i = first;
    while i < last {
        if plan.words[table + i] as i32 <= 0 {
            return false;
        }
        i += step;
    }
    true
}

/// Each tensor but the last names the last operator that reads it.
const fn last_readers(plan: &Plan) -> Result<(), PlanError> {
    let mut last = [NO_READER; MAX_TENSORS];
    let mut id = 0;
    while id < plan.operator_count() {
        let inputs = plan.operator(id).inputs;
        last[inputs[0] as usize] = id as u16;
        last[inputs[1] as usize] = id as u16;
        id += 1;
    }
    let mut id = 0;
    while id < plan.tensor_count() {
        let is_output = id == plan.operator_count();
        let reader = plan.tensor(id).last_reader;
        ensure!(reader == last[id] && is_output == (reader == NO_READER), PlanError::LastReader(id as u16));
        id += 1;
    }
    Ok(())
}

/// Every ring and every block of accumulators lies in the arena and apart from the others.
pub(super) const fn memory(plan: &Plan) -> Result<(), PlanError> {
    let mut i = 0;
    while i < 2 * plan.tensor_count() {
        let (at, len) = region(plan, i);
        let id = (i / 2) as u16;
        ensure!(within(at, len, plan.arena_words), PlanError::OutsideArena(id));
        let mut j = 0;
        while j < i {
            let (other_at, other_len) = region(plan, j);
            let apart = len == 0 || other_len == 0 || at + len <= other_at || other_at + other_len <= at;
            ensure!(apart, PlanError::Overlap(id));
            j += 1;
        }
        i += 1;
    }
    Ok(())
}

/// Start and length in words of tensor i/2's ring (i even) or of its operator's accumulators (i odd).
const fn region(plan: &Plan, i: usize) -> (usize, usize) {
    let id = i / 2;
    let tensor = plan.tensor(id);
    if i.is_multiple_of(2) {
        (tensor.ring as usize, tensor.ring_words())
    } else if id == 0 {
        (0, 0)
    } else {
        let operator = plan.operator(id - 1);
        (operator.state as usize, operator.state_words(&tensor))
    }
}

/// The schedule completes the output, and no row is overwritten that is still to be read.
pub(super) const fn rings(plan: &Plan) -> Result<(), PlanError> {
    let alive = tri!(rows_alive(plan));
    let mut id = 0;
    while id < plan.tensor_count() {
        let needed = alive[id];
        ensure!(plan.tensor(id).slots >= needed, PlanError::RingTooShort { tensor: id as u16, needed });
        id += 1;
    }
    Ok(())
}

/// For each tensor, the most rows alive at once.
pub(super) const fn rows_alive(plan: &Plan) -> Result<[u16; MAX_TENSORS], PlanError> {
    let mut progress = [Progress { rows: 0, steps: 0 }; MAX_TENSORS];
    let mut alive = [0; MAX_TENSORS];
    ensure!(schedule::simulate(plan, &mut progress, &mut alive), PlanError::Incomplete);
    Ok(alive)
}

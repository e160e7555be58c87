//! Everything the engine relies on, looked at once.

use super::tensor::MAX_PADDED_HEIGHT;
use super::{
    HEADER_WORDS, Kernel, Kind, Layout, MAGIC, MAX_OPERATORS, MAX_TENSORS, NO_READER, Operator, Plan, PlanError, Taps,
    Tensor, Uses, VERSION, crc32, operator_words, tensor_words,
};
use crate::arch::records::Records;
use crate::fixed::MAX_SHIFT_BITS;
use crate::schedule::{self, Life, Progress};

/// Longest padded row in bytes, so that a row's length fits 32 bits with room to spare.
const MAX_SLOT_LEN: u64 = 1 << 20;

macro_rules! ensure {
    ($condition:expr, $error:expr) => {
        if !$condition {
            return Err($error);
        }
    };
}

/// The header, the checksum, and that all records are there and of known kinds.
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
    let names = words[6] as usize;
    ensure!(Records::end(operators) <= names && names <= words.len(), PlanError::Records);
    let records = tri!(Records::new(words, operators));
    Ok(Plan { records, arena_words: words[5] as usize, names, uses: Uses(0) })
}

/// Every record by itself and with those it names.
pub(super) const fn records(plan: &Plan) -> Result<(), PlanError> {
    let mut id = 0;
    while id < plan.tensor_count() {
        let record = plan.tensor(id);
        ensure!(!record.stacked || (id == 0 && record.channels == 1), PlanError::BadShape(id as u16));
        tri!(tensor(record, id as u16));
        id += 1;
    }
    let mut id = 0;
    while id < plan.operator_count() {
        tri!(operator(plan, id));
        id += 1;
    }
    tri!(last_readers(plan));
    landings(plan)
}

/// Rows land only where the schedule lets them.
const fn landings(plan: &Plan) -> Result<(), PlanError> {
    let mut id = 0;
    while id < plan.tensor_count() {
        ensure!(!plan.tensor(id).lands() || schedule::may_land(plan, id), PlanError::BadLanding(id as u16));
        id += 1;
    }
    Ok(())
}

const fn tensor(tensor: &Tensor, id: u16) -> Result<(), PlanError> {
    let pixels = tensor.pads[1] as u64 + tensor.width as u64 + tensor.pads[3] as u64;
    // At most three lanes more than channels.
    let fits = pixels * (tensor.channels as u64 + 3) < MAX_SLOT_LEN && tensor.padded_height() <= MAX_PADDED_HEIGHT;
    let fits = fits && tensor.slots as usize <= MAX_PADDED_HEIGHT;
    let is_kept = !tensor.is_output()
        || (tensor.slots == tensor.height
            && u32::from_le_bytes(tensor.pads) == 0
            && matches!(tensor.layout, Layout::ChannelsLast));
    let is_empty = tensor.height == 0 || tensor.width == 0 || tensor.channels == 0 || tensor.slots == 0;
    ensure!(fits && is_kept && !is_empty, PlanError::BadShape(id));
    ensure!(tensor.scale.is_finite() && tensor.scale > 0.0, PlanError::BadScale(id));
    ensure!(same(tensor_words(tensor), tensor_words(&tensor.complete())), PlanError::BadLengths(id));
    Ok(())
}

const fn operator(plan: &Plan, id: usize) -> Result<(), PlanError> {
    let operator = plan.operator(id);
    let [a, b] = [operator.inputs[0] as usize, operator.inputs[1] as usize];
    ensure!(a == b || operator.kind.has_two_inputs(), PlanError::BadInput(id as u16));
    let (input, output) = (plan.tensor(a), plan.tensor(id + 1));
    ensure!(kernel(operator, input, output), PlanError::UnfitKernel(id as u16));
    ensure!(geometry(operator, [input, plan.tensor(b)], output), PlanError::BadGeometry(id as u16));
    let complete = operator.complete(input, output);
    ensure!(same(operator_words(operator), operator_words(&complete)), PlanError::BadSteps(id as u16));
    let [weights, table] = [operator.weights as usize, operator.table as usize];
    let data = [Records::end(plan.operator_count()), plan.names];
    let weights_words = operator.weights_words(input, output);
    let table_words = operator.table_words(output);
    ensure!(
        within(weights, weights_words, data) && within(table, table_words, data),
        PlanError::OutsideFile(id as u16)
    );
    ensure!(
        requant(plan, operator, table, table_words) && stream(plan, operator, input, output),
        PlanError::BadRequant(id as u16)
    );
    Ok(())
}

/// Whether the operator's kernel takes its geometry, reads its input's layout and writes its output's.
const fn kernel(operator: &Operator, input: &Tensor, output: &Tensor) -> bool {
    let reads = match operator.kernel.input_layout() {
        None => true,
        Some(layout) => operator.window[1] > 0 && input.layout as u8 == layout as u8,
    };
    // A max pool moves values as they are stored.
    let moves = !matches!(operator.kind, Kind::MaxPool) || output.layout as u8 == input.layout as u8;
    let most = operator.kernel.most_pixels(operator);
    let cuts = operator.block as usize <= most && (operator.block > 0) == (most > 0);
    reads && moves && operator.kernel.takes(operator, input) && cuts && operator.kernel.writes(output.layout)
}

/// Whether the window, the padding and the groups give the output's shape.
const fn geometry(operator: &Operator, [input, second]: [&Tensor; 2], output: &Tensor) -> bool {
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
        Kind::Dense => is_point(operator) && output.height == 1 && output.width == 1,
        Kind::GlobalAveragePool => is_point(operator) && output.height == 1 && output.width == 1 && same_channels,
        Kind::Add => {
            is_point(operator)
                && same_channels
                && holds(input, output)
                && holds(second, output)
                && second.channels == output.channels
        }
        Kind::Requantize | Kind::Lookup => is_point(operator) && same_channels && holds(input, output),
        Kind::Concat => {
            let channels = input.channels as usize + second.channels as usize;
            is_point(operator) && channels == output.channels as usize && holds(input, output) && holds(second, output)
        }
        Kind::Mul => is_point(operator) && same_channels && holds(input, output) && spreads(second, output),
        Kind::Resize => {
            // Every copy of a row is made, so that the step after them begins with the next one.
            let [rows, pixels] = [output.height, output.width.div_ceil(sw as u16)];
            is_unpadded(operator)
                && same_channels
                && rows.is_multiple_of(sh as u16)
                && rows / sh as u16 <= input.height
                && pixels <= input.width
        }
    }
}

/// Whether an operator without a window reads a row a step.
const fn is_point(operator: &Operator) -> bool {
    is_unpadded(operator) && operator.strides[0] == 1
}

/// Whether a step reads one row of the map.
const fn is_unpadded(operator: &Operator) -> bool {
    operator.window[0] == 1 && operator.pads[0] == 0
}

/// Whether two records are equal.
const fn same(a: &[u32], b: &[u32]) -> bool {
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
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

/// out ≤ ⌊(in + before + after − extent) / stride⌋ + 1, and every window touches the map.
const fn axis_fits(operator: &Operator, axis: usize, input: u16, output: u16) -> bool {
    let (before, after) = (operator.pads[axis] as usize, operator.pads[axis + 2] as usize);
    let (input, extent, stride) = (input as usize, operator.extent(axis), operator.strides[axis] as usize);
    let padded = before + input + after;
    padded >= extent
        // Rows and pixels at the end that nobody reads need not be made.
        && output as usize <= (padded - extent) / stride + 1
        // A pool's window must touch the map; a convolution's may lie in stored padding.
        && (operator.kind.reads_padding() || (before < extent && (output as usize - 1) * stride < before + input))
}

/// Whether `input` has every pixel that `output` is made from, pixel by pixel.
const fn holds(input: &Tensor, output: &Tensor) -> bool {
    input.height >= output.height && input.width >= output.width
}

/// Whether `input` has what `output` is made from, or one row, column or channel for all of it.
const fn spreads(input: &Tensor, output: &Tensor) -> bool {
    (input.height >= output.height || input.height == 1)
        && (input.width >= output.width || input.width == 1)
        && (input.channels == output.channels || input.channels == 1)
}

const fn within(at: usize, len: usize, [start, end]: [usize; 2]) -> bool {
    start <= at && at <= end && len <= end - at
}

/// Whether the shift and the clamp are in range and every multiplier is positive.
const fn requant(plan: &Plan, operator: &Operator, table: usize, table_words: usize) -> bool {
    if operator.shift_bits > MAX_SHIFT_BITS || operator.clamp[0] > operator.clamp[1] {
        return false;
    }
    let (first, step, last) = match operator.kind {
        Kind::AveragePool | Kind::GlobalAveragePool | Kind::Mul => (0, 1, table_words),
        Kind::Add | Kind::Requantize => (1, 1, 2),
        Kind::Concat => (1, 3, 6),
        Kind::Lookup => (0, 1, 0),
        _ => (1, 2, table_words),
    };
    let is_sum = matches!(operator.kind, Kind::Add | Kind::Requantize | Kind::Concat);
    if is_sum && operator.shift_bits != 0 {
        return false;
    }
    // In a dense kernel's groups biases come first, then multipliers.
    let by_groups = operator.kernel.is_dense();
    let group = operator.kernel.group(Taps::of(operator));
    let (first, step) = if by_groups { (0, 1) } else { (first, step) };
    let mut i = first;
    while i < last {
        if by_groups && i % (2 * group) < group {
            i += group;
            continue;
        }
        let multiplier = plan.words()[table + i];
        if multiplier as i32 <= 0 || is_sum && (!multiplier.is_power_of_two() || multiplier == 1) {
            return false;
        }
        i += step;
    }
    true
}

/// Whether every multiplier in a kernel's stream is positive.
const fn stream(plan: &Plan, operator: &Operator, input: &Tensor, output: &Tensor) -> bool {
    if matches!(operator.kernel, Kernel::Portable) || operator.kernel.is_dense() {
        return true; // it has a table
    }
    let taps = Taps::of(operator);
    let group = operator.kernel.group(taps);
    let words = operator.group_words(input) + 2 * group;
    let mut end = operator.weights as usize;
    let mut channel = 0;
    while channel < output.channels as usize {
        end += words;
        let mut i = 1;
        while i <= group {
            if plan.words()[end - i] as i32 <= 0 {
                return false;
            }
            i += 1;
        }
        channel += group;
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

/// Every ring, every block of accumulators and every place where rows land lies in the arena, apart from the others unless they take turns.
pub(super) const fn memory(plan: &Plan, lives: &[Life]) -> Result<(), PlanError> {
    let mut i = 0;
    while i < REGIONS * plan.tensor_count() {
        let a = region(plan, i);
        let id = (i / REGIONS) as u16;
        ensure!(within(a.at, a.len, [0, plan.arena_words]), PlanError::OutsideArena(id));
        let mut j = if a.len == 0 { i } else { 0 };
        while j < i {
            let b = region(plan, j);
            let apart = b.len == 0 || a.at + a.len <= b.at || b.at + b.len <= a.at;
            ensure!(apart || take_turns(plan, j, i, lives), PlanError::Overlap(id));
            j += 1;
        }
        i += 1;
    }
    Ok(())
}

/// Kinds of a tensor's memory: its ring, its operator's accumulators, the place where its rows land.
const REGIONS: usize = 3;

/// A run of words in the arena.
struct Region {
    at: usize,
    len: usize,
}

/// Region i % 3 of tensor i / 3.
const fn region(plan: &Plan, i: usize) -> Region {
    let id = i / REGIONS;
    let tensor = plan.tensor(id);
    match i % REGIONS {
        0 => Region { at: tensor.ring as usize, len: tensor.ring_words() },
        1 if id == 0 => Region { at: 0, len: 0 },
        1 => {
            let operator = plan.operator(id - 1);
            let len = operator.state_words(plan.tensor(operator.inputs[0] as usize), tensor);
            Region { at: operator.state as usize, len }
        }
        _ => Region { at: tensor.landing_range().start, len: tensor.landing_words() },
    }
}

/// Whether two regions, the second of a later tensor, may lie across one another: step by step, or one after the other is done with. To be asked of those
/// that do: it takes a look at every operator.
const fn take_turns(plan: &Plan, first: usize, second: usize, lives: &[Life]) -> bool {
    let (a, b) = (first / REGIONS, second / REGIONS);
    let step_by_step = is_short(plan, first) && is_short(plan, second) && a != b && schedule::take_turns(plan, a, b);
    step_by_step || lives[a].is_apart(lives[b])
}

/// Whether what is in a region is dead before another operator than its reader works.
const fn is_short(plan: &Plan, i: usize) -> bool {
    match i % REGIONS {
        0 => schedule::is_passing(plan, i / REGIONS),
        1 => false,
        _ => true,
    }
}

/// The schedule completes the output, and no row is overwritten that is still to be read.
pub(super) const fn rings(plan: &Plan, run: &Run) -> Result<(), PlanError> {
    ensure!(run.completes, PlanError::Incomplete);
    let mut id = 0;
    while id < plan.tensor_count() {
        let needed = run.alive[id];
        ensure!(plan.tensor(id).capacity() >= needed, PlanError::RingTooShort { tensor: id as u16, needed });
        id += 1;
    }
    Ok(())
}

/// What running the schedule without data has shown.
pub(super) struct Run {
    /// For each tensor, the most rows alive at once.
    pub alive: [u16; MAX_TENSORS],
    /// For each tensor, when its memory is in use.
    pub lives: [Life; MAX_TENSORS],
    /// Whether the output was completed.
    pub completes: bool,
}

/// Runs the schedule of a plan whose records are sound.
pub(super) const fn run(plan: &Plan) -> Run {
    let mut progress = [Progress { rows: 0, at: 0 }; MAX_TENSORS];
    let mut run = Run { alive: [0; MAX_TENSORS], lives: [Life::NONE; MAX_TENSORS], completes: false };
    run.completes = schedule::simulate(plan, &mut progress, &mut run.alive, &mut run.lives);
    run
}

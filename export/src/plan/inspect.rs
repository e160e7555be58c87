//! What a plan holds and what the planner chose, layer by layer, for people.

use super::code;
use super::layout::kind_name;
use super::target::{self, Target};
use infer_nostd::plan::{Kernel, Kind, Layout, Operator, Place, Taps, Tensor};
use infer_nostd::{Plan, arch};

/// One row of `export inspect` on a plan.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LayerRow {
    /// The layer's name.
    pub layer: String,
    /// What it computes.
    pub kind: &'static str,
    /// Channels, height, width of its output.
    pub output: [usize; 3],
    /// How the rows of its output lie in memory.
    pub layout: &'static str,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Its kernel in assembly, if it has one.
    pub kernel: Option<String>,
    /// Most pixels that the kernel makes at once.
    pub block: Option<u8>,
    /// What the planner takes it to cost on the core that the plan is for; none for the input.
    pub cycles: Option<u64>,
    /// Rows in the ring of its output.
    pub ring_rows: usize,
    /// RAM of its output's ring and its accumulators, in bytes. Rings whose times are apart may share a place: the sum can be above what the plan takes.
    pub ram_bytes: usize,
    /// Where its output's ring begins in RAM, in bytes from the beginning of the arena.
    pub ram_at_bytes: usize,
    /// Stack of its kernel, in bytes.
    pub stack_bytes: usize,
    /// Flash of its weights and tables, in bytes.
    pub flash_data_bytes: usize,
    /// What other kernels of the core would cost.
    pub alternatives: Vec<Alternative>,
}

/// Another kernel for a layer, or another block, and what it would cost against the one chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Alternative {
    /// The kernel.
    pub kernel: String,
    /// Most pixels that it would make at once.
    pub block: u8,
    /// Estimated cycles more, or fewer.
    pub cycles: i64,
    /// Bytes of flash more, or fewer.
    pub flash_bytes: i64,
    /// Bytes of its input's rows and its own stack more, or fewer.
    pub ram_bytes: i64,
}

/// The core that a plan is for; none where the number in its header is of a later version.
pub fn target(plan: &Plan) -> Option<Target> {
    Target::from_word(plan.words()[TARGET_WORD])
}

/// Where the header says it.
const TARGET_WORD: usize = 7;

/// Bytes of code of the kernels that a plan uses, about: what firmware holds of them.
pub fn code_bytes(plan: &Plan) -> usize {
    let operators: Vec<Operator> = (0..plan.operator_count()).map(|id| *plan.operator(id)).collect();
    code::bytes(&operators)
}

/// The network's input, then every operator.
pub fn layers(plan: &Plan) -> Vec<LayerRow> {
    let names = names(plan);
    let name = |id: usize| names.get(id + 1).cloned().unwrap_or_default();
    (0..plan.tensor_count()).map(|id| row(plan, id, name(id))).collect()
}

fn row(plan: &Plan, id: usize, layer: String) -> LayerRow {
    let tensor = plan.tensor(id);
    let input = LayerRow {
        layer,
        kind: "input",
        output: [tensor.channels.into(), tensor.height.into(), tensor.width.into()],
        layout: layout_name(tensor),
        macs: 0,
        kernel: None,
        block: None,
        cycles: None,
        ring_rows: tensor.slots.into(),
        ram_bytes: tensor.ring_words() * 4,
        ram_at_bytes: tensor.ring as usize * 4,
        stack_bytes: 0,
        flash_data_bytes: 0,
        alternatives: Vec::new(),
    };
    let Some(id) = id.checked_sub(1) else { return input };
    let operator = plan.operator(id);
    let source = plan.tensor(operator.inputs[0].into());
    let kernel = (operator.kernel != Kernel::Portable).then(|| format!("{:?}", operator.kernel));
    LayerRow {
        kind: kind_name(operator.kind),
        macs: operator.macs(source, tensor),
        block: (operator.block > 0).then_some(operator.block),
        kernel,
        cycles: Some(target::cycles(operator, source, tensor)),
        ram_bytes: input.ram_bytes + operator.state_words(source, tensor) * 4,
        stack_bytes: operator.stack_bytes(source),
        flash_data_bytes: (plan.weights(id).len() + plan.table(id).len()) * 4,
        alternatives: alternatives(plan, id),
        ..input
    }
}

fn layout_name(tensor: &Tensor) -> &'static str {
    match tensor.layout {
        _ if tensor.stacked => "stacked",
        Layout::ChannelsLast => "channels last",
        Layout::Pairs => "pairs",
        Layout::Quads => "quads",
        Layout::UnsignedPairs => "unsigned pairs",
    }
}

/// What the other kernels of the core would cost in place of operator `id`'s, each in its best block, the rest of the plan as it is.
fn alternatives(plan: &Plan, id: usize) -> Vec<Alternative> {
    let (chosen, output) = (plan.operator(id), plan.tensor(id + 1));
    let input = plan.tensor(chosen.inputs[0].into());
    if chosen.kernel == Kernel::Portable {
        return Vec::new();
    }
    let figures = |operator: &Operator, input: &Tensor| {
        let cycles = target::cycles(operator, input, output) as i64;
        let flash_words = operator.weights_words(input, output) + operator.table_words(output);
        let ram = input.ring_words() * 4 + operator.stack_bytes(input);
        [cycles, flash_words as i64 * 4, ram as i64]
    };
    let now = figures(chosen, input);
    let alternative = |&kernel: &Kernel| {
        let layout = kernel.input_layout().unwrap_or(input.layout);
        // An input of one channel is stacked wherever lanes would be idle.
        let stacked = chosen.inputs[0] == 0 && input.channels == 1 && layout != Layout::ChannelsLast;
        let input = Tensor { layout, stacked: stacked && chosen.dilations[0] == 1, ..*input }.complete();
        let in_blocks = |block| Operator { kernel, block, ..*chosen }.complete(&input, output);
        if !kernel.takes(&in_blocks(1), &input) || (kernel.sums_fit_24_bits() && !fits_24_bits(plan, id)) {
            return None;
        }
        let blocks = (1..=kernel.most_pixels(chosen) as u8).rev().map(in_blocks);
        let best = blocks.min_by_key(|operator| target::cycles(operator, &input, output))?;
        let then = figures(&best, &input);
        let [cycles, flash_bytes, ram_bytes] = std::array::from_fn(|i| then[i] - now[i]);
        let other = best != *chosen && [cycles, flash_bytes, ram_bytes] != [0; 3];
        other.then(|| Alternative { kernel: format!("{kernel:?}"), block: best.block, cycles, flash_bytes, ram_bytes })
    };
    target(plan).unwrap_or_default().kernels().iter().filter_map(alternative).collect()
}

/// Whether |bias| + Σ|w|·128 is below 2^23 in every channel of a convolution that has a kernel.
fn fits_24_bits(plan: &Plan, id: usize) -> bool {
    let operator = plan.operator(id);
    if operator.kind != Kind::Conv2d {
        return false;
    }
    let input = plan.tensor(operator.inputs[0].into());
    let (kernel, taps, steps) = (operator.kernel, Taps::of(operator), operator.steps(input));
    let (group, lanes, planes) = (kernel.group(taps), input.lanes(), input.planes());
    let fits = |stream: &[u32]| {
        let words = &stream[group..stream.len() - group];
        let places = || {
            let taps = move |step| (0..taps.count()).map(move |tap| (step, tap));
            let lanes = move |(step, tap)| (0..lanes).map(move |lane| Place { step, tap, lane, planes });
            (0..steps).flat_map(taps).flat_map(lanes)
        };
        (0..group).all(|member| {
            let weight = |place| i64::from(kernel.weight(words, taps, place, member));
            let sum: i64 = places().map(|place| weight(place).abs()).sum();
            i64::from(kernel.bias(stream, member)).abs() + sum * 128 < 1 << 23
        })
    };
    plan.weights(id).chunks_exact(operator.group_words(input) + 2 * group).all(fits)
}

/// The network's name, the input's, and each operator's.
pub fn names(plan: &Plan) -> Vec<String> {
    let bytes: Vec<u8> = arch::as_i8(plan.names()).iter().map(|&b| b as u8).collect();
    let names = bytes.split(|&b| b == 0).map(|name| String::from_utf8_lossy(name).into_owned());
    names.take(plan.tensor_count() + 1).collect()
}

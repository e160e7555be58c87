//! What another engine takes for the same network, to hold against.
//!
//! The figures are of the network that `models/mnist_cnn.rs` builds, whatever its weights: CMSIS-NN of July 2026, gcc -O3, best
//! flags for each core, one inference, counted in the same machines by a plugin of the same kind with the same models of
//! cycles. They are recorded and not made anew, as that would need C.

use infer_nostd::Plan;
use infer_nostd::plan::Kind;

/// What CMSIS-NN takes on one core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The core, as `--core` names it.
    pub core: &'static str,
    /// Instructions of one inference.
    pub instructions: u64,
    /// Estimated cycles, to 10,000.
    pub cycles: Option<u64>,
    /// RAM written, the stack included.
    pub ram_bytes: u64,
    /// Code of the library, to 100 bytes.
    pub flash_code_bytes: Option<u64>,
}

const CMSIS_NN: [Recorded; 5] = [
    row("m0", 20_735_874, Some(29_780_000), 14_462, Some(7_900)),
    row("m3", 9_218_895, Some(15_360_000), 14_454, None),
    row("m4", 6_904_351, Some(8_760_000), 14_498, Some(9_200)),
    row("m7", 6_957_185, None, 14_514, None),
    row("m33", 6_892_462, Some(8_730_000), 14_502, None),
];

const fn row(
    core: &'static str,
    instructions: u64,
    cycles: Option<u64>,
    ram_bytes: u64,
    flash_code_bytes: Option<u64>,
) -> Recorded {
    Recorded { core, instructions, cycles, ram_bytes, flash_code_bytes }
}

/// The network: a grey image of 28×28, and its convolutions as kernel, channels in, channels out.
const INPUT: [usize; 3] = [1, 28, 28];
const CONVOLUTIONS: [[u16; 3]; 8] =
    [[3, 1, 8], [3, 8, 8], [3, 8, 8], [3, 8, 16], [3, 16, 16], [3, 16, 32], [3, 32, 32], [1, 32, 10]];

/// CMSIS-NN's figures on that core, if this plan is of the network that they are of: known by what it computes, as a plan may
/// have any name, and leaves out products that nobody reads.
pub fn recorded(plan: &Plan, core: &str) -> Option<&'static Recorded> {
    let convolution = |id: usize| {
        let operator = plan.operator(id);
        let (input, output) = (plan.tensor(operator.inputs[0].into()), plan.tensor(id + 1));
        (operator.kind == Kind::Conv2d).then(|| [operator.window[0].into(), input.channels, output.channels])
    };
    let same = plan.input().shape() == INPUT && (0..plan.operator_count()).filter_map(convolution).eq(CONVOLUTIONS);
    CMSIS_NN.iter().find(|row| same && row.core == core)
}

/// The best result that is published for a network of MLPerf Tiny on an STM32L4R5, a Cortex-M4 at 120 MHz. It was measured on the chip, flash that makes the
/// core wait included; what is counted here is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The task, as the benchmark names it.
    pub task: &'static str,
    /// Channels, height, width of the input.
    pub input: [usize; 3],
    /// Multiply-accumulates of the network.
    pub macs: u64,
    /// Milliseconds times 120,000.
    pub cycles: u64,
}

const MLPERF_TINY: [Published; 4] = [
    published_row("image classification", [3, 32, 32], 12_501_632, 19_812_000),
    published_row("keyword spotting", [1, 49, 10], 2_656_768, 5_184_000),
    published_row("visual wake words", [3, 96, 96], 7_489_664, 10_668_000),
    published_row("anomaly detection", [640, 1, 1], 264_192, 486_000),
];

const fn published_row(task: &'static str, input: [usize; 3], macs: u64, cycles: u64) -> Published {
    Published { task, input, macs, cycles }
}

/// What is published of the network that the plan is of, known by its input and the number of its products.
pub fn published(plan: &Plan) -> Option<&'static Published> {
    let macs = |id: usize| {
        let operator = plan.operator(id);
        operator.macs(plan.tensor(operator.inputs[0].into()), plan.tensor(id + 1))
    };
    let macs = (0..plan.operator_count()).map(macs).sum::<u64>();
    MLPERF_TINY.iter().find(|row| row.input == plan.input().shape() && row.macs == macs)
}

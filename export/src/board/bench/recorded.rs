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

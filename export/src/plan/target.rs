//! What a plan is for: which kernels a core has, and about what they cost there. Their code is in `code`.

use infer_nostd::plan::{Kernel, Kind, Operator, Taps, Tensor, Window};

/// A processor core, as `--target` names it; the number is the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "kebab-case"))]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Target {
    /// Plain Rust, for any core
    #[default]
    Portable = 0,
    /// ARMv6-M: Cortex-M0, M0+
    CortexM0 = 1,
    /// ARMv7-M: Cortex-M3
    CortexM3 = 2,
    /// ARMv7E-M: Cortex-M4
    CortexM4 = 3,
    /// ARMv7E-M: Cortex-M7
    CortexM7 = 4,
    /// ARMv8-M Mainline with the DSP extension: Cortex-M33
    CortexM33 = 5,
}

impl Target {
    const ALL: [Self; 6] =
        [Self::Portable, Self::CortexM0, Self::CortexM3, Self::CortexM4, Self::CortexM7, Self::CortexM33];

    /// The target of that number in a plan's header.
    pub fn from_word(word: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&target| target as u32 == word)
    }

    /// The target of that name, as `--target` takes it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// Its name, as `--target` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::CortexM0 => "cortex-m0",
            Self::CortexM3 => "cortex-m3",
            Self::CortexM4 => "cortex-m4",
            Self::CortexM7 => "cortex-m7",
            Self::CortexM33 => "cortex-m33",
        }
    }

    /// The kernels that the core has in assembly.
    pub fn kernels(self) -> &'static [Kernel] {
        match self {
            Self::Portable => &[],
            Self::CortexM0 => &[
                Kernel::Spread16,
                Kernel::Spread8,
                Kernel::DepthwiseUnsigned32,
                Kernel::DepthwiseUnsigned8,
                Kernel::DenseDuals,
            ],
            Self::CortexM3 => &[Kernel::Long, Kernel::Plain, Kernel::DepthwisePairs, Kernel::DenseDuals],
            Self::CortexM4 | Self::CortexM7 | Self::CortexM33 => &[
                Kernel::Widened16,
                Kernel::WidenedOdd16,
                Kernel::WidenedDuals,
                Kernel::Widened8,
                Kernel::Narrow8,
                Kernel::DepthwiseThree,
                Kernel::DepthwiseQuads,
                Kernel::Image16,
                Kernel::DenseOctets,
            ],
        }
    }
}

/// The name, as `--target` takes it.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Estimated cycles of one inference of an operator on the core that has its kernel, with memory that makes nobody wait. Good for choosing;
/// `export bench` counts.
pub fn cycles(operator: &Operator, input: &Tensor, output: &Tensor) -> u64 {
    let [height, width, channels] = [output.height, output.width, output.channels].map(u64::from);
    let outputs = height * width * channels;
    if operator.kernel.is_dense() {
        let (group, step) = if operator.kernel == Kernel::DenseOctets { (170, 41) } else { (200, 62) };
        let groups = u64::from(input.height) * channels.div_ceil(operator.kernel.group(Taps::of(operator)) as u64);
        return groups * (group + operator.dense_steps(input) as u64 * step);
    }
    if operator.kernel != Kernel::Portable {
        let taps = Taps::of(operator);
        let cost = cost(operator.kernel, taps, Window::of(operator));
        let blocks = width.div_ceil(operator.block.into());
        let (steps, pixels) = (operator.steps(input) as f64, width as f64 / blocks as f64);
        let group = operator.kernel.group(taps) as u64;
        // Of the last step of each row half is left out.
        let idle = if operator.kernel == Kernel::WidenedOdd16 { operator.row_steps(input) as f64 / 2.0 } else { 0.0 };
        let of_steps = (steps - idle) * (cost.step + cost.product * pixels);
        let of_group = cost.group + of_steps + cost.output * pixels * group as f64;
        let of_block = cost.block + steps * cost.spread * pixels;
        let groups = match operator.kernel {
            // A channel by itself takes three fifths of the time of two.
            Kernel::Spread16 => (channels / 2) as f64 + (channels % 2) as f64 * 0.6,
            _ => channels.div_ceil(group) as f64,
        };
        // What goes from block to block by itself is called, and makes its frame, once a row.
        let of_row = if operator.kernel.walks_rows() { 110 } else { 0 };
        return height * (of_row + blocks * (of_block + groups * of_group) as u64);
    }
    let values = u64::from(input.height) * u64::from(input.width) * u64::from(input.channels);
    match operator.kind {
        Kind::Conv2d | Kind::Depthwise => operator.macs(input, output) * 9 + outputs * 25,
        Kind::Dense => operator.macs(input, output) * 5 + outputs * 25,
        Kind::MaxPool => outputs * 10 * operator.window.map(u64::from).iter().product::<u64>(),
        Kind::AveragePool => outputs * (40 + 3 * operator.window.map(u64::from).iter().product::<u64>()),
        Kind::GlobalAveragePool => values * 4,
        Kind::Add => outputs * 14,
        Kind::Requantize | Kind::Lookup | Kind::Concat => outputs * 10,
        Kind::Mul => outputs * 30,
        Kind::Resize => outputs * 8,
    }
}

/// Estimated cycles of storing the input as it comes, each value in every lane that holds it.
pub fn input_cycles(input: &Tensor) -> u64 {
    let values = u64::from(input.height) * u64::from(input.width) * u64::from(input.channels);
    values * input.rows_a_step() as u64 * 12
}

/// Estimated cycles of moving every row of a tensor from where it has landed.
pub fn landing_cycles(tensor: &Tensor) -> u64 {
    u64::from(tensor.height) * (150 + tensor.slot_len() as u64 / 2)
}

/// Cycles of a kernel: `block` and for each of its steps and pixels `spread`; then for each group of output channels `group`, for each
/// step `step` and for each of its pixels `product`; and for each output `output`.
struct Cost {
    block: f64,
    spread: f64,
    group: f64,
    step: f64,
    product: f64,
    output: f64,
}

/// Fitted to what `export bench` counts on the zoo.
fn cost(kernel: Kernel, taps: Taps, window: Window) -> Cost {
    let (three, any) = (taps == Taps::Three, matches!(window, Window::Any | Window::AnyStrided));
    let (block, spread, group, step, product, output) = match kernel {
        Kernel::Widened16 | Kernel::WidenedOdd16 if three => (120.0, 5.0, 30.0, 15.0, 8.6, 3.0),
        Kernel::Widened8 if three => (120.0, 5.0, 30.0, 21.0, 8.6, 3.0),
        Kernel::Narrow8 if three => (80.0, 0.0, 30.0, 22.0, 11.0, 3.0),
        Kernel::Image16 if three => (120.0, 3.0, 30.0, 4.5, 2.4, 3.0),
        Kernel::Image16 => (150.0, 2.6, 40.0, 4.0, 3.2, 3.0),
        Kernel::Widened16 => (120.0, 5.0, 40.0, 8.0, 7.0, 3.0),
        Kernel::WidenedDuals => (40.0, 8.0, 31.0, 10.7, 10.0, 4.0),
        Kernel::Widened8 => (120.0, 5.0, 40.0, 14.0, 7.0, 3.0),
        Kernel::Narrow8 => (120.0, 0.0, 40.0, 17.0, 9.0, 3.0),
        Kernel::Long if three => (60.0, 0.0, 40.0, 20.0, 27.5, 8.0),
        Kernel::Plain if three => (60.0, 0.0, 40.0, 22.0, 15.0, 9.0),
        Kernel::Long => (60.0, 0.0, 60.0, 12.0, 19.0, 8.0),
        Kernel::Plain => (60.0, 0.0, 40.0, 13.0, 7.0, 9.0),
        Kernel::Spread16 if three => (150.0, 30.0, 60.0, 3.0, 31.0, 28.0),
        Kernel::Spread8 if three => (150.0, 40.0, 60.0, 13.0, 13.5, 28.0),
        Kernel::Spread16 => (150.0, 10.0, 60.0, 1.0, 10.4, 28.0),
        Kernel::Spread8 => (150.0, 14.0, 60.0, 4.3, 4.5, 28.0),
        Kernel::DepthwiseQuads => (150.0, 0.0, 70.0, 22.0, 8.0, 3.5),
        Kernel::DepthwisePairs if any => (130.0, 0.0, 40.0, 7.0, 3.5, 10.0),
        Kernel::DepthwiseUnsigned32 if any => (200.0, 0.0, 70.0, 13.0, 6.5, 28.0),
        Kernel::DepthwiseUnsigned8 if any => (200.0, 0.0, 70.0, 16.0, 6.5, 28.0),
        Kernel::DepthwiseThree if window == Window::ThreeStride2 => (120.0, 0.0, 110.0, 0.0, 7.5, 3.0),
        Kernel::DepthwiseThree => (120.0, 0.0, 130.0, 0.0, 5.0, 3.0),
        Kernel::DepthwisePairs => (110.0, 0.0, 20.0, 2.5, 2.8, 10.0),
        Kernel::DepthwiseUnsigned32 => (180.0, 0.0, 60.0, 5.0, 6.5, 28.0),
        Kernel::DepthwiseUnsigned8 => (180.0, 0.0, 60.0, 7.5, 6.5, 28.0),
        Kernel::Portable | Kernel::DenseOctets | Kernel::DenseDuals | Kernel::WidenedOdd16 => {
            unreachable!("it has no such blocks")
        }
    };
    Cost { block, spread, group, step, product, output }
}

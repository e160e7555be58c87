//! What a plan brings along besides its words: the code of the kernels that it uses.
//!
//! Measured, functions by name and length in hexadecimal, for each of the cores' targets (`thumbv6m-none-eabi`, `thumbv7m-none-eabi`,
//! `thumbv7em-none-eabihf`):
//!
//! ```sh
//! cargo build --release -p infer-nostd --target thumbv7em-none-eabihf
//! arm-none-eabi-nm -S target/thumbv7em-none-eabihf/release/libinfer_nostd.rlib
//! ```
//!
//! A line through the sizes of a kernel is within 40 bytes of each, but that a dense layer's on ARMv6-M is 134 bytes less than here, where it is ARMv7-M's.

use infer_nostd::plan::{Kernel, Operator, Taps, Walk, Window};

/// A function of a kernel, or what several of them share; each is in the firmware once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function {
    kernel: Kernel,
    /// Which walk, as far as functions differ.
    walk: u8,
    /// Pixels of a block.
    pixels: u8,
}

/// The walk of what is shared.
const SHARED: u8 = u8::MAX;

/// The functions that an operator calls, some of them twice. Its blocks are known.
pub fn functions(operator: &Operator) -> impl Iterator<Item = Function> {
    let (kernel, walk) = (operator.kernel, number(operator));
    let (longest, shortest) = (operator.block, operator.block - u8::from(operator.shorter > 0));
    let own = move |pixels| (kernel != Kernel::Portable).then_some(Function { kernel, walk, pixels });
    let shared = move |pixels| Some(Function { kernel, walk: SHARED, pixels: body(kernel, walk, pixels)? });
    [own(shortest), own(longest), shared(shortest), shared(longest)].into_iter().flatten()
}

/// Bytes of code of all the kernels' functions that operators call.
pub fn bytes(operators: &[Operator]) -> usize {
    let mut functions: Vec<Function> = operators.iter().flat_map(functions).collect();
    functions.sort_unstable();
    functions.dedup();
    functions.iter().map(Function::bytes).sum()
}

/// A number for the operator's walk.
fn number(operator: &Operator) -> u8 {
    match Walk::of(operator) {
        _ if operator.kernel.is_dense() => 0,
        Walk::Conv(Taps::Three) => 0,
        _ if operator.walks_by_runs() || operator.kernel.walks_rows() => 1,
        Walk::Conv(Taps::One { stride: 1 }) => 1,
        Walk::Conv(Taps::One { .. }) => 2,
        Walk::Depthwise(window) => 3 + window as u8,
    }
}

/// Which of the code that a kernel's functions share blocks of so many pixels enter; none where a function is whole.
fn body(kernel: Kernel, walk: u8, pixels: u8) -> Option<u8> {
    match (kernel, pixels) {
        (Kernel::Narrow8, _) if walk == 0 => Some(0),
        (Kernel::Spread16, _) => Some(0),
        (Kernel::Spread8, 1 | 2) => Some(pixels),
        (Kernel::Spread8, _) => Some(4),
        _ => None,
    }
}

impl Function {
    /// Bytes of its code.
    pub fn bytes(&self) -> usize {
        let (three, any) =
            (self.walk == 0, [Window::Any, Window::AnyStrided].map(|w| 3 + w as u8).contains(&self.walk));
        let (function, pixel) = match self.kernel {
            Kernel::Spread16 if self.walk == SHARED => (726, 0),
            Kernel::Spread8 if self.walk == SHARED => ([490, 480, 594, 594][usize::from(self.pixels) - 1], 0),
            Kernel::Widened16 if three => (250, 121),
            Kernel::WidenedOdd16 => (295, 121),
            Kernel::Widened8 if three => (338, 121),
            Kernel::Narrow8 if self.walk == SHARED => (150, 0),
            Kernel::Narrow8 if three => (151, 68),
            Kernel::Image16 if three => (208, 65),
            Kernel::Image16 => (330, 250),
            Kernel::Widened16 => (276, 235),
            Kernel::WidenedDuals => (460, 384),
            Kernel::Widened8 => (298, 140),
            Kernel::Narrow8 => (355, 158),
            Kernel::Long if three => (110, 86),
            Kernel::Plain if three => (167, 53),
            Kernel::Long => (112, 158),
            Kernel::Plain => (136, 36),
            Kernel::Spread16 if three => (124, 19),
            Kernel::Spread8 if three => (121, 22),
            Kernel::Spread16 => (108, 12),
            Kernel::Spread8 => (112, 10),
            Kernel::DepthwiseQuads if any => (214, 99),
            Kernel::DepthwiseQuads => (308, 248),
            Kernel::DepthwiseThree if self.walk == 3 + Window::Three as u8 => (392, 212),
            Kernel::DepthwiseThree => (316, 278),
            Kernel::DepthwisePairs if any => (148, 28),
            Kernel::DepthwisePairs => (184, 73),
            Kernel::DepthwiseUnsigned32 if any => (170, 150),
            Kernel::DepthwiseUnsigned8 if any => (184, 150),
            Kernel::DepthwiseUnsigned32 => (152, 174),
            Kernel::DepthwiseUnsigned8 => (178, 174),
            Kernel::DenseOctets => (888, 0),
            Kernel::DenseDuals => (486, 0),
            Kernel::Portable => (0, 0),
        };
        function + pixel * usize::from(self.pixels)
    }
}

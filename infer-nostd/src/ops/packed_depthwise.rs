//! Depthwise convolution by a kernel for one core, and by definition where this machine has another.
//!
//! FORMAT.md draws the streams of weights; `Kernel::weight` reads them.

use super::Step;
#[cfg(not(kernels = "portable"))]
use crate::arch;
use crate::plan::{Taps, Uses};
use crate::ring::{RowMut, Rows};

/// One output row. `USES` is what the plan uses, for the compiler to leave out the rest.
pub fn row<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    #[cfg(not(kernels = "portable"))]
    if const { Uses(USES).depthwise_kernels() }
        && (const { !Uses(USES).depthwise_definitions() } || arch::has(step.operator.kernel, Taps::of(step.operator)))
    {
        return arch::depthwise::row::<USES>(step, rows, out);
    }
    if const { Uses(USES).depthwise_definitions() } {
        by_definition(step, rows, out);
    }
}

/// The same by plain loops over the same stream.
#[inline(never)]
fn by_definition(step: &Step, rows: &Rows, out: &mut RowMut) {
    let (kernel, taps) = (step.operator.kernel, Taps::of(step.operator));
    let group = kernel.group(taps);
    let words = kernel.group_words(taps, step.operator.steps(step.input)) + 2 * group;
    for channel in 0..step.output.channels as usize {
        let stream = &step.weights()[channel / group * words..][..words];
        let member = channel % group;
        let (bias, multiplier) = (kernel.bias(stream, member), stream[words - group + member] as i32);
        let weight = |tap| kernel.weight(&stream[group..words - group], taps, tap, 0, 0, member);
        let mut values = out.channel(channel);
        for x in 0..step.output.width as usize {
            let acc = accumulate(step, rows, x, channel, bias, weight);
            values.put(x, step.requant().apply(acc, multiplier));
        }
    }
}

/// bias + Σ weight·stored value over the window of output pixel `x`.
fn accumulate(step: &Step, rows: &Rows, x: usize, channel: usize, bias: i32, weight: impl Fn(usize) -> i32) -> i32 {
    let [kernel_h, kernel_w] = step.operator.window.map(usize::from);
    let [dilation_h, dilation_w] = step.operator.dilations.map(usize::from);
    let stored = step.input.layout.flip() as i32; // what is stored is so much more
    let mut acc = bias;
    for ky in 0..kernel_h {
        let row = rows.channel(ky * dilation_h, channel);
        for kx in 0..kernel_w {
            let value = row.get(step.padded_start(x) + kx * dilation_w) as i32 + stored;
            acc = acc.wrapping_add(weight(ky * kernel_w + kx).wrapping_mul(value));
        }
    }
    acc
}

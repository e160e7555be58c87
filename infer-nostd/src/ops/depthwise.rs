//! Convolution of each channel by itself.
//!
//! Weights: int8 \[KH\]\[KW\]\[C\]. Table: bias and multiplier by channel.

use super::Step;
use crate::arch;
use crate::ring::{RowMut, Rows};

/// One output row.
pub fn row(step: &Step, rows: &Rows, out: &mut RowMut) {
    for channel in 0..step.output.channels as usize {
        let (bias, multiplier) = step.bias_and_multiplier(channel);
        let mut values = out.channel(channel);
        for x in 0..step.output.width as usize {
            values.put(x, step.requant().apply(accumulate(step, rows, x, channel, bias), multiplier));
        }
    }
}

/// bias + Σ weight·input over the window of output pixel `x`.
#[inline(always)]
fn accumulate(step: &Step, rows: &Rows, x: usize, channel: usize, bias: i32) -> i32 {
    let [kernel_h, kernel_w] = step.operator.window.map(usize::from);
    let [dilation_h, dilation_w] = step.operator.dilations.map(usize::from);
    let channels = step.input.channels as usize;
    let weights = arch::as_i8(step.weights());
    let mut acc = bias;
    for ky in 0..kernel_h {
        let row = rows.channel(ky * dilation_h, channel);
        for kx in 0..kernel_w {
            let weight = weights[(ky * kernel_w + kx) * channels + channel];
            acc = acc.wrapping_add(weight as i32 * row.get(step.padded_start(x) + kx * dilation_w) as i32);
        }
    }
    acc
}

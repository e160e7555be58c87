//! Convolution of each channel by itself.
//!
//! Weights: \[KH\]\[KW\]\[C\]. Table: bias and multiplier by channel.

use super::Step;
use crate::ring::Rows;

/// One output row.
pub fn row(step: &Step, rows: Rows, out: &mut [i8]) {
    let channels = step.output.channels as usize;
    for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
        for (channel, y) in pixel.iter_mut().enumerate() {
            let (bias, multiplier) = step.bias_and_multiplier(channel);
            *y = step.requant().apply(accumulate(step, rows, x, channel, bias), multiplier);
        }
    }
}

/// bias + Σ weight·input over the window of output pixel `x`.
#[inline(always)]
fn accumulate(step: &Step, rows: Rows, x: usize, channel: usize, bias: i32) -> i32 {
    let [kernel_h, kernel_w] = step.operator.window.map(usize::from);
    let [dilation_h, dilation_w] = step.operator.dilations.map(usize::from);
    let channels = step.input.channels as usize;
    let start = step.padded_start(x) + channel;
    let mut acc = bias;
    for ky in 0..kernel_h {
        let row = rows.row(ky * dilation_h);
        for kx in 0..kernel_w {
            let weight = step.weights[(ky * kernel_w + kx) * channels + channel];
            acc = acc.wrapping_add(weight as i32 * row[start + kx * dilation_w * channels] as i32);
        }
    }
    acc
}

//! Convolution with any kernel, stride, dilation and groups.
//!
//! Weights: \[O\]\[KH\]\[KW\]\[C/groups\], so that a row of the kernel meets a row of pixels as two runs of bytes.
//! Table: bias and multiplier by output channel; the input's zero point is folded into the bias.

use super::Step;
use crate::arch;
use crate::ring::Rows;

/// One output row.
pub fn row(step: &Step, rows: Rows, out: &mut [i8]) {
    let channels_out = step.output.channels as usize;
    for (x, pixel) in out.chunks_exact_mut(channels_out).enumerate() {
        for (channel, y) in pixel.iter_mut().enumerate() {
            let (bias, multiplier) = step.bias_and_multiplier(channel);
            *y = step.requant().apply(accumulate(step, rows, x, channel, bias), multiplier);
        }
    }
}

/// bias + Σ weight·input over the window of output pixel `x`.
#[inline(always)]
fn accumulate(step: &Step, rows: Rows, x: usize, channel: usize, bias: i32) -> i32 {
    let operator = &step.operator;
    let [kernel_h, kernel_w] = operator.window.map(usize::from);
    let [dilation_h, dilation_w] = operator.dilations.map(usize::from);
    let channels = step.input.channels as usize;
    let group_len = channels / operator.groups as usize;
    let group = channel / (step.output.channels / operator.groups) as usize;
    let start = step.padded_start(x) + group * group_len;
    // Taps that lie side by side are one run: a whole row of the kernel where neither dilation nor groups part them.
    let (runs, run_len) =
        if dilation_w == 1 && operator.groups == 1 { (1, kernel_w * channels) } else { (kernel_w, group_len) };
    let mut weights = step.weights[channel * kernel_h * runs * run_len..].chunks_exact(run_len);
    let mut acc = bias;
    for ky in 0..kernel_h {
        let row = rows.row(ky * dilation_h);
        for kx in 0..runs {
            let at = start + kx * dilation_w * channels;
            acc = arch::dot(acc, &row[at..at + run_len], weights.next().unwrap_or(&[]));
        }
    }
    acc
}

//! Convolution with any kernel, stride, dilation, groups and layout.
//!
//! Weights: int8 \[O\]\[KH\]\[KW\]\[C/groups\], so that a row of the kernel meets a row of pixels as two runs of bytes where
//! channels are last. Table: bias and multiplier by output channel; the input's zero point is folded into the bias.

use super::Step;
use crate::arch;
use crate::plan::Layout;
use crate::ring::{RowMut, Rows};
use core::array;
use core::ops::Range;

/// One output row.
pub fn row(step: &Step, rows: &Rows, out: &mut RowMut) {
    if matches!(step.input.layout, Layout::ChannelsLast) {
        return row_by_runs(step, rows, out);
    }
    for channel in 0..step.output.channels as usize {
        let (bias, multiplier) = step.bias_and_multiplier(channel);
        let mut values = out.channel(channel);
        for x in 0..step.output.width as usize {
            values.put(x, step.requant().apply(accumulate(step, rows, x, channel, bias), multiplier));
        }
    }
}

/// bias + Σ weight·input over the window of output pixel `x`: the definition.
#[inline(always)]
fn accumulate(step: &Step, rows: &Rows, x: usize, channel: usize, bias: i32) -> i32 {
    let operator = step.operator;
    let [kernel_h, kernel_w] = operator.window.map(usize::from);
    let [dilation_h, dilation_w] = operator.dilations.map(usize::from);
    let group_len = (step.input.channels / operator.groups) as usize;
    let first = channel / (step.output.channels / operator.groups) as usize * group_len;
    let weights = arch::as_i8(step.weights());
    let mut acc = bias;
    for ky in 0..kernel_h {
        for c in 0..group_len {
            let row = rows.channel(ky * dilation_h, first + c);
            for kx in 0..kernel_w {
                let weight = weights[((channel * kernel_h + ky) * kernel_w + kx) * group_len + c];
                let value = row.get(step.padded_start(x) + kx * dilation_w);
                acc = acc.wrapping_add(weight as i32 * value as i32);
            }
        }
    }
    acc
}

/// Output channels that are worked on at once, so that each activation is loaded once for all of them.
const AT_ONCE: usize = 4;

/// The same where channels are last: by runs of bytes, several output channels of a group at once.
fn row_by_runs(step: &Step, rows: &Rows, out: &mut RowMut) {
    let group_len = (step.output.channels / step.operator.groups) as usize;
    for group in (0..step.output.channels as usize).step_by(group_len) {
        for first in (group..group + group_len).step_by(AT_ONCE) {
            let numbers = first..(first + AT_ONCE).min(group + group_len);
            let channels = Channels::new(step, &numbers);
            for x in 0..step.output.width as usize {
                let accs = channels.accumulate(step, rows, x);
                for (number, acc) in numbers.clone().zip(accs) {
                    let (_, multiplier) = step.bias_and_multiplier(number);
                    out.channel(number).put(x, step.requant().apply(acc, multiplier));
                }
            }
        }
    }
}

/// Some output channels of one group.
struct Channels<'a> {
    biases: [i32; AT_ONCE],
    weights: [&'a [i8]; AT_ONCE],
    /// Runs of bytes in a row of the kernel.
    runs: usize,
    run_len: usize,
    /// Where in a pixel of the input the group begins.
    offset: usize,
}

impl<'a> Channels<'a> {
    /// Where the range holds fewer, its last stands in for those that are missing.
    fn new(step: &Step<'a>, numbers: &Range<usize>) -> Self {
        let numbers: [usize; AT_ONCE] = array::from_fn(|i| (numbers.start + i).min(numbers.end - 1));
        let operator = step.operator;
        let [kernel_h, kernel_w] = operator.window.map(usize::from);
        let group_len = (step.input.channels / operator.groups) as usize;
        // Taps that lie side by side are one run: a whole row of the kernel where neither dilation nor groups part them.
        let side_by_side = operator.dilations[1] == 1 && operator.groups == 1;
        let (runs, run_len) = if side_by_side { (1, kernel_w * group_len) } else { (kernel_w, group_len) };
        let len = kernel_h * kernel_w * group_len;
        Self {
            biases: numbers.map(|number| step.bias_and_multiplier(number).0),
            weights: numbers.map(|number| &arch::as_i8(step.weights())[number * len..][..len]),
            runs,
            run_len,
            offset: numbers[0] / (step.output.channels / operator.groups) as usize * group_len,
        }
    }

    /// bias + Σ weight·input over the window of output pixel `x`, for each channel.
    #[inline(always)]
    fn accumulate(&self, step: &Step, rows: &Rows, x: usize) -> [i32; AT_ONCE] {
        let [dilation_h, dilation_w] = step.operator.dilations.map(usize::from);
        let pixel_len = step.input.channels as usize;
        let start = step.padded_start(x) * pixel_len + self.offset;
        let (mut accs, mut done) = (self.biases, 0);
        for ky in 0..step.operator.window[0] as usize {
            let row = arch::bytes_as_i8(rows.slot(ky * dilation_h));
            for kx in 0..self.runs {
                let values = &row[start + kx * dilation_w * pixel_len..][..self.run_len];
                let [w0, w1, w2, w3] = self.weights;
                accs = arch::dot4(accs, values, [&w0[done..], &w1[done..], &w2[done..], &w3[done..]]);
                done += self.run_len;
            }
        }
        accs
    }
}

//! Sums of two tensors of one shape, and a change of scale of one.
//!
//! The scales enter as weights w = round(s / s_out · 2^t), t as large as 32 bits allow; the multiplier is 2^(32−t), so the
//! rounding is an addition and a shift.
//! Table of a sum: bias, multiplier, w_a, w_b. Table of a change of scale: bias, multiplier, w.

use super::Step;
use crate::plan::Tensor;
use crate::ring::{RowMut, Rows};

/// One row of a sum: the first row of `a` and the first of `b`, which `second` describes.
pub fn sum_row(step: &Step, second: &Tensor, a: &Rows, b: &Rows, out: &mut RowMut) {
    let [bias, multiplier, weight_a, weight_b] = [0, 1, 2, 3].map(|i| step.table()[i] as i32);
    let (left_a, left_b) = (step.input.pads[1] as usize, second.pads[1] as usize);
    for channel in 0..step.output.channels as usize {
        let (a, b, mut sums) = (a.channel(0, channel), b.channel(0, channel), out.channel(channel));
        for x in 0..step.output.width as usize {
            let (a, b) = (a.get(left_a + x) as i32, b.get(left_b + x) as i32);
            let products = weight_a.wrapping_mul(a).wrapping_add(weight_b.wrapping_mul(b));
            sums.put(x, step.requant().apply(bias.wrapping_add(products), multiplier));
        }
    }
}

/// One row of a change of scale.
pub fn requantize_row(step: &Step, rows: &Rows, out: &mut RowMut) {
    let [bias, multiplier, weight] = [0, 1, 2].map(|i| step.table()[i] as i32);
    let left = step.input.pads[1] as usize;
    for channel in 0..step.output.channels as usize {
        let (row, mut values) = (rows.channel(0, channel), out.channel(channel));
        for x in 0..step.output.width as usize {
            let acc = bias.wrapping_add(weight.wrapping_mul(row.get(left + x) as i32));
            values.put(x, step.requant().apply(acc, multiplier));
        }
    }
}

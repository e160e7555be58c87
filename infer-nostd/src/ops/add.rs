//! Sums of two tensors of one shape, and a change of scale of one.
//!
//! The scales enter as weights w = round(s / s_out · 2^t), t as large as 32 bits allow; the multiplier is 2^(32−t), so the
//! rounding is an addition and a shift.
//! Table of a sum: bias, multiplier, w_a, w_b. Table of a change of scale: bias, multiplier, w.

use super::{Scaling, Step};
use crate::ring::{RowMut, Rows};

/// One row of a sum: the first row of `a` and the first of `b`.
#[inline(never)]
pub fn sum_row(step: &Step, a: &Rows, b: &Rows, out: &mut RowMut) {
    let [bias, multiplier, weight_a, weight_b] = [0, 1, 2, 3].map(|i| step.table()[i] as i32);
    let scaling = Scaling::new(step.output.zero_point, multiplier);
    let sum = |a: u8, b: u8| {
        let products = weight_a.wrapping_mul(a as i8 as i32).wrapping_add(weight_b.wrapping_mul(b as i8 as i32));
        scaling.apply(bias.wrapping_add(products)) as u8
    };
    let second = b.tensor();
    let flips = [step.input, second, step.output].map(|tensor| tensor.layout.flip());
    if step.output.lanes() == step.input.lanes() && step.output.lanes() == second.lanes() {
        for plane in 0..step.output.planes() {
            let (a, b) = (a.run(0, plane), b.run(0, plane));
            match flips {
                [0, 0, 0] => zip(a, b, out.run(plane), sum),
                [fa, fb, fo] => zip(a, b, out.run(plane), |a, b| sum(a ^ fa, b ^ fb) ^ fo),
            }
        }
    } else {
        let (left_a, left_b) = (step.input.pads[1] as usize, second.pads[1] as usize);
        for channel in 0..step.output.channels as usize {
            let (a, b, mut sums) = (a.channel(0, channel), b.channel(0, channel), out.channel(channel));
            for x in 0..step.output.width as usize {
                sums.put(x, sum(a.get(left_a + x) as u8, b.get(left_b + x) as u8) as i8);
            }
        }
    }
    out.clamp(step.operator.clamp);
}

/// One row of a change of scale.
#[inline(never)]
pub fn requantize_row(step: &Step, rows: &Rows, out: &mut RowMut) {
    let [bias, multiplier, weight] = [0, 1, 2].map(|i| step.table()[i] as i32);
    let scaling = Scaling::new(step.output.zero_point, multiplier);
    super::each_value(step, rows, out, |value| {
        scaling.apply(bias.wrapping_add(weight.wrapping_mul(value as i8 as i32))) as u8
    });
    out.clamp(step.operator.clamp);
}

/// Fours, so that the loop's own work is shared, then what is left.
#[inline(always)]
fn zip(a: &[u8], b: &[u8], out: &mut [u8], value: impl Fn(u8, u8) -> u8) {
    // The inputs may be wider.
    let ((a, rest_a), (b, rest_b)) = (a[..out.len()].as_chunks::<4>(), b[..out.len()].as_chunks::<4>());
    let (out, rest) = out.as_chunks_mut::<4>();
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = [value(a[0], b[0]), value(a[1], b[1]), value(a[2], b[2]), value(a[3], b[3])];
    }
    for ((out, &a), &b) in rest.iter_mut().zip(rest_a).zip(rest_b) {
        *out = value(a, b);
    }
}

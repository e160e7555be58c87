//! Sums of two tensors of one shape, and a change of scale of one.
//!
//! The scales enter as weights w = round(s / s_out · 2^t), t as large as 32 bits allow; the multiplier is 2^(32−t), so the
//! rounding is an addition and a shift.
//! Table of a sum: bias, multiplier, w_a, w_b. Table of a change of scale: bias, multiplier, w.

use super::Step;
use crate::ring::Rows;

/// One row of a sum.
pub fn sum_row(step: &Step, a: &[i8], b: &[i8], out: &mut [i8]) {
    let [bias, multiplier, weight_a, weight_b] = [0, 1, 2, 3].map(|i| step.table[i] as i32);
    for (y, (&a, &b)) in out.iter_mut().zip(a.iter().zip(b)) {
        let products = weight_a.wrapping_mul(a as i32).wrapping_add(weight_b.wrapping_mul(b as i32));
        *y = step.requant().apply(bias.wrapping_add(products), multiplier);
    }
}

/// One row of a change of scale.
pub fn requantize_row(step: &Step, rows: Rows, out: &mut [i8]) {
    let [bias, multiplier, weight] = [0, 1, 2].map(|i| step.table[i] as i32);
    for (y, &x) in out.iter_mut().zip(rows.map_row(&step.input)) {
        *y = step.requant().apply(bias.wrapping_add(weight.wrapping_mul(x as i32)), multiplier);
    }
}

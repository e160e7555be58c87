//! Products of two tensors. The second may have one row, one column or one channel, which stands for all of the first's: the gate of a channel, a mask.
//!
//! |(a − z_a)·(b − z_b)| ≤ 255² < 2^16, so that no shift up to 15 takes it beyond 31 bits. Table: one multiplier, scale_a · scale_b / scale_out.

use super::Step;
use crate::ring::{RowMut, Rows};

/// One row: the first row of `a` and the first, or the only one, of `b`.
#[inline(never)]
pub fn row(step: &Step, a: &Rows, b: &Rows, out: &mut RowMut) {
    let (requant, multiplier) = (step.requant(), step.table()[0] as i32);
    let (first, second, width) = (step.input, b.tensor(), step.output.width as usize);
    let [zero_a, zero_b] = [first, second].map(|tensor| tensor.zero_point as i32);
    let [left_a, left_b] = [first, second].map(|tensor| tensor.pads[1] as usize);
    for channel in 0..step.output.channels as usize {
        let (values, mut products) = (a.channel(0, channel), out.channel(channel));
        let factors = b.channel(0, if second.channels == 1 { 0 } else { channel });
        let factor = |x: usize| factors.get(left_b + x) as i32 - zero_b;
        let mut put = |x: usize, factor: i32| {
            let product = (values.get(left_a + x) as i32 - zero_a) * factor;
            products.put(x, requant.apply(product, multiplier));
        };
        if second.width == 1 {
            let gate = factor(0);
            (0..width).for_each(|x| put(x, gate));
        } else {
            (0..width).for_each(|x| put(x, factor(x)));
        }
    }
}

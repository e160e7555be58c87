//! Mean of the whole map by channel, a row at a time: the map itself is never held.
//!
//! Table: one multiplier, scale_in / (scale_out · H · W).

use super::Step;

/// Takes one row of the input; after the last, writes the means.
pub fn take(step: &Step, row: &[i8], sums: &mut [i32], out: &mut [i8]) {
    if step.number == 0 {
        let pixels = (step.input.height as i32).wrapping_mul(step.input.width as i32);
        sums.fill(-pixels.wrapping_mul(step.input.zero_point as i32));
    }
    for pixel in row.chunks_exact(sums.len()) {
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            *sum = sum.wrapping_add(value as i32);
        }
    }
    if step.number + 1 == step.input.height as usize {
        for (y, &sum) in out.iter_mut().zip(sums.iter()) {
            *y = step.requant().apply(sum, step.table[0] as i32);
        }
    }
}

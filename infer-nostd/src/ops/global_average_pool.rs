//! Mean of the whole map by channel, a row at a time: the map itself is never held.
//!
//! Table: one multiplier, scale_in / (scale_out · H · W).

use super::Step;
use crate::ring::{RowMut, Rows};

/// Takes one row of the input; after the last, writes the means.
#[inline(never)]
pub fn take(step: &Step, rows: &Rows, sums: &mut [i32], out: &mut RowMut) {
    let (height, width, left) = (step.input.height as usize, step.input.width as usize, step.input.pads[1] as usize);
    for (channel, sum) in sums.iter_mut().enumerate() {
        if step.at == 0 {
            let pixels = (height as i32).wrapping_mul(width as i32);
            *sum = -pixels.wrapping_mul(step.input.zero_point as i32);
        }
        let row = rows.channel(0, channel);
        for x in left..left + width {
            *sum = sum.wrapping_add(row.get(x) as i32);
        }
        if step.at + 1 == step.operator.end {
            out.channel(channel).put(0, step.requant().apply(*sum, step.table()[0] as i32));
        }
    }
}

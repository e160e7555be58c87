//! Mean of the whole map by channel, a row at a time: the map itself is never held.
//!
//! Table: one multiplier, scale_in / (scale_out · H · W).

use super::{LANES_AT_ONCE, Step, add_pixels};
use crate::ring::{RowMut, Rows};

/// Takes one row of the input; after the last, writes the means.
#[inline(never)]
pub fn take(step: &Step, rows: &Rows, sums: &mut [i32], out: &mut RowMut) {
    let input = step.input;
    if step.at == 0 {
        let pixels = (input.height as i32).wrapping_mul(input.width as i32);
        sums.fill(-pixels.wrapping_mul(input.zero_point as i32));
    }
    let (slot, run) = (rows.slot(0), input.run_range(0));
    for (plane, sums) in slot.chunks(input.plane_len()).zip(sums.chunks_mut(input.lanes())) {
        let mut pixels = &plane[run.clone()];
        for sums in sums.chunks_mut(LANES_AT_ONCE) {
            add_pixels(pixels, input.lanes(), input.layout.flip(), sums);
            pixels = &pixels[sums.len()..];
        }
    }
    if step.at + 1 == step.operator.end {
        for (channel, &sum) in sums.iter().enumerate() {
            out.channel(channel).put(0, step.requant().apply(sum, step.table()[0] as i32));
        }
    }
}

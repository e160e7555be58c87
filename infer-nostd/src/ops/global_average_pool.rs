//! Mean of the whole map by channel, a row at a time: the map itself is never held.
//!
//! Table: one multiplier, scale_in / (scale_out · H · W).

use super::{Step, add_lanes};
use crate::ring::{RowMut, Rows};

/// Takes one row of the input; after the last, writes the means.
#[inline(never)]
pub fn take(step: &Step, rows: &Rows, sums: &mut [i32], out: &mut RowMut) {
    let input = step.input;
    if step.at == 0 {
        let pixels = (input.height as i32).wrapping_mul(input.width as i32);
        sums.fill(-pixels.wrapping_mul(input.zero_point as i32));
    }
    let (slot, run, plane_len) = (rows.slot(0), input.run_range(0), input.plane_len());
    let (mut at, lanes, flip) = (run.start, input.lanes(), input.layout.flip());
    for sums in sums.chunks_mut(lanes) {
        add_lanes(&slot[at..at + run.len()], lanes, flip, sums);
        at += plane_len;
    }
    if step.at + 1 == step.operator.end {
        for (channel, &sum) in sums.iter().enumerate() {
            out.channel(channel).put(0, step.requant().apply(sum, step.table()[0] as i32));
        }
    }
}

//! Mean of each window: the sum less its zero points, times scale_in / (scale_out · count).
//!
//! Table: one multiplier where padding counts in the divisor; else one for each count of pixels, from 1 up.

use super::Step;
use crate::ring::{RowMut, Rows};

/// One output row; `rows` begins with the first row of the window that lies in the map.
pub fn row(step: &Step, rows: &Rows, out: &mut RowMut) {
    let dilations = step.operator.dilations.map(usize::from);
    let [pad_y, pad_x, ..] = step.operator.pads.map(usize::from);
    let left = step.input.pads[1] as usize;
    let start_y = step.at as usize;
    let taps_y = step.taps(0, start_y, step.input.height as usize);
    for x in 0..step.output.width as usize {
        let start_x = x * step.operator.strides[1] as usize;
        let taps_x = step.taps(1, start_x, step.input.width as usize);
        let count = taps_y.len() * taps_x.len();
        let entry = if step.operator.count_include_pad { 0 } else { count.saturating_sub(1) };
        for channel in 0..step.output.channels as usize {
            let mut acc = -(count as i32 * step.input.zero_point as i32);
            for ky in taps_y.clone() {
                let row = rows.channel(start_y + ky * dilations[0] - start_y.max(pad_y), channel);
                for kx in taps_x.clone() {
                    acc += row.get(left + start_x + kx * dilations[1] - pad_x) as i32;
                }
            }
            out.channel(channel).put(x, step.requant().apply(acc, step.table()[entry] as i32));
        }
    }
}

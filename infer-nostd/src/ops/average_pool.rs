//! Mean of each window: the sum less its zero points, times scale_in / (scale_out · count).
//!
//! Table: one multiplier where padding counts in the divisor; else one for each count of pixels, from 1 up.

use super::{Step, add_lanes};
use crate::ring::{RowMut, Rows};

/// Lanes of a plane that are summed at once.
const LANES_AT_ONCE: usize = 4;

/// One output row; `rows` begins with the first row of the window that lies in the map.
#[inline(never)]
pub fn row(step: &Step, rows: &Rows, out: &mut RowMut) {
    let (input, operator) = (step.input, step.operator);
    let [dilation_y, dilation_x] = operator.dilations.map(usize::from);
    let [pad_y, pad_x, ..] = operator.pads.map(usize::from);
    let start_y = step.at as usize;
    let taps_y = step.taps(0, start_y, input.height as usize);
    let pixel_len = input.lanes();
    for x in 0..step.output.width as usize {
        let start_x = x * operator.strides[1] as usize;
        let taps_x = step.taps(1, start_x, input.width as usize);
        let count = taps_y.len() * taps_x.len();
        let entry = if operator.count_include_pad { 0 } else { count.saturating_sub(1) };
        let (multiplier, zeros) = (step.table()[entry] as i32, -(count as i32 * input.zero_point as i32));
        let (first, len) = (start_x + taps_x.start * dilation_x, taps_x.len() * dilation_x * pixel_len);
        for channel in (0..input.channels as usize).step_by(LANES_AT_ONCE.min(input.lanes())) {
            let lanes = LANES_AT_ONCE.min(input.lanes()).min(input.channels as usize - channel);
            let mut sums = [zeros; LANES_AT_ONCE];
            let sums = &mut sums[..lanes];
            for ky in taps_y.clone().filter(|_| count > 0) {
                let from = rows.pixels_from(start_y + ky * dilation_y - start_y.max(pad_y), channel);
                let from = &from[(first - pad_x) * pixel_len..];
                add_lanes(&from[..len.min(from.len())], dilation_x * pixel_len, input.layout.flip(), sums);
            }
            for (lane, &sum) in sums.iter().enumerate() {
                out.channel(channel + lane).put(x, step.requant().apply(sum, multiplier));
            }
        }
    }
}

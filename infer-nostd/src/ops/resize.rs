//! The nearest neighbour in a map that is larger by whole factors: every pixel several times across, every row several times down. Input and output
//! share scale and zero point.

use super::Step;
use crate::ring::{RowMut, Rows};

/// One row, a copy of the input's.
#[inline(never)]
pub fn row(step: &Step, rows: &Rows, out: &mut RowMut) {
    let (left, copies, width) =
        (step.input.pads[1] as usize, step.operator.strides[1] as usize, step.output.width as usize);
    for channel in 0..step.output.channels as usize {
        let (from, mut to) = (rows.channel(0, channel), out.channel(channel));
        let (mut x, mut pixel) = (0, left);
        while x < width {
            let (value, end) = (from.get(pixel), width.min(x + copies));
            while x < end {
                to.put(x, value);
                x += 1;
            }
            pixel += 1;
        }
    }
}

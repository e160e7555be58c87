//! The channels of one tensor, then those of another, each brought to the output's scale as a sum brings its own.
//!
//! Table: bias, multiplier, weight of the first; the same of the second. What has the output's scale and zero point already is copied.

use super::{Scaling, Step};
use crate::plan::Layout;
use crate::ring::{RowMut, Rows};

/// One row: the first row of `a` and the first of `b`.
#[inline(never)]
pub fn row(step: &Step, a: &Rows, b: &Rows, out: &mut RowMut) {
    part(step, a, out, 0);
    part(step, b, out, 1);
    out.clamp(step.operator.clamp);
}

/// The channels of the first (0) or the second (1) tensor.
fn part(step: &Step, rows: &Rows, out: &mut RowMut, number: usize) {
    let [bias, multiplier, weight] = [0, 1, 2].map(|i| step.table()[3 * number + i] as i32);
    let first = if number == 0 { 0 } else { step.input.channels as usize };
    let zero_point = step.output.zero_point;
    // A weight of 1 and a bias that takes away the zero point which rounding adds.
    let is_one = weight.count_ones() == 1 && weight.trailing_zeros() + multiplier.trailing_zeros() == 32;
    if is_one && bias == weight.wrapping_mul(-i32::from(zero_point)) {
        return place(step, rows, out, first, |value| value);
    }
    let scaling = Scaling::new(zero_point, multiplier);
    place(step, rows, out, first, |value| {
        scaling.apply(bias.wrapping_add(weight.wrapping_mul(value as i8 as i32))) as u8
    });
}

/// Makes the output's channels from `first` on from the input's.
#[inline(always)]
fn place(step: &Step, rows: &Rows, out: &mut RowMut, first: usize, value: impl Fn(u8) -> u8) {
    let (input, output) = (rows.tensor(), step.output);
    let (lanes, channels) = (input.lanes(), input.channels as usize);
    let [from, to] = [input, output].map(|tensor| tensor.layout.flip());
    let has_planes = ![input.layout, output.layout].contains(&Layout::ChannelsLast);
    if has_planes && lanes == output.lanes() && first.is_multiple_of(lanes) {
        // Lanes beyond the first tensor's last channel are written again with the second's, or have no meaning.
        for plane in 0..input.planes() {
            for (out, &byte) in out.run(first / lanes + plane).iter_mut().zip(rows.run(0, plane)) {
                *out = value(byte ^ from) ^ to;
            }
        }
        return;
    }
    let left = input.pads[1] as usize;
    for channel in 0..channels {
        let (row, mut values) = (rows.channel(0, channel), out.channel(first + channel));
        for x in 0..output.width as usize {
            values.put(x, value(row.get(left + x) as u8) as i8);
        }
    }
}

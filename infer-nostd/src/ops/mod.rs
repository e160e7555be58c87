//! The operators, one a file: what each computes for one step, from rows to a row.
//!
//! Weights and tables come packed by the planner; FORMAT.md says how.

pub mod add;
pub mod average_pool;
pub mod concat;
pub mod conv2d;
pub mod dense;
pub mod depthwise;
pub mod global_average_pool;
pub mod input;
pub mod lookup;
pub mod max_pool;
pub mod mul;
pub mod packed;
pub mod packed_dense;
pub mod resize;

use crate::fixed::Requant;
use crate::plan::{Operator, Tensor};
use crate::ring::{RowMut, Rows};
use core::ops::Range;

/// What an operator knows in one step.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its record.
    pub operator: &'a Operator,
    /// Its first input.
    pub input: &'a Tensor,
    /// Its output.
    pub output: &'a Tensor,
    /// The whole plan.
    pub words: &'a [u32],
    /// The row that the step begins with, counted from the operator's own padding.
    pub at: u16,
    /// The row of the output's map that it gives, or adds to.
    pub row: u16,
}

impl<'a> Step<'a> {
    /// Weights, packed for the operator's kernel, and what follows them.
    #[inline(always)]
    pub fn weights(&self) -> &'a [u32] {
        &self.words[self.operator.weights as usize..]
    }

    /// Packed biases and multipliers, and what follows them.
    #[inline(always)]
    pub fn table(&self) -> &'a [u32] {
        &self.words[self.operator.table as usize..]
    }

    /// How accumulators become int8.
    #[inline(always)]
    pub fn requant(&self) -> Requant {
        self.operator.requant(self.output)
    }

    /// Bias and multiplier of output channel `channel`.
    #[inline(always)]
    fn bias_and_multiplier(&self, channel: usize) -> (i32, i32) {
        let table = self.table();
        (table[2 * channel] as i32, table[2 * channel + 1] as i32)
    }

    /// Where the window of output pixel `x` begins in a padded row that stores at least the operator's padding.
    #[inline(always)]
    pub(crate) fn padded_start(&self, x: usize) -> usize {
        self.input.pads[1] as usize - self.operator.pads[1] as usize + x * self.operator.strides[1] as usize
    }

    /// The taps along `axis` that touch the map of `len` pixels, of the window that begins at pixel `start`, counted from the edge of
    /// the padding.
    #[inline(always)]
    fn taps(&self, axis: usize, start: usize, len: usize) -> Range<usize> {
        let (pad, dilation) = (self.operator.pads[axis] as usize, self.operator.dilations[axis] as usize);
        // Division is slow on the smallest cores, and seldom needed.
        let taps = |pixels: usize| if dilation == 1 { pixels } else { pixels.div_ceil(dilation) };
        let first = taps(pad.saturating_sub(start));
        let end = taps((pad + len).saturating_sub(start)).min(self.operator.window[axis] as usize);
        first..end
    }
}

/// How the accumulators of a sum become int8: its multiplier is a power of two.
#[derive(Debug, Clone, Copy)]
struct Scaling {
    /// One bit less than the accumulators are divided by.
    shift_bits: u32,
    zero_point: i32,
}

impl Scaling {
    #[inline(always)]
    fn new(zero_point: i8, multiplier: i32) -> Self {
        // The check has seen a power of two of at least 2.
        Self { shift_bits: 31 - multiplier.trailing_zeros(), zero_point: zero_point.into() }
    }

    /// ⌊acc / 2^t + ½⌋ at the output's zero point: the rule of [`Requant::apply`] without its multiplication, and without a clamp.
    #[inline(always)]
    fn apply(&self, acc_i32: i32) -> i8 {
        let steps = ((acc_i32 >> self.shift_bits) + 1) >> 1;
        (steps + self.zero_point).clamp(i8::MIN.into(), i8::MAX.into()) as i8
    }
}

/// Makes each value of a row from the value at its place in one row of the input.
#[inline(always)]
fn each_value(step: &Step, rows: &Rows, out: &mut RowMut, value: impl Fn(u8) -> u8) {
    let (input, output) = (step.input, step.output);
    let [from, to] = [input, output].map(|tensor| tensor.layout.flip());
    if input.lanes() == output.lanes() {
        for plane in 0..output.planes() {
            for (out, &byte) in out.run(plane).iter_mut().zip(rows.run(0, plane)) {
                *out = value(byte ^ from) ^ to;
            }
        }
        return;
    }
    let left = input.pads[1] as usize;
    for channel in 0..output.channels as usize {
        let (row, mut values) = (rows.channel(0, channel), out.channel(channel));
        for x in 0..output.width as usize {
            values.put(x, value(row.get(left + x) as u8) as i8);
        }
    }
}

/// Adds the first lanes of pixels, `distance` bytes from one to the next, to as many sums.
#[inline(never)]
fn add_lanes(pixels: &[u8], distance: usize, flip: u8, sums: &mut [i32]) {
    // A load for all four lanes. Chips without DSP kernels have no quads, and count their flash.
    if cfg!(any(kernels = "dsp", not(target_os = "none")))
        && distance == 4
        && let [a, b, c, d] = sums
    {
        let flips = u32::from_le_bytes([flip; 4]);
        // Written out, as the compiler keeps loops over four when it is to save space.
        for &pixel in pixels.as_chunks().0 {
            let word = u32::from_le_bytes(pixel) ^ flips;
            *a = a.wrapping_add((word as i8).into());
            *b = b.wrapping_add(((word >> 8) as i8).into());
            *c = c.wrapping_add(((word >> 16) as i8).into());
            *d = d.wrapping_add(((word >> 24) as i8).into());
        }
        return;
    }
    for (lane, sum) in sums.iter_mut().enumerate() {
        let mut at = lane;
        while let Some(&byte) = pixels.get(at) {
            *sum = sum.wrapping_add(((byte ^ flip) as i8).into());
            at += distance;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_rounded_as_the_rule_has_it() {
        let requant = Requant { shift_bits: 0, zero_point: -7, min: i8::MIN, max: i8::MAX };
        for t in 2..=31 {
            let (multiplier, scaling) = (1 << (32 - t), Scaling::new(-7, 1 << (32 - t)));
            let near = |acc: i32| (-3..=3).map(move |i| acc.wrapping_add(i));
            let halves = [0, 1, -1, 2, 3, -5, 100, -130].map(|steps: i64| ((2 * steps + 1) << (t - 1)) as i32);
            for acc in [i32::MIN, i32::MAX, 0].into_iter().chain(halves).flat_map(near) {
                assert_eq!(scaling.apply(acc), requant.apply(acc, multiplier), "{acc} / 2^{t}");
            }
        }
    }

    #[test]
    fn lanes_are_summed_each_by_itself() {
        let pixels = [1, 2, 0xFF, 0x80, 10, 20, 30, 0x7F];
        let (mut lanes, mut flipped) = ([5; 4], [0; 2]);
        add_lanes(&pixels, 4, 0, &mut lanes);
        add_lanes(&pixels, 4, 0x80, &mut flipped);
        assert_eq!(lanes, [16, 27, 34, 4]);
        assert_eq!(flipped, [11 - 256, 22 - 256]);
        let (mut all, mut three) = ([5; 4], [5; 3]);
        add_lanes(&pixels, 4, 0x80, &mut all);
        add_lanes(&pixels, 4, 0x80, &mut three);
        assert_eq!((all, three), ([16 - 256, 27 - 256, 34, 4], [16 - 256, 27 - 256, 34]));
    }
}

//! The operators, one a file: what each computes for one step, from rows to a row.
//!
//! Weights and tables come packed by the planner; FORMAT.md says how.

pub mod add;
pub mod average_pool;
pub mod conv2d;
pub mod dense;
pub mod depthwise;
pub mod global_average_pool;
pub mod max_pool;
pub mod packed;
pub mod packed_depthwise;

use crate::fixed::Requant;
use crate::plan::Operator;
use crate::ring::Map;
use core::ops::Range;

/// What an operator knows in one step.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its record.
    pub operator: &'a Operator,
    /// Its first input.
    pub input: &'a Map,
    /// Its output.
    pub output: &'a Map,
    /// Weights, packed for the operator's kernel.
    pub weights: &'a [u32],
    /// Packed biases and multipliers.
    pub table: &'a [u32],
    /// Which step of the image this is.
    pub number: usize,
}

impl Step<'_> {
    /// How accumulators become int8.
    #[inline(always)]
    pub fn requant(&self) -> Requant {
        self.operator.requant(self.output)
    }

    /// Bias and multiplier of output channel `channel`.
    #[inline(always)]
    fn bias_and_multiplier(&self, channel: usize) -> (i32, i32) {
        (self.table[2 * channel] as i32, self.table[2 * channel + 1] as i32)
    }

    /// Where the window of output pixel `x` begins in a padded row that stores at least the operator's padding.
    #[inline(always)]
    pub(crate) fn padded_start(&self, x: usize) -> usize {
        self.input.pads[1] as usize - self.operator.pads[1] as usize + x * self.operator.strides[1] as usize
    }

    /// The taps of window `i` along `axis` that touch the map of `len` pixels, and the pixel that tap 0 stands on,
    /// counted from the edge of the padding.
    #[inline(always)]
    fn taps(&self, axis: usize, i: usize, len: usize) -> (Range<usize>, usize) {
        let (pad, dilation) = (self.operator.pads[axis] as usize, self.operator.dilations[axis] as usize);
        let start = i * self.operator.strides[axis] as usize;
        let first = pad.saturating_sub(start).div_ceil(dilation);
        let end = (pad + len).saturating_sub(start).div_ceil(dilation).min(self.operator.window[axis] as usize);
        (first..end, start)
    }
}

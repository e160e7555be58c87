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
use crate::plan::{Operator, Tensor};
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
        let first = pad.saturating_sub(start).div_ceil(dilation);
        let end = (pad + len).saturating_sub(start).div_ceil(dilation).min(self.operator.window[axis] as usize);
        first..end
    }
}

//! What a wrong layer looks like says what kind of fault it has.

use super::trace::Map;
use infer_nostd::plan::{Operator, Tensor};
use std::fmt;

/// The likely cause of a layer's differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Only values whose windows reach over the edge differ.
    Padding,
    /// Every value is off by as many steps.
    ZeroPoint(i32),
    /// The values that differ lie at a bound that the others do not have.
    Clamp,
    /// One channel differs, and is the only one.
    Channel(usize),
    /// Some rows differ as a whole, and others not at all.
    Rows,
    /// None of these.
    Arithmetic,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Padding => write!(f, "only values at the edges differ: look at the padding"),
            Self::ZeroPoint(steps) => {
                write!(f, "all values are off by {steps:+}: look at the zero point of the output, or of the input")
            }
            Self::Clamp => write!(f, "the values that differ lie at a bound: look at the activation's clamp"),
            Self::Channel(channel) => {
                write!(f, "only channel {channel} differs: look at its weights, its bias and its multiplier")
            }
            Self::Rows => write!(f, "whole rows differ and others do not: look at the order of rows, or at their ring"),
            Self::Arithmetic => write!(f, "values differ all over: look at the weights, the scales and the kernel"),
        }
    }
}

/// A value that differs by more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// Channel.
    pub channel: usize,
    /// Row.
    pub row: usize,
    /// Column.
    pub column: usize,
    /// What the int8 network says.
    pub expected: i8,
    /// What the engine made.
    pub found: i8,
}

/// All values of two maps of one shape that differ by more than `tolerance` steps.
pub fn differences(expected: &Map, found: &Map, tolerance: u32) -> Vec<Difference> {
    let [_, height, width] = expected.shape;
    let pairs = expected.steps.iter().zip(&found.steps).enumerate();
    let beyond = pairs.filter(|(_, (e, f))| u32::from(e.abs_diff(**f)) > tolerance);
    beyond
        .map(|(i, (&expected, &found))| {
            let (channel, row, column) = (i / (height * width), i / width % height, i % width);
            Difference { channel, row, column, expected, found }
        })
        .collect()
}

/// The kind of fault that makes an operator's result differ as `differences` (at least one) do.
pub fn guess(operator: &Operator, input: &Tensor, expected: &Map, found: &Map, differences: &[Difference]) -> Cause {
    let [channels, height, width] = expected.shape;
    if let Some(steps) = common_offset(expected, found) {
        return Cause::ZeroPoint(steps);
    }
    if at_a_bound(expected, found, differences) {
        return Cause::Clamp;
    }
    let at_edge = |d: &Difference| reaches_over(operator, input, d.row, d.column);
    let mut pixels = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
    let has_inner = pixels.any(|(row, column)| !reaches_over(operator, input, row, column));
    if has_inner && differences.iter().all(at_edge) {
        return Cause::Padding;
    }
    let first = differences[0];
    if channels > 1 && differences.iter().all(|d| d.channel == first.channel) {
        return Cause::Channel(first.channel);
    }
    let in_row = |row: usize| differences.iter().filter(|d| d.row == row).count();
    let is_whole = |count: usize| 2 * count > channels * width;
    if height > 1
        && (0..height).any(|row| in_row(row) == 0)
        && (0..height).all(|r| in_row(r) == 0 || is_whole(in_row(r)))
    {
        return Cause::Rows;
    }
    Cause::Arithmetic
}

/// The number of steps by which all values differ that are not saturated.
fn common_offset(expected: &Map, found: &Map) -> Option<i32> {
    let is_free = |q: &i8| *q != i8::MIN && *q != i8::MAX;
    let pairs = expected.steps.iter().zip(&found.steps).filter(|(e, f)| is_free(e) && is_free(f));
    let mut offsets = pairs.map(|(&e, &f)| i32::from(f) - i32::from(e));
    let (first, second) = (offsets.next()?, offsets.next()?); // one value alone says nothing
    (first != 0 && first == second && offsets.all(|offset| offset == first)).then_some(first)
}

/// Whether all that differs was cut off at one bound on one side, and goes beyond it on the other.
fn at_a_bound(expected: &Map, found: &Map, differences: &[Difference]) -> bool {
    let cut = |cut: &Map, bound: fn(&Difference) -> i8, beyond: fn(&Difference) -> i8| {
        let at = bound(&differences[0]);
        let (low, high) = cut.steps.iter().fold((i8::MAX, i8::MIN), |(low, high), &q| (low.min(q), high.max(q)));
        let is_bound = low < high && (at == low || at == high);
        let goes_beyond = |d: &Difference| if at == low { beyond(d) < at } else { beyond(d) > at };
        is_bound && differences.len() > 1 && differences.iter().all(|d| bound(d) == at && goes_beyond(d))
    };
    cut(found, |d| d.found, |d| d.expected) || cut(expected, |d| d.expected, |d| d.found)
}

/// Whether the window of an output's pixel reaches over the edge of the map.
fn reaches_over(operator: &Operator, input: &Tensor, row: usize, column: usize) -> bool {
    let [top, left, ..] = operator.pads.map(usize::from);
    let over = |axis: usize, at: usize, pad: usize, len: u16| {
        let first = at * usize::from(operator.strides[axis]);
        first < pad || first + operator.extent(axis) > pad + usize::from(len)
    };
    operator.kind.has_window() && (over(0, row, top, input.height) || over(1, column, left, input.width))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(shape: [usize; 3], steps: &[i8]) -> Map {
        Map { shape, steps: steps.to_vec() }
    }

    #[test]
    fn differences_have_their_places() {
        let (a, b) = (map([2, 2, 2], &[0, 0, 0, 0, 5, 6, 7, 8]), map([2, 2, 2], &[0, 0, 1, 0, 5, 6, 7, 4]));
        let last = Difference { channel: 1, row: 1, column: 1, expected: 8, found: 4 };
        assert_eq!(differences(&a, &b, 1), [last]);
        let first = Difference { channel: 0, row: 1, column: 0, expected: 0, found: 1 };
        assert_eq!(differences(&a, &b, 0), [first, last]);
    }

    #[test]
    fn an_offset_is_told_where_nothing_is_saturated() {
        let found = |steps: &[i8]| common_offset(&map([1, 1, 4], &[-128, 3, 50, 126]), &map([1, 1, 4], steps));
        assert_eq!(found(&[-126, 5, 52, 127]), Some(2));
        assert_eq!(found(&[-126, 5, 51, 127]), None);
        assert_eq!(found(&[-128, 3, 50, 126]), None);
    }

    #[test]
    fn a_clamp_that_is_missing_and_one_too_many_are_bounds() {
        let (plain, cut) = (map([1, 1, 4], &[-9, 3, -20, 40]), map([1, 1, 4], &[0, 3, 0, 40]));
        assert!(at_a_bound(&plain, &cut, &differences(&plain, &cut, 1)));
        assert!(at_a_bound(&cut, &plain, &differences(&cut, &plain, 1)));
        let other = map([1, 1, 4], &[-9, 30, -20, 40]);
        assert!(!at_a_bound(&plain, &other, &differences(&plain, &other, 1)));
    }
}

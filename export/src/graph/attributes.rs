//! Attributes of an operator as ONNX has them, asked for by name and type.

use std::collections::BTreeMap;

use super::{Attribute, MAX_DIM};

/// A node's attributes by name.
///
/// What is asked for is `default` where it is absent, and none where it is of another type, number or sign.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(pub &'a BTreeMap<String, Attribute>);

impl Attributes<'_> {
    /// An integer.
    pub fn int(&self, name: &str, default: i64) -> Option<i64> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// A real number.
    pub fn float(&self, name: &str, default: f32) -> Option<f32> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Float(value)) => Some(*value),
            _ => None,
        }
    }

    /// Text.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> Option<&'a str> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// `N` sizes up to [`MAX_DIM`].
    pub fn sizes<const N: usize>(&self, name: &str, default: [usize; N]) -> Option<[usize; N]> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Ints(values)) => sizes(values)?.try_into().ok(),
            _ => None,
        }
    }

    /// Axes of a value of `rank` dimensions, counted from the end where they are negative.
    pub fn positions(&self, name: &str, rank: usize, default: Vec<usize>) -> Option<Vec<usize>> {
        match self.0.get(name) {
            None => Some(default),
            Some(Attribute::Ints(values)) => positions(values, rank),
            _ => None,
        }
    }
}

fn sizes(values: &[i64]) -> Option<Vec<usize>> {
    values.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v <= MAX_DIM)).collect()
}

/// Axes of a value of `rank` dimensions, counted from the end where they are negative; none where one is not of the value.
pub(crate) fn positions(axes: &[i64], rank: usize) -> Option<Vec<usize>> {
    let position = |&axis: &i64| {
        let from_front = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
        usize::try_from(from_front).ok().filter(|&p| p < rank)
    };
    axes.iter().map(position).collect()
}

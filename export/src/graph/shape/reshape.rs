//! Shapes that keep the number of values and change the dimensions.

use super::operators::Known;
use super::{Cause, display, fixed, product};
use crate::graph::{Dim, Tensor};

impl Known<'_> {
    pub(super) fn flatten(&self, axis: i64) -> Result<Vec<Dim>, Cause> {
        let (_, x) = self.input(0)?;
        let rank = x.len() as i64;
        let axis = if axis < 0 { axis + rank } else { axis };
        if !(0..=rank).contains(&axis) {
            return Err(Cause::Reshape { found: display(&x), wanted: vec![axis] });
        }
        let (before, after) = x.split_at(axis as usize);
        let side = |dims| merged(dims).ok_or_else(|| Cause::NotFixed(display(&x)));
        Ok(vec![side(before)?, side(after)?])
    }

    pub(super) fn reshape(&self) -> Result<Vec<Dim>, Cause> {
        let (_, x) = self.input(0)?;
        let target = self
            .node
            .input(1)
            .and_then(|name| self.constants.get(name))
            .and_then(Tensor::as_i64)
            .ok_or(Cause::Missing(1))?;
        reshaped(&x, target).ok_or_else(|| Cause::Reshape { found: display(&x), wanted: target.to_vec() })
    }
}

/// The product of dimensions, at most one of them a symbol, and then the only one above 1.
fn merged(dims: &[Dim]) -> Option<Dim> {
    let numbers = product(dims.iter().filter_map(fixed))?;
    let mut symbols = dims.iter().filter(|d| fixed(d).is_none());
    match (symbols.next(), symbols.next()) {
        (None, _) => Some(Dim::Fixed(numbers)),
        (Some(symbol), None) if numbers == 1 => Some(symbol.clone()),
        _ => None,
    }
}

/// ONNX Reshape with `allowzero = 0`: 0 copies the input's dimension, −1 takes what remains.
fn reshaped(x: &[Dim], target: &[i64]) -> Option<Vec<Dim>> {
    let copied = |(i, &t): (usize, &i64)| match t {
        -1 => Some(None),
        0 => x.get(i).cloned().map(Some),
        _ => usize::try_from(t).ok().map(|t| Some(Dim::Fixed(t))),
    };
    let dims: Vec<Option<Dim>> = target.iter().enumerate().map(copied).collect::<Option<_>>()?;
    let rest = remaining(x, &dims)?;
    let holes = dims.iter().filter(|d| d.is_none()).count();
    match (holes, &rest) {
        (0, Dim::Fixed(1)) | (1, _) => Some(dims.into_iter().map(|d| d.unwrap_or_else(|| rest.clone())).collect()),
        _ => None,
    }
}

/// What of `x` the dimensions already given do not account for.
fn remaining(x: &[Dim], given: &[Option<Dim>]) -> Option<Dim> {
    let mut symbols: Vec<&Dim> = x.iter().filter(|d| fixed(d).is_none()).collect();
    for dim in given.iter().flatten().filter(|d| fixed(d).is_none()) {
        symbols.remove(symbols.iter().position(|s| *s == dim)?);
    }
    let have = product(x.iter().filter_map(fixed))?;
    let taken = product(given.iter().flatten().filter_map(fixed))?;
    let rest = have.checked_div(taken).filter(|rest| rest * taken == have)?;
    match symbols[..] {
        [] => Some(Dim::Fixed(rest)),
        [symbol] if rest == 1 => Some(symbol.clone()),
        _ => None,
    }
}

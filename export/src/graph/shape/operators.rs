//! The shape that each operator makes of its inputs'.

use std::collections::BTreeMap;

use super::{Cause, Shapes, axis_of, display, fixed, window_output};
use crate::graph::{Attributes, DType, Dim, Node, Op, Tensor, Window};

/// A node and what is known before it.
pub(super) struct Known<'a> {
    pub(super) constants: &'a BTreeMap<String, Tensor>,
    pub(super) shapes: &'a Shapes,
    pub(super) node: &'a Node,
}

pub(super) type Typed = (DType, Vec<Dim>);

impl Known<'_> {
    pub(super) fn input(&self, position: usize) -> Result<Typed, Cause> {
        let name = self.node.input(position).ok_or(Cause::Missing(position))?;
        let constant = |t: &Tensor| (t.data.dtype(), t.dims.iter().map(|&d| Dim::Fixed(d)).collect());
        let value = self.shapes.get(name).map(|v| (v.dtype, v.shape.clone()));
        value.or_else(|| self.constants.get(name).map(constant)).ok_or(Cause::Missing(position))
    }

    /// The shape of an input of `rank` dimensions.
    fn ranked(&self, position: usize, rank: usize) -> Result<Vec<Dim>, Cause> {
        let (_, shape) = self.input(position)?;
        if shape.len() == rank {
            return Ok(shape);
        }
        Err(Cause::Rank { position, expected: rank, found: display(&shape) })
    }

    pub(super) fn output(&self) -> Result<Typed, Cause> {
        let floats = |shape| Ok((DType::F32, shape));
        match &self.node.op {
            Op::Conv { window, groups } => floats(self.conv(window, *groups)?),
            Op::Gemm { transposed } => floats(self.gemm(*transposed)?),
            Op::MatMul => floats(self.matmul()?),
            Op::BatchNorm { .. } => floats(self.batch_norm()?),
            Op::MaxPool { window } | Op::AveragePool { window, .. } => Ok((self.input(0)?.0, self.pool(window)?)),
            Op::GlobalAveragePool => floats(self.global_pool()?),
            Op::Add | Op::Mul => Ok((self.input(0)?.0, self.broadcast()?)),
            Op::Resize { factors } => Ok((self.input(0)?.0, self.resize(*factors)?)),
            Op::Concat { axis } => Ok((self.input(0)?.0, self.concat(*axis)?)),
            Op::ArgMax { axis, keepdims } => Ok((DType::I64, self.arg_max(*axis, *keepdims)?)),
            Op::Flatten { axis } => Ok((self.input(0)?.0, self.flatten(*axis)?)),
            Op::Reshape => Ok((self.input(0)?.0, self.reshape()?)),
            Op::Relu | Op::Clip { .. } | Op::Activation(_) | Op::Softmax { .. } | Op::LogSoftmax { .. } => {
                self.input(0)
            }
            Op::Quantize { .. } => Ok((self.quantized_type(), self.input(0)?.1)),
            Op::Dequantize { .. } => floats(self.input(0)?.1),
            Op::Other { op_type, .. } if keeps_shape(op_type) => self.input(0),
            Op::Other { op_type, .. } if broadcasts(op_type) => Ok((self.input(0)?.0, self.broadcast()?)),
            Op::Other { op_type, attributes } if op_type == "Transpose" => self.transpose(Attributes(attributes)),
            Op::Other { op_type, .. } if op_type == "Pad" => self.pad(),
            Op::Other { .. } => Err(Cause::UnknownOperator),
        }
    }

    /// QuantizeLinear without a zero point makes unsigned bytes.
    fn quantized_type(&self) -> DType {
        self.input(2).map_or(DType::U8, |(dtype, _)| dtype)
    }

    fn conv(&self, window: &Window, groups: usize) -> Result<Vec<Dim>, Cause> {
        let (x, w) = (self.ranked(0, 4)?, self.ranked(1, 4)?);
        let expected =
            "channels = groups × the weights' second dimension, outputs divide into groups, kernel as declared";
        let mismatch = || Cause::Mismatch { left: display(&x), right: display(&w), expected };
        let channels = fixed(&x[1]).ok_or_else(|| Cause::NotFixed(display(&x)))?;
        let weights: Vec<usize> = w.iter().map(fixed).collect::<Option<_>>().ok_or_else(mismatch)?;
        let fits = groups > 0
            && weights[1].checked_mul(groups) == Some(channels)
            && weights[0] > 0
            && weights[0].is_multiple_of(groups)
            && weights[2..] == window.kernel;
        if !fits {
            return Err(mismatch());
        }
        self.windowed(window, &x, Dim::Fixed(weights[0]))
    }

    fn pool(&self, window: &Window) -> Result<Vec<Dim>, Cause> {
        let x = self.ranked(0, 4)?;
        self.windowed(window, &x, x[1].clone())
    }

    fn windowed(&self, window: &Window, x: &[Dim], channels: Dim) -> Result<Vec<Dim>, Cause> {
        let (Some(height), Some(width)) = (fixed(&x[2]), fixed(&x[3])) else {
            return Err(Cause::NotFixed(display(x)));
        };
        let unfit = || {
            let Window { kernel, dilations, pads, .. } = *window;
            Cause::Window { kernel, dilations, pads, found: display(x) }
        };
        let [height, width] = window_output(window, [height, width]).ok_or_else(unfit)?;
        Ok(vec![x[0].clone(), channels, Dim::Fixed(height), Dim::Fixed(width)])
    }

    fn global_pool(&self) -> Result<Vec<Dim>, Cause> {
        let x = self.ranked(0, 4)?;
        Ok(vec![x[0].clone(), x[1].clone(), Dim::Fixed(1), Dim::Fixed(1)])
    }

    fn resize(&self, factors: [usize; 2]) -> Result<Vec<Dim>, Cause> {
        let mut x = self.ranked(0, 4)?;
        for (axis, factor) in factors.into_iter().enumerate() {
            let extent = fixed(&x[2 + axis]).and_then(|extent| extent.checked_mul(factor));
            x[2 + axis] = Dim::Fixed(extent.ok_or_else(|| Cause::NotFixed(display(&x)))?);
        }
        Ok(x)
    }

    fn gemm(&self, transposed: bool) -> Result<Vec<Dim>, Cause> {
        let (x, w) = (self.ranked(0, 2)?, self.ranked(1, 2)?);
        let (rows, columns) = if transposed { (&w[1], &w[0]) } else { (&w[0], &w[1]) };
        if x[1] != *rows {
            let expected = "columns of the first = inputs of the weights";
            return Err(Cause::Mismatch { left: display(&x), right: display(&w), expected });
        }
        Ok(vec![x[0].clone(), columns.clone()])
    }

    fn matmul(&self) -> Result<Vec<Dim>, Cause> {
        let (x, w) = (self.input(0)?.1, self.ranked(1, 2)?);
        if x.is_empty() || x.last() != Some(&w[0]) {
            let expected = "columns of the first = rows of the second";
            return Err(Cause::Mismatch { left: display(&x), right: display(&w), expected });
        }
        Ok([&x[..x.len() - 1], &w[1..]].concat())
    }

    fn batch_norm(&self) -> Result<Vec<Dim>, Cause> {
        let (_, x) = self.input(0)?;
        for position in 1..5 {
            let parameter = self.ranked(position, 1)?;
            if x.get(1) != parameter.first() {
                let expected = "one parameter a channel";
                return Err(Cause::Mismatch { left: display(&x), right: display(&parameter), expected });
            }
        }
        Ok(x)
    }

    fn broadcast(&self) -> Result<Vec<Dim>, Cause> {
        let (left, right) = (self.input(0)?.1, self.input(1)?.1);
        let expected = "equal dimensions, or 1";
        let mismatch = || Cause::Mismatch { left: display(&left), right: display(&right), expected };
        let rank = left.len().max(right.len());
        let padded = |shape: &[Dim]| [vec![Dim::Fixed(1); rank - shape.len()], shape.to_vec()].concat();
        let pairs = padded(&left).into_iter().zip(padded(&right));
        pairs.map(|(l, r)| broadcast_dim(l, r)).collect::<Option<_>>().ok_or_else(mismatch)
    }

    fn concat(&self, axis: i64) -> Result<Vec<Dim>, Cause> {
        let (_, first) = self.input(0)?;
        let at = axis_of(axis, &first)?;
        let mut sum = 0usize;
        for position in 0..self.node.inputs.len() {
            let x = self.ranked(position, first.len())?;
            let others = |shape: &[Dim]| [&shape[..at], &shape[at + 1..]].concat();
            if others(&x) != others(&first) {
                let expected = "equal dimensions but on the axis that is joined";
                return Err(Cause::Mismatch { left: display(&first), right: display(&x), expected });
            }
            let total = fixed(&x[at]).and_then(|extent| sum.checked_add(extent));
            sum = total.ok_or_else(|| Cause::NotFixed(display(&x)))?;
        }
        Ok([&first[..at], &[Dim::Fixed(sum)], &first[at + 1..]].concat())
    }

    fn arg_max(&self, axis: i64, keepdims: bool) -> Result<Vec<Dim>, Cause> {
        let (_, mut x) = self.input(0)?;
        let at = axis_of(axis, &x)?;
        if keepdims {
            x[at] = Dim::Fixed(1);
        } else {
            x.remove(at);
        }
        Ok(x)
    }
}

impl Known<'_> {
    fn transpose(&self, attributes: Attributes) -> Result<Typed, Cause> {
        let (dtype, x) = self.input(0)?;
        let reversed = (0..x.len()).rev().collect();
        let perm = attributes.positions("perm", x.len(), reversed).ok_or(Cause::UnknownOperator)?;
        let is_permutation = perm.len() == x.len() && (0..x.len()).all(|axis| perm.contains(&axis));
        if !is_permutation {
            return Err(Cause::Rank { position: 0, expected: perm.len(), found: display(&x) });
        }
        Ok((dtype, perm.into_iter().map(|axis| x[axis].clone()).collect()))
    }

    /// Constant padding of all axes.
    fn pad(&self) -> Result<Typed, Cause> {
        let (dtype, x) = self.input(0)?;
        let constant = self.node.input(1).and_then(|name| self.constants.get(name));
        let pads = constant.and_then(Tensor::as_i64).ok_or(Cause::Missing(1))?;
        if self.node.input(3).is_some() || pads.len() != 2 * x.len() {
            return Err(Cause::UnknownOperator);
        }
        let padded = |(dim, (&before, &after)): (&Dim, (&i64, &i64))| match dim {
            _ if (before, after) == (0, 0) => Some(dim.clone()),
            Dim::Symbol(_) => None,
            Dim::Fixed(extent) => {
                let sum = i64::try_from(*extent).ok()?.checked_add(before)?.checked_add(after)?;
                usize::try_from(sum).ok().map(Dim::Fixed)
            }
        };
        let ends = pads[..x.len()].iter().zip(&pads[x.len()..]);
        let shape = x.iter().zip(ends).map(padded).collect::<Option<_>>();
        Ok((dtype, shape.ok_or_else(|| Cause::NotFixed(display(&x)))?))
    }
}

/// Operators on two values, or a value and a constant, of which one may have to be repeated.
fn broadcasts(op_type: &str) -> bool {
    ["Sub", "Div", "Pow", "Max", "Min", "PRelu"].contains(&op_type)
}

/// Operators that change values but no shapes, so that a graph can be described before a pass has removed or refused them.
fn keeps_shape(op_type: &str) -> bool {
    const NORMALIZATIONS: [&str; 6] = [
        "GroupNormalization",
        "InstanceNormalization",
        "LRN",
        "LayerNormalization",
        "LpNormalization",
        "MeanVarianceNormalization",
    ];
    const UNARY: [&str; 7] = ["Identity", "Dropout", "Exp", "Sqrt", "Neg", "Abs", "Erf"];
    UNARY.contains(&op_type) || NORMALIZATIONS.contains(&op_type)
}

fn broadcast_dim(left: Dim, right: Dim) -> Option<Dim> {
    match (&left, &right) {
        _ if left == right => Some(left),
        (Dim::Fixed(1), _) => Some(right),
        (_, Dim::Fixed(1)) => Some(left),
        _ => None,
    }
}

//! Arithmetic on values, reductions, padding.

use super::{Lowering, other};
use crate::graph::{Attribute, Op, Tensor};
use burn::backend::ir::{BinaryOpIr, NumericOperationIr, PadModeIr, PadOpIr, ReduceDimOpIr, TensorIr, UnaryOpIr};

impl Lowering<'_> {
    pub(super) fn numeric(&mut self, operation: &NumericOperationIr) -> Option<()> {
        match operation {
            NumericOperationIr::Add(BinaryOpIr { lhs, rhs, out }) => self.node(Op::Add, &[lhs, rhs], out),
            NumericOperationIr::Sub(binary) => self.binary("Sub", binary),
            NumericOperationIr::Mul(BinaryOpIr { lhs, rhs, out }) => self.node(Op::Mul, &[lhs, rhs], out),
            NumericOperationIr::Div(binary) => self.binary("Div", binary),
            NumericOperationIr::AddScalar(scalar) => self.scalar(Op::Add, scalar),
            NumericOperationIr::SubScalar(scalar) => self.scalar(other("Sub", []), scalar),
            NumericOperationIr::MulScalar(scalar) => self.scalar(Op::Mul, scalar),
            NumericOperationIr::DivScalar(scalar) => self.scalar(other("Div", []), scalar),
            NumericOperationIr::PowiScalar(scalar) => self.scalar(other("Pow", []), scalar),
            NumericOperationIr::Abs(UnaryOpIr { input, out }) => self.other("Abs", [], input, out),
            NumericOperationIr::Neg(UnaryOpIr { input, out }) => self.other("Neg", [], input, out),
            NumericOperationIr::Sign(UnaryOpIr { input, out }) => self.other("Sign", [], input, out),
            NumericOperationIr::Greater(binary) => self.binary("Greater", binary),
            NumericOperationIr::GreaterElem(scalar) => self.scalar(other("Greater", []), scalar),
            NumericOperationIr::GreaterEqual(binary) => self.binary("GreaterOrEqual", binary),
            NumericOperationIr::GreaterEqualElem(scalar) => self.scalar(other("GreaterOrEqual", []), scalar),
            NumericOperationIr::Lower(binary) => self.binary("Less", binary),
            NumericOperationIr::LowerElem(scalar) => self.scalar(other("Less", []), scalar),
            NumericOperationIr::LowerEqual(binary) => self.binary("LessOrEqual", binary),
            NumericOperationIr::LowerEqualElem(scalar) => self.scalar(other("LessOrEqual", []), scalar),
            NumericOperationIr::Clamp(clamp) => {
                let op = Op::Clip { min: clamp.min.elem(), max: clamp.max.elem() };
                self.node(op, &[&clamp.tensor], &clamp.out)
            }
            NumericOperationIr::ClampMin(clamp) => {
                self.node(Op::Clip { min: clamp.rhs.elem(), max: f32::INFINITY }, &[&clamp.lhs], &clamp.out)
            }
            NumericOperationIr::ClampMax(clamp) => {
                self.node(Op::Clip { min: f32::NEG_INFINITY, max: clamp.rhs.elem() }, &[&clamp.lhs], &clamp.out)
            }
            NumericOperationIr::MeanDim(mean) => self.reduce_along("ReduceMean", mean),
            NumericOperationIr::SumDim(sum) => self.reduce_along("ReduceSum", sum),
            NumericOperationIr::SumDims(sum) => self.reduce("ReduceSum", &sum.input, &sum.axes, &sum.out),
            NumericOperationIr::MaxDim(max) => self.reduce_along("ReduceMax", max),
            NumericOperationIr::MinDim(min) => self.reduce_along("ReduceMin", min),
            NumericOperationIr::Pad(pad) => self.pad(pad),
            NumericOperationIr::Full(full) => self.filled(&full.out, full.value.elem()),
            _ => None,
        }
    }

    fn binary(&mut self, op_type: &str, binary: &BinaryOpIr) -> Option<()> {
        self.node(other(op_type, []), &[&binary.lhs, &binary.rhs], &binary.out)
    }

    fn reduce_along(&mut self, op_type: &str, reduce: &ReduceDimOpIr) -> Option<()> {
        self.reduce(op_type, &reduce.input, &[reduce.axis], &reduce.out)
    }

    /// A reduction that leaves the batch alone.
    fn reduce(&mut self, op_type: &str, input: &TensorIr, axes: &[usize], out: &TensorIr) -> Option<()> {
        if axes.contains(&0) {
            return None;
        }
        let kept = input.shape.num_dims() == out.shape.num_dims();
        let keepdims = ("keepdims", Attribute::Int(i64::from(kept)));
        let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        let constant = Tensor::i64(&[axes.len()], axes);
        self.with_constant(other(op_type, [keepdims]), input, constant, "axes", out)
    }

    fn pad(&mut self, pad: &PadOpIr) -> Option<()> {
        let PadModeIr::Constant(value) = pad.mode else { return None };
        let ends = |end: fn(&(usize, usize)) -> usize| pad.padding.iter().map(move |both| end(both) as i64);
        // burn pads the last dimensions; ONNX names all: every beginning, then every end.
        let before = vec![0; pad.input.shape.num_dims().checked_sub(pad.padding.len())?];
        let pads: Vec<i64> = before
            .iter()
            .copied()
            .chain(ends(|both| both.0))
            .chain(before.clone())
            .chain(ends(|both| both.1))
            .collect();
        if pads.first() != Some(&0) || pads.get(pads.len() / 2) != Some(&0) {
            return None;
        }
        let constants = [("pads", Tensor::i64(&[pads.len()], pads)), ("value", Tensor::f32(&[], vec![value.elem()]))];
        self.with_constants(other("Pad", []), &pad.input, constants, &pad.out)
    }
}

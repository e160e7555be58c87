//! Shapes, slices and what is made of nothing.

use super::super::BATCH;
use super::{Lowering, other};
use crate::graph::{Attribute, Op, Tensor};
use burn::backend::ir::{BaseOperationIr, MaskFillOpIr, MaskWhereOpIr, SelectOpIr, ShapeOpIr, SliceOpIr, TensorIr};

impl Lowering<'_> {
    pub(super) fn base(&mut self, operation: &BaseOperationIr) -> Option<()> {
        match operation {
            BaseOperationIr::Reshape(reshape) => self.reshape(reshape),
            BaseOperationIr::Permute(permute) => self.transpose(&permute.input, permute.axes.clone(), &permute.out),
            BaseOperationIr::SwapDims(swap) => {
                let mut axes: Vec<usize> = (0..swap.input.shape.num_dims()).collect();
                axes.swap(swap.dim1, swap.dim2);
                self.transpose(&swap.input, axes, &swap.out)
            }
            BaseOperationIr::Cat(cat) => {
                let inputs: Vec<_> = cat.tensors.iter().collect();
                self.node(Op::Concat { axis: cat.dim as i64 }, &inputs, &cat.out)
            }
            BaseOperationIr::Slice(slice) => self.slice(slice),
            BaseOperationIr::Select(select) => self.select(select),
            BaseOperationIr::MaskWhere(MaskWhereOpIr { tensor, mask, value, out }) => {
                self.node(other("Where", []), &[mask, value, tensor], out)
            }
            BaseOperationIr::MaskFill(fill) => self.mask_fill(fill),
            BaseOperationIr::Zeros(creation) => self.filled(&creation.out, 0.0),
            BaseOperationIr::Ones(creation) => self.filled(&creation.out, 1.0),
            _ => None,
        }
    }

    /// A reshape of each sample: the batch stays the first dimension, or it is refused.
    fn reshape(&mut self, reshape: &ShapeOpIr) -> Option<()> {
        let (from, to) = (&reshape.input.shape, &reshape.out.shape);
        if self.is_parameter(reshape.input.id) && to.ends_with(from) {
            // Leading ones of a bias: operators broadcast without them.
            self.aliases.insert(reshape.out.id, reshape.input.id);
            return Some(());
        }
        if from.first() != Some(&BATCH) || to.first() != Some(&BATCH) {
            return None;
        }
        // 0 copies the batch, whatever it is.
        let target: Vec<i64> = [0].into_iter().chain(to[1..].iter().map(|&d| d as i64)).collect();
        self.with_constant(Op::Reshape, &reshape.input, Tensor::i64(&[target.len()], target), "shape", &reshape.out)
    }

    fn transpose(&mut self, input: &TensorIr, axes: Vec<usize>, out: &TensorIr) -> Option<()> {
        let perm = Attribute::Ints(axes.into_iter().map(|axis| axis as i64).collect());
        self.other("Transpose", [("perm", perm)], input, out)
    }

    /// A part of each sample.
    fn slice(&mut self, slice: &SliceOpIr) -> Option<()> {
        let (from, to) = (&slice.tensor.shape, &slice.out.shape);
        if from.first() != to.first() || slice.ranges.iter().any(|range| range.step < 1) {
            return None;
        }
        let parts = || slice.ranges.iter().zip(&from[..]).enumerate().skip(1);
        let from_front = |at: isize, extent: usize| if at < 0 { at as i64 + extent as i64 } else { at as i64 };
        let starts = parts().map(|(_, (range, &extent))| from_front(range.start, extent)).collect();
        let ends = parts().map(|(_, (range, &extent))| range.end.map_or(extent as i64, |end| from_front(end, extent)));
        let axes = parts().map(|(axis, _)| axis as i64).collect();
        let steps = parts().map(|(_, (range, _))| range.step as i64).collect();
        let constant = |values: Vec<i64>| Tensor::i64(&[values.len()], values);
        let constants = [
            ("starts", constant(starts)),
            ("ends", constant(ends.collect())),
            ("axes", constant(axes)),
            ("steps", constant(steps)),
        ];
        self.with_constants(other("Slice", []), &slice.tensor, constants, &slice.out)
    }

    /// Constant places along an axis of each sample.
    fn select(&mut self, select: &SelectOpIr) -> Option<()> {
        if select.dim == 0 || !self.is_parameter(select.indices.id) {
            return None;
        }
        let op = other("Gather", [("axis", Attribute::Int(select.dim as i64))]);
        self.node(op, &[&select.tensor, &select.indices], &select.out)
    }

    /// One number where a mask is true.
    fn mask_fill(&mut self, fill: &MaskFillOpIr) -> Option<()> {
        self.node(other("Where", []), &[&fill.mask, &fill.tensor], &fill.out)?;
        let node = self.nodes.last_mut()?;
        let value = format!("{}_value", node.name);
        node.inputs.insert(1, value.clone());
        self.constants.insert(value, Tensor::f32(&[], vec![fill.value.elem()]));
        Some(())
    }

    /// A tensor of one value, where its shape has no batch in it.
    pub(super) fn filled(&mut self, out: &TensorIr, value: f32) -> Option<()> {
        if out.shape.first() == Some(&BATCH) {
            return None;
        }
        let dims = out.shape[..].to_vec();
        let count = dims.iter().product();
        let name = self.name(out);
        self.constants.insert(name, Tensor::f32(&dims, vec![value; count]));
        Some(())
    }
}

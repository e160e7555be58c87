//! A layer whose weights take a scale and a shift.

use super::super::rewriter::Rewriter;
use super::Affine;
use crate::graph::{Node, Op, Tensor};

/// Weights of a convolution or a linear layer, and its bias.
pub(super) struct Layer<'a> {
    weights: &'a Tensor,
    values: &'a [f32],
    bias: Vec<f32>,
    /// Output channels, inputs of one output (the channels of its group), and taps of one channel.
    extents: [usize; 3],
    groups: usize,
    transposed: bool,
}

impl<'a> Layer<'a> {
    pub(super) fn of(rw: &'a Rewriter, node: &Node) -> Option<Self> {
        let weights = rw.constant(node, 1)?;
        let (extents, groups, transposed) = match (&node.op, weights.dims.as_slice()) {
            (Op::Conv { groups, .. }, &[outputs, inputs, height, width]) => {
                ([outputs, inputs, height * width], *groups, true)
            }
            (Op::Gemm { transposed: true }, &[outputs, inputs]) => ([outputs, inputs, 1], 1, true),
            (Op::Gemm { transposed: false }, &[inputs, outputs]) => ([outputs, inputs, 1], 1, false),
            _ => return None,
        };
        let outputs = extents[0];
        let bias = match node.input(2) {
            Some(_) => rw.constant(node, 2)?.as_f32()?.to_vec(),
            None => vec![0.0; outputs],
        };
        let sound = bias.len() == outputs && groups > 0 && outputs > 0 && outputs.is_multiple_of(groups);
        sound.then_some(Self { weights, values: weights.as_f32()?, bias, extents, groups, transposed })
    }

    /// Output channel and input channel of weight `i`.
    fn channels(&self, i: usize) -> (usize, usize) {
        let [outputs, inputs, taps] = self.extents;
        let (output, input) =
            if self.transposed { (i / (inputs * taps), i / taps % inputs) } else { (i % outputs, i / outputs) };
        (output, output / (outputs / self.groups) * inputs + input)
    }

    fn scaled(&self, factor: impl Fn(usize, usize) -> f64) -> Tensor {
        let one = |(i, &w): (usize, &f32)| {
            let (output, input) = self.channels(i);
            (f64::from(w) * factor(output, input)) as f32
        };
        Tensor::f32(&self.weights.dims, self.values.iter().enumerate().map(one).collect())
    }

    /// Weights and bias with `affine` behind the layer.
    pub(super) fn before(&self, affine: &Affine) -> Option<(Tensor, Tensor)> {
        (affine.scale.len() == self.extents[0]).then_some(())?;
        let terms = affine.scale.iter().zip(&affine.shift);
        let bias = self.bias.iter().zip(terms).map(|(&b, (s, t))| (s * f64::from(b) + t) as f32).collect();
        Some((self.scaled(|output, _| affine.scale[output]), Tensor::f32(&[self.extents[0]], bias)))
    }

    /// Weights and bias with `affine` in front of the layer.
    pub(super) fn behind(&self, affine: &Affine) -> Option<(Tensor, Tensor)> {
        (affine.scale.len() == self.extents[1] * self.groups).then_some(())?;
        let mut bias: Vec<f64> = self.bias.iter().map(|&b| b.into()).collect();
        for (i, &w) in self.values.iter().enumerate() {
            let (output, input) = self.channels(i);
            bias[output] += f64::from(w) * affine.shift[input];
        }
        let bias = bias.into_iter().map(|b| b as f32).collect();
        Some((self.scaled(|_, input| affine.scale[input]), Tensor::f32(&[self.extents[0]], bias)))
    }
}

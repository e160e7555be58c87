//! Weights beyond ±127, exactly: w = near + rest, both of them within, and the channels with a rest are read twice.
//!
//! ```text
//! Σ w·x = Σ near·x + Σ rest·x      Conv(x)  =  Conv'(Concat(x, x of some channels))
//! ```
//!
//! This is what a byte less a zero point far from the middle may need, or the one weight of −128: a layer of uint8 weights takes up
//! to twice its multiply-accumulates.

use super::super::{Clamp, QuantNode, QuantOp, QuantTensor, TensorId, Weights};
use super::read::{Reader, Result};
use crate::graph::{Node, Op, Window};

const POINT: Window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };

impl Reader<'_> {
    /// A layer's inputs, with the channels twice that have weights beyond ±127.
    pub fn twice_where_needed(&mut self, node: &Node, mut inputs: Vec<TensorId>) -> Result<Vec<TensorId>> {
        if !matches!(node.op, Op::Conv { groups: 1, .. } | Op::Gemm { .. } | Op::MatMul) {
            return Ok(inputs);
        }
        let layer = self.constants.layer(node)?;
        if layer.beyond() > 0 {
            let input = self.before_reshapes(inputs[0]);
            if let Some(split) = layer.split(self.tensors[input].shape[0]) {
                inputs[0] = self.twice(node, input, &split.channels);
            }
        }
        Ok(inputs)
    }

    /// The weights of a layer that reads `input`, which may hold channels twice.
    pub fn weights(&self, node: &Node, input: TensorId, input_scale: f32) -> Result<Weights> {
        let Some([once, _]) = self.joined_for(node, input) else { return self.constants.weights(node, input_scale) };
        let layer = self.constants.layer(node)?;
        let Some(split) = layer.split(self.tensors[once].shape[0]) else {
            return self.constants.weights(node, input_scale);
        };
        let mut shape = layer.shape;
        shape[1] = split.values.len() / shape[0] / (shape[2] * shape[3]);
        let biases = self.constants.biases(node, input_scale, &layer.scales)?;
        Ok(Weights { shape, values: split.values, scales: layer.scales, biases })
    }

    /// The two tensors that [`twice`](Self::twice) joined for `node`, if `input` is what it made.
    fn joined_for(&self, node: &Node, input: TensorId) -> Option<[TensorId; 2]> {
        let maker = self.nodes.iter().find(|n| n.output == input)?;
        let made_here = maker.op == QuantOp::Concat && maker.name == joined_name(node);
        made_here.then(|| maker.inputs[..].try_into().ok())?
    }

    /// Joins a tensor and some of its channels.
    fn twice(&mut self, node: &Node, input: TensorId, channels: &[usize]) -> TensorId {
        let [all, height, width] = self.tensors[input].shape;
        let again = match channels.len() == all {
            true => input,
            false => {
                let op =
                    QuantOp::Conv2d { window: POINT, groups: 1, weights: chosen(channels, all), clamp: Clamp::NONE };
                self.make(format!("{}.again", node.name), op, vec![input], [channels.len(), height, width])
            }
        };
        self.make(joined_name(node), QuantOp::Concat, vec![input, again], [all + channels.len(), height, width])
    }

    /// An operator whose result has its input's scale.
    fn make(&mut self, name: String, op: QuantOp, inputs: Vec<TensorId>, shape: [usize; 3]) -> TensorId {
        let tensor = QuantTensor { name: format!("{name}.out"), shape, ..self.tensors[inputs[0]].clone() };
        self.tensors.push(tensor);
        let output = self.tensors.len() - 1;
        self.nodes.push(QuantNode { name, op, inputs, output });
        output
    }

    fn before_reshapes(&self, tensor: TensorId) -> TensorId {
        let reshape = self.nodes.iter().find(|n| n.output == tensor && n.op == QuantOp::Reshape);
        reshape.map_or(tensor, |node| self.before_reshapes(node.inputs[0]))
    }
}

fn joined_name(node: &Node) -> String {
    format!("{}.twice", node.name)
}

/// A 1×1 convolution that gives some channels as they are: weight 64 of scale 1/64.
fn chosen(channels: &[usize], all: usize) -> Weights {
    let count = channels.len();
    let row = |&channel: &usize| (0..all).map(move |c| if c == channel { 64 } else { 0 });
    let values = channels.iter().flat_map(row).collect();
    Weights { shape: [count, all, 1, 1], values, scales: vec![1.0 / 64.0; count], biases: vec![0; count] }
}

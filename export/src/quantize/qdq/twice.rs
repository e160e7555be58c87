//! Weights beyond ±127, exactly: w = near + rest, both of them within, and the channels with a rest are read twice.
//!
//! ```text
//! Σ w·x = Σ near·x + Σ rest·x      Conv(x)  =  Conv'(Concat(x, x of some channels))
//! ```
//!
//! This is what a byte less a zero point far from the middle may need, or the one weight of −128: a layer of uint8 weights takes up
//! to twice its multiply-accumulates. Each group of a grouped convolution reads all its channels twice, side by side.

use super::super::{Clamp, QuantNode, QuantOp, QuantTensor, TensorId, Weights};
use super::layer::Split;
use super::read::{Reader, Result};
use crate::graph::{Node, Op, Window};

const POINT: Window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };

impl Reader<'_> {
    /// A layer's inputs, with the channels twice that have weights beyond ±127.
    pub fn twice_where_needed(&mut self, node: &Node, mut inputs: Vec<TensorId>) -> Result<Vec<TensorId>> {
        let (groups, once) = match node.op {
            Op::Conv { groups, .. } => (groups, inputs[0]),
            Op::Gemm { .. } | Op::MatMul => (1, self.before_reshapes(inputs[0])),
            _ => return Ok(inputs),
        };
        if let Some(split) = self.split(node, once, groups)? {
            inputs[0] = match groups {
                1 => self.joined(node, once, &split.channels),
                _ => self.side_by_side(node, once, groups),
            };
            self.twice.insert(inputs[0], once);
        }
        Ok(inputs)
    }

    /// The weights of a layer that reads `input`, in which [`twice_where_needed`](Self::twice_where_needed) may have put
    /// channels twice.
    pub fn weights(&self, node: &Node, input: TensorId, input_scale: f32) -> Result<Weights> {
        let groups = if let Op::Conv { groups, .. } = node.op { groups } else { 1 };
        let split = self.twice.get(&input).map(|&once| self.split(node, once, groups)).transpose()?.flatten();
        let Some(split) = split else { return self.constants.weights(node, input_scale) };
        let layer = self.constants.layer(node)?;
        let [outputs, _, height, width] = layer.shape;
        let shape = [outputs, split.values.len() / (outputs * height * width), height, width];
        let biases = self.constants.biases(node, input_scale, &layer.scales)?;
        Ok(Weights { shape, values: split.values, scales: layer.scales, biases })
    }

    /// A layer's weights in two, where one is beyond ±127.
    fn split(&self, node: &Node, input: TensorId, groups: usize) -> Result<Option<Split>> {
        let layer = self.constants.layer(node)?;
        let channels = self.tensors[input].shape[0] / groups;
        Ok(if layer.beyond() > 0 { layer.split(channels, groups > 1) } else { None })
    }

    /// A tensor and some of its channels again, after all of them.
    fn joined(&mut self, node: &Node, input: TensorId, channels: &[usize]) -> TensorId {
        let [all, height, width] = self.tensors[input].shape;
        let again = match channels.len() == all {
            true => input,
            false => {
                let op = chosen(channels, all, 1);
                self.make(format!("{}.again", node.name), op, vec![input], [channels.len(), height, width])
            }
        };
        self.make(twice_name(node), QuantOp::Concat, vec![input, again], [all + channels.len(), height, width])
    }

    /// A tensor with each group's channels twice.
    fn side_by_side(&mut self, node: &Node, input: TensorId, groups: usize) -> TensorId {
        let [all, height, width] = self.tensors[input].shape;
        let of_a_group = all / groups;
        let twice: Vec<usize> = (0..groups).flat_map(|_| (0..of_a_group).chain(0..of_a_group)).collect();
        self.make(twice_name(node), chosen(&twice, of_a_group, groups), vec![input], [2 * all, height, width])
    }

    /// An operator whose result has its input's scale.
    fn make(&mut self, name: String, op: QuantOp, inputs: Vec<TensorId>, shape: [usize; 3]) -> TensorId {
        let tensor = QuantTensor { name: format!("{name}.out"), shape, ..self.tensors[inputs[0]].clone() };
        self.tensors.push(tensor);
        let output = self.tensors.len() - 1;
        self.nodes.push(QuantNode { name, op, inputs, output });
        output
    }

    /// What a dense layer reads in the end: it takes its input in C, H, W order whatever its shape.
    fn before_reshapes(&self, tensor: TensorId) -> TensorId {
        let reshape = self.nodes.iter().find(|n| n.output == tensor && n.op == QuantOp::Reshape);
        reshape.map_or(tensor, |node| self.before_reshapes(node.inputs[0]))
    }
}

fn twice_name(node: &Node) -> String {
    format!("{}.twice", node.name)
}

/// A 1×1 convolution whose outputs are channels of their groups (of `of_a_group`) as they are: weight 64 of scale 1/64.
fn chosen(channels: &[usize], of_a_group: usize, groups: usize) -> QuantOp {
    let count = channels.len();
    let row = |&channel: &usize| (0..of_a_group).map(move |c| if c == channel { 64 } else { 0 });
    let values = channels.iter().flat_map(row).collect();
    let (scales, biases) = (vec![1.0 / 64.0; count], vec![0; count]);
    let weights = Weights { shape: [count, of_a_group, 1, 1], values, scales, biases };
    QuantOp::Conv2d { window: POINT, groups, weights, clamp: Clamp::NONE }
}

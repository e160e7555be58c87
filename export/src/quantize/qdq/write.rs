//! [`QuantGraph`] → QDQ graph.

use super::super::{Affine, Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, TensorId, Weights, shape};
use crate::graph::{DType, Data, Dim, Graph, Node, Op, Tensor, ValueInfo};

/// Writes an int8 graph as QDQ. Reading it back with [`from_graph`](super::from_graph) gives the same graph.
pub fn to_graph(quantized: &QuantGraph) -> Graph {
    let graph = Graph { name: quantized.name.clone(), metadata: quantized.metadata.clone(), ..Graph::default() };
    let mut writer = Writer { graph, quantized, flat: flat_tensors(quantized) };
    writer.input();
    for node in &quantized.nodes {
        writer.node(node);
    }
    let output = &quantized.tensors[quantized.output];
    writer.graph.outputs.push(writer.info(quantized.output, &output.name));
    writer.graph
}

/// Which tensors are \[N,K\] in the file; the others are \[N,C,H,W\].
///
/// Dense gives rank 2, windows need rank 4, and what lies between follows: a reshape (or the input) is flat if it can be.
fn flat_tensors(graph: &QuantGraph) -> Vec<bool> {
    let mut flat = vec![false; graph.tensors.len()];
    flat[graph.input] = can_be_flat(graph, graph.input);
    for node in &graph.nodes {
        flat[node.output] = match node.op {
            QuantOp::Dense { .. } => true,
            QuantOp::Reshape => can_be_flat(graph, node.output),
            QuantOp::Add { .. } | QuantOp::Activation { .. } | QuantOp::Requantize { .. } => flat[node.inputs[0]],
            QuantOp::Mul { .. } => node.inputs.iter().all(|&input| flat[input]),
            QuantOp::Concat => node.inputs.iter().all(|&input| flat[input]),
            _ => false,
        };
    }
    flat
}

fn can_be_flat(graph: &QuantGraph, tensor: TensorId) -> bool {
    let needs_rank_4 = |node: &QuantNode| {
        node.inputs.contains(&tensor)
            && match node.op {
                QuantOp::Conv2d { .. }
                | QuantOp::MaxPool { .. }
                | QuantOp::AveragePool { .. }
                | QuantOp::Resize { .. } => true,
                QuantOp::Add { .. }
                | QuantOp::Mul { .. }
                | QuantOp::Activation { .. }
                | QuantOp::Concat
                | QuantOp::Requantize { .. } => !can_be_flat(graph, node.output),
                QuantOp::Dense { .. } | QuantOp::Reshape => false,
            }
    };
    graph.tensors[tensor].shape[1..] == [1, 1] && !graph.nodes.iter().any(needs_rank_4)
}

struct Writer<'q> {
    graph: Graph,
    quantized: &'q QuantGraph,
    flat: Vec<bool>,
}

impl Writer<'_> {
    fn input(&mut self) {
        let QuantTensor { name, .. } = self.tensor(self.quantized.input);
        let (name, affine) = (name.clone(), self.tensor(self.quantized.input).affine());
        self.graph.inputs.push(self.info(self.quantized.input, &name));
        let quantized = format!("{name}.quantized");
        self.quantize(&format!("{name}.quantize"), &name, &quantized, &name, affine);
        self.dequantize(&name, &quantized, &format!("{name}.dequantized"));
    }

    fn node(&mut self, node: &QuantNode) {
        let output = self.tensor(node.output).clone();
        let real = match &node.op {
            QuantOp::Requantize { clamp } => self.requantize(node, &output, *clamp),
            op => self.operator(node, op, &output),
        };
        let is_op = real != self.value(node.inputs[0]);
        let quantizer = if is_op { format!("{}.quantize", output.name) } else { node.name.clone() };
        self.quantize_and_dequantize(&quantizer, &real, &output.name, output.affine());
    }

    /// A standalone activation; where it sets no bounds, the QuantizeLinear alone is the node and bears its name.
    fn requantize(&mut self, node: &QuantNode, output: &QuantTensor, clamp: Clamp) -> String {
        let input = self.value(node.inputs[0]);
        let Some(op) = activation(clamp, output.affine()) else { return input };
        let real = format!("{}.float", output.name);
        self.push(&node.name, op, &[&input], &real);
        real
    }

    fn operator(&mut self, node: &QuantNode, op: &QuantOp, output: &QuantTensor) -> String {
        let activation = clamp_of(op).and_then(|clamp| activation(clamp, output.affine()));
        let real = format!("{}.float", output.name);
        let linear = if activation.is_some() { format!("{}.linear", output.name) } else { real.clone() };
        let (op, inputs) = self.float_form(node, op, output);
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.push(&node.name, op, &inputs, &linear);
        if let Some(op) = activation {
            let name = format!("{}.{}", node.name, op.name().to_lowercase());
            self.push(&name, op, &[&linear], &real);
        }
        real
    }

    /// The float operator and what it reads.
    fn float_form(&mut self, node: &QuantNode, op: &QuantOp, output: &QuantTensor) -> (Op, Vec<String>) {
        let mut inputs: Vec<String> = node.inputs.iter().map(|&id| self.value(id)).collect();
        let input = self.tensor(node.inputs[0]).clone();
        let op = match op {
            QuantOp::Conv2d { window, groups, weights, .. } => {
                inputs.extend(self.weights(&node.name, weights, &weights.shape, input.scale));
                Op::Conv { window: *window, groups: *groups }
            }
            QuantOp::Dense { weights, .. } => {
                inputs[0] = self.flattened(node);
                inputs.extend(self.weights(&node.name, weights, &weights.shape[..2], input.scale));
                Op::Gemm { transposed: true }
            }
            QuantOp::MaxPool { window } => Op::MaxPool { window: *window },
            QuantOp::AveragePool { window, count_include_pad: false } if *window == shape::whole(input.shape) => {
                Op::GlobalAveragePool
            }
            QuantOp::AveragePool { window, count_include_pad } => {
                Op::AveragePool { window: *window, count_include_pad: *count_include_pad }
            }
            QuantOp::Add { .. } => Op::Add,
            QuantOp::Mul { .. } => Op::Mul,
            QuantOp::Resize { factors } => Op::Resize { factors: *factors },
            QuantOp::Activation { function } => Op::Activation(function.clone()),
            QuantOp::Concat => Op::Concat { axis: 1 },
            QuantOp::Reshape if self.flat[node.output] => Op::Flatten { axis: 1 },
            QuantOp::Reshape => {
                inputs.push(self.target_shape(&node.name, output.shape));
                Op::Reshape
            }
            QuantOp::Requantize { .. } => unreachable!("written by requantize()"),
        };
        (op, inputs)
    }

    /// What a Dense reads: its input, through a Flatten where that has rank 4.
    fn flattened(&mut self, node: &QuantNode) -> String {
        let (id, flat) = (node.inputs[0], format!("{}.flat", node.name));
        if self.flat[id] {
            return self.value(id);
        }
        let (input, affine) = (self.value(id), self.tensor(id).affine());
        let real = format!("{flat}.float");
        self.push(&format!("{}.flatten", node.name), Op::Flatten { axis: 1 }, &[&input], &real);
        self.quantize_and_dequantize(&format!("{flat}.quantize"), &real, &flat, affine);
        flat
    }

    fn target_shape(&mut self, node: &str, [channels, height, width]: [usize; 3]) -> String {
        // 0 is ONNX for "as in the input": the batch.
        let dims = [0, channels as i64, height as i64, width as i64];
        self.constant(format!("{node}.shape"), &[4], Data::I64(dims.to_vec()))
    }

    /// The dequantized weights and biases of a layer, the channels along axis 0.
    fn weights(&mut self, node: &str, weights: &Weights, dims: &[usize], input_scale: f32) -> [String; 2] {
        let out = [weights.shape[0]];
        let bias_scales = weights.scales.iter().map(|scale| input_scale * scale).collect();
        let (weight, bias) = (format!("{node}.weight"), format!("{node}.bias"));
        self.constant(format!("{weight}.quantized"), dims, Data::I8(weights.values.clone()));
        self.constant(format!("{weight}.scale"), &out, Data::F32(weights.scales.clone()));
        self.constant(format!("{weight}.zero_point"), &out, Data::I8(vec![0; out[0]]));
        self.constant(format!("{bias}.quantized"), &out, Data::I32(weights.biases.clone()));
        self.constant(format!("{bias}.scale"), &out, Data::F32(bias_scales));
        self.constant(format!("{bias}.zero_point"), &out, Data::I32(vec![0; out[0]]));
        for name in [&weight, &bias] {
            self.dequantize(name, &format!("{name}.quantized"), name);
        }
        [weight, bias]
    }

    fn quantize_and_dequantize(&mut self, quantizer: &str, real: &str, tensor: &str, affine: Affine) {
        let quantized = format!("{tensor}.quantized");
        self.quantize(quantizer, real, &quantized, tensor, affine);
        self.dequantize(tensor, &quantized, tensor);
    }

    fn quantize(&mut self, node: &str, real: &str, quantized: &str, tensor: &str, affine: Affine) {
        let scale = self.constant(format!("{tensor}.scale"), &[], Data::F32(vec![affine.scale]));
        let zero_point = self.constant(format!("{tensor}.zero_point"), &[], Data::I8(vec![affine.zero_point]));
        self.push(node, Op::Quantize { axis: 0 }, &[real, &scale, &zero_point], quantized);
    }

    fn dequantize(&mut self, tensor: &str, quantized: &str, real: &str) {
        let (scale, zero_point) = (format!("{tensor}.scale"), format!("{tensor}.zero_point"));
        let name = format!("{tensor}.dequantize");
        self.push(&name, Op::Dequantize { axis: 0 }, &[quantized, &scale, &zero_point], real);
    }

    fn push(&mut self, name: &str, op: Op, inputs: &[&str], output: &str) {
        let inputs = inputs.iter().map(|&input| input.into()).collect();
        self.graph.nodes.push(Node { name: name.into(), op, inputs, outputs: vec![output.into()] });
    }

    fn constant(&mut self, name: String, dims: &[usize], data: Data) -> String {
        self.graph.initializers.insert(name.clone(), Tensor { dims: dims.to_vec(), data });
        name
    }

    /// The dequantized value of a tensor.
    fn value(&self, id: TensorId) -> String {
        let name = &self.tensor(id).name;
        if id == self.quantized.input { format!("{name}.dequantized") } else { name.clone() }
    }

    fn tensor(&self, id: TensorId) -> &QuantTensor {
        &self.quantized.tensors[id]
    }

    fn info(&self, id: TensorId, name: &str) -> ValueInfo {
        let shape = self.tensor(id).shape;
        let extents = if self.flat[id] { &shape[..1] } else { &shape[..] };
        let extents = extents.iter().map(|&extent| Dim::Fixed(extent));
        let shape = std::iter::once(Dim::Symbol("batch".into())).chain(extents).collect();
        ValueInfo { name: name.into(), dtype: DType::F32, shape }
    }
}

fn clamp_of(op: &QuantOp) -> Option<Clamp> {
    match op {
        QuantOp::Conv2d { clamp, .. }
        | QuantOp::Dense { clamp, .. }
        | QuantOp::Add { clamp }
        | QuantOp::Mul { clamp } => Some(*clamp),
        _ => None,
    }
}

/// The float activation that a clamp stands for, if any.
fn activation(clamp: Clamp, output: Affine) -> Option<Op> {
    let is_relu = clamp.min == output.zero_point;
    match (clamp.min, clamp.max) {
        (_, i8::MAX) if is_relu => Some(Op::Relu),
        (i8::MIN, i8::MAX) => None,
        (min, max) => Some(Op::Clip {
            min: if min == i8::MIN && !is_relu { f32::NEG_INFINITY } else { output.dequantize(min) },
            max: if max == i8::MAX { f32::INFINITY } else { output.dequantize(max) },
        }),
    }
}

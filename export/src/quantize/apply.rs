//! Float graph + ranges → [`QuantGraph`].

use super::{
    QuantGraph, QuantNode, QuantTensor, QuantizeError, TensorId, Weights,
    activation::{Site, sites},
    calibrate::keeps_scale,
    constants::Constants,
    flatten::fold_flattening,
    operator,
    ranges::{Affine, Ranges},
    shape::{self, Shapes},
    weights,
};
use crate::graph::{Graph, Node, Op};
use std::collections::BTreeMap;

/// Quantizes a float graph (BatchNorm folded, passes run) with the ranges of its [`watched`](super::watched) values.
///
/// Relu and Clip become bounds of the operator before them; a Softmax at the end is left off, so the integer graph's
/// output is the logits (its metadata says so).
///
/// # Errors
/// Every node without an int8 form at once, a value without a range, a weight that is not a constant or not finite.
pub fn quantize(graph: &Graph, ranges: &Ranges) -> Result<QuantGraph, QuantizeError> {
    supported(graph)?;
    let (input, output) = interface(graph)?;
    let mut quantizer = Quantizer::new(graph, ranges)?;
    quantizer.tensor(&input.name, quantizer.range(&input.name)?)?;
    for site in sites(graph) {
        if !is_trailing_softmax(graph, site.node) {
            quantizer.site(&site)?;
        }
    }
    let output = quantizer.id(output)?;
    Ok(fold_flattening(QuantGraph {
        name: graph.name.clone(),
        tensors: quantizer.tensors,
        nodes: quantizer.nodes,
        input: 0,
        output,
        metadata: metadata(graph),
    }))
}

/// Whether every node has an int8 form, before anything is calibrated.
///
/// # Errors
/// All the nodes that have none, at once, or a graph that is int8 already.
pub fn supported(graph: &Graph) -> Result<(), QuantizeError> {
    if graph.nodes.iter().any(|node| matches!(node.op, Op::Quantize { .. } | Op::Dequantize { .. })) {
        return Err(QuantizeError::AlreadyQuantized);
    }
    let unsupported = graph.nodes.iter().filter(|node| !is_supported(graph, node));
    let nodes: Vec<String> = unsupported.map(|node| format!("{} `{}`", node.op.name(), node.name)).collect();
    if nodes.is_empty() { Ok(()) } else { Err(QuantizeError::Unsupported { nodes }) }
}

fn is_supported(graph: &Graph, node: &Node) -> bool {
    let constant = |position| graph.constant(node, position).is_some();
    match node.op {
        Op::Softmax { .. } => is_trailing_softmax(graph, node),
        Op::Conv { .. } | Op::Gemm { .. } | Op::MatMul => !constant(0) && constant(1),
        Op::Add => !constant(0) && !constant(1),
        Op::BatchNorm { .. } | Op::Quantize { .. } | Op::Dequantize { .. } | Op::Other { .. } => false,
        Op::Activation(_) | Op::Concat { .. } | Op::Mul | Op::LogSoftmax { .. } | Op::ArgMax { .. } => false,
        _ => true,
    }
}

/// Whether this is a Softmax that makes the network's output.
pub(super) fn is_trailing_softmax(graph: &Graph, node: &Node) -> bool {
    matches!(node.op, Op::Softmax { .. }) && node.outputs.iter().all(|o| graph.is_output(o))
}

/// The one input, and the one output before any Softmax.
pub(super) fn interface(graph: &Graph) -> Result<(&crate::graph::ValueInfo, &str), QuantizeError> {
    let ([input], [output]) = (&graph.inputs[..], &graph.outputs[..]) else {
        let found = format!("found {} inputs and {} outputs", graph.inputs.len(), graph.outputs.len());
        return Err(QuantizeError::interface(found));
    };
    let producer = graph.producer(&output.name).map(|index| &graph.nodes[index]);
    let softmax = producer.filter(|node| is_trailing_softmax(graph, node));
    Ok((input, softmax.map_or(output.name.as_str(), |node| &node.inputs[0])))
}

/// The value that holds a network's logits: its output, or what its last Softmax reads.
///
/// # Errors
/// The graph has not one input and one output.
pub fn logits(graph: &Graph) -> Result<&str, QuantizeError> {
    Ok(interface(graph)?.1)
}

fn metadata(graph: &Graph) -> BTreeMap<String, String> {
    let mut metadata = graph.metadata.clone();
    metadata.insert("quantization".into(), "activations int8 per tensor, weights int8 per output channel".into());
    if graph.nodes.iter().any(|node| is_trailing_softmax(graph, node)) {
        metadata.insert("output".into(), "logits: the float network's Softmax is left off".into());
    }
    metadata
}

struct Quantizer<'g> {
    graph: &'g Graph,
    ranges: &'g Ranges,
    shapes: Shapes,
    ids: BTreeMap<&'g str, TensorId>,
    tensors: Vec<QuantTensor>,
    nodes: Vec<QuantNode>,
}

impl<'g> Quantizer<'g> {
    fn new(graph: &'g Graph, ranges: &'g Ranges) -> Result<Self, QuantizeError> {
        let shapes = Shapes::infer(graph)?;
        Ok(Self { graph, ranges, shapes, ids: BTreeMap::new(), tensors: Vec::new(), nodes: Vec::new() })
    }

    fn site(&mut self, site: &Site<'g>) -> Result<(), QuantizeError> {
        let inputs = self.inputs(site.node)?;
        let first = &self.tensors[inputs[0]];
        let affine = if keeps_scale(&site.node.op) { first.affine() } else { self.range(site.output)? };
        let op = operator::op(site.node, first, site.bounds.clamp(affine), |scale| self.weights(site.node, scale))?;
        let shapes: Vec<_> = inputs.iter().map(|&id| self.tensors[id].shape).collect();
        shape::check(site.node, &op, &shapes, self.shapes.of(site.output)?)?;
        let output = self.tensor(site.output, affine)?;
        self.nodes.push(QuantNode { name: site.node.name.clone(), op, inputs, output });
        Ok(())
    }

    fn weights(&self, node: &Node, input_scale: f32) -> Result<Weights, QuantizeError> {
        let float = Constants { graph: self.graph, node }.weights()?;
        weights::quantize(&node.name, &float, input_scale)
    }

    /// The activations that a node reads: all its inputs that are no constants.
    fn inputs(&self, node: &Node) -> Result<Vec<TensorId>, QuantizeError> {
        let present = node.inputs.iter().filter(|name| !name.is_empty());
        let activations = present.filter(|name| !self.graph.initializers.contains_key(*name));
        let ids: Vec<TensorId> = activations.map(|name| self.id(name)).collect::<Result<_, _>>()?;
        if ids.len() == shape::operand_count(&node.op) {
            return Ok(ids);
        }
        Err(QuantizeError::Unsupported {
            nodes: vec![format!("{} `{}` of {} values", node.op.name(), node.name, ids.len())],
        })
    }

    fn id(&self, value: &str) -> Result<TensorId, QuantizeError> {
        let missing = || QuantizeError::interface(format!("value `{value}` is read but nothing makes it"));
        self.ids.get(value).copied().ok_or_else(missing)
    }

    fn range(&self, value: &str) -> Result<Affine, QuantizeError> {
        let range = self.ranges.get(value).ok_or_else(|| QuantizeError::NoRange { value: value.into() })?;
        if range.min.is_finite() && range.max.is_finite() {
            return Ok(range.affine());
        }
        Err(QuantizeError::NotFinite { tensor: value.into() })
    }

    fn tensor(&mut self, value: &'g str, Affine { scale, zero_point }: Affine) -> Result<TensorId, QuantizeError> {
        let shape = self.shapes.of(value)?;
        self.tensors.push(QuantTensor { name: value.into(), shape, scale, zero_point });
        self.ids.insert(value, self.tensors.len() - 1);
        Ok(self.tensors.len() - 1)
    }
}

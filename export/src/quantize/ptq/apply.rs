//! Float graph + ranges → [`QuantGraph`].

use super::{
    calibrate::known_affine,
    constants::Constants,
    equalize::EQUALIZED,
    rounding::Rounded,
    sites::{Site, sites},
    weights,
};
use crate::graph::{Graph, Node, Op};
use crate::quantize::{
    Affine, QuantGraph, QuantNode, QuantTensor, QuantizeError, Ranges, TensorId, Weights,
    flatten::fold_flattening,
    interface::{interface, is_left_off},
    names,
    operator::{self, keeps_scale},
    shape::{self, Shapes},
};
use std::collections::BTreeMap;

/// Quantizes a float graph (BatchNorm folded, passes run) with the ranges of its [`watched`](super::watched) values.
///
/// Relu and Clip become bounds of the operator before them; Softmax, LogSoftmax and ArgMax at the end are left off, so the
/// integer graph's output is the logits (its metadata says so).
///
/// # Errors
/// Every node without an int8 form at once, a value without a range, a weight that is not a constant or not finite.
pub fn quantize(graph: &Graph, ranges: &Ranges) -> Result<QuantGraph, QuantizeError> {
    quantize_by(graph, &Recipe { ranges: ranges.clone(), ..Recipe::default() })
}

/// Everything that calibration decides.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Recipe {
    pub ranges: Ranges,
    /// Int8 weights of layers, by node; those of others are rounded to the nearest.
    pub weights: BTreeMap<String, Rounded>,
}

/// [`quantize`], with weights as the recipe has them.
pub(super) fn quantize_by(graph: &Graph, recipe: &Recipe) -> Result<QuantGraph, QuantizeError> {
    supported(graph)?;
    let (input, output) = interface(graph)?;
    let mut quantizer = Quantizer::new(graph, recipe)?;
    quantizer.tensor(&input.name, quantizer.range(&input.name)?)?;
    for site in sites(graph) {
        if !is_left_off(graph, site.node) {
            quantizer.site(&site)?;
        }
    }
    let output = quantizer.id(output)?;
    Ok(names::distinct(fold_flattening(QuantGraph {
        name: graph.name.clone(),
        tensors: quantizer.tensors,
        nodes: quantizer.nodes,
        input: 0,
        output,
        metadata: metadata(graph),
    })))
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
        Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::ArgMax { .. } => is_left_off(graph, node),
        Op::Conv { .. } | Op::Gemm { .. } | Op::MatMul => !constant(0) && constant(1),
        Op::Add | Op::Mul => !constant(0) && !constant(1),
        Op::BatchNorm { .. } | Op::Quantize { .. } | Op::Dequantize { .. } | Op::Other { .. } => false,
        Op::Concat { .. } => (0..node.inputs.len()).all(|input| !constant(input)),
        _ => true,
    }
}

fn metadata(graph: &Graph) -> BTreeMap<String, String> {
    let mut metadata = graph.metadata.clone();
    // Of another network, which this one was made from.
    metadata.retain(|key, _| !key.starts_with(EQUALIZED));
    metadata.insert("quantization".into(), "activations int8 per tensor, weights int8 per output channel".into());
    let left_off: Vec<&str> =
        graph.nodes.iter().filter(|node| is_left_off(graph, node)).map(|node| node.op.name()).collect();
    if !left_off.is_empty() {
        let what = left_off.join(" and ");
        metadata.insert("output".into(), format!("logits: the float network's {what} is left off"));
    }
    metadata
}

struct Quantizer<'g> {
    graph: &'g Graph,
    recipe: &'g Recipe,
    shapes: Shapes,
    ids: BTreeMap<&'g str, TensorId>,
    tensors: Vec<QuantTensor>,
    nodes: Vec<QuantNode>,
}

impl<'g> Quantizer<'g> {
    fn new(graph: &'g Graph, recipe: &'g Recipe) -> Result<Self, QuantizeError> {
        let shapes = Shapes::infer(graph)?;
        Ok(Self { graph, recipe, shapes, ids: BTreeMap::new(), tensors: Vec::new(), nodes: Vec::new() })
    }

    fn site(&mut self, site: &Site<'g>) -> Result<(), QuantizeError> {
        let inputs = self.inputs(site.node)?;
        let first = &self.tensors[inputs[0]];
        let affine = match known_affine(&site.node.op) {
            Some(known) => known,
            None if keeps_scale(&site.node.op) => first.affine(),
            None => self.range(site.output)?,
        };
        let op = operator::op(site.node, first, site.bounds.clamp(affine), |scale| self.weights(site.node, scale))?;
        let shapes: Vec<_> = inputs.iter().map(|&id| self.tensors[id].shape).collect();
        shape::check(site.node, &op, &shapes, self.shapes.of(site.output)?)?;
        let output = self.tensor(site.output, affine)?;
        self.nodes.push(QuantNode { name: site.node.name.clone(), op, inputs, output });
        Ok(())
    }

    fn weights(&self, node: &Node, input_scale: f32) -> Result<Weights, QuantizeError> {
        let float = Constants { graph: self.graph, node }.weights()?;
        weights::quantize(&node.name, &float, input_scale, self.recipe.weights.get(&node.name))
    }

    /// The activations that a node reads: all its inputs that are no constants.
    fn inputs(&self, node: &Node) -> Result<Vec<TensorId>, QuantizeError> {
        let present = node.inputs.iter().filter(|name| !name.is_empty());
        let activations = present.filter(|name| !self.graph.initializers.contains_key(*name));
        let ids: Vec<TensorId> = activations.map(|name| self.id(name)).collect::<Result<_, _>>()?;
        if takes(&node.op, ids.len()) {
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
        let range = self.recipe.ranges.get(value).ok_or_else(|| QuantizeError::NoRange { value: value.into() })?;
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

/// Whether an operator takes so many activations.
fn takes(op: &Op, count: usize) -> bool {
    match op {
        Op::Add | Op::Mul => count == 2,
        Op::Concat { .. } => count >= 2,
        _ => count == 1,
    }
}

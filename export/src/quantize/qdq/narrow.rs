//! A Clip of bytes between QuantizeLinear and DequantizeLinear. Of activations, as Brevitas writes those of fewer steps than a byte has, it bounds the floats
//! before, for its bounds are steps. Of weights, as PyTorch writes those it has not folded, it leaves bytes that are as constant as the weights.

use super::super::Affine;
use super::constants::Constants;
use crate::graph::{Data, Graph, Node, Op, Tensor};

/// The graph with bounds of activations before their QuantizeLinear, and weights that are cut as bytes.
pub(super) fn absorb(graph: &Graph) -> Graph {
    let graph = &with_bytes(graph);
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        match bounded(graph, node) {
            Some(both) => nodes.extend(both),
            None => nodes.push(node.clone()),
        }
    }
    Graph { nodes, ..graph.clone() }
}

/// The graph with constants that a QuantizeLinear makes for a Clip as the bytes that they are.
fn with_bytes(graph: &Graph) -> Graph {
    let is_cut = |made: &str| graph.readers(made).iter().any(|&reader| graph.nodes[reader].op.other("Clip").is_some());
    let mut stored = graph.clone();
    for node in graph.nodes.iter().filter(|node| matches!(node.op, Op::Quantize { .. })) {
        let (Some(real), [made]) = (graph.constant(node, 0), &node.outputs[..]) else { continue };
        if let Some(bytes) = is_cut(made).then(|| Constants { graph }.quantized(node, real)).flatten() {
            stored.nodes.retain(|other| other.outputs != node.outputs);
            stored.initializers.insert(made.clone(), bytes);
        }
    }
    stored
}

/// In place of a Clip of bytes, one of floats and a QuantizeLinear.
fn bounded(graph: &Graph, node: &Node) -> Option<[Node; 2]> {
    node.op.other("Clip")?;
    let constants = Constants { graph };
    let quantize = constants.maker(node.input(0)?).filter(|maker| matches!(maker.op, Op::Quantize { .. }))?;
    let affine = constants.affine(quantize).ok()?;
    let bound = |position: usize, absent: f32| match node.input(position) {
        Some(_) => real(graph.constant(node, position)?, affine),
        None => Some(absent),
    };
    let op = Op::Clip { min: bound(1, f32::NEG_INFINITY)?, max: bound(2, f32::INFINITY)? };
    let name = format!("{}.bounds", node.outputs.first()?);
    let is_taken = graph.initializers.contains_key(&name) || graph.producer(&name).is_some();
    (!is_taken).then_some(())?;
    let clip = Node::new(&name, op, &[quantize.input(0)?], &name);
    let mut inputs = quantize.inputs.clone();
    inputs[0] = name;
    Some([clip, Node { op: quantize.op.clone(), inputs, ..node.clone() }])
}

/// What a byte of an activation stands for.
fn real(bound: &Tensor, affine: Affine) -> Option<f32> {
    match &bound.data {
        Data::I8(bound) if bound.len() == 1 => Some(affine.dequantize(bound[0])),
        Data::U8(bound) if bound.len() == 1 => Some(affine.dequantize((bound[0] ^ 0x80) as i8)),
        _ => None,
    }
}

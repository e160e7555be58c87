//! A Relu or Clip between two QuantizeLinear of one scale is a bound of the operator before it: the rounding between
//! them changes nothing, so the operator saturates to the bound at once.

use super::super::{Clamp, QuantGraph, QuantNode, QuantOp, TensorId};

/// Lets operators take over the bounds of such activations, their only readers.
pub(super) fn fold_bounds(mut graph: QuantGraph) -> QuantGraph {
    let mut index = 0;
    while index < graph.nodes.len() {
        match bounded_before(&graph, index) {
            Some((maker, next)) => fold(&mut graph, maker, index, next),
            None => index += 1,
        }
    }
    graph
}

/// The operator whose bounds the activation at `index` may join, and the activation's own.
fn bounded_before(graph: &QuantGraph, index: usize) -> Option<(usize, Clamp)> {
    let QuantNode { op: QuantOp::Requantize { clamp }, inputs, output, .. } = &graph.nodes[index] else { return None };
    let input = inputs[0];
    let maker = graph.nodes.iter().position(|node| node.output == input && has_bounds(&node.op))?;
    let same = graph.tensors[input].affine() == graph.tensors[*output].affine();
    let readers = graph.nodes.iter().filter(|node| node.inputs.contains(&input)).count();
    (same && readers == 1 && input != graph.output).then_some((maker, *clamp))
}

fn fold(graph: &mut QuantGraph, maker: usize, activation: usize, next: Clamp) {
    let (made, gone) = (graph.nodes[maker].output, graph.nodes.remove(activation).output);
    if let Some(clamp) = bounds(&mut graph.nodes[maker].op) {
        let bound = |step: i8| step.max(next.min).min(next.max);
        *clamp = Clamp { min: bound(clamp.min), max: bound(clamp.max) };
    }
    graph.tensors[made].name = graph.tensors[gone].name.clone();
    replace(graph, gone, made);
}

fn has_bounds(op: &QuantOp) -> bool {
    matches!(
        op,
        QuantOp::Conv2d { .. }
            | QuantOp::Dense { .. }
            | QuantOp::Add { .. }
            | QuantOp::Mul { .. }
            | QuantOp::Requantize { .. }
    )
}

fn bounds(op: &mut QuantOp) -> Option<&mut Clamp> {
    match op {
        QuantOp::Conv2d { clamp, .. }
        | QuantOp::Dense { clamp, .. }
        | QuantOp::Add { clamp }
        | QuantOp::Mul { clamp }
        | QuantOp::Requantize { clamp } => Some(clamp),
        _ => None,
    }
}

/// Puts tensor `new` wherever `old` was, drops `old`, and renumbers those above it.
fn replace(graph: &mut QuantGraph, old: TensorId, new: TensorId) {
    let renumber = |tensor: &mut TensorId| {
        let id = if *tensor == old { new } else { *tensor };
        *tensor = id - usize::from(id > old);
    };
    graph.tensors.remove(old);
    renumber(&mut graph.output);
    for node in &mut graph.nodes {
        renumber(&mut node.output);
        node.inputs.iter_mut().for_each(renumber);
    }
}

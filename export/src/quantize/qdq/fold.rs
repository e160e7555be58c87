//! A Relu or Clip between two QuantizeLinear of one scale is a bound of the operator before it: the rounding between
//! them changes nothing, so the operator saturates to the bound at once.

use super::super::{Clamp, QuantGraph, QuantOp, TensorId};

/// Lets operators take over the bounds of such activations, their only readers.
pub(super) fn fold_bounds(mut graph: QuantGraph) -> QuantGraph {
    while let Some((maker, activation)) = foldable(&graph) {
        let node = graph.nodes.remove(activation);
        let gone = graph.nodes[maker].output;
        let QuantOp::Requantize { clamp: next } = node.op else { unreachable!("foldable() finds no other") };
        if let Some(clamp) = bounds(&mut graph.nodes[maker].op) {
            let bound = |step: i8| step.max(next.min).min(next.max);
            *clamp = Clamp { min: bound(clamp.min), max: bound(clamp.max) };
        }
        graph.tensors[gone].name = graph.tensors[node.output].name.clone();
        replace(&mut graph, node.output, gone);
    }
    graph
}

/// An operator with bounds and the activation after it, by their places in the graph.
fn foldable(graph: &QuantGraph) -> Option<(usize, usize)> {
    let mut activations =
        (0..graph.nodes.len()).filter(|&index| matches!(graph.nodes[index].op, QuantOp::Requantize { .. }));
    activations.find_map(|activation| {
        let node = &graph.nodes[activation];
        let input = node.inputs[0];
        let maker = graph.nodes.iter().position(|n| n.output == input && has_bounds(&n.op))?;
        let same = graph.tensors[input].affine() == graph.tensors[node.output].affine();
        let readers = graph.nodes.iter().filter(|n| n.inputs.contains(&input)).count();
        (same && readers == 1 && input != graph.output).then_some((maker, activation))
    })
}

fn has_bounds(op: &QuantOp) -> bool {
    matches!(op, QuantOp::Conv2d { .. } | QuantOp::Dense { .. } | QuantOp::Add { .. } | QuantOp::Requantize { .. })
}

fn bounds(op: &mut QuantOp) -> Option<&mut Clamp> {
    match op {
        QuantOp::Conv2d { clamp, .. }
        | QuantOp::Dense { clamp, .. }
        | QuantOp::Add { clamp }
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

//! Flattening before a Dense is no work: a Dense takes its input in C, H, W order whatever its shape, so the planner can
//! permute weights once instead of data for every image.

use super::{QuantGraph, QuantOp, TensorId};

/// Lets each Dense read the tensor before a flattening, and drops reshapes that nobody reads any more.
pub(super) fn fold_flattening(mut graph: QuantGraph) -> QuantGraph {
    for index in 0..graph.nodes.len() {
        if matches!(graph.nodes[index].op, QuantOp::Dense { .. }) {
            graph.nodes[index].inputs[0] = before_reshapes(&graph, graph.nodes[index].inputs[0]);
        }
    }
    while let Some(index) = unread_reshape(&graph) {
        remove_node(&mut graph, index);
    }
    graph
}

fn before_reshapes(graph: &QuantGraph, tensor: TensorId) -> TensorId {
    let reshape = graph.nodes.iter().find(|n| n.output == tensor && n.op == QuantOp::Reshape);
    reshape.map_or(tensor, |node| before_reshapes(graph, node.inputs[0]))
}

fn unread_reshape(graph: &QuantGraph) -> Option<usize> {
    let read = |tensor| graph.output == tensor || graph.nodes.iter().any(|n| n.inputs.contains(&tensor));
    graph.nodes.iter().position(|n| n.op == QuantOp::Reshape && !read(n.output))
}

/// Removes a node and its output, and renumbers the tensors above it.
fn remove_node(graph: &mut QuantGraph, index: usize) {
    let gone = graph.nodes.remove(index).output;
    graph.tensors.remove(gone);
    let renumber = |tensor: &mut TensorId| *tensor -= usize::from(*tensor > gone);
    renumber(&mut graph.input);
    renumber(&mut graph.output);
    for node in &mut graph.nodes {
        renumber(&mut node.output);
        node.inputs.iter_mut().for_each(renumber);
    }
}

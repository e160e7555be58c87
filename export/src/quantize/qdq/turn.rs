//! A matrix that is turned after it was dequantized, as PyTorch writes its linear layers, is a matrix stored the other way.

use crate::graph::{Attribute, Graph, Node, Op};

/// The graph with layers that read such matrices as they are stored.
pub(super) fn absorb(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for index in 0..graph.nodes.len() {
        let transposed = match graph.nodes[index].op {
            Op::Gemm { transposed } => !transposed,
            Op::MatMul => true,
            _ => continue,
        };
        let weights = graph.nodes[index].input(1).and_then(|weights| graph.producer(weights));
        let turn = weights.map(|maker| &graph.nodes[maker]).filter(|maker| is_turn(&graph, maker));
        if let Some(matrix) = turn.and_then(|turn| turn.input(0)).map(String::from) {
            graph.nodes[index].inputs[1] = matrix;
            graph.nodes[index].op = Op::Gemm { transposed };
        }
    }
    graph
}

/// Whether `node` turns a dequantized constant matrix.
fn is_turn(graph: &Graph, node: &Node) -> bool {
    let Op::Other { op_type, attributes } = &node.op else { return false };
    let turns = match attributes.get("perm") {
        Some(Attribute::Ints(perm)) => perm[..] == [1, 0],
        other => other.is_none(),
    };
    let behind = node.input(0).and_then(|value| graph.producer(value)).map(|index| &graph.nodes[index]);
    op_type == "Transpose" && turns && behind.is_some_and(|behind| matches!(behind.op, Op::Dequantize { .. }))
}

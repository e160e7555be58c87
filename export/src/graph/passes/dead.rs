//! Nodes and constants that nobody reads are removed.

use super::prune_initializers;
use crate::graph::Graph;

/// The graph without nodes that reach no output, and without unread constants.
pub fn remove(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    // Nodes are in topological order: from the end, each one's readers have been decided.
    for i in (0..graph.nodes.len()).rev() {
        let outputs = graph.nodes[i].outputs.clone();
        if outputs.iter().all(|o| graph.readers(o).is_empty() && !graph.is_output(o)) {
            graph.nodes.remove(i);
        }
    }
    prune_initializers(&mut graph);
    graph
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::{Op, Tensor};

    #[test]
    fn a_chain_that_ends_nowhere_goes_with_its_constants() {
        let nodes = vec![
            node("side", Op::Add, &["x", "c"]),
            node("side2", Op::Relu, &["side.out"]),
            node("main", Op::Relu, &["x"]),
        ];
        let alive = remove(&graph(&[1], nodes, &[("c", Tensor::f32(&[1], vec![1.0]))]));
        assert_eq!(listing(&alive), [("main", "Relu")]);
        assert!(alive.initializers.is_empty());
    }
}

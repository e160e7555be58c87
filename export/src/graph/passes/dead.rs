//! Nodes and constants that nobody reads are removed.

use super::prune_initializers;
use crate::graph::Graph;
use std::collections::HashSet;

/// The graph without nodes that reach no output, and without unread constants.
pub fn remove(graph: &Graph) -> Graph {
    let mut read: HashSet<&str> = graph.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut nodes = Vec::new();
    // Nodes are in topological order: from the end, each one's readers have been decided.
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|output| read.contains(output.as_str())) {
            read.extend(node.inputs.iter().map(String::as_str));
            nodes.push(node.clone());
        }
    }
    nodes.reverse();
    let mut graph = Graph { nodes, ..graph.clone() };
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

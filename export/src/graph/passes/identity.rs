//! Identity, and Dropout in inference, pass their input on: they are removed.

use super::redirect;
use crate::graph::{Graph, Node, Op};

/// The graph without Identity and Dropout nodes; one from an input straight to an output stays.
pub fn remove(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    let mut i = 0;
    while i < graph.nodes.len() {
        if !(passes_on(&graph, &graph.nodes[i]) && unlink(&mut graph, i)) {
            i += 1;
        }
    }
    graph
}

/// Dropout's second output is a mask: where somebody reads it, the node is no identity.
fn passes_on(graph: &Graph, node: &Node) -> bool {
    let Op::Other { op_type, .. } = &node.op else { return false };
    let unread = |value: &String| graph.readers(value).is_empty() && !graph.is_output(value);
    let plain = op_type == "Identity" || (op_type == "Dropout" && node.input(2).is_none());
    plain && node.outputs.iter().skip(1).all(unread)
}

/// Takes node `i` out of the way; false where the graph's own ends forbid it.
fn unlink(graph: &mut Graph, i: usize) -> bool {
    let (Some(from), Some(to)) = (graph.nodes[i].input(0).map(String::from), graph.nodes[i].outputs.first().cloned())
    else {
        return false;
    };
    if graph.is_output(&to) {
        let Some(maker) = graph.producer(&from).filter(|_| !graph.is_output(&from)) else { return false };
        // The output keeps its name: the value before takes it.
        let made = graph.nodes[maker].outputs.iter_mut().find(|o| **o == from);
        made.into_iter().for_each(|o| *o = to.clone());
        redirect(graph, &from, &to);
    } else {
        redirect(graph, &to, &from);
    }
    graph.nodes.remove(i);
    true
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, listing, node, other};
    use super::*;

    #[test]
    fn readers_and_outputs_are_linked_past_it() {
        let nodes = vec![
            node("first", other("Identity"), &["x"]),
            node("relu", Op::Relu, &["first.out"]),
            node("last", other("Dropout"), &["relu.out"]),
        ];
        let removed = remove(&graph(&[1], nodes, &[]));
        assert_eq!(listing(&removed), [("relu", "Relu")]);
        assert_eq!(
            (removed.nodes[0].inputs.clone(), removed.nodes[0].outputs.clone()),
            (vec!["x".into()], vec!["last.out".into()])
        );
    }

    #[test]
    fn an_input_that_is_an_output_keeps_its_identity() {
        let kept = remove(&graph(&[1], vec![node("only", other("Identity"), &["x"])], &[]));
        assert_eq!(listing(&kept), [("only", "Identity")]);
    }

    #[test]
    fn a_dropout_whose_mask_is_read_stays() {
        let mut dropout = node("drop", other("Dropout"), &["x"]);
        dropout.outputs.push("mask".into());
        let kept = remove(&graph(&[1], vec![dropout, node("add", Op::Add, &["drop.out", "mask"])], &[]));
        assert_eq!(kept.nodes.len(), 2);
    }
}

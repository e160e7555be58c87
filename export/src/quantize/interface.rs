//! A network's one input and one output, and what is left off at its end.

use super::QuantizeError;
use crate::graph::{BEFORE_OPSET_13, Graph, Node, Op, ValueInfo};

/// Whether a node at the network's end only says the same in another form: the largest value stays where it is.
pub(super) fn is_left_off(graph: &Graph, node: &Node) -> bool {
    let is_last = |value: &String| match graph.readers(value)[..] {
        [] => graph.is_output(value),
        [reader] => {
            matches!(graph.nodes[reader].op, Op::ArgMax { .. })
                && graph.nodes[reader].outputs.iter().all(|o| graph.is_output(o))
        }
        _ => false,
    };
    let before_opset_13 = node.op.name().ends_with(BEFORE_OPSET_13);
    (before_opset_13 || matches!(node.op, Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::ArgMax { .. }))
        && node.outputs.iter().all(is_last)
}

/// The one input, and the one output before what is left off.
pub(super) fn interface(graph: &Graph) -> Result<(&ValueInfo, &str), QuantizeError> {
    let ([input], [output]) = (&graph.inputs[..], &graph.outputs[..]) else {
        let found = format!("found {} inputs and {} outputs", graph.inputs.len(), graph.outputs.len());
        return Err(QuantizeError::interface(found));
    };
    let mut logits = output.name.as_str();
    // An ArgMax may follow a Softmax, and nothing follows it.
    for _ in 0..2 {
        let last = graph.producer(logits).map(|index| &graph.nodes[index]).filter(|node| is_left_off(graph, node));
        logits = last.and_then(|node| node.input(0)).unwrap_or(logits);
    }
    Ok((input, logits))
}

/// The value that holds a network's logits: its output, or what the first node that is left off reads.
///
/// # Errors
/// The graph has not one input and one output.
pub fn logits(graph: &Graph) -> Result<&str, QuantizeError> {
    Ok(interface(graph)?.1)
}

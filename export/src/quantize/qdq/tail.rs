//! The end of a classifier that the integer network leaves off: Softmax and its like, which do not change the class.

use crate::graph::{Graph, Node, Op, ValueInfo, passes::dead};

/// The graph up to its logits, without nodes that they do not need.
pub(super) fn cut(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    if let Some(logits) = logits(&graph) {
        let output = &graph.outputs[0];
        graph.outputs = vec![ValueInfo { name: logits, ..output.clone() }];
    }
    dead::remove(&graph)
}

/// What the last Softmax reads, where nothing but quantization comes after it.
fn logits(graph: &Graph) -> Option<String> {
    let [output] = &graph.outputs[..] else { return None };
    let mut value = output.name.as_str();
    loop {
        let node = &graph.nodes[graph.producer(value)?];
        value = node.input(0)?;
        match node.op {
            Op::Quantize { .. } | Op::Dequantize { .. } => {}
            _ => return is_normalization(node).then(|| value.into()),
        }
    }
}

fn is_normalization(node: &Node) -> bool {
    matches!(node.op, Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::ArgMax { .. })
}

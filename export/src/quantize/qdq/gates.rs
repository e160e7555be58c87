//! A product of a value and its own Sigmoid or HardSigmoid is one function of it, Silu or HardSwish, also where the gate is quantized by itself: that
//! rounding is left out, which is nearer to the float network.

use crate::graph::{Activation, Graph, Node, Op};

/// How far a slope may be from 1/6: exporters round it to float.
const RELATIVE: f32 = 1e-6;

/// The graph with such products as one function.
pub(super) fn fuse(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for index in 0..graph.nodes.len() {
        if let Some((function, x)) = gated(&graph, &graph.nodes[index]) {
            let node = &mut graph.nodes[index];
            (node.op, node.inputs) = (Op::Activation(function), vec![x]);
        }
    }
    graph
}

/// The function that a product is, and of what.
fn gated(graph: &Graph, node: &Node) -> Option<(Activation, String)> {
    let (Op::Mul, [a, b]) = (&node.op, node.inputs.as_slice()) else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(x, gate)| {
        let gate = before_quantization(graph, gate)?;
        let function = match gate.op {
            Op::Activation(Activation::Sigmoid) => Activation::Silu,
            Op::Activation(Activation::HardSigmoid { alpha, beta: 0.5 }) if (alpha * 6.0 - 1.0).abs() < RELATIVE => {
                Activation::HardSwish
            }
            _ => return None,
        };
        (stored(graph, gate.input(0)?) == stored(graph, x)).then(|| (function, x.clone()))
    })
}

/// What makes a value, but for a QuantizeLinear and a DequantizeLinear after it.
fn before_quantization<'g>(graph: &'g Graph, value: &str) -> Option<&'g Node> {
    let maker = |value: &str| graph.producer(value).map(|index| &graph.nodes[index]);
    let made = maker(value)?;
    if !matches!(made.op, Op::Dequantize { .. }) {
        return Some(made);
    }
    let quantize = maker(made.input(0)?).filter(|node| matches!(node.op, Op::Quantize { .. }))?;
    maker(quantize.input(0)?)
}

/// The bytes that a value is read from: every reader may have a DequantizeLinear of its own.
fn stored<'g>(graph: &'g Graph, value: &'g str) -> &'g str {
    let maker = graph.producer(value).map(|index| &graph.nodes[index]);
    maker.filter(|node| matches!(node.op, Op::Dequantize { .. })).and_then(|node| node.input(0)).unwrap_or(value)
}

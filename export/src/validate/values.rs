//! Where a file keeps an int8 tensor: what a QuantizeLinear makes of it, and what a DequantizeLinear makes of that.

use crate::graph::{Graph, Node, Op};

/// What a file may call the int8 value of a tensor: our own writer's name, ONNX Runtime's, or the tensor's own.
const SUFFIXES: [&str; 3] = [".quantized", "_QuantizeLinear_Output", ""];

/// The int8 value of the tensor `name`; none where the file has no QuantizeLinear for it, as in operator form.
pub fn quantized(graph: &Graph, name: &str) -> Option<String> {
    let made = |value: &String| graph.producer(value).is_some_and(|i| matches!(graph.nodes[i].op, Op::Quantize { .. }));
    SUFFIXES.iter().map(|suffix| format!("{name}{suffix}")).find(made)
}

/// The tensor `name` in reals, as int8 sees it.
pub fn dequantized<'g>(graph: &'g Graph, name: &str) -> Option<&'g str> {
    let quantized = quantized(graph, name)?;
    let reads = |node: &&Node| node.input(0) == Some(&quantized) && matches!(node.op, Op::Dequantize { .. });
    graph.nodes.iter().find(reads)?.outputs.first().map(String::as_str)
}

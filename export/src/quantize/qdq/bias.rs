//! A float Add of one value, or one an output, behind a layer is the layer's bias: both are rounded once, together.

use super::constants::Constants;
use crate::graph::{Graph, Node, Op, Tensor, shape};

/// The graph with layers that have such biases by themselves.
pub(super) fn absorb(graph: &Graph) -> Graph {
    let shapes = shape::known(graph);
    let mut graph = graph.clone();
    for index in 0..graph.nodes.len() {
        let Some((layer, bias)) = biased(&graph, &shapes, &graph.nodes[index]) else { continue };
        let stem = format!("{}.bias", graph.nodes[index].name);
        let is_taken = |name: &String| graph.initializers.contains_key(name) || graph.producer(name).is_some();
        let Some(name) = [stem.clone()].into_iter().chain((2..).map(|i| format!("{stem}_{i}"))).find(|n| !is_taken(n))
        else {
            continue;
        };
        graph.initializers.insert(name.clone(), bias);
        let outputs = std::mem::take(&mut graph.nodes[index].outputs);
        let layer = &mut graph.nodes[layer];
        layer.inputs.push(name);
        layer.outputs = outputs;
        if layer.op == Op::MatMul {
            layer.op = Op::Gemm { transposed: false };
        }
    }
    graph.nodes.retain(|node| !node.outputs.is_empty());
    graph
}

/// The layer that `node` adds to, and what, one value an output.
fn biased(graph: &Graph, shapes: &shape::Shapes, node: &Node) -> Option<(usize, Tensor)> {
    let (Op::Add, [a, b]) = (&node.op, node.inputs.as_slice()) else { return None };
    let (sum, constant) = match (graph.initializers.get(a), graph.initializers.get(b)) {
        (None, Some(constant)) => (a, constant),
        (Some(constant), None) => (b, constant),
        _ => return None,
    };
    let index = graph.producer(sum).filter(|_| graph.readers(sum).len() == 1 && !graph.is_output(sum))?;
    let layer = &graph.nodes[index];
    let weights = Constants { graph }.steps(layer.input(1)?, &layer.name).ok()?.dims;
    let is_rows = || shapes.get(layer.input(0)?).map(|rows| rows.shape.len() == 2);
    let outputs = match &layer.op {
        Op::Gemm { transposed: false } => weights.get(1),
        Op::MatMul if is_rows()? => weights.get(1),
        Op::Conv { .. } | Op::Gemm { transposed: true } => weights.first(),
        op if op.other("Conv").is_some() => weights.first(),
        _ => return None,
    };
    let (values, rank, &outputs) = (constant.as_f32()?, weights.len(), outputs?);
    let missing = rank.checked_sub(constant.dims.len())?;
    let extent = |axis: usize| axis.checked_sub(missing).map_or(1, |i| constant.dims[i]);
    let fits = layer.inputs.len() == 2 && (0..rank).all(|axis| extent(axis) == 1 || axis == 1 && extent(1) == outputs);
    let all = if values.len() == 1 { vec![values[0]; outputs] } else { values.to_vec() };
    fits.then(|| (index, Tensor::f32(&[outputs], all)))
}

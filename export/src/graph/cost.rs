//! What a graph costs, layer by layer: parameters and multiply-accumulates of one sample.

use std::collections::HashSet;

use super::shape::{self, ShapeError, Shapes};
use super::{DType, Dim, Graph, Node, Op};

/// One layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerCost {
    /// The node.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// Its output's shape.
    pub output: Vec<Dim>,
    /// Its output's element type.
    pub dtype: DType,
    /// Values in its constants (shapes and axes left out); a constant of several nodes counts at the first.
    pub parameters: u64,
    /// Multiply-accumulates of one sample.
    pub macs: u64,
}

/// Every node's cost.
///
/// # Errors
/// A node has no shape.
pub fn layers(graph: &Graph) -> Result<Vec<LayerCost>, ShapeError> {
    let shapes = shape::infer(graph)?;
    let mut counted = HashSet::new();
    let mut layers = Vec::new();
    for node in graph.nodes.iter().filter(|node| !node.outputs.is_empty()) {
        let output = &shapes[&node.outputs[0]];
        layers.push(LayerCost {
            name: node.name.clone(),
            op: node.op.name().into(),
            output: output.shape.clone(),
            dtype: output.dtype,
            parameters: parameters(graph, node, &mut counted),
            macs: macs(graph, node, &shapes),
        });
    }
    Ok(layers)
}

fn parameters<'a>(graph: &'a Graph, node: &'a Node, counted: &mut HashSet<&'a str>) -> u64 {
    let constants =
        node.inputs.iter().filter(|name| counted.insert(name)).filter_map(|name| graph.initializers.get(name));
    constants.filter(|t| t.data.dtype() != DType::I64).map(|t| t.data.len() as u64).sum()
}

/// Products summed by convolutions and linear layers; other operators have none.
fn macs(graph: &Graph, node: &Node, shapes: &Shapes) -> u64 {
    let outputs = shape::sample_len(&shapes[&node.outputs[0]]).unwrap_or(0) as u64;
    let dims = |position: usize| {
        let name = node.input(position)?;
        let constant = graph.initializers.get(name).map(|t| t.dims.clone());
        constant.or_else(|| {
            shapes.get(name)?.shape.iter().map(|d| if let Dim::Fixed(d) = d { Some(*d) } else { None }).collect()
        })
    };
    let taps = |dims: &[usize]| dims.iter().map(|&d| d as u64).product::<u64>();
    match (&node.op, dims(1)) {
        (Op::Conv { .. }, Some(weights)) => outputs * taps(&weights[1..]),
        (Op::Gemm { transposed: true }, Some(weights)) => outputs * taps(&weights[1..]),
        (Op::Gemm { transposed: false } | Op::MatMul, Some(weights)) => outputs * taps(&weights[..1]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::passes::testing::{graph, node};
    use super::*;
    use crate::graph::{Tensor, Window};

    #[test]
    fn products_and_parameters_by_hand() {
        let zeros = |dims: &[usize]| Tensor::f32(dims, vec![0.0; dims.iter().product()]);
        let window = Window { kernel: [3; 2], strides: [1; 2], dilations: [1; 2], pads: [1; 4] };
        let nodes = vec![
            node("conv", Op::Conv { window, groups: 2 }, &["x", "w", "b"]),
            node("flatten", Op::Flatten { axis: 1 }, &["conv.out"]),
            node("head", Op::Gemm { transposed: true }, &["flatten.out", "v"]),
        ];
        let constants = [("w", zeros(&[6, 1, 3, 3])), ("b", zeros(&[6])), ("v", zeros(&[10, 120]))];
        let costs = layers(&graph(&[2, 4, 5], nodes, &constants)).unwrap();
        let of = |i: usize| (costs[i].parameters, costs[i].macs, shape::display(&costs[i].output));
        assert_eq!(of(0), (60, 6 * 20 * 9, "batch×6×4×5".into()));
        assert_eq!(of(1), (0, 0, "batch×120".into()));
        assert_eq!(of(2), (1200, 1200, "batch×10".into()));
    }
}

//! Weights that are turned after they were dequantized are weights stored the other way: matrices, as PyTorch writes its linear layers, and kernels
//! with their channels last, as TensorFlow Lite stores them.

use crate::graph::{Attribute, Graph, Node, Op, passes};

/// The graph with layers that read such weights as they are stored.
pub(super) fn absorb(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for index in 0..graph.nodes.len() {
        if let Some(stored) = turned_kernel(&mut graph, index) {
            graph.nodes[index] = stored;
        }
    }
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

/// In place of a Transpose of a dequantized kernel, a DequantizeLinear of the kernel turned.
fn turned_kernel(graph: &mut Graph, index: usize) -> Option<Node> {
    let node = graph.nodes[index].clone();
    let behind = graph.nodes[graph.producer(node.input(0)?)?].clone();
    let (Op::Dequantize { axis }, kernel) = (&behind.op, graph.constant(&behind, 0)?) else { return None };
    let rank = kernel.dims.len();
    let perm = node.op.other("Transpose")?.positions("perm", rank, (0..rank).rev().collect())?;
    let is_permutation = rank > 2 && perm.len() == rank && (0..rank).all(|axis| perm.contains(&axis));
    is_permutation.then_some(())?;
    let from_front = if *axis < 0 { axis.checked_add(rank as i64)? } else { *axis };
    let axis = perm.iter().position(|&from| from as i64 == from_front).unwrap_or(0) as i64;
    let kernel = passes::transpose_constant(kernel, &perm)?;
    let name = format!("{}.stored", node.outputs.first()?);
    (!graph.initializers.contains_key(&name)).then_some(())?;
    graph.initializers.insert(name.clone(), kernel);
    let inputs = [&[name], &behind.inputs[1..]].concat();
    Some(Node { op: Op::Dequantize { axis }, inputs, ..node })
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

//! Reshape to N×K, and Squeeze of what a global pool leaves, are Flatten: a form without a batch size in it.

use crate::graph::{Attribute, Graph, Node, Op, ValueInfo, shape};

/// The graph with every such node as Flatten from axis 1.
pub fn recognize(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for i in 0..graph.nodes.len() {
        // Shapes before node i are known by now, whatever comes after it.
        let before = Graph { nodes: graph.nodes[..i].to_vec(), ..graph.clone() };
        let Ok(shapes) = shape::infer(&before) else { break };
        let node = &graph.nodes[i];
        let input = node.input(0).and_then(|x| shapes.get(x));
        if input.is_some_and(|x| reshapes_flat(&graph, node, x) || squeezes_flat(&graph, node, x)) {
            graph.nodes[i].op = Op::Flatten { axis: 1 };
            graph.nodes[i].inputs.truncate(1);
        }
    }
    graph
}

/// Reshape to [0 or −1, K] or [0, −1] or [1, …] with one image a batch.
fn reshapes_flat(graph: &Graph, node: &Node, x: &ValueInfo) -> bool {
    let target = graph.constant(node, 1).and_then(|t| t.as_i64());
    let (Op::Reshape, Some(&[first, second]), Some(len)) = (&node.op, target, shape::sample_len(x)) else {
        return false;
    };
    let batch = matches!(first, 0 | -1) || x.shape.first() == Some(&crate::graph::Dim::Fixed(first as usize));
    batch && (second == -1 && first != -1 || usize::try_from(second) == Ok(len))
}

/// Squeeze of all the dimensions of one after the channels.
fn squeezes_flat(graph: &Graph, node: &Node, x: &ValueInfo) -> bool {
    let Op::Other { op_type, attributes } = &node.op else { return false };
    let mut axes = match (attributes.get("axes"), graph.constant(node, 1)) {
        (Some(Attribute::Ints(axes)), _) => axes.clone(),
        (None, Some(constant)) => constant.as_i64().unwrap_or_default().to_vec(),
        _ => return false,
    };
    let rank = x.shape.len() as i64;
    axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis += rank);
    axes.sort_unstable();
    let ones = shape::sample_dims(x).is_some_and(|dims| dims.iter().skip(1).all(|&d| d == 1));
    op_type == "Squeeze" && ones && rank > 2 && axes == (2..rank).collect::<Vec<_>>()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, listing, node, other};
    use super::*;
    use crate::graph::Tensor;

    #[test]
    fn reshapes_to_rows_become_flatten() {
        let with = |target: &[i64]| {
            let shape = Tensor::i64(&[target.len()], target.to_vec());
            listing(&recognize(&graph(&[2, 3, 3], vec![node("r", Op::Reshape, &["x", "s"])], &[("s", shape)])))[0]
                .1
                .to_string()
        };
        assert_eq!([with(&[0, 18]), with(&[-1, 18]), with(&[0, -1])], ["Flatten"; 3]);
        assert_eq!([with(&[-1, 9]), with(&[0, 2, 9])], ["Reshape"; 2]);
    }

    #[test]
    fn squeezing_a_pooled_image_is_flatten() {
        let axes = Tensor::i64(&[2], vec![2, -1]);
        let nodes =
            vec![node("pool", Op::GlobalAveragePool, &["x"]), node("squeeze", other("Squeeze"), &["pool.out", "axes"])];
        let flat = recognize(&graph(&[2, 3, 3], nodes, &[("axes", axes)]));
        assert_eq!(listing(&flat)[1], ("squeeze", "Flatten"));
        assert_eq!(flat.nodes[1].inputs, ["pool.out"]);
    }
}

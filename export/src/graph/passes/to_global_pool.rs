//! A mean over height and width is a global average pool; without kept dimensions, a flattened one.

use crate::graph::{Attribute, Graph, Node, Op, shape};

/// The graph with every ReduceMean over axes 2 and 3 of N×C×H×W as GlobalAveragePool (and Flatten).
pub fn recognize(graph: &Graph) -> Graph {
    let Ok(shapes) = shape::infer(&without_means(graph)) else { return graph.clone() };
    let rank4 = |value: &str| shapes.get(value).is_some_and(|v| v.shape.len() == 4);
    let nodes = graph.nodes.iter().flat_map(|node| match spatial_mean(graph, node) {
        Some(keep) if node.input(0).is_some_and(rank4) => pooled(node, keep),
        _ => vec![node.clone()],
    });
    Graph { nodes: nodes.collect(), ..graph.clone() }
}

/// The graph with spatial means already as pools, so that shapes can be found past them.
fn without_means(graph: &Graph) -> Graph {
    let nodes = graph.nodes.iter().flat_map(|node| match spatial_mean(graph, node) {
        Some(keep) => pooled(node, keep),
        None => vec![node.clone()],
    });
    Graph { nodes: nodes.collect(), ..graph.clone() }
}

/// Whether `node` is a mean over the last two of four axes; if so, whether it keeps them.
fn spatial_mean(graph: &Graph, node: &Node) -> Option<bool> {
    let Op::Other { op_type, attributes } = &node.op else { return None };
    node.input(0)?;
    // Axes were an attribute before opset 18 and are an input since.
    let mut axes = match (attributes.get("axes"), graph.constant(node, 1)) {
        (Some(Attribute::Ints(axes)), _) => axes.clone(),
        (None, Some(constant)) => constant.as_i64()?.to_vec(),
        _ => return None,
    };
    axes.iter_mut().for_each(|axis| *axis = (*axis + 4) % 4);
    axes.sort_unstable();
    let keep = attributes.get("keepdims") != Some(&Attribute::Int(0));
    (op_type == "ReduceMean" && axes == [2, 3]).then_some(keep)
}

fn pooled(node: &Node, keep: bool) -> Vec<Node> {
    let x = node.inputs[..1].to_vec();
    if keep {
        return vec![Node { op: Op::GlobalAveragePool, inputs: x, ..node.clone() }];
    }
    let between = vec![format!("{}.pooled", node.name)];
    let pool =
        Node { name: format!("{}.pool", node.name), op: Op::GlobalAveragePool, inputs: x, outputs: between.clone() };
    let flatten = Node { op: Op::Flatten { axis: 1 }, inputs: between, ..node.clone() };
    vec![pool, flatten]
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::Tensor;

    fn mean(keepdims: i64) -> Op {
        Op::Other {
            op_type: "ReduceMean".into(),
            attributes: [("keepdims".to_string(), Attribute::Int(keepdims))].into(),
        }
    }

    #[test]
    fn spatial_means_become_pools_and_others_stay() {
        let axes = |axes: &[i64]| Tensor::i64(&[axes.len()], axes.to_vec());
        let of =
            |op, a: &[i64]| recognize(&graph(&[2, 3, 3], vec![node("mean", op, &["x", "axes"])], &[("axes", axes(a))]));
        assert_eq!(listing(&of(mean(1), &[-1, 2])), [("mean", "GlobalAveragePool")]);
        assert_eq!(listing(&of(mean(0), &[2, 3])), [("mean.pool", "GlobalAveragePool"), ("mean", "Flatten")]);
        assert_eq!(listing(&of(mean(1), &[1])), [("mean", "ReduceMean")]);
    }
}

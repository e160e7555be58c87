//! Means and maxima over height and width are pools.

use super::reshape::{is_reshape, reshaped};
use super::rewriter::Rewriter;
use super::transpose::{self, permutation};
use super::window::plain;
use crate::graph::attributes::positions;
use crate::graph::{Attribute, Node, Op, Tensor};

/// ReduceMean or ReduceMax over height, width or both of N×C×H×W.
pub(super) fn into_pool(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (is_mean, attributes) = match (node.op.other("ReduceMean"), node.op.other("ReduceMax")) {
        (Some(mean), _) => (true, mean),
        (_, Some(max)) => (false, max),
        _ => return None,
    };
    let keeps = attributes.int("keepdims", 1)? != 0;
    let x = node.input(0)?.to_string();
    let rank = rw.info(&x)?.shape.len();
    let axes = positions(rw.constant(node, 1)?.as_i64()?, rank)?;
    if let Some((perm, source)) = rw.maker(&x).and_then(|m| Some((permutation(rw, m)?, m.input(0)?.to_string()))) {
        return Some(before_transpose(rw, node, &perm, &source, &axes, keeps));
    }
    if let Some(nodes) = before_reshape(rw, node, &axes, keeps) {
        return Some(nodes);
    }
    let [_, height, width] = rw.sample(node, 0)?[..] else { return None };
    // A dimension of one is its own mean.
    let covers = |axis: usize, extent: usize| axes.contains(&axis) || extent == 1;
    (!axes.is_empty() && !axes.contains(&0) && !axes.contains(&1)).then_some(())?;
    let window = plain([if axes.contains(&2) { height } else { 1 }, if axes.contains(&3) { width } else { 1 }]);
    let op = match is_mean {
        true if covers(2, height) && covers(3, width) => Op::GlobalAveragePool,
        true => Op::AveragePool { window, count_include_pad: false },
        false => Op::MaxPool { window },
    };
    if keeps {
        return Some(vec![Node { op, inputs: vec![x], ..node.clone() }]);
    }
    let pool = rw.part(node, "pool", op, &[&x]);
    let squeeze = squeeze(rw, node, &pool.outputs[0], &axes);
    Some(vec![pool, squeeze])
}

/// The reduction of what stands before a Transpose, with its dimensions kept; the Transpose; and, where wanted, without them.
fn before_transpose(
    rw: &mut Rewriter,
    node: &Node,
    perm: &[usize],
    source: &str,
    axes: &[usize],
    keeps: bool,
) -> Vec<Node> {
    let moved: Vec<i64> = axes.iter().map(|&axis| perm[axis] as i64).collect();
    let moved = rw.add_constant(&format!("{}.axes", node.name), Tensor::i64(&[moved.len()], moved));
    let op =
        Op::Other { op_type: node.op.name().into(), attributes: [("keepdims".to_string(), Attribute::Int(1))].into() };
    let reduced = rw.part(node, "pool", op, &[source, &moved]);
    if keeps {
        let back = Node { op: transpose::op(perm), inputs: reduced.outputs.clone(), ..node.clone() };
        return vec![reduced, back];
    }
    let back = rw.part(node, "back", transpose::op(perm), &[&reduced.outputs[0]]);
    let squeeze = squeeze(rw, node, &back.outputs[0], axes);
    vec![reduced, back, squeeze]
}

/// The reduction of what stands before a Reshape that only adds and drops dimensions of one.
fn before_reshape(rw: &mut Rewriter, node: &Node, axes: &[usize], keeps: bool) -> Option<Vec<Node>> {
    let x = node.input(0)?;
    let source = rw.maker(x).filter(|maker| is_reshape(&maker.op))?.input(0)?.to_string();
    let (from, to) = (rw.sample_of(&source)?, rw.sample_of(x)?);
    // Over samples of C×L it would be lifted again.
    (from.len() != 2 || to.len() != 3).then_some(())?;
    let pairs = transpose::same_axes(&from, &to)?;
    let reduced: Vec<i64> =
        pairs.iter().filter(|(_, axis)| axes.contains(&(axis + 1))).map(|(axis, _)| *axis as i64 + 1).collect();
    (!axes.contains(&0) && !reduced.is_empty()).then_some(())?;
    let extent = |axis: usize| if axes.contains(&(axis + 1)) { 1 } else { to[axis] };
    let dims: Vec<usize> = (0..to.len()).filter(|axis| keeps || !axes.contains(&(axis + 1))).map(extent).collect();
    (!dims.is_empty()).then_some(())?;
    let reduced = rw.add_constant(&format!("{}.axes", node.name), Tensor::i64(&[reduced.len()], reduced));
    let attributes = [("keepdims".to_string(), Attribute::Int(1))].into();
    let op = Op::Other { op_type: node.op.name().into(), attributes };
    let pool = rw.part(node, "pool", op, &[&source, &reduced]);
    let back = reshaped(rw, &node.name, &pool.outputs[0], &node.outputs[0], &dims);
    Some(vec![pool, back])
}

/// `x` without `axes`, as `node` made it.
fn squeeze(rw: &mut Rewriter, node: &Node, x: &str, axes: &[usize]) -> Node {
    let axes: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let axes = rw.add_constant(&format!("{}.axes", node.name), Tensor::i64(&[axes.len()], axes));
    let squeeze = Op::Other { op_type: "Squeeze".into(), attributes: Default::default() };
    Node::new(&node.name, squeeze, &[x, &axes], &node.outputs[0])
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node};
    use super::super::{identity, reshape};
    use super::*;
    use crate::graph::{Graph, shape};

    fn reduce(op_type: &str, keepdims: i64) -> Op {
        Op::Other { op_type: op_type.into(), attributes: [("keepdims".to_string(), Attribute::Int(keepdims))].into() }
    }

    fn axes(axes: &[i64]) -> [(&'static str, Tensor); 1] {
        [("axes", Tensor::i64(&[axes.len()], axes.to_vec()))]
    }

    fn pooled(graph: &Graph) -> Graph {
        rewrite(graph, &[identity::remove, reshape::recognize, transpose::simplify, into_pool])
    }

    #[test]
    fn spatial_means_become_pools_and_others_stay() {
        let of = |op, list: &[i64]| pooled(&graph(&[2, 3, 4], vec![node("mean", op, &["x", "axes"])], &axes(list)));
        assert_eq!(listing(&of(reduce("ReduceMean", 1), &[-1, 2])), [("mean", "GlobalAveragePool")]);
        let dropped = of(reduce("ReduceMean", 0), &[2, 3]);
        assert_eq!(listing(&dropped), [("mean.pool", "GlobalAveragePool"), ("mean", "Flatten")]);
        let rows = Op::AveragePool { window: plain([3, 1]), count_include_pad: false };
        assert_eq!(of(reduce("ReduceMean", 1), &[2]).nodes[0].op, rows);
        assert_eq!(of(reduce("ReduceMax", 1), &[2, 3]).nodes[0].op, Op::MaxPool { window: plain([3, 4]) });
        assert_eq!(listing(&of(reduce("ReduceMean", 1), &[1])), [("mean", "ReduceMean")]);
        assert_eq!(listing(&of(reduce("ReduceMean", 1), &[7])), [("mean", "ReduceMean")]);
    }

    /// Keras: a mean over axes 1 and 2 of what a Transpose has put channels last.
    #[test]
    fn a_mean_over_channels_last() {
        let nodes = vec![
            node("relu", Op::Relu, &["x"]),
            node("t", transpose::op(&[0, 2, 3, 1]), &["relu.out"]),
            node("mean", reduce("ReduceMean", 0), &["t.out", "axes"]),
        ];
        let pooled = pooled(&graph(&[2, 3, 4], nodes, &axes(&[1, 2])));
        assert_eq!(listing(&pooled), [("relu", "Relu"), ("mean.pool", "GlobalAveragePool"), ("mean", "Flatten")]);
        assert_eq!(shape::display(&pooled.outputs[0].shape), "batch×2");
    }

    /// A map of C×L×1 that was made C×L, and its mean over L.
    #[test]
    fn a_mean_over_the_length() {
        let nodes = vec![
            node("relu", Op::Relu, &["x"]),
            node("r", Op::Reshape, &["relu.out", "s"]),
            node("mean", reduce("ReduceMean", 0), &["r.out", "axes"]),
        ];
        let constants = [axes(&[2]), [("s", Tensor::i64(&[3], vec![0, 2, 9]))]].concat();
        let pooled = pooled(&graph(&[2, 9, 1], nodes, &constants));
        assert_eq!(listing(&pooled), [("relu", "Relu"), ("mean.pool", "GlobalAveragePool"), ("mean", "Flatten")]);
    }
}

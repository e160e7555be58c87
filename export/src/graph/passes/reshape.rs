//! Flatten, Reshape, Squeeze and Unsqueeze of samples are one thing: other dimensions for the same values. One after another is one, and one
//! that changes nothing is none.

use super::rewriter::Rewriter;
use crate::graph::attributes::positions;
use crate::graph::{Node, Op, Tensor};

/// Such a node as Flatten from axis 1, or as Reshape to \[0, …\], which keep whatever batch there is.
pub(super) fn recognize(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let from = rw.sample(node, 0)?;
    let to = target(rw, node, &from)?;
    if to == from {
        return rw.bypass(node);
    }
    let x = node.input(0)?;
    let (x, is_merged) = match rw.maker(x).filter(|maker| is_reshape(&maker.op)).and_then(|maker| maker.input(0)) {
        Some(before) if rw.sample_of(before).is_some() => (before.to_string(), true),
        _ => (x.to_string(), false),
    };
    if is_merged && rw.sample_of(&x).as_ref() == Some(&to) {
        let straight = Node { inputs: vec![x], ..node.clone() };
        return Some(vec![Node { op: identity(), ..straight }]);
    }
    if !is_merged && is_recognized(rw, node, &to) {
        return None;
    }
    Some(vec![reshaped(rw, &node.name, &x, node.outputs.first()?, &to)])
}

/// The node that gives samples of `x` the dimensions `to`.
pub(super) fn reshaped(rw: &mut Rewriter, name: &str, x: &str, output: &str, to: &[usize]) -> Node {
    if to.len() == 1 {
        return Node::new(name, Op::Flatten { axis: 1 }, &[x], output);
    }
    let target: Vec<i64> = [0].into_iter().chain(to.iter().map(|&d| d as i64)).collect();
    let shape = rw.add_constant(&format!("{name}.shape"), Tensor::i64(&[target.len()], target));
    Node::new(name, Op::Reshape, &[x, &shape], output)
}

/// A Reshape of a map that makes an output of the graph is left off, and the output declared in the dimensions that it is made in.
pub(super) fn leave_off_the_output(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let is_map = rw.sample(node, 0)?.iter().skip(1).any(|&d| d != 1);
    let output =
        node.outputs.first().filter(|o| is_reshape(&node.op) && is_map && rw.is_output(o) && rw.readers(o) == 1)?;
    let output = output.clone();
    let bypassed = rw.bypass(node)?;
    rw.note_layout(&output, super::SAME_ORDER);
    Some(bypassed)
}

pub(super) fn is_reshape(op: &Op) -> bool {
    matches!(op, Op::Flatten { .. } | Op::Reshape)
}

pub(super) fn identity() -> Op {
    Op::Other { op_type: "Identity".into(), attributes: Default::default() }
}

fn is_recognized(rw: &Rewriter, node: &Node, to: &[usize]) -> bool {
    let kept = || {
        rw.constant(node, 1).and_then(Tensor::as_i64).is_some_and(|t| t.first() == Some(&0) && !t[1..].contains(&-1))
    };
    match node.op {
        Op::Flatten { axis } => axis == 1,
        Op::Reshape => to.len() > 1 && kept(),
        _ => false,
    }
}

/// The dimensions that samples of `from` get; none where the node is something else, or mixes samples.
fn target(rw: &Rewriter, node: &Node, from: &[usize]) -> Option<Vec<usize>> {
    let len = from.iter().try_fold(1usize, |product, &d| product.checked_mul(d))?;
    let rank = from.len() + 1;
    let axes = || positions(rw.constant(node, 1)?.as_i64()?, rank);
    match &node.op {
        Op::Flatten { axis } => {
            let at = positions(&[*axis], rank + 1)?[0];
            (at > 0 && from[..at - 1].iter().all(|&d| d == 1)).then(|| vec![len])
        }
        Op::Reshape => reshape(rw, node, from, len),
        Op::Other { op_type, .. } => match op_type.as_str() {
            "Reshape" => reshape(rw, node, from, len),
            "Squeeze" => {
                let axes = match node.input(1) {
                    Some(_) => axes()?,
                    None => (1..rank).filter(|&axis| from[axis - 1] == 1).collect(),
                };
                let is_one = |&axis: &usize| axis > 0 && from[axis - 1] == 1;
                let left = (1..rank).filter(|axis| !axes.contains(axis)).map(|axis| from[axis - 1]).collect();
                axes.iter().all(is_one).then_some(left)
            }
            "Unsqueeze" => {
                let added = rw.constant(node, 1)?.as_i64()?;
                let axes = positions(added, rank.checked_add(added.len())?)?;
                let mut old = from.iter().copied();
                let dims = (1..rank + axes.len()).map(|axis| if axes.contains(&axis) { Some(1) } else { old.next() });
                let dims = dims.collect::<Option<Vec<_>>>()?;
                (!axes.contains(&0) && old.next().is_none()).then_some(dims)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Reshape to a list in which the batch comes first: as 0, as −1 before what one sample has, or by arithmetic on a shape.
fn reshape(rw: &Rewriter, node: &Node, from: &[usize], len: usize) -> Option<Vec<usize>> {
    let list: Vec<Option<i64>> = match rw.extents.get(node.input(1)?) {
        Some(extents) => extents.values.clone(),
        None => rw.constant(node, 1)?.as_i64()?.iter().map(|&v| Some(v)).collect(),
    };
    let (first, rest) = list.split_first()?;
    let copies_zero = node.op == Op::Reshape;
    let extent = |(axis, value): (usize, &Option<i64>)| match value {
        Some(-1) => Some(None),
        Some(0) if copies_zero => from.get(axis).copied().map(Some),
        Some(extent) => usize::try_from(*extent).ok().map(Some),
        None => None,
    };
    let given: Vec<Option<usize>> = rest.iter().enumerate().map(extent).collect::<Option<_>>()?;
    let product = given.iter().flatten().try_fold(1usize, |product, &d| product.checked_mul(d))?;
    let holes = given.iter().filter(|d| d.is_none()).count();
    let fixed_batch = rw.file_batch.and_then(|batch| i64::try_from(batch).ok());
    let is_batch = match first {
        None => true,
        Some(0) => copies_zero,
        Some(-1) => holes == 0,
        Some(number) => Some(*number) == fixed_batch,
    };
    let rest = len.checked_div(product)?;
    let dims: Vec<usize> = given.into_iter().map(|d| d.unwrap_or(rest)).collect();
    let fits = dims.iter().try_fold(1usize, |product, &d| product.checked_mul(d)) == Some(len);
    (is_batch && holes <= 1 && fits && !dims.is_empty()).then_some(dims)
}

#[cfg(test)]
mod tests {
    use super::super::constants;
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node, other};
    use super::*;
    use crate::graph::{Attribute, Graph, shape};

    fn recognized(graph: &Graph) -> Graph {
        rewrite(graph, &[super::super::identity::remove, constants::fold, recognize])
    }

    #[test]
    fn reshapes_to_rows_become_flatten() {
        let with = |target: &[i64]| {
            let shape = Tensor::i64(&[target.len()], target.to_vec());
            let graph = graph(&[2, 3, 3], vec![node("r", Op::Reshape, &["x", "s"])], &[("s", shape)]);
            listing(&recognized(&graph))[0].1.to_string()
        };
        assert_eq!([with(&[0, 18]), with(&[-1, 18]), with(&[0, -1])], ["Flatten"; 3]);
        assert_eq!([with(&[-1, 9]), with(&[0, 2, 9]), with(&[1, 18])], ["Reshape"; 3]);
    }

    #[test]
    fn squeezing_a_pooled_image_is_flatten() {
        let axes = Tensor::i64(&[2], vec![2, -1]);
        let nodes =
            vec![node("pool", Op::GlobalAveragePool, &["x"]), node("squeeze", other("Squeeze"), &["pool.out", "axes"])];
        let flat = recognized(&graph(&[2, 3, 3], nodes, &[("axes", axes)]));
        assert_eq!(listing(&flat)[1], ("squeeze", "Flatten"));
        assert_eq!(flat.nodes[1].inputs, ["pool.out"]);
    }

    #[test]
    fn one_after_another_is_one_and_there_and_back_is_none() {
        let axes = Tensor::i64(&[1], vec![3]);
        let nodes = || {
            vec![
                node("relu", Op::Relu, &["x"]),
                node("column", other("Unsqueeze"), &["relu.out", "axes"]),
                node("back", other("Squeeze"), &["column.out", "axes"]),
            ]
        };
        let none = recognized(&graph(&[2, 3], nodes(), &[("axes", axes.clone())]));
        assert_eq!(listing(&none), [("relu", "Relu")]);
        let mut nodes = nodes();
        nodes[2] = node("flat", Op::Flatten { axis: 1 }, &["column.out"]);
        let one = recognized(&graph(&[2, 3], nodes, &[("axes", axes)]));
        assert_eq!(listing(&one), [("relu", "Relu"), ("flat", "Flatten")]);
    }

    #[test]
    fn a_map_at_the_output_stays_a_map() {
        let nodes = vec![node("relu", Op::Relu, &["x"]), node("flat", Op::Flatten { axis: 1 }, &["relu.out"])];
        let map = rewrite(&graph(&[2, 3, 3], nodes.clone(), &[]), &[leave_off_the_output]);
        assert_eq!(listing(&map), [("relu", "Relu")]);
        assert_eq!(shape::display(&map.outputs[0].shape), "batch×2×3×3");
        assert!(map.metadata.contains_key("flat.out.layout"));
        let vector = rewrite(&graph(&[2, 1, 1], nodes, &[]), &[leave_off_the_output]);
        assert_eq!(vector.nodes.len(), 2);
    }

    /// Reshape(x, Concat(Gather(Shape(x), 0), −1)).
    #[test]
    fn the_batch_is_followed_through_arithmetic_on_shapes() {
        let attributes = [("axis".to_string(), Attribute::Int(0))].into();
        let nodes = vec![
            node("shape", other("Shape"), &["x"]),
            node("batch", Op::Other { op_type: "Gather".into(), attributes }, &["shape.out", "zero"]),
            node("list", other("Unsqueeze"), &["batch.out", "axes"]),
            node("target", Op::Concat { axis: 0 }, &["list.out", "rest"]),
            node("flat", Op::Reshape, &["x", "target.out"]),
        ];
        let list = |values: &[i64]| Tensor::i64(&[values.len()], values.to_vec());
        let constants = [("zero", Tensor::i64(&[], vec![0])), ("axes", list(&[0])), ("rest", list(&[-1]))];
        let flat = recognized(&graph(&[2, 3, 3], nodes, &constants));
        assert_eq!(listing(&flat), [("flat", "Flatten")]);
        assert_eq!(shape::display(&flat.outputs[0].shape), "batch×18");
        assert!(flat.initializers.is_empty());
    }
}

//! Bounds and slopes that files give as values: Clip, Max and Min with a constant, PRelu; sums, largest and smallest of several.

use super::affine::per_channel;
use super::rewriter::Rewriter;
use crate::graph::{Activation, Node, Op, Tensor};

/// Clip with constant bounds, Max and Min with one constant.
pub(super) fn into_clip(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let is = |op_type: &str| node.op.other(op_type).is_some();
    let (min, max, x) = if is("Clip") {
        let bound = |position, absent| match node.input(position) {
            None => Some(absent),
            Some(value) => scalar(rw.tensor(value)?),
        };
        (bound(1, f32::NEG_INFINITY)?, bound(2, f32::INFINITY)?, node.input(0)?)
    } else {
        let [a, b] = node.inputs.as_slice() else { return None };
        let (x, bound) = if rw.tensor(b).is_some() { (a, b) } else { (b, a) };
        match scalar(rw.tensor(bound)?)? {
            bound if is("Max") => (bound, f32::INFINITY, x.as_str()),
            bound if is("Min") => (f32::NEG_INFINITY, bound, x.as_str()),
            _ => return None,
        }
    };
    let op = if (min, max) == (0.0, f32::INFINITY) { Op::Relu } else { Op::Clip { min, max } };
    Some(vec![Node { op, inputs: vec![x.into()], ..node.clone() }])
}

fn scalar(tensor: &Tensor) -> Option<f32> {
    match tensor.as_f32()? {
        &[value] => Some(value),
        _ => None,
    }
}

/// PRelu of one slope is LeakyRelu; of one slope a channel, Relu(x) + slope · Min(x, 0).
pub(super) fn prelu(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    node.op.other("PRelu")?;
    let slopes = per_channel(rw.constant(node, 1)?, &rw.sample(node, 0)?)?;
    let x = node.input(0)?;
    let first = *slopes.first()?;
    if slopes.iter().all(|&slope| slope == first) {
        let op = Op::Activation(Activation::LeakyRelu { alpha: first as f32 });
        return Some(vec![Node { op, inputs: vec![x.into()], ..node.clone() }]);
    }
    let above = rw.part(node, "above", Op::Relu, &[x]);
    let below = rw.part(node, "below", Op::Clip { min: f32::NEG_INFINITY, max: 0.0 }, &[x]);
    let scaled = rw.part(node, "scaled", Op::Mul, &[&below.outputs[0], node.input(1)?]);
    let inputs = vec![above.outputs[0].clone(), scaled.outputs[0].clone()];
    Some(vec![above, below, scaled, Node { op: Op::Add, inputs, ..node.clone() }])
}

/// Sum of several values as Adds of two; Max and Min of several as ones of two.
pub(super) fn of_several(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let op = match node.op.name() {
        "Sum" => Op::Add,
        "Max" | "Min" if node.inputs.len() > 2 => node.op.clone(),
        _ => return None,
    };
    let (last, first) = node.inputs.split_last()?;
    let (start, middle) = first.split_first()?;
    let mut nodes: Vec<Node> = Vec::new();
    let mut so_far = start.clone();
    for term in middle {
        let part = rw.part(node, "part", op.clone(), &[&so_far, term]);
        so_far = part.outputs[0].clone();
        nodes.push(part);
    }
    nodes.push(Node { op, inputs: vec![so_far, last.clone()], ..node.clone() });
    Some(nodes)
}

/// The larger of two activations of one shape is a + Relu(b − a), the smaller a − Relu(a − b).
pub(super) fn larger_or_smaller(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let [a, b] = node.inputs.as_slice() else { return None };
    let fits = rw.sample(node, 0)? == rw.sample(node, 1)? && [a, b].iter().all(|value| rw.tensor(value).is_none());
    let subtract = || Op::Other { op_type: "Sub".into(), attributes: Default::default() };
    let (from, less, op) = match node.op.name() {
        "Max" if fits => (b, a, Op::Add),
        "Min" if fits => (a, b, subtract()),
        _ => return None,
    };
    let difference = rw.part(node, "difference", subtract(), &[from, less]);
    let beyond = rw.part(node, "beyond", Op::Relu, &[&difference.outputs[0]]);
    let inputs = vec![a.clone(), beyond.outputs[0].clone()];
    Some(vec![difference, beyond, Node { op, inputs, ..node.clone() }])
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node, other};
    use super::*;

    fn rewritten(nodes: Vec<Node>, constants: &[(&str, Tensor)]) -> crate::graph::Graph {
        rewrite(&graph(&[2, 1, 1], nodes, constants), &[into_clip, prelu, of_several, larger_or_smaller])
    }

    #[test]
    fn bounds_as_constants() {
        let c = |value| ("c", Tensor::f32(&[], vec![value]));
        let of = |op_type, inputs: &[&str], constants: &[(&str, Tensor)]| {
            rewritten(vec![node("n", other(op_type), inputs)], constants).nodes[0].op.clone()
        };
        assert_eq!(of("Max", &["c", "x"], &[c(0.0)]), Op::Relu);
        assert_eq!(of("Min", &["x", "c"], &[c(6.0)]), Op::Clip { min: f32::NEG_INFINITY, max: 6.0 });
        assert_eq!(of("Clip", &["x", "", "c"], &[c(6.0)]), Op::Clip { min: f32::NEG_INFINITY, max: 6.0 });
        assert_eq!(of("Max", &["x", "c"], &[("c", Tensor::f32(&[2], vec![0.0; 2]))]).name(), "Max");
    }

    #[test]
    fn slopes() {
        let with = |slopes: Vec<f32>| {
            let slopes = Tensor::f32(&[slopes.len(), 1, 1], slopes);
            rewritten(vec![node("p", other("PRelu"), &["x", "s"])], &[("s", slopes)])
        };
        let leaky = |alpha| Op::Activation(Activation::LeakyRelu { alpha });
        assert_eq!(with(vec![0.25]).nodes[0].op, leaky(0.25));
        assert_eq!(with(vec![0.5, 0.5]).nodes[0].op, leaky(0.5));
        let expected = [("p.above", "Relu"), ("p.below", "Clip"), ("p.scaled", "Mul"), ("p", "Add")];
        assert_eq!(listing(&with(vec![0.25, 0.5])), expected);
    }

    #[test]
    fn larger_and_smaller_of_two() {
        let of = |op_type| {
            let nodes = vec![node("r", Op::Relu, &["x"]), node("m", other(op_type), &["x", "r.out"])];
            let graph = rewritten(nodes, &[]);
            graph.nodes[1..].iter().map(|n| (n.op.name().to_string(), n.inputs.join(" "))).collect::<Vec<_>>()
        };
        let relu = ("Relu".to_string(), "m.difference".to_string());
        let sub = |inputs: &str| ("Sub".to_string(), inputs.to_string());
        assert_eq!(of("Max"), [sub("r.out x"), relu.clone(), ("Add".into(), "x m.beyond".into())]);
        assert_eq!(of("Min"), [sub("x r.out"), relu, sub("x m.beyond")]);
        let several = rewritten(vec![node("m", other("Max"), &["x", "c", "x"])], &[("c", Tensor::f32(&[], vec![0.0]))]);
        assert_eq!(several.nodes[0].op, Op::Relu);
    }

    #[test]
    fn sums_of_several() {
        let three = rewritten(vec![node("s", other("Sum"), &["x", "x", "x"])], &[]);
        assert_eq!(listing(&three), [("s.part", "Add"), ("s", "Add")]);
    }
}

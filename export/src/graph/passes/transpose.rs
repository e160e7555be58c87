//! Transposes meet each other and cancel, or come to an end of the network, where the other order is declared.
//!
//! Networks that were trained channels last (TensorFlow, Keras) are written with a Transpose around every convolution. With
//! [`sink`](super::sink), which moves them towards the output, what is left of them is one at the input and one before the dense layers.

use super::reshape::{is_reshape, reshaped};
use super::rewriter::Rewriter;
use super::sink;
use crate::graph::{Attribute, Node, Op};

/// The permutation of a Transpose that keeps the batch first.
pub(super) fn permutation(rw: &Rewriter, node: &Node) -> Option<Vec<usize>> {
    let attributes = node.op.other("Transpose")?;
    let rank = rw.info(node.input(0)?)?.shape.len();
    let perm = attributes.positions("perm", rank, (0..rank).rev().collect())?;
    let is_permutation = perm.len() == rank && (0..rank).all(|axis| perm.contains(&axis));
    (is_permutation && perm.first() == Some(&0)).then_some(perm)
}

/// `Transpose` with a permutation.
pub(super) fn op(perm: &[usize]) -> Op {
    let perm = Attribute::Ints(perm.iter().map(|&axis| axis as i64).collect());
    Op::Other { op_type: "Transpose".into(), attributes: [("perm".to_string(), perm)].into() }
}

/// A Transpose that changes nothing, follows another, only moves dimensions of one, or stands at the network's input.
pub(super) fn simplify(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let perm = permutation(rw, node)?;
    let x = node.input(0)?.to_string();
    if perm.iter().enumerate().all(|(i, &axis)| i == axis) {
        return rw.bypass(node);
    }
    if let Some((before, first)) =
        rw.maker(&x).and_then(|maker| Some((maker.input(0)?.to_string(), permutation(rw, maker)?)))
    {
        let both: Vec<usize> = perm.iter().map(|&axis| first[axis]).collect();
        return Some(vec![Node { op: op(&both), inputs: vec![before], ..node.clone() }]);
    }
    let from = rw.sample_of(&x)?;
    let to: Vec<usize> = perm[1..].iter().map(|&axis| from[axis - 1]).collect();
    if real_axes(&from).into_iter().eq(perm[1..].iter().map(|&axis| axis - 1).filter(|&axis| from[axis] != 1)) {
        return Some(vec![reshaped(rw, &node.name, &x, node.outputs.first()?, &to)]);
    }
    at_the_input(rw, node, &x, &perm, &to).or_else(|| before_a_reshape(rw, node, &x, &perm, &to))
}

/// Axes of a sample that have more than one value.
fn real_axes(sample: &[usize]) -> Vec<usize> {
    (0..sample.len()).filter(|&axis| sample[axis] != 1).collect()
}

/// The axes of two samples that hold the same values, in pairs, where they differ in dimensions of one alone.
pub(super) fn same_axes(from: &[usize], to: &[usize]) -> Option<Vec<(usize, usize)>> {
    let (outer, inner) = (real_axes(from), real_axes(to));
    let same = outer.iter().map(|&axis| from[axis]).eq(inner.iter().map(|&axis| to[axis]));
    same.then(|| outer.into_iter().zip(inner).collect())
}

/// Most operators between the network's input and the Transpose that is to be moved there: scalings of pixels, and their quantization.
const MOST_SCALINGS: usize = 16;

/// The operand of arithmetic with constants, or of a step to or from bytes of one scale.
fn scaled_operand(rw: &Rewriter, node: &Node) -> Option<usize> {
    if is_step_of_one_scale(rw, node) {
        return Some(0);
    }
    let [left, right] = node.inputs.as_slice() else { return None };
    let beside_one_value = || {
        let operand = if is_one_stored_value(rw, left) { 1 } else { 0 };
        let is_beside = is_one_stored_value(rw, left) != is_one_stored_value(rw, right);
        (is_beside && matches!(node.op, Op::Add | Op::Mul)).then_some(operand)
    };
    sink::only_operand(rw, node).or_else(beside_one_value)
}

/// A QuantizeLinear or DequantizeLinear that treats all values alike.
pub(super) fn is_step_of_one_scale(rw: &Rewriter, node: &Node) -> bool {
    let is_step = matches!(node.op, Op::Quantize { .. } | Op::Dequantize { .. });
    is_step && rw.constant(node, 1).is_some_and(|scale| scale.data.len() == 1)
}

/// Whether a DequantizeLinear of a constant makes a single value.
fn is_one_stored_value(rw: &Rewriter, value: &str) -> bool {
    let stored = rw.maker(value).filter(|maker| matches!(maker.op, Op::Dequantize { .. }));
    stored.and_then(|maker| rw.constant(maker, 0)).is_some_and(|constant| constant.data.len() == 1)
}

/// The network's input is declared in the order in which its only reader wants it; arithmetic with constants in between follows.
fn at_the_input(rw: &mut Rewriter, node: &Node, x: &str, perm: &[usize], to: &[usize]) -> Option<Vec<Node>> {
    let mut scalings: Vec<(Node, usize)> = Vec::new();
    let mut value = x.to_string();
    while !rw.is_input(&value) {
        let maker = rw.maker(&value).filter(|_| scalings.len() < MOST_SCALINGS && rw.readers(&value) == 1)?.clone();
        let operand = scaled_operand(rw, &maker)?;
        value = maker.input(operand)?.to_string();
        scalings.push((maker, operand));
    }
    let keeps_shape = rw.sample_of(&value)? == rw.sample_of(x)?;
    let alone = rw.readers(&value) == 1 && !rw.is_output(node.outputs.first()?);
    (alone && keeps_shape).then_some(())?;
    let mut turned: Vec<Node> = Vec::new();
    let mut last = value.clone();
    for (mut scaling, operand) in scalings.into_iter().rev() {
        let keeps_constants = is_step_of_one_scale(rw, &scaling);
        for position in (0..scaling.inputs.len()).filter(|&position| position != operand && !keeps_constants) {
            let Some(constant) = rw.constant(&scaling, position) else { continue };
            let constant = sink::turned(constant, perm)?;
            scaling.inputs[position] = rw.add_constant(&format!("{}.turned", scaling.inputs[position]), constant);
        }
        scaling.inputs[operand] = last;
        last = rw.fresh(&format!("{}.turned", scaling.outputs.first()?));
        scaling.outputs = vec![last.clone()];
        turned.push(scaling);
    }
    let from_last: Vec<usize> = [0, perm.len() - 1].into_iter().chain(1..perm.len() - 1).collect();
    rw.declare_input(&value, to, if perm == from_last { super::CHANNELS_LAST } else { super::OTHER_ORDER })?;
    let Some(end) = turned.last_mut() else { return rw.bypass(node) };
    end.outputs = node.outputs.clone();
    Some(turned)
}

/// Transpose(Reshape(z)), where the Reshape only adds and drops dimensions of one, is Reshape(Transpose(z)): nearer to other Transposes.
fn before_a_reshape(rw: &mut Rewriter, node: &Node, x: &str, perm: &[usize], to: &[usize]) -> Option<Vec<Node>> {
    let reshape = rw.maker(x).filter(|maker| is_reshape(&maker.op))?;
    let z = reshape.input(0)?.to_string();
    let (source, from) = (rw.sample_of(&z)?, rw.sample_of(x)?);
    let pairs = same_axes(&source, &from)?;
    // The real axes change places among themselves; those of one stay.
    let order = perm[1..].iter().filter_map(|&axis| pairs.iter().find(|(_, inner)| *inner == axis - 1));
    let mut turned: Vec<usize> = (0..=source.len()).collect();
    for ((place, _), (real, _)) in pairs.iter().zip(order) {
        turned[place + 1] = real + 1;
    }
    let transpose = rw.part(node, "before", op(&turned), &[&z]);
    let back = reshaped(rw, &node.name, &transpose.outputs[0], node.outputs.first()?, to);
    Some(vec![transpose, back])
}

/// A Transpose that makes an output of the graph is left off, and the output declared in the order that it is made in.
pub(super) fn leave_off_the_output(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let perm = permutation(rw, node)?;
    let output = node.outputs.first().filter(|o| rw.is_output(o) && rw.readers(o) == 1)?.clone();
    let bypassed = rw.bypass(node)?;
    let to_last: Vec<usize> = [0].into_iter().chain(2..perm.len()).chain([1]).collect();
    rw.note_layout(&output, if perm == to_last { super::CHANNELS_LAST } else { super::OTHER_ORDER });
    Some(bypassed)
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::{Graph, Tensor, shape};

    fn simplified(graph: &Graph) -> Graph {
        rewrite(graph, &[super::super::identity::remove, super::super::reshape::recognize, simplify])
    }

    #[test]
    fn pairs_cancel_and_runs_become_one() {
        let pair = |second: &[usize]| {
            let nodes = vec![
                node("relu", Op::Relu, &["x"]),
                node("a", op(&[0, 2, 3, 1]), &["relu.out"]),
                node("b", op(second), &["a.out"]),
            ];
            simplified(&graph(&[2, 3, 4], nodes, &[]))
        };
        assert_eq!(listing(&pair(&[0, 3, 1, 2])), [("relu", "Relu")]);
        let one = pair(&[0, 2, 3, 1]);
        assert_eq!(listing(&one), [("relu", "Relu"), ("b", "Transpose")]);
        assert_eq!(shape::display(&one.outputs[0].shape), "batch×4×2×3");
    }

    #[test]
    fn at_the_input_the_other_order_is_declared() {
        let nodes = vec![node("t", op(&[0, 3, 1, 2]), &["x"]), node("relu", Op::Relu, &["t.out"])];
        let declared = simplified(&graph(&[4, 5, 2], nodes, &[]));
        assert_eq!(listing(&declared), [("relu", "Relu")]);
        assert_eq!(shape::display(&declared.inputs[0].shape), "batch×2×4×5");
        assert!(crate::graph::passes::had_channels_last(&declared.metadata, "x"));
    }

    /// Pixels scaled by 2 and shifted by one value a channel, channels last.
    #[test]
    fn scalings_at_the_input_follow_it() {
        let constants = [("two", Tensor::f32(&[], vec![2.0])), ("shift", Tensor::f32(&[2], vec![3.0, 4.0]))];
        let nodes = vec![
            node("scale", Op::Mul, &["x", "two"]),
            node("add", Op::Add, &["shift", "scale.out"]),
            node("t", op(&[0, 3, 1, 2]), &["add.out"]),
        ];
        let nodes = [nodes, vec![node("relu", Op::Relu, &["t.out"])]].concat();
        let declared = simplified(&graph(&[4, 5, 2], nodes, &constants));
        assert_eq!(listing(&declared), [("scale", "Mul"), ("add", "Add"), ("relu", "Relu")]);
        assert_eq!(shape::display(&declared.inputs[0].shape), "batch×2×4×5");
        assert_eq!(declared.initializers["shift.turned"], Tensor::f32(&[1, 2, 1, 1], vec![3.0, 4.0]));
        assert_eq!(shape::display(&shape::infer(&declared).unwrap()["relu.out"].shape), "batch×2×4×5");
    }

    /// Pixels quantized, doubled by a stored constant, quantized again, then turned.
    #[test]
    fn quantization_at_the_input_follows_it() {
        let byte = |value| Tensor::new(&[], crate::graph::Data::I8(vec![value]));
        let constants = [
            ("s", Tensor::f32(&[], vec![0.5])),
            ("z", byte(-128)),
            ("two", byte(4)),
            ("scales", Tensor::f32(&[2], vec![0.5, 0.25])),
        ];
        let with = |scale: &str| {
            let nodes = vec![
                node("q", Op::Quantize { axis: 1 }, &["x", scale, "z"]),
                node("dq", Op::Dequantize { axis: 1 }, &["q.out", scale, "z"]),
                node("stored", Op::Dequantize { axis: 0 }, &["two", "s"]),
                node("double", Op::Mul, &["dq.out", "stored.out"]),
                node("q2", Op::Quantize { axis: 1 }, &["double.out", "s", "z"]),
                node("t", op(&[0, 3, 1, 2]), &["q2.out"]),
                node("relu", Op::Relu, &["t.out"]),
            ];
            simplified(&graph(&[4, 5, 2], nodes, &constants))
        };
        let declared = with("s");
        assert!(declared.nodes.iter().all(|node| node.op.name() != "Transpose"), "{:?}", listing(&declared));
        assert_eq!(shape::display(&declared.inputs[0].shape), "batch×2×4×5");
        assert_eq!(with("scales").inputs[0].shape.len(), 4);
        assert_eq!(shape::display(&with("scales").inputs[0].shape), "batch×4×5×2", "one scale a row");
    }

    #[test]
    fn an_input_that_others_read_keeps_its_order() {
        let nodes = vec![
            node("t", op(&[0, 3, 1, 2]), &["x"]),
            node("side", Op::Relu, &["x"]),
            node("relu", Op::Relu, &["t.out"]),
        ];
        let mut both = graph(&[4, 5, 2], nodes, &[]);
        both.outputs.push(crate::graph::ValueInfo { name: "side.out".into(), ..both.inputs[0].clone() });
        assert_eq!(simplified(&both).nodes.len(), 3);
    }

    #[test]
    fn dimensions_of_one_move_by_a_reshape() {
        let nodes = vec![node("relu", Op::Relu, &["x"]), node("t", op(&[0, 2, 3, 1]), &["relu.out"])];
        let reshaped = simplified(&graph(&[5, 1, 1], nodes, &[]));
        assert_eq!(listing(&reshaped), [("relu", "Relu"), ("t", "Reshape")]);
        assert_eq!(shape::display(&reshaped.outputs[0].shape), "batch×1×1×5");
    }

    /// [C,1,L] → [1,L,C] → [L,1,C] → [C,L,1], as Keras pools in one dimension after convolving in one.
    #[test]
    fn a_reshape_between_two_is_no_obstacle() {
        let nodes = vec![
            node("relu", Op::Relu, &["x"]),
            node("a", op(&[0, 2, 3, 1]), &["relu.out"]),
            node("r", Op::Reshape, &["a.out", "s"]),
            node("b", op(&[0, 3, 1, 2]), &["r.out"]),
        ];
        let column = simplified(&graph(&[3, 1, 7], nodes, &[("s", Tensor::i64(&[4], vec![0, 7, 1, 3]))]));
        assert_eq!(listing(&column), [("relu", "Relu"), ("b", "Reshape")]);
        assert_eq!(shape::display(&column.outputs[0].shape), "batch×3×7×1");
    }

    #[test]
    fn at_the_output_the_other_order_is_declared() {
        let nodes = vec![node("relu", Op::Relu, &["x"]), node("t", op(&[0, 2, 3, 1]), &["relu.out"])];
        let declared = rewrite(&graph(&[2, 4, 5], nodes, &[]), &[leave_off_the_output]);
        assert_eq!(listing(&declared), [("relu", "Relu")]);
        assert_eq!(shape::display(&declared.outputs[0].shape), "batch×2×4×5");
        assert!(crate::graph::passes::had_channels_last(&declared.metadata, "t.out"));
    }
}

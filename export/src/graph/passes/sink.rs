//! Transposes and Reshapes move past operators that treat all values alike, towards the output, where they meet others of their kind.

use super::arrays::{expand, gather, strides, transpose as transposed};
use super::reshape::{is_reshape, reshaped};
use super::rewriter::Rewriter;
use super::transpose::{self, permutation};
use crate::graph::{Node, Op, Tensor};

/// What stands before an operator and could as well stand behind it.
#[derive(PartialEq)]
enum Move {
    Transpose(Vec<usize>),
    /// From the dimensions of a sample to others.
    Reshape(Vec<usize>, Vec<usize>),
}

/// An elementwise operator, a Concat or a Softmax whose operands have been moved moves first.
pub(super) fn sink(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let mut moves: Vec<_> = node.inputs.iter().filter_map(|input| moved(rw, input)).collect();
    // Beside a Transpose, a Reshape of a vector can give it another direction.
    let position = moves.iter().position(|(other, _)| matches!(other, Move::Transpose(_))).unwrap_or(0);
    let first = if moves.is_empty() { return None } else { moves.swap_remove(position) };
    if matches!(node.op, Op::Quantize { .. } | Op::Dequantize { .. }) {
        // One scale for all; and what reshapes stays among bytes, as files have it.
        (rw.constant(node, 1)?.data.len() == 1 && matches!(first.0, Move::Transpose(_))).then_some(())?;
    }
    let (mut inputs, mut vectors) = (Vec::new(), Vec::new());
    for input in node.inputs.iter().take(operands(&node.op)?) {
        inputs.push(match moved(rw, input) {
            Some((other, source)) if fits(&other, &first.0, &node.op) => source,
            other => match vector_before(rw, node, input, &first.0) {
                Some(vector) => {
                    vectors.push(vector);
                    vectors[vectors.len() - 1].outputs[0].clone()
                }
                None if other.is_some() => return None,
                None => constant_before(rw, input, &first.0)?,
            },
        });
    }
    let op = before(&node.op, &first.0)?;
    inputs.extend(node.inputs.iter().skip(inputs.len()).cloned());
    let output = rw.fresh(&format!("{}.moved", node.outputs.first()?));
    let (name, to) = (rw.fresh(&format!("{}.back", node.name)), node.outputs.first()?);
    let back = match first.0 {
        Move::Transpose(perm) => Node::new(&name, transpose::op(&perm), &[&output], to),
        Move::Reshape(_, dims) => {
            let dims = if matches!(op, Op::Concat { .. }) { joined(rw, &inputs, &dims)? } else { dims };
            reshaped(rw, &name, &output, to, &dims)
        }
    };
    vectors.extend([Node { op, inputs, outputs: vec![output], name: node.name.clone() }, back]);
    Some(vectors)
}

/// A vector that meets a turned map, such as a gate 1×1×C, in the direction that it has before the map is turned.
fn vector_before(rw: &mut Rewriter, node: &Node, value: &str, first: &Move) -> Option<Node> {
    let (Op::Add | Op::Mul, Move::Transpose(perm)) = (&node.op, first) else { return None };
    let dims = rw.sample_of(value).filter(|_| rw.tensor(value).is_none())?;
    let is_vector = dims.iter().filter(|&&extent| extent != 1).count() <= 1;
    (is_vector && perm.len() == dims.len() + 1 && perm[0] == 0).then_some(())?;
    let mut before = vec![1; dims.len()];
    for (&axis, &extent) in perm[1..].iter().zip(&dims) {
        before[axis - 1] = extent;
    }
    let name = rw.fresh(&format!("{value}.turned"));
    Some(reshaped(rw, &name, value, &name, &before))
}

/// How many inputs of an operator are values that it treats alike; none where it is no such operator.
fn operands(op: &Op) -> Option<usize> {
    match op {
        Op::Relu | Op::Clip { .. } | Op::Activation(_) | Op::Softmax { .. } | Op::LogSoftmax { .. } => Some(1),
        Op::BatchNorm { .. } | Op::Quantize { .. } | Op::Dequantize { .. } => Some(1),
        Op::Add | Op::Mul => Some(2),
        Op::Concat { .. } => Some(usize::MAX),
        Op::Other { op_type, .. } => match op_type.as_str() {
            "Sub" | "Div" | "Max" | "Min" => Some(2),
            "Neg" | "Abs" | "Sqrt" | "Exp" | "Erf" => Some(1),
            _ => None,
        },
        _ => None,
    }
}

/// The move that makes `value`, and what it moves.
fn moved(rw: &Rewriter, value: &str) -> Option<(Move, String)> {
    let maker = rw.maker(value)?;
    let source = maker.input(0)?.to_string();
    if let Some(perm) = permutation(rw, maker) {
        return Some((Move::Transpose(perm), source));
    }
    is_reshape(&maker.op).then_some(())?;
    Some((Move::Reshape(rw.sample_of(&source)?, rw.sample_of(value)?), source))
}

/// Whether an operand's move is the same as the first one's; operands of a Concat may have other channels.
fn fits(other: &Move, first: &Move, op: &Op) -> bool {
    match (other, first, op) {
        (Move::Reshape(from, to), Move::Reshape(first_from, first_to), Op::Concat { .. }) => {
            let parts = [from, to, first_from, first_to].map(|dims| dims.split_first());
            let [Some(from), Some(to), Some(first_from), Some(first_to)] = parts else { return false };
            from.0 == to.0 && from.1 == first_from.1 && to.1 == first_to.1
        }
        _ => other == first,
    }
}

/// The operator on what stands before the move; none where it would be another one.
fn before(op: &Op, first: &Move) -> Option<Op> {
    let axis_of = |axis: i64, perm: &[usize]| {
        let axis = crate::graph::attributes::positions(&[axis], perm.len())?[0];
        Some(perm[axis] as i64)
    };
    let keeps_channels = match first {
        Move::Reshape(from, to) => from.first() == to.first(),
        Move::Transpose(perm) => perm.get(1) == Some(&1),
    };
    match (op, first) {
        (Op::Concat { axis }, Move::Transpose(perm)) => Some(Op::Concat { axis: axis_of(*axis, perm)? }),
        (Op::Softmax { axis }, Move::Transpose(perm)) => Some(Op::Softmax { axis: axis_of(*axis, perm)? }),
        (Op::LogSoftmax { axis }, Move::Transpose(perm)) => Some(Op::LogSoftmax { axis: axis_of(*axis, perm)? }),
        (Op::Softmax { .. } | Op::LogSoftmax { .. }, Move::Reshape(..)) => None,
        (Op::Concat { axis: 1 }, Move::Reshape(..)) => keeps_channels.then(|| op.clone()),
        (Op::Concat { .. }, Move::Reshape(..)) => None,
        // Over samples of C×L it would be lifted again.
        (Op::BatchNorm { .. }, Move::Reshape(from, _)) => (keeps_channels && from.len() != 2).then(|| op.clone()),
        (Op::BatchNorm { .. }, _) => keeps_channels.then(|| op.clone()),
        _ => Some(op.clone()),
    }
}

/// The dimensions behind the move of a Concat of several.
fn joined(rw: &Rewriter, inputs: &[String], dims: &[usize]) -> Option<Vec<usize>> {
    let channels = inputs.iter().map(|input| rw.sample_of(input)?.first().copied());
    let sum = channels.sum::<Option<usize>>()?;
    Some([&[sum], &dims[1..]].concat())
}

/// The constant that stands to the source as `value` does to what was moved.
fn constant_before(rw: &mut Rewriter, value: &str, first: &Move) -> Option<String> {
    let constant = rw.tensor(value)?.clone();
    let before = match first {
        Move::Transpose(perm) => {
            let mut inverse = vec![0; perm.len()];
            perm.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
            turned(&constant, &inverse)?
        }
        Move::Reshape(from, to) => {
            let whole = expand(&constant, &[&[1], to.as_slice()].concat())?;
            per_channel(&Tensor { dims: [&[1], from.as_slice()].concat(), ..whole })?
        }
    };
    if before == constant {
        return Some(value.into());
    }
    Some(rw.add_constant(&format!("{value}.moved"), before))
}

/// A constant turned as the values are that it meets.
pub(super) fn turned(constant: &Tensor, perm: &[usize]) -> Option<Tensor> {
    let missing = perm.len().checked_sub(constant.dims.len())?;
    let whole = Tensor { dims: [vec![1; missing], constant.dims.clone()].concat(), data: constant.data.clone() };
    transposed(&whole, perm)
}

/// The operand of an elementwise operator whose other inputs are constants.
pub(super) fn only_operand(rw: &Rewriter, node: &Node) -> Option<usize> {
    let count = operands(&node.op).filter(|&count| count <= 2)?;
    let is_alike = !matches!(
        node.op,
        Op::BatchNorm { .. } | Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::Quantize { .. } | Op::Dequantize { .. }
    );
    let mut open = (0..count).filter(|&position| rw.constant(node, position).is_none());
    match (open.next(), open.next()) {
        (Some(operand), None) if is_alike => Some(operand),
        _ => None,
    }
}

/// A constant that has one value, or one a channel, with dimensions that say so; none where it has more.
fn per_channel(whole: &Tensor) -> Option<Tensor> {
    if whole.data.is_empty() {
        return None;
    }
    let ones = vec![1; whole.dims.len()];
    let mut channels = ones.clone();
    channels[1] = *whole.dims.get(1)?;
    [ones, channels].into_iter().find_map(|dims| {
        let first = gather(whole, &dims, &strides(&whole.dims), 0)?;
        (expand(&first, &whole.dims)? == *whole).then_some(first)
    })
}

/// A global pool takes the mean of a channel whatever its shape.
pub(super) fn pool_before_reshape(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (Op::GlobalAveragePool, Some((Move::Reshape(from, to), source))) = (&node.op, moved(rw, node.input(0)?)) else {
        return None;
    };
    (from.len() == 3 && from.first() == to.first()).then_some(())?;
    let dims = [&to[..1], &vec![1; to.len() - 1]].concat();
    let (output, name) = (rw.fresh(&format!("{}.moved", node.outputs[0])), rw.fresh(&format!("{}.back", node.name)));
    let back = reshaped(rw, &name, &output, &node.outputs[0], &dims);
    let pool = Node { inputs: vec![source], outputs: vec![output], ..node.clone() };
    Some(vec![pool, back])
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::{Activation, Graph, shape};

    fn sunk(nodes: Vec<Node>, constants: &[(&str, Tensor)]) -> Graph {
        rewrite(
            &graph(&[4, 5, 2], nodes, constants),
            &[super::super::identity::remove, super::super::reshape::recognize, transpose::simplify, sink],
        )
    }

    fn turn(name: &str, input: &str) -> Node {
        node(name, transpose::op(&[0, 2, 3, 1]), &[input])
    }

    #[test]
    fn a_transpose_moves_past_activations_and_constants() {
        let bias = Tensor::f32(&[4], vec![1.0, 2.0, 3.0, 4.0]);
        let nodes = vec![
            node("relu", Op::Relu, &["x"]),
            turn("t", "relu.out"),
            node("bias", Op::Add, &["t.out", "b"]),
            node("tanh", Op::Activation(Activation::Tanh), &["bias.out"]),
        ];
        let sunk = sunk(nodes, &[("b", bias)]);
        let expected = [("relu", "Relu"), ("bias", "Add"), ("tanh", "Tanh"), ("tanh.back", "Transpose")];
        assert_eq!(listing(&sunk), expected);
        assert_eq!(sunk.initializers["b.moved"].dims, [1, 4, 1, 1]);
        assert_eq!(shape::display(&sunk.outputs[0].shape), "batch×5×2×4");
    }

    #[test]
    fn two_branches_that_moved_alike_meet_before() {
        let with = |op: Op| {
            let nodes = vec![
                node("a", Op::Relu, &["x"]),
                node("b", Op::Activation(Activation::Tanh), &["x"]),
                turn("ta", "a.out"),
                turn("tb", "b.out"),
                node("both", op, &["ta.out", "tb.out"]),
            ];
            sunk(nodes, &[])
        };
        let sum = with(Op::Add);
        assert_eq!(listing(&sum)[2..], [("both", "Add"), ("both.back", "Transpose")]);
        let beside = with(Op::Concat { axis: -1 });
        assert_eq!(beside.nodes[2].op, Op::Concat { axis: 1 });
        assert_eq!(shape::display(&beside.outputs[0].shape), "batch×5×2×8");
    }

    #[test]
    fn a_branch_that_did_not_move_holds_the_other() {
        let nodes = vec![
            node("a", Op::Relu, &["x"]),
            node("r", Op::Reshape, &["a.out", "s"]),
            node("sum", Op::Add, &["r.out", "x"]),
        ];
        let held = sunk(nodes, &[("s", Tensor::i64(&[4], vec![0, 4, 5, 2]))]);
        assert_eq!(listing(&held), [("a", "Relu"), ("sum", "Add")]);
        let nodes = vec![node("a", Op::Relu, &["x"]), turn("t", "a.out"), node("sum", Op::Add, &["t.out", "t2.out"])];
        let nodes = [vec![node("t2", transpose::op(&[0, 2, 3, 1]), &["x"])], nodes].concat();
        assert_eq!(sunk(nodes, &[]).nodes.len(), 3);
    }

    #[test]
    fn a_flattening_moves_past_channels_but_not_past_pixels() {
        let with = |bias: Tensor| {
            let nodes = vec![
                node("relu", Op::Relu, &["x"]),
                node("r", Op::Reshape, &["relu.out", "s"]),
                node("sum", Op::Add, &["r.out", "b"]),
            ];
            sunk(nodes, &[("s", Tensor::i64(&[3], vec![0, 4, 10])), ("b", bias)])
        };
        let channels = with(Tensor::f32(&[4, 1], vec![1.0, 2.0, 3.0, 4.0]));
        assert_eq!(listing(&channels)[1..], [("sum", "Add"), ("sum.back", "Reshape")]);
        assert_eq!(channels.initializers["b.moved"], Tensor::f32(&[1, 4, 1, 1], vec![1.0, 2.0, 3.0, 4.0]));
        let pixels = with(Tensor::f32(&[10], (0..10).map(|i| i as f32).collect()));
        assert_eq!(listing(&pixels)[1..], [("r", "Reshape"), ("sum", "Add")]);
    }
}

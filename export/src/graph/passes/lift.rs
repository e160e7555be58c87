//! Networks over one dimension become networks over two, with the length as height: rows are what the engine streams, so time streams.
//!
//! An operator over C×L works on C×L×1, between a Reshape there and one back; neighbouring Reshapes meet and cancel. What Keras and TensorFlow write
//! as C×1×L is turned upright likewise.

use super::reshape::{identity, is_reshape, reshaped};
use super::rewriter::Rewriter;
use super::sink::only_operand;
use super::transpose::{is_step_of_one_scale, permutation};
use crate::graph::attributes::positions;
use crate::graph::{Attribute, Node, Op, Tensor, Window, shape};

/// A window, a pool or a normalization over samples of C×L.
pub(super) fn lift(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let [channels, length] = rw.sample(node, 0)?[..] else { return None };
    let mut lifted = node.clone();
    let reduced = reduces_length(rw, node);
    match &mut lifted.op {
        Op::GlobalAveragePool | Op::BatchNorm { .. } | Op::Resize { .. } => {}
        Op::Other { op_type, attributes } => match op_type.as_str() {
            "GlobalMaxPool" => {}
            "Conv" | "MaxPool" | "AveragePool" => {
                for (name, neutral) in [("kernel_shape", 1), ("strides", 1), ("dilations", 1)] {
                    widen(attributes.get_mut(name), 1, neutral)?;
                }
                widen(attributes.get_mut("pads"), 2, 0)?;
                if op_type == "Conv" {
                    lifted.inputs[1] = column(rw, node.input(1)?)?;
                }
            }
            "ReduceMean" | "ReduceMax" if reduced => {
                let axes = rw.add_constant(&format!("{}.axes", node.name), Tensor::i64(&[2], vec![2, 3]));
                lifted.inputs[1] = axes;
            }
            _ => return None,
        },
        _ => return None,
    }
    let before = rw.fresh(&format!("{}.column", node.name));
    let before = reshaped(rw, &before, node.input(0)?, &before, &[channels, length, 1]);
    lifted.inputs[0] = before.outputs[0].clone();
    let drops_length = reduced
        && matches!(node.op.other("ReduceMean").or(node.op.other("ReduceMax")), Some(a) if a.int("keepdims", 1) == Some(0));
    if drops_length {
        return Some(vec![before, lifted]);
    }
    let output = lifted.outputs.first_mut()?;
    let to = std::mem::replace(output, rw.fresh(&format!("{output}.column")));
    let axes = rw.add_constant(&format!("{}.width", node.name), Tensor::i64(&[1], vec![3]));
    let squeeze = Op::Other { op_type: "Squeeze".into(), attributes: Default::default() };
    let name = rw.fresh(&format!("{}.back", node.name));
    let back = Node::new(&name, squeeze, &[&lifted.outputs[0].clone(), &axes], &to);
    Some(vec![before, lifted, back])
}

/// An elementwise operator that alone reads an input of C×L: the input can be declared as C×L×1.
pub(super) fn lift_at_input(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let operand = only_operand(rw, node)?;
    let [channels, length] = rw.sample(node, operand)?[..] else { return None };
    let x = node.input(operand)?;
    (rw.is_input(x) && rw.readers(x) == 1 && node.outputs.len() == 1).then_some(())?;
    let before = rw.fresh(&format!("{}.column", node.name));
    let before = reshaped(rw, &before, x, &before, &[channels, length, 1]);
    let mut lifted = node.clone();
    for (position, input) in lifted.inputs.iter_mut().enumerate() {
        if position != operand && !meets(&rw.tensor(input)?.dims, [channels, length]) {
            return None;
        }
        *input = if position == operand { before.outputs[0].clone() } else { widened(rw, input)? };
    }
    let (output, name) = (&node.outputs[0], rw.fresh(&format!("{}.back", node.name)));
    lifted.outputs = vec![rw.fresh(&format!("{output}.column"))];
    let back = reshaped(rw, &name, &lifted.outputs[0], output, &[channels, length]);
    Some(vec![before, lifted, back])
}

/// Whether a constant of `dims` leaves values of C×L as many as they are.
fn meets(dims: &[usize], [channels, length]: [usize; 2]) -> bool {
    let asked = [length, channels].into_iter().chain(core::iter::repeat(1));
    dims.iter().rev().zip(asked).all(|(&found, asked)| found == 1 || found == asked)
}

/// A constant with a last dimension more, so that it meets the same values of C×L×1; one without dimensions meets all.
fn widened(rw: &mut Rewriter, constant: &str) -> Option<String> {
    let tensor = rw.tensor(constant)?;
    if tensor.dims.is_empty() {
        return Some(constant.into());
    }
    let tensor = Tensor { dims: [tensor.dims.as_slice(), &[1]].concat(), data: tensor.data.clone() };
    Some(rw.change_constant(constant, tensor))
}

/// Appends `neutral` to each of the `parts` of a list.
fn widen(list: Option<&mut Attribute>, parts: usize, neutral: i64) -> Option<()> {
    let Some(list) = list else { return Some(()) };
    let Attribute::Ints(values) = list else { return None };
    (values.len() == parts).then_some(())?;
    *values = values.iter().flat_map(|&value| [value, neutral]).collect();
    Some(())
}

/// Weights O×I×K as O×I×K×1.
fn column(rw: &mut Rewriter, weights: &str) -> Option<String> {
    let tensor = rw.tensor(weights).filter(|w| w.dims.len() == 3)?;
    let dims = [tensor.dims.as_slice(), &[1]].concat();
    let tensor = Tensor { dims, data: tensor.data.clone() };
    Some(rw.change_constant(weights, tensor))
}

/// Whether the node is a reduction over the length alone.
fn reduces_length(rw: &Rewriter, node: &Node) -> bool {
    let axes = || positions(rw.constant(node, 1)?.as_i64()?, 3);
    axes() == Some(vec![2])
}

/// A window along the width of samples of C×1×L, where turning them upright is free.
pub(super) fn upright(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let [channels, 1, length] = rw.sample(node, 0)?[..] else { return None };
    let x = node.input(0)?;
    let is_free = rw.maker(x).map_or(rw.readers(x) == 1, |maker| is_reshape(&maker.op));
    let mut turned = node.clone();
    let (window, outputs) = match &mut turned.op {
        Op::Conv { window, .. } => (window, *rw.constant(node, 1)?.dims.first()?),
        Op::MaxPool { window } | Op::AveragePool { window, .. } => (window, channels),
        _ => return None,
    };
    let along_width = window.kernel[0] == 1 && window.pads[0] == 0 && window.pads[2] == 0 && length > 1;
    let [_, width] = shape::window_output(window, [1, length])?;
    (is_free && along_width && node.outputs.len() == 1).then_some(())?;
    *window = Window {
        kernel: [window.kernel[1], 1],
        strides: [window.strides[1], 1],
        dilations: [window.dilations[1], 1],
        pads: [window.pads[1], 0, window.pads[3], 0],
    };
    if let Op::Conv { .. } = node.op {
        let weights = rw.constant(node, 1)?;
        let &[o, i, 1, k] = weights.dims.as_slice() else { return None };
        let weights = Tensor { dims: vec![o, i, k, 1], data: weights.data.clone() };
        turned.inputs[1] = rw.change_constant(node.input(1)?, weights);
    }
    let before = rw.fresh(&format!("{}.column", node.name));
    let before = reshaped(rw, &before, x, &before, &[channels, length, 1]);
    turned.inputs[0] = before.outputs[0].clone();
    let output = rw.fresh(&format!("{}.column", node.outputs[0]));
    turned.outputs = vec![output.clone()];
    let name = rw.fresh(&format!("{}.back", node.name));
    let back = reshaped(rw, &name, &output, &node.outputs[0], &[outputs, 1, width]);
    Some(vec![before, turned, back])
}

/// Branches that each reshape an input of the network alike read one Reshape.
pub(super) fn share_reshape(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let x = node.input(0)?;
    (is_reshape(&node.op) && rw.is_input(x) && rw.readers(x) > 1).then_some(())?;
    let to = rw.info_of(node)?.shape;
    let is_same = |other: &Node| is_reshape(&other.op) && rw.info(&other.outputs[0]).is_some_and(|o| o.shape == to);
    let shared = rw.early_reader(x, is_same)?.outputs[0].clone();
    Some(vec![Node { op: identity(), inputs: vec![shared], ..node.clone() }])
}

/// An input of the network that is reshaped to a map by its only reader is declared as that map.
pub(super) fn declare_input(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (x, output) = (node.input(0)?.to_string(), node.outputs.first()?.clone());
    let to = shape::sample_dims(&rw.info_of(node)?)?;
    let alone = is_reshape(&node.op) && rw.is_input(&x) && rw.readers(&x) == 1 && !rw.is_output(&output);
    (alone && to.len() == 3).then_some(())?;
    rw.declare_input(&x, &to, super::SAME_ORDER)?;
    rw.bypass(node)
}

/// So is one that is turned next, also where it is quantized before it is reshaped: a Transpose finds its way to the input only then.
pub(super) fn declare_turned_input(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    permutation(rw, node)?;
    let reshape = rw.sole_maker(node, 0).filter(|maker| is_reshape(&maker.op))?;
    let (mut x, to) = (reshape.input(0)?.to_string(), rw.sample(node, 0)?);
    let mut steps = Vec::new();
    while !rw.is_input(&x) {
        let step = rw.maker(&x).filter(|maker| steps.len() < 2 && is_step_of_one_scale(rw, maker))?;
        (rw.readers(&x) == 1).then_some(())?;
        steps.push(step.clone());
        x = step.input(0)?.to_string();
    }
    (rw.readers(&x) == 1 && matches!(to.len(), 2 | 3)).then_some(())?;
    rw.declare_input(&x, &to, super::SAME_ORDER)?;
    steps.reverse();
    for step in &mut steps {
        step.inputs[0] = x;
        x = rw.fresh(&format!("{}.shaped", step.outputs.first()?));
        (step.name, step.outputs) = (rw.fresh(&format!("{}.shaped", step.name)), vec![x.clone()]);
    }
    steps.push(Node { inputs: vec![x], ..node.clone() });
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node, other};
    use super::super::{identity, reshape, sink, window};
    use super::*;
    use crate::graph::Graph;

    fn lifted(graph: &Graph) -> Graph {
        let rules = [
            identity::remove,
            reshape::recognize,
            share_reshape,
            declare_input,
            sink::sink,
            sink::pool_before_reshape,
            lift,
            lift_at_input,
            window::resolve,
            upright,
        ];
        rewrite(graph, &rules)
    }

    fn ints(values: &[i64]) -> Attribute {
        Attribute::Ints(values.to_vec())
    }

    fn with(op_type: &str, attributes: &[(&str, Attribute)]) -> Op {
        let attributes = attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Op::Other { op_type: op_type.into(), attributes }
    }

    #[test]
    fn one_dimension_becomes_rows() {
        let conv = with("Conv", &[("kernel_shape", ints(&[3])), ("pads", ints(&[1, 0])), ("strides", ints(&[2]))]);
        let nodes = vec![
            node("conv", conv, &["x", "w"]),
            node("relu", Op::Relu, &["conv.out"]),
            node("pool", with("MaxPool", &[("kernel_shape", ints(&[2]))]), &["relu.out"]),
            node("mean", Op::GlobalAveragePool, &["pool.out"]),
            node("flat", Op::Flatten { axis: 1 }, &["mean.out"]),
        ];
        let w = Tensor::f32(&[4, 2, 3], vec![0.0; 24]);
        let lifted = lifted(&graph(&[2, 9], nodes, &[("w", w)]));
        let expected = [
            ("conv", "Conv"),
            ("relu", "Relu"),
            ("pool", "MaxPool"),
            ("mean", "GlobalAveragePool"),
            ("flat", "Flatten"),
        ];
        assert_eq!(listing(&lifted), expected);
        assert_eq!(shape::display(&lifted.inputs[0].shape), "batch×2×9×1");
        let window = Window { kernel: [3, 1], strides: [2, 1], dilations: [1, 1], pads: [1, 0, 0, 0] };
        assert_eq!(lifted.nodes[0].op, Op::Conv { window, groups: 1 });
        assert_eq!(lifted.initializers["w"].dims, [4, 2, 3, 1]);
        assert_eq!(shape::display(&shape::infer(&lifted).unwrap()["pool.out.column"].shape), "batch×4×3×1");
    }

    /// A factor a channel and a ReLU before the first window: the file's input becomes a map, and no Reshape is left.
    #[test]
    fn one_dimension_may_begin_with_arithmetic() {
        let conv = with("Conv", &[("kernel_shape", ints(&[3]))]);
        let nodes = vec![
            node("scale", Op::Mul, &["factors", "x"]),
            node("relu", Op::Relu, &["scale.out"]),
            node("conv", conv, &["relu.out", "w"]),
            node("mean", Op::GlobalAveragePool, &["conv.out"]),
            node("flat", Op::Flatten { axis: 1 }, &["mean.out"]),
        ];
        let w = Tensor::f32(&[4, 2, 3], vec![0.0; 24]);
        let factors = Tensor::f32(&[2, 1], vec![2.0, 3.0]);
        let lifted = lifted(&graph(&[2, 9], nodes, &[("w", w), ("factors", factors)]));
        let expected =
            [("scale", "Mul"), ("relu", "Relu"), ("conv", "Conv"), ("mean", "GlobalAveragePool"), ("flat", "Flatten")];
        assert_eq!(listing(&lifted), expected);
        assert_eq!(shape::display(&lifted.inputs[0].shape), "batch×2×9×1");
        let factors = &lifted.initializers[&lifted.nodes[0].inputs[0]];
        assert_eq!((factors.dims.as_slice(), factors.as_f32()), (&[2, 1, 1][..], Some(&[2.0, 3.0][..])));
    }

    /// Two convolutions read the input: it is one map for both.
    #[test]
    fn branches_at_the_input() {
        let conv = || with("Conv", &[("kernel_shape", ints(&[3]))]);
        let nodes = vec![
            node("left", conv(), &["x", "w"]),
            node("right", conv(), &["x", "w"]),
            node("sum", Op::Add, &["left.out", "right.out"]),
            node("mean", Op::GlobalAveragePool, &["sum.out"]),
            node("flat", Op::Flatten { axis: 1 }, &["mean.out"]),
        ];
        let branches = graph(&[2, 9], nodes, &[("w", Tensor::f32(&[4, 2, 3], vec![0.0; 24]))]);
        // Once the second branch reads the first one's Reshape, that is the input's only reader.
        let lifted = lifted(&lifted(&branches));
        let expected =
            [("left", "Conv"), ("right", "Conv"), ("sum", "Add"), ("mean", "GlobalAveragePool"), ("flat", "Flatten")];
        assert_eq!(listing(&lifted), expected);
        assert_eq!(shape::display(&lifted.inputs[0].shape), "batch×2×9×1");
    }

    #[test]
    fn width_is_turned_upright() {
        let wide = Window { kernel: [1, 3], strides: [1, 2], dilations: [1, 1], pads: [0, 1, 0, 0] };
        let nodes = vec![
            node("conv", Op::Conv { window: wide, groups: 1 }, &["x", "w"]),
            node("relu", Op::Relu, &["conv.out"]),
            node("pool", Op::MaxPool { window: wide }, &["relu.out"]),
        ];
        let w = Tensor::f32(&[4, 2, 1, 3], vec![0.0; 24]);
        let upright = lifted(&graph(&[2, 1, 9], nodes, &[("w", w)]));
        let expected = [("conv", "Conv"), ("relu", "Relu"), ("pool", "MaxPool"), ("pool.back", "Reshape")];
        assert_eq!(listing(&upright), expected);
        let tall = Window { kernel: [3, 1], strides: [2, 1], dilations: [1, 1], pads: [1, 0, 0, 0] };
        assert_eq!(upright.nodes[2].op, Op::MaxPool { window: tall });
        assert_eq!(shape::display(&upright.inputs[0].shape), "batch×2×9×1");
    }

    /// Twelve values as three channels of four, each behind the other.
    #[test]
    fn a_quantized_input_is_declared_as_the_map_that_it_becomes() {
        let turn = with("Transpose", &[("perm", ints(&[0, 3, 1, 2]))]);
        let nodes = vec![
            node("q", Op::Quantize { axis: 1 }, &["x", "s", "z"]),
            node("dq", Op::Dequantize { axis: 1 }, &["q.out", "s", "z"]),
            node("map", Op::Reshape, &["dq.out", "shape"]),
            node("turn", turn, &["map.out"]),
            node("relu", Op::Relu, &["turn.out"]),
        ];
        let constants = [
            ("s", Tensor::f32(&[], vec![0.5])),
            ("z", Tensor::new(&[], crate::graph::Data::I8(vec![0]))),
            ("shape", Tensor::i64(&[4], vec![-1, 1, 4, 3])),
        ];
        let graph = graph(&[12], nodes, &constants);
        let declared = rewrite(&graph, &[reshape::recognize, declare_turned_input]);
        assert_eq!(shape::display(&declared.inputs[0].shape), "batch×1×4×3");
        let names: Vec<&str> = declared.nodes.iter().map(|node| node.op.name()).collect();
        assert_eq!(names, ["QuantizeLinear", "DequantizeLinear", "Transpose", "Relu"]);
    }

    #[test]
    fn what_has_no_window_is_left() {
        let kept = lifted(&graph(&[2, 9], vec![node("s", other("Softsign"), &["x"])], &[]));
        assert_eq!(listing(&kept), [("s", "Softsign")]);
    }
}

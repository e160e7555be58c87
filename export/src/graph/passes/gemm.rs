//! One kind of linear layer: MatMul, with or without an Add of a bias, and every form of Gemm over constant weights.

use super::arrays::{expand, gather, strides, transpose as transposed};
use super::rewriter::Rewriter;
use super::transpose::{self, permutation};
use super::window::plain;
use crate::graph::attributes::positions;
use crate::graph::{Graph, Node, Op, Tensor};

/// The graph with every MatMul of rows by constant weights (and the Add of a bias) as Gemm.
pub fn recognize(graph: &Graph) -> Graph {
    super::rewriter::rewrite(graph, &[from_matmul, absorb_bias])
}

/// MatMul of N×K by K×O is Gemm; of more dimensions, a convolution of one pixel over channels last.
pub(super) fn from_matmul(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    (node.op == Op::MatMul).then_some(())?;
    let &[inputs, outputs] = rw.constant(node, 1)?.dims.as_slice() else { return None };
    let sample = rw.sample(node, 0)?;
    if sample == [inputs] {
        return Some(vec![Node { op: Op::Gemm { transposed: false }, ..node.clone() }]);
    }
    let rank = sample.len() + 1;
    (matches!(rank, 3 | 4) && sample.last() == Some(&inputs)).then_some(())?;
    let kernel = vec![1; rank - 2];
    let weights = transposed(rw.constant(node, 1)?, &[1, 0])?;
    let weights = Tensor { dims: [&[outputs, inputs], kernel.as_slice()].concat(), ..weights };
    let weights = rw.add_constant(&format!("{}.weight", node.name), weights);
    let last: Vec<usize> = [0].into_iter().chain(2..rank).chain([1]).collect();
    let first: Vec<usize> = [0, rank - 1].into_iter().chain(1..rank - 1).collect();
    let before = rw.part(node, "before", transpose::op(&first), &[node.input(0)?]);
    let op = if rank == 4 {
        Op::Conv { window: plain([1, 1]), groups: 1 }
    } else {
        Op::Other { op_type: "Conv".into(), attributes: Default::default() }
    };
    let conv = rw.part(node, "conv", op, &[&before.outputs[0], &weights]);
    let back = Node { op: transpose::op(&last), inputs: conv.outputs.clone(), ..node.clone() };
    Some(vec![before, conv, back])
}

/// An Add of one constant an output behind a linear layer without a bias that nobody else reads.
pub(super) fn absorb_bias(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (Op::Add, [a, b]) = (&node.op, node.inputs.as_slice()) else { return None };
    let (product, bias) = if rw.tensor(b).is_some() { (a, b) } else { (b, a) };
    let layer = rw.maker(product).filter(|_| rw.readers(product) == 1)?;
    let outputs = match layer.op {
        Op::Gemm { transposed } => *rw.constant(layer, 1)?.dims.get(usize::from(!transposed))?,
        _ => return None,
    };
    let fits = rw.tensor(bias)?.dims == [outputs] && layer.inputs.len() == 2;
    let inputs = [layer.inputs.as_slice(), std::slice::from_ref(bias)].concat();
    fits.then(|| vec![Node { inputs, outputs: node.outputs.clone(), ..layer.clone() }])
}

/// Gemm with factors, which go into its constants; and with a bias that is to be repeated.
pub(super) fn plain_form(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (alpha, beta, is_transposed) = match &node.op {
        Op::Gemm { transposed } => (1.0, 1.0, *transposed),
        op => {
            let a = op.other("Gemm")?;
            (a.int("transA", 0)? == 0).then_some(())?;
            (a.float("alpha", 1.0)?, a.float("beta", 1.0)?, a.int("transB", 0)? != 0)
        }
    };
    let &[rows, columns] = rw.constant(node, 1)?.dims.as_slice() else { return None };
    let outputs = if is_transposed { rows } else { columns };
    let bias = rw.constant(node, 2).cloned();
    let is_vector = node.input(2).is_none() || bias.as_ref().is_some_and(|b| b.dims == [outputs]);
    if matches!(node.op, Op::Gemm { .. }) && is_vector {
        return None;
    }
    let times = |tensor: &Tensor, factor: f32| {
        let values = tensor.as_f32()?.iter().map(|&v| v * factor).collect();
        Some(Tensor::f32(&tensor.dims, values))
    };
    let weights = times(rw.constant(node, 1)?, alpha)?;
    let mut inputs = vec![node.input(0)?.to_string(), String::new()];
    if node.input(2).is_some() {
        let vector = expand(&times(&bias?, beta)?, &[1, outputs])?;
        inputs.push(rw.change_constant(node.input(2)?, Tensor { dims: vec![outputs], ..vector }));
    }
    inputs[1] = rw.change_constant(node.input(1)?, weights);
    Some(vec![Node { op: Op::Gemm { transposed: is_transposed }, inputs, ..node.clone() }])
}

/// A linear layer over a flattened Transpose takes the values in their order before it, and its weights in that order.
pub(super) fn absorb_transpose(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let is_transposed = match node.op {
        Op::Gemm { transposed } => transposed,
        Op::MatMul => false,
        _ => return None,
    };
    let flatten = rw.maker(node.input(0)?).filter(|maker| matches!(maker.op, Op::Flatten { axis: 1 }))?;
    let turn = rw.maker(flatten.input(0)?)?;
    let (perm, source) = (permutation(rw, turn)?, turn.input(0)?.to_string());
    let before = rw.sample_of(&source)?;
    // Quantized weights stay so; one scale an input would have to be turned as well.
    let dequantize = match rw.constant(node, 1) {
        Some(_) => None,
        None => Some(rw.maker(node.input(1)?)?.clone()).filter(|maker| keeps_inputs_alike(rw, maker, is_transposed)),
    };
    let (stored, weights) = match &dequantize {
        Some(dequantize) => (dequantize.input(0)?, rw.constant(dequantize, 0)?),
        None => (node.input(1)?, rw.constant(node, 1)?),
    };
    let &[rows, columns] = weights.dims.as_slice() else { return None };
    // For each input of the layer in the order before the Transpose, where it stands behind it.
    let behind: Vec<usize> = perm[1..].iter().map(|&axis| before[axis - 1]).collect();
    let mut steps = vec![0; before.len()];
    perm[1..].iter().zip(strides(&behind)).for_each(|(&axis, stride)| steps[axis - 1] = stride);
    let inputs = if is_transposed { columns } else { rows };
    (super::arrays::len(&before, inputs) == Some(inputs)).then_some(())?;
    let turned = if is_transposed {
        gather(weights, &[&[rows], before.as_slice()].concat(), &[&[columns], steps.as_slice()].concat(), 0)?
    } else {
        let steps: Vec<usize> = steps.iter().map(|step| step * columns).collect();
        gather(weights, &[before.as_slice(), &[columns]].concat(), &[steps.as_slice(), &[1]].concat(), 0)?
    };
    let turned = Tensor { dims: vec![rows, columns], ..turned };
    let stored = stored.to_string();
    let flat = rw.part(node, "flat", Op::Flatten { axis: 1 }, &[&source]);
    let mut inputs = node.inputs.clone();
    inputs[0] = flat.outputs[0].clone();
    let Some(mut dequantize) = dequantize else {
        inputs[1] = rw.change_constant(&stored, turned);
        return Some(vec![flat, Node { inputs, ..node.clone() }]);
    };
    dequantize.inputs[0] = rw.add_constant(&format!("{stored}.turned"), turned);
    dequantize.name = rw.fresh(&format!("{}.turned", dequantize.name));
    dequantize.outputs = vec![rw.fresh(&format!("{}.turned", node.input(1)?))];
    inputs[1] = dequantize.outputs[0].clone();
    Some(vec![dequantize, flat, Node { inputs, ..node.clone() }])
}

/// Whether a node dequantizes a matrix with one scale for all inputs of a row.
fn keeps_inputs_alike(rw: &Rewriter, node: &Node, is_transposed: bool) -> bool {
    let Op::Dequantize { axis } = node.op else { return false };
    let inputs = usize::from(is_transposed);
    let is_along_outputs = positions(&[axis], 2).is_some_and(|axes| axes != [inputs]);
    let single = |position| rw.constant(node, position).is_none_or(|tensor| tensor.data.len() == 1);
    rw.constant(node, 1).is_some() && (is_along_outputs || single(1) && single(2))
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::Attribute;

    #[test]
    fn a_product_and_its_bias_become_one_layer() {
        let w = Tensor::f32(&[3, 2], vec![0.0; 6]);
        let b = Tensor::f32(&[2], vec![0.0; 2]);
        let nodes = vec![node("product", Op::MatMul, &["x", "w"]), node("sum", Op::Add, &["b", "product.out"])];
        let gemm = recognize(&graph(&[3], nodes, &[("w", w), ("b", b)]));
        assert_eq!(listing(&gemm), [("product", "Gemm")]);
        assert_eq!(gemm.nodes[0].inputs, ["x", "w", "b"]);
        assert_eq!(gemm.nodes[0].outputs, ["sum.out"]);
    }

    #[test]
    fn a_sum_with_something_else_stays() {
        let w = Tensor::f32(&[3, 3], vec![0.0; 9]);
        let nodes = vec![node("product", Op::MatMul, &["x", "w"]), node("sum", Op::Add, &["product.out", "x"])];
        let gemm = recognize(&graph(&[3], nodes, &[("w", w)]));
        assert_eq!(listing(&gemm), [("product", "Gemm"), ("sum", "Add")]);
    }

    #[test]
    fn factors_go_into_the_constants() {
        let attributes =
            [("alpha", Attribute::Float(0.5)), ("beta", Attribute::Float(3.0)), ("transB", Attribute::Int(1))];
        let attributes = attributes.map(|(name, value)| (name.to_string(), value)).into();
        let gemm = node("fc", Op::Other { op_type: "Gemm".into(), attributes }, &["x", "w", "b"]);
        let w = Tensor::f32(&[2, 3], vec![2.0, 4.0, 6.0, 8.0, 10.0, 12.0]);
        let b = Tensor::f32(&[1, 1], vec![5.0]);
        let plain = rewrite(&graph(&[3], vec![gemm], &[("w", w), ("b", b)]), &[plain_form]);
        assert_eq!(plain.nodes[0].op, Op::Gemm { transposed: true });
        assert_eq!(plain.initializers["w"].as_f32().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(plain.initializers["b"], Tensor::f32(&[2], vec![15.0; 2]));
    }

    #[test]
    fn a_product_over_channels_last_is_a_convolution() {
        let w = Tensor::f32(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let conv = rewrite(&graph(&[5, 7, 2], vec![node("m", Op::MatMul, &["x", "w"])], &[("w", w)]), &[from_matmul]);
        assert_eq!(listing(&conv), [("m.before", "Transpose"), ("m.conv", "Conv"), ("m", "Transpose")]);
        assert_eq!(conv.initializers["m.weight"], Tensor::f32(&[3, 2, 1, 1], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]));
    }

    /// Values a…f as 2×1×3 channels first are a d b e c f channels last.
    #[test]
    fn weights_follow_the_values_that_they_meet() {
        let nodes = |transposed| {
            vec![
                node("relu", Op::Relu, &["x"]),
                node("t", transpose::op(&[0, 2, 3, 1]), &["relu.out"]),
                node("f", Op::Flatten { axis: 1 }, &["t.out"]),
                node("fc", Op::Gemm { transposed }, &["f.out", "w"]),
            ]
        };
        let rows = Tensor::f32(&[1, 6], vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let turned = rewrite(&graph(&[2, 1, 3], nodes(true), &[("w", rows.clone())]), &[absorb_transpose]);
        assert_eq!(listing(&turned), [("relu", "Relu"), ("fc.flat", "Flatten"), ("fc", "Gemm")]);
        assert_eq!(turned.initializers["w"].as_f32().unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let columns = transposed(&rows, &[1, 0]).unwrap();
        let turned = rewrite(&graph(&[2, 1, 3], nodes(false), &[("w", columns)]), &[absorb_transpose]);
        assert_eq!(turned.initializers["w"], Tensor::f32(&[6, 1], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    }
}

//! Weights and biases by hand.

use super::super::rewriter::rewrite;
use super::super::testing::{graph, listing, node, other};
use super::*;
use crate::graph::{Graph, Window};

fn folded(graph: &Graph) -> Graph {
    rewrite(graph, &[fold, collect, absorb, difference])
}

fn conv(inputs: &[&str]) -> Node {
    let window = Window { kernel: [1, 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
    node("conv", Op::Conv { window, groups: 1 }, inputs)
}

fn norm() -> Node {
    node("norm", Op::BatchNorm { epsilon: 0.75 }, &["conv.out", "gamma", "beta", "mean", "variance"])
}

fn vector(values: [f32; 2]) -> Tensor {
    Tensor::f32(&[2], values.to_vec())
}

fn constants() -> Vec<(&'static str, Tensor)> {
    vec![
        ("conv.weight", Tensor::f32(&[2, 1, 1, 2], vec![1.0, -2.0, 3.0, 4.0])),
        ("conv.bias", vector([10.0, 20.0])),
        ("gamma", vector([3.0, -1.0])),
        ("beta", vector([0.5, 1.0])),
        ("mean", vector([4.0, 16.0])),
        ("variance", vector([0.25, 3.25])),
    ]
}

#[test]
fn weights_and_bias_by_hand() {
    // s = 3/√1 = 3 and −1/√4 = −0.5; bias 3·(10−4)+0.5 and −0.5·(20−16)+1.
    let folded = folded(&graph(&[1, 1, 2], vec![conv(&["x", "conv.weight", "conv.bias"]), norm()], &constants()));
    assert_eq!(listing(&folded), [("conv", "Conv")]);
    assert_eq!(folded.nodes[0].outputs, ["norm.out"]);
    assert_eq!(folded.initializers["conv.weight"].as_f32().unwrap(), [3.0, -6.0, -1.5, -2.0]);
    assert_eq!(folded.initializers["conv.bias"].as_f32().unwrap(), [18.5, -1.0]);
    assert_eq!(folded.initializers.len(), 2);
}

#[test]
fn a_convolution_without_bias_gets_one() {
    let constants: Vec<_> = constants().into_iter().filter(|(name, _)| *name != "conv.bias").collect();
    let folded = folded(&graph(&[1, 1, 2], vec![conv(&["x", "conv.weight"]), norm()], &constants));
    assert_eq!(folded.nodes[0].inputs, ["x", "conv.weight", "conv.bias"]);
    assert_eq!(folded.initializers["conv.bias"].as_f32().unwrap(), [-11.5, 9.0]);
}

#[test]
fn weights_that_another_layer_shares_are_copied() {
    let mut other = conv(&["x", "conv.weight", "conv.bias"]);
    (other.name, other.outputs) = ("other".into(), vec!["other.out".into()]);
    let sum = node("sum", Op::Add, &["norm.out", "other.out"]);
    let nodes = vec![conv(&["x", "conv.weight", "conv.bias"]), norm(), other, sum];
    let folded = folded(&graph(&[1, 1, 2], nodes, &constants()));
    assert_eq!(folded.initializers["conv.weight"].as_f32().unwrap(), [1.0, -2.0, 3.0, 4.0]);
    assert_eq!(folded.initializers["conv.weight.folded"].as_f32().unwrap(), [3.0, -6.0, -1.5, -2.0]);
    assert_eq!(folded.nodes[0].inputs, ["x", "conv.weight.folded", "conv.bias.folded"]);
}

#[test]
fn a_value_that_somebody_else_reads_is_left() {
    let sum = node("sum", Op::Add, &["norm.out", "conv.out"]);
    let graph = graph(&[1, 1, 2], vec![conv(&["x", "conv.weight"]), norm(), sum], &constants());
    assert_eq!(folded(&graph).nodes, graph.nodes);
}

/// ((conv − 1) · [2, 4]) / 2 + [[1], [3]], in a linear layer and in a convolution.
#[test]
fn arithmetic_with_constants_goes_into_the_layer_before() {
    let scalar = |v: f32| Tensor::f32(&[], vec![v]);
    let chain = |first: &str, shape: &[usize]| {
        let constants = vec![
            ("one", scalar(1.0)),
            ("two", scalar(2.0)),
            ("factor", Tensor::f32(shape, vec![2.0, 4.0])),
            ("term", Tensor::f32(shape, vec![1.0, 3.0])),
            ("conv.weight", Tensor::f32(&[2, 1, 1, 2], vec![1.0, -2.0, 3.0, 4.0])),
            ("fc", Tensor::f32(&[2, 2], vec![1.0, 3.0, -2.0, 4.0])),
        ];
        let nodes = vec![
            node("sub", other("Sub"), &[first, "one"]),
            node("mul", Op::Mul, &["factor", "sub.out"]),
            node("div", other("Div"), &["mul.out", "two"]),
            node("add", Op::Add, &["div.out", "term"]),
        ];
        (nodes, constants)
    };
    let (nodes, constants) = chain("conv.out", &[2, 1, 1]);
    let folded_conv = folded(&graph(&[1, 1, 2], [vec![conv(&["x", "conv.weight"])], nodes].concat(), &constants));
    assert_eq!(listing(&folded_conv), [("conv", "Conv")]);
    assert_eq!(folded_conv.initializers["conv.weight"].as_f32().unwrap(), [1.0, -2.0, 6.0, 8.0]);
    assert_eq!(folded_conv.initializers["conv.bias"].as_f32().unwrap(), [0.0, 1.0]);
    let (nodes, constants) = chain("fc.out", &[2]);
    let gemm = node("fc", Op::Gemm { transposed: false }, &["x", "fc"]);
    let folded_gemm = folded(&graph(&[2], [vec![gemm], nodes].concat(), &constants));
    assert_eq!(folded_gemm.initializers["fc"].as_f32().unwrap(), [1.0, 6.0, -2.0, 8.0]);
    assert_eq!(folded_gemm.initializers["fc.bias"].as_f32().unwrap(), [0.0, 1.0]);
}

/// (x − mean) / deviation before a convolution without padding: w/d, and b − Σ w·m/d.
#[test]
fn the_layer_behind_takes_over_what_no_layer_before_can() {
    let constants = vec![
        ("m", Tensor::f32(&[1, 1, 1], vec![4.0])),
        ("d", Tensor::f32(&[], vec![2.0])),
        ("conv.weight", Tensor::f32(&[2, 1, 1, 2], vec![1.0, -2.0, 3.0, 4.0])),
    ];
    let input = || vec![node("sub", other("Sub"), &["x", "m"]), node("div", other("Div"), &["sub.out", "d"])];
    let behind = [input(), vec![conv(&["div.out", "conv.weight"])]].concat();
    let folded = folded(&graph(&[1, 1, 2], behind, &constants));
    assert_eq!(listing(&folded), [("conv", "Conv")]);
    assert_eq!(folded.nodes[0].inputs[0], "x");
    assert_eq!(folded.initializers["conv.weight"].as_f32().unwrap(), [0.5, -1.0, 1.5, 2.0]);
    assert_eq!(folded.initializers["conv.bias"].as_f32().unwrap(), [2.0, -14.0]);
}

#[test]
fn padding_keeps_a_shift_before_it() {
    let window = Window { kernel: [1, 2], strides: [1; 2], dilations: [1; 2], pads: [0, 1, 0, 0] };
    let padded = Node { op: Op::Conv { window, groups: 1 }, ..conv(&["a.out", "conv.weight"]) };
    let with = |op| {
        let one = Tensor::f32(&[], vec![3.0]);
        let nodes = vec![node("a", op, &["x", "one"]), padded.clone()];
        let constants = [constants(), vec![("one", one)]].concat();
        rewrite(&folded(&graph(&[1, 1, 2], nodes, &constants)), &[into_depthwise])
    };
    assert_eq!(listing(&with(Op::Mul)), [("conv", "Conv")]);
    let shifted = with(Op::Add);
    assert_eq!(listing(&shifted), [("a", "Conv"), ("conv", "Conv")]);
    assert_eq!(shifted.nodes[0].op, Op::Conv { window: plain([1, 1]), groups: 1 });
    assert_eq!(shifted.initializers["a.bias"].as_f32().unwrap(), [3.0]);
}

#[test]
fn groups_keep_to_their_channels() {
    let window = plain([1, 1]);
    let nodes =
        vec![node("scale", Op::Mul, &["x", "s"]), node("conv", Op::Conv { window, groups: 2 }, &["scale.out", "w"])];
    let w = Tensor::f32(&[4, 1, 1, 1], vec![1.0, 2.0, 3.0, 4.0]);
    let s = Tensor::f32(&[2, 1, 1], vec![10.0, 100.0]);
    let folded = folded(&graph(&[2, 1, 1], nodes, &[("w", w), ("s", s)]));
    assert_eq!(folded.initializers["w"].as_f32().unwrap(), [10.0, 20.0, 300.0, 400.0]);
}

#[test]
fn a_vector_that_no_layer_takes_is_a_pixel() {
    let nodes = vec![node("relu", Op::Relu, &["x"]), node("scale", Op::Mul, &["relu.out", "s"])];
    let alone = folded(&graph(&[2], nodes, &[("s", vector([10.0, 100.0]))]));
    let pixel = rewrite(&alone, &[into_depthwise]);
    let expected = [("relu", "Relu"), ("scale.pixel", "Reshape"), ("scale.scaled", "Conv"), ("scale", "Flatten")];
    assert_eq!(listing(&pixel), expected);
}

#[test]
fn a_difference_is_a_sum() {
    let nodes = vec![
        conv(&["x", "conv.weight"]),
        node("relu", Op::Relu, &["conv.out"]),
        Node { name: "b".into(), outputs: vec!["b.out".into()], ..conv(&["x", "conv.weight"]) },
        node("sub", other("Sub"), &["relu.out", "b.out"]),
    ];
    let sum = folded(&graph(&[1, 1, 2], nodes, &constants()));
    assert_eq!(listing(&sum), [("conv", "Conv"), ("relu", "Relu"), ("b", "Conv"), ("sub", "Add")]);
    assert_eq!(sum.initializers["conv.weight.folded"].as_f32().unwrap(), [-1.0, 2.0, -3.0, -4.0]);
}

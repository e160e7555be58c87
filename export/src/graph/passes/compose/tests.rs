//! Functions of one value in the spellings of exporters, and what is left as it is.

use super::super::testing::{graph, listing, node, other};
use super::*;

fn scalar(value: f32) -> Tensor {
    Tensor::f32(&[], vec![value])
}

fn constants() -> Vec<(&'static str, Tensor)> {
    vec![
        ("one", scalar(1.0)),
        ("half", scalar(0.5)),
        ("two", Tensor::i64(&[], vec![2])),
        ("slopes", Tensor::f32(&[4], vec![0.5; 4])),
        ("w", Tensor::f32(&[4, 4], vec![1.0; 16])),
    ]
}

fn composed(nodes: Vec<Node>) -> Graph {
    compose(&graph(&[4], nodes, &constants()))
}

/// The function that all nodes are one of.
fn function(nodes: Vec<Node>) -> Formula {
    let composed = composed(nodes);
    match composed.nodes.as_slice() {
        [Node { op: Op::Activation(Activation::Formula(formula)), inputs, .. }] if inputs == &["x"] => formula.clone(),
        _ => panic!("{composed:?}"),
    }
}

#[test]
fn one_operator_without_another_form() {
    assert_eq!(function(vec![node("a", other("Abs"), &["x"])]).eval(-3.0), 3.0);
    assert_eq!(function(vec![node("p", other("Pow"), &["x", "two"])]).eval(-3.0), 9.0);
    assert_eq!(function(vec![node("r", other("Div"), &["one", "x"])]).eval(4.0), 0.25);
}

/// Where(Abs(x) ≤ 1/2, 0, x) with the constant in the middle, and x / (1 + Abs(x)).
#[test]
fn several_operators() {
    let shrink = function(vec![
        node("a", other("Abs"), &["x"]),
        node("m", other("LessOrEqual"), &["a.out", "half"]),
        node("n", other("Not"), &["m.out"]),
        node("w", other("Where"), &["n.out", "x", "half"]),
    ]);
    assert_eq!([-2.0, 0.25, 3.0].map(|x| shrink.eval(x)), [-2.0, 0.5, 3.0]);
    let softsign = function(vec![
        node("a", other("Abs"), &["x"]),
        node("s", Op::Add, &["one", "a.out"]),
        node("d", other("Div"), &["x", "s.out"]),
    ]);
    assert_eq!([-3.0, 0.0, 1.0].map(|x| softsign.eval(x)), [-0.75, 0.0, 0.5]);
}

/// A function within a function is part of it, and what follows too; what the layer before takes in stays with that.
#[test]
fn from_as_late_as_it_can_to_as_far_as_it_goes() {
    let gelu = Op::Activation(Activation::Formula(Formula::gelu_tanh()));
    let functions = [
        node("tanh", Op::Activation(Activation::Tanh), &["before.out"]),
        node("gelu", gelu, &["tanh.out"]),
        node("log", other("Log"), &["gelu.out"]),
        node("sum", Op::Add, &["log.out", "one"]),
    ];
    let behind = |nodes: Vec<Node>| {
        let graph = composed([nodes, functions.to_vec()].concat());
        let Some(Op::Activation(Activation::Formula(formula))) = graph.nodes.last().map(|node| node.op.clone()) else {
            panic!("{graph:?}")
        };
        (listing(&graph).iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(" "), formula)
    };
    let layer = || node("layer", Op::Gemm { transposed: false }, &["x", "w"]);
    let scale = |name: &str, x: &str| node(name, Op::Mul, &[x, "half"]);
    let relu = |name: &str, x: &str| node(name, Op::Relu, &[x]);
    let (names, formula) = behind(vec![layer(), scale("scale", "layer.out"), relu("before", "scale.out")]);
    assert_eq!((names.as_str(), formula.steps().len()), ("layer scale before sum", 12));
    assert_eq!(formula.eval(3.0), Formula::gelu_tanh().eval(3f64.tanh()).ln() + 1.0);
    // No layer takes a factor behind a bound, and none is before an input.
    let (names, formula) = behind(vec![layer(), relu("relu", "layer.out"), scale("before", "relu.out")]);
    assert_eq!((names.as_str(), formula.steps().len()), ("layer relu sum", 13));
    let (names, formula) = behind(vec![relu("before", "x")]);
    assert_eq!((names.as_str(), formula.steps().len()), ("sum", 13));
}

/// A square by itself is a product, and part of a function where more follows.
#[test]
fn squares() {
    let square = || node("s", Op::Mul, &["x", "x"]);
    assert_eq!(listing(&composed(vec![square()])), [("s", "Mul")]);
    let norm = vec![square(), node("a", Op::Add, &["s.out", "one"]), node("r", other("Sqrt"), &["a.out"])];
    assert_eq!(function(norm).eval(-3.0), 10f64.sqrt());
}

/// Values that others read, sums of two branches, constants for each channel, and values that are no reals.
#[test]
fn what_is_no_function_of_one_value_stays() {
    let names = |nodes: Vec<Node>| listing(&composed(nodes)).iter().map(|l| l.1.to_string()).collect::<Vec<_>>();
    let read_twice = vec![
        node("e", other("Exp"), &["x"]),
        node("l", Op::Gemm { transposed: false }, &["e.out", "w"]),
        node("s", Op::Add, &["e.out", "one"]),
        node("t", Op::Add, &["s.out", "l.out"]),
    ];
    assert_eq!(names(read_twice), ["Exp", "Gemm", "Add", "Add"]);
    let branches = vec![
        node("l", Op::Gemm { transposed: false }, &["x", "w"]),
        node("s", Op::Add, &["l.out", "x"]),
        node("r", Op::Relu, &["s.out"]),
    ];
    assert_eq!(names(branches), ["Gemm", "Add", "Relu"]);
    assert_eq!(names(vec![node("m", Op::Mul, &["x", "slopes"]), node("r", Op::Relu, &["m.out"])]), ["Mul", "Relu"]);
    let extents = vec![node("s", other("Shape"), &["x"]), node("f", other("Floor"), &["s.out"])];
    assert_eq!(names(extents), ["Shape", "Floor"]);
}

/// More operators than a function has are several of them.
#[test]
fn long_chains_are_cut() {
    let chain = (0..80).map(|i| {
        let before = if i == 0 { "x".to_string() } else { format!("n{}.out", i - 1) };
        node(&format!("n{i}"), other("Abs"), &[&before])
    });
    let graph = composed(chain.collect());
    assert_eq!(listing(&graph), [("n15", "Function"), ("n47", "Function"), ("n79", "Function")]);
    assert_eq!(compose(&graph), graph, "functions of so many operators do not join");
}

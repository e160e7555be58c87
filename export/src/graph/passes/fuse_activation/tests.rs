//! Each function in the spellings that exporters use.

use super::super::testing::{graph, listing, node, other};
use super::*;

fn scalar(value: f32) -> Tensor {
    Tensor::f32(&[], vec![value])
}

fn constants() -> Vec<(&'static str, Tensor)> {
    let root = std::f32::consts::SQRT_2;
    vec![
        ("one", scalar(1.0)),
        ("three", scalar(3.0)),
        ("half", scalar(0.5)),
        ("sixth", scalar(1.0 / 6.0)),
        ("root", scalar(root)),
        ("inverse", scalar(1.0 / root)),
        ("six", scalar(6.0)),
        ("twenty", scalar(20.0)),
    ]
}

/// What the nodes become, and whether only x and no constant is left.
fn fused(nodes: Vec<Node>) -> (Vec<Op>, bool) {
    let fused = fuse(&graph(&[4], nodes, &constants()));
    let ops = fused.nodes.iter().map(|n| n.op.clone()).collect();
    (ops, fused.nodes.iter().all(|n| n.inputs.len() == 1))
}

fn one(function: Activation) -> (Vec<Op>, bool) {
    (vec![Op::Activation(function)], true)
}

#[test]
fn a_value_times_its_gate() {
    let sigmoid = || node("s", Op::Activation(Activation::Sigmoid), &["x"]);
    assert_eq!(fused(vec![sigmoid(), node("m", Op::Mul, &["x", "s.out"])]), one(Activation::Silu));
    assert_eq!(fused(vec![sigmoid(), node("m", Op::Mul, &["s.out", "x"])]), one(Activation::Silu));
    let hard = |alpha| node("s", Op::Activation(Activation::HardSigmoid { alpha, beta: 0.5 }), &["x"]);
    let hard = |alpha| fused(vec![hard(alpha), node("m", Op::Mul, &["x", "s.out"])]);
    assert_eq!(hard(0.16666667), one(Activation::HardSwish));
    assert_eq!(hard(0.2).0.len(), 2);
}

#[test]
fn a_gate_of_something_else_stays() {
    let nodes = vec![
        node("r", Op::Relu, &["x"]),
        node("s", Op::Activation(Activation::Sigmoid), &["r.out"]),
        node("m", Op::Mul, &["x", "s.out"]),
    ];
    assert_eq!(fused(nodes.clone()).0.len(), 3);
}

#[test]
fn relu6_of_x_plus_three() {
    let gate = || vec![node("a", Op::Add, &["x", "three"]), node("c", Op::Clip { min: 0.0, max: 6.0 }, &["a.out"])];
    let with = |more: Vec<Node>| fused([gate(), more].concat());
    let sixth = node("d", Op::Mul, &["c.out", "sixth"]);
    let by_six = node("d", other("Div"), &["c.out", "six"]);
    let of = |inner: &str| node("m", Op::Mul, &["x", inner]);
    assert_eq!(with(vec![sixth.clone(), of("d.out")]), one(Activation::HardSwish));
    assert_eq!(with(vec![by_six.clone(), of("d.out")]), one(Activation::HardSwish));
    assert_eq!(with(vec![of("c.out"), node("d", other("Div"), &["m.out", "six"])]), one(Activation::HardSwish));
    assert_eq!(with(vec![by_six]), one(Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }));
}

#[test]
fn a_softplus_with_a_guard() {
    let nodes = |threshold: &str| {
        vec![
            node("s", Op::Activation(Activation::Softplus), &["x"]),
            node("g", other("Greater"), &["x", threshold]),
            node("w", other("Where"), &["g.out", "x", "s.out"]),
        ]
    };
    assert_eq!(fused(nodes("twenty")), one(Activation::Softplus));
    assert_eq!(fused(nodes("six")).0.len(), 3);
}

#[test]
fn gelu_in_every_order() {
    let phi = |scaled: Node| {
        let out = scaled.outputs[0].clone();
        let erf = node("e", other("Erf"), &[&out]);
        vec![scaled, erf, node("p", Op::Add, &["e.out", "one"])]
    };
    let by_root = phi(node("d", other("Div"), &["x", "root"]));
    let by_inverse = phi(node("d", Op::Mul, &["inverse", "x"]));
    let torch = vec![node("m", Op::Mul, &["x", "p.out"]), node("h", Op::Mul, &["m.out", "half"])];
    let keras = vec![node("m", Op::Mul, &["half", "x"]), node("h", Op::Mul, &["m.out", "p.out"])];
    for (phi, product) in
        [(by_root.clone(), &torch), (by_inverse.clone(), &torch), (by_root, &keras), (by_inverse, &keras)]
    {
        assert_eq!(fused([phi, product.clone()].concat()), one(Activation::Gelu));
    }
}

#[test]
fn only_the_constants_of_what_was_fused_go() {
    let nodes = vec![
        node("a", Op::Add, &["x", "three"]),
        node("c", Op::Clip { min: 0.0, max: 6.0 }, &["a.out"]),
        node("d", Op::Mul, &["c.out", "sixth"]),
        node("m", Op::Mul, &["x", "d.out"]),
    ];
    let fused = fuse(&graph(&[4], nodes, &constants()));
    assert_eq!(listing(&fused), [("m", "HardSwish")]);
    assert_eq!(fused.initializers.keys().collect::<Vec<_>>(), ["half", "inverse", "one", "root", "six", "twenty"]);
}

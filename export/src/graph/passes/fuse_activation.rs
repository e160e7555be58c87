//! Activations that exporters spell out as several nodes become one.
//!
//! ```text
//! Silu         x · Sigmoid(x)
//! HardSwish    x · HardSigmoid(x; 1/6, 1/2),  x · Clip(x + 3; 0, 6) / 6
//! HardSigmoid  Clip(x + 3; 0, 6) / 6
//! Gelu         x · (1 + Erf(x / √2)) / 2
//! Softplus     Where(x > 20, x, Softplus(x))
//! ```
//!
//! The factors of a product may stand in any order, associate in any way, and be divisions. The reader runs this, because
//! the writer spells the same functions out again.

use std::collections::HashSet;

use super::prune_initializers;
use crate::graph::{Activation, Graph, Node, Op, Tensor};

/// Longest product that is looked at.
const MOST_FACTORS: usize = 8;
/// How far a constant may be from the one meant: exporters round √2 and 1/6 to float, some of them twice.
const RELATIVE: f64 = 1e-6;

/// The graph with every such product as one [`Op::Activation`], under the name of its last node.
pub fn fuse(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    let read: HashSet<&String> = graph.nodes.iter().flat_map(|n| &n.inputs).collect();
    let unread: Vec<_> = graph
        .initializers
        .iter()
        .filter(|(name, _)| !read.contains(name))
        .map(|(n, t)| (n.clone(), t.clone()))
        .collect();
    let mut i = graph.nodes.len();
    // From the end: the whole product is seen before its parts.
    while i > 0 {
        i -= 1;
        let Some((function, x)) = spelled(&graph, &graph.nodes[i]) else { continue };
        let before = graph.nodes.len();
        let parts = ancestors(&graph, i, &x);
        graph.nodes[i].op = Op::Activation(function);
        graph.nodes[i].inputs = vec![x];
        remove_unread(&mut graph, &parts);
        i -= before - graph.nodes.len();
    }
    prune_initializers(&mut graph);
    graph.initializers.extend(unread);
    graph
}

/// The function that ends at `node`, and what it is applied to.
fn spelled(graph: &Graph, node: &Node) -> Option<(Activation, String)> {
    if let Some(x) = guarded_softplus(graph, node) {
        return Some((Activation::Softplus, x));
    }
    let product = Product::of(graph, node)?;
    match product.values.as_slice() {
        [gate] if close(product.factor, 1.0 / 6.0) => {
            Some((Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }, relu6_of_x_plus_3(graph, gate)?))
        }
        [a, b] => {
            [(a, b), (b, a)].into_iter().find_map(|(x, gate)| Some((gated(graph, product.factor, x, gate)?, x.clone())))
        }
        _ => None,
    }
}

/// The function that is `factor` · `x` · `gate`.
fn gated(graph: &Graph, factor: f64, x: &str, gate: &str) -> Option<Activation> {
    let made = &graph.nodes[graph.producer(gate)?];
    let of_x = made.input(0) == Some(x);
    match made.op {
        Op::Activation(Activation::Sigmoid) if of_x && close(factor, 1.0) => Some(Activation::Silu),
        Op::Activation(Activation::HardSigmoid { alpha, beta }) if of_x && close(factor, 1.0) => {
            (close(alpha.into(), 1.0 / 6.0) && close(beta.into(), 0.5)).then_some(Activation::HardSwish)
        }
        Op::Clip { .. } if close(factor, 1.0 / 6.0) => {
            (relu6_of_x_plus_3(graph, gate)? == x).then_some(Activation::HardSwish)
        }
        Op::Add if close(factor, 0.5) => {
            let erf = &graph.nodes[graph.producer(&plus(graph, made, 1.0)?)?];
            let inner = Product::of(graph, &graph.nodes[graph.producer(erf.input(0)?)?])?;
            let is_erf = matches!(&erf.op, Op::Other { op_type, .. } if op_type == "Erf");
            let scaled = inner.values == [x] && close(inner.factor, std::f64::consts::FRAC_1_SQRT_2);
            (is_erf && scaled).then_some(Activation::Gelu)
        }
        _ => None,
    }
}

/// x, where `node` is Softplus(x) with a guard against overflow, far above where float32 tells it from x.
fn guarded_softplus(graph: &Graph, node: &Node) -> Option<String> {
    node.op.other("Where")?;
    let [condition, x, below] = node.inputs.as_slice() else { return None };
    let greater = &graph.nodes[graph.producer(condition)?];
    let softplus = &graph.nodes[graph.producer(below)?];
    let guards = greater.op.other("Greater").is_some() && greater.input(0) == Some(x);
    let threshold = scalar(graph, greater.input(1)?)?;
    let is_softplus = softplus.op == Op::Activation(Activation::Softplus) && softplus.input(0) == Some(x);
    (guards && is_softplus && threshold >= 17.0).then(|| x.clone())
}

/// x, where `value` is Clip(x + 3; 0, 6).
fn relu6_of_x_plus_3(graph: &Graph, value: &str) -> Option<String> {
    let clip = &graph.nodes[graph.producer(value)?];
    let Op::Clip { min: 0.0, max: 6.0 } = clip.op else { return None };
    plus(graph, &graph.nodes[graph.producer(clip.input(0)?)?], 3.0)
}

/// x, where `node` is x + `constant`.
fn plus(graph: &Graph, node: &Node, constant: f64) -> Option<String> {
    let (Op::Add, [a, b]) = (&node.op, node.inputs.as_slice()) else { return None };
    let is = |value: &str| scalar(graph, value).is_some_and(|found| close(found, constant));
    [(a, b), (b, a)].into_iter().find(|(_, c)| is(c)).map(|(x, _)| x.clone())
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= RELATIVE * expected
}

fn scalar(graph: &Graph, value: &str) -> Option<f64> {
    match graph.initializers.get(value).and_then(Tensor::as_f32) {
        Some(&[constant]) => Some(constant.into()),
        _ => None,
    }
}

/// A tree of multiplications and divisions by scalars, multiplied out.
struct Product {
    factor: f64,
    values: Vec<String>,
}

impl Product {
    /// The product that `node` makes; none where it is no multiplication.
    fn of(graph: &Graph, node: &Node) -> Option<Self> {
        let (mut factor, mut values) = (1.0, Vec::new());
        let mut open = factors(graph, node)?;
        let mut looked_at = 0;
        while let Some((value, power)) = open.pop() {
            looked_at += 1;
            let inner = graph.producer(&value).filter(|_| graph.readers(&value).len() == 1 && !graph.is_output(&value));
            if looked_at > MOST_FACTORS {
                return None;
            } else if let Some(constant) = scalar(graph, &value) {
                factor *= constant.powi(power);
            } else if let Some(inner) = inner.and_then(|i| factors(graph, &graph.nodes[i])) {
                open.extend(inner);
            } else {
                values.push(value);
            }
        }
        Some(Self { factor, values })
    }
}

/// What `node` multiplies, each with its power, 1 or −1.
fn factors(graph: &Graph, node: &Node) -> Option<Vec<(String, i32)>> {
    let [a, b] = node.inputs.as_slice() else { return None };
    match &node.op {
        Op::Mul if a != b => Some(vec![(a.clone(), 1), (b.clone(), 1)]),
        Op::Other { op_type, .. } if op_type == "Div" && scalar(graph, b).is_some() => {
            Some(vec![(a.clone(), 1), (b.clone(), -1)])
        }
        _ => None,
    }
}

/// Nodes between `x` and node `end`.
fn ancestors(graph: &Graph, end: usize, x: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = graph.nodes[end].inputs.clone();
    while let Some(value) = open.pop().filter(|_| found.len() <= 2 * MOST_FACTORS) {
        let Some(maker) = graph.producer(&value).filter(|_| value != x) else { continue };
        if !found.contains(&graph.nodes[maker].name) {
            found.push(graph.nodes[maker].name.clone());
            open.extend(graph.nodes[maker].inputs.clone());
        }
    }
    found
}

/// Removes those of `names` that nobody reads any more, the last first.
fn remove_unread(graph: &mut Graph, names: &[String]) {
    for i in (0..graph.nodes.len()).rev() {
        let node = &graph.nodes[i];
        let unread = |o: &String| graph.readers(o).is_empty() && !graph.is_output(o);
        if names.contains(&node.name) && node.outputs.iter().all(unread) {
            graph.nodes.remove(i);
        }
    }
}

#[cfg(test)]
mod tests {
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
}

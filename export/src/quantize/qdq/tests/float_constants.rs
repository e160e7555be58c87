//! Arithmetic with float constants between quantized values: what other quantizers leave as it is.

use super::super::super::{Clamp, QuantGraph, QuantOp, Weights};
use super::super::{from_graph, to_graph};
use super::variants::pad;
use super::{index, set, small};
use crate::graph::{Data, Graph, Node, Op};

/// The small graph with another operator for its pool, and constants `k` and `one` of a value a channel.
fn in_place_of_the_pool(op: Op, inputs: &[&str]) -> QuantGraph {
    let mut graph = to_graph(&small());
    set("k", &[2, 1, 1], Data::F32(vec![1.5, -0.5]))(&mut graph);
    for (name, value) in [("gamma", 2.0), ("beta", 1.0), ("mean", 3.0), ("variance", 4.0)] {
        set(name, &[2], Data::F32(vec![value; 2]))(&mut graph);
    }
    let pool = index(&graph, "pool");
    graph.nodes[pool] = Node::new("pool", op, inputs, "p.float");
    from_graph(&graph).unwrap_or_else(|error| panic!("{error}"))
}

fn depthwise(network: &QuantGraph) -> Weights {
    let QuantOp::Conv2d { groups: 2, weights, clamp: Clamp::NONE, .. } = &network.nodes[1].op else {
        panic!("a depthwise convolution: {:?}", network.nodes[1].op)
    };
    weights.clone()
}

#[test]
fn a_value_a_channel_is_a_depthwise_convolution() {
    let with = |op: Op, inputs: &[&str]| {
        let Weights { values, scales, biases, .. } = depthwise(&in_place_of_the_pool(op, inputs));
        (values, scales.iter().map(|scale| scale * 64.0).collect::<Vec<_>>(), biases)
    };
    let other = |op_type: &str| Op::Other { op_type: op_type.into(), attributes: Default::default() };
    // A step of the input is 0.5, of a bias that times the weights' scale.
    assert_eq!(with(Op::Mul, &["a", "k"]), (vec![64, -64], vec![1.5, 0.5], vec![0, 0]));
    assert_eq!(with(Op::Add, &["k", "a"]), (vec![64, 64], vec![1.0, 1.0], vec![192, -64]));
    assert_eq!(with(other("Sub"), &["k", "a"]), (vec![-64, -64], vec![1.0, 1.0], vec![192, -64]));
    let normalized = with(Op::BatchNorm { epsilon: 0.0 }, &["a", "gamma", "beta", "mean", "variance"]);
    assert_eq!(normalized, (vec![64, 64], vec![1.0, 1.0], vec![-256, -256]));
}

/// The small graph without biases, its convolution and its matrix product behind an Add of `k` and of `c`.
fn with_sums(product: Op) -> Graph {
    let mut graph = to_graph(&small());
    set("k", &[2, 1, 1], Data::F32(vec![0.5, -0.28125]))(&mut graph);
    set("c", &[1], Data::F32(vec![3.0]))(&mut graph);
    if product == Op::MatMul {
        set("fc.weight.quantized", &[8, 1], Data::I8(vec![1; 8]))(&mut graph);
        let weights = index(&graph, "fc.weight.dequantize");
        graph.nodes[weights].op = Op::Dequantize { axis: 1 };
    }
    let fc = index(&graph, "fc");
    graph.nodes[fc].op = product;
    for (layer, addend) in [("fc", "c"), ("conv", "k")] {
        let at = index(&graph, layer);
        graph.nodes[at].inputs.truncate(2);
        let made = std::mem::replace(&mut graph.nodes[at].outputs[0], format!("{layer}.product"));
        graph.nodes.insert(at + 1, Node::new("sum", Op::Add, &[&format!("{layer}.product"), addend], &made));
    }
    graph
}

#[test]
fn a_sum_behind_a_layer_is_its_bias() {
    for product in [Op::MatMul, Op::Gemm { transposed: true }] {
        let read = from_graph(&with_sums(product)).unwrap_or_else(|error| panic!("{error}"));
        let biases = read.nodes.iter().filter_map(|node| match &node.op {
            QuantOp::Conv2d { weights, .. } | QuantOp::Dense { weights, .. } => Some(weights.biases.clone()),
            _ => None,
        });
        // Scales of x·w are 0.0625 and 0.03125, then 1.
        assert_eq!(biases.collect::<Vec<_>>(), [vec![8, -9], vec![3]]);
        assert_eq!(read, small());
    }
}

/// A Pad of a row above and two columns to the right, before a mean of 2×2.
#[test]
fn padding_that_a_mean_cannot_take_is_a_copy() {
    let mut graph = to_graph(&small());
    set("pad.sizes", &[8], super::variants::sizes())(&mut graph);
    let window = crate::graph::Window { kernel: [2, 2], strides: [1, 2], dilations: [1, 1], pads: [0; 4] };
    let pool = index(&graph, "pool");
    let mean = Op::AveragePool { window, count_include_pad: true };
    let nodes = [pad("a", "padded", &[]), Node::new("pool", mean, &["padded"], "p.float")];
    graph.nodes.splice(pool..=pool, nodes);
    let network = from_graph(&graph).unwrap_or_else(|error| panic!("{error}"));
    let QuantOp::Conv2d { window, .. } = &network.nodes[1].op else { panic!("a copy is second") };
    assert_eq!((window.pads, depthwise(&network).values), ([1, 0, 0, 2], vec![64, 64]));
    let QuantOp::AveragePool { window, .. } = &network.nodes[2].op else { panic!("a mean is third") };
    assert_eq!((window.pads, network.tensors[3].shape), ([0; 4], [2, 2, 2]));
    assert_eq!(network.tensors[2].affine(), network.tensors[1].affine());
}

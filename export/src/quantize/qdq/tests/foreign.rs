//! What Brevitas, PyTorch and tf2onnx write between QuantizeLinear and DequantizeLinear.

use super::super::super::{Clamp, QuantGraph, QuantOp};
use super::super::{from_graph, to_graph};
use super::{index, set, small};
use crate::graph::{Attribute, Data, Graph, Node, Op, Tensor};

fn other(name: &str, op_type: &str, attributes: &[(&str, Attribute)], inputs: &[&str]) -> Node {
    let attributes = attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    Node::new(name, Op::Other { op_type: op_type.into(), attributes }, inputs, name)
}

/// The graph with `node` before the one called `reader`, which reads what it makes.
fn inserted(graph: &mut Graph, node: Node, reader: &str) {
    let at = index(graph, reader);
    graph.nodes[at].inputs[0] = node.outputs[0].clone();
    graph.nodes.insert(at, node);
}

#[test]
fn weights_that_are_cut_to_fewer_steps_are_read_as_they_are_cut() {
    let mut graph = to_graph(&small());
    set("low", &[], Data::I8(vec![-64]))(&mut graph);
    set("high", &[], Data::I8(vec![63]))(&mut graph);
    inserted(
        &mut graph,
        other("cut", "Clip", &[], &["conv.weight.quantized", "low", "high"]),
        "conv.weight.dequantize",
    );
    let mut expected = small();
    let QuantOp::Conv2d { weights, .. } = &mut expected.nodes[0].op else { unreachable!() };
    weights.values = vec![63, -64];
    assert_eq!(from_graph(&graph), Ok(expected));
}

/// Floats, QuantizeLinear with a scale a channel, Clip: weights of `torch.ao` and torchao that were not folded.
#[test]
fn weights_that_are_quantized_and_cut_are_the_bytes_that_come_out() {
    let mut graph = to_graph(&small());
    graph.initializers.remove("conv.weight.quantized");
    set("w", &[2, 1, 1, 1], Data::F32(vec![-64.0, -31.5]))(&mut graph);
    set("low", &[], Data::I8(vec![-127]))(&mut graph);
    set("high", &[], Data::I8(vec![127]))(&mut graph);
    let inputs = ["w", "conv.weight.scale", "conv.weight.zero_point"];
    graph.nodes.insert(0, Node::new("w.quantize", Op::Quantize { axis: 0 }, &inputs, "w.bytes"));
    inserted(&mut graph, other("w.cut", "Clip", &[], &["w.bytes", "low", "high"]), "conv.weight.dequantize");
    let mut expected = small();
    let QuantOp::Conv2d { weights, .. } = &mut expected.nodes[0].op else { unreachable!() };
    weights.values = vec![-127, -126];
    assert_eq!(from_graph(&graph), Ok(expected));
}

/// Four bits, of which the lowest is the zero point: −128 to −113 here, 0 to 15 there.
#[test]
fn activations_that_are_cut_to_fewer_steps_are_bounded() {
    let mut expected = small();
    let QuantOp::Conv2d { clamp, .. } = &mut expected.nodes[0].op else { unreachable!() };
    *clamp = Clamp { min: -128, max: -113 };
    let with = |bounds: [Data; 2], zero_point: Data| {
        let mut graph = to_graph(&small());
        let [low, high] = bounds;
        set("low", &[], low)(&mut graph);
        set("high", &[], high)(&mut graph);
        for tensor in ["a", "p", "fc.flat"] {
            set(&format!("{tensor}.zero_point"), &[], zero_point.clone())(&mut graph);
        }
        inserted(&mut graph, other("cut", "Clip", &[], &["a.quantized", "low", "high"]), "a.dequantize");
        let mut read = from_graph(&graph).unwrap();
        read.tensors[1].name = "a".into();
        read
    };
    let signed = |step: i8| Data::I8(vec![step]);
    assert_eq!(with([-128, -113].map(signed), signed(-128)), expected);
    let unsigned = |step: u8| Data::U8(vec![step]);
    assert_eq!(with([0, 15].map(unsigned), unsigned(0)), expected);
}

/// The small graph with a matrix of eight different weights.
fn counted() -> QuantGraph {
    let mut network = small();
    let QuantOp::Dense { weights, .. } = &mut network.nodes[2].op else { unreachable!() };
    weights.values = (1..=8).collect();
    network
}

/// Bytes turned channels last, then flattened, and a matrix by columns whose rows are in that order: 2×2×2 values of c, h, w become h, w, c.
#[test]
fn a_matrix_over_channels_last_is_turned_with_what_it_reads() {
    let mut graph = to_graph(&counted());
    set("fc.weight.quantized", &[8, 1], Data::I8(vec![1, 5, 2, 6, 3, 7, 4, 8]))(&mut graph);
    set("line", &[2], Data::I64(vec![-1, 8]))(&mut graph);
    let perm = Attribute::Ints(vec![0, 2, 3, 1]);
    let flatten = index(&graph, "fc.flatten");
    graph.nodes.drain(flatten..=index(&graph, "fc.flat.quantize"));
    let turn = other("turned", "Transpose", &[("perm", perm)], &["p.quantized"]);
    graph.nodes.insert(flatten, turn);
    graph.nodes.insert(flatten + 1, Node::new("flat", Op::Reshape, &["turned", "line"], "flat"));
    let dequantize = index(&graph, "fc.flat.dequantize");
    graph.nodes[dequantize].inputs = ["flat", "p.scale", "p.zero_point"].map(String::from).into();
    let fc = index(&graph, "fc");
    graph.nodes[fc].op = Op::Gemm { transposed: false };
    let along = index(&graph, "fc.weight.dequantize");
    graph.nodes[along].op = Op::Dequantize { axis: 1 };
    assert_eq!(from_graph(&graph), Ok(counted()));
    // One scale an input would have to be turned too.
    graph.nodes[along].op = Op::Dequantize { axis: 0 };
    set("fc.weight.scale", &[8], Data::F32(vec![2.0; 8]))(&mut graph);
    graph.initializers.insert("fc.weight.zero_point".into(), Tensor::new(&[8], Data::I8(vec![0; 8])));
    assert!(from_graph(&graph).is_err());
}

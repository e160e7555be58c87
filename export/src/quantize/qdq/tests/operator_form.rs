//! QLinear operators, read exactly: the small network by hand in operator form.

use super::super::super::{Clamp, QuantOp};
use super::super::{from_graph, to_graph};
use super::small;
use super::variants::{pad, sizes};
use crate::graph::{Activation, Attribute, DType, Data, Graph, Node, Op, Tensor};
use std::collections::BTreeMap;

fn other(name: &str, op_type: &str, attributes: &[(&str, Attribute)], inputs: &str, output: &str) -> Node {
    let attributes: BTreeMap<_, _> = attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let op = Op::Other { op_type: op_type.into(), attributes };
    node(name, op, inputs, output)
}

fn node(name: &str, op: Op, inputs: &str, output: &str) -> Node {
    let inputs = inputs.split(' ').map(|input| input.trim_matches('-').to_string()).collect();
    Node { name: name.into(), op, inputs, outputs: vec![output.into()] }
}

/// The small network as QLinearConv, MaxPool on bytes, Flatten on bytes and QGemm, from a float to a float.
fn operator_form() -> Graph {
    let qdq = to_graph(&small());
    let op = |name: &str| qdq.nodes.iter().find(|n| n.name == name).unwrap().op.clone();
    let nodes = vec![
        node("x.quantize", Op::Quantize { axis: 0 }, "x x.scale x.zero_point", "x.quantized"),
        other(
            "conv",
            "QLinearConv",
            &[("group", Attribute::Int(1))],
            "x.quantized x.scale x.zero_point conv.weight.quantized conv.weight.scale conv.weight.zero_point a.scale \
             a.zero_point conv.bias.quantized",
            "a.quantized",
        ),
        node("pool", op("pool"), "a.quantized", "p.quantized"),
        node("flatten", Op::Flatten { axis: 1 }, "p.quantized", "f_quantized"),
        other(
            "fc",
            "com.microsoft.QGemm",
            &[("transB", Attribute::Int(1))],
            "f_quantized p.scale p.zero_point fc.weight.quantized fc.weight.scale fc.weight.zero_point \
             fc.bias.quantized y.scale y.zero_point",
            "y.quantized",
        ),
        node("y.dequantize", Op::Dequantize { axis: 0 }, "y.quantized y.scale y.zero_point", "y"),
    ];
    Graph { nodes, ..qdq }
}

#[test]
fn qlinear_operators_are_read_as_the_network_they_state() {
    assert_eq!(from_graph(&operator_form()).unwrap(), small());
}

#[test]
fn a_network_of_bytes_only_is_the_same_network() {
    let mut graph = operator_form();
    graph.nodes.remove(0);
    graph.nodes.pop();
    graph.inputs[0].dtype = DType::I8;
    graph.nodes[0].inputs[0] = "x".into();
    graph.outputs[0].name = "y.quantized".into();
    graph.outputs[0].dtype = DType::I8;
    assert_eq!(from_graph(&graph).unwrap(), small());
}

#[test]
fn a_product_of_matrices_has_no_bias() {
    let mut graph = operator_form();
    let fc = graph.nodes.iter_mut().find(|n| n.name == "fc").unwrap();
    fc.op = Op::Other { op_type: "QLinearMatMul".into(), attributes: BTreeMap::new() };
    fc.inputs.remove(6);
    graph.initializers.insert("fc.weight.quantized".into(), Tensor::new(&[8, 1], Data::I8(vec![1; 8])));
    let mut expected = small();
    let QuantOp::Dense { weights, .. } = &mut expected.nodes[2].op else { unreachable!() };
    weights.biases = vec![0];
    assert_eq!(from_graph(&graph).unwrap(), expected);
}

/// What stands for the small network's pool once `node` does, between tensors `a` and `p`.
fn in_place_of_the_pool(node: Node) -> QuantOp {
    let mut graph = operator_form();
    let pool = graph.nodes.iter().position(|n| n.name == "pool").unwrap();
    graph.nodes[pool] = node;
    from_graph(&graph).unwrap_or_else(|error| panic!("{error}")).nodes[1].op.clone()
}

#[test]
fn operators_of_onnx_runtime() {
    let unary = "a.quantized a.scale a.zero_point p.scale p.zero_point";
    let form = |op_type: &str, attributes: &[(&str, Attribute)], inputs: &str| {
        let op_type = format!("com.microsoft.{op_type}");
        in_place_of_the_pool(other("pool", &op_type, attributes, inputs, "p.quantized"))
    };
    assert_eq!(form("QLinearSigmoid", &[], unary), QuantOp::Activation { function: Activation::Sigmoid });
    let slope = [("alpha", Attribute::Float(0.125))];
    let leaky = QuantOp::Activation { function: Activation::LeakyRelu { alpha: 0.125 } };
    assert_eq!(form("QLinearLeakyRelu", &slope, unary), leaky);
    let binary = "a.quantized a.scale a.zero_point a.quantized a.scale a.zero_point p.scale p.zero_point";
    assert_eq!(form("QLinearAdd", &[], binary), QuantOp::Add { clamp: Clamp::NONE });
    let kernel = [("kernel_shape", Attribute::Ints(vec![1, 1]))];
    let QuantOp::AveragePool { window, count_include_pad: false } = form("QLinearAveragePool", &kernel, unary) else {
        panic!("an average pool")
    };
    assert_eq!(window.kernel, [1, 1]);
}

#[test]
fn tensors_are_joined_with_their_own_scales() {
    let mut graph = operator_form();
    let pool = graph.nodes.iter().position(|n| n.name == "pool").unwrap();
    let inputs = "p.scale p.zero_point a.quantized a.scale a.zero_point x.quantized x.scale x.zero_point";
    graph.nodes[pool] =
        other("pool", "com.microsoft.QLinearConcat", &[("axis", Attribute::Int(1))], inputs, "p.quantized");
    graph.initializers.insert("fc.weight.quantized".into(), Tensor::new(&[1, 12], Data::I8(vec![1; 12])));
    let joined = from_graph(&graph).unwrap();
    assert_eq!((joined.nodes[1].op.clone(), joined.nodes[1].inputs.clone()), (QuantOp::Concat, vec![1, 0]));
    assert_eq!(joined.tensors[2].shape, [3, 2, 2]);
}

#[test]
fn bytes_are_padded_with_the_zero_point_only() {
    let read = |value: i8| {
        let mut graph = operator_form();
        graph.initializers.insert("pad.sizes".into(), Tensor::new(&[8], sizes()));
        graph.initializers.insert("pad.value".into(), Tensor::new(&[], Data::I8(vec![value])));
        graph.initializers.insert("fc.weight.quantized".into(), Tensor::new(&[1, 24], Data::I8(vec![1; 24])));
        graph.nodes.insert(1, pad("x.quantized", "padded", &["pad.value"]));
        graph.nodes[2].inputs[0] = "padded".into();
        from_graph(&graph)
    };
    let QuantOp::Conv2d { window, .. } = &read(-128).unwrap().nodes[0].op else { panic!("a convolution is first") };
    assert_eq!(window.pads, [1, 0, 0, 2]);
    let error = read(0).unwrap_err().to_string();
    assert!(error.contains("would work on floats") && error.contains("`pad` ("), "{error}");
}

#[test]
fn the_file_format_carries_it() {
    let bytes = crate::onnx::to_bytes(&operator_form());
    assert_eq!(from_graph(&crate::onnx::from_bytes(&bytes).unwrap()).unwrap(), small());
}

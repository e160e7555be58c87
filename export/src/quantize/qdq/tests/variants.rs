//! What other quantizers write: the same network in other words, read exactly.

use super::super::super::{Clamp, QuantGraph, QuantOp, QuantTensor, Weights};
use super::super::{from_graph, to_graph};
use super::{index, set, small};
use crate::graph::{Activation, Attribute, Data, Graph, Node, Op};

/// The small graph with two classes, its matrix stored \[K,O\] and scaled along axis 1, with or without biases.
fn with_matrix_by_columns(op: Op) -> (Graph, QuantGraph) {
    let mut network = small();
    let values: Vec<i8> = (0..16).collect();
    let biases = if op == Op::MatMul { vec![0, 0] } else { vec![3, -3] };
    let weights = Weights { shape: [2, 8, 1, 1], values, scales: vec![2.0, 0.5], biases };
    network.nodes[2].op = QuantOp::Dense { weights, clamp: Clamp::NONE };
    network.tensors[3].shape = [2, 1, 1];

    let mut graph = to_graph(&network);
    let by_columns = (0..8).flat_map(|k| [k, k + 8]).collect();
    set("fc.weight.quantized", &[8, 2], Data::I8(by_columns))(&mut graph);
    for node in &mut graph.nodes {
        match node.name.as_str() {
            "fc.weight.dequantize" => node.op = Op::Dequantize { axis: -1 },
            "fc" => {
                node.inputs.truncate(if op == Op::MatMul { 2 } else { 3 });
                node.op = op.clone();
            }
            _ => {}
        }
    }
    (graph, network)
}

#[test]
fn matrices_by_columns_are_turned() {
    for op in [Op::Gemm { transposed: false }, Op::MatMul] {
        let (graph, network) = with_matrix_by_columns(op);
        assert_eq!(from_graph(&graph).unwrap(), network);
    }
}

#[test]
fn one_scale_for_all_weights_is_one_for_each_channel() {
    let mut network = small();
    let QuantOp::Conv2d { weights, .. } = &mut network.nodes[0].op else { unreachable!() };
    weights.scales = vec![0.5, 0.5];
    let mut graph = to_graph(&network);
    set("conv.weight.scale", &[], Data::F32(vec![0.5]))(&mut graph);
    set("conv.weight.zero_point", &[], Data::I8(vec![0]))(&mut graph);
    assert_eq!(from_graph(&graph).unwrap(), network);
}

/// The small graph after a change to its QDQ form.
fn changed(change: impl FnOnce(&mut Graph)) -> QuantGraph {
    let mut graph = to_graph(&small());
    change(&mut graph);
    from_graph(&graph).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn unsigned_bytes_are_signed_ones_128_below() {
    let unsigned = changed(|graph| {
        for (tensor, zero_point) in [("x", 0), ("a", 0), ("p", 0), ("fc.flat", 0), ("y", 135)] {
            set(&format!("{tensor}.zero_point"), &[], Data::U8(vec![zero_point]))(graph);
        }
        set("conv.weight.quantized", &[2, 1, 1, 1], Data::U8(vec![255, 1]))(graph);
        set("conv.weight.zero_point", &[2], Data::U8(vec![128, 128]))(graph);
    });
    assert_eq!(unsigned, small());
}

#[test]
fn an_absent_zero_point_is_that_of_the_stored_type() {
    let absent = changed(|graph| {
        for node in &mut graph.nodes {
            if node.inputs.get(2).is_some_and(|zero| !zero.starts_with('y'))
                && !matches!(node.op, Op::Gemm { .. } | Op::Conv { .. })
            {
                node.inputs.truncate(2);
            }
        }
    });
    assert_eq!(absent, small());
}

#[test]
fn a_zero_point_of_the_weights_is_taken_off_where_they_fit() {
    let shifted = changed(|graph| {
        set("conv.weight.quantized", &[2, 1, 1, 1], Data::U8(vec![227, 3]))(graph);
        set("conv.weight.zero_point", &[2], Data::U8(vec![100, 130]))(graph);
    });
    assert_eq!(shifted, small());
}

#[test]
fn weights_and_biases_quantized_in_the_file_are_quantized_on_reading() {
    let quantize = |name: &str, real: &str, of: &str| Node {
        name: name.into(),
        op: Op::Quantize { axis: 0 },
        inputs: vec![real.into(), format!("{of}.scale"), format!("{of}.zero_point")],
        outputs: vec![format!("{of}.quantized")],
    };
    let folded = changed(|graph| {
        graph.initializers.remove("conv.weight.quantized");
        // 127.5 steps of 0.5 saturate; −31.625 is −126.5 steps of 0.25, and ties go to even.
        set("w", &[2, 1, 1, 1], Data::F32(vec![63.75, -31.625]))(graph);
        graph.nodes.insert(0, quantize("w.quantize", "w", "conv.weight"));
    });
    let mut expected = small();
    let QuantOp::Conv2d { weights, .. } = &mut expected.nodes[0].op else { unreachable!() };
    weights.values = vec![127, -126];
    assert_eq!(folded, expected);
}

#[test]
fn biases_of_any_form_are_brought_to_the_scale_of_the_accumulator() {
    // x·w is 0.0625 and 0.03125.
    let float = changed(|graph| {
        set("b", &[2], Data::F32(vec![0.5, -0.28125]))(graph);
        let conv = index(graph, "conv");
        graph.nodes[conv].inputs[2] = "b".into();
    });
    let other_scale = changed(|graph| {
        set("conv.bias.quantized", &[2], Data::I32(vec![16, -9]))(graph);
        set("conv.bias.scale", &[], Data::F32(vec![0.03125]))(graph);
        set("conv.bias.zero_point", &[], Data::I32(vec![0]))(graph);
    });
    let bytes = changed(|graph| {
        set("conv.bias.quantized", &[2], Data::U8(vec![26, 1]))(graph);
        set("conv.bias.scale", &[], Data::F32(vec![0.03125]))(graph);
        set("conv.bias.zero_point", &[], Data::U8(vec![10]))(graph);
    });
    assert_eq!([&float, &other_scale, &bytes], [&small(); 3]);
}

#[test]
fn a_matrix_turned_after_its_dequantize_is_turned_on_reading() {
    let turned = changed(|graph| {
        let fc = index(graph, "fc");
        let perm = [("perm".to_string(), Attribute::Ints(vec![1, 0]))].into();
        let turn = Node {
            name: "turn".into(),
            op: Op::Other { op_type: "Transpose".into(), attributes: perm },
            inputs: vec!["fc.weight".into()],
            outputs: vec!["fc.weight.turned".into()],
        };
        graph.nodes[fc].inputs[1] = "fc.weight.turned".into();
        graph.nodes[fc].op = Op::Gemm { transposed: false };
        graph.nodes.insert(fc, turn);
    });
    assert_eq!(turned, small());
}

/// The small graph with the Relu after the QuantizeLinear of its convolution, which then has `before`.
fn relu_apart(before: &str) -> QuantGraph {
    let mut network = small();
    let QuantOp::Conv2d { clamp, .. } = &mut network.nodes[0].op else { unreachable!() };
    *clamp = Clamp::NONE;
    let relu = QuantOp::Requantize { clamp: Clamp { min: 10, max: 127 } };
    network.tensors[1].zero_point = 10;
    network.tensors[2].zero_point = 10;
    let apart = QuantTensor { name: "c".into(), ..network.tensors[1].clone() };
    network.tensors.insert(1, apart);
    for node in &mut network.nodes[1..] {
        node.inputs[0] += 1;
        node.output += 1;
    }
    network.nodes.insert(1, super::QuantNode { name: "relu".into(), op: relu, inputs: vec![1], output: 2 });
    network.output = 4;
    let mut graph = to_graph(&network);
    if before == "other scale" {
        set("c.scale", &[], Data::F32(vec![0.25]))(&mut graph);
    }
    from_graph(&graph).unwrap()
}

#[test]
fn a_relu_between_two_quantizations_of_one_scale_is_a_bound() {
    let network = relu_apart("same scale");
    assert_eq!(network.nodes.len(), 3);
    let QuantOp::Conv2d { clamp, .. } = &network.nodes[0].op else { panic!("a convolution is first") };
    assert_eq!(*clamp, Clamp { min: 10, max: 127 });
    let names: Vec<&str> = network.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["x", "a", "p", "y"]);
    assert_eq!(relu_apart("other scale").nodes.len(), 4);
}

#[test]
fn a_pool_that_rescales_is_a_pool_and_a_change_of_scale() {
    let rescaled = changed(|graph| {
        set("p.scale", &[], Data::F32(vec![0.25]))(graph);
        set("fc.flat.scale", &[], Data::F32(vec![0.25]))(graph);
    });
    let mut expected = small();
    expected.nodes[2].inputs[0] = 3;
    expected.nodes[2].output = 4;
    // The biases' scale x·w is now half of what they were stored at.
    let QuantOp::Dense { weights, .. } = &mut expected.nodes[2].op else { unreachable!() };
    weights.biases = vec![6];
    let rescale = QuantOp::Requantize { clamp: Clamp::NONE };
    let rescale = super::QuantNode { name: "p.quantize".into(), op: rescale, inputs: vec![2], output: 3 };
    expected.nodes.insert(2, rescale);
    // The writer calls so what it makes of `p` before rounding.
    let pooled = QuantTensor { name: "p.float_2".into(), ..expected.tensors[2].clone() };
    expected.tensors.insert(2, pooled);
    expected.tensors[3].scale = 0.25;
    expected.output = 4;
    assert_eq!(rescaled, expected);
}

#[test]
fn operators_that_choose_or_move_need_no_quantization_of_their_own() {
    // Without Q and DQ between: Conv → Relu → MaxPool → Flatten → Q, and the other way DQ → MaxPool → Flatten → Gemm.
    let before = changed(|graph| {
        let pool = index(graph, "pool");
        graph.nodes[pool].inputs[0] = "a.float".into();
        graph.nodes.retain(|node| !matches!(node.name.as_str(), "a.quantize" | "a.dequantize"));
    });
    let after = changed(|graph| {
        let flatten = index(graph, "fc.flatten");
        graph.nodes[flatten].inputs[0] = "p.float".into();
        let fc = index(graph, "fc");
        graph.nodes[fc].inputs[0] = "fc.flat.float".into();
        graph.nodes.retain(|node| {
            !node.name.starts_with("fc.flat.") && !matches!(node.name.as_str(), "p.quantize" | "p.dequantize")
        });
    });
    let named = |names: [&str; 2]| {
        let mut network = small();
        network.tensors[1].name = names[0].into();
        network.tensors[2].name = names[1].into();
        network
    };
    assert_eq!(before, named(["a.linear", "p"]));
    assert_eq!(after, named(["a", "p.float"]));
}

#[test]
fn one_value_quantized_twice_alike_is_one_tensor() {
    let doubled = changed(|graph| {
        for name in ["a.quantize", "a.dequantize"] {
            let at = index(graph, name);
            let mut again = graph.nodes[at].clone();
            again.name += "_2";
            again.outputs[0] += "_2";
            again.inputs[0] += if name == "a.dequantize" { "_2" } else { "" };
            graph.nodes.insert(at + 1, again);
        }
        let pool = index(graph, "pool");
        graph.nodes[pool].op = Op::Add;
        graph.nodes[pool].inputs.push("a_2".into());
    });
    let mut expected = small();
    expected.nodes[1].op = QuantOp::Add { clamp: Clamp::NONE };
    expected.nodes[1].inputs = vec![1, 1];
    assert_eq!(doubled, expected);
}

#[test]
fn sums_and_products_with_constants_are_depthwise() {
    let with = |op: Op, constant: Data, zero_point: i8| {
        let network = changed(|graph| {
            let pool = index(graph, "pool");
            graph.nodes[pool].op = op.clone();
            graph.nodes[pool].inputs.push("k".into());
            let dims = [2, 1, 1];
            set("k.stored", &dims, constant.clone())(graph);
            set("k.scale", &[], Data::F32(vec![0.25]))(graph);
            set("k.zero_point", &[], Data::I8(vec![zero_point]))(graph);
            let dequantize = Node {
                name: "k.dequantize".into(),
                op: Op::Dequantize { axis: 0 },
                inputs: vec!["k.stored".into(), "k.scale".into(), "k.zero_point".into()],
                outputs: vec!["k".into()],
            };
            graph.nodes.insert(0, dequantize);
        });
        let QuantOp::Conv2d { groups: 2, weights, clamp: Clamp::NONE, .. } = network.nodes[1].op.clone() else {
            panic!("a depthwise convolution: {:?}", network.nodes[1].op)
        };
        weights
    };
    // x·k: k is 0.25 · (6 − 2) and 0.25 · (−6 − 2).
    let product = with(Op::Mul, Data::I8(vec![6, -6]), 2);
    assert_eq!(product.values, [64, -64]);
    assert_eq!((product.scales, product.biases), (vec![1.0 / 64.0, 2.0 / 64.0], vec![0, 0]));
    // x + k, where a step of x is 0.5: in 64ths of it.
    let sum = with(Op::Add, Data::I8(vec![6, -6]), 2);
    assert_eq!((sum.values, sum.scales), (vec![64, 64], vec![1.0 / 64.0; 2]));
    assert_eq!(sum.biases, [128, -256]);
}

#[test]
fn functions_and_joints_are_read() {
    let sigmoid = changed(|graph| {
        let pool = index(graph, "pool");
        graph.nodes[pool].op = Op::Activation(Activation::Sigmoid);
        set("p.scale", &[], Data::F32(vec![1.0 / 256.0]))(graph);
    });
    assert_eq!(sigmoid.nodes[1].op, QuantOp::Activation { function: Activation::Sigmoid });
    assert_eq!(sigmoid.tensors[2].scale, 1.0 / 256.0);
}

#[test]
fn a_quantized_softmax_at_the_end_is_left_off() {
    let softmax = changed(|graph| {
        let step = |name: &str, op, input: &str, output: &str| Node {
            name: name.into(),
            op,
            inputs: vec![input.into(), "y.scale".into(), "y.zero_point".into()],
            outputs: vec![output.into()],
        };
        let softmax =
            Node { inputs: vec!["y".into()], ..step("softmax", Op::Softmax { axis: 1 }, "", "probabilities.float") };
        graph.nodes.push(softmax);
        graph.nodes.push(step(
            "s.quantize",
            Op::Quantize { axis: 0 },
            "probabilities.float",
            "probabilities.quantized",
        ));
        graph.nodes.push(step("s.dequantize", Op::Dequantize { axis: 0 }, "probabilities.quantized", "probabilities"));
        graph.outputs[0].name = "probabilities".into();
    });
    assert_eq!(softmax, small());
}

#[test]
fn a_weight_beyond_127_reads_its_channel_twice() {
    // The dense layer reads 2 channels of 2×2; its second channel has weights of −128 and 150.
    let wide = changed(|graph| {
        set("fc.weight.quantized", &[1, 8], Data::U8(vec![101, 99, 100, 227, 102, 250, 0, 104]))(graph);
        set("fc.weight.zero_point", &[1], Data::U8(vec![100]))(graph);
    });
    let made: Vec<(&str, &[usize], [usize; 3])> = wide.nodes[2..]
        .iter()
        .map(|node| (node.name.as_str(), &node.inputs[..], wide.tensors[node.output].shape))
        .collect();
    let expected: [(&str, &[usize], [usize; 3]); 3] =
        [("fc.again", &[2], [1, 2, 2]), ("fc.twice", &[2, 3], [3, 2, 2]), ("fc", &[4], [1, 1, 1])];
    assert_eq!(made, expected);
    let QuantOp::Conv2d { weights, .. } = &wide.nodes[2].op else { panic!("a convolution chooses") };
    assert_eq!((&weights.values[..], &weights.scales[..]), (&[0, 64][..], &[1.0 / 64.0][..]));
    let QuantOp::Dense { weights, .. } = &wide.nodes[4].op else { panic!("a dense layer is last") };
    assert_eq!(weights.values, [1, -1, 0, 127, 2, 127, -100, 4, 0, 23, 0, 0]);
    assert_eq!((weights.shape, &weights.biases[..]), ([1, 12, 1, 1], &[3][..]));
    assert_eq!([wide.tensors[3].affine(), wide.tensors[4].affine()], [wide.tensors[2].affine(); 2]);
}

#[test]
fn a_group_with_a_weight_beyond_127_reads_its_channels_side_by_side() {
    // The pool becomes a depthwise 1×1 convolution of weights 200 and −3.
    let wide = changed(|graph| {
        let pool = index(graph, "pool");
        graph.nodes[pool].op = Op::Conv { window: UNIT, groups: 2 };
        graph.nodes[pool].inputs.push("k".into());
        set("k.stored", &[2, 1, 1, 1], Data::U8(vec![203, 0]))(graph);
        set("k.scale", &[], Data::F32(vec![0.25]))(graph);
        set("k.zero_point", &[], Data::U8(vec![3]))(graph);
        let dequantize = Node {
            name: "k.dequantize".into(),
            op: Op::Dequantize { axis: 0 },
            inputs: vec!["k.stored".into(), "k.scale".into(), "k.zero_point".into()],
            outputs: vec!["k".into()],
        };
        graph.nodes.insert(0, dequantize);
    });
    let QuantOp::Conv2d { groups: 2, weights: twice, .. } = &wide.nodes[1].op else { panic!("a copy is second") };
    assert_eq!((twice.shape, &twice.values[..]), ([4, 1, 1, 1], &[64; 4][..]));
    assert_eq!(wide.tensors[2].shape, [4, 2, 2]);
    let QuantOp::Conv2d { groups: 2, weights, .. } = &wide.nodes[2].op else { panic!("the layer is third") };
    assert_eq!((weights.shape, &weights.values[..]), ([2, 2, 1, 1], &[127, 73, -3, 0][..]));
}

const UNIT: super::Window = super::Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };

/// A Pad of a row above and two columns to the right of `input`.
pub(super) fn pad(input: &str, output: &str, constants: &[&str]) -> Node {
    let inputs = [&[input, "pad.sizes"], constants].concat().into_iter().map(String::from).collect();
    let op = Op::Other { op_type: "Pad".into(), attributes: Default::default() };
    Node { name: "pad".into(), op, inputs, outputs: vec![output.into()] }
}

pub(super) fn sizes() -> Data {
    Data::I64(vec![0, 0, 1, 0, 0, 0, 0, 2])
}

#[test]
fn padding_apart_is_padding_of_the_layer() {
    let read = |between: bool| {
        changed(|graph| {
            set("pad.sizes", &[8], sizes())(graph);
            let conv = index(graph, "conv");
            graph.nodes[conv].inputs[0] = "padded".into();
            let mut nodes = vec![pad("x.dequantized", if between { "padded.float" } else { "padded" }, &[])];
            if between {
                for name in ["x.quantize", "x.dequantize"] {
                    let mut node = graph.nodes[index(graph, name)].clone();
                    node.name = name.replace("x.", "padded.");
                    node.inputs[0] = if name == "x.quantize" { "padded.float" } else { "padded.quantized" }.into();
                    node.outputs[0] = if name == "x.quantize" { "padded.quantized" } else { "padded" }.into();
                    nodes.push(node);
                }
            }
            graph.nodes.splice(conv..conv, nodes);
            // A map of 3×4 has 24 values.
            set("fc.weight.quantized", &[1, 24], Data::I8(vec![1; 24]))(graph);
        })
    };
    for network in [read(true), read(false)] {
        let QuantOp::Conv2d { window, .. } = &network.nodes[0].op else { panic!("a convolution is first") };
        assert_eq!((window.pads, network.nodes.len()), ([1, 0, 0, 2], 3));
        assert_eq!(network.tensors[1].shape, [2, 3, 4]);
    }
}

/// Silu as Sigmoid and Mul in place of the small network's pool, the gate quantized by itself or not.
#[test]
fn a_gate_of_the_value_itself_is_a_function() {
    for quantized in [true, false] {
        let network = changed(|graph| {
            set("gate.scale", &[], Data::F32(vec![1.0 / 256.0]))(graph);
            set("gate.zero_point", &[], Data::I8(vec![-128]))(graph);
            let pool = index(graph, "pool");
            let sigmoid = Node::new("sigmoid", Op::Activation(Activation::Sigmoid), &["a"], "gate.float");
            let pair = [
                ("quantize", Op::Quantize { axis: 0 }, "float", "quantized"),
                ("dequantize", Op::Dequantize { axis: 0 }, "quantized", "real"),
            ];
            let pair = pair.map(|(name, op, from, to)| {
                Node::new(
                    &format!("gate.{name}"),
                    op,
                    &[&format!("gate.{from}"), "gate.scale", "gate.zero_point"],
                    &format!("gate.{to}"),
                )
            });
            let gate = if quantized { "gate.real" } else { "gate.float" };
            let product = Node::new("pool", Op::Mul, &[gate, "a"], "p.float");
            let between = if quantized { pair.to_vec() } else { vec![] };
            graph.nodes.splice(pool..=pool, [vec![sigmoid], between, vec![product]].concat());
        });
        let function = QuantOp::Activation { function: Activation::Silu };
        assert_eq!((&network.nodes[1].op, &network.nodes[1].inputs[..]), (&function, &[1][..]), "{quantized}");
        assert_eq!(network.nodes.len(), 3);
    }
}

/// O×H×W×I, turned after its DequantizeLinear.
#[test]
fn a_kernel_with_its_channels_last_is_turned_on_reading() {
    let turned = changed(|graph| {
        set("conv.weight.quantized", &[2, 1, 1, 1], Data::I8(vec![127, -127]))(graph);
        let conv = index(graph, "conv");
        let perm = [("perm".to_string(), Attribute::Ints(vec![0, 3, 1, 2]))].into();
        let op = Op::Other { op_type: "Transpose".into(), attributes: perm };
        graph.nodes[conv].inputs[1] = "kernel".into();
        graph.nodes.insert(conv, Node::new("turn", op, &["conv.weight"], "kernel"));
    });
    assert_eq!(turned, small());
}

//! The form of one graph in full, and files that are not of the form.

mod float_constants;
mod foreign;
mod operator_form;
mod round_trip;
mod variants;

use super::super::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights};
use super::{from_graph, to_graph};
use crate::graph::{Data, Graph, Op, Tensor, Window};

/// conv + relu → maxpool → fc, over a 1×2×2 image.
fn small() -> QuantGraph {
    let tensor = |name: &str, shape, scale, zero_point| QuantTensor { name: name.into(), shape, scale, zero_point };
    let node = |name: &str, op, input, output| QuantNode { name: name.into(), op, inputs: vec![input], output };
    let unit = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
    let weights =
        Weights { shape: [2, 1, 1, 1], values: vec![127, -127], scales: vec![0.5, 0.25], biases: vec![8, -9] };
    let matrix = Weights { shape: [1, 8, 1, 1], values: vec![1; 8], scales: vec![2.0], biases: vec![3] };
    let relu = Clamp { min: -128, max: 127 };
    QuantGraph {
        name: "small".into(),
        tensors: vec![
            tensor("x", [1, 2, 2], 0.125, -128),
            tensor("a", [2, 2, 2], 0.5, -128),
            tensor("p", [2, 2, 2], 0.5, -128),
            tensor("y", [1, 1, 1], 4.0, 7),
        ],
        nodes: vec![
            node("conv", QuantOp::Conv2d { window: unit, groups: 1, weights, clamp: relu }, 0, 1),
            node("pool", QuantOp::MaxPool { window: unit }, 1, 2),
            node("fc", QuantOp::Dense { weights: matrix, clamp: Clamp::NONE }, 2, 3),
        ],
        input: 0,
        output: 3,
        metadata: Default::default(),
    }
}

#[test]
fn the_form_in_full() {
    let graph = to_graph(&small());
    let line =
        |n: &crate::graph::Node| format!("{} = {} {}({})", n.outputs[0], n.op.name(), n.name, n.inputs.join(" "));
    let lines: Vec<String> = graph.nodes.iter().map(line).collect();
    let expected = "\
x.quantized = QuantizeLinear x.quantize(x x.scale x.zero_point)
x.dequantized = DequantizeLinear x.dequantize(x.quantized x.scale x.zero_point)
conv.weight = DequantizeLinear conv.weight.dequantize(conv.weight.quantized conv.weight.scale conv.weight.zero_point)
conv.bias = DequantizeLinear conv.bias.dequantize(conv.bias.quantized conv.bias.scale conv.bias.zero_point)
a.linear = Conv conv(x.dequantized conv.weight conv.bias)
a.float = Relu conv.relu(a.linear)
a.quantized = QuantizeLinear a.quantize(a.float a.scale a.zero_point)
a = DequantizeLinear a.dequantize(a.quantized a.scale a.zero_point)
p.float = MaxPool pool(a)
p.quantized = QuantizeLinear p.quantize(p.float p.scale p.zero_point)
p = DequantizeLinear p.dequantize(p.quantized p.scale p.zero_point)
fc.flat.float = Flatten fc.flatten(p)
fc.flat.quantized = QuantizeLinear fc.flat.quantize(fc.flat.float fc.flat.scale fc.flat.zero_point)
fc.flat = DequantizeLinear fc.flat.dequantize(fc.flat.quantized fc.flat.scale fc.flat.zero_point)
fc.weight = DequantizeLinear fc.weight.dequantize(fc.weight.quantized fc.weight.scale fc.weight.zero_point)
fc.bias = DequantizeLinear fc.bias.dequantize(fc.bias.quantized fc.bias.scale fc.bias.zero_point)
y.float = Gemm fc(fc.flat fc.weight fc.bias)
y.quantized = QuantizeLinear y.quantize(y.float y.scale y.zero_point)
y = DequantizeLinear y.dequantize(y.quantized y.scale y.zero_point)";
    assert_eq!(lines.join("\n"), expected);

    let constant = |name: &str| graph.initializers[name].clone();
    assert_eq!(constant("conv.bias.scale"), Tensor::f32(&[2], vec![0.0625, 0.03125]));
    assert_eq!(constant("conv.bias.quantized"), Tensor::new(&[2], Data::I32(vec![8, -9])));
    assert_eq!(constant("conv.bias.zero_point"), Tensor::new(&[2], Data::I32(vec![0, 0])));
    assert_eq!(constant("fc.weight.quantized"), Tensor::new(&[1, 8], Data::I8(vec![1; 8])));
    assert_eq!(constant("p.zero_point"), Tensor::new(&[], Data::I8(vec![-128])));
    let axes = graph.nodes.iter().filter_map(|n| match n.op {
        Op::Quantize { axis } | Op::Dequantize { axis } => Some(axis),
        _ => None,
    });
    assert!(axes.into_iter().all(|axis| axis == 0));
    assert_eq!((graph.inputs[0].name.as_str(), graph.inputs[0].shape.len()), ("x", 4));
    assert_eq!((graph.outputs[0].name.as_str(), graph.outputs[0].shape.len()), ("y", 2));
}

fn set(name: &str, dims: &[usize], data: Data) -> impl FnOnce(&mut Graph) {
    let (name, tensor) = (name.to_string(), Tensor::new(dims, data));
    move |graph| drop(graph.initializers.insert(name, tensor))
}

fn index(graph: &Graph, name: &str) -> usize {
    graph.nodes.iter().position(|n| n.name == name).unwrap()
}

/// The message for the small graph after a change to its QDQ form, without its advice.
fn refusal(change: impl FnOnce(&mut Graph)) -> String {
    let mut graph = to_graph(&small());
    change(&mut graph);
    let message = from_graph(&graph).unwrap_err().to_string();
    let advice = message.find(". Write the file").or(message.find(". Quantize what"));
    message[..advice.unwrap()].into()
}

#[test]
fn what_is_not_of_the_form_is_named() {
    assert_eq!(
        refusal(set("a.zero_point", &[], Data::I32(vec![0]))),
        "`a.quantize`: expected one finite positive float32 scale and one int8 or uint8 zero point, both constants, found \
         scale F32 [], zero point I32 []"
    );
    assert_eq!(
        refusal(|graph| {
            set("conv.weight.quantized", &[2, 1, 1, 1], Data::U8(vec![255, 1]))(graph);
            set("conv.weight.zero_point", &[2], Data::U8(vec![0, 0]))(graph);
        }),
        "`conv.weight.dequantize`: expected weights in −127…127 after their zero point is taken off (onnxruntime: \
         weight_type=QInt8 with WeightSymmetric=True; PyTorch: symmetric with quant_min=-127; Brevitas: narrow_range), \
         found 1 of 2 beyond"
    );
    assert_eq!(
        refusal(set("fc.bias.quantized", &[3], Data::I32(vec![1, 2, 3]))),
        "`fc`: expected 1 biases, one an output channel, found dimensions [3]"
    );
    let infinite = refusal(set("x.scale", &[], Data::F32(vec![f32::INFINITY])));
    assert!(infinite.starts_with("`x.quantize`: expected one finite positive float32 scale"), "{infinite}");
    let other_scale = refusal(|graph| {
        set("a.scale.other", &[], Data::F32(vec![0.25]))(graph);
        let dequantize = index(graph, "a.dequantize");
        graph.nodes[dequantize].inputs[1] = "a.scale.other".into();
    });
    assert_eq!(
        other_scale,
        "`a.dequantize`: expected Affine { scale: 0.5, zero_point: -128 }, as quantized, found Affine { scale: 0.25, \
         zero_point: -128 }"
    );
}

#[test]
fn a_float_network_is_told_from_a_quantized_one() {
    let mut graph = to_graph(&small());
    graph.nodes.retain(|node| node.name == "pool");
    graph.nodes[0].inputs[0] = "x".into();
    graph.outputs[0].name = "p.float".into();
    let message = from_graph(&graph).unwrap_err().to_string();
    assert!(message.starts_with("`small`: expected a quantized network (QuantizeLinear"), "{message}");
}

#[test]
fn operators_on_floats_are_named_all_at_once() {
    let refusal = refusal(|graph| {
        let (conv, fc) = (index(graph, "conv"), index(graph, "fc"));
        graph.nodes[conv].inputs[0] = "x".into();
        graph.nodes[fc].inputs[0] = "fc.flat.float".into();
        graph.nodes.truncate(index(graph, "y.quantize"));
        graph.outputs[0].name = "y.float".into();
    });
    assert_eq!(
        refusal,
        "1 of the network's operators would work on floats, and the engine has int8 only: `conv` (Conv): it reads `x`, which is not quantized"
    );
    let unknown = |name: &str| Op::Other { op_type: name.into(), attributes: Default::default() };
    let refusal = self::refusal(|graph| {
        let (conv, pool) = (index(graph, "conv"), index(graph, "pool"));
        graph.nodes[conv].op = unknown("ConvInteger");
        graph.nodes[pool].op = unknown("LpPool");
        let blocked = index(graph, "y.dequantize");
        graph.nodes[blocked].op = unknown("DequantizeLinear");
    });
    assert_eq!(
        refusal,
        "3 of the network's operators would work on floats, and the engine has int8 only: `conv` (ConvInteger): dynamic \
         quantization finds a new scale for every input; quantize statically, with calibration inputs; `pool` (LpPool): it \
         has no int8 form; `y.dequantize` (DequantizeLinear): expected one scale, or one a channel (no block_size), between float32 and int8 or \
         uint8 (no other output_dtype or precision)"
    );
}

#[test]
fn a_result_without_a_scale_is_named() {
    let refusal = refusal(|graph| {
        graph.nodes.truncate(index(graph, "y.quantize"));
        graph.outputs[0].name = "y.float".into();
    });
    assert!(refusal.ends_with("`fc` (Gemm): its result `y.float` is not quantized"), "{refusal}");
}

#[test]
fn a_softmax_after_the_last_dequantize_is_left_off() {
    let mut graph = to_graph(&small());
    let softmax = crate::graph::Node {
        name: "softmax".into(),
        op: Op::Softmax { axis: 1 },
        inputs: vec!["y".into()],
        outputs: vec!["probabilities".into()],
    };
    graph.nodes.push(softmax);
    graph.outputs[0].name = "probabilities".into();
    assert_eq!(from_graph(&graph).unwrap(), small());
}

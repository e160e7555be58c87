//! Round trips over generated graphs, the form of one graph in full, and files that are not of the form.

use super::super::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, QuantizeError, Weights, shape};
use super::{from_graph, to_graph};
use crate::graph::{Data, Graph, Op, Tensor, Window, shape::window_output};

/// A small generator (Knuth's MMIX constants): the same graphs on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }

    fn byte(&mut self) -> i8 {
        self.below(256) as u8 as i8
    }

    fn scale(&mut self) -> f32 {
        (self.below(9999) + 1) as f32 * 1.7e-5
    }

    fn clamp(&mut self, zero_point: i8) -> Clamp {
        let min = [i8::MIN, zero_point, self.byte()][self.below(3)];
        let max = [i8::MAX, self.byte().max(min)][self.below(2)];
        Clamp { min, max }
    }

    fn window(&mut self) -> Window {
        let mut pair = |end| [self.below(end) + 1, self.below(end) + 1];
        let (kernel, strides, dilations) = (pair(3), pair(2), pair(2));
        Window { kernel, strides, dilations, pads: [self.below(3), self.below(3), self.below(3), self.below(3)] }
    }

    fn weights(&mut self, shape: [usize; 4]) -> Weights {
        let len: usize = shape.iter().product();
        Weights {
            shape,
            values: (0..len).map(|_| self.byte().max(-127)).collect(),
            scales: (0..shape[0]).map(|_| self.scale()).collect(),
            biases: (0..shape[0]).map(|_| self.below(1 << 31) as i32 - (1 << 30)).collect(),
        }
    }

    fn op(&mut self, kind: usize, [channels, height, width]: [usize; 3], zero_point: i8) -> QuantOp {
        let (clamp, window) = (self.clamp(zero_point), self.window());
        let out = self.below(3) + 1;
        let [kh, kw] = window.kernel;
        match kind {
            0 => QuantOp::Conv2d { window, groups: 1, weights: self.weights([out, channels, kh, kw]), clamp },
            1 => {
                let weights = self.weights([out * channels, 1, kh, kw]);
                QuantOp::Conv2d { window, groups: channels, weights, clamp }
            }
            2 => QuantOp::Dense { weights: self.weights([out, channels * height * width, 1, 1]), clamp },
            3 => QuantOp::MaxPool { window },
            4 => QuantOp::AveragePool { window, count_include_pad: self.below(2) == 0 },
            5 => QuantOp::AveragePool { window: shape::whole([channels, height, width]), count_include_pad: false },
            6 => QuantOp::Add { clamp },
            7 => QuantOp::Reshape,
            _ => QuantOp::Requantize { clamp },
        }
    }
}

const KINDS: usize = 9;

/// A chain of operators of every kind, in the order that [`QuantGraph`] asks for.
fn generate(dice: &mut Dice) -> QuantGraph {
    let input = QuantTensor { name: "image".into(), shape: [2, 6, 5], scale: dice.scale(), zero_point: dice.byte() };
    let metadata = [("license".to_string(), "MIT".to_string())].into();
    let mut graph =
        QuantGraph { name: "generated".into(), tensors: vec![input], nodes: vec![], input: 0, output: 0, metadata };
    for _ in 0..dice.below(8) + 1 {
        let kind = dice.below(KINDS);
        append(&mut graph, dice, kind);
    }
    if graph.nodes.is_empty() {
        append(&mut graph, dice, KINDS - 1);
    }
    graph
}

/// Appends an operator where it fits. (A Dense after a Reshape would be folded; a window needs an image, and so does
/// an Add, whose two sides might otherwise differ in rank.)
fn append(graph: &mut QuantGraph, dice: &mut Dice, kind: usize) {
    let input = graph.output;
    let last = graph.tensors[input].clone();
    let keeps = matches!(kind, 3 | 7);
    let (scale, zero_point) = if keeps { (last.scale, last.zero_point) } else { (dice.scale(), dice.byte()) };
    if matches!(kind, 0 | 1 | 3..=6) && last.shape[1..] == [1, 1] {
        return;
    }
    let op = dice.op(kind, last.shape, zero_point);
    let inputs = if kind == 6 { vec![input, dice.below(graph.tensors.len())] } else { vec![input] };
    let fits = inputs.iter().all(|&id| graph.tensors[id].shape == last.shape);
    let Some(shape) = shape_after(&op, last.shape, dice).filter(|_| fits) else { return };
    if kind == 2 && graph.nodes.last().is_some_and(|n| n.op == QuantOp::Reshape) {
        return;
    }
    let output = graph.tensors.len();
    graph.tensors.push(QuantTensor { name: format!("value.{output}"), shape, scale, zero_point });
    graph.nodes.push(QuantNode { name: format!("node.{output}"), op, inputs, output });
    graph.output = output;
}

fn shape_after(op: &QuantOp, [channels, height, width]: [usize; 3], dice: &mut Dice) -> Option<[usize; 3]> {
    let slide = |window, channels| window_output(window, [height, width]).map(|[h, w]| [channels, h, w]);
    match op {
        QuantOp::Conv2d { window, weights, .. } => slide(window, weights.shape[0]),
        QuantOp::MaxPool { window } | QuantOp::AveragePool { window, .. } => slide(window, channels),
        QuantOp::Dense { weights, .. } => Some([weights.shape[0], 1, 1]),
        QuantOp::Reshape => Some([[channels * height * width, 1, 1], [height, channels, width]][dice.below(2)]),
        QuantOp::Add { .. } | QuantOp::Requantize { .. } => Some([channels, height, width]),
    }
}

#[test]
fn reading_gives_back_what_was_written() {
    let mut dice = Dice(1);
    let mut seen = [0; 7];
    for _ in 0..2000 {
        let graph = generate(&mut dice);
        for node in &graph.nodes {
            seen[kind_index(&node.op)] += 1;
        }
        assert_eq!(from_graph(&to_graph(&graph)).unwrap(), graph);
    }
    assert!(seen.iter().all(|&n| n > 200), "operators seen: {seen:?}");
}

fn kind_index(op: &QuantOp) -> usize {
    match op {
        QuantOp::Conv2d { .. } => 0,
        QuantOp::Dense { .. } => 1,
        QuantOp::MaxPool { .. } => 2,
        QuantOp::AveragePool { .. } => 3,
        QuantOp::Add { .. } => 4,
        QuantOp::Reshape => 5,
        QuantOp::Requantize { .. } => 6,
    }
}

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

/// The message for the small graph after a change to its QDQ form.
fn refusal(change: impl FnOnce(&mut Graph)) -> String {
    let mut graph = to_graph(&small());
    change(&mut graph);
    let error = from_graph(&graph).unwrap_err();
    assert!(matches!(error, QuantizeError::Form { .. }), "{error:?}");
    let message = error.to_string();
    message[..message.find(". Write the file").unwrap()].into()
}

fn set(name: &str, dims: &[usize], data: Data) -> impl FnOnce(&mut Graph) {
    let (name, tensor) = (name.to_string(), Tensor::new(dims, data));
    move |graph| drop(graph.initializers.insert(name, tensor))
}

#[test]
fn what_is_not_of_the_form_is_named() {
    assert_eq!(
        refusal(set("a.zero_point", &[], Data::U8(vec![0]))),
        "`a.quantize`: expected one finite positive float32 scale and one int8 zero point, both constants, found scale \
         F32 [], zero point U8 []"
    );
    assert_eq!(
        refusal(set("p.scale", &[], Data::F32(vec![0.25]))),
        "`pool`: expected scale and zero point of its input, Affine { scale: 0.5, zero_point: -128 }, found Affine { \
         scale: 0.25, zero_point: -128 }"
    );
    assert_eq!(
        refusal(set("conv.bias.scale", &[2], Data::F32(vec![0.0625, 0.25]))),
        "`conv.bias.dequantize`: expected 2 int32 biases at scale x·w, found scale 2.5e-1 in channel 1, where x·w = 3.125e-2"
    );
    assert_eq!(
        refusal(set("conv.weight.quantized", &[2, 1, 1, 1], Data::I8(vec![127, -128]))),
        "`conv.weight.dequantize`: expected int8 weights in −127…127, of rank 4 for Conv and 2 for Gemm, found none, or \
         one of −128"
    );
    let asymmetric = refusal(set("conv.weight.zero_point", &[2], Data::I8(vec![0, 1])));
    assert!(asymmetric.contains("zero points of 0"), "{asymmetric}");
    let infinite = refusal(set("x.scale", &[], Data::F32(vec![f32::INFINITY])));
    assert!(infinite.starts_with("`x.quantize`: expected one finite positive float32 scale"), "{infinite}");
}

#[test]
fn operators_outside_q_and_dq_are_named() {
    let index = |graph: &Graph, name: &str| graph.nodes.iter().position(|n| n.name == name).unwrap();
    let float_input = refusal(|graph| {
        let conv = index(graph, "conv");
        graph.nodes[conv].inputs[0] = "x".into();
    });
    assert_eq!(
        float_input,
        "`conv`: expected `x` to come from a DequantizeLinear, found a constant, an input or nothing"
    );
    let unquantized = refusal(|graph| {
        graph.nodes.truncate(index(graph, "y.quantize"));
        graph.outputs[0].name = "y.float".into();
    });
    assert_eq!(unquantized, "`fc`: expected a QuantizeLinear after its result `y.float`, found none");
    let shared = refusal(|graph| {
        let extra = graph.nodes[index(graph, "fc.flatten")].clone();
        graph.nodes.push(crate::graph::Node { inputs: vec!["p.float".into()], outputs: vec!["z".into()], ..extra });
    });
    assert!(shared.starts_with("`pool`: expected one QuantizeLinear as the only reader of `p.float`"), "{shared}");
}

#[test]
fn an_int8_network_is_not_quantized_again() {
    let error = crate::quantize::quantize(&to_graph(&small()), &Default::default()).unwrap_err();
    assert_eq!(error, QuantizeError::AlreadyQuantized);
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

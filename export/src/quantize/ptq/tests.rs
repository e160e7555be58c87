//! Float graphs small enough to quantize by hand.

use super::*;
use crate::graph::{DType, Data, Dim, Graph, Node, Op, Tensor, ValueInfo};
use crate::quantize::*;

fn node(name: &str, op: Op, inputs: &[&str], output: &str) -> Node {
    let inputs = inputs.iter().map(|&i| i.into()).collect();
    Node { name: name.into(), op, inputs, outputs: vec![output.into()] }
}

fn value(name: &str, extents: &[usize]) -> ValueInfo {
    let batch = Dim::Symbol("batch".into());
    let shape = std::iter::once(batch).chain(extents.iter().map(|&e| Dim::Fixed(e))).collect();
    ValueInfo { name: name.into(), dtype: DType::F32, shape }
}

fn graph(input: &[usize], nodes: Vec<Node>, output: &str, constants: &[(&str, &[usize], &[f32])]) -> Graph {
    let constant =
        |&(name, dims, values): &(&str, &[usize], &[f32])| (String::from(name), Tensor::f32(dims, values.into()));
    Graph {
        name: "tiny".into(),
        nodes,
        inputs: vec![value("x", input)],
        outputs: vec![value(output, &[])],
        initializers: constants.iter().map(constant).collect(),
        ..Graph::default()
    }
}

fn ranges(ranges: &[(&str, f32, f32)]) -> Ranges {
    ranges.iter().map(|&(name, min, max)| (name.into(), Range { min, max })).collect()
}

const WINDOW: Window = Window { kernel: [2, 2], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 1, 1] };
const POOL: Window = Window { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0; 4] };

/// conv 2×2 → relu6 → maxpool → flatten → fc → softmax
fn small_cnn() -> Graph {
    let nodes = vec![
        node("conv", Op::Conv { window: WINDOW, groups: 1 }, &["x", "w", "b"], "c"),
        node("relu6", Op::Clip { min: 0.0, max: 6.0 }, &["c"], "r"),
        node("pool", Op::MaxPool { window: POOL }, &["r"], "p"),
        node("flatten", Op::Flatten { axis: 1 }, &["p"], "f"),
        node("fc", Op::Gemm { transposed: false }, &["f", "v"], "logits"),
        node("softmax", Op::Softmax { axis: 1 }, &["logits"], "probabilities"),
    ];
    let weights: &[f32] = &[1.27, -0.5, 0.016, 0.0, 0.0, 0.0, 0.0, 25.4];
    let matrix: &[f32] = &[0.5, 10.0, -1.27, 1.27];
    graph(
        &[1, 2, 2],
        nodes,
        "probabilities",
        &[("w", &[2, 1, 2, 2], weights), ("b", &[2], &[0.5, -3.0]), ("v", &[2, 2], matrix)],
    )
}

#[test]
fn a_small_network_by_hand() {
    let mut graph = small_cnn();
    graph.metadata.insert(format!("{EQUALIZED}r"), "1 2".into());
    assert_eq!(watched(&graph), ["x", "r", "logits"]);
    // Steps of 1/255, of 2⁻⁵ (so that 6.0 is the 192nd of 255), and of 0.1.
    let ranges = ranges(&[("x", 0.0, 1.0), ("r", 0.0, 7.96875), ("logits", -5.5, 20.0)]);
    let quantized = quantize(&graph, &ranges).unwrap();

    let tensor = |name: &str, shape, scale, zero_point| QuantTensor { name: name.into(), shape, scale, zero_point };
    let expected = [
        tensor("x", [1, 2, 2], 1.0 / 255.0, -128),
        tensor("r", [2, 2, 2], 0.03125, -128),
        tensor("p", [2, 1, 1], 0.03125, -128),
        tensor("logits", [2, 1, 1], 0.1, -73),
    ];
    assert_eq!(quantized.tensors, expected, "Flatten is folded into the Dense");
    assert_eq!((quantized.input, quantized.output), (0, 3));

    let conv = QuantOp::Conv2d {
        window: WINDOW,
        groups: 1,
        weights: Weights {
            shape: [2, 1, 2, 2],
            values: vec![127, -50, 2, 0, 0, 0, 0, 127],
            scales: vec![0.01, 0.2],
            // 0.5 · 255 / 0.01 and −3 · 255 / 0.2
            biases: vec![12750, -3825],
        },
        clamp: Clamp { min: -128, max: 64 },
    };
    let fc = QuantOp::Dense {
        weights: Weights {
            shape: [2, 2, 1, 1],
            values: vec![50, -127, 127, 16],
            scales: vec![0.01, 10.0 / 127.0],
            biases: vec![0, 0],
        },
        clamp: Clamp::NONE,
    };
    let node = |name: &str, op, input, output| QuantNode { name: name.into(), op, inputs: vec![input], output };
    let expected =
        [node("conv", conv, 0, 1), node("pool", QuantOp::MaxPool { window: POOL }, 1, 2), node("fc", fc, 2, 3)];
    assert_eq!(quantized.nodes, expected);
    assert_eq!(quantized.metadata["output"], "logits: the float network's Softmax is left off");
    assert!(!quantized.metadata.contains_key(&format!("{EQUALIZED}r")), "of another network");
}

#[test]
fn a_residual_block_keeps_its_joins() {
    let nodes = vec![
        node("a", Op::Relu, &["x"], "a"),
        node("sum", Op::Add, &["a", "x"], "s"),
        node("act", Op::Relu, &["s"], "y"),
        node("gap", Op::GlobalAveragePool, &["y"], "g"),
    ];
    let graph = graph(&[3, 4, 5], nodes, "g", &[]);
    assert_eq!(watched(&graph), ["x", "a", "y", "g"]);
    let ranges = ranges(&[("x", -1.0, 1.0), ("a", 0.0, 1.0), ("y", 0.0, 2.0), ("g", 0.0, 1.5)]);
    let quantized = quantize(&graph, &ranges).unwrap();
    let ops: Vec<_> = quantized.nodes.iter().map(|n| (n.op.clone(), n.inputs.clone(), n.output)).collect();
    let whole = Window { kernel: [4, 5], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
    let expected = [
        (QuantOp::Requantize { clamp: Clamp::NONE }, vec![0], 1),
        (QuantOp::Add { clamp: Clamp::NONE }, vec![1, 0], 2),
        (QuantOp::AveragePool { window: whole, count_include_pad: false }, vec![2], 3),
    ];
    assert_eq!(ops, expected);
    assert_eq!(quantized.tensors[3].shape, [3, 1, 1]);
    assert!(quantized.tensors[1..].iter().all(|t| t.zero_point == -128), "a ReLU's zero is the lowest step");
}

#[test]
fn every_unsupported_node_is_named() {
    let lstm = Op::Other { op_type: "LSTM".into(), attributes: Default::default() };
    let nodes = vec![
        node("norm", Op::BatchNorm { epsilon: 1e-5 }, &["x", "s", "s", "s", "s"], "n"),
        node("early", Op::Softmax { axis: 1 }, &["n"], "e"),
        node("memory", lstm, &["e"], "y"),
    ];
    let error = quantize(&graph(&[1, 1, 1], nodes, "y", &[("s", &[1], &[1.0])]), &Ranges::new()).unwrap_err();
    let expected = ["BatchNormalization `norm`", "Softmax `early`", "LSTM `memory`"];
    assert_eq!(error, QuantizeError::Unsupported { nodes: expected.map(String::from).into() });
}

#[test]
fn errors_name_what_is_missing() {
    let full = [("x", 0.0, 1.0), ("r", 0.0, 1.0), ("logits", -1.0, 1.0)];
    let fails = |graph: &Graph, with: &[(&str, f32, f32)]| quantize(graph, &ranges(with)).unwrap_err();
    assert_eq!(fails(&small_cnn(), &full[..2]), QuantizeError::NoRange { value: "logits".into() });

    let mut graph = small_cnn();
    graph.initializers.insert("w".into(), Tensor::f32(&[2, 1, 2, 2], vec![f32::NAN; 8]));
    assert_eq!(fails(&graph, &full), QuantizeError::NotFinite { tensor: "w".into() });

    graph.initializers.insert("w".into(), Tensor::f32(&[2, 2, 2, 1], vec![1.0; 8]));
    let found = fails(&graph, &full).to_string();
    assert!(found.starts_with("node `conv` (Conv): inputs of shapes batch×1×2×2 and 2×2×2×1 do not fit"), "{found}");

    graph.initializers.insert("w".into(), Tensor::new(&[2, 1, 2, 2], Data::I8(vec![1; 8])));
    let found = fails(&graph, &full).to_string();
    assert_eq!(found, "node `conv`: its weights `w` should be an initializer of float32, but is I8 [2, 1, 2, 2].");

    let mut graph = small_cnn();
    graph.inputs[0].shape[2] = Dim::Symbol("height".into());
    assert!(matches!(fails(&graph, &full), QuantizeError::Shape { .. }));

    let joins = vec![node("gap", Op::GlobalAveragePool, &["x"], "g"), node("sum", Op::Add, &["x", "g"], "y")];
    let found = fails(&self::graph(&[3, 2, 2], joins, "y", &[]), &[("x", 0.0, 1.0), ("g", 0.0, 1.0), ("y", 0.0, 1.0)]);
    let inputs = vec![[3, 2, 2], [3, 1, 1]];
    let expected = QuantizeError::Mismatch { node: "sum".into(), op: "Add".into(), inputs, output: [3, 2, 2] };
    assert_eq!(found, expected);
}

#[test]
fn an_int8_network_is_not_quantized_again() {
    let ranges = ranges(&[("x", 0.0, 1.0), ("r", 0.0, 7.96875), ("logits", -5.5, 20.0)]);
    let int8 = qdq::to_graph(&quantize(&small_cnn(), &ranges).unwrap());
    assert_eq!(quantize(&int8, &ranges), Err(QuantizeError::AlreadyQuantized));
}

#[test]
fn what_only_says_the_largest_in_other_words_is_left_off() {
    let argmax = Op::ArgMax { axis: 1, keepdims: false };
    for (ops, says) in [
        (vec![Op::Softmax { axis: 1 }], "Softmax"),
        (vec![Op::LogSoftmax { axis: 1 }], "LogSoftmax"),
        (vec![argmax.clone()], "ArgMax"),
        (vec![Op::Softmax { axis: 1 }, argmax], "Softmax and ArgMax"),
    ] {
        let mut nodes = vec![node("relu", Op::Relu, &["x"], "logits")];
        let mut last = "logits".to_string();
        for op in ops {
            let output = format!("{last}.{}", op.name());
            nodes.push(node(&output, op, &[&last], &output));
            last = output;
        }
        let graph = graph(&[4, 1, 1], nodes, &last, &[]);
        assert_eq!(watched(&graph), ["x", "logits"]);
        let quantized = quantize(&graph, &ranges(&[("x", 0.0, 1.0), ("logits", 0.0, 1.0)])).unwrap();
        assert_eq!(quantized.tensors[quantized.output].name, "logits");
        assert_eq!(quantized.metadata["output"], format!("logits: the float network's {says} is left off"));
    }
}

#[test]
fn functions_with_a_known_range_need_no_calibration() {
    use crate::graph::Activation;
    let nodes = vec![
        node("sigmoid", Op::Activation(Activation::Sigmoid), &["x"], "s"),
        node("tanh", Op::Activation(Activation::Tanh), &["x"], "t"),
        node("silu", Op::Activation(Activation::Silu), &["x"], "u"),
        node("both", Op::Concat { axis: 1 }, &["s", "t", "u"], "y"),
    ];
    let graph = graph(&[2, 3, 3], nodes, "y", &[]);
    assert_eq!(watched(&graph), ["x", "u", "y"]);
    let quantized = quantize(&graph, &ranges(&[("x", -4.0, 4.0), ("u", -0.3, 4.0), ("y", -1.0, 4.0)])).unwrap();
    let [_, s, t, _, y] = &quantized.tensors[..] else { panic!("{quantized:?}") };
    assert_eq!((s.scale, s.zero_point, t.scale, t.zero_point), (1.0 / 256.0, -128, 1.0 / 128.0, 0));
    assert_eq!((y.shape, &quantized.nodes[3].op), ([6, 3, 3], &QuantOp::Concat));
    assert_eq!(quantized.nodes[0].op, QuantOp::Activation { function: Activation::Sigmoid });
}

#[test]
fn the_layer_that_costs_most_is_told_apart() {
    let nodes = |name: &str, input: &str, output: &str| {
        let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        node(name, Op::Conv { window, groups: 1 }, &[input, &format!("{name}.w")], output)
    };
    let chain = vec![nodes("first", "x", "a"), nodes("second", "a", "b"), nodes("third", "b", "y")];
    let weights = ["first.w", "second.w", "third.w"].map(|name| (name, &[1usize, 1, 1, 1][..], &[1.0f32][..]));
    let graph = graph(&[1, 1, 1], chain, "y", &weights);
    // `b` is clipped to half of what it reaches.
    let ranges = ranges(&[("x", 0.0, 1.0), ("a", 0.0, 1.0), ("b", 0.0, 0.5), ("y", 0.0, 1.0)]);
    let network = quantize(&graph, &ranges).unwrap();
    let layers = explain(&graph, &network, &[0.2, 1.0, 0.6], &|_| ()).unwrap();
    assert_eq!(layers.iter().map(|l| l.layer.as_str()).collect::<Vec<_>>(), ["x", "first", "second", "third"]);
    let worst = layers.iter().min_by(|a, b| a.alone_db.total_cmp(&b.alone_db)).unwrap();
    assert_eq!((worst.layer.as_str(), worst.tensor.as_str()), ("second", "b"));
    assert!(layers[1].sqnr_db > 40.0 && layers[2].sqnr_db < 10.0, "{layers:?}");
    assert!(layers[3].alone_db > 40.0 && layers[3].sqnr_db < 10.0, "what comes after inherits it: {layers:?}");
}

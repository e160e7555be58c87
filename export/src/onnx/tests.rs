//! Round trips, and one test a cause of refusal.

use prost::Message;

use super::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    attribute_type, data_type,
};
use super::*;
use crate::graph::{Activation, Attribute, DType, Data, Dim, Formula, Graph, Node, Op, Tensor, ValueInfo, Window};

fn value(name: &str, dims: &[usize]) -> ValueInfo {
    let shape = [Dim::Symbol("batch".into())].into_iter().chain(dims.iter().map(|&d| Dim::Fixed(d)));
    ValueInfo { name: name.into(), dtype: DType::F32, shape: shape.collect() }
}

fn node(name: &str, op: Op, inputs: &[&str]) -> Node {
    let inputs = inputs.iter().map(|i| i.to_string()).collect();
    Node { name: name.into(), op, inputs, outputs: vec![format!("{name}.out")] }
}

fn zeros(dims: &[usize]) -> Tensor {
    Tensor::f32(dims, vec![0.0; dims.iter().product()])
}

/// Every operator with a variant, every element type, and one operator without a variant.
fn every_operator() -> Graph {
    let window = Window { kernel: [3, 2], strides: [2, 1], dilations: [1, 2], pads: [1, 0, 2, 3] };
    let dense = Window { dilations: [1, 1], ..window };
    let other = Op::Other {
        op_type: "com.example.Widget".into(),
        attributes: [
            ("i", Attribute::Int(0)),
            ("f", Attribute::Float(0.0)),
            ("s", Attribute::Text("NOTSET".into())),
            ("is", Attribute::Ints(vec![-1, 2])),
            ("fs", Attribute::Floats(vec![0.5])),
            ("t", Attribute::Tensor(Tensor::i64(&[2], vec![3, -4]))),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into(),
    };
    let nodes = vec![
        node("conv", Op::Conv { window, groups: 2 }, &["x", "w", "b"]),
        node("norm", Op::BatchNorm { epsilon: 1e-3 }, &["conv.out", "b", "b", "b", "b"]),
        node("relu", Op::Relu, &["norm.out"]),
        node("relu6", Op::Clip { min: 0.0, max: 6.0 }, &["relu.out"]),
        node("floor", Op::Clip { min: -1.0, max: f32::INFINITY }, &["relu6.out"]),
        node("ceiling", Op::Clip { min: f32::NEG_INFINITY, max: 1.0 }, &["floor.out"]),
        node("free", Op::Clip { min: f32::NEG_INFINITY, max: f32::INFINITY }, &["ceiling.out"]),
        node("max", Op::MaxPool { window }, &["free.out"]),
        node("mean", Op::AveragePool { window: dense, count_include_pad: true }, &["max.out"]),
        node("product", Op::Mul, &["mean.out", "mean.out"]),
        node("beside", Op::Concat { axis: 1 }, &["mean.out", "product.out"]),
        node("q", Op::Quantize { axis: 1 }, &["mean.out", "scale", "zero_i8"]),
        node("dq", Op::Dequantize { axis: 0 }, &["q.out", "scale", "zero_i8"]),
        node("global", Op::GlobalAveragePool, &["dq.out"]),
        node("add", Op::Add, &["global.out", "global.out"]),
        node("reshape", Op::Reshape, &["add.out", "shape"]),
        node("flatten", Op::Flatten { axis: -1 }, &["reshape.out"]),
        node("gemm", Op::Gemm { transposed: true }, &["flatten.out", "head"]),
        node("matmul", Op::MatMul, &["gemm.out", "head"]),
        node("sigmoid", Op::Activation(Activation::Sigmoid), &["matmul.out"]),
        node("tanh", Op::Activation(Activation::Tanh), &["sigmoid.out"]),
        node("gate", Op::Activation(Activation::HardSigmoid { alpha: 0.25, beta: 0.5 }), &["tanh.out"]),
        node("hard", Op::Activation(Activation::HardSwish), &["gate.out"]),
        node("leaky", Op::Activation(Activation::LeakyRelu { alpha: 0.125 }), &["hard.out"]),
        node("elu", Op::Activation(Activation::Elu { alpha: 2.0 }), &["leaky.out"]),
        node("silu", Op::Activation(Activation::Silu), &["elu.out"]),
        node("softplus", Op::Activation(Activation::Softplus), &["silu.out"]),
        node("gelu", Op::Activation(Activation::Gelu), &["softplus.out"]),
        node("function", Op::Activation(Activation::Formula(Formula::gelu_tanh())), &["gelu.out"]),
        node("log", Op::LogSoftmax { axis: 1 }, &["function.out"]),
        node("class", Op::ArgMax { axis: 1, keepdims: false }, &["gelu.out"]),
        node("softmax", Op::Softmax { axis: -1 }, &["log.out"]),
        node("widget", other, &["softmax.out", "", "unsigned", "bias"]),
    ];
    let constants = [
        ("w", zeros(&[4, 1, 3, 2])),
        ("b", Tensor::f32(&[4], vec![1.0, -0.0, f32::MIN_POSITIVE, 3e38])),
        ("scale", Tensor::f32(&[], vec![0.5])),
        ("zero_i8", Tensor::new(&[], Data::I8(vec![-128]))),
        ("unsigned", Tensor::new(&[2], Data::U8(vec![0, 255]))),
        ("bias", Tensor::new(&[1, 2], Data::I32(vec![i32::MIN, i32::MAX]))),
        ("shape", Tensor::i64(&[2], vec![0, -1])),
        ("head", zeros(&[4, 4])),
    ];
    Graph {
        name: "everything".into(),
        nodes,
        inputs: vec![value("x", &[2, 9, 9])],
        outputs: vec![value("widget.out", &[4])],
        initializers: constants.map(|(name, tensor)| (name.to_string(), tensor)).into(),
        metadata: [("description".to_string(), "all there is".to_string())].into(),
    }
}

#[test]
fn every_operator_comes_back_as_it_was_written() {
    let graph = every_operator();
    let read = from_bytes(&to_bytes(&graph)).unwrap();
    for (read, written) in read.nodes.iter().zip(&graph.nodes) {
        assert_eq!(read, written);
    }
    assert_eq!(read, graph);
}

#[test]
fn the_same_graph_is_the_same_bytes() {
    assert_eq!(to_bytes(&every_operator()), to_bytes(&every_operator()));
}

#[test]
fn the_file_says_what_it_is() {
    let model = ModelProto::decode(to_bytes(&every_operator()).as_slice()).unwrap();
    assert_eq!((model.ir_version, model.producer_name.as_str()), (8, "export"));
    let opsets: Vec<_> = model.opset_import.iter().map(|o| (o.domain.as_str(), o.version)).collect();
    assert_eq!(opsets, [("", 18), ("com.example", 1)]);
    assert_eq!(model.doc_string, "all there is");
    assert_eq!(model.graph.unwrap().name, "everything");
}

#[test]
fn values_in_between_have_types_where_shapes_are_known() {
    let mut graph = every_operator();
    graph.nodes.truncate(3);
    graph.outputs = vec![value("relu.out", &[4, 5, 10])];
    let model = ModelProto::decode(to_bytes(&graph).as_slice()).unwrap();
    let infos: Vec<_> = model.graph.unwrap().value_info.into_iter().map(|v| v.name).collect();
    assert_eq!(infos, ["conv.out", "norm.out"]);
}

/// A model of one ReLU from `x` to `y`.
fn relu() -> ModelProto {
    let graph = Graph {
        name: "relu".into(),
        nodes: vec![Node { outputs: vec!["y".into()], ..node("relu", Op::Relu, &["x"]) }],
        inputs: vec![value("x", &[4])],
        outputs: vec![value("y", &[4])],
        ..Graph::default()
    };
    ModelProto::decode(to_bytes(&graph).as_slice()).unwrap()
}

/// What reading says of that model after `change`.
fn read_changed(change: impl FnOnce(&mut GraphProto)) -> Result<Graph, OnnxError> {
    let mut model = relu();
    change(model.graph.as_mut().unwrap());
    from_bytes(&model.encode_to_vec())
}

/// What reading says of a constant.
fn read_constant(tensor: TensorProto) -> Result<Graph, OnnxError> {
    read_changed(|graph| graph.initializer.push(TensorProto { name: "c".into(), ..tensor }))
}

fn tensor(dims: &[i64], data_type: i32) -> TensorProto {
    TensorProto { dims: dims.to_vec(), data_type, ..TensorProto::default() }
}

#[test]
fn text_is_not_onnx() {
    let error = from_bytes(b"Lorem ipsum dolor sit amet").unwrap_err();
    assert!(matches!(error, OnnxError::NotOnnx { len_bytes: 26, .. }), "{error}");
}

#[test]
fn no_prefix_of_a_model_is_a_model() {
    let bytes = to_bytes(&every_operator());
    let whole = from_bytes(&bytes);
    for len in 0..bytes.len() {
        // What is cut between two fields at the end (metadata, say) still decodes; it must not pass for the whole.
        assert_ne!(from_bytes(&bytes[..len]), whole, "{len} of {} bytes", bytes.len());
    }
    assert!(matches!(from_bytes(&[]), Err(OnnxError::NoGraph { len_bytes: 0, .. })));
    assert!(matches!(from_bytes(&bytes[..bytes.len() / 2]), Err(OnnxError::NotOnnx { .. })));
}

#[test]
fn opsets_outside_the_range_are_refused() {
    let at = |version| {
        let opset_import = vec![OperatorSetIdProto { domain: String::new(), version }];
        from_bytes(&ModelProto { opset_import, ..relu() }.encode_to_vec())
    };
    assert!([11, 18, 25].map(at).iter().all(|read| read.is_ok()));
    assert_eq!([10, 26].map(at), [10, 26].map(|found| Err(OnnxError::Opset { found })));
    let none = ModelProto { opset_import: vec![], ..relu() };
    assert_eq!(from_bytes(&none.encode_to_vec()), Err(OnnxError::Opset { found: 0 }));
}

#[test]
fn quantization_is_read_where_it_is_of_bytes_whatever_its_operator_set_says_more() {
    let read = |op_type: &str, attribute: (&str, i64), inputs: &[&str]| {
        let attributes = [(attribute.0.to_string(), Attribute::Int(attribute.1))].into();
        let op = Op::Other { op_type: op_type.into(), attributes };
        let (nodes, outputs) = (vec![node("q", op, inputs)], vec![value("q.out", &[2, 9, 9])]);
        from_bytes(&to_bytes(&Graph { nodes, outputs, ..every_operator() })).unwrap().nodes[0].op.clone()
    };
    let (signed, absent) = (["x", "scale", "zero_i8"], ["x", "scale"]);
    for attribute in [("output_dtype", 3), ("output_dtype", 0), ("precision", 1), ("block_size", 0), ("axis", 1)] {
        assert_eq!(read("QuantizeLinear", attribute, &signed), Op::Quantize { axis: 1 }, "{attribute:?}");
    }
    assert_eq!(read("QuantizeLinear", ("output_dtype", 2), &absent), Op::Quantize { axis: 1 });
    assert_eq!(read("DequantizeLinear", ("output_dtype", 1), &signed), Op::Dequantize { axis: 1 });
    assert_eq!(read("com.microsoft.QuantizeLinear", ("axis", 0), &signed), Op::Quantize { axis: 0 });
    assert_eq!(read("com.microsoft.DequantizeLinear", ("axis", -3), &signed), Op::Dequantize { axis: -3 });
    let is_left = |op: Op| matches!(op, Op::Other { .. });
    for attribute in [("output_dtype", 2), ("block_size", 32), ("precision", 10), ("saturate", 0)] {
        assert!(is_left(read("QuantizeLinear", attribute, &signed)), "{attribute:?}");
    }
    assert!(is_left(read("QuantizeLinear", ("output_dtype", 3), &absent)));
    for attribute in [("output_dtype", 10), ("block_size", 2)] {
        assert!(is_left(read("DequantizeLinear", attribute, &signed)), "{attribute:?}");
    }
}

#[test]
fn external_data_is_refused() {
    let entry = StringStringEntryProto { key: "location".into(), value: "../../etc/passwd".into() };
    let external = TensorProto { data_location: 1, external_data: vec![entry], ..tensor(&[1], data_type::FLOAT) };
    let expected = OnnxError::ExternalData { tensor: "c".into(), location: "../../etc/passwd".into() };
    assert_eq!(read_constant(external), Err(expected));
}

#[test]
fn external_data_is_refused_inside_attributes_too() {
    let t = TensorProto { data_location: 1, ..tensor(&[1], data_type::FLOAT) };
    let attribute =
        AttributeProto { name: "value".into(), r#type: attribute_type::TENSOR, t: Some(t), ..Default::default() };
    let read = read_changed(|graph| graph.node[0].attribute.push(attribute));
    assert!(matches!(read, Err(OnnxError::ExternalData { tensor, .. }) if tensor == "relu.value"));
}

#[test]
fn values_must_be_as_many_as_the_dimensions_say() {
    let raw = TensorProto { raw_data: Some(vec![0; 9]), ..tensor(&[2], data_type::FLOAT) };
    let expected = |expected: &str, found: &str| {
        Err(OnnxError::DataLength { tensor: "c".into(), dims: vec![2], expected: expected.into(), found: found.into() })
    };
    assert_eq!(read_constant(raw), expected("8 bytes", "9"));
    let typed = TensorProto { float_data: vec![0.0; 3], ..tensor(&[2], data_type::FLOAT) };
    assert_eq!(read_constant(typed), expected("2 values", "3"));
}

#[test]
fn typed_fields_are_read_as_raw_ones_are() {
    let typed = TensorProto { int32_data: vec![-128, 127], ..tensor(&[2], data_type::INT8) };
    let graph = read_constant(typed).unwrap();
    assert_eq!(graph.initializers["c"], Tensor::new(&[2], Data::I8(vec![-128, 127])));
}

#[test]
fn absurd_dimensions_are_refused() {
    let dims: [&[i64]; 4] = [&[-1], &[1 << 40], &[1 << 24, 1 << 24, 1 << 24], &[1; 9]];
    for dims in dims {
        let expected = OnnxError::Dimensions { value: "c".into(), dims: dims.to_vec() };
        assert_eq!(read_constant(tensor(dims, data_type::FLOAT)), Err(expected));
    }
}

#[test]
fn half_and_double_floats_are_refused() {
    let refused = |number| read_constant(tensor(&[0], number)).unwrap_err().to_string();
    assert!(refused(10).contains("`c` has element type float16"), "{}", refused(10));
    assert!(refused(11).contains("double"), "{}", refused(11));
}

#[test]
fn inputs_without_a_type_are_refused() {
    let read = read_changed(|graph| graph.input[0].r#type = None);
    assert_eq!(read, Err(OnnxError::Untyped { value: "x".into() }));
}

/// Declared nowhere, and declared without a shape.
#[test]
fn outputs_may_leave_their_type_to_what_makes_them() {
    let whole = read_changed(|_| {}).unwrap();
    assert_eq!(read_changed(|graph| graph.output[0].r#type = None).unwrap(), whole);
    let shapeless = |graph: &mut GraphProto| {
        let tensor = graph.output[0].r#type.as_mut().and_then(|t| t.tensor_type.as_mut());
        tensor.expect("it has a type").shape = None;
    };
    assert_eq!(read_changed(shapeless).unwrap(), whole);
}

#[test]
fn sparse_constants_are_refused() {
    assert_eq!(read_changed(|graph| graph.sparse_initializer.push(vec![])), Err(OnnxError::Sparse { count: 1 }));
}

#[test]
fn a_value_without_a_maker_is_named() {
    let read = read_changed(|graph| graph.node[0].input[0] = "z".into());
    assert_eq!(read, Err(OnnxError::Unordered { node: "relu".into(), value: "z".into() }));
    let read = read_changed(|graph| graph.output[0].name = "z".into());
    assert!(matches!(read, Err(OnnxError::Unordered { value, .. }) if value == "z"));
}

#[test]
fn a_value_with_two_makers_is_named() {
    let read = read_changed(|graph| graph.node.push(graph.node[0].clone()));
    assert_eq!(read, Err(OnnxError::Duplicate { value: "y".into() }));
}

fn constant_node(attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto { op_type: "Constant".into(), output: vec!["c".into()], attribute: attributes, ..NodeProto::default() }
}

#[test]
fn constant_nodes_become_initializers() {
    let ints = vec![4, 5];
    let attribute =
        AttributeProto { name: "value_ints".into(), r#type: attribute_type::INTS, ints, ..Default::default() };
    let graph = read_changed(|graph| graph.node.insert(0, constant_node(vec![attribute]))).unwrap();
    assert_eq!(graph.nodes.len(), 1);
    assert_eq!(graph.initializers["c"], Tensor::i64(&[2], vec![4, 5]));
}

#[test]
fn a_constant_of_another_kind_is_refused() {
    let read = read_changed(|graph| graph.node.insert(0, constant_node(vec![])));
    assert_eq!(read, Err(OnnxError::Constant { node: "c".into(), found: String::new() }));
}

#[test]
fn forms_without_a_variant_keep_their_attributes() {
    let attribute =
        AttributeProto { name: "ceil_mode".into(), r#type: attribute_type::INT, i: Some(1), ..Default::default() };
    let graph = read_changed(|graph| {
        graph.node[0].op_type = "MaxPool".into();
        graph.node[0].attribute.push(attribute);
    });
    let attributes = [("ceil_mode".to_string(), Attribute::Int(1))].into();
    assert_eq!(graph.unwrap().nodes[0].op, Op::Other { op_type: "MaxPool".into(), attributes });
}

#[test]
fn nodes_without_a_name_are_called_after_their_output() {
    assert_eq!(read_changed(|graph| graph.node[0].name.clear()).unwrap().nodes[0].name, "y");
}

#[test]
fn initializers_listed_as_inputs_are_constants() {
    let graph = read_changed(|graph| {
        graph.input.push(proto::ValueInfoProto { name: "c".into(), ..graph.input[0].clone() });
        graph.initializer.push(TensorProto {
            name: "c".into(),
            float_data: vec![1.0],
            ..tensor(&[1], data_type::FLOAT)
        });
    });
    assert_eq!(graph.unwrap().inputs.len(), 1);
}

#[test]
fn files_are_named_in_their_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.onnx");
    let missing = from_file(&path).unwrap_err().to_string();
    assert!(missing.starts_with(&format!("{}: cannot be read", path.display())), "{missing}");
    std::fs::write(&path, b"not a model").unwrap();
    let other = from_file(&path).unwrap_err().to_string();
    assert!(other.starts_with(&format!("{}: expected an ONNX model", path.display())), "{other}");
    std::fs::File::create(&path).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
    assert!(matches!(from_file(&path), Err(FileError::TooLarge { len_bytes, .. }) if len_bytes == MAX_FILE_BYTES + 1));
}

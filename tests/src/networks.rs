//! Small networks in the forms in which exporters write them, with random weights.
//!
//! Each follows what torch.onnx (both exporters), tf2onnx or skl2onnx were seen to write: names of nodes left out, constants as
//! initializers, opset and spelling as there.

use export::onnx::proto::{
    AttributeProto, DimensionProto, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, data_type,
};
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

/// A network as a file has it, and what it is called.
pub struct Network {
    /// Who would write it, and what it is.
    pub name: &'static str,
    /// The file.
    pub model: ModelProto,
}

/// An attribute of a node.
#[derive(Clone, Copy)]
enum Value<'a> {
    Int(i64),
    Float(f32),
    Ints(&'a [i64]),
    Text(&'a str),
}
use Value::{Float, Int, Ints, Text};

/// A graph from `x` on; every node gives the name of its output.
struct Builder {
    graph: GraphProto,
    opset: i64,
    random: Pcg32,
}

impl Builder {
    /// `dims` are those of one sample; the batch is a symbol.
    fn new(opset: i64, dims: &[i64]) -> Self {
        Self::with_batch(opset, None, dims)
    }

    fn with_batch(opset: i64, batch: Option<i64>, dims: &[i64]) -> Self {
        let graph =
            GraphProto { name: "main_graph".into(), input: vec![value("x", batch, dims)], ..Default::default() };
        Self { graph, opset, random: Pcg32::new(dims.iter().sum::<i64>() as u64, opset as u64) }
    }

    fn fresh(&self, stem: &str) -> String {
        format!("{stem}_{}", self.graph.node.len() + self.graph.initializer.len())
    }

    fn tensor(&mut self, tensor: TensorProto) -> String {
        let name = self.fresh("c");
        self.graph.initializer.push(TensorProto { name: name.clone(), ..tensor });
        name
    }

    fn floats(&mut self, dims: &[i64], values: &[f32]) -> String {
        let (dims, float_data) = (dims.to_vec(), values.to_vec());
        self.tensor(TensorProto { dims, data_type: data_type::FLOAT, float_data, ..Default::default() })
    }

    fn scalar(&mut self, value: f32) -> String {
        self.floats(&[], &[value])
    }

    fn ints(&mut self, values: &[i64]) -> String {
        let (dims, int64_data) = (vec![values.len() as i64], values.to_vec());
        self.tensor(TensorProto { dims, data_type: data_type::INT64, int64_data, ..Default::default() })
    }

    fn index(&mut self, value: i64) -> String {
        self.tensor(TensorProto { data_type: data_type::INT64, int64_data: vec![value], ..Default::default() })
    }

    /// Reals between `low` and `high`.
    fn random(&mut self, dims: &[i64], low: f32, high: f32) -> String {
        let len = dims.iter().product::<i64>() as usize;
        let unit = |r: &mut Pcg32| (r.next_u32() >> 8) as f32 / (1 << 24) as f32;
        let values: Vec<f32> = (0..len).map(|_| low + (high - low) * unit(&mut self.random)).collect();
        self.floats(dims, &values)
    }

    /// Weights that keep the size of what they meet.
    fn weights(&mut self, dims: &[i64], fan_in: i64) -> String {
        let bound = (3.0 / fan_in as f32).sqrt();
        self.random(dims, -bound, bound)
    }

    fn node(&mut self, op_type: &str, inputs: &[&str], attributes: &[(&str, Value)]) -> String {
        let output = self.fresh(&op_type.to_lowercase());
        self.graph.node.push(NodeProto {
            op_type: op_type.into(),
            input: inputs.iter().map(|i| i.to_string()).collect(),
            output: vec![output.clone()],
            attribute: attributes.iter().map(|(name, value)| attribute(name, *value)).collect(),
            ..Default::default()
        });
        output
    }

    /// Conv with a bias; `shape` is O, I/groups, kernel.
    fn conv(&mut self, x: &str, shape: &[i64], attributes: &[(&str, Value)]) -> String {
        let w = self.weights(shape, shape[1..].iter().product());
        let b = self.random(&shape[..1], -0.1, 0.1);
        let kernel = shape[2..].to_vec();
        let all = [&[("kernel_shape", Ints(&kernel))], attributes].concat();
        self.node("Conv", &[x, &w, &b], &all)
    }

    /// Conv without a bias, and BatchNormalization.
    fn conv_norm(&mut self, x: &str, shape: &[i64], attributes: &[(&str, Value)]) -> String {
        let w = self.weights(shape, shape[1..].iter().product());
        let kernel = shape[2..].to_vec();
        let conv = self.node("Conv", &[x, &w], &[&[("kernel_shape", Ints(&kernel))], attributes].concat());
        let channels = &shape[..1];
        let parameters =
            [(0.5, 1.5), (-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5)].map(|(low, high)| self.random(channels, low, high));
        let [scale, bias, mean, variance] = parameters.each_ref().map(String::as_str);
        self.node("BatchNormalization", &[&conv, scale, bias, mean, variance], &[("epsilon", Float(1e-5))])
    }

    /// The channels in two parts.
    fn split(&mut self, x: &str, sizes: &[i64; 2]) -> [String; 2] {
        let sizes = self.ints(sizes);
        let first = self.node("Split", &[x, &sizes], &[("axis", Int(1))]);
        let second = format!("{first}_rest");
        let node = self.graph.node.last_mut().expect("the Split");
        node.output.push(second.clone());
        [first, second]
    }

    fn relu(&mut self, x: &str) -> String {
        self.node("Relu", &[x], &[])
    }

    /// Clip from 0 to 6, as torch writes ReLU6.
    fn relu6(&mut self, x: &str) -> String {
        let (low, high) = (self.scalar(0.0), self.scalar(6.0));
        self.node("Clip", &[x, &low, &high], &[])
    }

    /// Gemm with `transB`, as torch writes a linear layer.
    fn gemm(&mut self, x: &str, outputs: i64, inputs: i64) -> String {
        let w = self.weights(&[outputs, inputs], inputs);
        let b = self.random(&[outputs], -0.1, 0.1);
        self.node("Gemm", &[x, &w, &b], &[("alpha", Float(1.0)), ("beta", Float(1.0)), ("transB", Int(1))])
    }

    /// MatMul and Add, as TensorFlow writes a dense layer.
    fn dense(&mut self, x: &str, inputs: i64, outputs: i64) -> String {
        let w = self.weights(&[inputs, outputs], inputs);
        let b = self.random(&[outputs], -0.1, 0.1);
        let product = self.node("MatMul", &[x, &w], &[]);
        self.node("Add", &[&product, &b], &[])
    }

    fn transpose(&mut self, x: &str, perm: &[i64]) -> String {
        self.node("Transpose", &[x], &[("perm", Ints(perm))])
    }

    fn finish(mut self, output: &str, dims: &[i64]) -> ModelProto {
        self.graph.output = vec![value(output, None, dims)];
        ModelProto {
            ir_version: 8,
            producer_name: "tests".into(),
            graph: Some(self.graph),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: self.opset }],
            ..Default::default()
        }
    }
}

fn value(name: &str, batch: Option<i64>, dims: &[i64]) -> ValueInfoProto {
    let first = batch.map_or(DimensionValue::Param("batch".into()), DimensionValue::Value);
    let all = [first].into_iter().chain(dims.iter().map(|&d| DimensionValue::Value(d)));
    let dim = all.map(|value| DimensionProto { value: Some(value) }).collect();
    let tensor_type = Some(TensorTypeProto { elem_type: data_type::FLOAT, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn attribute(name: &str, value: Value) -> AttributeProto {
    let proto = AttributeProto { name: name.into(), ..Default::default() };
    match value {
        Int(i) => AttributeProto { i: Some(i), r#type: attribute_type::INT, ..proto },
        Float(f) => AttributeProto { f: Some(f), r#type: attribute_type::FLOAT, ..proto },
        Ints(ints) => AttributeProto { ints: ints.to_vec(), r#type: attribute_type::INTS, ..proto },
        Text(text) => AttributeProto { s: Some(text.into()), r#type: attribute_type::STRING, ..proto },
    }
}

const SAME: (&str, Value) = ("pads", Ints(&[1, 1, 1, 1]));
const STRIDE: (&str, Value) = ("strides", Ints(&[2, 2]));
const TO_FIRST: [i64; 4] = [0, 3, 1, 2];
const TO_LAST: [i64; 4] = [0, 2, 3, 1];

/// A network's name, and what makes its file.
type Maker = (&'static str, fn() -> ModelProto);

/// All of them.
pub fn all() -> Vec<Network> {
    let named: [Maker; 33] = [
        ("torch LeNet", torch_lenet),
        ("torch ResNet", torch_resnet),
        ("torch MobileNetV2", torch_mobilenet),
        ("torch flattening by shape arithmetic", torch_dynamic),
        ("torch ECG", torch_ecg),
        ("torch ECG with a shortcut", torch_ecg_residual),
        ("torch ECG behind a normalization", torch_ecg_normalized),
        ("torch ECG behind a Tanh", torch_ecg_squashed),
        ("torch SqueezeNet", torch_squeezenet),
        ("torch channel split", torch_split),
        ("torch channel slices", torch_slices),
        ("torch ShuffleNetV2", torch_shufflenet),
        ("torch SiLU", torch_silu),
        ("torch HardSwish", torch_hardswish),
        ("torch GELU, padding and PReLU", torch_gelu),
        ("torch functions", torch_functions),
        ("torch maxout over time", torch_maxout),
        ("torch MobileNetV3", torch_squeeze_and_excite),
        ("torch CBAM", torch_attention),
        ("torch U-Net", torch_unet),
        ("torch feature pyramid", torch_pyramid),
        ("torch U-Net over time", torch_unet_over_time),
        ("torch normalization at the input", torch_normalized),
        ("torch autoencoder", torch_autoencoder),
        ("Keras MNIST", keras_mnist),
        ("Keras MobileNet", keras_mobilenet),
        ("Keras Inception", keras_inception),
        ("Keras Conv1D", keras_conv1d),
        ("Keras Conv1D behind a rescaling", keras_conv1d_rescaled),
        ("Keras Conv1D through torch", keras_torch_conv1d),
        ("Keras convolutional autoencoder", keras_map),
        ("Keras gates and larger maps", keras_gates),
        ("scikit MLP", scikit_mlp),
    ];
    named.map(|(name, build)| Network { name, model: build() }).into()
}

fn torch_lenet() -> ModelProto {
    let mut b = Builder::with_batch(11, Some(1), &[1, 20, 20]);
    let x = b.conv("x", &[4, 1, 5, 5], &[("pads", Ints(&[2, 2, 2, 2]))]);
    let x = b.node("Tanh", &[&x], &[]);
    let x = b.node("MaxPool", &[&x], &[("kernel_shape", Ints(&[2, 2])), STRIDE]);
    let x = b.conv(&x, &[8, 4, 5, 5], &[]);
    let x = b.node("Sigmoid", &[&x], &[]);
    let x = b.node("AveragePool", &[&x], &[("kernel_shape", Ints(&[2, 2])), STRIDE]);
    let shape = b.ints(&[1, 72]);
    let x = b.node("Reshape", &[&x, &shape], &[]);
    let x = b.gemm(&x, 12, 72);
    let x = b.relu(&x);
    let x = b.gemm(&x, 10, 12);
    let y = b.node("LogSoftmax", &[&x], &[("axis", Int(1))]);
    b.finish(&y, &[10])
}

fn torch_resnet() -> ModelProto {
    let mut b = Builder::new(13, &[3, 16, 16]);
    let x = b.conv_norm("x", &[8, 3, 3, 3], &[SAME]);
    let mut x = b.relu(&x);
    for (channels, outputs) in [(8, 8), (8, 12)] {
        let strided: &[(&str, Value)] = if channels == outputs { &[SAME] } else { &[SAME, STRIDE] };
        let a = b.conv_norm(&x, &[outputs, channels, 3, 3], strided);
        let a = b.relu(&a);
        let a = b.conv_norm(&a, &[outputs, outputs, 3, 3], &[SAME]);
        let shortcut = if channels == outputs { x } else { b.conv_norm(&x, &[outputs, channels, 1, 1], &[STRIDE]) };
        let sum = b.node("Add", &[&a, &shortcut], &[]);
        x = b.relu(&sum);
    }
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let y = b.gemm(&x, 10, 12);
    b.finish(&y, &[10])
}

fn torch_mobilenet() -> ModelProto {
    let mut b = Builder::new(17, &[3, 16, 16]);
    let x = b.conv_norm("x", &[6, 3, 3, 3], &[SAME, STRIDE]);
    let x = b.relu6(&x);
    let y = b.conv_norm(&x, &[18, 6, 1, 1], &[]);
    let y = b.relu6(&y);
    let y = b.conv_norm(&y, &[18, 1, 3, 3], &[SAME, ("group", Int(18))]);
    let y = b.relu6(&y);
    let y = b.conv_norm(&y, &[6, 18, 1, 1], &[]);
    let x = b.node("Add", &[&x, &y], &[]);
    let x = b.node("ReduceMean", &[&x], &[("axes", Ints(&[2, 3])), ("keepdims", Int(0))]);
    let x = b.node("Identity", &[&x], &[]);
    let y = b.gemm(&x, 5, 6);
    b.finish(&y, &[5])
}

/// `x.view(x.size(0), -1)` with a dynamic batch.
fn torch_dynamic() -> ModelProto {
    let mut b = Builder::new(13, &[2, 6, 6]);
    let x = b.conv("x", &[4, 2, 3, 3], &[]);
    let x = b.relu(&x);
    let shape = b.node("Shape", &[&x], &[]);
    let (zero, axes, rest) = (b.index(0), b.ints(&[0]), b.ints(&[-1]));
    let batch = b.node("Gather", &[&shape, &zero], &[("axis", Int(0))]);
    let batch = b.node("Unsqueeze", &[&batch, &axes], &[]);
    let target = b.node("Concat", &[&batch, &rest], &[("axis", Int(0))]);
    let x = b.node("Reshape", &[&x, &target], &[]);
    let y = b.gemm(&x, 3, 64);
    b.finish(&y, &[3])
}

fn torch_ecg() -> ModelProto {
    let mut b = Builder::new(13, &[1, 60]);
    let x = b.conv_norm("x", &[6, 1, 7], &[("pads", Ints(&[3, 3])), ("strides", Ints(&[2]))]);
    let x = b.relu(&x);
    let pool = [("kernel_shape", Ints(&[3])), ("pads", Ints(&[1, 1])), ("strides", Ints(&[2]))];
    let x = b.node("MaxPool", &[&x], &pool);
    let x = b.conv(&x, &[8, 6, 5], &[("pads", Ints(&[2, 2]))]);
    let x = b.node("LeakyRelu", &[&x], &[("alpha", Float(0.1))]);
    let x = b.node("AveragePool", &[&x], &[("kernel_shape", Ints(&[2])), ("strides", Ints(&[2]))]);
    let x = b.conv(&x, &[8, 1, 3], &[("group", Int(8)), ("dilations", Ints(&[2])), ("pads", Ints(&[2, 2]))]);
    let x = b.node("Elu", &[&x], &[("alpha", Float(1.0))]);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let x = b.gemm(&x, 5, 8);
    let y = b.node("Softmax", &[&x], &[("axis", Int(-1))]);
    b.finish(&y, &[5])
}

fn torch_ecg_residual() -> ModelProto {
    let mut b = Builder::with_batch(12, Some(1), &[2, 32]);
    let x = b.conv("x", &[6, 2, 7], &[("pads", Ints(&[3, 3]))]);
    let x = b.relu(&x);
    let y = b.conv(&x, &[6, 6, 5], &[("pads", Ints(&[2, 2]))]);
    let x = b.node("Add", &[&x, &y], &[]);
    let x = b.relu(&x);
    let x = b.node("MaxPool", &[&x], &[("kernel_shape", Ints(&[8])), ("strides", Ints(&[8]))]);
    let shape = b.ints(&[1, -1]);
    let x = b.node("Reshape", &[&x, &shape], &[]);
    let y = b.gemm(&x, 4, 24);
    b.finish(&y, &[4])
}

/// Each lead's mean and deviation before the first window; the mean over the length at the end.
fn torch_ecg_normalized() -> ModelProto {
    let mut b = Builder::new(17, &[2, 40]);
    let (mean, deviation) = (b.floats(&[1, 2, 1], &[0.4, 0.6]), b.floats(&[2, 1], &[0.25, 0.5]));
    let x = b.node("Sub", &["x", &mean], &[]);
    let x = b.node("Div", &[&x, &deviation], &[]);
    let x = b.conv(&x, &[6, 2, 5], &[]);
    let x = b.relu(&x);
    let x = b.node("ReduceMean", &[&x], &[("axes", Ints(&[2])), ("keepdims", Int(0))]);
    let y = b.gemm(&x, 3, 6);
    b.finish(&y, &[3])
}

fn torch_ecg_squashed() -> ModelProto {
    let mut b = Builder::with_batch(13, Some(1), &[1, 48]);
    let two = b.scalar(2.0);
    let x = b.node("Mul", &[&two, "x"], &[]);
    let x = b.node("Tanh", &[&x], &[]);
    let pool = [("kernel_shape", Ints(&[4])), ("strides", Ints(&[4]))];
    let x = b.node("MaxPool", &[&x], &pool);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let y = b.gemm(&x, 4, 12);
    b.finish(&y, &[4])
}

/// `x.chunk(2, 1)`, one half through a convolution, as ShuffleNetV2 and YOLO's C2f have it.
fn torch_split() -> ModelProto {
    let mut b = Builder::new(18, &[2, 10, 10]);
    let x = b.conv("x", &[8, 2, 3, 3], &[STRIDE]);
    let x = b.relu(&x);
    let [kept, y] = b.split(&x, &[4, 4]);
    let y = b.conv(&y, &[4, 4, 3, 3], &[SAME]);
    let y = b.relu(&y);
    let x = b.node("Concat", &[&kept, &y], &[("axis", Int(1))]);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let y = b.gemm(&x, 4, 8);
    b.finish(&y, &[4])
}

/// `x[:, :3]` and `x[:, 3:]`, of which one is squashed before both are joined the other way round.
fn torch_slices() -> ModelProto {
    let mut b = Builder::new(13, &[1, 9, 9]);
    let x = b.conv("x", &[6, 1, 3, 3], &[]);
    let (start, middle, end, axis) = (b.ints(&[0]), b.ints(&[3]), b.ints(&[i64::MAX]), b.ints(&[1]));
    let one = b.node("Slice", &[&x, &start, &middle, &axis], &[]);
    let other = b.node("Slice", &[&x, &middle, &end, &axis], &[]);
    let one = b.node("Sigmoid", &[&one], &[]);
    let other = b.relu(&other);
    let x = b.node("Concat", &[&other, &one], &[("axis", Int(1))]);
    let x = b.conv(&x, &[5, 6, 3, 3], &[STRIDE]);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let y = b.gemm(&x, 4, 45);
    b.finish(&y, &[4])
}

fn torch_squeezenet() -> ModelProto {
    let mut b = Builder::new(11, &[3, 20, 20]);
    let pool = [("kernel_shape", Ints(&[3, 3])), STRIDE, ("ceil_mode", Int(1))];
    let x = b.conv("x", &[8, 3, 3, 3], &[STRIDE]);
    let x = b.relu(&x);
    let x = b.node("MaxPool", &[&x], &pool);
    let squeeze = b.conv(&x, &[4, 8, 1, 1], &[]);
    let squeeze = b.relu(&squeeze);
    let one = b.conv(&squeeze, &[6, 4, 1, 1], &[]);
    let one = b.relu(&one);
    let three = b.conv(&squeeze, &[6, 4, 3, 3], &[SAME]);
    let three = b.relu(&three);
    let x = b.node("Concat", &[&one, &three], &[("axis", Int(1))]);
    let x = b.node("MaxPool", &[&x], &pool);
    let x = b.node("Dropout", &[&x], &[("ratio", Float(0.5))]);
    let x = b.conv(&x, &[5, 12, 1, 1], &[]);
    let x = b.relu(&x);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let y = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    b.finish(&y, &[5])
}

/// Two groups are mixed as five dimensions; one half of the channels goes on as it is, the other through a branch.
fn torch_shufflenet() -> ModelProto {
    let mut b = Builder::with_batch(13, Some(1), &[3, 16, 16]);
    let x = b.conv_norm("x", &[12, 3, 3, 3], &[SAME, STRIDE]);
    let mut x = b.relu(&x);
    let mixed = [[1, 2, 6, 8, 8].as_slice(), &[1, 12, 8, 8]].map(|dims| b.ints(dims));
    let (zero, half, all, axis) = (b.ints(&[0]), b.ints(&[6]), b.ints(&[12]), b.ints(&[1]));
    for _ in 0..2 {
        let kept = b.node("Slice", &[&x, &zero, &half, &axis], &[]);
        let y = b.node("Slice", &[&x, &half, &all, &axis], &[]);
        let y = b.conv_norm(&y, &[6, 6, 1, 1], &[]);
        let y = b.relu(&y);
        let y = b.conv_norm(&y, &[6, 1, 3, 3], &[SAME, ("group", Int(6))]);
        let y = b.conv_norm(&y, &[6, 6, 1, 1], &[]);
        let y = b.relu(&y);
        let both = b.node("Concat", &[&kept, &y], &[("axis", Int(1))]);
        let groups = b.node("Reshape", &[&both, &mixed[0]], &[]);
        let turned = b.transpose(&groups, &[0, 2, 1, 3, 4]);
        x = b.node("Reshape", &[&turned, &mixed[1]], &[]);
    }
    let x = b.conv_norm(&x, &[8, 12, 1, 1], &[]);
    let x = b.relu(&x);
    let x = b.node("ReduceMean", &[&x], &[("axes", Ints(&[2, 3])), ("keepdims", Int(0))]);
    let y = b.gemm(&x, 5, 8);
    b.finish(&y, &[5])
}

fn torch_silu() -> ModelProto {
    let mut b = Builder::new(18, &[2, 10, 10]);
    let x = b.conv_norm("x", &[6, 2, 3, 3], &[]);
    let gate = b.node("Sigmoid", &[&x], &[]);
    let x = b.node("Mul", &[&x, &gate], &[]);
    let axes = b.ints(&[-1, -2]);
    let x = b.node("ReduceMean", &[&x, &axes], &[("keepdims", Int(0)), ("noop_with_empty_axes", Int(0))]);
    let y = b.gemm(&x, 4, 6);
    b.finish(&y, &[4])
}

/// HardSwish as opset 14 has it, and as HardSigmoid and Mul before.
fn torch_hardswish() -> ModelProto {
    let mut b = Builder::new(14, &[2, 10, 10]);
    let x = b.conv("x", &[6, 2, 3, 3], &[]);
    let x = b.node("HardSwish", &[&x], &[]);
    let x = b.conv(&x, &[6, 6, 1, 1], &[]);
    let gate = b.node("HardSigmoid", &[&x], &[("alpha", Float(1.0 / 6.0))]);
    let x = b.node("Mul", &[&x, &gate], &[]);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let axes = b.ints(&[2, 3]);
    let x = b.node("Squeeze", &[&x, &axes], &[]);
    let y = b.gemm(&x, 4, 6);
    b.finish(&y, &[4])
}

/// Gates of convolutions, before and behind the trunk in the product, and of linear layers.
fn torch_squeeze_and_excite() -> ModelProto {
    let mut b = Builder::new(14, &[3, 16, 16]);
    let hard = ("alpha", Float(1.0 / 6.0));
    let x = b.conv_norm("x", &[8, 3, 3, 3], &[SAME, STRIDE]);
    let mut x = b.node("HardSwish", &[&x], &[]);
    for gate_first in [false, true] {
        let y = b.conv_norm(&x, &[16, 8, 1, 1], &[]);
        let y = b.node("HardSwish", &[&y], &[]);
        let y = b.conv_norm(&y, &[16, 1, 3, 3], &[SAME, ("group", Int(16))]);
        let y = b.node("HardSwish", &[&y], &[]);
        let mean = b.node("GlobalAveragePool", &[&y], &[]);
        let less = b.conv(&mean, &[4, 16, 1, 1], &[]);
        let less = b.relu(&less);
        let gate = b.conv(&less, &[16, 4, 1, 1], &[]);
        let gate = b.node("HardSigmoid", &[&gate], &[hard]);
        let y = b.node("Mul", &if gate_first { [gate.as_str(), &y] } else { [y.as_str(), &gate] }, &[]);
        let y = b.conv_norm(&y, &[8, 16, 1, 1], &[]);
        x = b.node("Add", &[&x, &y], &[]);
    }
    let mean = b.node("GlobalAveragePool", &[&x], &[]);
    let mean = b.node("Flatten", &[&mean], &[("axis", Int(1))]);
    let less = b.gemm(&mean, 4, 8);
    let less = b.relu(&less);
    let gate = b.gemm(&less, 8, 4);
    let gate = b.node("Sigmoid", &[&gate], &[]);
    let shape = b.ints(&[-1, 8, 1, 1]);
    let gate = b.node("Reshape", &[&gate, &shape], &[]);
    let x = b.node("Mul", &[&x, &gate], &[]);
    let x = b.relu(&x);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let y = b.gemm(&x, 5, 8);
    b.finish(&y, &[5])
}

/// A gate for each channel, then one for each pixel, then a map that gates another.
fn torch_attention() -> ModelProto {
    let mut b = Builder::new(17, &[1, 14, 14]);
    let x = b.conv_norm("x", &[6, 1, 3, 3], &[SAME]);
    let x = b.relu(&x);
    let gate = b.node("GlobalAveragePool", &[&x], &[]);
    let gate = b.conv(&gate, &[6, 6, 1, 1], &[]);
    let gate = b.node("Sigmoid", &[&gate], &[]);
    let x = b.node("Mul", &[&gate, &x], &[]);
    let mask = b.conv(&x, &[1, 6, 5, 5], &[("pads", Ints(&[2, 2, 2, 2]))]);
    let mask = b.node("Sigmoid", &[&mask], &[]);
    let x = b.node("Mul", &[&x, &mask], &[]);
    let [left, right] = [b.conv(&x, &[4, 6, 3, 3], &[SAME, STRIDE]), b.conv(&x, &[4, 6, 3, 3], &[SAME, STRIDE])];
    let left = b.node("Tanh", &[&left], &[]);
    let x = b.node("Mul", &[&left, &right], &[]);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let y = b.gemm(&x, 3, 4);
    b.finish(&y, &[3])
}

fn torch_unet() -> ModelProto {
    let mut b = Builder::new(11, &[1, 16, 12]);
    let pool = [("kernel_shape", Ints(&[2, 2])), STRIDE];
    let double = |b: &mut Builder, x: &str, channels: i64, outputs: i64| {
        let x = b.conv_norm(x, &[outputs, channels, 3, 3], &[SAME]);
        let x = b.relu(&x);
        let x = b.conv_norm(&x, &[outputs, outputs, 3, 3], &[SAME]);
        b.relu(&x)
    };
    let first = double(&mut b, "x", 1, 4);
    let x = b.node("MaxPool", &[&first], &pool);
    let second = double(&mut b, &x, 4, 6);
    let x = b.node("MaxPool", &[&second], &pool);
    let mut x = double(&mut b, &x, 6, 8);
    for (skip, channels, outputs) in [(&second, 14, 6), (&first, 10, 4)] {
        let (region, scales) = (b.floats(&[0], &[]), b.floats(&[4], &[1.0, 1.0, 2.0, 2.0]));
        let plain = ("coordinate_transformation_mode", Text("asymmetric"));
        let larger = [plain, ("mode", Text("nearest")), ("nearest_mode", Text("floor"))];
        let y = b.node("Resize", &[&x, &region, &scales], &larger);
        let y = b.node("Concat", &[&y, skip], &[("axis", Int(1))]);
        x = double(&mut b, &y, channels, outputs);
    }
    let y = b.conv(&x, &[2, 4, 1, 1], &[]);
    b.finish(&y, &[2, 16, 12])
}

/// `F.interpolate(t, size=p.shape[-2:])` with a dynamic batch, before a sum.
fn torch_pyramid() -> ModelProto {
    let mut b = Builder::new(17, &[3, 16, 16]);
    let x = b.conv_norm("x", &[6, 3, 3, 3], &[SAME, STRIDE]);
    let fine = b.relu(&x);
    let x = b.conv_norm(&fine, &[8, 6, 3, 3], &[SAME, STRIDE]);
    let x = b.relu(&x);
    let coarse = b.conv(&x, &[6, 8, 1, 1], &[]);
    let axes = b.ints(&[0]);
    let sides = [2, 3].map(|axis| {
        let shape = b.node("Shape", &[&fine], &[]);
        let index = b.index(axis);
        let side = b.node("Gather", &[&shape, &index], &[("axis", Int(0))]);
        b.node("Unsqueeze", &[&side, &axes], &[])
    });
    let sides = b.node("Concat", &[&sides[0], &sides[1]], &[("axis", Int(0))]);
    let sides = b.node("Cast", &[&sides], &[("to", Int(7))]);
    let shape = b.node("Shape", &[&coarse], &[]);
    let (start, end) = (b.ints(&[0]), b.ints(&[2]));
    let front = b.node("Slice", &[&shape, &start, &end, &axes], &[]);
    let sizes = b.node("Concat", &[&front, &sides], &[("axis", Int(0))]);
    let exact = [
        ("coordinate_transformation_mode", Text("half_pixel")),
        ("mode", Text("nearest")),
        ("nearest_mode", Text("round_prefer_ceil")),
    ];
    let coarse = b.node("Resize", &[&coarse, "", "", &sizes], &exact);
    let fine = b.conv(&fine, &[6, 6, 1, 1], &[]);
    let x = b.node("Add", &[&fine, &coarse], &[]);
    let x = b.conv(&x, &[5, 6, 3, 3], &[SAME]);
    let y = b.node("Sigmoid", &[&x], &[]);
    b.finish(&y, &[5, 8, 8])
}

fn torch_unet_over_time() -> ModelProto {
    let mut b = Builder::new(13, &[2, 24]);
    let skip = b.conv_norm("x", &[4, 2, 5], &[("pads", Ints(&[2, 2]))]);
    let skip = b.relu(&skip);
    let x = b.conv_norm(&skip, &[6, 4, 3], &[("pads", Ints(&[1, 1])), ("strides", Ints(&[2]))]);
    let x = b.relu(&x);
    let scales = b.floats(&[3], &[1.0, 1.0, 2.0]);
    let plain = ("coordinate_transformation_mode", Text("asymmetric"));
    let x = b.node("Resize", &[&x, "", &scales], &[plain, ("nearest_mode", Text("floor"))]);
    let x = b.node("Concat", &[&x, &skip], &[("axis", Int(1))]);
    let x = b.conv(&x, &[4, 10, 3], &[("pads", Ints(&[1, 1]))]);
    let x = b.relu(&x);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let y = b.gemm(&x, 3, 4);
    b.finish(&y, &[3])
}

fn torch_gelu() -> ModelProto {
    let mut b = Builder::new(13, &[1, 12, 12]);
    let x = b.conv("x", &[4, 1, 3, 3], &[("pads", Ints(&[1, 0, 1, 0]))]);
    let (root, one, half) = (b.scalar(std::f32::consts::SQRT_2), b.scalar(1.0), b.scalar(0.5));
    let scaled = b.node("Div", &[&x, &root], &[]);
    let erf = b.node("Erf", &[&scaled], &[]);
    let phi = b.node("Add", &[&erf, &one], &[]);
    let x = b.node("Mul", &[&x, &phi], &[]);
    let x = b.node("Mul", &[&x, &half], &[]);
    let (pads, zero) = (b.ints(&[0, 0, 0, 1, 0, 0, 1, 2]), b.scalar(0.0));
    let x = b.node("Pad", &[&x, &pads, &zero], &[("mode", Text("constant"))]);
    let x = b.conv(&x, &[6, 4, 3, 3], &[STRIDE]);
    let slopes = b.random(&[6, 1, 1], 0.05, 0.4);
    let x = b.node("PRelu", &[&x, &slopes], &[]);
    let x = b.conv(&x, &[6, 6, 1, 1], &[]);
    let slope = b.floats(&[1, 1, 1], &[0.25]);
    let x = b.node("PRelu", &[&x, &slope], &[]);
    let x = b.node("Softplus", &[&x], &[]);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[]);
    let y = b.gemm(&x, 3, 6);
    b.finish(&y, &[3])
}

/// GELU by its hyperbolic tangent as TorchScript spells it, Mish as dynamo does, Softsign, a soft shrinkage, and Log behind a guard.
fn torch_functions() -> ModelProto {
    let mut b = Builder::new(18, &[2, 12, 12]);
    let x = b.conv("x", &[6, 2, 3, 3], &[]);
    let (three, bent, root, one, half) =
        (b.scalar(3.0), b.scalar(0.044715), b.scalar(0.797_884_6), b.scalar(1.0), b.scalar(0.5));
    let cube = b.node("Pow", &[&x, &three], &[]);
    let cube = b.node("Mul", &[&cube, &bent], &[]);
    let inner = b.node("Add", &[&x, &cube], &[]);
    let inner = b.node("Mul", &[&inner, &root], &[]);
    let tanh = b.node("Tanh", &[&inner], &[]);
    let gate = b.node("Add", &[&tanh, &one], &[]);
    let x = b.node("Mul", &[&x, &gate], &[]);
    let x = b.node("Mul", &[&x, &half], &[]);
    let x = b.conv(&x, &[8, 6, 3, 3], &[STRIDE]);
    let x = b.node("Mish", &[&x], &[]);
    let x = b.conv(&x, &[8, 8, 1, 1], &[]);
    let size = b.node("Abs", &[&x], &[]);
    let size = b.node("Add", &[&one, &size], &[]);
    let x = b.node("Div", &[&x, &size], &[]);
    let x = b.conv(&x, &[8, 8, 1, 1], &[]);
    let (threshold, nothing) = (b.scalar(0.125), b.scalar(0.0));
    let size = b.node("Abs", &[&x], &[]);
    let is_large = b.node("Greater", &[&size, &threshold], &[]);
    let sign = b.node("Sign", &[&x], &[]);
    let less = b.node("Mul", &[&sign, &threshold], &[]);
    let nearer = b.node("Sub", &[&x, &less], &[]);
    let x = b.node("Where", &[&is_large, &nearer, &nothing], &[]);
    let x = b.conv(&x, &[8, 8, 1, 1], &[]);
    let x = b.node("Relu", &[&x], &[]);
    let x = b.node("Add", &[&x, &one], &[]);
    let x = b.node("Log", &[&x], &[]);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[]);
    let y = b.gemm(&x, 3, 8);
    b.finish(&y, &[3])
}

/// The larger of two branches, and a mean with rounded-up windows whose padding counts.
fn torch_maxout() -> ModelProto {
    let mut b = Builder::new(17, &[2, 30]);
    let [left, right] = [0; 2].map(|_| b.conv("x", &[6, 2, 5], &[]));
    let x = b.node("Max", &[&left, &right], &[]);
    let counted = [("kernel_shape", Ints(&[3])), ("strides", Ints(&[2])), ("pads", Ints(&[1, 1]))];
    let x =
        b.node("AveragePool", &[&x], &[&counted[..], &[("ceil_mode", Int(1)), ("count_include_pad", Int(1))]].concat());
    let x = b.conv(&x, &[8, 6, 3], &[]);
    let x = b.node("Selu", &[&x], &[]);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Flatten", &[&x], &[]);
    let y = b.gemm(&x, 4, 8);
    b.finish(&y, &[4])
}

/// Mean and deviation of each channel before a convolution without padding; a BatchNormalization before one with padding.
fn torch_normalized() -> ModelProto {
    let mut b = Builder::new(13, &[3, 12, 12]);
    let mean = b.floats(&[1, 3, 1, 1], &[0.4, 0.5, 0.6]);
    let deviation = b.floats(&[1, 3, 1, 1], &[0.2, 0.3, 0.25]);
    let x = b.node("Sub", &["x", &mean], &[]);
    let x = b.node("Div", &[&x, &deviation], &[]);
    let x = b.conv(&x, &[6, 3, 3, 3], &[]);
    let x = b.relu(&x);
    let parameters = [(0.5, 1.5), (-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5)].map(|(low, high)| b.random(&[6], low, high));
    let [scale, bias, mean, variance] = parameters.each_ref().map(String::as_str);
    let x = b.node("BatchNormalization", &[&x, scale, bias, mean, variance], &[]);
    let x = b.conv(&x, &[6, 6, 3, 3], &[SAME]);
    let pool = [("kernel_shape", Ints(&[3, 3])), STRIDE, ("ceil_mode", Int(1)), ("count_include_pad", Int(1))];
    let x = b.node("AveragePool", &[&x], &pool);
    let x = b.node("Flatten", &[&x], &[("axis", Int(1))]);
    let y = b.gemm(&x, 4, 150);
    b.finish(&y, &[4])
}

fn torch_autoencoder() -> ModelProto {
    let mut b = Builder::new(18, &[24]);
    let x = b.gemm("x", 12, 24);
    let parameters = [(0.5, 1.5), (-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5)].map(|(low, high)| b.random(&[12], low, high));
    let [scale, bias, mean, variance] = parameters.each_ref().map(String::as_str);
    let x = b.node("BatchNormalization", &[&x, scale, bias, mean, variance], &[]);
    let x = b.relu(&x);
    let x = b.gemm(&x, 4, 12);
    let x = b.node("Tanh", &[&x], &[]);
    let y = b.gemm(&x, 24, 4);
    b.finish(&y, &[24])
}

/// The flattening by shape arithmetic in 32 bits that tf2onnx writes.
fn keras_mnist() -> ModelProto {
    let mut b = Builder::new(13, &[14, 14, 1]);
    let first = b.ints(&[-1, 1, 14, 14]);
    let x = b.node("Reshape", &["x", &first], &[]);
    let x = b.conv(&x, &[4, 1, 3, 3], &[]);
    let x = b.relu(&x);
    let x = b.node("MaxPool", &[&x], &[("kernel_shape", Ints(&[2, 2])), STRIDE]);
    let last = b.transpose(&x, &TO_LAST);
    let shape = b.node("Shape", &[&x], &[]);
    let order = b.ints(&TO_LAST);
    let shape = b.node("Gather", &[&shape, &order], &[("axis", Int(0))]);
    let shape = b.node("Cast", &[&shape], &[("to", Int(6))]);
    let (zero, one) = (b.ints(&[0]), b.ints(&[1]));
    let batch = b.node("Slice", &[&shape, &zero, &one, &zero], &[]);
    let rest = b.tensor(TensorProto {
        dims: vec![1],
        data_type: data_type::INT32,
        int32_data: vec![144],
        ..Default::default()
    });
    let target = b.node("Concat", &[&batch, &rest], &[("axis", Int(0))]);
    let target = b.node("Cast", &[&target], &[("to", Int(7))]);
    let x = b.node("Reshape", &[&last, &target], &[]);
    let x = b.dense(&x, 144, 8);
    let x = b.relu(&x);
    let x = b.dense(&x, 8, 10);
    let y = b.node("Softmax", &[&x], &[("axis", Int(-1))]);
    b.finish(&y, &[10])
}

/// Pixels scaled channels last; normalization as Mul and Add between Transposes; ReLU6 as Min and Relu.
fn keras_mobilenet() -> ModelProto {
    let mut b = Builder::new(15, &[16, 16, 3]);
    let (scale, offset) = (b.scalar(2.0), b.floats(&[1, 1, 1, 3], &[-1.0, -0.9, -1.1]));
    let x = b.node("Mul", &["x", &scale], &[]);
    let x = b.node("Add", &[&x, &offset], &[]);
    let x = b.transpose(&x, &TO_FIRST);
    let mut x = b.conv(&x, &[6, 3, 3, 3], &[("auto_pad", Text("SAME_UPPER")), STRIDE]);
    let shapes: [(&[i64], i64); 2] = [(&[6, 1, 3, 3], 6), (&[8, 6, 1, 1], 1)];
    for (shape, groups) in shapes {
        let conv = b.conv(&x, shape, &[("auto_pad", Text("SAME_UPPER")), ("group", Int(groups))]);
        let last = b.transpose(&conv, &TO_LAST);
        let (scale, shift) = (b.random(&shape[..1], 0.5, 1.5), b.random(&shape[..1], -0.2, 0.2));
        let scaled = b.node("Mul", &[&last, &scale], &[]);
        let shifted = b.node("Add", &[&scaled, &shift], &[]);
        let six = b.scalar(6.0);
        let bounded = b.node("Min", &[&shifted, &six], &[]);
        let bounded = b.relu(&bounded);
        x = b.transpose(&bounded, &TO_FIRST);
    }
    let last = b.transpose(&x, &TO_LAST);
    let x = b.node("ReduceMean", &[&last], &[("axes", Ints(&[1, 2])), ("keepdims", Int(0))]);
    let y = b.dense(&x, 8, 4);
    b.finish(&y, &[4])
}

fn keras_inception() -> ModelProto {
    let mut b = Builder::new(18, &[12, 12, 3]);
    let x = b.transpose("x", &TO_FIRST);
    let a = b.conv(&x, &[4, 3, 1, 1], &[]);
    let a = b.relu(&a);
    let c = b.conv(&x, &[4, 3, 3, 3], &[("auto_pad", Text("SAME_LOWER"))]);
    let c = b.relu(&c);
    let [a, c] = [a, c].map(|branch| b.transpose(&branch, &TO_LAST));
    let x = b.node("Concat", &[&a, &c], &[("axis", Int(3))]);
    let pads = b.ints(&[0, 0, 0, 0, 0, 1, 1, 0]);
    let x = b.node("Pad", &[&x, &pads], &[]);
    let x = b.transpose(&x, &TO_FIRST);
    let x = b.conv(&x, &[6, 8, 3, 3], &[STRIDE]);
    let x = b.node("LeakyRelu", &[&x], &[("alpha", Float(0.2))]);
    let pool = [("kernel_shape", Ints(&[3, 3])), STRIDE, ("auto_pad", Text("SAME_UPPER"))];
    let x = b.node("AveragePool", &[&x], &pool);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let axes = b.ints(&[2, 3]);
    let x = b.node("Squeeze", &[&x, &axes], &[]);
    let y = b.dense(&x, 6, 4);
    b.finish(&y, &[4])
}

/// C×1×L for the convolutions, C×L between them.
fn keras_conv1d() -> ModelProto {
    let mut b = Builder::new(13, &[32, 3]);
    let (row, last) = (b.ints(&[1]), b.ints(&[2]));
    let x = b.node("Unsqueeze", &["x", &row], &[]);
    let x = b.transpose(&x, &TO_FIRST);
    let x = b.conv(&x, &[6, 3, 1, 5], &[("pads", Ints(&[0, 2, 0, 2]))]);
    let x = b.node("Squeeze", &[&x, &last], &[]);
    let x = b.relu(&x);
    let x = b.node("Unsqueeze", &[&x, &last], &[]);
    let x = b.node("MaxPool", &[&x], &[("kernel_shape", Ints(&[1, 2])), ("strides", Ints(&[1, 2]))]);
    let x = b.conv(&x, &[8, 6, 1, 3], &[("pads", Ints(&[0, 0, 0, 1])), ("strides", Ints(&[1, 2]))]);
    let x = b.node("Squeeze", &[&x, &last], &[]);
    let (scale, shift) = (b.random(&[1, 8, 1], 0.5, 1.5), b.random(&[1, 8, 1], -0.2, 0.2));
    let x = b.node("Mul", &[&x, &scale], &[]);
    let x = b.node("Add", &[&x, &shift], &[]);
    let x = b.relu(&x);
    let x = b.node("GlobalAveragePool", &[&x], &[]);
    let x = b.node("Squeeze", &[&x, &last], &[]);
    let x = b.dense(&x, 8, 4);
    let y = b.node("Softmax", &[&x], &[("axis", Int(-1))]);
    b.finish(&y, &[4])
}

/// Arithmetic on L×C before the first Transpose.
fn keras_conv1d_rescaled() -> ModelProto {
    let mut b = Builder::new(15, &[24, 3]);
    let (scale, offset) = (b.floats(&[3], &[2.0, 1.5, 2.5]), b.floats(&[1, 1, 3], &[-1.0, -0.9, -1.1]));
    let x = b.node("Mul", &["x", &scale], &[]);
    let x = b.node("Add", &[&x, &offset], &[]);
    let (row, last) = (b.ints(&[1]), b.ints(&[2]));
    let x = b.node("Unsqueeze", &[&x, &row], &[]);
    let x = b.transpose(&x, &TO_FIRST);
    let x = b.conv(&x, &[6, 3, 1, 5], &[]);
    let x = b.relu(&x);
    let x = b.node("Squeeze", &[&x, &last], &[]);
    let x = b.node("ReduceMean", &[&x], &[("axes", Ints(&[2])), ("keepdims", Int(0))]);
    let y = b.dense(&x, 6, 4);
    b.finish(&y, &[4])
}

/// Channels last between the layers; a pool that would miss the last step is given a copy of it.
fn keras_torch_conv1d() -> ModelProto {
    let mut b = Builder::new(20, &[60]);
    let steps = b.ints(&[-1, 15, 4]);
    let x = b.node("Reshape", &["x", &steps], &[]);
    let x = b.transpose(&x, &[0, 2, 1]);
    let x = b.conv(&x, &[6, 4, 3], &[("pads", Ints(&[1, 1]))]);
    let x = b.transpose(&x, &[0, 2, 1]);
    let x = b.relu(&x);
    let x = b.transpose(&x, &[0, 2, 1]);
    let one_behind = b.ints(&[0, 0, 0, 0, 0, 1]);
    let x = b.node("Pad", &[&x, &one_behind], &[("mode", Text("edge"))]);
    let x = b.node("MaxPool", &[&x], &[("kernel_shape", Ints(&[2])), ("strides", Ints(&[2]))]);
    let x = b.transpose(&x, &[0, 2, 1]);
    let line = b.ints(&[-1, 48]);
    let x = b.node("Reshape", &[&x, &line], &[]);
    let x = b.dense(&x, 48, 3);
    let y = b.node("Softmax", &[&x], &[("axis", Int(-1))]);
    b.finish(&y, &[3])
}

/// A map goes out, channels last.
fn keras_map() -> ModelProto {
    let mut b = Builder::new(13, &[8, 8, 2]);
    let x = b.transpose("x", &TO_FIRST);
    let x = b.conv(&x, &[4, 2, 3, 3], &[SAME]);
    let x = b.relu(&x);
    let x = b.conv(&x, &[2, 4, 3, 3], &[SAME]);
    let x = b.node("Sigmoid", &[&x], &[]);
    let y = b.transpose(&x, &TO_LAST);
    b.finish(&y, &[8, 8, 2])
}

/// Channels last between the layers; a gate of two dense layers; UpSampling2D.
fn keras_gates() -> ModelProto {
    let mut b = Builder::new(15, &[8, 8, 2]);
    let x = b.transpose("x", &TO_FIRST);
    let x = b.conv(&x, &[6, 2, 3, 3], &[SAME, STRIDE]);
    let last = b.transpose(&x, &TO_LAST);
    let last = b.relu(&last);
    let mean = b.node("ReduceMean", &[&last], &[("axes", Ints(&[1, 2])), ("keepdims", Int(0))]);
    let gate = b.dense(&mean, 6, 3);
    let gate = b.relu(&gate);
    let gate = b.dense(&gate, 3, 6);
    let gate = b.node("Sigmoid", &[&gate], &[]);
    let shape = b.ints(&[-1, 1, 1, 6]);
    let gate = b.node("Reshape", &[&gate, &shape], &[]);
    let x = b.node("Mul", &[&last, &gate], &[]);
    let x = b.transpose(&x, &TO_FIRST);
    let scales = b.floats(&[4], &[1.0, 1.0, 2.0, 2.0]);
    let larger = [
        ("coordinate_transformation_mode", Text("tf_half_pixel_for_nn")),
        ("mode", Text("nearest")),
        ("nearest_mode", Text("floor")),
    ];
    let x = b.node("Resize", &[&x, "", &scales], &larger);
    let x = b.conv(&x, &[2, 6, 3, 3], &[SAME]);
    let y = b.transpose(&x, &TO_LAST);
    b.finish(&y, &[8, 8, 2])
}

fn scikit_mlp() -> ModelProto {
    let mut b = Builder::new(15, &[6]);
    let x = b.node("Cast", &["x"], &[("to", Int(1))]);
    let w = b.weights(&[6, 8], 6);
    let bias = b.random(&[1, 8], -0.1, 0.1);
    let x = b.node("MatMul", &[&x, &w], &[]);
    let x = b.node("Add", &[&x, &bias], &[]);
    let x = b.relu(&x);
    let w = b.weights(&[8, 3], 8);
    let bias = b.random(&[1, 3], -0.1, 0.1);
    let x = b.node("MatMul", &[&x, &w], &[]);
    let x = b.node("Add", &[&x, &bias], &[]);
    let y = b.node("Softmax", &[&x], &[("axis", Int(1))]);
    b.finish(&y, &[3])
}

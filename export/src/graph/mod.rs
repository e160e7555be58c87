//! The graph that every road passes through: operators with typed attributes over named values.
//!
//! It follows ONNX in meaning and in names (values are strings, a node's inputs are positional, an empty name is an
//! absent optional input) but knows nothing of protobuf, of burn or of tract. Files become a [`Graph`] in
//! [`crate::onnx`], burn modules in [`crate::capture`]; [`passes`] make it smaller without changing what it computes.
//!
//! Shapes are those of ONNX: NCHW, with the batch as a symbolic first dimension.

pub mod activation;
mod attributes;
pub mod cost;
pub mod formula;
pub mod passes;
pub mod shape;

use std::collections::BTreeMap;

pub use activation::Activation;
pub use attributes::Attributes;
pub use formula::Formula;

/// Largest dimension of a tensor and of a window.
pub const MAX_DIM: usize = 1 << 24;

/// Most dimensions of a tensor.
pub const MAX_RANK: usize = 8;

/// Most values of one sample of an input or of what a layer makes: far above any network for a microcontroller.
pub const MAX_VALUES: usize = 1 << 28;

/// Ends the name of a Softmax or LogSoftmax that works on everything from its axis on, flattened, as they did before opset 13: other operators
/// than today's.
pub const BEFORE_OPSET_13: &str = " before opset 13";

/// A network: nodes in topological order, constants by name, and what goes in and out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    /// The network's name, as the ONNX graph has it.
    pub name: String,
    /// Operators, each after those whose outputs it reads.
    pub nodes: Vec<Node>,
    /// What the caller supplies.
    pub inputs: Vec<ValueInfo>,
    /// What the caller gets.
    pub outputs: Vec<ValueInfo>,
    /// Constants: weights, biases, scales, shapes.
    pub initializers: BTreeMap<String, Tensor>,
    /// ONNX `metadata_props`.
    pub metadata: BTreeMap<String, String>,
}

/// One operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// A readable, unique name: the module path it came from, where known.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Names of the values it reads, by position; empty for an optional input that is absent.
    pub inputs: Vec<String>,
    /// Names of the values it makes.
    pub outputs: Vec<String>,
}

/// A value's name, element type and shape.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueInfo {
    /// The value's name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Dimensions, the batch first.
    pub shape: Vec<Dim>,
}

/// One dimension of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A fixed extent.
    Fixed(usize),
    /// A symbol, such as `batch`.
    Symbol(String),
}

/// Element types that the road carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DType {
    /// IEEE single.
    F32,
    /// Signed byte: activations and weights.
    I8,
    /// Unsigned byte.
    U8,
    /// Biases and accumulators.
    I32,
    /// Shapes and axes.
    I64,
}

/// A constant: dimensions and values in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Dimensions; empty for a scalar.
    pub dims: Vec<usize>,
    /// As many values as the product of `dims`.
    pub data: Data,
}

/// The values of a [`Tensor`].
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// IEEE single.
    F32(Vec<f32>),
    /// Signed byte.
    I8(Vec<i8>),
    /// Unsigned byte.
    U8(Vec<u8>),
    /// 32-bit integer.
    I32(Vec<i32>),
    /// 64-bit integer.
    I64(Vec<i64>),
}

/// Where a window stands: kernel extent, stride, dilation and padding, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Step down and across.
    pub strides: [usize; 2],
    /// Distance between taps, 1 for a dense kernel.
    pub dilations: [usize; 2],
    /// Rows or columns of padding: top, left, bottom, right.
    pub pads: [usize; 4],
}

impl Window {
    /// Whether a pool may have `more` padding (top, left, bottom, right): ONNX wants less on each side than its kernel
    /// is long, so that no place of it lies in padding alone.
    pub(crate) fn reaches_beyond(&self, more: [usize; 4]) -> bool {
        (0..4).all(|side| self.pads[side] + more[side] < self.kernel[side % 2])
    }
}

/// What a node computes, with its attributes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// `Conv`: inputs x \[N,C,H,W\], weights \[O,C/groups,KH,KW\], optional bias \[O\].
    Conv {
        /// Kernel geometry.
        window: Window,
        /// Channel groups; C for a depthwise convolution.
        groups: usize,
    },
    /// `Gemm` with alpha = beta = 1 and A as it is: inputs x \[N,K\], weights, optional bias.
    Gemm {
        /// Whether the weights are stored \[O,K\] (as in `transB = 1`) rather than \[K,O\].
        transposed: bool,
    },
    /// `MatMul` of x \[N,K\] and constant weights \[K,O\].
    MatMul,
    /// `BatchNormalization` in inference form: x, scale, bias, mean, variance.
    BatchNorm {
        /// Added to the variance under the root.
        epsilon: f32,
    },
    /// `Relu`.
    Relu,
    /// `Clip` with constant bounds.
    Clip {
        /// Lower bound, −∞ where absent.
        min: f32,
        /// Upper bound, +∞ where absent.
        max: f32,
    },
    /// `MaxPool`.
    MaxPool {
        /// Window geometry.
        window: Window,
    },
    /// `AveragePool`.
    AveragePool {
        /// Window geometry.
        window: Window,
        /// Whether padding counts in the divisor.
        count_include_pad: bool,
    },
    /// `GlobalAveragePool`.
    GlobalAveragePool,
    /// `Add` of two values of one shape, or of a value and a constant.
    Add,
    /// `Mul` of two values, or of a value and a constant; the dimensions of one may be 1.
    Mul,
    /// `Resize` to the nearest neighbour: each pixel of \[N,C,H,W\] several times, down and across.
    Resize {
        /// How many rows and columns each becomes.
        factors: [usize; 2],
    },
    /// `Concat` of any number of values.
    Concat {
        /// The axis along which they are set side by side; 1 is the channels.
        axis: i64,
    },
    /// An elementwise function.
    Activation(Activation),
    /// `Flatten`: \[N,…\] → \[N,K\].
    Flatten {
        /// First axis of the second dimension.
        axis: i64,
    },
    /// `Reshape` to the shape in its second input.
    Reshape,
    /// `Softmax`.
    Softmax {
        /// The axis that sums to one.
        axis: i64,
    },
    /// `LogSoftmax`.
    LogSoftmax {
        /// The axis whose exponentials sum to one.
        axis: i64,
    },
    /// `ArgMax`: the first position of the largest value.
    ArgMax {
        /// The axis that is searched.
        axis: i64,
        /// Whether it stays, with an extent of one.
        keepdims: bool,
    },
    /// `QuantizeLinear`: x, scale, zero point.
    Quantize {
        /// Channel axis of a per-channel scale.
        axis: i64,
    },
    /// `DequantizeLinear`: x, scale, zero point.
    Dequantize {
        /// Channel axis of a per-channel scale.
        axis: i64,
    },
    /// An operator (or a form of one, such as a convolution in one dimension) that has no variant here. It is kept as
    /// it was read, so that a pass can rewrite it, a file can be written again, and an error can name it.
    Other {
        /// The ONNX operator, with its domain where it is not the default one.
        op_type: String,
        /// Its attributes by name.
        attributes: BTreeMap<String, Attribute>,
    },
}

/// An attribute of an operator without a variant of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A real number.
    Float(f32),
    /// Text.
    Text(String),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Real numbers.
    Floats(Vec<f32>),
    /// A constant.
    Tensor(Tensor),
    /// Something else: subgraphs, sparse tensors, lists of text. Named, not kept.
    Unread(String),
}

impl Data {
    /// How many values.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(v) => v.len(),
            Data::I8(v) => v.len(),
            Data::U8(v) => v.len(),
            Data::I32(v) => v.len(),
            Data::I64(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their element type.
    pub fn dtype(&self) -> DType {
        match self {
            Data::F32(_) => DType::F32,
            Data::I8(_) => DType::I8,
            Data::U8(_) => DType::U8,
            Data::I32(_) => DType::I32,
            Data::I64(_) => DType::I64,
        }
    }
}

impl Tensor {
    /// A tensor of `dims`; their product must be the number of values.
    pub fn f32(dims: &[usize], values: Vec<f32>) -> Self {
        Self::new(dims, Data::F32(values))
    }

    /// A tensor of `dims`; their product must be the number of values.
    pub fn i64(dims: &[usize], values: Vec<i64>) -> Self {
        Self::new(dims, Data::I64(values))
    }

    /// A tensor of `dims`; their product must be the number of values.
    pub fn new(dims: &[usize], data: Data) -> Self {
        assert_eq!(dims.iter().product::<usize>(), data.len(), "values of a tensor of {dims:?}");
        Self { dims: dims.to_vec(), data }
    }

    /// The values, where they are reals.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(v) => Some(v),
            _ => None,
        }
    }

    /// The values, where they are 64-bit integers.
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &self.data {
            Data::I64(v) => Some(v),
            _ => None,
        }
    }
}

impl Op {
    /// The operator's ONNX name.
    pub fn name(&self) -> &str {
        match self {
            Op::Conv { .. } => "Conv",
            Op::Gemm { .. } => "Gemm",
            Op::MatMul => "MatMul",
            Op::BatchNorm { .. } => "BatchNormalization",
            Op::Relu => "Relu",
            Op::Clip { .. } => "Clip",
            Op::MaxPool { .. } => "MaxPool",
            Op::AveragePool { .. } => "AveragePool",
            Op::GlobalAveragePool => "GlobalAveragePool",
            Op::Add => "Add",
            Op::Mul => "Mul",
            Op::Resize { .. } => "Resize",
            Op::Concat { .. } => "Concat",
            Op::Activation(function) => function.name(),
            Op::Flatten { .. } => "Flatten",
            Op::Reshape => "Reshape",
            Op::Softmax { .. } => "Softmax",
            Op::LogSoftmax { .. } => "LogSoftmax",
            Op::ArgMax { .. } => "ArgMax",
            Op::Quantize { .. } => "QuantizeLinear",
            Op::Dequantize { .. } => "DequantizeLinear",
            Op::Other { op_type, .. } => op_type,
        }
    }
}

impl Op {
    /// The attributes, where this is an [`Op::Other`] of that type.
    pub fn other(&self, wanted: &str) -> Option<Attributes<'_>> {
        match self {
            Op::Other { op_type, attributes } if op_type == wanted => Some(Attributes(attributes)),
            _ => None,
        }
    }
}

impl Node {
    /// A node of one output.
    pub fn new(name: &str, op: Op, inputs: &[&str], output: &str) -> Self {
        let inputs = inputs.iter().map(|i| i.to_string()).collect();
        Self { name: name.into(), op, inputs, outputs: vec![output.into()] }
    }

    /// The value at input `position`, where it is present.
    pub fn input(&self, position: usize) -> Option<&str> {
        self.inputs.get(position).map(String::as_str).filter(|name| !name.is_empty())
    }
}

impl Graph {
    /// The constant at input `position` of `node`.
    pub fn constant(&self, node: &Node, position: usize) -> Option<&Tensor> {
        self.initializers.get(node.input(position)?)
    }

    /// The node that makes `value`, if any.
    pub fn producer(&self, value: &str) -> Option<usize> {
        self.nodes.iter().position(|n| n.outputs.iter().any(|o| o == value))
    }

    /// The nodes that read `value`.
    pub fn readers(&self, value: &str) -> Vec<usize> {
        let reads = |n: &Node| n.inputs.iter().any(|i| i == value);
        (0..self.nodes.len()).filter(|&i| reads(&self.nodes[i])).collect()
    }

    /// Makes every node that reads `from` read `to`.
    pub fn redirect(&mut self, from: &str, to: &str) {
        for input in self.nodes.iter_mut().flat_map(|n| &mut n.inputs).filter(|i| *i == from) {
            *input = to.into();
        }
    }

    /// Whether `value` is one of the graph's outputs.
    pub fn is_output(&self, value: &str) -> bool {
        self.outputs.iter().any(|o| o.name == value)
    }
}

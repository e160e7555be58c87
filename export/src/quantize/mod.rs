//! Int8 networks: the [`QuantGraph`], and the two ways to one.
//!
//! [`qdq`] writes it as (and reads it from) an ordinary ONNX graph with QuantizeLinear/DequantizeLinear pairs. The planner starts from the
//! [`QuantGraph`].
//!
//! With the feature `tract`, it is made of a float graph. [`tune`](tune()) is the whole of it: it watches the float network over images, and
//! makes every choice by what it does to the network's output: how weights are rounded, which channels are equalized, where ranges end.
//! [`calibrate`](calibrate()) keeps what was seen of each value, [`ranges`] turns ranges into scales;
//! [`quantize`](quantize()) applies plain ranges. [`fold`] makes a network that was trained on normalized pixels one that takes bytes;
//! [`explain`](explain()) says which layer loses what.
//!
//! The scheme: activations int8 with one scale and zero point a tensor; weights int8 in −127…127 with zero point 0
//! and one scale an output channel; biases int32 at scale x·w.
//!
//! ```
//! use export::quantize::Range;
//! // Pixels in 0…1 are stored as pixel − 128, exactly.
//! let pixels = Range::UNIT.affine();
//! assert_eq!((pixels.scale, pixels.zero_point), (1.0 / 255.0, -128));
//! assert_eq!(pixels.quantize(200.0 / 255.0), 72);
//! ```

mod activation;
mod error;
mod flatten;
mod interface;
mod names;
mod operator;
#[cfg(feature = "tract")]
mod ptq;
pub mod qdq;
pub mod ranges;
mod shape;

pub use error::QuantizeError;
pub use interface::logits;
#[cfg(feature = "tract")]
pub use ptq::{
    CalibrateError, Calibration, Choice, EQUALIZED, Folded, Histogram, LayerError, Samples, Sqnr, Tuned, calibrate,
    explain, fold, quantize, supported, tune, watched,
};
pub use ranges::{Affine, Range, Ranges};

use crate::graph::Window;

/// Index of a [`QuantTensor`] in its graph.
pub type TensorId = usize;

/// A network of int8 operators with one input and one output.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantGraph {
    /// The network's name.
    pub name: String,
    /// Every activation: the input first, then each node's output in the order of the nodes.
    pub tensors: Vec<QuantTensor>,
    /// Operators, each after those whose outputs it reads.
    pub nodes: Vec<QuantNode>,
    /// What the caller supplies.
    pub input: TensorId,
    /// What the caller gets.
    pub output: TensorId,
    /// Carried from the float graph's `metadata_props`.
    pub metadata: std::collections::BTreeMap<String, String>,
}

/// An int8 activation of one image: real = scale · (q − zero_point).
#[derive(Debug, Clone, PartialEq)]
pub struct QuantTensor {
    /// The value's name in the float graph.
    pub name: String,
    /// Channels, height, width; a flat vector of K values is \[K, 1, 1\].
    pub shape: [usize; 3],
    /// Real value of one step; finite and positive.
    pub scale: f32,
    /// The step that stands for zero.
    pub zero_point: i8,
}

impl QuantTensor {
    /// Its scale and zero point.
    pub fn affine(&self) -> Affine {
        Affine { scale: self.scale, zero_point: self.zero_point }
    }
}

/// One int8 operator.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantNode {
    /// The float node's name.
    pub name: String,
    /// What it computes.
    pub op: QuantOp,
    /// What it reads.
    pub inputs: Vec<TensorId>,
    /// What it makes.
    pub output: TensorId,
}

/// What a [`QuantNode`] computes. Every result saturates to its [`Clamp`].
#[derive(Debug, Clone, PartialEq)]
pub enum QuantOp {
    /// Convolution; depthwise where `groups` equals the input's channels.
    Conv2d {
        /// Kernel geometry; padding holds the input's zero point.
        window: Window,
        /// Channel groups.
        groups: usize,
        /// Weights and biases, \[O, C/groups, KH, KW\].
        weights: Weights,
        /// Fused activation.
        clamp: Clamp,
    },
    /// Fully connected layer over the input flattened in C, H, W order.
    Dense {
        /// Weights and biases, \[O, K, 1, 1\].
        weights: Weights,
        /// Fused activation.
        clamp: Clamp,
    },
    /// Largest value of each window; padding never wins. Input and output share scale and zero point.
    MaxPool {
        /// Window geometry.
        window: Window,
    },
    /// Mean of each window.
    AveragePool {
        /// Window geometry; the whole input for a global pool.
        window: Window,
        /// Whether padding counts in the divisor.
        count_include_pad: bool,
    },
    /// Sum of two tensors of one shape.
    Add {
        /// Fused activation.
        clamp: Clamp,
    },
    /// Product of two tensors. The dimensions of one may be 1 where the other's are not: one row, column or channel for all of the other's.
    Mul {
        /// Fused activation.
        clamp: Clamp,
    },
    /// Each pixel several times, down and across. Input and output share scale and zero point.
    Resize {
        /// How many rows and columns each becomes.
        factors: [usize; 2],
    },
    /// An elementwise function, from the input's steps to the output's.
    Activation {
        /// The function.
        function: crate::graph::Activation,
    },
    /// Two or more tensors of one height and width side by side along the channels.
    Concat,
    /// The same values in another shape, in C, H, W order.
    Reshape,
    /// A standalone activation or change of scale.
    Requantize {
        /// The activation.
        clamp: Clamp,
    },
}

/// Int8 weights with one scale an output channel, and int32 biases at scale x·w.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// Output channels, input channels a group, kernel height, kernel width.
    pub shape: [usize; 4],
    /// Values in −127…127, row-major.
    pub values: Vec<i8>,
    /// One an output channel; finite and positive.
    pub scales: Vec<f32>,
    /// One an output channel.
    pub biases: Vec<i32>,
}

/// Bounds of the stored int8 result; a ReLU is `min` at the output's zero point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clamp {
    /// Smallest stored value.
    pub min: i8,
    /// Largest stored value.
    pub max: i8,
}

impl Clamp {
    /// No activation.
    pub const NONE: Clamp = Clamp { min: i8::MIN, max: i8::MAX };
}

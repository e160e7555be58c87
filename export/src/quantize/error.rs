//! What can stop a network from being quantized, or an int8 file from being understood.

use crate::graph::{Tensor, shape::ShapeError};

/// Why a graph could not be quantized or read; one cause a variant.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum QuantizeError {
    /// Operators without an int8 form.
    #[error(
        "{} of the network's nodes have no int8 form: {}. Supported: Conv, Gemm and MatMul with constant weights, Relu, \
         Clip, Sigmoid, Tanh and other elementwise functions, MaxPool, AveragePool, GlobalAveragePool, Add and Mul of two values, Resize \
         to the nearest neighbour by whole factors, Concat along the channels, Flatten, Reshape to a constant shape, and Softmax, LogSoftmax and ArgMax at the very end. Replace or remove these nodes before exporting.",
        nodes.len(), nodes.join(", ")
    )]
    Unsupported {
        /// Each node's name and operator.
        nodes: Vec<String>,
    },
    /// The graph holds QuantizeLinear or DequantizeLinear already.
    #[error(
        "the network is quantized already: a float network is expected here. `export plan` takes an int8 file as it is."
    )]
    AlreadyQuantized,
    /// The graph does not have one input and one output of a known shape.
    #[error("the network cannot be mapped to one int8 input and one int8 output: {reason}")]
    Interface {
        /// What was found.
        reason: String,
    },
    /// Calibration never saw a value.
    #[error(
        "no calibration range for value `{value}`: expected one for the input and every operator's output. Calibrate \
         the same graph that is quantized."
    )]
    NoRange {
        /// The value's name.
        value: String,
    },
    /// A NaN or an infinity.
    #[error(
        "`{tensor}` holds a value that is not finite. Quantization needs finite values: check that the network was \
         trained without divergence and that its inputs are in [0, 1]."
    )]
    NotFinite {
        /// The weight or activation.
        tensor: String,
    },
    /// A weight, bias or scale that is not an initializer of the expected type and shape.
    #[error("node `{node}`: its {role} `{tensor}` should be {expected}, but is {found}.")]
    Constant {
        /// The node that reads it.
        node: String,
        /// Weights, bias, scale…
        role: &'static str,
        /// The initializer's name.
        tensor: String,
        /// Type and shape expected.
        expected: String,
        /// Type and shape found.
        found: String,
    },
    /// A node whose output has no shape.
    #[error(transparent)]
    Shape(Box<ShapeError>),
    /// A value that is no image and no vector.
    #[error(
        "value `{value}` should have the shape [batch, channels, height, width] or [batch, values] with numbers after \
         the batch, but has {found}. Export the network with a fixed image size."
    )]
    Rank {
        /// The value's name.
        value: String,
        /// Its shape.
        found: String,
    },
    /// A node that ONNX allows and an int8 operator does not: it broadcasts, or works across the images of a batch.
    #[error(
        "node `{node}`: {op} of {inputs:?} into {output:?} (channels, height, width) has no int8 form; expected an Add of \
         two equal shapes, a Mul of two equal shapes or of a map and one with 1 in place of some of its dimensions, a matrix applied to whole images, a Reshape within each image. Reshape its inputs explicitly."
    )]
    Mismatch {
        /// The node's name.
        node: String,
        /// Its operator.
        op: String,
        /// Channels, height and width of what it reads.
        inputs: Vec<[usize; 3]>,
        /// Channels, height and width of what it makes.
        output: [usize; 3],
    },
    /// A bias or an accumulator beyond int32 that no weight scale repairs.
    #[error(
        "node `{node}`, output channel {channel}: its bias and accumulator do not fit int32 at any weight scale. The \
         layer is too wide, or its bias too large for its input's scale; split the layer."
    )]
    Accumulator {
        /// The node's name.
        node: String,
        /// The output channel.
        channel: usize,
    },
    /// Operators of an int8 file that work on floats.
    #[error(
        "{} of the network's operators would work on floats, and the engine has int8 only: {}. Quantize what they read and \
         what they make (a QuantizeLinear and DequantizeLinear after each operator, the network's last one included), or \
         replace them.",
        nodes.len(), nodes.join("; ")
    )]
    Float {
        /// Each node's name, operator, and what is missing.
        nodes: Vec<String>,
    },
    /// An int8 file that is not in the form this toolchain reads.
    #[error(
        "`{node}`: expected {expected}, found {found}. Write the file with `export quantize`, or quantize it as QDQ with \
         int8 activations, int8 symmetric weights and int32 biases at scale x·w."
    )]
    Form {
        /// The node or value.
        node: String,
        /// What the form asks for.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl From<ShapeError> for QuantizeError {
    fn from(error: ShapeError) -> Self {
        Self::Shape(Box::new(error))
    }
}

impl QuantizeError {
    pub(super) fn form(node: &str, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Form { node: node.into(), expected: expected.into(), found: found.into() }
    }

    pub(super) fn interface(reason: impl Into<String>) -> Self {
        Self::Interface { reason: reason.into() }
    }
}

impl Tensor {
    /// Type and shape, for messages.
    pub(super) fn to_string_short(&self) -> String {
        format!("{:?} {:?}", self.data.dtype(), self.dims)
    }
}

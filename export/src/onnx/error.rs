//! What can be wrong with an ONNX file: one variant a cause.

use std::path::PathBuf;

use super::{MAX_DIM, MAX_FILE_BYTES, MAX_NODES, MAX_RANK, OPSETS_READ};
use crate::graph::MAX_VALUES;

/// Why bytes did not become a graph.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum OnnxError {
    /// The bytes are no protobuf message, or are cut short.
    #[error(
        "expected an ONNX model, found {len_bytes} bytes that do not decode as one ({reason}). The file is truncated or \
         of another kind: copy or export it again"
    )]
    NotOnnx {
        /// Length of what was given.
        len_bytes: usize,
        /// The decoder's words.
        reason: String,
    },
    /// A file of a kind that another command reads.
    #[error("expected an ONNX model, found {found}")]
    OtherKind {
        /// What it is, and what to do with it.
        found: &'static str,
    },
    /// A protobuf message, but without a graph in it.
    #[error(
        "expected an ONNX model with a graph of at least one node, found a file of {len_bytes} bytes with {found}. It is \
         truncated or not an ONNX model: export it again"
    )]
    NoGraph {
        /// Length of what was given.
        len_bytes: usize,
        /// What is missing.
        found: &'static str,
    },
    /// More nodes than any network this is for.
    #[error(
        "the graph has {found} nodes; expected at most {MAX_NODES}. Networks for a microcontroller have hundreds: is this the right \
         file, or has a loop been unrolled in it?"
    )]
    TooManyNodes {
        /// How many.
        found: usize,
    },
    /// The operator set is not one that is read.
    #[error(
        "expected operator set {} to {}, found {found}. Convert it with onnx.version_converter, or export again with \
         opset_version=18",
        OPSETS_READ.start(), OPSETS_READ.end()
    )]
    Opset {
        /// The version that the file imports; 0 where it imports none.
        found: i64,
    },
    /// A tensor's data lies in another file.
    #[error(
        "tensor `{tensor}` keeps its data in another file (`{location}`); that is read for the weights of a model file, and from its own \
         folder. Save the model as one file (torch.onnx.export(…, external_data=False), or onnx.save(model, path, \
         save_as_external_data=False))"
    )]
    ExternalData {
        /// The tensor.
        tensor: String,
        /// The path it names.
        location: String,
    },
    /// The file beside the model that a tensor names does not hold its data.
    #[error(
        "tensor `{tensor}` keeps its data in `{location}`; expected the name of a file in the model's folder that holds it, found {found}. Keep the \
         two files together, or save the model as one file (torch.onnx.export(…, external_data=False))"
    )]
    ExternalFile {
        /// The tensor.
        tensor: String,
        /// The file that it names.
        location: String,
        /// What is there.
        found: String,
    },
    /// As many values as the dimensions say are not there.
    #[error(
        "tensor `{tensor}` of dimensions {dims:?} needs {expected} values, found {found}. The file is damaged: export it \
         again"
    )]
    DataLength {
        /// The tensor.
        tensor: String,
        /// Its dimensions.
        dims: Vec<i64>,
        /// Product of the dimensions (bytes of it, where the data is raw).
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// Negative, unknown or huge dimensions.
    #[error(
        "`{value}` has dimensions {dims:?}; expected at most {MAX_RANK} dimensions of 0 to {MAX_DIM} whose product is a \
         size in memory, and at most {MAX_VALUES} values an input. Export the model again with a fixed shape"
    )]
    Dimensions {
        /// The tensor or value.
        value: String,
        /// Its dimensions.
        dims: Vec<i64>,
    },
    /// An element type that the road does not carry.
    #[error(
        "tensor `{tensor}` has element type {found}; expected float32, int8, uint8, int32 or int64. Export the model in \
         float32"
    )]
    ElementType {
        /// The tensor or value.
        tensor: String,
        /// The type's ONNX name or number.
        found: String,
    },
    /// A graph input without a tensor type.
    #[error(
        "value `{value}`, an input of the graph, has no tensor type with a shape. Run onnx.shape_inference over \
         the model, or export it again"
    )]
    Untyped {
        /// The value.
        value: String,
    },
    /// Sparse constants.
    #[error("the graph has {count} sparse initializers; expected dense ones. Convert them, or export the model again")]
    Sparse {
        /// How many.
        count: usize,
    },
    /// A `Constant` node whose value is not a tensor or numbers.
    #[error(
        "node `{node}` is a Constant holding `{found}`; expected value, value_float(s) or value_int(s). Fold it with an \
         ONNX simplifier"
    )]
    Constant {
        /// The node.
        node: String,
        /// The attributes it has.
        found: String,
    },
    /// A node reads a value that nothing made before it.
    #[error(
        "node `{node}` reads `{value}`, which no earlier node, input or initializer makes. The nodes are out of order or \
         one is missing: export the model again"
    )]
    Unordered {
        /// The node.
        node: String,
        /// What it reads.
        value: String,
    },
    /// Two makers of one value.
    #[error("value `{value}` is made twice; each value of an ONNX graph has one maker. Export the model again")]
    Duplicate {
        /// The value.
        value: String,
    },
}

/// Why a file did not become a graph.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({cause}). Check the path and its permissions", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// The file is larger than any network this is for.
    #[error(
        "{}: {len_bytes} bytes; expected at most {MAX_FILE_BYTES}. Networks for a microcontroller are a thousand times \
         smaller: is this the right file?",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        len_bytes: u64,
    },
    /// The file holds something else.
    #[error("{}: {cause}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: OnnxError,
    },
}

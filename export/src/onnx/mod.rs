//! The ONNX file: bytes ⇄ [`Graph`](crate::graph::Graph). The only place that knows protobuf.
//!
//! ```
//! use export::graph::{DType, Dim, Graph, Node, Op, ValueInfo};
//! use export::onnx;
//!
//! let value = |name: &str| ValueInfo {
//!     name: name.into(),
//!     dtype: DType::F32,
//!     shape: vec![Dim::Symbol("batch".into()), Dim::Fixed(4)],
//! };
//! let graph = Graph {
//!     name: "rectifier".into(),
//!     nodes: vec![Node { name: "relu".into(), op: Op::Relu, inputs: vec!["x".into()], outputs: vec!["y".into()] }],
//!     inputs: vec![value("x")],
//!     outputs: vec![value("y")],
//!     ..Graph::default()
//! };
//! let bytes = onnx::to_bytes(&graph);
//! assert_eq!(onnx::from_bytes(&bytes).unwrap(), graph);
//! ```

mod attributes;
mod error;
mod external;
mod operators;
pub mod proto;
mod read;
mod tensors;
#[cfg(test)]
mod tests;
mod upgrade;
mod write;

pub use error::{FileError, OnnxError};
pub use external::{files_beside, with_external_data};
pub(crate) use operators::operator;
pub use read::{from_bytes, from_file};
pub use write::to_bytes;

/// Operator sets that are read; older ones pass attributes where newer ones pass inputs. From 23 to 25 operators got more element types, and attributes
/// that only concern these.
pub const OPSETS_READ: std::ops::RangeInclusive<i64> = 11..=25;
/// The operator set that is written.
pub const OPSET_WRITTEN: i64 = 18;
/// The version of the file format that is written: the one that opset 18 came with.
pub const IR_WRITTEN: i64 = 8;

/// Largest file that is read, in bytes: far above any network for a microcontroller.
pub const MAX_FILE_BYTES: u64 = 256 << 20;
/// Most nodes of a graph: a deep network has hundreds.
pub const MAX_NODES: usize = 10_000;
/// Most dimensions a tensor may have.
pub const MAX_RANK: usize = crate::graph::MAX_RANK;
/// Largest single dimension.
pub const MAX_DIM: usize = crate::graph::MAX_DIM;

//! [`QuantGraph`](super::QuantGraph) ⇄ an ordinary graph with QuantizeLinear/DequantizeLinear pairs ("QDQ").
//!
//! Any ONNX runtime runs such a file: each operator works in floating point between a DequantizeLinear and a
//! QuantizeLinear, and a runtime that has integer kernels fuses the three. The form, after the rules of ONNX Runtime:
//!
//! ```text
//! x → Q → DQ → Conv → Relu → Q → DQ → MaxPool → Q → DQ → … → Q → DQ → logits
//!               ↑  ↑
//!   int8 w → DQ ┘  └ DQ ← int32 bias
//! ```
//!
//! - weights: int8, scale an output channel, zero point 0, `axis = 0`; biases: int32, scale x·w, zero point 0, `axis = 0`;
//! - Relu or Clip follows its operator with no Q/DQ between; a Relu is written wherever the zero point −128 makes the
//!   quantization one anyway;
//! - MaxPool, Resize, Flatten and Reshape have the same scale and zero point on both sides;
//! - the logits are quantized, then dequantized: the file takes and gives floats.
//!
//! Of a tensor `t`, the file names `t.float` (before rounding), `t.quantized` (int8) and `t` (dequantized: the value
//! that the float network calls `t`, as int8 sees it). Reading gives back exactly the graph that was written.
//!
//! Reading takes more than is written: what ONNX Runtime's quantizer and others make, in QDQ form and in operator form
//! (QLinearConv, …), as it is, without quantizing again. `docs/QUANTIZATION.md` says what comes in and what is refused.

mod bias;
mod constant_operand;
mod constants;
mod float;
mod fold;
mod gates;
mod layer;
mod moves;
mod narrow;
mod operator_form;
mod pads;
mod read;
mod steps;
mod tail;
mod turn;
mod twice;
mod value;
mod write;

pub use read::from_graph;
pub use write::to_graph;

#[cfg(test)]
mod tests;

//! From a trained network to a plan for a microcontroller.
//!
//! ONNX is the hub, and every stage is a file. Along the road: [`capture`] turns a burn module into a [`graph`];
//! [`float`] writes it as ONNX once tract gives the same logits; [`onnx`] is the file; [`quantize`] makes it int8;
//! [`mod@plan`] decides order, memory and packing for `infer_nostd`; [`validate`] asks every stage about the same images,
//! [`board`] the emulated chips among them. [`inputs`] feeds them, from data sets,
//! [`npy`] arrays and [`picture`]s; [`files`] and [`report`] serve the command line.
//!
//! ```
//! use export::{onnx, plan, quantize::qdq};
//!
//! # fn road(int8_onnx: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let quantized = qdq::from_graph(&onnx::from_bytes(int8_onnx)?)?;
//! let words = plan::plan(&quantized)?; // has passed the engine's own check
//! std::fs::write("net.plan", plan::to_bytes(&words))?;
//! # Ok(()) }
//! ```

pub mod board;
pub mod capture;
pub mod files;
pub mod float;
pub mod graph;
pub mod inputs;
pub mod npy;
pub mod onnx;
pub mod picture;
pub mod plan;
pub mod quantize;
pub mod report;
pub mod validate;

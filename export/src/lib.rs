//! From a trained network to a plan for a microcontroller.
//!
//! ONNX is the hub, and every stage is a file. Along the road: [`capture`] turns a burn module into a [`graph`];
//! [`float`] writes it as ONNX once tract gives the same logits; [`onnx`] is the file; [`quantize`] makes it int8;
//! [`mod@plan`] decides order, memory and packing for `infer_nostd`; [`validate`] asks every stage about the same images,
//! [`board`] the emulated chips among them. [`inputs`] feeds them, from data sets,
//! pictures and [`npy`] arrays; [`files`] and [`tables`] serve the command line.
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
//!
//! A network of one's own goes from a burn module to a plan in `examples/own_network.rs`. Firmware can plan while it is built; its
//! `build.rs`, with this crate among the build-dependencies, is
//!
//! ```no_run
//! use export::plan::{self, Options, Target};
//! use export::{onnx, quantize::qdq};
//! use std::path::Path;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     println!("cargo::rerun-if-changed=int8.onnx");
//!     let quantized = qdq::from_graph(&onnx::from_file("int8.onnx")?)?;
//!     let options = Options { target: Target::CortexM4, ram_budget: Some(16 * 1024), ..Options::default() };
//!     let words = plan::plan_for(&quantized, &options)?; // a network that does not fit does not compile
//!     let file = Path::new(&std::env::var("OUT_DIR")?).join("net.plan");
//!     Ok(std::fs::write(file, plan::to_bytes(&words))?)
//! }
//! ```
//!
//! and its source takes the plan with `infer_nostd::include_plan!(static WORDS, PLAN = concat!(env!("OUT_DIR"), "/net.plan"))`.

pub mod board;
pub mod capture;
pub mod files;
pub mod float;
pub mod graph;
pub mod inputs;
pub mod npy;
pub mod onnx;
pub mod plan;
pub mod quantize;
pub mod tables;
pub mod validate;

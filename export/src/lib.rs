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
//! A network of one's own goes from a burn module to a plan in `examples/own_network.rs`.
//!
//! # Features
//!
//! | feature | what it brings | through |
//! |---|---|---|
//! | none | ONNX files read, brought to one form and written, int8 ones planned: [`onnx`], [`graph`], [`quantize::qdq`], [`mod@plan`], [`build_script`] | prost |
//! | `capture` | burn modules as graphs: [`capture`] | burn |
//! | `tract` | float networks run, and so quantized, and held against int8 ones: all of [`quantize`], [`inputs`], [`npy`], [`validate`]; with `capture`, [`float`] | tract |
//! | `cli`, the default | the `export` command, [`board`], [`files`], [`tables`], and all of the above | clap, QEMU, probe-rs |
//!
//! # In a build script
//!
//! Firmware plans its network while it is built: a network that is not understood, or does not fit its budgets, does not compile. That needs no
//! feature, and builds in half a minute of one CPU:
//!
//! ```toml
//! [build-dependencies]
//! export = { …, default-features = false }
//! ```
//!
//! ```no_run
//! // build.rs
//! use export::build_script;
//! use export::plan::{Options, Target};
//!
//! fn main() {
//!     let options = Options { target: Target::CortexM4, ram_budget: Some(16 * 1024), ..Options::default() };
//!     build_script::plan("int8.onnx", "net.plan", &options);
//! }
//! ```
//!
//! Its source takes the plan with `infer_nostd::include_plan!(static WORDS, PLAN = concat!(env!("OUT_DIR"), "/net.plan"))`; the whole
//! project is `examples/build-script` of the repository.

pub mod build_script;
pub mod graph;
pub mod onnx;
pub mod plan;
pub mod quantize;

#[cfg(feature = "capture")]
pub mod capture;

#[cfg(all(feature = "capture", feature = "tract"))]
pub mod float;

#[cfg(feature = "tract")]
pub mod inputs;
#[cfg(feature = "tract")]
pub mod npy;
#[cfg(feature = "tract")]
pub mod validate;

#[cfg(feature = "cli")]
pub mod board;
#[cfg(feature = "cli")]
pub mod files;
#[cfg(feature = "cli")]
pub mod tables;

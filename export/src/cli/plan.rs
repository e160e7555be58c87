//! `export plan`: int8 ONNX → a plan for the engine.

use crate::cli::files;
use anyhow::{Context, Result};
use clap::ValueEnum;
use export::quantize::qdq;
use export::{onnx, plan};
use std::path::PathBuf;

/// Make a plan for the engine from an int8 ONNX file (QDQ form)
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: export plan models/mnist-cnn/int8.onnx -o net.plan")]
pub struct Plan {
    /// The int8 ONNX file, as `export quantize` writes it
    #[arg(value_name = "INT8.onnx")]
    int8: PathBuf,
    /// What the weights are packed for
    #[arg(long, value_enum, default_value_t = Target::Portable)]
    target: Target,
    /// The file to write; net.plan beside the int8 file where not given
    #[arg(short, long, value_name = "NET.plan")]
    output: Option<PathBuf>,
}

/// Whose kernels a plan is packed for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Target {
    /// Plain Rust, for any core
    Portable,
}

impl Plan {
    /// Plans, writes, and says what the plan takes.
    pub fn run(&self) -> Result<()> {
        let Target::Portable = self.target;
        let name = || self.int8.display().to_string();
        let graph = onnx::from_bytes(&files::read(&self.int8)?).with_context(name)?;
        let quantized = qdq::from_graph(&graph).with_context(name)?;
        let words = plan::plan(&quantized).with_context(name)?;
        let output = self.output.clone().unwrap_or_else(|| self.int8.with_file_name("net.plan"));
        files::distinct(&self.int8, &output)?;
        files::write(&output, &plan::to_bytes(&words))?;
        let checked = infer_nostd::Plan::parse(&words).context("the plan just made")?;
        println!(
            "{} written: {} operators, {} bytes of flash, {} bytes of RAM for rows",
            output.display(),
            checked.operator_count(),
            words.len() * 4,
            checked.arena_words() * 4,
        );
        Ok(())
    }
}

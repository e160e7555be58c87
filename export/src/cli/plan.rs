//! `export plan`: int8 ONNX → a plan for the engine.

use crate::cli::files;
use anyhow::{Context, Result};
use export::onnx;
use export::plan::{self, Options, Target};
use export::quantize::qdq;
use export::tables::grouped;
use std::path::PathBuf;

/// Make a plan for the engine from an int8 ONNX file (QDQ form)
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: export plan models/mnist-cnn/int8.onnx --target cortex-m4 --ram-budget 6000 -o net.plan

For a core, each layer gets the kernel that gains the most cycles for the memory it takes, as long as both budgets hold; without
budgets that is the fastest. `export inspect` says what was chosen, `export bench` what it takes."
)]
pub struct Plan {
    /// The int8 ONNX file, as `export quantize` writes it
    #[arg(value_name = "INT8.onnx")]
    int8: PathBuf,
    /// The core whose kernels to use; a plan for another core runs too, slowly
    #[arg(long, value_enum, default_value_t = Target::Portable)]
    target: Target,
    /// Most bytes of flash that the plan and the code of its kernels may take; the rest of the engine comes on top
    #[arg(long, value_name = "BYTES")]
    flash_budget: Option<usize>,
    /// Most bytes of RAM that rows, accumulators and the kernels' stack may take; half a KB or so of other stack comes on top
    #[arg(long, value_name = "BYTES")]
    ram_budget: Option<usize>,
    /// Take the smallest plan: a percent of memory, a byte of RAM counting as four of flash, weighs as much as two and a quarter of cycles
    #[arg(long, conflicts_with_all = ["flash_budget", "ram_budget"])]
    smallest: bool,
    /// The file to write; net.plan (or TARGET.plan) beside the int8 file where not given
    #[arg(short, long, value_name = "NET.plan")]
    output: Option<PathBuf>,
}

impl Plan {
    /// Plans, writes, and says what the plan takes.
    pub fn run(&self) -> Result<()> {
        let name = || self.int8.display().to_string();
        let graph = onnx::from_bytes(&files::read(&self.int8)?).with_context(name)?;
        let quantized = qdq::from_graph(&graph).with_context(name)?;
        let words = plan::plan_for(&quantized, &self.options()).with_context(name)?;
        let output = self.output.clone().unwrap_or_else(|| self.int8.with_file_name(self.default_name()));
        files::distinct(&self.int8, &output)?;
        files::write(&output, &plan::to_bytes(&words))?;
        let checked = infer_nostd::Plan::parse(&words).context("the plan just made")?;
        println!(
            "{} written: {} operators, {} bytes of flash, {} bytes of RAM and {} of stack for {}; `export inspect` says which kernels",
            output.display(),
            checked.operator_count(),
            grouped(words.len() as u64 * 4),
            grouped(checked.arena_words() as u64 * 4),
            grouped(checked.stack_bytes() as u64),
            self.target,
        );
        Ok(())
    }

    fn default_name(&self) -> String {
        if self.target == Target::Portable { "net.plan".into() } else { format!("{}.plan", self.target) }
    }

    fn options(&self) -> Options {
        let Self { target, flash_budget, ram_budget, smallest, .. } = *self;
        Options { target, flash_budget, ram_budget, smallest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn the_command_line_the_library_and_json_call_a_target_the_same() {
        for &target in Target::value_variants() {
            let name = target.to_possible_value().unwrap().get_name().to_string();
            assert_eq!(target.name(), name);
            assert_eq!(Target::from_name(&name), Some(target));
            assert_eq!(Target::from_word(target as u32), Some(target));
            assert_eq!(serde_json::to_string(&target).unwrap(), format!("\"{name}\""));
        }
    }
}

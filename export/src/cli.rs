//! The commands: one file each, all in one enum.

mod bench;
mod budget;
mod camera;
mod demo;
mod files;
mod flash;
mod inspect;
mod map;
mod network;
mod normalize;
mod on;
mod onnx;
mod plan;
mod progress;
mod quantize;
mod report;
mod run;
mod sweep;
mod talk;
mod validate;

use clap::{Parser, Subcommand};
use export::files::WriteError;

/// From a trained network to a plan for a microcontroller, verified at every step
#[derive(Debug, Parser)]
#[command(name = "export", version, after_help = "Without a command it is the demo.")]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Onnx(onnx::Onnx),
    Normalize(normalize::Normalize),
    Quantize(quantize::Quantize),
    Plan(plan::Plan),
    Validate(validate::Validate),
    Run(run::Run),
    Report(report::Report),
    Inspect(inspect::Inspect),
    Bench(bench::BenchCommand),
    Budget(budget::BudgetCommand),
    Map(map::MapCommand),
    Camera(camera::Camera),
    Flash(flash::Flash),
    Talk(talk::Talk),
    Demo(demo::Demo),
}

/// A check that the user asked for, or that a command makes before it writes, has failed: exit status 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CheckFailed(pub String);

/// Whether an error is a [`CheckFailed`], also one that kept a file from being written.
pub fn is_failed_check(error: &anyhow::Error) -> bool {
    error.is::<CheckFailed>() || matches!(error.downcast_ref(), Some(WriteError::<CheckFailed>::Check(_)))
}

impl Cli {
    /// Runs the command; false where a check failed and has been reported.
    pub fn run(self) -> anyhow::Result<bool> {
        match self.command.unwrap_or(Command::Demo(demo::Demo::default())) {
            Command::Onnx(command) => command.run().map(|()| true),
            Command::Normalize(command) => command.run().map(|()| true),
            Command::Quantize(command) => command.run().map(|()| true),
            Command::Plan(command) => command.run().map(|()| true),
            Command::Validate(command) => command.run(),
            Command::Run(command) => command.run().map(|()| true),
            Command::Report(command) => command.run().map(|()| true),
            Command::Inspect(command) => command.run().map(|()| true),
            Command::Bench(command) => command.run().map(|()| true),
            Command::Budget(command) => command.run(),
            Command::Map(command) => command.run().map(|()| true),
            Command::Camera(command) => command.run(),
            Command::Flash(command) => command.run(),
            Command::Talk(command) => command.run(),
            Command::Demo(command) => command.run(),
        }
    }
}

//! `export flash`: a network onto a board, through a debug probe.

use super::network::Network;
use anyhow::{Context, Result};
use export::board::{self, Firmware, Probe, Program};
use export::tables::grouped;
use std::path::PathBuf;

/// Build a board's firmware around a network, flash it with probe-rs and show what it prints
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export flash --board nrf52833
  export flash models/mnist-dsres --board stm32f411 --probe 0483:374b
  export flash net.plan --board rp2040 --serve      # then: export talk net.plan --port /dev/ttyACM0
  export flash --board nrf51822 --serve --logs      # the same with log lines, until Ctrl-C

An int8 ONNX file is planned for the board's core, the fastest that fits; a plan goes as it is.")]
pub struct Flash {
    /// A plan, an int8 ONNX file, or a folder with int8.onnx
    #[arg(default_value = "models/mnist-cnn", value_name = "NET")]
    network: PathBuf,
    /// The board, by its chip's short name (firmware/README.md has the list)
    #[arg(long, value_name = "BOARD")]
    board: String,
    /// The probe, VID:PID or VID:PID:SERIAL as `probe-rs list` shows it; needed where there are several
    #[arg(long, value_name = "SELECTOR")]
    probe: Option<String>,
    /// Flash the program that answers on the serial line, for `export talk`, and leave it running
    #[arg(long, conflicts_with = "program")]
    serve: bool,
    /// Stay and show what it logs: each inference, each frame that was dropped and why, a panic; needs --serve
    #[arg(long, requires = "serve")]
    logs: bool,
    /// What to flash and show: the self-test, an inference operator by operator, or a line camera
    #[arg(long, value_enum, default_value = "selftest")]
    program: Shown,
    /// Erase a chip that is locked, with everything in it
    #[arg(long)]
    unlock: bool,
}

/// The programs that run to their end and print.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shown {
    Selftest,
    Bench,
    Camera,
}

impl Flash {
    /// Builds, flashes, runs; false where the program ends with a failure.
    pub fn run(&self) -> Result<bool> {
        let board = board::board(&self.board)?;
        board::check_probe_rs()?;
        let plan = Network::open(&self.network)?.plan_for(board)?;
        let program = match self.program {
            _ if self.logs => Program::ServeWithLogs,
            _ if self.serve => Program::Serve,
            Shown::Selftest => Program::Application,
            Shown::Bench => Program::Bench,
            Shown::Camera => Program::Camera,
        };
        eprintln!("building the firmware for {} …", board.title);
        let firmware = Firmware::program(program, board, &plan).with_context(|| self.network.display().to_string())?;
        let image = firmware.image;
        println!(
            "{}: {} bytes of flash, {} of static RAM, {} left for the stack",
            board.name,
            grouped(image.flash_bytes as u64),
            grouped(image.static_bytes as u64),
            grouped(image.stack_room as u64),
        );
        let probe = Probe { selector: self.probe.clone(), may_unlock: self.unlock };
        let leave = self.serve && !self.logs;
        if leave { probe.leave(&firmware).map(|()| true) } else { probe.run(&firmware) }.map_err(Into::into)
    }
}

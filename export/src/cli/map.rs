//! `export map`: what fills a board's flash and RAM, as a table and as a picture.

use super::files;
use super::network::Network;
use anyhow::{Context, Result};
use export::board::{self, BoardError, Firmware, Map, Program, SerialLine, Space, to_svg};
use export::tables::{grouped, table};
use std::path::PathBuf;
use talk::host::Host;

/// Show what fills a board's flash and RAM: plan, engine, program, rows, stack
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export map --board nrf51822 -o map.svg
  export map models/mnist-dsres/cortex-m4.plan --board stm32f411 -o map.svg

It is the program `serve`. How deep the stack is, only a run tells: on boards that QEMU does not have it is left out. An int8 ONNX file is
planned for the board's core, the fastest that fits; a plan goes as it is.")]
pub struct MapCommand {
    /// A plan, an int8 ONNX file, or a folder with int8.onnx
    #[arg(default_value = "models/mnist-cnn", value_name = "NET")]
    network: PathBuf,
    /// The board, by its chip's short name (firmware/README.md has the list)
    #[arg(long, value_name = "BOARD")]
    board: String,
    /// Where to draw it, for light and dark pages
    #[arg(short, long, value_name = "FILE.svg")]
    output: Option<PathBuf>,
}

impl MapCommand {
    /// Prints the table, and draws.
    pub fn run(&self) -> Result<()> {
        let board = board::board(&self.board)?;
        let plan = Network::open(&self.network)?.plan_for(board)?;
        eprintln!("building `serve` for {} …", board.title);
        let build = || Firmware::program(Program::Serve, board, &plan);
        let firmware = build().with_context(|| self.network.display().to_string())?;
        let mut map = Map::new(&firmware)?;
        if board.qemu.is_some() {
            map.ran(stack_bytes(firmware)?);
        }
        for space in [&map.flash, &map.ram] {
            print!("{}", lines(space));
        }
        if let Some(path) = &self.output {
            files::write(path, to_svg(&map).as_bytes())?;
            println!("{}: the same as a picture", path.display());
        }
        Ok(())
    }
}

/// How deep the stack is after a self-test in QEMU.
fn stack_bytes(firmware: Firmware) -> Result<u64> {
    let board = firmware.board.name;
    let talk = |cause| BoardError::Talk { board, cause };
    let mut host = Host::connect(SerialLine::emulated(firmware)?).map_err(talk)?;
    Ok(host.self_test().map_err(talk)?.stack_bytes.into())
}

fn lines(space: &Space) -> String {
    let line = |name: &str, bytes: u64| {
        vec![name.into(), grouped(bytes), format!("{:.1} %", 100.0 * bytes as f64 / space.len_bytes as f64)]
    };
    let mut lines: Vec<_> = space.parts.iter().map(|(kind, &bytes)| line(kind.label(), bytes)).collect();
    lines.push(line("free", space.free_bytes()));
    table(&[space.name, "bytes", "share"], &lines) + "\n"
}

//! `export camera`: a line camera at the highest rate that a board keeps up with, and how soon after the last line the class is known.

use super::network::Network;
use anyhow::{Context, Result, bail};
use export::board::{BoardError, Firmware, On, Program, check_qemu, instructions};
use export::tables::grouped;
use std::path::PathBuf;
use std::time::Duration;

/// Longest that the program may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Show a board images line by line, as a camera delivers them, and take the time from the last line to the answer
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export camera --on qemu:microbit
  export camera models/mnist-dsres --on qemu:netduinoplus2

Lines come at the highest rate that the board keeps up with. In QEMU time is instructions.")]
pub struct Camera {
    /// A plan, an int8 ONNX file, or a folder with int8.onnx
    #[arg(default_value = "models/mnist-cnn", value_name = "NET")]
    network: PathBuf,
    /// An emulated board
    #[arg(long, value_name = "qemu:BOARD")]
    on: On,
}

impl Camera {
    /// Builds, runs, and prints the figures; false where a line came too early or a logit is not this machine's.
    pub fn run(&self) -> Result<bool> {
        let On::Qemu(board) = self.on else {
            let name = self.on.board().name;
            bail!(
                "--on {:?}: expected qemu:BOARD; on the board itself: `export flash --board {name} --program camera`",
                self.on
            );
        };
        check_qemu(board)?; // before the build, which takes its time
        let plan = Network::open(&self.network)?.plan_for(board)?;
        eprintln!("building the line camera for {} …", board.name);
        let build = || Firmware::program(Program::Camera, board, &plan);
        let firmware = build().with_context(|| self.network.display().to_string())?;
        let output = firmware.run(&[], LIMIT)?;
        let clock_hz = board.qemu.as_ref().map_or(1, |qemu| qemu.clock_hz);
        let figure = |figure: &'static str| {
            let missing = || BoardError::NoFigure { board: board.name, figure, printed: output.printed.clone() };
            output.number(figure).map(|ticks| instructions(ticks, clock_hz)).ok_or_else(missing)
        };
        let [line, answer, frame] = [figure("line_ticks")?, figure("answer_ticks")?, figure("frame_ticks")?];
        output.printed.lines().filter(|line| line.starts_with("read ")).for_each(|line| println!("{line}"));
        let late = output.number("late").unwrap_or(0);
        println!("a line every {} instructions, {late} of them late", grouped(line));
        println!("from the last line to the answer: {} instructions", grouped(answer));
        println!(
            "an engine that waits for the whole frame: {} instructions, {:.1} times as many",
            grouped(frame),
            frame as f64 / answer.max(1) as f64
        );
        Ok(output.status.success())
    }
}

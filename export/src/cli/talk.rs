//! `export talk`: images to a chip over its serial line or through a debug probe, and its answers back.

use super::network::{self, Network};
use super::{files, progress};
use anyhow::{Context, Result, bail, ensure};
use data::Split;
use export::board::{self, Board, Firmware, On, Probe, Program, SerialLine};
use export::inputs::{Inputs, Intake};
use export::plan;
use export::tables::grouped;
use export::validate::images::to_steps;
use infer_nostd::Plan;
use infer_nostd::plan::crc32;
use std::path::PathBuf;
use talk::host::{Host, Line};

/// Ask a chip that runs the firmware's `serve`, over its serial line or a debug probe, and hold every logit against this machine's
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("line").args(["on", "port"]).required(true)))]
#[command(after_help = "Examples:
  export talk --on qemu:microbit --data digits --limit 20
  export talk models/mnist-cnn --board nrf51822 --port /dev/ttyACM0 --data digits --limit 20
  export talk net.plan --port localhost:4000
  export talk --on probe:rp2040 --data digits       # flashed with the line through the probe, by RTT

The chip tests itself first, and says how much RAM it has used. A plan has to be the very one on the chip; an int8 ONNX file is
planned as `export flash` does, the fastest that fits the board.")]
pub struct Talk {
    /// A plan, an int8 ONNX file, or a folder with int8.onnx
    #[arg(default_value = "models/mnist-cnn", value_name = "NET")]
    network: PathBuf,
    /// A board, emulated or at a debug probe, its firmware built and started for this
    #[arg(long, value_name = "qemu:BOARD|probe:BOARD")]
    on: Option<On>,
    /// The probe, where there are several: VID:PID or VID:PID:SERIAL as `probe-rs list` shows it
    #[arg(long, value_name = "SELECTOR", requires = "on")]
    probe: Option<String>,
    /// A serial device at 115,200 baud, or HOST:PORT
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// The board at the port, for an int8 ONNX file
    #[arg(long, value_name = "BOARD")]
    board: Option<String>,
    /// Test images to send: mnist, digits, or a folder of IDX files; without it the self-test is all
    #[arg(long, value_name = "SOURCE")]
    data: Option<data::Source>,
    /// Only the first N images
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
}

impl Talk {
    /// Talks, and prints what the chip is, how its test went and how well it reads; false where a logit is not this machine's.
    pub fn run(&self) -> Result<bool> {
        let board = self.board()?;
        let (bytes, intake) = self.plan(board)?;
        let words = plan::words(&bytes);
        let plan = Plan::parse(&words).context("the plan just read")?;
        let line = self.line(&bytes)?;
        eprintln!("asking the chip …"); // who may not answer, which takes time to find out
        let mut host = Host::connect(line)?;
        let (here, there) = (crc32(&words, 0), host.hello().plan_crc);
        ensure!(
            here == there,
            "the chip runs another plan: expected {here:08x}, found {there:08x}; flash it anew, or name the plan that it runs"
        );
        let hello = host.hello();
        println!("plan {there:08x}: {} rows of {} values in, {} out", hello.rows, hello.row_len, hello.answer_len);
        let test = host.self_test()?;
        println!(
            "self-test {}; {} bytes of RAM, {} static and {} of stack",
            if test.passed { "passed" } else { "FAILED: the chip's logits for noise are not this machine's" },
            grouped(u64::from(test.static_bytes) + u64::from(test.stack_bytes)),
            grouped(test.static_bytes.into()),
            grouped(test.stack_bytes.into()),
        );
        let equal = match &self.data {
            Some(source) => self.images(&mut host, plan, source, intake)?,
            None => true,
        };
        Ok(test.passed && equal)
    }

    /// The board: the emulated one, or the one at the port, if it is named.
    fn board(&self) -> Result<Option<&'static Board>> {
        match (self.on, &self.board) {
            (Some(on), _) => Ok(Some(on.board())),
            (None, Some(name)) => Ok(Some(board::board(name)?)),
            (None, None) => Ok(None),
        }
    }

    /// The bytes of the plan on the chip, and how it takes inputs.
    fn plan(&self, board: Option<&Board>) -> Result<(Vec<u8>, Intake)> {
        let path = network::file_of(&self.network);
        let network = Network::from_bytes(files::read(&path)?).with_context(|| path.display().to_string())?;
        let intake = network.intake()?;
        match (board, network) {
            (_, Network::Plan(bytes)) => Ok((bytes, intake)),
            (Some(board), network) => Ok((network.plan_for(board)?, intake)),
            (None, _) => {
                bail!("{}: which plan of it the chip runs depends on the board: add --board BOARD", path.display())
            }
        }
    }

    fn line(&self, plan: &[u8]) -> Result<Box<dyn Line>> {
        let Some(on) = self.on else {
            return Ok(Box::new(SerialLine::open(self.port.as_deref().unwrap_or_default())?));
        };
        on.check()?;
        let board = on.board();
        let program = if let On::Qemu(_) = on { Program::Serve } else { Program::ServeOverRtt };
        eprintln!("building `serve` for {} …", board.name);
        let firmware = Firmware::program(program, board, plan)?;
        println!(
            "{}: {} bytes of flash, {} of them the plan",
            board.name,
            grouped(firmware.image.flash_bytes as u64),
            grouped(plan.len() as u64)
        );
        let probe = Probe { selector: self.probe.clone(), may_unlock: false };
        Ok(match on {
            On::Qemu(_) => Box::new(SerialLine::emulated(firmware)?),
            On::Probe(_) => Box::new(probe.talk(firmware)?),
        })
    }

    /// Sends images; whether every logit is this machine's.
    fn images(
        &self,
        host: &mut Host<Box<dyn Line>>,
        plan: Plan,
        source: &data::Source,
        intake: Intake,
    ) -> Result<bool> {
        let inputs = Inputs::open(source, Split::Test, intake)?;
        let count = inputs.len().min(self.limit);
        ensure!(count > 0, "--data {source}: expected at least one image, found none; give a larger --limit");
        let mut arena = vec![0; plan.arena_words()];
        let mut engine = infer_nostd::Engine::new(plan, &mut arena)?;
        let progress = progress::bar("talking", count);
        let (mut right, mut equal, mut slowest) = (0, 0, 0);
        for index in 0..count {
            let image = to_steps(&inputs.read([index])?, &plan.input());
            let answer = host.classify(&image)?;
            right += usize::from(inputs.labels().is_some_and(|labels| answer.class == u32::from(labels[index])));
            equal += usize::from(engine.infer(&image)? == answer.logits);
            slowest = answer.ticks.max(slowest);
            progress.inc(1);
        }
        progress.finish_and_clear();
        let read = inputs.labels().map_or(String::new(), |_| format!("{right} read rightly, "));
        println!("{count} images of {}: {read}all logits as on this machine for {equal}", inputs.name());
        println!("{}", self.time(slowest, host.hello().ticks_hz));
        Ok(equal == count)
    }

    /// What the slowest image took. In QEMU the clock tells instructions.
    fn time(&self, ticks: u32, ticks_hz: u32) -> String {
        let emulated = if let Some(On::Qemu(board)) = self.on { board.qemu.as_ref() } else { None };
        match (emulated, ticks_hz) {
            (Some(qemu), _) => {
                format!("{} instructions an image", grouped(board::instructions(ticks.into(), qemu.clock_hz)))
            }
            (None, 0) => "no time taken: the chip has no clock that counts".into(),
            (None, hz) => format!("{} µs an image", grouped(u64::from(ticks) * 1_000_000 / u64::from(hz))),
        }
    }
}

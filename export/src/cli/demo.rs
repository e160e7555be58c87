//! `export demo`: the road on what the repository ships, with no data set, no network and no hardware.
//!
//! It runs the very commands that it prints, and ends with digits as an emulated chip reads them.

use super::Cli;
use super::network::Network;
use anyhow::{Context, Result, ensure};
use clap::Parser;
use data::digits;
use export::board::{self, Emulated, Firmware, check_qemu};
use export::plan;
use export::validate::{self, Stage, images};
use std::path::{Path, PathBuf};

/// Test images of the comparison: few enough for the slowest emulated core.
const IMAGES: &str = "200";
/// Digits shown at the end, and their seed.
const SHOWN: usize = 4;
const SHOWN_SEED: u64 = 28;

/// Walk the whole road with the shipped checkpoint: ONNX, int8, plan, emulated boards
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: export demo --model mnist-dsres")]
pub struct Demo {
    /// The network, by its name in the zoo
    #[arg(long, default_value = "mnist-cnn", value_name = "NAME")]
    model: String,
    /// Where the files go
    #[arg(long, default_value = "target/demo", value_name = "DIR")]
    out: PathBuf,
}

/// What `export demo` is without arguments, and `export` without a command.
impl Default for Demo {
    fn default() -> Self {
        Self { model: "mnist-cnn".into(), out: "target/demo".into() }
    }
}

impl Demo {
    /// Runs every command of the road; false where a check failed.
    pub fn run(&self) -> Result<bool> {
        let checkpoint = Path::new("models").join(&self.model).join("checkpoint.bpk");
        ensure!(
            checkpoint.exists(),
            "{}: expected the shipped checkpoint; run the demo from the root of a checkout",
            checkpoint.display()
        );
        std::fs::create_dir_all(&self.out).with_context(|| self.out.display().to_string())?;
        let [checkpoint, float, int8, net, m4, folder] = [
            checkpoint,
            self.file("float.onnx"),
            self.file("int8.onnx"),
            self.file("net.plan"),
            self.file("cortex-m4.plan"),
            self.out.clone(),
        ]
        .map(text);

        println!("{}, trained in burn, leaves as ONNX once tract gives the same logits:", self.model);
        command(&["onnx", "--model", &self.model, "--checkpoint", &checkpoint, "-o", &float])?;
        println!("It becomes int8; here the generated digits calibrate it, so that no data set is needed:");
        command(&["quantize", &float, "--calibration", "digits", "-o", &int8])?;
        println!("Order of work, RAM and packed weights are planned, for any core and for one:");
        command(&["plan", &int8, "-o", &net])?;
        command(&["plan", &int8, "--target", "cortex-m4", "-o", &m4])?;
        command(&["inspect", &m4])?;

        let boards: Vec<_> = board::emulated().filter(|board| check_qemu(board).is_ok()).collect();
        println!(
            "Every stage answers the same images, each held against the one before{}:",
            emulated_note(boards.is_empty())
        );
        let places: Vec<String> = boards.iter().map(|board| format!("qemu:{}", board.name)).collect();
        let on = places.iter().flat_map(|place| ["--on", place]);
        let validate = ["validate", &folder, "--data", "digits", "--limit", IMAGES];
        let held = command(&validate.into_iter().chain(on).collect::<Vec<_>>())?;
        match boards.first() {
            Some(board) => show(board, Path::new(&int8))?,
            None => board::emulated().take(1).filter_map(|board| check_qemu(board).err()).for_each(|e| println!("{e}")),
        }
        Ok(held)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }
}

fn text(path: PathBuf) -> String {
    path.display().to_string()
}

fn emulated_note(without: bool) -> &'static str {
    if without { "" } else { ", the last ones being the ELFs that are flashed, each with a plan for its core, in QEMU" }
}

/// Prints a command, runs it, and leaves a blank line; false where a check failed.
fn command(args: &[&str]) -> Result<bool> {
    println!("$ export {}", args.join(" "));
    let held = Cli::try_parse_from(["export"].iter().chain(args))?.run()?;
    println!();
    Ok(held)
}

/// Digits, and what the board reads.
fn show(board: &'static board::Board, int8: &Path) -> Result<()> {
    let bytes = Network::open(int8)?.plan_for(board)?;
    let words = plan::words(&bytes);
    let checked = infer_nostd::Plan::parse(&words)?;
    let digits = digits::generate(SHOWN_SEED, SHOWN);
    if checked.input().len() != digits.image_len_bytes() {
        return Ok(()); // a network for other images has its figures, but nothing to show
    }
    let emulated = Emulated::new(Firmware::build(board, &bytes)?, &checked);
    let logits = emulated.answer(&images::nchw(&digits, 0..SHOWN))?;
    println!("What the emulated {} ({}) reads:\n", board.name, board.core);
    (0..digits.height).step_by(2).for_each(|y| println!("{}", picture_line(&digits, y)));
    let classes = logits.chunks(logits.len() / SHOWN).map(validate::class);
    println!("{}", classes.map(|class| format!("{class:^w$}", w = digits.width)).collect::<String>().trim_end());
    Ok(())
}

/// Two rows of pixels of every digit as one line of half blocks.
fn picture_line(digits: &data::Dataset, y: usize) -> String {
    let ink =
        |image: usize, y: usize, x: usize| digits.image(image).get(y * digits.width + x).is_some_and(|&p| p > 100);
    let cell = |image: usize, x: usize| match (ink(image, y, x), ink(image, y + 1, x)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    let line: String = (0..digits.len())
        .flat_map(|image| (0..digits.width).map(move |x| (image, x)))
        .map(|(i, x)| cell(i, x))
        .collect();
    line.trim_end().to_owned()
}

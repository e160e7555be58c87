//! `export validate`: every stage answers the same images, and each is held against the one before; layer by layer where there is a plan.

mod checks;
mod open;
mod tables;

use super::on::Place;
use super::{files, progress};
use anyhow::{Context, Result, bail, ensure};
use checks::Limits;
use data::Split;
use export::board::{Journal, On, Probe};
use export::inputs::{Inputs, spread};
use export::validate::{self, Answers, Layer, Row, compare::first_unequal};
use open::{Kind, Opened};
use std::path::PathBuf;
use std::sync::Arc;

/// Images whose layers are looked at, spread over all; the one that the plan answers worst comes on top.
const LAYER_IMAGES: usize = 8;

/// Run every stage over the same test images, compare them, and find the first wrong layer
///
/// Each stage is held against the one before. Where a plan follows an int8 ONNX file, every layer of the plan is held against the file
/// too: each is given the engine's own inputs, so that one step of difference is rounding and more is a fault of that layer,
/// which is named. The float file, if there is one, says what int8 costs up to each layer (--layers).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export validate models/mnist-cnn --data mnist --layers --confusion
  export validate models/mnist-cnn --data digits --limit 200 --on qemu:stm32vldiscovery
  export validate models/mnist-cnn --data mnist --on qemu:microbit --journal microbit.journal    # stop it, start it again
  export validate models/mnist-cnn --data mnist --limit 100 --on probe:nrf52833
  export validate float.onnx int8.onnx net.plan --data test.npz --min-agreement 99.5 --max-step 1 --json report.json

Exit status: 0 done, 1 a threshold is missed, a layer is wrong or a board differs from this machine, 2 bad input.")]
pub struct Validate {
    /// ONNX files and plans in the order of comparison, or a folder with float.onnx, int8.onnx and net.plan
    #[arg(default_value = "models/mnist-cnn")]
    files: Vec<PathBuf>,
    /// Inputs to judge with, from the test part: mnist, digits, a folder of IDX files or of pictures, a .npy or .npz file;
    /// without labels there is no accuracy
    #[arg(long, value_name = "SOURCE")]
    data: data::Source,
    /// Run on a board as well, emulated or at a debug probe, after this machine: a plan as it is, a folder's int8.onnx by the
    /// fastest plan for the board's core that fits; may be given again for another
    #[arg(long, value_name = "qemu:BOARD|probe:BOARD")]
    on: Vec<On>,
    /// The probe, where there are several: VID:PID or VID:PID:SERIAL as `probe-rs list` shows it
    #[arg(long, value_name = "SELECTOR", requires = "on")]
    probe: Option<String>,
    /// Keep the boards' answers in this file as they come, and take those that are there: a run that was stopped goes on
    #[arg(long, value_name = "FILE", requires = "on")]
    journal: Option<PathBuf>,
    /// Only the first N inputs
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print every layer: its largest difference from the int8 file, and its SQNR against float
    #[arg(long)]
    layers: bool,
    /// Print which classes the last stage takes for which
    #[arg(long)]
    confusion: bool,
    /// Write everything as JSON, layers and confusion matrices too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
}

impl Validate {
    /// Prints the tables; false where a check has failed.
    pub fn run(&self) -> Result<bool> {
        let stages = open::stages(&self.files, &self.places()?)?;
        let inputs = self.inputs(&stages)?;
        let numbers: Vec<usize> = (0..inputs.len().min(self.limit.unwrap_or(usize::MAX))).collect();
        ensure!(
            !numbers.is_empty(),
            "--data {}: expected at least one input, found none; give a larger --limit",
            self.data
        );
        let (rows, mut failures) = self.rows(&stages, &inputs, &numbers)?;
        failures.extend(self.limits.misses(&rows)?);
        print!("{}{}", tables::stages(&rows), tables::boards(&rows));
        rows.iter().for_each(|row| print!("{}", tables::layers(row, self.layers)));
        if let Some(row) = rows.last().filter(|_| self.confusion) {
            print!("{}", tables::confusion(row)?);
        }
        if let Some(path) = &self.json {
            files::write(path, (serde_json::to_string_pretty(&rows)? + "\n").as_bytes())?;
        }
        failures.iter().for_each(|failure| eprintln!("{failure}"));
        Ok(failures.is_empty())
    }

    /// The boards, and how to reach them.
    fn places(&self) -> Result<Vec<Place>> {
        let journal = self.journal.as_deref().map(Journal::open).transpose()?.map(Arc::new);
        let probe = Probe { selector: self.probe.clone(), may_unlock: false };
        Ok(self.on.iter().map(|&on| Place { on, probe: probe.clone(), journal: journal.clone() }).collect())
    }

    /// The inputs that all stages take.
    fn inputs(&self, stages: &[Opened]) -> Result<Inputs> {
        let [first, others @ ..] = stages else { bail!("expected at least one file to validate, found none") };
        let takes = first.intake.shape;
        for other in others {
            let found = other.intake.shape;
            let is_vector = [takes, found].iter().any(|shape| shape[1..] == [1, 1]);
            ensure!(
                found == takes || is_vector && found.iter().product::<usize>() == takes.iter().product::<usize>(),
                "{}: takes inputs of {found:?} (channels, height, width), {} of {takes:?}; compare files of one network",
                other.name(),
                first.name()
            );
        }
        let inputs = Inputs::open(&self.data, Split::Test, first.intake.clone());
        inputs.with_context(|| format!("{}, to validate {}", self.data, first.name()))
    }

    /// The report, and what no threshold has to ask for: bits that differ on a board.
    fn rows(&self, stages: &[Opened], inputs: &Inputs, numbers: &[usize]) -> Result<(Vec<Row>, Vec<String>)> {
        let progress = progress::bar("validating", stages.len() * numbers.len());
        let labels = inputs.labels().map(|labels| &labels[..numbers.len()]);
        let (mut rows, mut failures, mut before) = (Vec::new(), Vec::new(), None::<Answers>);
        for (index, opened) in stages.iter().enumerate() {
            let taken = inputs.taken_by(&opened.intake).with_context(|| opened.name())?;
            let answers = validate::answers(&*opened.stage, &taken, numbers, &|n| progress.inc(n as u64));
            let answers = answers.with_context(|| opened.name())?;
            check_answers(opened, &answers, before.as_ref(), labels)?;
            let row = validate::compare(&answers, before.as_ref(), labels);
            let worst = row.against.as_ref().and_then(|difference| difference.worst_image);
            let layers = self.compare_layers(&stages[..=index], inputs, numbers.len(), worst)?;
            let board = opened.stage.figures();
            if let Some(before) = before.as_ref().filter(|_| board.is_some()) {
                failures.extend(first_unequal(&answers, before).map(|image| unequal_bits(&row, image)));
            }
            rows.push(Row { board, layers, ..row });
            before = Some(answers);
        }
        progress.finish_and_clear();
        Ok((rows, failures))
    }

    /// The layers of the last of `stages` if it is a plan and an int8 file came before.
    fn compare_layers(
        &self,
        stages: &[Opened],
        inputs: &Inputs,
        count: usize,
        worst: Option<usize>,
    ) -> Result<Vec<Layer>> {
        let [before @ .., Opened { kind: Kind::Plan(plan), path, intake, .. }] = stages else { return Ok(Vec::new()) };
        let int8 = before.iter().rev().find_map(|opened| opened.int8());
        let Some(int8) = int8 else {
            ensure!(!self.layers, "--layers: expected the int8 ONNX file before {}, found none", path.display());
            return Ok(Vec::new());
        };
        let mut numbers = spread(count, LAYER_IMAGES);
        numbers.extend(worst.filter(|worst| !numbers.contains(worst)));
        let read = |intake| {
            let taken = inputs.taken_by(intake)?;
            numbers.iter().map(|&number| Ok(taken.read([number])?)).collect::<Result<Vec<_>>>()
        };
        let float = before.iter().rev().find_map(|opened| Some((opened.float()?, read(&opened.intake))));
        let float = float.map(|(graph, images)| Ok::<_, anyhow::Error>((graph, images?))).transpose()?;
        let float = float.as_ref().map(|(graph, images)| (*graph, images.as_slice()));
        let images: Vec<_> = numbers.iter().copied().zip(read(intake)?).collect();
        let found = plan.with(|plan| validate::layers(&plan, int8, float, &images, self.limits.layer_tolerance));
        match found {
            Ok(layers) => Ok(layers),
            Err(error) if self.layers => Err(error).with_context(|| path.display().to_string()),
            Err(error) => {
                eprintln!("{}: its layers are not compared: {error}", path.display());
                Ok(Vec::new())
            }
        }
    }
}

/// Whether answers are numbers, and as many as the stage before gives and the labels want.
fn check_answers(opened: &Opened, answers: &Answers, before: Option<&Answers>, labels: Option<&[u8]>) -> Result<()> {
    ensure!(
        answers.values.iter().all(|value| value.is_finite()),
        "{}: some answers are not numbers; check the weights of the network",
        opened.name()
    );
    if let Some(other) = before.map(Answers::len).filter(|&other| other != answers.len()) {
        bail!(
            "{}: gives {} values an image, the file before it {other}; compare files of one network",
            opened.name(),
            answers.len()
        );
    }
    let classes = labels.and_then(|labels| labels.iter().max()).map_or(0, |&most| usize::from(most) + 1);
    ensure!(
        !answers.are_classes || classes <= answers.len(),
        "{}: gives {} values an image, and the labels of the data name {classes} classes; give the data of this network",
        opened.name(),
        answers.len()
    );
    Ok(())
}

/// The same integers on this machine and on the board: anything else is a defect, whatever was asked for.
fn unequal_bits(row: &Row, image: usize) -> String {
    let steps = row.against.as_ref().and_then(|difference| difference.max_step);
    let steps = steps.map_or(String::new(), |steps| format!(", by up to {steps} steps over all images"));
    format!("{}: expected the bits of the stage before, found others from image {image} on{steps}", row.stage)
}

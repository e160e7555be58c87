//! `export run`: any stage's file over images from a file, floats in, floats out.

use super::network::{self, Network};
use super::on::{self, Place};
use super::{files, progress};
use anyhow::{Context, Result};
use clap::Args;
use export::board::{On, Probe};
use export::inputs::{Inputs, Intake};
use export::npy::{self, Array};
use export::validate::{self, Stage, stage::BATCH};
use std::path::PathBuf;

/// Run an ONNX file (in tract) or a plan (in the engine) over images
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export run models/mnist-cnn/net.plan --input seven.png
  export run models/mnist-cnn --input seven.png --on qemu:microbit
  export run float.onnx --input t10k-images-idx3-ubyte.gz -o logits.npy

Pictures become what the file takes: pixel / 255, or what its metadata says (input.mean, input.std, input.brightest, or
Image.NominalPixelRange); a plan with the normalization folded in takes pixels. Maps among the answers are C×H×W.
On a board a plan runs as it is, and an int8 ONNX file by the fastest plan for the board's core that fits.")]
pub struct Run {
    /// A float or int8 ONNX file, or a plan; a folder stands for its int8.onnx
    file: PathBuf,
    /// Inputs: .npy or .npz (bytes as pixels, other numbers as the float network takes them; N×C×H×W, N×H×W×C or N×K), IDX, .png, .jpg, .pgm or .ppm
    #[arg(long, value_name = "FILE")]
    input: data::Source,
    /// Where to write the answers, N×K float32; they are printed where this is not given
    #[arg(short, long, value_name = "OUT.npy")]
    output: Option<PathBuf>,
    /// Run on a board instead of on this machine, emulated or at a debug probe
    #[arg(long, value_name = "qemu:BOARD|probe:BOARD")]
    on: Option<On>,
    /// The probe, where there are several: VID:PID or VID:PID:SERIAL as `probe-rs list` shows it
    #[arg(long, value_name = "SELECTOR", requires = "on")]
    probe: Option<String>,
}

impl Run {
    /// Runs, and prints or writes the answers.
    pub fn run(&self) -> Result<()> {
        let (stage, intake) = self.stage()?;
        let inputs =
            Inputs::open(&self.input, data::Split::Test, intake).with_context(|| self.file.display().to_string())?;
        let count = inputs.len();
        anyhow::ensure!(count > 0, "{}: expected at least one image, found none", self.input);
        let answers = self.answers(&*stage, &inputs)?;
        match &self.output {
            Some(output) => {
                let dims = vec![count, answers.len() / count];
                files::write(output, &npy::to_bytes(&Array { dims, values: answers }))?;
                println!("{}: answers to {count} images", output.display());
            }
            None => print_answers(&answers, count),
        }
        Ok(())
    }

    /// What answers, and how it takes inputs.
    fn stage(&self) -> Result<(Box<dyn Stage>, Intake)> {
        let path = network::file_of(&self.file);
        let name = || path.display().to_string();
        let bytes = files::read(&path)?;
        let here = validate::open(&bytes).with_context(name)?;
        let intake = here.intake();
        let Some(on) = self.on else { return Ok((here, intake)) };
        let network = Network::from_bytes(bytes).with_context(|| {
            format!(
                "{}: expected a plan or an int8 ONNX file to run on {on:?}; make one with `export quantize`",
                name()
            )
        })?;
        let probe = Probe { selector: self.probe.clone(), may_unlock: false };
        let place = Place { on, probe, journal: None };
        Ok((on::stage(&place, &network.plan_for(on.board())?).with_context(name)?, intake))
    }

    fn answers(&self, stage: &dyn Stage, inputs: &Inputs) -> Result<Vec<f32>> {
        let progress = progress::bar("running", inputs.len());
        let mut answers = Vec::new();
        for start in (0..inputs.len()).step_by(BATCH) {
            let batch = start..(start + BATCH).min(inputs.len());
            progress.inc(batch.len() as u64);
            answers.extend(stage.answer(&inputs.read(batch)?).with_context(|| self.file.display().to_string())?);
        }
        progress.finish_and_clear();
        Ok(answers)
    }
}

/// One line an image: its class, then the values.
fn print_answers(answers: &[f32], count: usize) {
    for values in answers.chunks(answers.len() / count) {
        let class = validate::class(values);
        let list: Vec<String> = values.iter().map(|v| format!("{v:.4}")).collect();
        println!("{class}  {}", list.join(" "));
    }
}

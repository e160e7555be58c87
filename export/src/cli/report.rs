//! `export report`: adds to a run's report what the engine makes of the same images in int8.

use super::network::{self, Network};
use super::{CheckFailed, progress};
use anyhow::{Context, Result, bail, ensure};
use data::{Dataset, Split};
use export::inputs::Inputs;
use export::plan::{self, Options};
use export::validate::{self, Stage};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};

/// What the report calls a quantized network.
const NAME: &str = "int8";

/// Add int8 to the report of a training run
///
/// The engine answers the test images that the run was judged by, as they are and turned, shifted and made noisy, and
/// report.html is drawn anew with float and int8 side by side. The test images are those of the run's --data.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example, after `train --out runs/mnist`:
  export onnx --checkpoint runs/mnist/checkpoint.bpk
  export quantize runs/mnist/float.onnx --calibration mnist -o runs/mnist/int8.onnx
  export report runs/mnist")]
pub struct Report {
    /// The folder that `train` wrote, with report.json
    folder: PathBuf,
    /// What the engine runs: an int8 ONNX file or a plan; int8.onnx in the folder where not given
    #[arg(long, value_name = "FILE")]
    int8: Option<PathBuf>,
    /// Where the test images are now, if not where the run had them: mnist, digits, or a folder
    #[arg(long, value_name = "SOURCE")]
    data: Option<data::Source>,
}

impl Report {
    /// Judges, and writes both files of the report.
    pub fn run(&self) -> Result<()> {
        let mut run = ::report::file::read(&self.folder)?;
        let int8 = self.int8.clone().unwrap_or_else(|| network::file_of(&self.folder));
        ensure!(
            int8.is_file(),
            "{}: expected an int8 ONNX file or a plan, found none; make one with `export onnx` and `export quantize`, or name it \
             with --int8",
            int8.display()
        );
        let stage = engine(&int8).with_context(|| int8.display().to_string())?;
        let Ok(recorded) = run.source.parse();
        let source = self.data.clone().unwrap_or(recorded);
        let test = data::open(&source, Split::Test).with_context(|| format!("--data {source}"))?;
        ensure!(
            test.labels == run.labels,
            "--data {source}: expected the {} test images that the run was judged by, found {} with other labels; name that data",
            run.labels.len(),
            test.len()
        );
        let bar = progress::bar("judging", ::report::judge::images_asked(test.len()));
        let judgement = ::report::judge(NAME, stage.name(), &test, |images| answers(&*stage, images, &bar));
        bar.finish_and_clear();
        run.add(judgement.with_context(|| int8.display().to_string())?, &test);
        let page = ::report::file::write(&self.folder, &run)?;
        for judgement in &run.judgements {
            let errors = judgement.errors(&run.labels);
            println!("{}: {errors} errors in {} test images, {}", judgement.name, run.labels.len(), judgement.runtime);
        }
        println!("{}", page.display());
        Ok(())
    }
}

/// The engine on this machine, with a plan as it is, or of an int8 ONNX file.
fn engine(path: &Path) -> Result<Box<dyn Stage>> {
    let bytes = match Network::open(path)? {
        Network::Plan(bytes) => bytes,
        Network::Int8(graph) => plan::to_bytes(&plan::plan_for(&graph, &Options::default())?),
    };
    Ok(validate::open(&bytes)?)
}

/// The engine's logits of all images.
fn answers(stage: &dyn Stage, images: &Dataset, bar: &ProgressBar) -> Result<Vec<f32>> {
    let inputs = Inputs::dataset(images.clone(), stage.input_shape())?;
    let numbers: Vec<usize> = (0..images.len()).collect();
    let answers = validate::answers(stage, &inputs, &numbers, &|answered| bar.inc(answered as u64))?;
    if answers.len() != images.classes {
        bail!(CheckFailed(format!(
            "gives {} values an image, and the data have {} classes; name the run's own network",
            answers.len(),
            images.classes
        )));
    }
    Ok(answers.values)
}

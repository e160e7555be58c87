//! `export quantize`: float ONNX → int8 QDQ ONNX.

mod report;

use super::{CheckFailed, files, progress};
use anyhow::{Context, Result, ensure};
use data::Split;
use export::{
    files::write_atomically,
    graph::{Graph, cost, passes},
    inputs::{Inputs, Intake, Normalization, spread},
    onnx,
    quantize::{self, Folded, LayerError, QuantGraph, Range, Samples, Tuned, qdq},
    validate::{self, Difference},
};
use report::{Report, Verified};
use std::path::{Path, PathBuf};

/// Inputs kept apart from calibration, on which the int8 file is held against the float one.
const HELD_OUT: usize = 1000;

/// Multiply-accumulates that one judgement of an int8 network may take.
const JUDGING_MACS: u64 = 1_000_000_000;

/// Inputs over which layers are explained.
const EXPLAINED: usize = 16;

/// Quantize a float ONNX file to int8 (QDQ form)
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export quantize float.onnx --calibration mnist -o int8.onnx
  export quantize kws.onnx --calibration spectra.npy --explain
  export quantize net.onnx --calibration photos/ --input-mean 0.485,0.456,0.406 --input-std 0.229,0.224,0.225

Every choice is made by measurement: from plain min–max ranges on, the rounding of weights, how large channels that share a scale
are and both ends of each range are changed one at a time, and what brings the int8 logits, computed by the engine as on the
chip, nearer to the float ones by more than chance stays. Where no inputs are left beside the --limit to calibrate with, these judge in
turns, by networks made without them: all inputs that there are serve for both.

With --input-mean, --input-std or --input-range (or where the file's metadata says it: input.mean, input.std, input.brightest, or
Image.NominalPixelRange) the normalization is folded into the network, and the int8 one takes bytes, stored as pixel − 128. That is
exact where the first layer has no padding or the means are zero. With padding, means that are one grey level are rounded to it
(the padding alone is off, by less than half a level), and others get a layer of their own, a 1×1 convolution of each channel.
Calibration arrays that are no bytes are taken for normalized already.")]
pub struct Quantize {
    /// The float ONNX file
    #[arg(value_name = "FLOAT.onnx")]
    float: PathBuf,
    /// Inputs to calibrate with, from the training part: mnist, digits, a folder of IDX files or of pictures, a .npy or .npz file
    /// (numbers as they are, bytes as pixels; N×C×H×W, N×H×W×C or N×K)
    #[arg(long, value_name = "SOURCE")]
    calibration: data::Source,
    /// How many inputs to calibrate with
    #[arg(long, default_value_t = 512, value_name = "N")]
    limit: usize,
    /// What the network was trained to take off each pixel, for all channels or one a channel
    #[arg(long, value_delimiter = ',', value_name = "MEAN", allow_negative_numbers = true)]
    input_mean: Vec<f32>,
    /// What the difference is divided by, for all channels or one a channel
    #[arg(long, value_delimiter = ',', value_name = "STD")]
    input_std: Vec<f32>,
    /// What pixels are before: 0 to 1, or bytes as they are
    #[arg(long, value_name = "RANGE")]
    input_range: Option<PixelRange>,
    /// Print what was chosen for each tensor and gained by it, and each layer's error; slower
    #[arg(long)]
    explain: bool,
    /// Write scales, choices, and what --explain prints as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The file to write; int8.onnx beside the float file where not given
    #[arg(short, long, value_name = "INT8.onnx")]
    output: Option<PathBuf>,
}

/// What the brightest pixel is.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PixelRange {
    /// 1
    Unit,
    /// 255
    U8,
}

impl Quantize {
    /// Calibrates, quantizes, writes, and verifies what was written.
    pub fn run(&self) -> Result<()> {
        let name = || self.float.display().to_string();
        let output = self.output.clone().unwrap_or_else(|| self.float.with_file_name("int8.onnx"));
        let graph = read(&self.float)?;
        files::distinct(&self.float, &output)?;
        let (graph, inputs, input_range) = self.inputs(graph)?;
        let parts = Parts::of(inputs.len(), self.limit);
        let judging = parts.judging(images_to_judge_by(&graph)?);
        let samples = Samples { inputs: &inputs, calibration: &parts.calibration, judging: &judging, input_range };
        let tuned = tune(&graph, &samples).with_context(name)?;
        let layers =
            if self.explain { explain(&tuned, &inputs, parts.verifying()).with_context(name)? } else { vec![] };

        let bytes = onnx::to_bytes(&qdq::to_graph(&tuned.network));
        let verified = compare(&onnx::to_bytes(&graph), &bytes, &inputs, &parts, &judging).with_context(name)?;
        write_atomically(&output, &bytes, |written| check(written, &tuned.network))?;
        let in_turns = judging.iter().any(|number| parts.calibration.contains(number));
        let report = Report { tuned: &tuned, layers: &layers, judged_by: judging.len(), in_turns, verified };
        print!("{}", report.text(self.explain));
        if let Some(path) = &self.json {
            files::write(path, report.json()?.as_bytes())?;
        }
        println!(
            "{} written, calibrated with {} inputs of {}",
            output.display(),
            parts.calibration.len(),
            inputs.name()
        );
        Ok(())
    }

    /// What the network is fed while it is quantized, the network that takes it, and its range where that is known.
    fn inputs(&self, graph: Graph) -> Result<(Graph, Inputs, Option<Range>)> {
        let name = || self.float.display().to_string();
        let intake = self.intake(&graph).with_context(name)?;
        let inputs = Inputs::open(&self.calibration, Split::Train, intake.clone())
            .with_context(|| format!("to calibrate {}", name()))?;
        ensure!(!inputs.is_empty(), "{}: expected at least one input, found none", self.calibration);
        ensure!(self.limit > 0, "--limit: expected at least 1, found 0");
        let Some(normalization) = &intake.normalization else {
            let range = inputs.are_pixels().then_some(Range::UNIT);
            return Ok((graph, inputs, range));
        };
        let Folded { mut graph, normalization, range } = quantize::fold(&graph, normalization).with_context(name)?;
        intake.note_folded(&normalization, &mut graph.metadata);
        let folded = Intake { trained: intake.normalization.clone(), ..intake.with(normalization) };
        Ok((graph, inputs.taken_by(&folded)?, Some(range)))
    }

    /// How the float network takes inputs: by what the command line says, or the file.
    fn intake(&self, graph: &Graph) -> Result<Intake> {
        let intake = Intake::of_graph(graph)?.context("the size of the network's input is not fixed")?;
        if self.input_mean.is_empty() && self.input_std.is_empty() && self.input_range.is_none() {
            return Ok(intake);
        }
        let or = |given: &[f32], default: Vec<f32>| if given.is_empty() { default } else { given.to_vec() };
        let Normalization { brightest, mean, std } = match self.input_range {
            Some(PixelRange::U8) => Normalization::bytes(),
            _ => Normalization::default(),
        };
        Ok(intake.with(Normalization { brightest, mean: or(&self.input_mean, mean), std: or(&self.input_std, std) }))
    }
}

/// Which inputs ranges are taken from, and which the result is held against.
struct Parts {
    calibration: Vec<usize>,
    /// Others, where there are more than `--limit`.
    held_out: Vec<usize>,
}

impl Parts {
    /// `limit` to calibrate with and up to [`HELD_OUT`] others, from all over the source.
    fn of(count: usize, limit: usize) -> Self {
        let all = spread(count, limit.saturating_add(HELD_OUT));
        let apart = all.len().saturating_sub(limit);
        let is_apart = |i: usize| (i + 1) * apart / all.len() > i * apart / all.len();
        let (apart, calibration): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|&(i, _)| is_apart(i));
        let numbers = |part: Vec<(usize, &usize)>| part.into_iter().map(|(_, &number)| number).collect();
        Self { calibration: numbers(calibration), held_out: numbers(apart) }
    }

    /// What choices are judged by: of what is held out, and where that is little, of what calibrates as well.
    fn judging(&self, count: usize) -> Vec<usize> {
        let more = count.saturating_sub(self.held_out.len());
        let pick = |from: &[usize], count| spread(from.len(), count).into_iter().map(|i| from[i]).collect::<Vec<_>>();
        [pick(&self.held_out, count), pick(&self.calibration, more)].concat()
    }

    /// What the written file is held against the float one on.
    fn verifying(&self) -> &[usize] {
        if self.held_out.is_empty() { &self.calibration } else { &self.held_out }
    }
}

fn read(path: &Path) -> Result<Graph> {
    let bytes = files::read(path)?;
    let graph = onnx::from_bytes(&bytes).with_context(|| path.display().to_string())?;
    let graph = passes::normalize(&graph);
    passes::supported(&graph).with_context(|| path.display().to_string())?;
    quantize::supported(&graph).with_context(|| path.display().to_string())?;
    ensure!(graph.inputs.len() == 1, "{}: expected one input, found {}", path.display(), graph.inputs.len());
    Ok(graph)
}

/// As many as the engine answers in about a second, so that a choice takes no longer; few would be chance.
fn images_to_judge_by(graph: &Graph) -> Result<usize> {
    let macs: u64 = cost::layers(graph)?.iter().map(|layer| layer.macs).sum();
    Ok((JUDGING_MACS / macs.max(1)).clamp(16, 256) as usize)
}

fn tune(graph: &Graph, samples: &Samples) -> Result<Tuned> {
    let progress = progress::bar("quantizing", quantize::watched(graph).len());
    let tuned = quantize::tune(graph, samples, &|_| progress.inc(1));
    progress.finish_and_clear();
    Ok(tuned?)
}

fn explain(tuned: &Tuned, inputs: &Inputs, numbers: &[usize]) -> Result<Vec<LayerError>> {
    let progress = progress::bar("explaining", tuned.network.tensors.len());
    let images = inputs.read(numbers.iter().copied().take(EXPLAINED))?;
    let layers = quantize::explain(&tuned.graph, &tuned.network, &images, &|_| progress.inc(1));
    progress.finish_and_clear();
    Ok(layers?)
}

/// Whether a written file reads back as the network that it should hold.
fn check(written: &Path, quantized: &QuantGraph) -> Result<(), CheckFailed> {
    let again = onnx::from_file(written).ok().and_then(|graph| qdq::from_graph(&graph).ok());
    if again.as_ref() == Some(quantized) {
        return Ok(());
    }
    Err(CheckFailed(
        "the int8 file would read back as another network, so nothing is written: names of the float file may collide with \
         those of the int8 one (`x` and `x.float`), or it may have no layers; rename its values"
            .into(),
    ))
}

/// How the int8 file in tract does against the float one, on inputs kept from calibration where there are any.
fn compare(float: &[u8], int8: &[u8], inputs: &Inputs, parts: &Parts, judging: &[usize]) -> Result<Verified> {
    let numbers = parts.verifying();
    let progress = progress::bar("verifying", 2 * numbers.len());
    let ask = |bytes: &[u8]| validate::answers(&*validate::open(bytes)?, inputs, numbers, &|n| progress.inc(n as u64));
    let (before, after) = (ask(float)?, ask(int8)?);
    progress.finish_and_clear();
    let row = validate::compare(&after, Some(&before), None);
    let difference = row.against.context("there is a stage before")?;
    let [calibrated, judged] =
        [&parts.calibration[..], judging].map(|part| numbers.iter().filter(|input| part.contains(input)).count());
    let Difference { agreement, sqnr_db, .. } = difference;
    Ok(Verified { inputs: row.images, calibrated, judged, agreement, sqnr_db })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_inputs_calibrate_and_judge_all_and_of_many_some_are_apart() {
        for (count, limit, calibration, held_out, shared) in [
            (64, 512, 64, 0, 64),
            (5000, 512, 512, 1000, 0),
            (600, 512, 512, 88, 168),
            (2, 9, 2, 0, 2),
            (9, 8, 8, 1, 8),
        ] {
            let parts = Parts::of(count, limit);
            assert_eq!((parts.calibration.len(), parts.held_out.len()), (calibration, held_out), "{count} {limit}");
            assert!(parts.held_out.iter().all(|i| *i < count && !parts.calibration.contains(i)));
            let judging = parts.judging(256);
            assert_eq!(judging.iter().filter(|i| parts.calibration.contains(i)).count(), shared, "{count} {limit}");
        }
    }
}

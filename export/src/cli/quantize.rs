//! `export quantize`: float ONNX → int8 QDQ ONNX.

use super::{CheckFailed, files, progress};
use anyhow::{Context, Result, ensure};
use data::Split;
use export::{
    files::write_atomically,
    graph::{Graph, passes, shape},
    inputs::{Inputs, spread},
    onnx,
    quantize::{self, QuantGraph, QuantOp, QuantTensor, Range, Ranges, qdq},
    report,
    validate::{self, Answers, stage::BATCH},
};
use std::path::{Path, PathBuf};

/// Images kept apart from calibration, on which the int8 file is held against the float one.
const HELD_OUT: usize = 1000;

/// Quantize a float ONNX file to int8 (QDQ form)
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: export quantize float.onnx --calibration mnist -o int8.onnx")]
pub struct Quantize {
    /// The float ONNX file
    #[arg(value_name = "FLOAT.onnx")]
    float: PathBuf,
    /// Inputs to calibrate with, from the training part: mnist, digits, a folder of IDX files or of pictures, a .npy or .npz file
    /// (numbers as they are, bytes as pixel / 255; N×C×H×W, N×H×W×C or N×K)
    #[arg(long, value_name = "SOURCE")]
    calibration: data::Source,
    /// How many inputs to calibrate with
    #[arg(long, default_value_t = 512, value_name = "N")]
    limit: usize,
    /// The file to write; int8.onnx beside the float file where not given
    #[arg(short, long, value_name = "INT8.onnx")]
    output: Option<PathBuf>,
}

impl Quantize {
    /// Calibrates, quantizes, writes, and verifies what was written.
    pub fn run(&self) -> Result<()> {
        let graph = read(&self.float)?;
        let inputs = self.inputs(&graph)?;
        let parts = Parts::of(inputs.len(), self.limit);
        let ranges =
            calibrate(&graph, &inputs, &parts.calibration).with_context(|| self.float.display().to_string())?;
        let quantized = quantize::quantize(&graph, &ranges).with_context(|| self.float.display().to_string())?;
        print!("{}", table(&quantized, &ranges));

        let output = self.output.clone().unwrap_or_else(|| self.float.with_file_name("int8.onnx"));
        let bytes = onnx::to_bytes(&qdq::to_graph(&quantized));
        files::distinct(&self.float, &output)?;
        compare(&onnx::to_bytes(&graph), &bytes, &inputs, &parts.held_out)
            .with_context(|| self.float.display().to_string())?;
        write_atomically(&output, &bytes, |written| check(written, &quantized))?;
        println!(
            "{} written, calibrated with {} inputs of {}",
            output.display(),
            parts.calibration.len(),
            inputs.name()
        );
        Ok(())
    }

    /// What the network is fed while it is quantized.
    fn inputs(&self, graph: &Graph) -> Result<Inputs> {
        let dims = shape::sample_dims(&graph.inputs[0]).context("the size of the network's input is not fixed")?;
        let takes = [0, 1, 2].map(|axis| dims.get(axis).copied().unwrap_or(1));
        let inputs = Inputs::open(&self.calibration, Split::Train, takes)
            .with_context(|| format!("{}, to calibrate {}", self.calibration, self.float.display()))?;
        ensure!(!inputs.is_empty(), "{}: expected at least one input, found none", self.calibration);
        ensure!(self.limit > 0, "--limit: expected at least 1, found 0");
        Ok(inputs)
    }
}

/// Which inputs ranges are taken from, and which others the result is held against.
struct Parts {
    calibration: Vec<usize>,
    held_out: Vec<usize>,
}

impl Parts {
    /// `limit` to calibrate with and [`HELD_OUT`] others, from all over the source; three quarters and one where there are fewer.
    fn of(count: usize, limit: usize) -> Self {
        let all = spread(count, limit.saturating_add(HELD_OUT));
        let apart = all.len().saturating_sub(limit).max(all.len() / 4);
        let is_apart = |i: usize| (i + 1) * apart / all.len() > i * apart / all.len();
        let (apart, calibration): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|&(i, _)| is_apart(i));
        let calibration: Vec<usize> = calibration.into_iter().map(|(_, &index)| index).collect();
        let held_out: Vec<usize> = apart.into_iter().map(|(_, &index)| index).collect();
        // A single input has to serve for both.
        let held_out = if held_out.is_empty() { calibration.clone() } else { held_out };
        Self { calibration, held_out }
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

/// The ranges of the network over these inputs. That of pixels is known beforehand: 0 to 1, of whatever part of it these
/// happen to hold.
fn calibrate(graph: &Graph, inputs: &Inputs, chosen: &[usize]) -> Result<Ranges> {
    let progress = progress::bar("calibrating", chosen.len());
    let mut failure = None;
    let batches = chosen.chunks(BATCH).map_while(|batch| {
        progress.inc(batch.len() as u64);
        inputs.read(batch.iter().copied()).map_err(|error| failure = Some(error)).ok()
    });
    let ranges = quantize::calibrate(graph, BATCH, batches);
    failure.map_or(Ok(()), Err)?;
    let mut ranges = ranges?;
    if inputs.are_pixels() {
        ranges.insert(graph.inputs[0].name.clone(), Range::UNIT);
    }
    progress.finish_and_clear();
    Ok(ranges)
}

/// One line a tensor: who makes it, its range, its steps, and the scales of the weights.
fn table(quantized: &QuantGraph, ranges: &Ranges) -> String {
    let input = std::iter::once(["(input)".to_string(), String::new()]);
    let nodes = quantized.nodes.iter().map(|node| [node.name.clone(), weight_scales(&node.op)]);
    let rows = quantized.tensors.iter().zip(input.chain(nodes)).map(|(tensor, [maker, weights])| {
        let [shape, range, scale, zero_point] = columns(tensor, ranges);
        vec![maker, shape, range, scale, zero_point, weights]
    });
    report::table(&["layer", "C×H×W", "range", "scale", "zero", "weight scales"], &rows.collect::<Vec<_>>())
}

/// Shape, range, scale, zero point.
fn columns(tensor: &QuantTensor, ranges: &Ranges) -> [String; 4] {
    let [channels, height, width] = tensor.shape;
    let range = ranges.get(&tensor.name).map_or("as its input".into(), |r| format!("{:.4} … {:.4}", r.min, r.max));
    let scale = format!("{:.6}", tensor.scale);
    [format!("{channels}×{height}×{width}"), range, scale, tensor.zero_point.to_string()]
}

fn weight_scales(op: &QuantOp) -> String {
    let (QuantOp::Conv2d { weights, .. } | QuantOp::Dense { weights, .. }) = op else { return String::new() };
    let (low, high) = weights.scales.iter().fold((f32::MAX, 0f32), |(low, high), &s| (low.min(s), high.max(s)));
    format!("{low:.1e} … {high:.1e}")
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

/// Says how the int8 file in tract does against the float one, on inputs that calibration has not seen.
fn compare(float: &[u8], int8: &[u8], inputs: &Inputs, held_out: &[usize]) -> Result<()> {
    let progress = progress::bar("verifying", 2 * held_out.len());
    let ask = |bytes: &[u8]| -> Result<Answers> {
        let stage = validate::open(bytes)?;
        let mut answers = Answers { stage: stage.name().into(), logits: Vec::new(), step: stage.output_scale() };
        for batch in held_out.chunks(BATCH) {
            answers.logits.extend(stage.answer(&inputs.read(batch.iter().copied())?)?);
            progress.inc(batch.len() as u64);
        }
        Ok(answers)
    };
    let (before, after) = (ask(float)?, ask(int8)?);
    progress.finish_and_clear();
    let row = validate::compare(&after, Some(&before), &vec![0; held_out.len()]);
    let difference = row.against.context("there is a stage before")?;
    println!(
        "verified in tract on {} other inputs: {:.2} % of the classes as in float, SQNR of the logits {:.1} dB",
        row.images, difference.agreement, difference.sqnr_db,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_out_is_apart() {
        for (count, limit, calibration, held_out) in
            [(64, 512, 48, 16), (5000, 512, 512, 1000), (600, 512, 450, 150), (2, 9, 2, 0)]
        {
            let parts = Parts::of(count, limit);
            let expected = if held_out == 0 { calibration } else { held_out };
            assert_eq!((parts.calibration.len(), parts.held_out.len()), (calibration, expected), "{count} {limit}");
            let shared = parts.held_out.iter().filter(|i| parts.calibration.contains(i)).count();
            assert_eq!(shared, if held_out == 0 { 2 } else { 0 });
            assert!(parts.held_out.iter().all(|&i| i < count));
        }
    }
}

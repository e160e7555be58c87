//! `export quantize`: float ONNX → int8 QDQ ONNX.

use super::{CheckFailed, files, images::check_shape, progress};
use anyhow::{Context, Result, ensure};
use data::{Dataset, Split};
use export::{
    files::write_atomically,
    graph::{Graph, passes, shape},
    onnx,
    quantize::{self, QuantGraph, QuantOp, QuantTensor, Range, Ranges, qdq},
    report,
    validate::{self, images, stage::BATCH},
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
    /// Images to calibrate with, from the training part: mnist, digits, or a folder of IDX files
    #[arg(long, value_name = "SOURCE")]
    calibration: data::Source,
    /// How many images to calibrate with
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
        let (calibration, held_out) = self.images(&graph)?;
        let ranges = calibrate(&graph, &calibration).with_context(|| self.float.display().to_string())?;
        let quantized = quantize::quantize(&graph, &ranges).with_context(|| self.float.display().to_string())?;
        print!("{}", table(&quantized, &ranges));

        let output = self.output.clone().unwrap_or_else(|| self.float.with_file_name("int8.onnx"));
        let bytes = onnx::to_bytes(&qdq::to_graph(&quantized));
        files::distinct(&self.float, &output)?;
        compare(&onnx::to_bytes(&graph), &bytes, &held_out).with_context(|| self.float.display().to_string())?;
        write_atomically(&output, &bytes, |written| check(written, &quantized))?;
        println!("{} written, calibrated with {} images of {}", output.display(), calibration.len(), calibration.name);
        Ok(())
    }

    /// Calibration images from the front of the training part, and others from its end to verify with.
    fn images(&self, graph: &Graph) -> Result<(Dataset, Dataset)> {
        let training = data::open(&self.calibration, Split::Train)?;
        let dims = shape::sample_dims(&graph.inputs[0]).context("the size of the network's input is not fixed")?;
        let takes = [0, 1, 2].map(|axis| dims.get(axis).copied().unwrap_or(1));
        check_shape(&self.float, takes, &training.name, [training.channels, training.height, training.width])?;
        let most = training.len() - 1;
        ensure!((1..=most).contains(&self.limit), "--limit: expected 1 to {most} images, found {}", self.limit);
        let (calibration, rest) = training.split_at(self.limit);
        let skipped = rest.len().saturating_sub(HELD_OUT);
        Ok((calibration, rest.split_at(skipped).1))
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

/// The ranges of the network over these images. The input's is known beforehand: pixels are 0 to 1 in all images, of
/// whatever part of it these happen to hold.
fn calibrate(graph: &Graph, dataset: &Dataset) -> Result<Ranges> {
    let progress = progress::bar("calibrating", dataset.len());
    let batches = (0..dataset.len()).step_by(BATCH).map(|start| {
        let batch = start..(start + BATCH).min(dataset.len());
        progress.inc(batch.len() as u64);
        images::nchw(dataset, batch)
    });
    let mut ranges = quantize::calibrate(graph, BATCH, batches)?;
    ranges.insert(graph.inputs[0].name.clone(), Range::UNIT);
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

/// Says how the int8 file in tract does against the float one, on images that calibration has not seen.
fn compare(float: &[u8], int8: &[u8], held_out: &Dataset) -> Result<()> {
    let progress = progress::bar("verifying", 2 * held_out.len());
    let ask = |bytes: &[u8]| validate::answers(&*validate::open(bytes)?, held_out, &|n| progress.inc(n as u64));
    let (before, after) = (ask(float)?, ask(int8)?);
    progress.finish_and_clear();
    let row = validate::compare(&after, Some(&before), &held_out.labels);
    let difference = row.against.context("there is a stage before")?;
    println!(
        "verified in tract on {} other training images: {:.2} % of the classes as in float, SQNR of the logits {:.1} dB",
        row.images, difference.agreement, difference.sqnr_db,
    );
    Ok(())
}

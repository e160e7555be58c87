//! `export onnx`: a checkpoint of the zoo → float ONNX, verified with tract.

use super::CheckFailed;
use anyhow::{Context, Result};
use burn::tensor::Device;
use clap::Args;
use export::files::write_atomically;
use export::float::{BatchNorms, FloatError, Verified, onnx_from_module};
use export::graph::cost;
use export::tables::grouped;
use models::network::Network;
use models::{checkpoint, zoo};
use std::path::PathBuf;

/// Images that burn and tract must answer alike: so many drawn digits, and as many of noise.
const IMAGES: usize = 128;
/// Seed of the digits; those of the data set `digits` have others.
const SEED: u64 = 0x0e_4b_07;

/// Write a trained network as float ONNX, verified with tract
///
/// The checkpoint's network is captured, its BatchNorms are folded into its convolutions (--keep-batchnorm leaves them), and 256 images go
/// through burn and through tract. The file appears only if every logit agrees to 0.0001 of the largest and every class is the same.
///
/// Networks of your own leave burn through the library: see the documentation of export::float.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  export onnx --model mnist-cnn -o float.onnx
  export onnx --checkpoint runs/mnist-cnn/checkpoint.bpk")]
pub struct Onnx {
    /// The network, by its name in the zoo
    #[arg(long, default_value = "mnist-cnn", value_name = "NAME")]
    model: String,
    /// Its weights; models/NAME/checkpoint.bpk where not given
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The file to write; float.onnx beside the checkpoint where not given
    #[arg(short, long, value_name = "FILE.onnx")]
    output: Option<PathBuf>,
    /// Leave BatchNormalization in the graph, as in burn; `export quantize` folds it then
    #[arg(long)]
    keep_batchnorm: bool,
}

impl Onnx {
    /// Captures, folds, verifies, writes, and says what was done.
    pub fn run(&self) -> Result<()> {
        let checkpoint = self.checkpoint.clone().unwrap_or_else(|| self.in_zoo());
        let output = self.output.clone().unwrap_or_else(|| checkpoint.with_file_name("float.onnx"));
        let batch_norms = if self.keep_batchnorm { BatchNorms::Kept } else { BatchNorms::Folded };
        let verified = zoo::visit(&self.model, Export { checkpoint, batch_norms })
            .with_context(|| format!("--model {}", self.model))??;
        write_atomically(&output, &verified.bytes, |written| match std::fs::read(written) {
            Ok(bytes) if bytes == verified.bytes => Ok(()),
            _ => Err(CheckFailed(format!("{}: was not written as it should be; check the disk", output.display()))),
        })?;
        println!("{}: {}", output.display(), summary(&verified)?);
        Ok(())
    }

    fn in_zoo(&self) -> PathBuf {
        PathBuf::from("models").join(&self.model).join("checkpoint.bpk")
    }
}

fn summary(verified: &Verified) -> Result<String> {
    let layers = cost::layers(&verified.graph)?;
    let sum = |count: fn(&cost::LayerCost) -> u64| grouped(layers.iter().map(count).sum());
    Ok(format!(
        "{} nodes, {} parameters, {} multiply-accumulates; burn and tract agree on {} images: same class on all, logits \
         within {:.1e} (at most {:.0e} asked for)",
        layers.len(),
        sum(|layer| layer.parameters),
        sum(|layer| layer.macs),
        verified.agreement.images,
        verified.agreement.largest_difference,
        verified.agreement.tolerance(),
    ))
}

/// Exports the network that was named.
struct Export {
    checkpoint: PathBuf,
    batch_norms: BatchNorms,
}

impl zoo::Visit for Export {
    type Output = Result<Verified>;

    fn visit<N: Network>(self) -> Result<Verified> {
        let network: N = checkpoint::load(&self.checkpoint, &Device::flex())?;
        let input = network.task().input;
        let verified = onnx_from_module(
            N::NAME,
            &network,
            input,
            N::forward,
            self.batch_norms,
            metadata(N::NAME, input),
            &images(input),
        );
        verified.map_err(|error| match error {
            FloatError::Differs { .. } => CheckFailed(error.to_string()).into(),
            other => other.into(),
        })
    }
}

fn metadata(network: &str, [channels, height, width]: [usize; 3]) -> Vec<(String, String)> {
    let description = format!("{network}: {channels}×{height}×{width} pixels in 0…1 (pixel / 255) to logits");
    let format = match channels {
        1 => Some("Gray8"),
        3 => Some("Rgb8"),
        _ => None,
    };
    let entries = [
        ("description", Some(description.as_str())),
        ("Image.BitmapPixelFormat", format),
        ("Image.NominalPixelRange", Some("Normalized_0_1")),
    ];
    entries.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?.to_string()))).collect()
}

/// Digits where they fit, and noise: images of the kind that the network is for, and of none.
fn images([channels, height, width]: [usize; 3]) -> Vec<f32> {
    let digits = data::digits::generate(SEED, IMAGES);
    let fit = [digits.channels, digits.height, digits.width] == [channels, height, width];
    let pixels = if fit { digits.pixels } else { Vec::new() };
    let len = 2 * IMAGES * channels * height * width;
    let noise = data::noise(SEED).take(len - pixels.len());
    pixels.iter().copied().chain(noise).map(|pixel| f32::from(pixel) / 255.0).collect()
}

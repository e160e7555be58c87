//! The way forward.

use std::sync::Arc;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::conv::{Kernel, convolve};
use crate::layer::Layer;
use crate::pack::fill;
use crate::points::{Affine, Place, emit, moments};
use crate::simd::dispatch;
use crate::source::{Source, channel_first};
use crate::{Block, Chain};

/// Images of which one thread works on at a time, and whose sums are taken together.
pub const GROUP: usize = 8;

/// What normalizations take as mean and variance.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Norms<'a> {
    /// Those of the batch, as in training.
    Batch,
    /// These: for each block with a normalization its means, then its variances.
    Given(&'a [f32]),
}

/// What a forward pass gives.
#[derive(Clone, Debug)]
pub struct Forward {
    /// `[N, channels, height, width]` of [`Chain::output`].
    pub output: Vec<f32>,
    /// The means and (biased) variances that normalizations took, for each block that has one its means, then its variances.
    pub statistics: Vec<f32>,
    /// What [`backward`](crate::backward) needs.
    pub saved: Saved,
}

/// What is kept of a forward pass.
#[derive(Clone, Debug)]
pub struct Saved {
    pub(crate) images: Arc<[f32]>,
    pub(crate) count: usize,
    pub(crate) layers: Arc<[Kept]>,
}

/// What is kept of a layer.
#[derive(Debug)]
pub(crate) struct Kept {
    pub layer: Layer,
    /// The convolution's output of all images.
    pub y: Buffer,
    pub affine: Affine,
    /// Of `y` in each channel; 0 without a normalization.
    pub mean: Vec<f32>,
    /// 1/√(variance + ε); 1 without a normalization.
    pub inverse_deviation: Vec<f32>,
}

/// The parameters of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters<'a> {
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub gamma: &'a [f32],
    pub beta: &'a [f32],
}

impl<'a> Parameters<'a> {
    pub fn of(block: &Block, all: &'a [f32]) -> Self {
        let (weights, rest) = all.split_at(block.weights());
        let (bias, rest) = rest.split_at(if block.bias { block.outputs } else { 0 });
        let norm = if block.norm.is_some() { block.outputs } else { 0 };
        let (gamma, rest) = rest.split_at(norm);
        Self { weights, bias, gamma, beta: &rest[..norm] }
    }
}

/// Runs `images`, `[N, channels, height, width]` of [`Chain::input`], through the chain, normalized by their own statistics as in training.
///
/// # Panics
/// Where the lengths of the slices are not those of the chain.
pub fn forward(chain: &Chain, images: &[f32], parameters: &[f32]) -> Forward {
    let images: Arc<[f32]> = images.into();
    let count = count(chain, &images, parameters);
    let (output, statistics, layers) =
        dispatch(Pass { chain, images: &images, count, parameters, norms: Norms::Batch });
    Forward { output, statistics, saved: Saved { images, count, layers: layers.into() } }
}

/// Runs `images` through the chain, normalized by `statistics` ([`Forward::statistics`] has their order), and keeps nothing for a way back: a group
/// of images goes through all blocks while it is in the nearest caches.
///
/// # Panics
/// Where the lengths of the slices are not those of the chain.
pub fn infer(chain: &Chain, images: &[f32], parameters: &[f32], statistics: &[f32]) -> Vec<f32> {
    let count = count(chain, images, parameters);
    let channels = |block: &Block| if block.norm.is_some() { block.outputs } else { 0 };
    assert_eq!(statistics.len(), 2 * chain.blocks.iter().map(channels).sum::<usize>(), "statistics of the chain");
    let mut output = vec![0.0; count * chain.output().iter().product::<usize>()];
    dispatch(Infer { chain, images, parameters, statistics, output: &mut output });
    output
}

/// How many images there are.
fn count(chain: &Chain, images: &[f32], parameters: &[f32]) -> usize {
    let image: usize = chain.input().iter().product();
    let count = images.len() / image;
    assert_eq!(images.len(), count * image, "whole images");
    assert_eq!(parameters.len(), chain.parameters(), "parameters of the chain");
    count
}

struct Infer<'a> {
    chain: &'a Chain,
    images: &'a [f32],
    parameters: &'a [f32],
    statistics: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Infer<'_> {
    type Output = ();

    fn with_simd<S: Simd>(self, simd: S) {
        let Self { chain, images, parameters, statistics, output } = self;
        let [input, out] = [chain.input(), chain.output()].map(|shape| shape.iter().product::<usize>());
        let groups = images.par_chunks(GROUP * input).zip(output.par_chunks_mut(GROUP * out));
        groups.for_each(|(images, output)| {
            let norms = Norms::Given(statistics);
            let pass = Pass { chain, images, count: images.len() / input, parameters, norms };
            output.copy_from_slice(&pass.with_simd(simd).0);
        });
    }
}

pub(crate) struct Pass<'a> {
    pub chain: &'a Chain,
    pub images: &'a [f32],
    pub count: usize,
    pub parameters: &'a [f32],
    pub norms: Norms<'a>,
}

impl WithSimd for Pass<'_> {
    type Output = (Vec<f32>, Vec<f32>, Vec<Kept>);

    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let (mut statistics, mut layers) = (Vec::new(), Vec::<Kept>::new());
        for layer in Layer::all(self.chain, S::F32_LANES) {
            let parameters = Parameters::of(&layer.block, &self.parameters[layer.parameters..]);
            let source = layers.last().map_or(Source::Images(self.images), Source::Layer);
            let batch = layer.block.norm.is_some() && matches!(self.norms, Norms::Batch);
            let (y, sums) = convolution(simd, &layer, source, parameters, self.count, batch);
            let begin = statistics.len();
            if layer.block.norm.is_some() {
                match self.norms {
                    Norms::Batch => statistics.extend(mean_and_variance(&layer, &sums, self.count)),
                    Norms::Given(given) => statistics.extend(&given[begin..][..2 * layer.block.outputs]),
                }
            }
            layers.push(kept(layer, y, parameters, &statistics[begin..]));
        }
        let output = layers.last().map_or(Vec::new(), |last| output(simd, last, self.count));
        (output, statistics, layers)
    }
}

/// The convolution's output, and, where they are `summed`, Σ y and Σ y² of each channel.
fn convolution<S: Simd>(
    simd: S,
    layer: &Layer,
    source: Source,
    parameters: Parameters,
    count: usize,
    summed: bool,
) -> (Buffer, Vec<f64>) {
    let (plane, moments) = (layer.plane(), 2 * layer.channels());
    let weights = layer.pack(parameters.weights);
    let bias = fill(parameters.bias.iter().copied().chain(core::iter::repeat(0.0)).take(layer.channels()), layer.lanes);
    let mut y = Buffer::any(count * plane);
    let mut sums = vec![0.0; count.div_ceil(GROUP) * moments];
    let groups = y.par_chunks_mut(GROUP * plane).zip(sums.par_chunks_mut(moments)).enumerate();
    groups.for_each_init(
        || vec![0.0; layer.padded()],
        |x, (group, (y, sums))| {
            let kernel = Kernel { weights: &weights, bias: &bias, depthwise: layer.block.depthwise };
            simd.vectorize(Convolve {
                layer,
                source,
                kernel,
                first: group * GROUP,
                x,
                y,
                sums: summed.then_some(sums),
            });
        },
    );
    (y, in_order(&sums, moments))
}

/// The sums over groups, added in order.
pub(crate) fn in_order(sums: &[f64], len: usize) -> Vec<f64> {
    let mut total = vec![0.0; len];
    for sums in sums.chunks_exact(len) {
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    total
}

/// A group of images through a convolution.
struct Convolve<'a> {
    layer: &'a Layer,
    source: Source<'a>,
    kernel: Kernel<'a>,
    first: usize,
    x: &'a mut [f32],
    y: &'a mut [f32],
    sums: Option<&'a mut [f64]>,
}

impl WithSimd for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, source, kernel, first, x, y, mut sums } = self;
        let (window, zeros) = (layer.window(), vec![0.0; layer.channels()]);
        for (image, y) in y.chunks_exact_mut(layer.plane()).enumerate() {
            source.fetch(simd, layer, first + image, x);
            convolve(simd, &window, kernel, x, y);
            if let Some(sums) = &mut sums {
                moments(simd, layer, y, y, &zeros, sums);
            }
        }
    }
}

/// Mean and variance of each channel, from Σ y and Σ y².
fn mean_and_variance(layer: &Layer, sums: &[f64], count: usize) -> impl Iterator<Item = f32> {
    let pixels = (count * layer.convolved[0] * layer.convolved[1]) as f64;
    let (first, second) = sums.split_at(layer.channels());
    let mean = first.iter().take(layer.block.outputs).map(move |sum| (sum / pixels) as f32);
    let variance = first.iter().zip(second).take(layer.block.outputs).map(move |(first, second)| {
        let mean = first / pixels;
        // The difference of two sums may fall below 0 where a channel is constant. A NaN stays one.
        let variance = second / pixels - mean * mean;
        if variance < 0.0 { 0.0 } else { variance as f32 }
    });
    mean.chain(variance).collect::<Vec<_>>().into_iter()
}

fn kept(layer: Layer, y: Buffer, parameters: Parameters, statistics: &[f32]) -> Kept {
    let (outputs, lanes) = (layer.block.outputs, layer.lanes);
    let Some(epsilon) = layer.block.norm else {
        let affine = Affine { scale: fill(vec![1.0; outputs], lanes), shift: fill(vec![0.0; outputs], lanes) };
        let (mean, inverse_deviation) = (affine.shift.clone(), affine.scale.clone());
        return Kept { layer, y, affine, mean, inverse_deviation };
    };
    let (mean, variance) = statistics.split_at(outputs);
    let inverse: Vec<f64> = variance.iter().map(|v| (f64::from(*v) + epsilon).sqrt().recip()).collect();
    let scale = parameters.gamma.iter().zip(&inverse).map(|(gamma, inverse)| f64::from(*gamma) * inverse);
    let scale: Vec<f64> = scale.collect();
    let shift = (0..outputs).map(|c| (f64::from(parameters.beta[c]) - f64::from(mean[c]) * scale[c]) as f32);
    Kept {
        affine: Affine { shift: fill(shift, lanes), scale: fill(scale.iter().map(|s| *s as f32), lanes) },
        mean: fill(mean.iter().copied(), lanes),
        inverse_deviation: fill(inverse.iter().map(|i| *i as f32), lanes),
        layer,
        y,
    }
}

/// The chain's output, `[N, channels, height, width]`.
fn output<S: Simd>(simd: S, last: &Kept, count: usize) -> Vec<f32> {
    let layer = &last.layer;
    let len = layer.block.outputs * layer.pooled[0] * layer.pooled[1];
    let mut output = vec![0.0; count * len];
    output.par_chunks_mut(GROUP * len).enumerate().for_each(|(group, output)| {
        simd.vectorize(Emit { last, first: group * GROUP, output });
    });
    output
}

struct Emit<'a> {
    last: &'a Kept,
    first: usize,
    output: &'a mut [f32],
}

impl WithSimd for Emit<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Kept { layer, affine, y, .. } = self.last;
        let (pixels, plane) = (layer.pooled[0] * layer.pooled[1], layer.plane());
        let mut pixel_first = vec![0.0; pixels * layer.channels()];
        for (image, output) in self.output.chunks_exact_mut(layer.block.outputs * pixels).enumerate() {
            let y = &y[(self.first + image) * plane..][..plane];
            emit(simd, layer, affine, y, Place::output(layer), &mut pixel_first);
            channel_first(&pixel_first, layer.channels(), pixels, output);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::Activation;

    /// Two blocks, of channels that fill no vector, with a pool.
    pub fn chain() -> Chain {
        let block = |inputs, outputs, pool| Block {
            padding: [1, 1],
            norm: Some(1e-5),
            activation: Activation::RELU,
            pool,
            ..Block::conv(inputs, outputs, [3, 3])
        };
        Chain { size: [7, 6], blocks: vec![block(2, 5, 2), block(5, 9, 1)] }
    }

    pub fn images(count: usize) -> Vec<f32> {
        (0..count * 2 * 42).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect()
    }

    pub fn parameters() -> Vec<f32> {
        (0..chain().parameters()).map(|i| (i * 7919 % 1013) as f32 / 1013.0 - 0.5).collect()
    }

    /// Whatever the convolution says, a normalized channel has the mean β and the deviation γ.
    #[test]
    fn a_normalization_gives_beta_and_gamma() {
        let mut chain = chain();
        chain.blocks.truncate(1);
        (chain.blocks[0].pool, chain.blocks[0].activation) = (1, Activation::NONE);
        let parameters = &parameters()[..chain.parameters()];
        let output = forward(&chain, &images(8), parameters).output;
        let own = Parameters::of(&chain.blocks[0], parameters);
        for c in 0..5 {
            let values: Vec<f64> = output.chunks(42).skip(c).step_by(5).flatten().map(|v| f64::from(*v)).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
            // Each value is rounded to f32.
            assert!((mean - f64::from(own.beta[c])).abs() < 1e-5, "{mean}");
            // The normalization divides by a little more than the deviation.
            assert!((variance.sqrt() - f64::from(own.gamma[c].abs())).abs() < 1e-3, "{variance}");
        }
    }
}

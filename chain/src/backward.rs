//! The way back.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::buffer::Buffer;
use crate::conv::{Kernel, convolve};
use crate::forward::{GROUP, Kept, Parameters, Saved, in_order};
use crate::layer::Layer;
use crate::pack::fill;
use crate::points::{Slope, absorb, moments, slope};
use crate::simd::dispatch;
use crate::source::{Source, channel_first, pixel_first};
use crate::weights::accumulate;

/// What a backward pass gives.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// In the order of the chain's parameters.
    pub parameters: Vec<f32>,
    /// Of the images, `[N, channels, height, width]`; empty where it was not asked for.
    pub images: Vec<f32>,
}

/// The gradients of a pass whose normalizations took the batch's statistics, from that of its output, `[N, channels, height, width]`.
///
/// # Panics
/// Where the lengths of the slices are not those of the chain that was run.
pub fn backward(saved: &Saved, parameters: &[f32], output: &[f32], images: bool) -> Gradients {
    dispatch(Pass { saved, parameters, output, images })
}

struct Pass<'a> {
    saved: &'a Saved,
    parameters: &'a [f32],
    output: &'a [f32],
    images: bool,
}

/// The gradient of a normalization's output, of all images, with its moments.
struct Incoming {
    g: Buffer,
    /// Σ g and Σ g · (y − mean) of each channel.
    sums: Vec<f64>,
}

impl WithSimd for Pass<'_> {
    type Output = Gradients;

    fn with_simd<S: Simd>(self, simd: S) -> Gradients {
        let Self { saved, parameters, .. } = self;
        let mut gradients = Gradients { parameters: vec![0.0; parameters.len()], images: Vec::new() };
        let Some((last, _)) = saved.layers.split_last() else { return gradients };
        let mut incoming = incoming(simd, last, self.output, saved.count);
        for (index, kept) in saved.layers.iter().enumerate().rev() {
            let layer = &kept.layer;
            let block = &layer.block;
            let before = index.checked_sub(1).map(|before| &saved.layers[before]);
            let own = Parameters::of(block, &parameters[layer.parameters..]);
            let gradient = &mut gradients.parameters[layer.parameters..][..block.parameters()];
            let slope = vector_gradients(kept, own, &incoming.sums, saved.count, &mut gradient[block.weights()..]);
            let goal = match before {
                Some(before) => Goal::Layer(before),
                None if self.images => Goal::Images,
                None => Goal::Nothing,
            };
            let source = before.map_or(Source::Images(&saved.images), Source::Layer);
            let step = Step { kept, source, slope, turned: layer.pack_turned(own.weights), goal, count: saved.count };
            let (kernel, outgoing) = step.run(simd, &incoming.g);
            layer.unpack_gradient(&kernel, &mut gradient[..block.weights()]);
            match goal {
                Goal::Images => gradients.images = outgoing.g.to_vec(),
                _ => incoming = outgoing,
            }
        }
        gradients
    }
}

/// From the gradient of the chain's output to the last layer's.
fn incoming<S: Simd>(simd: S, last: &Kept, output: &[f32], count: usize) -> Incoming {
    let layer = &last.layer;
    let len = layer.block.outputs * layer.pooled[0] * layer.pooled[1];
    assert_eq!(output.len(), count * len, "a gradient of the chain's output");
    let mut incoming = Incoming::new(layer, count);
    let (g, sums) = incoming.groups(layer);
    g.zip(sums).zip(output.par_chunks(GROUP * len)).enumerate().for_each(|(group, ((g, sums), output))| {
        simd.vectorize(Absorb { last, first: group * GROUP, output, g, sums });
    });
    incoming.total(layer)
}

impl Incoming {
    fn new(layer: &Layer, count: usize) -> Self {
        let sums = count.div_ceil(GROUP) * 2 * layer.channels();
        Self { g: Buffer::any(count * layer.plane()), sums: vec![0.0; sums] }
    }

    /// By groups of images.
    fn groups(&mut self, layer: &Layer) -> (rayon::slice::ChunksMut<'_, f32>, rayon::slice::ChunksMut<'_, f64>) {
        (self.g.par_chunks_mut(GROUP * layer.plane()), self.sums.par_chunks_mut(2 * layer.channels()))
    }

    /// With the sums of all groups.
    fn total(self, layer: &Layer) -> Self {
        Self { sums: in_order(&self.sums, 2 * layer.channels()), ..self }
    }
}

struct Absorb<'a> {
    last: &'a Kept,
    first: usize,
    output: &'a [f32],
    g: &'a mut [f32],
    sums: &'a mut [f64],
}

impl WithSimd for Absorb<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let layer = &self.last.layer;
        let pixels = layer.pooled[0] * layer.pooled[1];
        let mut dz = vec![0.0; pixels * layer.channels()];
        let outputs = self.output.chunks_exact(layer.block.outputs * pixels);
        for (image, (output, g)) in outputs.zip(self.g.chunks_exact_mut(layer.plane())).enumerate() {
            pixel_first(output, layer.channels(), pixels, &mut dz);
            absorb_image(simd, self.last, self.first + image, &dz, g, self.sums);
        }
    }
}

/// One image's gradient from behind a layer's pool to behind its convolution's normalization.
#[inline(always)]
fn absorb_image<S: Simd>(simd: S, kept: &Kept, image: usize, dz: &[f32], g: &mut [f32], sums: &mut [f64]) {
    let plane = kept.layer.plane();
    let y = &kept.y[image * plane..][..plane];
    absorb(simd, &kept.layer, &kept.affine, y, dz, g);
    moments(simd, &kept.layer, g, y, &kept.mean, sums);
}

/// The gradients of bias, γ and β, to `gradient`, and the way through the normalization.
///
/// With x̂ = (y − mean)/σ over M pixels: dβ = Σ g, dγ = Σ g·x̂, dy = γ/σ · (g − Σ g/M − x̂ · Σ g·x̂/M). What a bias adds the normalization takes
/// away again, so its gradient is exactly 0.
fn vector_gradients(kept: &Kept, own: Parameters, sums: &[f64], count: usize, gradient: &mut [f32]) -> Slope {
    let (layer, lanes) = (&kept.layer, kept.layer.lanes);
    let outputs = layer.block.outputs;
    let (first, second) = sums.split_at(layer.channels());
    if layer.block.norm.is_none() {
        for (gradient, sum) in gradient.iter_mut().zip(first) {
            *gradient = *sum as f32;
        }
        let zero = fill(vec![0.0; outputs], lanes);
        return Slope { a: fill(vec![1.0; outputs], lanes), b: zero.clone(), c: zero };
    }
    let pixels = (count * layer.convolved[0] * layer.convolved[1]) as f64;
    let (gamma, beta) = gradient[own.bias.len()..].split_at_mut(outputs);
    let mut slope = [vec![0.0; outputs], vec![0.0; outputs], vec![0.0; outputs]];
    for c in 0..outputs {
        let [inverse, mean] = [kept.inverse_deviation[c], kept.mean[c]].map(f64::from);
        gamma[c] = (second[c] * inverse) as f32;
        beta[c] = first[c] as f32;
        let a = f64::from(own.gamma[c]) * inverse;
        let b = -a * inverse * inverse * second[c] / pixels;
        let values = [a, b, -b * mean - a * first[c] / pixels];
        slope.iter_mut().zip(values).for_each(|(slope, value)| slope[c] = value as f32);
    }
    let [a, b, c] = slope.map(|values| fill(values, lanes));
    Slope { a, b, c }
}

/// Where the gradient of a layer's input goes.
#[derive(Clone, Copy)]
enum Goal<'a> {
    Layer(&'a Kept),
    Images,
    Nothing,
}

/// A layer's way back through its convolution.
struct Step<'a> {
    kept: &'a Kept,
    source: Source<'a>,
    slope: Slope,
    turned: Vec<f32>,
    goal: Goal<'a>,
    count: usize,
}

impl Step<'_> {
    /// The kernel's gradient in the order of [`Layer::packed_gradient`], and what goes on to the layer before (or to the images: then `g` is theirs).
    fn run<S: Simd>(&self, simd: S, g: &[f32]) -> (Vec<f32>, Incoming) {
        let layer = &self.kept.layer;
        let (len, plane, groups) = (layer.packed_gradient(), layer.plane(), self.count.div_ceil(GROUP));
        let image = layer.block.inputs * layer.size[0] * layer.size[1];
        let mut kernels = vec![0.0; groups * len];
        let (mut outgoing, out_len, sums_len) = match self.goal {
            Goal::Layer(before) => {
                let layer = &before.layer;
                (Incoming::new(layer, self.count), GROUP * layer.plane(), 2 * layer.channels())
            }
            // One sum a group that nobody reads keeps the shapes alike.
            Goal::Images => {
                (Incoming { g: Buffer::any(self.count * image), sums: vec![0.0; groups] }, GROUP * image, 1)
            }
            Goal::Nothing => (Incoming { g: Buffer::any(groups), sums: vec![0.0; groups] }, 1, 1),
        };
        let out = outgoing.g.par_chunks_mut(out_len).zip(outgoing.sums.par_chunks_mut(sums_len));
        let work = kernels.par_chunks_mut(len).zip(g.par_chunks(GROUP * plane)).zip(out).enumerate();
        work.for_each_init(
            || Scratch::new(layer),
            |scratch, (group, ((kernel, g), (out, sums)))| {
                simd.vectorize(Group { step: self, first: group * GROUP, g, scratch, kernel, out, sums });
            },
        );
        let mut total = vec![0.0; len];
        for kernel in kernels.chunks_exact(len) {
            total.iter_mut().zip(kernel).for_each(|(total, part)| *total += part);
        }
        match self.goal {
            Goal::Layer(before) => (total, outgoing.total(&before.layer)),
            _ => (total, outgoing),
        }
    }
}

/// One image's forms; what surrounds them stays zero.
struct Scratch {
    x: Vec<f32>,
    dy: Vec<f32>,
    dx: Vec<f32>,
    zeros: Vec<f32>,
}

impl Scratch {
    fn new(layer: &Layer) -> Self {
        let input = layer.input_vectors() * layer.lanes;
        Self {
            x: vec![0.0; layer.padded()],
            dy: vec![0.0; layer.padded_gradient()],
            dx: vec![0.0; layer.size[0] * layer.size[1] * input],
            zeros: vec![0.0; input],
        }
    }
}

/// A group of images.
struct Group<'a> {
    step: &'a Step<'a>,
    first: usize,
    g: &'a [f32],
    scratch: &'a mut Scratch,
    kernel: &'a mut [f32],
    out: &'a mut [f32],
    sums: &'a mut [f64],
}

impl WithSimd for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { step, first, g, scratch: Scratch { x, dy, dx, zeros }, kernel, out, sums } = self;
        let Kept { layer, y, .. } = step.kept;
        let (plane, window) = (layer.plane(), layer.gradient_window());
        let turned = Kernel { weights: &step.turned, bias: zeros, depthwise: layer.block.depthwise };
        for (image, g) in g.chunks_exact(plane).enumerate() {
            slope(simd, layer, &step.slope, g, &y[(first + image) * plane..][..plane], dy);
            step.source.fetch(simd, layer, first + image, x);
            accumulate(simd, layer, x, dy, kernel);
            match step.goal {
                Goal::Nothing => {}
                Goal::Layer(before) => {
                    convolve(simd, &window, turned, dy, dx);
                    let plane = before.layer.plane();
                    absorb_image(simd, before, first + image, dx, &mut out[image * plane..][..plane], sums);
                }
                Goal::Images => {
                    convolve(simd, &window, turned, dy, dx);
                    let pixels = layer.size[0] * layer.size[1];
                    let len = layer.block.inputs * pixels;
                    channel_first(dx, layer.input_vectors() * layer.lanes, pixels, &mut out[image * len..][..len]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Scalar, Scalar128b};

    use super::*;
    use crate::forward;
    use crate::forward::Norms;
    use crate::forward::tests::{chain, images, parameters};

    /// Vectors of one and of four numbers, as CPUs without AVX2 have them: the same but for roundings.
    #[test]
    fn the_width_of_vectors_changes_roundings_only() {
        let (chain, images, parameters) = (chain(), images(19), parameters());
        let wide = forward(&chain, &images, &parameters);
        let expected = backward(&wide.saved, &parameters, &wide.output, true);
        fn of<S: Simd>(simd: S, forward: crate::forward::Pass, parameters: &[f32]) -> (Vec<f32>, Gradients) {
            let (images, count) = (forward.images.into(), forward.count);
            let (output, _, layers) = simd.vectorize(forward);
            let saved = Saved { images, count, layers: layers.into() };
            let gradients = simd.vectorize(Pass { saved: &saved, parameters, output: &output, images: true });
            (output, gradients)
        }
        let pass = || crate::forward::Pass {
            chain: &chain,
            images: &images,
            count: 19,
            parameters: &parameters,
            norms: Norms::Batch,
        };
        for (output, found) in [of(Scalar::new(), pass(), &parameters), of(Scalar128b, pass(), &parameters)] {
            let pairs =
                [(&output, &wide.output), (&found.parameters, &expected.parameters), (&found.images, &expected.images)];
            for (found, expected) in pairs {
                let most = expected.iter().fold(0.0f32, |most, v| most.max(v.abs()));
                // Sums of some thousand products in another order.
                let close = |(found, expected): (&f32, &f32)| (found - expected).abs() <= 1e-4 * most;
                assert!(found.len() == expected.len() && found.iter().zip(expected).all(close));
            }
        }
    }
}

//! What is done pixel by pixel between two convolutions: normalization, activation, max pool, and their way back.

use pulp::Simd;

use crate::layer::Layer;
use crate::simd::{vectors, vectors_mut};

/// A normalization as it is applied to a convolution's output: one number a channel.
#[derive(Clone, Debug, Default)]
pub struct Affine {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// Where the pixels of an image go: its padded form, or a plain one.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Where pixel (0, 0) stands.
    pub begin: usize,
    /// Numbers from one row to the next.
    pub row: usize,
}

impl Place {
    /// Inside the padding of `layer`'s input.
    pub fn input(layer: &Layer) -> Self {
        let (window, [top, left]) = (layer.window(), layer.block.padding);
        Self { begin: top * window.row + left * window.pixel, row: window.row }
    }

    /// With nothing around `layer`'s output.
    pub fn output(layer: &Layer) -> Self {
        Self { begin: 0, row: layer.pooled[1] * layer.channels() }
    }
}

/// A block's output from its convolution's output `y`, to `place` of `out`.
#[inline(always)]
pub fn emit<S: Simd>(simd: S, layer: &Layer, affine: &Affine, y: &[f32], place: Place, out: &mut [f32]) {
    // A size that the compiler knows makes loops of the pool's windows straight code.
    match layer.block.pool {
        1 => emit_pool(simd, layer, affine, y, place, out, 1),
        2 => emit_pool(simd, layer, affine, y, place, out, 2),
        pool => emit_pool(simd, layer, affine, y, place, out, pool),
    }
}

#[inline(always)]
fn emit_pool<S: Simd>(simd: S, layer: &Layer, affine: &Affine, y: &[f32], place: Place, out: &mut [f32], pool: usize) {
    let (scale, shift) = (vectors::<S>(&affine.scale), vectors::<S>(&affine.shift));
    let bounds = bounds(simd, layer);
    let channels = layer.vectors();
    let width = layer.convolved[1] * channels;
    let y = vectors::<S>(y);
    for row in 0..layer.pooled[0] {
        let out = &mut out[place.begin + row * place.row..][..layer.pooled[1] * channels * S::F32_LANES];
        let y = &y[row * pool * width..][..pool * width];
        for c in 0..channels {
            let (scale, shift) = (scale[c], shift[c]);
            for (column, out) in vectors_mut::<S>(out).chunks_exact_mut(channels).enumerate() {
                let y = &y[column * pool * channels + c..];
                let mut most = clamp(simd, bounds, simd.mul_add_e_f32s(y[0], scale, shift));
                for at in window(pool, width, channels).skip(1) {
                    let value = clamp(simd, bounds, simd.mul_add_e_f32s(y[at], scale, shift));
                    most = simd.max_f32s(most, value);
                }
                out[c] = most;
            }
        }
    }
}

/// The way back: from the gradient `dz` of a block's output to that of the normalization's output, `g`, in the shape of `y`.
#[inline(always)]
pub fn absorb<S: Simd>(simd: S, layer: &Layer, affine: &Affine, y: &[f32], dz: &[f32], g: &mut [f32]) {
    match layer.block.pool {
        1 => absorb_pool(simd, layer, affine, y, dz, g, 1),
        2 => absorb_pool(simd, layer, affine, y, dz, g, 2),
        pool => absorb_pool(simd, layer, affine, y, dz, g, pool),
    }
}

#[inline(always)]
fn absorb_pool<S: Simd>(simd: S, layer: &Layer, affine: &Affine, y: &[f32], dz: &[f32], g: &mut [f32], pool: usize) {
    let (scale, shift) = (vectors::<S>(&affine.scale), vectors::<S>(&affine.shift));
    let bounds = bounds(simd, layer);
    let channels = layer.vectors();
    let width = layer.convolved[1] * channels;
    let (y, dz, g) = (vectors::<S>(y), vectors::<S>(dz), vectors_mut::<S>(g));
    let zero = simd.splat_f32s(0.0);
    if pool * layer.pooled[0] < layer.convolved[0] || pool * layer.pooled[1] < layer.convolved[1] {
        g.fill(zero);
    }
    for row in 0..layer.pooled[0] {
        let y = &y[row * pool * width..][..pool * width];
        let g = &mut g[row * pool * width..][..pool * width];
        let dz = &dz[row * layer.pooled[1] * channels..][..layer.pooled[1] * channels];
        for c in 0..channels {
            let (scale, shift) = (scale[c], shift[c]);
            for (column, dz) in dz.chunks_exact(channels).enumerate() {
                let begin = column * pool * channels + c;
                let (y, g) = (&y[begin..], &mut g[begin..]);
                let mut most = clamp(simd, bounds, simd.mul_add_e_f32s(y[0], scale, shift));
                for at in window(pool, width, channels).skip(1) {
                    let value = clamp(simd, bounds, simd.mul_add_e_f32s(y[at], scale, shift));
                    most = simd.max_f32s(most, value);
                }
                // The first of equal values takes it all.
                let mut rest = dz[c];
                for at in window(pool, width, channels) {
                    let value = simd.mul_add_e_f32s(y[at], scale, shift);
                    let open =
                        simd.and_m32s(simd.less_than_f32s(bounds[0], value), simd.less_than_f32s(value, bounds[1]));
                    let taken = simd.equal_f32s(clamp(simd, bounds, value), most);
                    g[at] = simd.select_f32s(simd.and_m32s(open, taken), rest, zero);
                    rest = simd.select_f32s(taken, zero, rest);
                }
            }
        }
    }
}

/// In this order a NaN stays one.
#[inline(always)]
fn clamp<S: Simd>(simd: S, [least, greatest]: [S::f32s; 2], value: S::f32s) -> S::f32s {
    simd.min_f32s(greatest, simd.max_f32s(least, value))
}

/// Numbers of a window of the pool, in vectors from its first.
#[inline(always)]
fn window(pool: usize, row: usize, pixel: usize) -> impl Iterator<Item = usize> {
    (0..pool).flat_map(move |r| (0..pool).map(move |c| r * row + c * pixel))
}

#[inline(always)]
fn bounds<S: Simd>(simd: S, layer: &Layer) -> [S::f32s; 2] {
    let activation = layer.block.activation;
    [activation.least, activation.greatest].map(|bound| simd.splat_f32s(bound))
}

/// The gradient of a convolution's output is a·g + b·y + c in each channel.
#[derive(Clone, Debug, Default)]
pub struct Slope {
    pub a: Vec<f32>,
    pub b: Vec<f32>,
    pub c: Vec<f32>,
}

/// The gradient of the convolution's output, to its padded form.
#[inline(always)]
pub fn slope<S: Simd>(simd: S, layer: &Layer, slope: &Slope, g: &[f32], y: &[f32], dy: &mut [f32]) {
    let [a, b, c] = [&slope.a, &slope.b, &slope.c].map(|v| vectors::<S>(v));
    let (channels, dy) = (layer.vectors(), vectors_mut::<S>(dy));
    let width = layer.convolved[1] * channels;
    let step = layer.gradient_step() / S::F32_LANES;
    let rows = vectors::<S>(g).chunks_exact(width).zip(vectors::<S>(y).chunks_exact(width));
    for (row, (g, y)) in rows.enumerate() {
        let dy = &mut dy[layer.gradient_row(row) / S::F32_LANES..];
        let pixels = g.chunks_exact(channels).zip(y.chunks_exact(channels));
        for (column, (g, y)) in pixels.enumerate() {
            let dy = &mut dy[column * step..][..channels];
            for v in 0..channels {
                dy[v] = simd.mul_add_e_f32s(g[v], a[v], simd.mul_add_e_f32s(y[v], b[v], c[v]));
            }
        }
    }
}

/// Adds to `sums`, `[2, channels]`: Σ p and Σ p · (q − mean), over the pixels of an image. A row is added up in f32, rows in f64.
#[inline(always)]
pub fn moments<S: Simd>(simd: S, layer: &Layer, p: &[f32], q: &[f32], mean: &[f32], sums: &mut [f64]) {
    let (channels, lanes) = (layer.vectors(), S::F32_LANES);
    let (first, second) = sums.split_at_mut(channels * lanes);
    let width = layer.convolved[1] * channels;
    for (p, q) in vectors::<S>(p).chunks_exact(width).zip(vectors::<S>(q).chunks_exact(width)) {
        for v in 0..channels {
            let mean = vectors::<S>(mean)[v];
            let mut row = [simd.splat_f32s(0.0); 2];
            for (p, q) in p.chunks_exact(channels).zip(q.chunks_exact(channels)) {
                row[0] = simd.add_f32s(row[0], p[v]);
                row[1] = simd.mul_add_e_f32s(p[v], simd.sub_f32s(q[v], mean), row[1]);
            }
            for (sums, row) in [&mut *first, &mut *second].into_iter().zip(&row) {
                let row: &[f32] = pulp::bytemuck::cast_slice(core::slice::from_ref(row));
                for (sum, row) in sums[v * lanes..][..lanes].iter_mut().zip(row) {
                    *sum += f64::from(*row);
                }
            }
        }
    }
}

//! A convolution of one image, dense or of each channel on its own.

use core::array::from_fn;

use pulp::{Simd, as_arrays};

use crate::layer::Window;
use crate::pack::{WIDE, blocks};
use crate::simd::{vectors, vectors_mut};

/// Pixels of a row that are made at once. With [`WIDE`] vectors each, their sums fill 14 of AVX2's 16 registers.
const PIXELS: usize = 7;

/// What a convolution multiplies with and adds.
#[derive(Clone, Copy, Debug)]
pub struct Kernel<'a> {
    /// In the order of [`pack`](crate::pack).
    pub weights: &'a [f32],
    /// One for each channel out.
    pub bias: &'a [f32],
    pub depthwise: bool,
}

/// Convolves the padded image `x` to `y`, `[height, width, vectors]`.
#[inline(always)]
pub fn convolve<S: Simd>(simd: S, window: &Window, kernel: Kernel, x: &[f32], y: &mut [f32]) {
    if kernel.depthwise {
        return depthwise(simd, window, kernel, x, y);
    }
    let mut weights = vectors::<S>(kernel.weights);
    for (first, wide) in blocks(window.vectors) {
        let (block, rest) = weights.split_at(window.rows * window.taps * wide);
        let bias = &vectors::<S>(kernel.bias)[first..];
        match wide {
            WIDE => dense::<S, WIDE>(simd, window, block, bias, x, first, y),
            _ => dense::<S, 1>(simd, window, block, bias, x, first, y),
        }
        weights = rest;
    }
}

#[inline(always)]
fn dense<S: Simd, const V: usize>(
    simd: S,
    window: &Window,
    weights: &[S::f32s],
    bias: &[S::f32s],
    x: &[f32],
    first: usize,
    y: &mut [f32],
) {
    let weights = as_arrays::<V, _>(weights).0;
    let bias: [S::f32s; V] = from_fn(|v| bias[v]);
    let [height, width] = window.out;
    let y = vectors_mut::<S>(y);
    for row in 0..height {
        let y = &mut y[row * width * window.vectors..][..width * window.vectors];
        let mut column = 0;
        while column < width {
            let x = &x[window.begin(row) + column * window.step()..];
            let y = &mut y[column * window.vectors + first..];
            column += match width - column {
                1 => pixels::<S, 1, V>(simd, window, weights, bias, x, y),
                2 => pixels::<S, 2, V>(simd, window, weights, bias, x, y),
                3 => pixels::<S, 3, V>(simd, window, weights, bias, x, y),
                4 => pixels::<S, 4, V>(simd, window, weights, bias, x, y),
                5 => pixels::<S, 5, V>(simd, window, weights, bias, x, y),
                6 => pixels::<S, 6, V>(simd, window, weights, bias, x, y),
                _ => pixels::<S, PIXELS, V>(simd, window, weights, bias, x, y),
            };
        }
    }
}

/// Makes `P` neighbouring pixels and says how many.
#[inline(always)]
fn pixels<S: Simd, const P: usize, const V: usize>(
    simd: S,
    window: &Window,
    weights: &[[S::f32s; V]],
    bias: [S::f32s; V],
    x: &[f32],
    y: &mut [S::f32s],
) -> usize {
    let mut sums = [bias; P];
    for (row, weights) in weights.chunks_exact(window.taps).enumerate() {
        let x = &x[row * window.row..];
        let pixels: [&[f32]; P] = from_fn(|p| &x[p * window.step()..][..weights.len()]);
        for (tap, weights) in weights.iter().enumerate() {
            for p in 0..P {
                let x = simd.splat_f32s(pixels[p][tap]);
                for v in 0..V {
                    sums[p][v] = simd.mul_add_e_f32s(x, weights[v], sums[p][v]);
                }
            }
        }
    }
    for (p, sums) in sums.iter().enumerate() {
        y[p * window.vectors..][..V].copy_from_slice(sums);
    }
    P
}

#[inline(always)]
fn depthwise<S: Simd>(simd: S, window: &Window, kernel: Kernel, x: &[f32], y: &mut [f32]) {
    let (weights, bias) = (vectors::<S>(kernel.weights), vectors::<S>(kernel.bias));
    let (x, y) = (vectors::<S>(x), vectors_mut::<S>(y));
    let [height, width] = window.out;
    // In vectors, of which a pixel of the input has as many as one of the output.
    let channels = window.vectors;
    let (begin, row, step) = (window.begin(1) / S::F32_LANES, window.row / S::F32_LANES, window.step() / S::F32_LANES);
    let columns = window.taps / window.pixel;
    for (out, y) in y.chunks_exact_mut(channels).take(height * width).enumerate() {
        let x = &x[out / width * begin + out % width * step..];
        for (v, y) in y.iter_mut().enumerate() {
            let mut sum = bias[v];
            for (r, weights) in weights.chunks_exact(columns * channels).enumerate() {
                for (c, weights) in weights.chunks_exact(channels).enumerate() {
                    sum = simd.mul_add_e_f32s(x[r * row + c * channels + v], weights[v], sum);
                }
            }
            *y = sum;
        }
    }
}

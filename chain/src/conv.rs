//! A convolution of one image, dense or of each channel on its own.

use pulp::{Simd, as_arrays};

use crate::layer::Window;
use crate::pack::{WIDE, blocks};
use crate::simd::{vectors, vectors_mut};

/// Most pixels of a row that are made at once, by vectors each: as many as AVX2 has registers for their sums, the weights and a pixel; of one
/// vector each, as many as hide how long an addition takes.
const PIXELS: [usize; WIDE + 1] = [0, 7, 6];

/// Most pixels of a row that [`columns`] makes at once, beside three vectors of weights.
const COLUMNS: usize = 10;

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
        // One vector of three columns' sums leaves registers for the weights of all three.
        let by_columns = window.taps == 3 * window.pixel && window.stride[1] == 1;
        match wide {
            1 if by_columns && window.pixel == S::F32_LANES => {
                columns(simd, window, S::F32_LANES, block, bias[0], x, first, y);
            }
            1 if by_columns => columns(simd, window, window.pixel, block, bias[0], x, first, y),
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
    let bias: [S::f32s; V] = as_arrays(bias).0[0];
    let [height, width] = window.out;
    let y = vectors_mut::<S>(y);
    for row in 0..height {
        let y = &mut y[row * width * window.vectors..][..width * window.vectors];
        // Pieces of about one length: a short one would wait for its own sums.
        let pieces = width.div_ceil(PIXELS[V]);
        for piece in 0..pieces {
            let (column, end) = (piece * width / pieces, (piece + 1) * width / pieces);
            let x = &x[window.begin(row) + column * window.step()..];
            let y = &mut y[column * window.vectors + first..];
            match end - column {
                1 => pixels::<S, 1, V>(simd, window, weights, bias, x, y),
                2 => pixels::<S, 2, V>(simd, window, weights, bias, x, y),
                3 => pixels::<S, 3, V>(simd, window, weights, bias, x, y),
                4 => pixels::<S, 4, V>(simd, window, weights, bias, x, y),
                5 => pixels::<S, 5, V>(simd, window, weights, bias, x, y),
                6 => pixels::<S, 6, V>(simd, window, weights, bias, x, y),
                _ => pixels::<S, 7, V>(simd, window, weights, bias, x, y),
            }
        }
    }
}

/// Makes `P` neighbouring pixels.
#[inline(always)]
fn pixels<S: Simd, const P: usize, const V: usize>(
    simd: S,
    window: &Window,
    weights: &[[S::f32s; V]],
    bias: [S::f32s; V],
    x: &[f32],
    y: &mut [S::f32s],
) {
    let mut sums = [bias; P];
    // From a tap of the first pixel to the same tap of the last.
    let (step, span) = (window.step(), (P - 1) * window.step() + 1);
    for (row, weights) in weights.chunks_exact(window.taps).enumerate() {
        let x = &x[row * window.row..][..window.taps + span - 1];
        for (x, weights) in x.windows(span).zip(weights) {
            for p in 0..P {
                let x = simd.splat_f32s(x[p * step]);
                for v in 0..V {
                    sums[p][v] = simd.mul_add_e_f32s(x, weights[v], sums[p][v]);
                }
            }
        }
    }
    for (p, sums) in sums.iter().enumerate() {
        y[p * window.vectors..][..V].copy_from_slice(sums);
    }
}

/// As [`dense`] with one vector, for kernels of three columns and neighbouring windows: a number of the image meets the weights of all three columns
/// at once. `pixel` is the window's; where the compiler knows it, addresses are constants.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn columns<S: Simd>(
    simd: S,
    window: &Window,
    pixel: usize,
    weights: &[S::f32s],
    bias: S::f32s,
    x: &[f32],
    first: usize,
    y: &mut [f32],
) {
    let [height, width] = window.out;
    let y = vectors_mut::<S>(y);
    let pieces = width.div_ceil(COLUMNS);
    for row in 0..height {
        for piece in 0..pieces {
            let (column, end) = (piece * width / pieces, (piece + 1) * width / pieces);
            let x = &x[window.begin(row) + column * pixel..];
            let y = &mut y[(row * width + column) * window.vectors + first..];
            match end - column {
                1 => column_pixels::<S, 1>(simd, window, pixel, weights, bias, x, y),
                2 => column_pixels::<S, 2>(simd, window, pixel, weights, bias, x, y),
                3 => column_pixels::<S, 3>(simd, window, pixel, weights, bias, x, y),
                4 => column_pixels::<S, 4>(simd, window, pixel, weights, bias, x, y),
                5 => column_pixels::<S, 5>(simd, window, pixel, weights, bias, x, y),
                6 => column_pixels::<S, 6>(simd, window, pixel, weights, bias, x, y),
                7 => column_pixels::<S, 7>(simd, window, pixel, weights, bias, x, y),
                8 => column_pixels::<S, 8>(simd, window, pixel, weights, bias, x, y),
                9 => column_pixels::<S, 9>(simd, window, pixel, weights, bias, x, y),
                _ => column_pixels::<S, COLUMNS>(simd, window, pixel, weights, bias, x, y),
            }
        }
    }
}

#[inline(always)]
fn column_pixels<S: Simd, const P: usize>(
    simd: S,
    window: &Window,
    pixel: usize,
    weights: &[S::f32s],
    bias: S::f32s,
    x: &[f32],
    y: &mut [S::f32s],
) {
    let mut sums = [bias; P];
    // From a channel of the first pixel to the same channel of the last that is read.
    let span = (P + 1) * pixel + 1;
    for (row, weights) in weights.chunks_exact(3 * pixel).enumerate() {
        let x = &x[row * window.row..][..pixel + span - 1];
        let (left, rest) = weights.split_at(pixel);
        let (middle, right) = rest.split_at(pixel);
        for (x, (left, (middle, right))) in x.windows(span).zip(left.iter().zip(middle.iter().zip(right))) {
            for p in 0..P + 2 {
                let x = simd.splat_f32s(x[p * pixel]);
                if p < P {
                    sums[p] = simd.mul_add_e_f32s(x, *left, sums[p]);
                }
                if (1..=P).contains(&p) {
                    sums[p - 1] = simd.mul_add_e_f32s(x, *middle, sums[p - 1]);
                }
                if p >= 2 {
                    sums[p - 2] = simd.mul_add_e_f32s(x, *right, sums[p - 2]);
                }
            }
        }
    }
    for (p, sum) in sums.iter().enumerate() {
        y[p * window.vectors] = *sum;
    }
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

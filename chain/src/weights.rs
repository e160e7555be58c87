//! The gradient of a kernel: what each weight was multiplied with, times the gradient of what it was added to.

use core::array::from_fn;

use pulp::Simd;

use crate::layer::Layer;
use crate::pack::{WIDE, blocks};
use crate::simd::{vectors, vectors_mut};

/// Adds one image's part to `gradient` (in the order of [`Layer::packed_gradient`]). `x` is the padded image, `dy` the padded gradient of the
/// convolution's output.
#[inline(always)]
pub fn accumulate<S: Simd>(simd: S, layer: &Layer, x: &[f32], dy: &[f32], gradient: &mut [f32]) {
    if layer.block.depthwise {
        return depthwise(simd, layer, x, dy, gradient);
    }
    let (window, dy) = (layer.window(), vectors::<S>(dy));
    let gradient = vectors_mut::<S>(gradient);
    for (row, gradient) in gradient.chunks_exact_mut(window.taps * window.vectors).enumerate() {
        let x = &x[row * window.row..];
        for (first, wide) in blocks(window.vectors) {
            let mut tap = 0;
            while tap < window.taps {
                let place = Place { tap, first };
                let left = window.taps - tap;
                tap += match wide {
                    WIDE if left >= 6 => taps::<S, 6, WIDE>(simd, layer, x, dy, place, gradient),
                    WIDE if left >= 3 => taps::<S, 3, WIDE>(simd, layer, x, dy, place, gradient),
                    WIDE => taps::<S, 1, WIDE>(simd, layer, x, dy, place, gradient),
                    _ if left >= 12 => taps::<S, 12, 1>(simd, layer, x, dy, place, gradient),
                    _ if left >= 3 => taps::<S, 3, 1>(simd, layer, x, dy, place, gradient),
                    _ => taps::<S, 1, 1>(simd, layer, x, dy, place, gradient),
                };
            }
        }
    }
}

/// The first tap and the first vector of the output.
#[derive(Clone, Copy)]
struct Place {
    tap: usize,
    first: usize,
}

/// The gradients of `T` taps to `V` vectors, over the whole image. Says how many taps.
#[inline(always)]
fn taps<S: Simd, const T: usize, const V: usize>(
    simd: S,
    layer: &Layer,
    x: &[f32],
    dy: &[S::f32s],
    Place { tap, first }: Place,
    gradient: &mut [S::f32s],
) -> usize {
    let window = layer.window();
    let [height, width] = window.out;
    let (x_step, dy_step) = (window.step(), layer.gradient_step() / S::F32_LANES);
    let mut sums: [[S::f32s; V]; T] = from_fn(|t| from_fn(|v| gradient[(tap + t) * window.vectors + first + v]));
    for row in 0..height {
        let mut x = &x[window.begin(row) + tap..];
        let mut dy = &dy[layer.gradient_row(row) / S::F32_LANES + first..];
        for column in 0..width {
            let (pixel, gradient) = (&x[..T], &dy[..V]);
            for t in 0..T {
                let pixel = simd.splat_f32s(pixel[t]);
                for v in 0..V {
                    sums[t][v] = simd.mul_add_e_f32s(pixel, gradient[v], sums[t][v]);
                }
            }
            if column + 1 < width {
                (x, dy) = (&x[x_step..], &dy[dy_step..]);
            }
        }
    }
    for (t, sums) in sums.iter().enumerate() {
        gradient[(tap + t) * window.vectors + first..][..V].copy_from_slice(sums);
    }
    T
}

#[inline(always)]
fn depthwise<S: Simd>(simd: S, layer: &Layer, x: &[f32], dy: &[f32], gradient: &mut [f32]) {
    let (window, lanes) = (layer.window(), S::F32_LANES);
    let (x, dy, gradient) = (vectors::<S>(x), vectors::<S>(dy), vectors_mut::<S>(gradient));
    let [height, width] = window.out;
    let columns = layer.block.kernel[1];
    for (tap, gradient) in gradient.chunks_exact_mut(window.vectors).enumerate() {
        let offset = tap / columns * window.row / lanes + tap % columns * window.vectors;
        for row in 0..height {
            let x = &x[window.begin(row) / lanes + offset..];
            let dy = &dy[layer.gradient_row(row) / lanes..];
            for column in 0..width {
                let x = &x[column * window.step() / lanes..][..window.vectors];
                let dy = &dy[column * layer.gradient_step() / lanes..][..window.vectors];
                for ((sum, x), dy) in gradient.iter_mut().zip(x).zip(dy) {
                    *sum = simd.mul_add_e_f32s(*x, *dy, *sum);
                }
            }
        }
    }
}

//! The gradient of a kernel: what each weight was multiplied with, times the gradient of what it was added to.

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
                // A tile reads numbers of one pixel and its neighbours to the right: no more than there are from one pixel to the next.
                let left = (window.taps - tap).min(window.step());
                tap += match wide {
                    WIDE if left >= 6 => taps::<S, 6, WIDE>(simd, layer, x, dy, place, gradient),
                    WIDE if left >= 3 => taps::<S, 3, WIDE>(simd, layer, x, dy, place, gradient),
                    WIDE => taps::<S, 1, WIDE>(simd, layer, x, dy, place, gradient),
                    _ if left >= 12 => taps::<S, 12, 1>(simd, layer, x, dy, place, gradient),
                    _ if left >= 8 => taps::<S, 8, 1>(simd, layer, x, dy, place, gradient),
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
    assert!(T <= x_step && V <= dy_step, "taps of one pixel, vectors of one pixel");
    let mut sums = [[simd.splat_f32s(0.0); V]; T];
    for row in 0..height {
        let x = &x[window.begin(row) + tap..][..width * x_step];
        let dy = &dy[layer.gradient_row(row) / S::F32_LANES + first..][..width * dy_step];
        for (x, dy) in x.chunks_exact(x_step).zip(dy.chunks_exact(dy_step)) {
            for t in 0..T {
                let x = simd.splat_f32s(x[t]);
                for v in 0..V {
                    sums[t][v] = simd.mul_add_e_f32s(x, dy[v], sums[t][v]);
                }
            }
        }
    }
    for (t, sums) in sums.iter().enumerate() {
        let gradient = &mut gradient[(tap + t) * window.vectors + first..][..V];
        for v in 0..V {
            gradient[v] = simd.add_f32s(gradient[v], sums[v]);
        }
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

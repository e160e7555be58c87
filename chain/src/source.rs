//! What a layer reads, brought into the form in which its convolution reads it; and images to and from pixels with their channels side by side.

use pulp::Simd;

use crate::forward::Kept;
use crate::layer::Layer;
use crate::points::{Place, emit};

/// What a layer reads.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Images `[N, channels, height, width]`.
    Images(&'a [f32]),
    /// The layer before.
    Layer(&'a Kept),
}

impl Source<'_> {
    /// Brings image `index` into the padded form that `layer` reads.
    #[inline(always)]
    pub fn fetch<S: Simd>(&self, simd: S, layer: &Layer, index: usize, x: &mut [f32]) {
        match self {
            Self::Layer(kept) => {
                let plane = kept.layer.plane();
                emit(simd, &kept.layer, &kept.affine, &kept.y[index * plane..][..plane], Place::input(layer), x);
            }
            Self::Images(images) => {
                let len = layer.block.inputs * layer.size[0] * layer.size[1];
                let image = &images[index * len..][..len];
                if layer.gathered { gather(layer, image, x) } else { pixels(layer, image, x) }
            }
        }
    }
}

/// An image's pixels, its channels side by side, inside the padding.
fn pixels(layer: &Layer, image: &[f32], x: &mut [f32]) {
    let ([height, width], place) = (layer.size, Place::input(layer));
    for (channel, plane) in image.chunks_exact(height * width).enumerate() {
        for (row, plane) in plane.chunks_exact(width).enumerate() {
            let x = &mut x[place.begin + row * place.row + channel..];
            for (x, value) in x.iter_mut().step_by(layer.pixel).zip(plane) {
                *x = *value;
            }
        }
    }
}

/// For each pixel of the output the window that it is made from: rows, columns, channels. What lies outside the image stays zero.
fn gather(layer: &Layer, image: &[f32], x: &mut [f32]) {
    let (block, [height, width]) = (&layer.block, layer.size);
    let ([rows, columns], taps) = (block.kernel, layer.window().taps);
    for tap in 0..taps {
        let (channel, place) = (tap % block.inputs, tap / block.inputs);
        let plane = &image[channel * height * width..][..height * width];
        let inside = |d: usize, offset: usize| {
            let first = block.padding[d].saturating_sub(offset).div_ceil(block.stride[d]);
            let end = (layer.size[d] + block.padding[d]).saturating_sub(offset).div_ceil(block.stride[d]);
            first..end.min(layer.convolved[d])
        };
        let (row, column) = (place / columns, place % columns);
        let across = inside(1, column);
        if across.is_empty() {
            continue;
        }
        for out in inside(0, row) {
            let plane = &plane[(out * block.stride[0] + row - block.padding[0]) * width..][..width];
            let plane = &plane[across.start * block.stride[1] + column - block.padding[1]..];
            let x = &mut x[(out * layer.convolved[1] + across.start) * taps..][..across.len() * taps];
            let windows = x.chunks_exact_mut(taps);
            match block.stride[1] {
                1 => windows.zip(plane).for_each(|(window, value)| window[tap] = *value),
                stride => windows.zip(plane.iter().step_by(stride)).for_each(|(window, value)| window[tap] = *value),
            }
        }
    }
    debug_assert_eq!(taps, rows * columns * block.inputs);
}

/// From pixels of `channels` numbers to planes of `pixels` numbers, as many as `out` holds.
pub fn channel_first(image: &[f32], channels: usize, pixels: usize, out: &mut [f32]) {
    for (channel, plane) in out.chunks_exact_mut(pixels).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(image.chunks_exact(channels)) {
            *value = pixel[channel];
        }
    }
}

/// From planes to pixels of `channels` numbers; what is beyond the planes stays.
pub fn pixel_first(planes: &[f32], channels: usize, pixels: usize, image: &mut [f32]) {
    for (channel, plane) in planes.chunks_exact(pixels).enumerate() {
        for (value, pixel) in plane.iter().zip(image.chunks_exact_mut(channels)) {
            pixel[channel] = *value;
        }
    }
}

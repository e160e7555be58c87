//! Largest value of each window; padding never wins. Input and output share scale, zero point and layout.

use super::Step;
use crate::arch;
use crate::plan::{Layout, Uses};
use crate::ring::{RowMut, Rows};

/// One output row; `rows` begins with the first row of the window that lies in the map.
pub fn row(step: &Step, rows: &Rows, out: &mut RowMut) {
    let dilations = step.operator.dilations.map(usize::from);
    let [pad_y, pad_x, ..] = step.operator.pads.map(usize::from);
    let left = step.input.pads[1] as usize;
    let start_y = step.at as usize;
    let taps_y = step.taps(0, start_y, step.input.height as usize);
    for x in 0..step.output.width as usize {
        let start_x = x * step.operator.strides[1] as usize;
        let taps_x = step.taps(1, start_x, step.input.width as usize);
        for channel in 0..step.output.channels as usize {
            let mut largest = i8::MIN;
            for ky in taps_y.clone() {
                let row = rows.channel(start_y + ky * dilations[0] - start_y.max(pad_y), channel);
                for kx in taps_x.clone() {
                    largest = largest.max(row.get(left + start_x + kx * dilations[1] - pad_x));
                }
            }
            out.channel(channel).put(x, largest);
        }
    }
}

/// Takes one row into a row of the output, where windows do not overlap: the map itself is never held.
///
/// `USES` is what the plan uses, for the compiler to leave out the rest.
#[inline(never)]
pub fn merge<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    let (input, output) = (step.input, step.output);
    let [window_h, window_w] = step.operator.window.map(usize::from);
    let window = Window {
        len: window_w,
        stride: step.operator.strides[1] as usize,
        is_first: step.at as usize == step.row as usize * window_h,
    };
    let row_len = output.width as usize * output.lanes();
    let planes = rows.slot(0).chunks_exact(input.plane_len()).zip(out.slot().chunks_exact_mut(output.plane_len()));
    for (from, to) in planes {
        let from = &from[input.pads[1] as usize * input.lanes()..];
        let to = &mut to[output.pads[1] as usize * output.lanes()..][..row_len];
        match input.layout {
            Layout::Quads if const { Uses(USES).merging_pool(Layout::Quads) } => window.merge_words(from, to),
            Layout::Pairs if const { Uses(USES).merging_pool(Layout::Pairs) } => {
                window.merge_pairs(from, to, |a, b| (a as i8).max(b as i8) as u8)
            }
            Layout::UnsignedPairs if const { Uses(USES).merging_pool(Layout::UnsignedPairs) } => {
                window.merge_pairs(from, to, u8::max)
            }
            Layout::ChannelsLast if const { Uses(USES).merging_pool(Layout::ChannelsLast) } => {
                window.merge_bytes(from, to, input.lanes());
            }
            _ => unreachable!(), // the engine has held USES against the plan
        }
    }
}

/// Pixels side by side of which the largest is wanted.
struct Window {
    len: usize,
    stride: usize,
    /// Whether it is the first row of the window, so that nothing is there yet.
    is_first: bool,
}

impl Window {
    /// Pixels that are words, lane by lane.
    #[inline(always)]
    fn merge_words(&self, from: &[u8], to: &mut [u8]) {
        let word = |pixel: &[u8; 4]| u32::from_le_bytes(*pixel);
        let (taps, _) = from.as_chunks::<4>();
        let (pixels, _) = to.as_chunks_mut::<4>();
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let taps = &taps[i * self.stride..][..self.len];
            let mut largest = taps[1..].iter().fold(word(&taps[0]), |largest, tap| arch::max_bytes(largest, word(tap)));
            if !self.is_first {
                largest = arch::max_bytes(largest, word(pixel));
            }
            *pixel = largest.to_le_bytes();
        }
    }

    /// Pixels of two bytes.
    #[inline(always)]
    fn merge_pairs(&self, from: &[u8], to: &mut [u8], max: impl Fn(u8, u8) -> u8) {
        let two = |taps: &[u8; 4]| [max(taps[0], taps[2]), max(taps[1], taps[3])];
        let merge = |pixel: &mut [u8; 2], [a, b]: [u8; 2]| {
            *pixel = if self.is_first { [a, b] } else { [max(a, pixel[0]), max(b, pixel[1])] };
        };
        let (pixels, _) = to.as_chunks_mut::<2>();
        if (self.len, self.stride) == (2, 2) {
            // The usual one, without a look at a length inside.
            let (taps, _) = from.as_chunks::<4>();
            pixels.iter_mut().zip(taps).for_each(|(pixel, taps)| merge(pixel, two(taps)));
            return;
        }
        let (taps, _) = from.as_chunks::<2>();
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let taps = &taps[i * self.stride..][..self.len];
            let largest = taps[1..].iter().fold(taps[0], |a, b| two(&[a[0], a[1], b[0], b[1]]));
            merge(pixel, largest);
        }
    }

    /// Int8 of any number of channels, lane after lane.
    #[inline(always)]
    fn merge_bytes(&self, from: &[u8], to: &mut [u8], lanes: usize) {
        for (i, pixel) in to.chunks_exact_mut(lanes).enumerate() {
            let taps = &from[i * self.stride * lanes..];
            for (lane, value) in pixel.iter_mut().enumerate() {
                let mut largest = if self.is_first { i8::MIN } else { *value as i8 };
                for tap in 0..self.len {
                    largest = largest.max(taps[tap * lanes + lane] as i8);
                }
                *value = largest as u8;
            }
        }
    }
}

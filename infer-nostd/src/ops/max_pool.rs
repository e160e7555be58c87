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
pub fn merge<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    let operator = step.operator;
    let is_first = step.at as usize == step.row as usize * operator.window[0] as usize;
    if const { !Uses(USES).merging_windows() } || operator.merges_twos(step.output) {
        return merge_twos::<USES>(step, rows, out, is_first);
    }
    let window = Window { len: operator.window[1] as usize, stride: operator.strides[1] as usize, is_first };
    merge_windows::<USES>(step, rows, out, &window);
}

/// The usual windows, two pixels wide, without a look at a length inside.
#[inline(never)]
fn merge_twos<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut, is_first: bool) {
    each_plane(step, rows, out, |from, to| match step.input.layout {
        Layout::Pairs if const { Uses(USES).merging_pool(Layout::Pairs) } => {
            merge_two_pairs(from, to, is_first, |a, b| (a as i8).max(b as i8) as u8);
        }
        Layout::UnsignedPairs if const { Uses(USES).merging_pool(Layout::UnsignedPairs) } => {
            merge_two_pairs(from, to, is_first, u8::max);
        }
        _ => arch::merge_two_words(from, to, is_first),
    });
}

/// Any other windows.
#[inline(never)]
fn merge_windows<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut, window: &Window) {
    each_plane(step, rows, out, |from, to| match step.input.layout {
        Layout::Quads if const { Uses(USES).merging_pool(Layout::Quads) } => window.merge_words(from, to),
        Layout::Pairs if const { Uses(USES).merging_pool(Layout::Pairs) } => {
            window.merge_pairs(from, to, |a, b| (a as i8).max(b as i8) as u8);
        }
        Layout::UnsignedPairs if const { Uses(USES).merging_pool(Layout::UnsignedPairs) } => {
            window.merge_pairs(from, to, u8::max);
        }
        _ => window.merge_bytes(from, to, step.input.lanes()),
    });
}

/// Each plane of the input's row from the map's left edge on, and the output's of the map's width.
#[inline(always)]
fn each_plane(step: &Step, rows: &Rows, out: &mut RowMut, work: impl Fn(&[u8], &mut [u8])) {
    let (input, output) = (step.input, step.output);
    let (from, to) = (rows.slot(0), out.slot());
    let row_len = output.width as usize * output.lanes();
    let mut from_at = input.pads[1] as usize * input.lanes();
    let mut to_at = output.pads[1] as usize * output.lanes();
    for _ in 0..input.planes() {
        work(&from[from_at..], &mut to[to_at..to_at + row_len]);
        from_at += input.plane_len();
        to_at += output.plane_len();
    }
}

/// Pixels of two bytes: the largest of every two, and of what was there unless it `is_first`.
#[inline(always)]
fn merge_two_pairs(from: &[u8], to: &mut [u8], is_first: bool, max: impl Fn(u8, u8) -> u8) {
    let ((from, _), (to, _)) = (from.as_chunks::<4>(), to.as_chunks_mut::<2>());
    for (&[a, b, c, d], to) in from.iter().zip(to) {
        let [a, b] = [max(a, c), max(b, d)];
        *to = if is_first { [a, b] } else { [max(a, to[0]), max(b, to[1])] };
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
        let ((taps, _), (pixels, _)) = (from.as_chunks::<4>(), to.as_chunks_mut::<4>());
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

//! Weights in the order the engine's loops read them, and the tables of biases and multipliers.
//!
//! The arithmetic is infer-nostd's `fixed`; here its constants are made, in f64, and the bounds are proven.

use super::file::packed_i8;
use super::{Place, PlanError};
use crate::graph::Activation;
use crate::quantize::Weights;
use infer_nostd::fixed;
use infer_nostd::plan::{Kernel, Operator, Run, Taps, Tensor};
use std::array;
use std::ops::RangeInclusive;

/// Words of an operator's table, and the shift its multipliers were made for.
#[derive(Debug, Default)]
pub struct Table {
    pub words: Vec<u32>,
    pub shift_bits: u8,
    /// Whether accumulators fit 24 bits.
    pub fits_24_bits: bool,
}

/// Most fraction bits of a sum's weights.
const MAX_SUM_BITS: u32 = 30;

/// \[O\]\[C\]\[KH\]\[KW\] → \[O\]\[KH\]\[KW\]\[C\].
pub fn conv2d(weights: &Weights) -> Vec<i8> {
    let [outputs, channels, height, width] = weights.shape;
    let at = |o, ky, kx, c| weights.values[((o * channels + c) * height + ky) * width + kx];
    let pixel = |o, ky, kx| (0..channels).map(move |c| at(o, ky, kx, c));
    let row = |o, ky| (0..width).flat_map(move |kx| pixel(o, ky, kx));
    (0..outputs).flat_map(|o| (0..height).flat_map(move |ky| row(o, ky))).collect()
}

/// \[C\]\[1\]\[KH\]\[KW\] → \[KH\]\[KW\]\[C\].
pub fn depthwise(weights: &Weights) -> Vec<i8> {
    let [channels, _, height, width] = weights.shape;
    let taps = height * width;
    (0..taps).flat_map(|tap| (0..channels).map(move |c| weights.values[c * taps + tap])).collect()
}

/// \[O\]\[C·H·W\] → \[H\]\[O\]\[plane\]\[W\]\[lane\], 0 for lanes beyond the last channel.
pub fn dense(weights: &Weights, input: &Tensor) -> Vec<i8> {
    let [outputs, channels, height, width] =
        [weights.shape[0], input.channels.into(), input.height.into(), input.width.into()];
    let (planes, lanes) = (input.planes(), input.lanes());
    let at = |o, c, y, x| match c < channels {
        true => weights.values[((o * channels + c) * height + y) * width + x],
        false => 0,
    };
    let pixel = |o, plane, y, x| (0..lanes).map(move |lane| at(o, plane * lanes + lane, y, x));
    let row = |o, y| (0..planes).flat_map(move |plane| (0..width).flat_map(move |x| pixel(o, plane, y, x)));
    (0..height).flat_map(|y| (0..outputs).flat_map(move |o| row(o, y))).collect()
}

/// \[H\], groups of outputs, steps of four inputs, of a kernel for dense layers.
pub fn dense_groups(operator: &Operator, weights: &Weights, input: &Tensor) -> Vec<u32> {
    let (outputs, len) = (weights.shape[0], input.dense_row_len());
    let values = dense(weights, input);
    let weight = |y: usize, output: usize, i: usize| match output < outputs && i < len {
        true => i32::from(values[(y * outputs + output) * len + i]),
        false => 0,
    };
    let group = operator.kernel.group(Taps::of(operator));
    let mut words = Vec::new();
    for y in 0..usize::from(input.height) {
        for first in (0..outputs).step_by(group) {
            for i in (0..len).step_by(4) {
                let at = |member: usize, lane: usize| weight(y, first + member, i + lane);
                match operator.kernel {
                    Kernel::DenseOctets => words.extend(octets_step(at)),
                    _ => words.extend((0..group).map(|member| duals_word(|lane| at(member, lane)))),
                }
            }
        }
    }
    words
}

/// Of eight outputs for inputs 0 and 2, then 1 and 3, a word for each two outputs, the weights of one input in each half as w₀ + w₁·2^8.
fn octets_step(weight: impl Fn(usize, usize) -> i32) -> [u32; 8] {
    let half = |member, lane| (weight(member, lane) + (weight(member + 1, lane) << 8)) as u16;
    array::from_fn(|i| {
        let (member, lane) = (i % 4 * 2, i / 4);
        u32::from(half(member, lane)) | u32::from(half(member, lane + 2)) << 16
    })
}

/// The weights of one output for four inputs, a byte each: 128 more.
fn duals_word(weight: impl Fn(usize) -> i32) -> u32 {
    u32::from_le_bytes(array::from_fn(|lane| (weight(lane) + 128) as u8))
}

/// A dense kernel's table: of each group its biases, then its multipliers.
pub fn dense_table(operator: &Operator, table: &[u32]) -> Vec<u32> {
    let group = operator.kernel.group(Taps::of(operator));
    let entry = |output: usize, i: usize, filling: u32| table.get(2 * output + i).copied().unwrap_or(filling);
    let of_group = |first: usize| {
        let outputs = first..first + group;
        let biases = outputs.clone().map(move |output| entry(output, 0, 0));
        biases.chain(outputs.map(move |output| entry(output, 1, 1)))
    };
    (0..table.len() / 2).step_by(group).flat_map(of_group).collect()
}

/// The stream that a kernel reads: for each group of output channels biases, weights step by step, multipliers. The last group is filled up
/// with channels of weight 0.
pub fn stream(operator: &Operator, weights: &Weights, table: &[u32], input: &Tensor) -> Vec<u32> {
    let taps = Taps::of(operator);
    let group = operator.kernel.group(taps);
    let entry = |channel: usize, i: usize, filling: u32| table.get(2 * channel + i).copied().unwrap_or(filling);
    let mut words = Vec::new();
    for first in (0..weights.shape[0]).step_by(group) {
        let biases = (first..first + group).map(|channel| entry(channel, 0, 0));
        match operator.kernel {
            Kernel::Long => words.extend(long_biases(&biases.collect::<Vec<_>>())),
            Kernel::WidenedDuals => words.extend(dual_biases(&biases.collect::<Vec<_>>())),
            _ => words.extend(biases),
        }
        let channels = Group { weights, first, input, taps };
        words.extend(channels.words(operator.kernel));
        words.extend((first..first + group).map(|channel| entry(channel, 1, 1)));
    }
    words
}

/// The same for a depthwise kernel, which has a step for each pixel of the window.
pub fn depthwise_stream(operator: &Operator, weights: &Weights, table: &[u32], input: &Tensor) -> Vec<u32> {
    let [channels, _, height, width] = weights.shape;
    let taps = height * width;
    let group = operator.kernel.group(Taps::of(operator));
    let at = |channel: usize, tap: usize| if channel < channels { weights.values[channel * taps + tap] } else { 0 };
    let entry = |channel: usize, i: usize, filling: u32| table.get(2 * channel + i).copied().unwrap_or(filling);
    let mut words = Vec::new();
    for first in (0..channels).step_by(group) {
        let members = || first..first + group;
        // What is stored is so much more than the activation it stands for.
        let stored = i32::from(input.layout.flip());
        let sum = |channel| (0..taps).map(|tap| i32::from(at(channel, tap))).sum::<i32>();
        words.extend(members().map(|channel| entry(channel, 0, 0).wrapping_sub((stored * sum(channel)) as u32)));
        let weights: Vec<i8> = (0..taps).flat_map(|tap| members().map(move |channel| at(channel, tap))).collect();
        match operator.kernel {
            Kernel::DepthwiseUnsigned32 => words.extend(weights.iter().map(|&weight| i32::from(weight) as u32)),
            Kernel::DepthwiseThree => words.extend(three_by_three(&weights)),
            _ => words.extend(packed_i8(&weights)),
        }
        words.extend(members().map(|channel| entry(channel, 1, 1)));
    }
    words
}

/// The weights of four channels, \[9\]\[4\]: eight of each, in the order in which [`Kernel::DepthwiseThree`] unpacks them, then the last of all.
fn three_by_three(weights: &[i8]) -> Vec<u32> {
    let eight = |channel: usize| [0, 1, 3, 4, 2, 6, 5, 7].map(|tap| weights[4 * tap + channel]);
    let last = (0..4).map(|channel| weights[32 + channel]);
    packed_i8(&(0..4).flat_map(eight).chain(last).collect::<Vec<_>>())
}

/// Biases in pairs, each one word of 64 bits: b₀ + b₁·2^24.
fn long_biases(biases: &[u32]) -> Vec<u32> {
    let pair = |pair: &[u32]| {
        let sum = i64::from(pair[0] as i32) + (i64::from(pair[1] as i32) << 24);
        [sum as u32, (sum >> 32) as u32]
    };
    biases.chunks_exact(2).flat_map(pair).collect()
}

/// Biases in pairs, what the sums of two channels begin with whose weights share 16 bits: b₀ and b₀ + b₁·2^8.
fn dual_biases(biases: &[u32]) -> Vec<u32> {
    biases.chunks_exact(2).flat_map(|pair| [pair[0], pair[0].wrapping_add(pair[1] << 8)]).collect()
}

/// Output channels whose weights are interleaved.
struct Group<'a> {
    weights: &'a Weights,
    first: usize,
    input: &'a Tensor,
    taps: Taps,
}

impl Group<'_> {
    /// The weights of all steps.
    fn words(&self, kernel: Kernel) -> Vec<u32> {
        let [.., height, width] = self.weights.shape;
        let rows = height.div_ceil(self.input.rows_a_step());
        let steps = rows * (width / self.taps.count()) * self.input.planes();
        if kernel == Kernel::Plain {
            let lanes = |step| (0..2).flat_map(move |lane| (0..self.taps.count()).map(move |tap| (step, lane, tap)));
            let weights = (0..steps).flat_map(lanes).map(|(step, lane, tap)| self.weight(step, tap, lane, 0) as i8);
            return packed_i8(&weights.collect::<Vec<_>>());
        }
        let taps: Vec<(usize, usize)> =
            (0..steps).flat_map(|step| (0..self.taps.count()).map(move |tap| (step, tap))).collect();
        if kernel == Kernel::Spread8 {
            let lanes = |&(step, tap): &(usize, usize)| [0, 1].map(|lane| self.weight(step, tap, lane, 0) as i8);
            return packed_i8(&taps.iter().flat_map(lanes).collect::<Vec<_>>());
        }
        if kernel == Kernel::Spread16 {
            let word = |tap: Option<&(usize, usize)>, member| {
                let at = |lane| tap.map_or(0, |&(step, tap)| self.weight(step, tap, lane, member));
                at(1).wrapping_add(at(0) << 16) as u32
            };
            let two = |taps: &[(usize, usize)]| {
                [0, 1].map(|member| [word(taps.first(), member), word(taps.get(1), member)]).concat()
            };
            return taps.chunks(2).flat_map(two).collect();
        }
        if kernel == Kernel::Image16 && self.taps != Taps::Three {
            return self.runs();
        }
        let at_once = if kernel == Kernel::Image16 { 2 } else { 1 };
        (0..steps).step_by(at_once).flat_map(|step| self.step(kernel, step)).collect()
    }

    /// The weights of a window whose rows are runs of bytes: for each step a word for each of two channels.
    fn runs(&self) -> Vec<u32> {
        let [.., height, width] = self.weights.shape;
        let channels = usize::from(self.input.channels);
        let run = Run { len: width * channels };
        let weight = |row: usize, step: usize, member: usize, lane: usize| match run.byte(step, lane) {
            (byte, true) => self.value(self.first + member, byte % channels, row, byte / channels),
            _ => 0,
        };
        let steps = (0..height).flat_map(|row| (0..run.steps()).map(move |step| (row, step)));
        let word = |row, step, member| halves([0, 1].map(|lane| weight(row, step, member, lane)));
        steps.flat_map(|(row, step)| [0, 1].map(|member| word(row, step, member))).collect()
    }

    /// The words of one step, or of two for a kernel that takes two at once.
    fn step(&self, kernel: Kernel, step: usize) -> Vec<u32> {
        let count = self.taps.count();
        let bytes = |w: [i32; 4]| u32::from_le_bytes(w.map(|w| w as i8 as u8));
        let at = |tap, lane, member| self.weight(step, tap, lane, member);
        // The DSP kernels take three taps of one channel or one tap of two.
        let members = if self.taps == Taps::Three { 1 } else { 2 };
        let each = (0..count).flat_map(|tap| (0..members).map(move |member| (tap, member)));
        match kernel {
            Kernel::Widened16 | Kernel::WidenedOdd16 => {
                let pass = |lane| each.clone().map(move |(tap, m)| halves([at(tap, lane, m), at(tap, lane + 2, m)]));
                let is_half = kernel == Kernel::WidenedOdd16 && (step + 1).is_multiple_of(self.input.planes());
                (0..if is_half { 1 } else { 2 }).flat_map(pass).collect()
            }
            Kernel::WidenedDuals => {
                let dual = |lane, m| at(0, lane, m) + (at(0, lane, m + 1) << 8);
                let pass = |lane| [0, 2].map(move |m| halves([dual(lane, m), dual(lane + 2, m)]));
                [0, 1].into_iter().flat_map(pass).collect()
            }
            Kernel::Image16 => {
                each.map(|(tap, m)| halves([step, step + 1].map(|step| self.weight(step, tap, 0, m)))).collect()
            }
            Kernel::Widened8 | Kernel::Narrow8 => {
                each.map(|(tap, m)| bytes([0, 1, 2, 3].map(|lane| at(tap, lane, m)))).collect()
            }
            Kernel::Long => {
                let pairs = if self.taps == Taps::Three { 1 } else { 2 };
                let pair = |lane: usize, tap: usize, m: usize| {
                    at(tap, lane, 2 * m).wrapping_add(at(tap, lane, 2 * m + 1) << 24) as u32
                };
                let tap = |lane| (0..count).flat_map(move |tap| (0..pairs).map(move |m| pair(lane, tap, m)));
                (0..2).flat_map(tap).collect()
            }
            _ => unreachable!("it has no words a step"),
        }
    }

    /// The weight at `tap` of `step`; 0 beyond the last channel of either side.
    fn weight(&self, step: usize, tap: usize, lane: usize, member: usize) -> i32 {
        let width = self.weights.shape[3];
        let (plane, walk) = (step % self.input.planes(), step / self.input.planes());
        let walk_width = width / self.taps.count();
        let (row, column) = (walk / walk_width, walk % walk_width * self.taps.count() + tap);
        let (output, channel, row) = match self.input.stacked {
            true => (self.first + member, 0, row * self.input.lanes() + lane),
            false => (self.first + member, plane * self.input.lanes() + lane, row),
        };
        self.value(output, channel, row, column)
    }

    /// The weight of a pixel of the window; 0 beyond the last channel of either side, and below the last row.
    fn value(&self, output: usize, channel: usize, row: usize, column: usize) -> i32 {
        let [outputs, channels, height, width] = self.weights.shape;
        match output < outputs && channel < channels && row < height {
            true => self.weights.values[((output * channels + channel) * height + row) * width + column].into(),
            false => 0,
        }
    }
}

/// Two int16 in a word.
fn halves(values: [i32; 2]) -> u32 {
    u32::from(values[0] as u16) | u32::from(values[1] as u16) << 16
}

/// Bias and multiplier by output channel. The input's zero point is folded into the bias: −zp·Σw.
pub fn channel_table(node: &str, x: &Place, weights: &Weights, y: &Place) -> Result<Table, PlanError> {
    let ratios: Vec<f64> = weights.scales.iter().map(|&w| x.scale as f64 * w as f64 / y.scale as f64).collect();
    let shift_bits = shift(node, &ratios)?;
    let per_channel = weights.values.len() / weights.shape[0];
    let mut words = Vec::with_capacity(2 * ratios.len());
    let mut fits_24_bits = true;
    for (channel, values) in weights.values.chunks_exact(per_channel).enumerate() {
        let sum: i64 = values.iter().map(|&w| w as i64).sum();
        let magnitude: i64 = values.iter().map(|&w| (w as i64).abs()).sum();
        let bias = weights.biases[channel] as i64 - x.zero_point as i64 * sum;
        let bound = bias.abs() + magnitude * 128;
        prove(node, channel, bound, shift_bits)?;
        fits_24_bits &= bound < 1 << 23;
        words.extend([bias as i32 as u32, multiplier(ratios[channel], shift_bits)]);
    }
    Ok(Table { words, shift_bits, fits_24_bits })
}

/// One multiplier for each count of pixels: scale_in / (scale_out · count).
pub fn mean_table(node: &str, x: &Place, y: &Place, counts: RangeInclusive<usize>) -> Result<Table, PlanError> {
    let most = *counts.end() as i64;
    let ratios: Vec<f64> = counts.map(|n| x.scale as f64 / (y.scale as f64 * n as f64)).collect();
    let shift_bits = shift(node, &ratios)?;
    prove(node, 0, most * 255, shift_bits)?;
    Ok(Table { words: ratios.iter().map(|&r| multiplier(r, shift_bits)).collect(), shift_bits, ..Table::default() })
}

/// Bias, multiplier and the two weights of a sum. The weights take the ratios of scales as finely as 32 bits allow, so
/// that the multiplier is a power of two.
pub fn sum_table(node: &str, a: &Place, b: &Place, y: &Place) -> Result<Table, PlanError> {
    weighted(node, [a.scale, b.scale].map(|s| s as f64 / y.scale as f64), [a, b].map(|x| x.zero_point as i64))
}

/// Bias, multiplier and weight of a change of scale.
pub fn requantize_table(node: &str, x: &Place, y: &Place) -> Result<Table, PlanError> {
    let mut table = weighted(node, [x.scale as f64 / y.scale as f64, 0.0], [x.zero_point as i64, 0])?;
    table.words.truncate(3);
    Ok(table)
}

/// The same for each of two tensors.
pub fn concat_table(node: &str, a: &Place, b: &Place, y: &Place) -> Result<Table, PlanError> {
    let words = [requantize_table(node, a, y)?.words, requantize_table(node, b, y)?.words].concat();
    Ok(Table { words, ..Table::default() })
}

/// The multiplier of a product. |(q_a − z_a)·(q_b − z_b)| ≤ 255², which no shift takes beyond 31 bits.
pub fn product_table(node: &str, a: &Place, b: &Place, y: &Place) -> Result<Table, PlanError> {
    let ratio = a.scale as f64 * b.scale as f64 / y.scale as f64;
    let shift_bits = shift(node, &[ratio])?;
    prove(node, 0, 255 * 255, shift_bits)?;
    Ok(Table { words: vec![multiplier(ratio, shift_bits)], shift_bits, ..Table::default() })
}

/// A function's value for each stored one: the entry of q at q mod 256. Halves round to even, as quantization has it.
pub fn lookup_table(function: &Activation, x: &Place, y: &Place) -> Table {
    let entry = |byte: u8| {
        let value = (f64::from(byte as i8) - f64::from(x.zero_point)) * f64::from(x.scale);
        let steps = (function.eval(value) / f64::from(y.scale)).round_ties_even() + f64::from(y.zero_point);
        steps.clamp(f64::from(i8::MIN), f64::from(i8::MAX)) as i8
    };
    Table { words: packed_i8(&(0..=255).map(entry).collect::<Vec<_>>()), ..Table::default() }
}

/// Σ ratio·(q − zero) as weights in steps of 2^−bits: bias, 2^(32−bits), the weights.
fn weighted(node: &str, ratios: [f64; 2], zeros: [i64; 2]) -> Result<Table, PlanError> {
    let weights = |bits: u32| ratios.map(|ratio| (ratio * (1u64 << bits) as f64).round() as i64);
    // Bias and products are at most 128·Σw each.
    let fits = |bits: &u32| 256.0 * (ratios[0] + ratios[1]) * (1u64 << bits) as f64 + 256.0 < (1u64 << 31) as f64;
    let error = || PlanError::ScaleRatio { node: node.into(), ratio: ratios[0].max(ratios[1]) };
    let bits = (2..=MAX_SUM_BITS).rev().find(fits).ok_or_else(error)?;
    let weights = weights(bits);
    let bias = -(weights[0] * zeros[0] + weights[1] * zeros[1]);
    let words = [bias, 1 << (32 - bits), weights[0], weights[1]];
    Ok(Table { words: words.map(|word| word as i32 as u32).to_vec(), ..Table::default() })
}

/// The smallest shift that serves every channel.
fn shift(node: &str, ratios: &[f64]) -> Result<u8, PlanError> {
    let largest = ratios.iter().copied().fold(0.0, f64::max);
    let error = || PlanError::ScaleRatio { node: node.into(), ratio: largest };
    fixed::shift_for(largest).ok_or_else(error)
}

/// A ratio below 2^−33 moves no accumulator by half a step, and nor does a multiplier of 1.
fn multiplier(ratio: f64, shift_bits: u8) -> u32 {
    fixed::multiplier_for(ratio, shift_bits).unwrap_or(1) as u32
}

/// |acc|·2^shift < 2^31, whatever the input.
fn prove(node: &str, channel: usize, bound: i64, shift_bits: u8) -> Result<(), PlanError> {
    let limit = 1 << (31 - shift_bits);
    if bound < limit {
        Ok(())
    } else {
        Err(PlanError::AccumulatorOverflow { node: node.into(), channel, bound, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(scale: f32, zero_point: i8) -> Place {
        Place { name: "t".into(), shape: [1, 1, 1], scale, zero_point }
    }

    fn entries(table: &Table) -> impl Fn(i8) -> i8 {
        let bytes: Vec<u8> = table.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        move |q| bytes[usize::from(q as u8)] as i8
    }

    #[test]
    fn a_lookup_has_the_scales_in_it_and_halves_go_to_even() {
        let leaky = lookup_table(&Activation::LeakyRelu { alpha: 0.5 }, &place(1.0, 0), &place(1.0, 10));
        let entry = entries(&leaky);
        assert_eq!([-128, -3, -1, 0, 1, 117, 118].map(entry), [-54, 8, 10, 10, 11, 127, 127]);
        // Sigmoid of −∞, 0, ∞ in the scale that it is given.
        let sigmoid = lookup_table(&Activation::Sigmoid, &place(0.25, -8), &place(1.0 / 256.0, -128));
        assert_eq!([-128, -8, 127].map(entries(&sigmoid)), [-128, 0, 127]);
    }

    #[test]
    fn a_concat_copies_what_has_the_outputs_scale() {
        let (x, y) = (place(0.5, 3), place(0.25, -4));
        let table = concat_table("c", &y, &x, &y).expect("scales that fit");
        let [bias, multiplier, weight] = [0, 1, 2].map(|i| i64::from(table.words[i] as i32));
        assert_eq!((weight * multiplier, bias), (1 << 32, 4 * weight));
        let [bias, multiplier, weight] = [3, 4, 5].map(|i| i64::from(table.words[i] as i32));
        assert_eq!((weight * multiplier, bias), (1 << 33, -3 * weight));
    }
}

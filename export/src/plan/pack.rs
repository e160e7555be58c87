//! Weights in the order the engine's loops read them, and the tables of biases and multipliers.
//!
//! The arithmetic is infer-nostd's `fixed`; here its constants are made, in f64, and the bounds are proven.

use super::{Place, PlanError};
use crate::quantize::Weights;
use infer_nostd::fixed;
use std::ops::RangeInclusive;

/// Words of an operator's table, and the shift its multipliers were made for.
#[derive(Debug, Default)]
pub struct Table {
    pub words: Vec<u32>,
    pub shift_bits: u8,
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

/// \[O\]\[C·H·W\] → \[H\]\[O\]\[W\]\[C\].
pub fn dense(weights: &Weights, [channels, height, width]: [usize; 3]) -> Vec<i8> {
    let outputs = weights.shape[0];
    let at = |o, c, y, x| weights.values[((o * channels + c) * height + y) * width + x];
    let pixel = |o, y, x| (0..channels).map(move |c| at(o, c, y, x));
    let row = |o, y| (0..width).flat_map(move |x| pixel(o, y, x));
    (0..height).flat_map(|y| (0..outputs).flat_map(move |o| row(o, y))).collect()
}

/// Bias and multiplier by output channel. The input's zero point is folded into the bias: −zp·Σw.
pub fn channel_table(node: &str, x: &Place, weights: &Weights, y: &Place) -> Result<Table, PlanError> {
    let ratios: Vec<f64> = weights.scales.iter().map(|&w| x.scale as f64 * w as f64 / y.scale as f64).collect();
    let shift_bits = shift(node, &ratios)?;
    let per_channel = weights.values.len() / weights.shape[0];
    let mut words = Vec::with_capacity(2 * ratios.len());
    for (channel, values) in weights.values.chunks_exact(per_channel).enumerate() {
        let sum: i64 = values.iter().map(|&w| w as i64).sum();
        let magnitude: i64 = values.iter().map(|&w| (w as i64).abs()).sum();
        let bias = weights.biases[channel] as i64 - x.zero_point as i64 * sum;
        prove(node, channel, bias.abs() + magnitude * 128, shift_bits)?;
        words.extend([bias as i32 as u32, multiplier(ratios[channel], shift_bits)]);
    }
    Ok(Table { words, shift_bits })
}

/// One multiplier for each count of pixels: scale_in / (scale_out · count).
pub fn mean_table(node: &str, x: &Place, y: &Place, counts: RangeInclusive<usize>) -> Result<Table, PlanError> {
    let most = *counts.end() as i64;
    let ratios: Vec<f64> = counts.map(|n| x.scale as f64 / (y.scale as f64 * n as f64)).collect();
    let shift_bits = shift(node, &ratios)?;
    prove(node, 0, most * 255, shift_bits)?;
    Ok(Table { words: ratios.iter().map(|&r| multiplier(r, shift_bits)).collect(), shift_bits })
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
    Ok(Table { words: words.map(|word| word as i32 as u32).to_vec(), shift_bits: 0 })
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

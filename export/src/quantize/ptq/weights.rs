//! Weights and biases of one layer: float → int8 and int32, an output channel at a time.

use super::rounding::{self, LARGEST_WEIGHT, Rounded, Spread};
use crate::quantize::{QuantizeError, Weights, ranges::SMALLEST_SCALE};

/// Largest bias, 2²³: beyond it a channel is nearly dead but for its bias, and the multiplier that brings so large an
/// accumulator back to int8 would have too few bits.
const LARGEST_BIAS: i64 = 1 << 23;
/// Largest distance of a stored activation from its zero point.
const LARGEST_ACTIVATION: i64 = 255;

/// A layer's float parameters, output channels first.
pub(super) struct FloatWeights<'g> {
    /// Output channels, input channels a group, kernel height, kernel width.
    pub shape: [usize; 4],
    pub values: std::borrow::Cow<'g, [f32]>,
    /// One an output channel, or empty for none.
    pub biases: &'g [f32],
}

impl FloatWeights<'_> {
    /// Weights of one output.
    pub fn taps(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Int8 weights whose errors make good each other, as far as `spreads` (one a group of channels, or none) says how.
    pub fn rounded(&self, spreads: &[Option<Spread>]) -> Rounded {
        let per_group = (self.shape[0] / spreads.len().max(1)).max(1);
        let mut rounded = Rounded { values: Vec::new(), scales: Vec::new() };
        for (channel, weights) in self.values.chunks_exact(self.taps()).enumerate() {
            let spread = spreads.get(channel / per_group).and_then(Option::as_ref);
            let (values, scale) = rounding::channel(weights, finest_scale(weights), spread);
            rounded.values.extend(values);
            rounded.scales.push(scale);
        }
        rounded
    }
}

/// Quantizes a layer that reads an input of scale `input_scale`: weights as `rounded` has them or at their nearest steps.
pub(super) fn quantize(
    node: &str,
    float: &FloatWeights,
    input_scale: f32,
    rounded: Option<&Rounded>,
) -> Result<Weights, QuantizeError> {
    let taps = float.taps();
    let mut weights = Weights { shape: float.shape, values: Vec::new(), scales: Vec::new(), biases: Vec::new() };
    for (channel, values) in float.values.chunks_exact(taps).enumerate() {
        let rounded = rounded.and_then(|rounded| {
            Some((rounded.values.get(channel * taps..(channel + 1) * taps)?.to_vec(), *rounded.scales.get(channel)?))
        });
        let bias = float.biases.get(channel).copied().unwrap_or(0.0);
        let quantized = quantize_channel(values, bias, input_scale, rounded)
            .ok_or_else(|| QuantizeError::Accumulator { node: node.into(), channel })?;
        weights.values.extend(quantized.values);
        weights.scales.push(quantized.scale);
        weights.biases.push(quantized.bias);
    }
    Ok(weights)
}

struct Channel {
    scale: f32,
    values: Vec<i8>,
    bias: i32,
}

/// The scale whose last step is the largest weight.
fn finest_scale(weights: &[f32]) -> f32 {
    let largest = weights.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
    ((f64::from(largest) / LARGEST_WEIGHT) as f32).max(SMALLEST_SCALE)
}

/// One output channel, as it was rounded or at the finest scale, if its bias and accumulator fit int32.
///
/// Else the scale doubles until they do. That happens where a channel is nearly dead but for its bias: the bias, at scale
/// x·w, is then far larger than the weights can ever add.
fn quantize_channel(weights: &[f32], bias: f32, input_scale: f32, rounded: Option<(Vec<i8>, f32)>) -> Option<Channel> {
    let nearest = |scale| (rounding::nearest(weights, scale).0, scale);
    let (mut values, mut scale) = rounded.unwrap_or_else(|| nearest(finest_scale(weights)));
    while scale.is_finite() {
        let bias_scale = f64::from(input_scale) * f64::from(scale);
        let bias_i64 = (f64::from(bias) / bias_scale).round_ties_even() as i64;
        if bias_i64.abs() <= LARGEST_BIAS && largest_accumulator(&values, bias_i64) <= i64::from(i32::MAX) {
            return Some(Channel { scale, values, bias: bias_i64 as i32 });
        }
        (values, scale) = nearest(scale * 2.0);
    }
    None
}

/// The largest magnitude that bias + Σ w·(x − zero point) can reach, in whatever order it is summed.
///
/// It also holds for the engine's order, which starts from bias − zero point·Σw and adds w·x: a tap not yet added
/// stands for at most 128·|w|, one already added for at most 255·|w|.
pub(super) fn largest_accumulator(weights: &[i8], bias: i64) -> i64 {
    let magnitude: i64 = weights.iter().map(|&w| i64::from(w).abs()).sum();
    bias.saturating_abs().saturating_add(magnitude * LARGEST_ACTIVATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_weight_is_127_steps() {
        let channel = quantize_channel(&[0.5, -1.27, 0.015, 0.0], 0.02, 0.1, None).unwrap();
        assert_eq!(channel.scale, 1.27 / 127.0);
        assert_eq!(channel.values, [50, -127, 2, 0], "1.5 steps round to even");
        assert_eq!(channel.bias, 20);
    }

    #[test]
    fn biases_round_half_to_even() {
        let bias = |bias| quantize_channel(&[127.0], bias, 1.0, None).unwrap().bias;
        assert_eq!([0.5, 1.5, 2.5, -0.5, -1.5].map(bias), [0, 2, 2, 0, -2]);
    }

    #[test]
    fn a_dead_channel_keeps_its_bias() {
        let channel = quantize_channel(&[0.0; 9], 1.0, 1.0 / 255.0, None).unwrap();
        assert_eq!(channel.values, [0; 9]);
        let kept = f64::from(channel.bias) * f64::from(channel.scale) / 255.0;
        assert!((kept - 1.0).abs() < 1e-6, "bias became {kept}");
    }

    #[test]
    fn a_large_bias_widens_the_weight_scale() {
        // At the finest scale the bias would be 1e4 · 127 / 1e-4 = 1.27e10 steps.
        let channel = quantize_channel(&[1.0, -1.0], 1e4, 1e-4, None).unwrap();
        // 2^11 doublings' worth bring it below 2^23; beside it these weights add nothing that int8 could show.
        assert_eq!(channel.scale, (1.0f64 / 127.0) as f32 * 2048.0);
        assert_eq!((channel.values, channel.bias), (vec![0, 0], 6_201_172));
    }

    #[test]
    fn a_wide_layer_widens_the_weight_scale() {
        // 100,000 taps of ±127 reach 3.2e9; one doubling halves them.
        let channel = quantize_channel(&vec![1.0; 100_000], 0.0, 1.0, None).unwrap();
        assert_eq!(channel.values[0], 64);
        assert_eq!(largest_accumulator(&channel.values, 0), 1_632_000_000);
    }

    #[test]
    fn each_output_channel_has_its_own_scale() {
        let values = [1.27f32, 0.0, 0.0, -12.7];
        let float = FloatWeights { shape: [2, 2, 1, 1], values: (&values[..]).into(), biases: &[] };
        let weights = quantize("fc", &float, 1.0, None).unwrap();
        assert_eq!(weights.values, [127, 0, 0, -127]);
        assert_eq!(weights.scales, [1.27 / 127.0, 12.7 / 127.0]);
        assert_eq!(weights.biases, [0, 0]);
    }

    #[test]
    fn rounded_weights_are_taken_as_they_are() {
        let float = FloatWeights { shape: [2, 1, 1, 1], values: vec![1.0, 1e-9].into(), biases: &[0.75, 1.0] };
        let rounded = Rounded { values: vec![100, 127], scales: vec![0.01, 1e-11] };
        let weights = quantize("conv", &float, 0.1, Some(&rounded)).unwrap();
        assert_eq!((weights.values[0], weights.scales[0], weights.biases[0]), (100, 0.01, 750));
        // The second's bias would be 1e12 steps: its scale grows, and its weight with it.
        assert!(weights.values[1] == 0 && weights.scales[1] > 1e-6, "{weights:?}");
    }
}

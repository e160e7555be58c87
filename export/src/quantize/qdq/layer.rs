//! Weights and biases of a layer in this scheme: weights in −127…127, biases at scale x·w.

use super::super::{QuantizeError, Weights, operator::transpose};
use super::constant_operand::stored;
use super::constants::Constants;
use super::read::Result;
use super::steps::Steps;
use crate::graph::{Data, Node, Op, Tensor};

/// How far a bias scale may be from x·w, relative to it, for stored biases to be taken as they are: a few roundings of
/// f32.
const BIAS_SCALE_TOLERANCE: f64 = 1e-6;
/// Largest weight: −128 is never used.
const LARGEST: i64 = 127;

/// A layer's weights as they are stored, the output channels first.
pub(super) struct Layer {
    /// Output channels, input channels a group, kernel height, kernel width.
    pub shape: [usize; 4],
    /// Stored bytes less their zero points: −255…255.
    pub steps: Vec<i64>,
    /// One an output channel.
    pub scales: Vec<f32>,
    /// The DequantizeLinear, for messages.
    node: String,
}

/// Weights beyond ±127 as sums of two: over all the input's channels, and over some of them a second time.
pub(super) struct Split {
    /// The channels that are read twice.
    pub channels: Vec<usize>,
    /// For each output, the weights of all channels, then of those.
    pub values: Vec<i8>,
}

impl Layer {
    /// The weights, where all are −127…127.
    pub fn narrow(&self) -> Result<Vec<i8>> {
        let beyond = self.beyond();
        if beyond == 0 && !self.steps.is_empty() {
            return Ok(self.steps.iter().map(|&step| step as i8).collect());
        }
        let expected = "weights in −127…127 after their zero point is taken off (onnxruntime: weight_type=QInt8 with \
                        WeightSymmetric=True; PyTorch: symmetric with quant_min=-127; Brevitas: narrow_range)";
        Err(QuantizeError::form(&self.node, expected, format!("{beyond} of {} beyond", self.steps.len())))
    }

    /// Whether each output is one of the input's channels.
    fn chooses(&self) -> bool {
        let [_, channels, height, width] = self.shape;
        let one = |(row, &scale): (&[i64], &f32)| {
            let mut weights = row.iter().filter(|&&step| step != 0);
            weights.next().is_some_and(|&step| step as f32 * scale == 1.0) && weights.next().is_none()
        };
        height * width == 1 && channels > 0 && self.steps.chunks(channels).zip(&self.scales).all(one)
    }

    /// How many are not.
    pub fn beyond(&self) -> usize {
        self.steps.iter().filter(|step| step.abs() > LARGEST).count()
    }

    /// The weights of a group of `channels` input channels, those beyond ±127 in two; all channels twice where that is
    /// asked for.
    pub fn split(&self, channels: usize, all: bool) -> Option<Split> {
        let outputs = self.shape[0];
        let taps = self.steps.len().checked_div(outputs * channels).filter(|&taps| taps > 0)?;
        let near = |step: i64| step.clamp(-LARGEST, LARGEST);
        let rest = |step: i64| step - near(step);
        if self.steps.iter().any(|&step| rest(step).abs() > LARGEST) {
            return None;
        }
        let taps_of = |output: usize, channel: usize| &self.steps[(output * channels + channel) * taps..][..taps];
        let has_rest = |output, channel| taps_of(output, channel).iter().any(|&step| rest(step) != 0);
        let is_split = |&channel: &usize| all || (0..outputs).any(|output| has_rest(output, channel));
        let twice: Vec<usize> = (0..channels).filter(is_split).collect();
        let mut values = Vec::new();
        for output in 0..outputs {
            values.extend((0..channels).flat_map(|c| taps_of(output, c)).map(|&step| near(step) as i8));
            values.extend(twice.iter().flat_map(|&c| taps_of(output, c)).map(|&step| rest(step) as i8));
        }
        Some(Split { channels: twice, values })
    }
}

impl Constants<'_> {
    /// Weights and biases of a layer whose input has scale `input_scale`.
    pub fn weights(&self, node: &Node, input_scale: f32) -> Result<Weights> {
        let layer = self.layer(node)?;
        let (values, biases) = (layer.narrow()?, self.biases(node, input_scale, &layer.scales)?);
        Ok(Weights { shape: layer.shape, values, scales: layer.scales, biases })
    }

    /// A layer's weights as they are stored.
    pub fn layer(&self, node: &Node) -> Result<Layer> {
        if let Some(layer) = self.factors(node)? {
            return Ok(layer);
        }
        let constant = self.steps(node.input(1).unwrap_or_default(), &node.name)?;
        let rows_out = !matches!(node.op, Op::Gemm { transposed: false } | Op::MatMul);
        let shape = match (&node.op, &constant.dims[..]) {
            (Op::Conv { .. }, &[out, channels, height, width]) => [out, channels, height, width],
            (Op::Gemm { transposed: true }, &[out, k]) => [out, k, 1, 1],
            (Op::Gemm { .. } | Op::MatMul, &[k, out]) => [out, k, 1, 1],
            (_, dims) => {
                let found = format!("dimensions {dims:?}");
                return Err(QuantizeError::form(&constant.node, "weights of rank 4 for Conv and 2 for Gemm", found));
            }
        };
        let scales = weight_scales(&constant, if rows_out { 0 } else { 1 }, shape[0])?;
        let steps = if rows_out { constant.values } else { transpose(&constant.values, shape[0]) };
        Ok(Layer { shape, steps, scales, node: constant.node })
    }

    /// A depthwise 1×1 convolution of float weights, exactly: what the passes make of arithmetic with float constants,
    /// of a BatchNormalization that no layer took, and of a Pad.
    fn factors(&self, node: &Node) -> Result<Option<Layer>> {
        let (Op::Conv { groups, .. }, Some(weights)) = (&node.op, self.graph.constant(node, 1)) else {
            return Ok(None);
        };
        let Some(factors) = weights.as_f32().filter(|_| weights.dims == [*groups, 1, 1, 1]) else { return Ok(None) };
        if factors.iter().any(|factor| !factor.is_finite()) {
            return Err(QuantizeError::NotFinite { tensor: node.name.clone() });
        }
        let (steps, scales) =
            factors.iter().map(|&factor| stored(factor.into())).map(|(w, s)| (i64::from(w), s)).unzip();
        Ok(Some(Layer { shape: [*groups, 1, 1, 1], steps, scales, node: node.name.clone() }))
    }

    /// Whether a layer gives its input, or zero: each channel, or some of them.
    pub fn is_copy(&self, node: &Node) -> bool {
        let ones =
            |weights: &Tensor| weights.as_f32().is_some_and(|factors| factors.iter().all(|&factor| factor == 1.0));
        let copies = || {
            self.factors(node).is_ok_and(|f| f.is_some()) && self.graph.constant(node, 1).is_some_and(ones)
                || self.layer(node).is_ok_and(|layer| layer.chooses())
        };
        node.inputs.len() == 2 && matches!(node.op, Op::Conv { .. }) && copies()
    }

    /// Biases at scale x·w: stored ones as they are where that is their scale, others to the nearest.
    pub fn biases(&self, node: &Node, input_scale: f32, weight_scales: &[f32]) -> Result<Vec<i32>> {
        let Some(bias) = node.input(2) else { return Ok(vec![0; weight_scales.len()]) };
        let scales: Vec<f64> = weight_scales.iter().map(|&w| f64::from(input_scale) * f64::from(w)).collect();
        let (dims, reals) = match self.graph.initializers.get(bias) {
            Some(Tensor { dims, data: Data::F32(values) }) => {
                (dims.clone(), values.iter().map(|&x| x.into()).collect())
            }
            _ => {
                let steps = self.steps(bias, &node.name)?;
                if let Some(stored) = stored_biases(&steps, &scales) {
                    return Ok(stored);
                }
                (steps.dims.clone(), steps.reals())
            }
        };
        one_an_output(node, &dims, scales.len())?;
        let nearest = |(channel, scale): (usize, &f64)| {
            let steps = (reals[channel % reals.len()] / scale).round_ties_even();
            let fits = steps.abs() <= f64::from(i32::MAX);
            fits.then_some(steps as i32).ok_or_else(|| QuantizeError::Accumulator { node: node.name.clone(), channel })
        };
        scales.iter().enumerate().map(nearest).collect()
    }
}

/// Int32 biases that lie at these scales.
fn stored_biases(steps: &Steps, scales: &[f64]) -> Option<Vec<i32>> {
    let stored = |channel: usize| f64::from(steps.scales[channel % steps.scales.len()]);
    let near = |(channel, scale): (usize, &f64)| (stored(channel) - scale).abs() <= scale * BIAS_SCALE_TOLERANCE;
    let fit = steps.is_i32 && steps.dims == [scales.len()] && scales.iter().enumerate().all(near);
    fit.then(|| steps.values.iter().map(|&step| step as i32).collect())
}

/// Biases are \[O\], \[1, O\], or one for all.
fn one_an_output(node: &Node, dims: &[usize], outputs: usize) -> Result<()> {
    let len: usize = dims.iter().product();
    if len == 1 || len == outputs && dims.last() == Some(&outputs) {
        return Ok(());
    }
    let expected = format!("{outputs} biases, one an output channel");
    Err(QuantizeError::form(&node.name, expected, format!("dimensions {dims:?}")))
}

fn weight_scales(constant: &Steps, out_axis: usize, outputs: usize) -> Result<Vec<f32>> {
    match constant.scales[..] {
        [scale] => Ok(vec![scale; outputs]),
        _ if constant.axis == out_axis => Ok(constant.scales.clone()),
        _ => Err(QuantizeError::form(
            &constant.node,
            format!("one scale, or one an output channel along axis {out_axis}"),
            format!("{} along axis {}", constant.scales.len(), constant.axis),
        )),
    }
}

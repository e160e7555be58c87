//! Sums and products with a constant.
//!
//! With a float constant, the passes have made a depthwise 1×1 convolution of them already. x + c and x · c, with one quantized c a channel, are depthwise 1×1 convolutions: weight ±64, whose scale |c| / 64 is exact, and
//! for a sum weight 64 of scale 1 / 64 and c in the bias, to the nearest 64th of an input step.

use super::super::{Clamp, QuantOp, QuantTensor, QuantizeError, Weights};
use super::constants::{Constants, is_scale};
use super::read::Result;
use crate::graph::{Data, Node, Op, Window};

/// The stored weight of every channel: a power of two, so that scales are exact.
const WEIGHT: i8 = 64;

/// A sum or product of a tensor and a constant; none where `node` is something else.
pub(super) fn with_constant(
    constants: Constants,
    node: &Node,
    input: &QuantTensor,
    clamp: Clamp,
) -> Result<Option<QuantOp>> {
    let constant = node.inputs.iter().find(|value| constants.is_stored(value));
    let (Op::Add | Op::Mul, Some(constant)) = (&node.op, constant) else { return Ok(None) };
    let values = channel_values(constants, node, constant, input)?;
    let channels = input.shape[0];
    let mut weights = Weights { shape: [channels, 1, 1, 1], values: vec![], scales: vec![], biases: vec![] };
    for (channel, &value) in values.iter().enumerate() {
        if !value.is_finite() {
            return Err(QuantizeError::NotFinite { tensor: constant.clone() });
        }
        let (factor, addend) = if node.op == Op::Mul { (value, 0.0) } else { (1.0, value) };
        let (weight, scale) = stored(factor);
        let bias = (addend / (f64::from(input.scale) * f64::from(scale))).round_ties_even();
        if bias.is_nan() || bias.abs() > f64::from(i32::MAX) {
            return Err(QuantizeError::Accumulator { node: node.name.clone(), channel });
        }
        weights.values.push(weight);
        weights.scales.push(scale);
        weights.biases.push(bias as i32);
    }
    let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
    Ok(Some(QuantOp::Conv2d { window, groups: channels, weights, clamp }))
}

/// A factor as a weight and its scale.
pub(super) fn stored(factor: f64) -> (i8, f32) {
    let scale = (factor.abs() / f64::from(WEIGHT)) as f32;
    match (is_scale(scale), factor > 0.0) {
        (true, true) => (WEIGHT, scale),
        (true, false) => (-WEIGHT, scale),
        (false, _) => (0, 1.0 / f32::from(WEIGHT)),
    }
}

/// The constant's real value for each channel of `input`.
fn channel_values(constants: Constants, node: &Node, constant: &str, input: &QuantTensor) -> Result<Vec<f64>> {
    let (dims, values) = match constants.graph.initializers.get(constant).map(|t| (&t.dims, &t.data)) {
        Some((dims, Data::F32(values))) => (dims.clone(), values.iter().map(|&x| x.into()).collect()),
        _ => {
            let steps = constants.steps(constant, &node.name)?;
            (steps.dims.clone(), steps.reals())
        }
    };
    let [channels, height, width] = input.shape;
    let trimmed = &dims[dims.iter().take_while(|&&d| d == 1).count()..];
    let one_a_channel = trimmed == [channels, 1, 1] || trimmed == [channels] && [height, width] == [1, 1];
    match values[..] {
        [value] => Ok(vec![value; channels]),
        _ if one_a_channel => Ok(values),
        _ => {
            let expected = format!("a constant of one value, or one for each of {channels} channels");
            Err(QuantizeError::form(&node.name, expected, format!("`{constant}` of dimensions {dims:?}")))
        }
    }
}

//! A scale and a shift a channel (BatchNormalization; sums, differences, products and quotients with constants) go into the layer before or behind.
//!
//! With s = gamma / sqrt(variance + epsilon), for each output channel:
//!
//! ```text
//! s · (w·x + b − mean) + beta  =  (s·w)·x + (s·(b − mean) + beta)
//! ```
//!
//! and likewise w·(s·x + t) + b = (w·s)·x + (b + Σ w·t), where no padding stands between. Computed in f64 and rounded to f32 once, so each weight is within half
//! a unit in the last place of the exact one. What finds no layer becomes a depthwise convolution of one pixel.

mod layer;
#[cfg(test)]
mod tests;

use super::reshape::reshaped;
use super::rewriter::Rewriter;
use super::window::plain;
use crate::graph::{Node, Op, Tensor};
use layer::Layer;

/// Most channels of a plan's tensor.
const MOST_CHANNELS: usize = u16::MAX as usize;

/// y = scale · x + shift, a channel.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl Affine {
    /// What a node does to each channel of its one operand, and which input that is.
    fn of(rw: &Rewriter, node: &Node) -> Option<(Self, usize)> {
        if let Op::BatchNorm { epsilon } = node.op {
            return Some((Self::normalization(rw, node, epsilon)?, 0));
        }
        if node.op.other("Neg").is_some() {
            let channels = channels(&rw.sample(node, 0)?)?;
            return Some((Self { scale: vec![-1.0; channels], shift: vec![0.0; channels] }, 0));
        }
        let [a, b] = node.inputs.as_slice() else { return None };
        let operand = match (rw.tensor(a), rw.tensor(b)) {
            (None, Some(_)) => 0,
            (Some(_), None) => 1,
            _ => return None,
        };
        let sample = rw.sample(node, operand)?;
        let constant = per_channel(rw.constant(node, 1 - operand)?, &sample)?;
        let all = |value: f64| vec![value; constant.len()];
        let (scale, shift) = match (&node.op, operand) {
            (Op::Add, _) => (all(1.0), constant),
            (Op::Mul, _) => (constant.clone(), all(0.0)),
            (op, 0) if op.other("Sub").is_some() => (all(1.0), constant.iter().map(|c| -c).collect()),
            (op, 1) if op.other("Sub").is_some() => (all(-1.0), constant),
            (op, 0) if op.other("Div").is_some() => (constant.iter().map(|c| c.recip()).collect(), all(0.0)),
            _ => return None,
        };
        Some((Self { scale, shift }, operand))
    }

    fn normalization(rw: &Rewriter, node: &Node, epsilon: f32) -> Option<Self> {
        let parameter = |position| rw.constant(node, position).and_then(Tensor::as_f32);
        let (gamma, beta, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        [beta, mean, variance].iter().all(|values| values.len() == gamma.len()).then_some(())?;
        let scale: Vec<f64> = gamma
            .iter()
            .zip(variance)
            .map(|(&g, &v)| f64::from(g) / (f64::from(v) + f64::from(epsilon)).sqrt())
            .collect();
        let shift =
            scale.iter().zip(beta.iter().zip(mean)).map(|(s, (&b, &m))| f64::from(b) - s * f64::from(m)).collect();
        Some(Self { scale, shift })
    }

    /// This, and then `next`.
    fn then(&self, next: &Self) -> Self {
        let pairs = || next.scale.iter().zip(&next.shift);
        let scale = self.scale.iter().zip(&next.scale).map(|(first, second)| first * second).collect();
        let shift = self.shift.iter().zip(pairs()).map(|(first, (scale, shift))| scale * first + shift).collect();
        Self { scale, shift }
    }
}

/// Channels of samples of these dimensions; none where no plan has as many. One number of a file can ask for any.
fn channels(sample: &[usize]) -> Option<usize> {
    sample.first().copied().filter(|&channels| channels <= MOST_CHANNELS)
}

/// One value a channel of samples of these dimensions; none where the constant has others.
pub(super) fn per_channel(constant: &Tensor, sample: &[usize]) -> Option<Vec<f64>> {
    let (channels, rank) = (*sample.first()?, sample.len() + 1);
    let missing = rank.checked_sub(constant.dims.len())?;
    let dim = |axis: usize| axis.checked_sub(missing).map_or(1, |i| constant.dims[i]);
    let others = (0..rank).filter(|&axis| axis != 1).all(|axis| dim(axis) == 1);
    let values = constant.as_f32()?;
    match (others, dim(1)) {
        (true, extent) if extent == channels => Some(values.iter().map(|&v| v.into()).collect()),
        (true, 1) => Some(vec![values[0].into(); self::channels(sample)?]),
        _ => None,
    }
}

/// A scale and shift goes into the layer whose only reader it is.
pub(super) fn fold(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (affine, operand) = Affine::of(rw, node)?;
    let before = rw.sole_maker(node, operand)?.clone();
    let (weights, bias) = Layer::of(rw, &before)?.before(&affine)?;
    Some(vec![with_weights(rw, &before, &before.inputs[0], node, weights, bias)])
}

/// One that finds no layer is a BatchNormalization, and two of these are one.
pub(super) fn collect(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (affine, operand) = Affine::of(rw, node)?;
    let before = rw.sole_maker(node, operand).filter(|maker| matches!(maker.op, Op::BatchNorm { .. })).cloned();
    if let Some((before, (first, _))) = before.and_then(|before| Some((before.clone(), Affine::of(rw, &before)?))) {
        let same = first.scale.len() == affine.scale.len();
        return same.then(|| vec![normalization(rw, node, &before.inputs[0], &first.then(&affine))]);
    }
    let x = node.input(operand)?.to_string();
    (!matches!(node.op, Op::BatchNorm { .. })).then(|| vec![normalization(rw, node, &x, &affine)])
}

/// A layer takes over a scale and shift before it.
pub(super) fn absorb(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let before = rw.sole_maker(node, 0).filter(|maker| matches!(maker.op, Op::BatchNorm { .. }))?.clone();
    let (affine, _) = Affine::of(rw, &before)?;
    // The padding of the convolution is zero behind the shift.
    let unpadded = !matches!(node.op, Op::Conv { window, .. } if window.pads != [0; 4]);
    (unpadded || affine.shift.iter().all(|&t| t == 0.0)).then_some(())?;
    let (weights, bias) = Layer::of(rw, node)?.behind(&affine)?;
    Some(vec![with_weights(rw, node, &before.inputs[0], node, weights, bias)])
}

/// `layer` over `x` with other weights, making what `end` made.
fn with_weights(rw: &mut Rewriter, layer: &Node, x: &str, end: &Node, weights: Tensor, bias: Tensor) -> Node {
    let name = layer.inputs[1].clone();
    let weights = rw.change_constant(&name, weights);
    let bias = match layer.input(2) {
        Some(old) => rw.change_constant(old, bias),
        None => rw.add_constant(&bias_name(&name), bias),
    };
    Node { inputs: vec![x.into(), weights, bias], outputs: end.outputs.clone(), ..layer.clone() }
}

/// `conv1.weight` → `conv1.bias`.
fn bias_name(weights: &str) -> String {
    format!("{}.bias", weights.strip_suffix(".weight").unwrap_or(weights))
}

/// Scale and shift as a BatchNormalization of mean 0 and variance 1.
fn normalization(rw: &mut Rewriter, node: &Node, x: &str, affine: &Affine) -> Node {
    let floats = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let len = affine.scale.len();
    let parameters = [
        ("scale", floats(&affine.scale)),
        ("shift", floats(&affine.shift)),
        ("mean", vec![0.0; len]),
        ("variance", vec![1.0; len]),
    ]
    .map(|(role, values)| rw.add_constant(&format!("{}.{role}", node.name), Tensor::f32(&[len], values)));
    let inputs = [&[x.to_string()], parameters.as_slice()].concat();
    Node { op: Op::BatchNorm { epsilon: 0.0 }, inputs, ..node.clone() }
}

/// The difference of two values is the sum of one and minus the other.
pub(super) fn difference(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    node.op.other("Sub")?;
    let [a, b] = node.inputs.as_slice() else { return None };
    (rw.tensor(a).is_none() && rw.tensor(b).is_none()).then_some(())?;
    let channels = *rw.sample_of(b)?.first()?;
    let minus = Affine { scale: vec![-1.0; channels], shift: vec![0.0; channels] };
    let part = rw.part(node, "minus", Op::Mul, &[]);
    let minus = normalization(rw, &part, b, &minus);
    let sum = Node { op: Op::Add, inputs: vec![a.clone(), minus.outputs[0].clone()], ..node.clone() };
    Some(vec![minus, sum])
}

/// A scale and shift that found no layer: a depthwise convolution of one pixel.
pub(super) fn into_depthwise(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    matches!(node.op, Op::BatchNorm { .. }).then_some(())?;
    let (affine, _) = Affine::of(rw, node)?;
    let sample = rw.sample(node, 0)?;
    let channels = *sample.first().filter(|&&channels| channels == affine.scale.len())?;
    let floats = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let weights = Tensor::f32(&[channels, 1, 1, 1], floats(&affine.scale));
    let weights = rw.add_constant(&format!("{}.weight", node.name), weights);
    let bias = rw.add_constant(&format!("{}.bias", node.name), Tensor::f32(&[channels], floats(&affine.shift)));
    let op = Op::Conv { window: plain([1, 1]), groups: channels };
    let x = node.input(0)?.to_string();
    match sample.len() {
        3 => Some(vec![Node { op, inputs: vec![x, weights, bias], ..node.clone() }]),
        1 => {
            let pixel = rw.fresh(&format!("{}.pixel", node.name));
            let pixel = reshaped(rw, &pixel, &x, &pixel, &[channels, 1, 1]);
            let conv = rw.part(node, "scaled", op, &[&pixel.outputs[0], &weights, &bias]);
            let flat = Node { op: Op::Flatten { axis: 1 }, inputs: conv.outputs.clone(), ..node.clone() };
            Some(vec![pixel, conv, flat])
        }
        _ => None,
    }
}

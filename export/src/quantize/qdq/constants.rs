//! Constants of a QDQ graph, checked and brought into this scheme: scales, zero points, weights and biases.

use super::super::{Affine, QuantizeError, Weights, constants::transpose};
use super::read::Result;
use super::steps::Steps;
use crate::graph::{DType, Data, Graph, Node, Op, Tensor};

/// How far a bias scale may be from x·w, relative to it, for stored biases to be taken as they are: a few roundings of
/// f32.
const BIAS_SCALE_TOLERANCE: f64 = 1e-6;

/// The constants of a graph.
#[derive(Clone, Copy)]
pub(super) struct Constants<'g> {
    pub graph: &'g Graph,
}

impl<'g> Constants<'g> {
    /// The node that makes `value`.
    pub fn maker(&self, value: &str) -> Option<&'g Node> {
        self.graph.producer(value).map(|index| &self.graph.nodes[index])
    }

    /// Scale and zero point of an activation's QuantizeLinear or DequantizeLinear.
    ///
    /// An unsigned byte less its zero point is the signed byte 128 below less a zero point 128 below: the shift is exact.
    pub fn affine(&self, node: &Node) -> Result<Affine> {
        let (scale, zero_point) = (self.graph.constant(node, 1), self.graph.constant(node, 2));
        let step = match zero_point.map(|t| &t.data) {
            Some(Data::I8(zero)) if zero.len() == 1 => Some(zero[0]),
            Some(Data::U8(zero)) if zero.len() == 1 => Some(shifted(zero[0])),
            None if node.input(2).is_none() => self.absent_zero_point(node),
            _ => None,
        };
        match (scale.map(|t| &t.data), step) {
            (Some(Data::F32(scale)), Some(zero_point)) if scale.len() == 1 && is_scale(scale[0]) => {
                Ok(Affine { scale: scale[0], zero_point })
            }
            _ => Err(QuantizeError::form(
                &node.name,
                "one finite positive float32 scale and one int8 or uint8 zero point, both constants",
                format!("scale {}, zero point {}", describe(scale), describe(zero_point)),
            )),
        }
    }

    /// 0 of the stored type, which is unsigned where a QuantizeLinear says nothing.
    fn absent_zero_point(&self, node: &Node) -> Option<i8> {
        let stored = if matches!(node.op, Op::Quantize { .. }) { DType::U8 } else { self.stored_type(node.input(0)?)? };
        match stored {
            DType::I8 => Some(0),
            DType::U8 => Some(shifted(0)),
            _ => None,
        }
    }

    fn stored_type(&self, value: &str) -> Option<DType> {
        if let Some(input) = self.graph.inputs.iter().find(|input| input.name == value) {
            return Some(input.dtype);
        }
        let maker = self.maker(value)?;
        Some(self.graph.constant(maker, 2).map_or(DType::U8, |zero_point| zero_point.data.dtype()))
    }

    /// Weights and biases of a layer whose input has scale `input_scale`.
    pub fn weights(&self, node: &Node, input_scale: f32) -> Result<Weights> {
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
        let scales = self.weight_scales(&constant, if rows_out { 0 } else { 1 }, shape[0])?;
        let values = narrow(&constant)?;
        let values = if rows_out { values } else { transpose(&values, shape[0]) };
        let biases = match node.input(2) {
            Some(bias) => self.biases(node, bias, input_scale, &scales)?,
            None => vec![0; shape[0]],
        };
        Ok(Weights { shape, values, scales, biases })
    }

    fn weight_scales(&self, constant: &Steps, out_axis: usize, outputs: usize) -> Result<Vec<f32>> {
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

    /// Biases at scale x·w: stored ones as they are where that is their scale, others to the nearest.
    fn biases(&self, node: &Node, bias: &str, input_scale: f32, weight_scales: &[f32]) -> Result<Vec<i32>> {
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

/// Steps as int8 weights.
pub(super) fn narrow(constant: &Steps) -> Result<Vec<i8>> {
    let beyond = constant.values.iter().filter(|step| step.abs() > 127).count();
    if beyond == 0 && !constant.values.is_empty() {
        return Ok(constant.values.iter().map(|&step| step as i8).collect());
    }
    let expected = "weights in −127…127 after their zero point is taken off (onnxruntime: weight_type=QInt8, or \
                    WeightSymmetric=True; PyTorch: symmetric with quant_min=-127; Brevitas: narrow_range)";
    let found = format!("{beyond} of {} beyond", constant.values.len());
    Err(QuantizeError::form(&constant.node, expected, found))
}

fn shifted(byte: u8) -> i8 {
    (byte ^ 0x80) as i8
}

pub(super) fn is_scale(scale: f32) -> bool {
    scale.is_finite() && scale > 0.0
}

pub(super) fn describe(tensor: Option<&Tensor>) -> String {
    tensor.map_or("absent".into(), Tensor::to_string_short)
}

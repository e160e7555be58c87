//! Constants of a QDQ graph, checked: scales, zero points, weights and biases.

use super::super::{Affine, QuantizeError, Weights, constants::transpose};
use super::read::Result;
use crate::graph::{Data, Graph, Node, Op, Tensor};

/// How far a bias scale may be from x·w, relative to it: a few roundings of f32.
const BIAS_SCALE_TOLERANCE: f64 = 1e-6;

/// The constants of a graph.
pub(super) struct Constants<'g> {
    pub graph: &'g Graph,
}

impl<'g> Constants<'g> {
    /// The DequantizeLinear that makes `value`.
    pub fn dequantize(&self, value: &str, reader: &str) -> Result<&'g Node> {
        let producer = self.graph.producer(value).map(|index| &self.graph.nodes[index]);
        match producer {
            Some(node) if matches!(node.op, Op::Dequantize { .. }) => Ok(node),
            Some(node) => Err(QuantizeError::form(
                reader,
                format!("`{value}` to come from a DequantizeLinear"),
                format!("{} `{}`", node.op.name(), node.name),
            )),
            None => Err(QuantizeError::form(
                reader,
                format!("`{value}` to come from a DequantizeLinear"),
                "a constant, an input or nothing",
            )),
        }
    }

    /// Scale and zero point of an activation's QuantizeLinear or DequantizeLinear.
    pub fn affine(&self, node: &Node) -> Result<Affine> {
        let (scale, zero_point) = (self.graph.constant(node, 1), self.graph.constant(node, 2));
        match (scale.map(|t| &t.data), zero_point.map(|t| &t.data)) {
            (Some(Data::F32(scale)), Some(Data::I8(zero_point)))
                if scale.len() == 1 && zero_point.len() == 1 && is_scale(scale[0]) =>
            {
                Ok(Affine { scale: scale[0], zero_point: zero_point[0] })
            }
            _ => Err(QuantizeError::form(
                &node.name,
                "one finite positive float32 scale and one int8 zero point, both constants",
                format!("scale {}, zero point {}", describe(scale), describe(zero_point)),
            )),
        }
    }

    /// Weights and biases of a layer whose input has scale `input_scale`.
    pub fn weights(&self, node: &Node, input_scale: f32) -> Result<Weights> {
        let (values, scales, dims) = self.weight_values(node)?;
        let out = dims[0];
        let scales = if scales.len() == 1 { vec![scales[0]; out] } else { scales };
        let biases = match node.input(2) {
            Some(bias) => self.biases(node, bias, input_scale, &scales)?,
            None => vec![0; out],
        };
        Ok(Weights { shape: dims, values, scales, biases })
    }

    /// Int8 weights, their scales, and their shape with output channels first.
    fn weight_values(&self, node: &Node) -> Result<(Vec<i8>, Vec<f32>, [usize; 4])> {
        let dequantize = self.dequantize(node.input(1).unwrap_or_default(), &node.name)?;
        let rows_out = !matches!(node.op, Op::Gemm { transposed: false } | Op::MatMul);
        let (tensor, scales) = self.symmetric(dequantize, if rows_out { 0 } else { 1 })?;
        let form = |found: String| {
            QuantizeError::form(&dequantize.name, "int8 weights in −127…127, of rank 4 for Conv and 2 for Gemm", found)
        };
        let Data::I8(values) = &tensor.data else { return Err(form(tensor.to_string_short())) };
        if values.contains(&i8::MIN) || values.is_empty() {
            return Err(form("none, or one of −128".into()));
        }
        match (&node.op, &tensor.dims[..]) {
            (Op::Conv { .. }, &[out, channels, height, width]) => {
                Ok((values.clone(), scales, [out, channels, height, width]))
            }
            (Op::Gemm { transposed: true }, &[out, k]) => Ok((values.clone(), scales, [out, k, 1, 1])),
            (Op::Gemm { .. } | Op::MatMul, &[k, out]) => Ok((transpose(values, out), scales, [out, k, 1, 1])),
            _ => Err(form(tensor.to_string_short())),
        }
    }

    fn biases(&self, node: &Node, bias: &str, input_scale: f32, weight_scales: &[f32]) -> Result<Vec<i32>> {
        let dequantize = self.dequantize(bias, &node.name)?;
        let (tensor, scales) = self.symmetric(dequantize, 0)?;
        let expected = || format!("{} int32 biases at scale x·w", weight_scales.len());
        let form = |found: String| QuantizeError::form(&dequantize.name, expected(), found);
        let Data::I32(values) = &tensor.data else { return Err(form(tensor.to_string_short())) };
        if values.len() != weight_scales.len() {
            return Err(form(tensor.to_string_short()));
        }
        for (channel, weight_scale) in weight_scales.iter().enumerate() {
            let scale = scales.get(channel).copied().unwrap_or(scales[0]);
            let product = f64::from(input_scale) * f64::from(*weight_scale);
            if (f64::from(scale) - product).abs() > product * BIAS_SCALE_TOLERANCE {
                return Err(form(format!("scale {scale:e} in channel {channel}, where x·w = {product:e}")));
            }
        }
        Ok(values.clone())
    }

    /// A constant with its scales (one, or one a channel of `axis`) and zero points that are all 0.
    fn symmetric(&self, dequantize: &Node, axis: i64) -> Result<(&'g Tensor, Vec<f32>)> {
        let constant = |position| self.graph.constant(dequantize, position);
        let found = || {
            let [values, scale, zero_point] = [0, 1, 2].map(|position| describe(constant(position)));
            format!("values {values}, scale {scale}, zero point {zero_point}, {:?}", dequantize.op)
        };
        let expected = format!("constants with finite positive float32 scales along axis {axis}, and zero points of 0");
        let fits = || {
            let tensor = constant(0)?;
            let scales = constant(1)?.as_f32()?.to_vec();
            let channels = *tensor.dims.get(axis as usize)?;
            let axis_fits =
                scales.len() == 1 || scales.len() == channels && along(&dequantize.op, tensor.dims.len()) == Some(axis);
            let zero = constant(2).is_none_or(|t| is_zero(&t.data));
            (axis_fits && zero && scales.iter().all(|&scale| is_scale(scale))).then_some((tensor, scales))
        };
        fits().ok_or_else(|| QuantizeError::form(&dequantize.name, expected, found()))
    }
}

/// The axis of a DequantizeLinear, counted from the front.
fn along(op: &Op, rank: usize) -> Option<i64> {
    match *op {
        Op::Dequantize { axis } if axis < 0 => Some(axis + rank as i64),
        Op::Dequantize { axis } => Some(axis),
        _ => None,
    }
}

fn is_scale(scale: f32) -> bool {
    scale.is_finite() && scale > 0.0
}

fn is_zero(data: &Data) -> bool {
    match data {
        Data::I8(values) => values.iter().all(|&v| v == 0),
        Data::I32(values) => values.iter().all(|&v| v == 0),
        _ => false,
    }
}

fn describe(tensor: Option<&Tensor>) -> String {
    tensor.map_or("absent".into(), Tensor::to_string_short)
}

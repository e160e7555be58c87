//! Constants behind a DequantizeLinear as steps: stored bytes less their zero points. It is the steps that count, so
//! bytes of either sign and any zero point are read alike.

use super::super::QuantizeError;
use super::constants::{Constants, describe, is_scale};
use super::read::Result;
use crate::graph::{DType, Data, Node, Op, Tensor};

/// A constant whose real value is step · scale.
#[derive(Clone)]
pub(super) struct Steps {
    /// Dimensions.
    pub dims: Vec<usize>,
    /// Stored values less their zero points, row-major.
    pub values: Vec<i64>,
    /// One, or one an index of `axis`.
    pub scales: Vec<f32>,
    /// Where there are several scales.
    pub axis: usize,
    /// The DequantizeLinear, for messages.
    pub node: String,
    /// Whether they are int32 with zero points of 0: the form of biases.
    pub is_i32: bool,
}

impl Steps {
    /// Real values, row-major.
    pub fn reals(&self) -> Vec<f64> {
        let channels = Channels::new(&self.dims, self.axis);
        let real = |(index, &step): (usize, &i64)| step as f64 * f64::from(channels.pick(&self.scales, index));
        self.values.iter().enumerate().map(real).collect()
    }
}

/// Which channel each value of a tensor belongs to.
struct Channels {
    count: usize,
    stride: usize,
}

impl Channels {
    fn new(dims: &[usize], axis: usize) -> Self {
        let after = dims.get(axis.saturating_add(1)..).unwrap_or_default();
        Self { count: dims.get(axis).copied().unwrap_or(1), stride: after.iter().product::<usize>().max(1) }
    }

    /// Whether there is one parameter, or one a channel.
    fn fit(&self, len: usize) -> bool {
        len == 1 || len == self.count && len > 0
    }

    fn pick<T: Copy>(&self, parameters: &[T], index: usize) -> T {
        parameters[index / self.stride % parameters.len()]
    }
}

impl<'g> Constants<'g> {
    /// The constant behind the DequantizeLinear that makes `value`.
    pub fn steps(&self, value: &str, reader: &str) -> Result<Steps> {
        let found = match self.maker(value) {
            Some(node) if matches!(node.op, Op::Dequantize { .. }) => return self.dequantized(node),
            Some(node) => format!("{} `{}`", node.op.name(), node.name),
            None => "a constant, an input or nothing".into(),
        };
        let expected = format!("`{value}` to come from a DequantizeLinear of a constant");
        Err(QuantizeError::form(reader, expected, found))
    }

    /// Whether `value` is a constant, or one that QuantizeLinear and DequantizeLinear have made of one.
    pub fn is_stored(&self, value: &str) -> bool {
        let behind = |value: &str| -> Option<&'g str> {
            let maker = self.maker(value)?;
            matches!(maker.op, Op::Quantize { .. } | Op::Dequantize { .. }).then(|| maker.input(0))?
        };
        let is_constant = |value: &str| self.graph.initializers.contains_key(value);
        let (first, second) = (behind(value), behind(value).and_then(behind));
        [Some(value), first, second].into_iter().flatten().any(is_constant)
    }

    /// What a DequantizeLinear says of its constant.
    fn dequantized(&self, node: &Node) -> Result<Steps> {
        let stored = self.stored(node)?;
        let [scale, zero_point] = [1, 2].map(|position| self.graph.constant(node, position));
        let read = || {
            let stored = stored.as_ref()?;
            let zeros = zero_points(zero_point, stored.data.dtype(), node.input(2).is_none())?;
            let (scales, axis) = (scale?.as_f32()?.to_vec(), along(&node.op, stored.dims.len()));
            let channels = Channels::new(&stored.dims, axis);
            let fit = channels.fit(scales.len()) && channels.fit(zeros.len()) && scales.iter().all(|&s| is_scale(s));
            let steps = |(index, value)| value - channels.pick(&zeros, index);
            let values = integers(&stored.data)?.into_iter().enumerate().map(steps);
            let is_i32 = stored.data.dtype() == DType::I32 && zeros.iter().all(|&zero| zero == 0);
            fit.then(|| Steps {
                dims: stored.dims.clone(),
                values: values.collect(),
                scales,
                axis,
                node: node.name.clone(),
                is_i32,
            })
        };
        read().ok_or_else(|| {
            let [values, scale, zero_point] = [stored.as_ref(), scale, zero_point].map(describe);
            QuantizeError::form(
                &node.name,
                "a constant of int8, uint8 or int32, with finite positive float32 scales and zero points of its type, one \
                 or one a channel of its axis",
                format!("values {values}, scale {scale}, zero point {zero_point}, {:?}", node.op),
            )
        })
    }

    /// What a DequantizeLinear reads: a constant, or what a QuantizeLinear makes of one.
    fn stored(&self, dequantize: &Node) -> Result<Option<Tensor>> {
        if let Some(tensor) = self.graph.constant(dequantize, 0) {
            return Ok(Some(tensor.clone()));
        }
        let maker = dequantize.input(0).and_then(|value| self.maker(value));
        let Some(quantize) = maker.filter(|node| matches!(node.op, Op::Quantize { .. })) else { return Ok(None) };
        let Some(real) = self.graph.constant(quantize, 0) else { return Ok(None) };
        let quantized = self.quantized(quantize, real);
        quantized.map(Some).ok_or_else(|| {
            let expected = "a finite float32 constant, finite positive scales and int8 or uint8 zero points, one or one a \
                            channel of its axis";
            QuantizeError::form(&quantize.name, expected, describe(Some(real)))
        })
    }

    /// A constant as QuantizeLinear makes it: the nearest step, ties to even, saturated.
    pub fn quantized(&self, quantize: &Node, real: &Tensor) -> Option<Tensor> {
        let [scale, zero_point] = [1, 2].map(|position| self.graph.constant(quantize, position));
        let (scales, values) = (scale?.as_f32()?, real.as_f32()?);
        let dtype = zero_point.map_or(DType::U8, |zero| zero.data.dtype());
        let zeros = zero_points(zero_point, dtype, quantize.input(2).is_none())?;
        let channels = Channels::new(&real.dims, along(&quantize.op, real.dims.len()));
        let sound = scales.iter().all(|&s| is_scale(s)) && values.iter().all(|x| x.is_finite());
        if !(sound && channels.fit(scales.len()) && channels.fit(zeros.len())) {
            return None;
        }
        let step = |(index, x): (usize, &f32)| {
            let steps = (x / channels.pick(scales, index)).round_ties_even();
            f64::from(steps) + channels.pick(&zeros, index) as f64
        };
        let steps = values.iter().enumerate().map(step);
        // A cast to an integer saturates.
        let data = match dtype {
            DType::I8 => Data::I8(steps.map(|step| step as i8).collect()),
            DType::U8 => Data::U8(steps.map(|step| step as u8).collect()),
            _ => return None,
        };
        Some(Tensor { dims: real.dims.clone(), data })
    }
}

/// The axis of a DequantizeLinear or QuantizeLinear, counted from the front; beyond every tensor where it is before it.
fn along(op: &Op, rank: usize) -> usize {
    let (Op::Quantize { axis } | Op::Dequantize { axis }) = *op else { return usize::MAX };
    usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).unwrap_or(usize::MAX)
}

/// Zero points as numbers, 0 where they are absent; none where their type is another.
fn zero_points(zero_point: Option<&Tensor>, dtype: DType, is_absent: bool) -> Option<Vec<i64>> {
    match zero_point {
        None => is_absent.then(|| vec![0]),
        Some(zero) if zero.data.dtype() == dtype => integers(&zero.data).filter(|zeros| !zeros.is_empty()),
        Some(_) => None,
    }
}

fn integers(data: &Data) -> Option<Vec<i64>> {
    Some(match data {
        Data::I8(values) => values.iter().map(|&v| v.into()).collect(),
        Data::U8(values) => values.iter().map(|&v| v.into()).collect(),
        Data::I32(values) => values.iter().map(|&v| v.into()).collect(),
        Data::F32(_) | Data::I64(_) => return None,
    })
}

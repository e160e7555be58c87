//! Constants of a QDQ graph: scales and zero points of activations, checked and brought into this scheme.

use super::super::{Affine, QuantizeError};
use super::read::Result;
use crate::graph::{DType, Data, Graph, Node, Op, Tensor};

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

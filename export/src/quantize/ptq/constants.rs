//! Float constants of a node, checked.

use super::weights::FloatWeights;
use crate::graph::{Graph, Node, Op, Tensor};
use crate::quantize::{QuantizeError, operator::transpose};
use std::borrow::Cow;

/// A node's float constants.
pub(super) struct Constants<'g> {
    pub graph: &'g Graph,
    pub node: &'g Node,
}

impl<'g> Constants<'g> {
    /// Weights and biases of a layer, the output channels first.
    pub fn weights(&self) -> Result<FloatWeights<'g>, QuantizeError> {
        let weights = self.finite_f32(1, "weights")?;
        match self.node.op {
            Op::Conv { .. } => self.filters(weights),
            Op::Gemm { transposed: true } => self.matrix(weights, true),
            _ => self.matrix(weights, false),
        }
    }

    fn finite_f32(&self, position: usize, role: &'static str) -> Result<(&'g [usize], &'g [f32]), QuantizeError> {
        let tensor = self.graph.constant(self.node, position);
        let values = tensor.and_then(|t| Some((&t.dims[..], t.as_f32()?)));
        let (dims, values) = values.ok_or_else(|| self.error(position, role, "an initializer of float32"))?;
        if values.iter().all(|x| x.is_finite()) {
            return Ok((dims, values));
        }
        Err(QuantizeError::NotFinite { tensor: self.node.inputs[position].clone() })
    }

    fn filters(&self, (dims, values): (&[usize], &'g [f32])) -> Result<FloatWeights<'g>, QuantizeError> {
        let shape: [usize; 4] = dims.try_into().map_err(|_| self.error(1, "weights", "of rank 4"))?;
        self.with_biases(shape, values.into())
    }

    fn matrix(&self, (dims, values): (&[usize], &'g [f32]), rows_out: bool) -> Result<FloatWeights<'g>, QuantizeError> {
        let &[rows, columns] = dims else { return Err(self.error(1, "weights", "of rank 2")) };
        match rows_out {
            true => self.with_biases([rows, columns, 1, 1], values.into()),
            false => self.with_biases([columns, rows, 1, 1], transpose(values, columns).into()),
        }
    }

    fn with_biases(&self, shape: [usize; 4], values: Cow<'g, [f32]>) -> Result<FloatWeights<'g>, QuantizeError> {
        let (dims, biases) = match self.node.input(2) {
            Some(_) => self.finite_f32(2, "bias")?,
            None => (&[][..], &[][..]),
        };
        // [O] or [1, O]; another shape would be broadcast over the batch.
        let per_output = dims.last() == Some(&shape[0]) && dims.iter().product::<usize>() == shape[0];
        if !shape.contains(&0) && (self.node.input(2).is_none() || per_output) {
            return Ok(FloatWeights { shape, values, biases });
        }
        Err(self.error(2, "bias", &format!("of {} values, one an output channel", shape[0])))
    }

    fn error(&self, position: usize, role: &'static str, expected: &str) -> QuantizeError {
        let found = self.graph.constant(self.node, position);
        QuantizeError::Constant {
            node: self.node.name.clone(),
            role,
            tensor: self.node.input(position).unwrap_or_default().into(),
            expected: expected.into(),
            found: found.map_or("no constant".into(), Tensor::to_string_short),
        }
    }
}

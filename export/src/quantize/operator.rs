//! A float operator's int8 form: the same whether scales were calibrated here or read from a QDQ file.

use super::{Clamp, QuantOp, QuantTensor, QuantizeError, Weights, shape};
use crate::graph::{Node, Op};

/// What `node` computes on `input`, saturating to `clamp`; `weights` makes its weights for an input of that scale.
///
/// # Errors
/// An operator without an int8 form, or weights that have none.
pub(super) fn op(
    node: &Node,
    input: &QuantTensor,
    clamp: Clamp,
    weights: impl FnOnce(f32) -> Result<Weights, QuantizeError>,
) -> Result<QuantOp, QuantizeError> {
    Ok(match node.op {
        Op::Conv { window, groups } => QuantOp::Conv2d { window, groups, weights: weights(input.scale)?, clamp },
        Op::Gemm { .. } | Op::MatMul => QuantOp::Dense { weights: weights(input.scale)?, clamp },
        Op::MaxPool { window } => QuantOp::MaxPool { window },
        Op::AveragePool { window, count_include_pad } => QuantOp::AveragePool { window, count_include_pad },
        Op::GlobalAveragePool => QuantOp::AveragePool { window: shape::whole(input.shape), count_include_pad: false },
        Op::Add => QuantOp::Add { clamp },
        Op::Mul => QuantOp::Mul { clamp },
        Op::Resize { factors } => QuantOp::Resize { factors },
        Op::Activation(ref function) => QuantOp::Activation { function: function.clone() },
        Op::Concat { .. } => QuantOp::Concat,
        Op::Flatten { .. } | Op::Reshape => QuantOp::Reshape,
        Op::Relu | Op::Clip { .. } => QuantOp::Requantize { clamp },
        _ => return Err(QuantizeError::Unsupported { nodes: vec![format!("{} `{}`", node.op.name(), node.name)] }),
    })
}

/// Whether an operator's output has its input's scale and zero point.
pub(super) fn keeps_scale(op: &Op) -> bool {
    matches!(op, Op::MaxPool { .. } | Op::Resize { .. } | Op::Flatten { .. } | Op::Reshape)
}

/// \[K,O\] → \[O,K\].
pub(super) fn transpose<T: Copy>(values: &[T], columns: usize) -> Vec<T> {
    (0..columns).flat_map(|column| values.iter().skip(column).step_by(columns.max(1)).copied()).collect()
}

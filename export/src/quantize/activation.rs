//! Activations that an operator carries with it: Relu and Clip as bounds on its result.

use super::{Clamp, ranges::Affine};
use crate::graph::Op;

/// Bounds of a real result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub low: f32,
    pub high: f32,
}

impl Bounds {
    pub const NONE: Bounds = Bounds { low: f32::NEG_INFINITY, high: f32::INFINITY };

    /// The bounds that `op` sets, if it is an activation of this kind.
    pub fn of(op: &Op) -> Option<Bounds> {
        match *op {
            Op::Relu => Some(Bounds { low: 0.0, high: f32::INFINITY }),
            // Where its bounds are crossed, ONNX's Clip gives the upper one.
            Op::Clip { min, max } => Some(Bounds { low: min.min(max), high: max }),
            _ => None,
        }
    }

    /// These bounds, and then `next`'s. (Not f32::clamp, which panics where a file's bounds are NaN.)
    pub fn then(self, next: Bounds) -> Bounds {
        let bound = |x: f32| x.max(next.low).min(next.high);
        Bounds { low: bound(self.low), high: bound(self.high) }
    }

    /// The bounds in steps of the result.
    pub fn clamp(self, result: Affine) -> Clamp {
        Clamp { min: result.quantize(self.low), max: result.quantize(self.high) }
    }
}

/// Whether an operator's int8 form has bounds.
pub(super) fn carries_activation(op: &Op) -> bool {
    matches!(op, Op::Conv { .. } | Op::Gemm { .. } | Op::MatMul | Op::Add | Op::Mul | Op::Relu | Op::Clip { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELU6: Bounds = Bounds { low: 0.0, high: 6.0 };

    #[test]
    fn relu6_in_steps() {
        let wide = Affine { scale: 0.0625, zero_point: -28 };
        assert_eq!(RELU6.clamp(wide), Clamp { min: -28, max: 68 });
        let exact = Affine { scale: 6.0 / 255.0, zero_point: -128 };
        assert_eq!(RELU6.clamp(exact), Clamp::NONE);
        assert_eq!(Bounds::NONE.clamp(wide), Clamp::NONE);
    }

    #[test]
    fn bounds_compose() {
        let narrow = Bounds { low: 1.0, high: 9.0 };
        assert_eq!(RELU6.then(narrow), Bounds { low: 1.0, high: 6.0 });
        assert_eq!(Bounds::NONE.then(RELU6), RELU6);
        assert_eq!(Bounds { low: 7.0, high: 9.0 }.then(RELU6), Bounds { low: 6.0, high: 6.0 });
    }
}

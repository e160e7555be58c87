//! Range → scale and zero point.
//!
//! An int8 tensor stores steps: real = scale · (q − zero_point). The 256 steps are laid over the range so that real
//! zero is a step exactly: padding, ReLU and dead values then cost nothing and lose nothing.

use infer_nostd::fixed;

/// Real width below which a step is not worth having: 2⁻⁴⁰. A range or a weight channel this narrow is dead, and a
/// smaller scale would only push biases (at scale x·w) out of int32 and products of scales out of f32's normal range.
pub const SMALLEST_SCALE: f32 = 1.0 / (1u64 << 40) as f32;

/// The step of a dead range, whose one value is exact in any: of a size that other scales can be related to.
const DEAD_STEP: f64 = 1.0 / 255.0;

/// The range of each value, by name.
pub type Ranges = std::collections::BTreeMap<String, Range>;

/// The smallest and the largest value a tensor takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Smallest value.
    pub min: f32,
    /// Largest value.
    pub max: f32,
}

impl Range {
    /// Pixels: 0 is black, 1 is white.
    pub const UNIT: Range = Range { min: 0.0, max: 1.0 };

    /// Both ends times `factor`.
    pub fn scaled(self, factor: f32) -> Self {
        Self { min: self.min * factor, max: self.max * factor }
    }

    /// The scale and zero point that cover this range and zero.
    ///
    /// The zero point is rounded half to even, so an end of the range may lie up to half a step beyond the last step.
    pub fn affine(self) -> Affine {
        let (low, high) = (f64::from(self.min.min(0.0)), f64::from(self.max.max(0.0)));
        let step = Some((high - low) / 255.0).filter(|&step| step >= f64::from(SMALLEST_SCALE)).unwrap_or(DEAD_STEP);
        let zero_point = (-128.0 - low / step).round_ties_even();
        Affine { scale: step as f32, zero_point: zero_point as i8 }
    }
}

/// What a step of an int8 tensor stands for: real = scale · (q − zero_point).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Real value of one step; finite and positive.
    pub scale: f32,
    /// The step that stands for zero.
    pub zero_point: i8,
}

impl Affine {
    /// The nearest step, ties to even, saturated: `QuantizeLinear`'s rule.
    pub fn quantize(self, real: f32) -> i8 {
        fixed::quantize(real, self.scale, self.zero_point)
    }

    /// The real value of a step.
    pub fn dequantize(self, step: i8) -> f32 {
        fixed::dequantize(step, self.scale, self.zero_point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affine(min: f32, max: f32) -> (f32, i8) {
        let Affine { scale, zero_point } = Range { min, max }.affine();
        (scale, zero_point)
    }

    #[test]
    fn pixels_are_stored_minus_128() {
        assert_eq!(affine(0.0, 1.0), (1.0 / 255.0, -128));
        let pixels = Range::UNIT.affine();
        for pixel in 0..=255u8 {
            assert_eq!(i16::from(pixels.quantize(f32::from(pixel) / 255.0)), i16::from(pixel) - 128);
        }
    }

    #[test]
    fn ranges_are_widened_to_hold_zero() {
        assert_eq!(affine(2.0, 5.1), (5.1 / 255.0, -128));
        assert_eq!(affine(-5.1, -2.0), (5.1 / 255.0, 127));
        assert_eq!(affine(-1.0, 1.0), (2.0 / 255.0, 0), "−0.5 rounds to even");
        assert_eq!(affine(-63.0, 192.0), (1.0, -65));
    }

    #[test]
    fn zero_is_exact() {
        for (min, max) in [(-0.37, 0.91), (-7.0, 0.0), (-1e-3, 4e4), (0.0, 3.3), (f32::MIN, f32::MAX)] {
            let range = Range { min, max }.affine();
            assert_eq!(range.dequantize(range.quantize(0.0)), 0.0);
            assert!(range.scale.is_finite());
        }
    }

    #[test]
    fn dead_ranges_get_a_positive_scale() {
        assert_eq!(affine(0.0, 0.0), (1.0 / 255.0, -128));
        assert_eq!(affine(0.0, 1e-42), (1.0 / 255.0, -128));
    }

    #[test]
    fn quantizing_rounds_half_to_even_and_saturates() {
        let steps = Affine { scale: 2.0, zero_point: -3 };
        let reals = [1.0, 3.0, 5.0, -1.0, -3.0, 1e9, f32::NEG_INFINITY];
        assert_eq!(reals.map(|x| steps.quantize(x)), [-3, -1, -1, -3, -5, 127, -128]);
    }

    #[test]
    fn a_step_survives_the_way_there_and_back() {
        for scale in [1.0 / 255.0, 0.1, 3.7e-5, 1234.5] {
            for (step, zero_point) in (-128..=127i8).flat_map(|q| [(q, -128), (q, 0), (q, 127)]) {
                let affine = Affine { scale, zero_point };
                assert_eq!(affine.quantize(affine.dequantize(step)), step);
            }
        }
    }
}

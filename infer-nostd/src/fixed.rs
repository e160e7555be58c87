//! The fixed-point arithmetic: the only code in the project that rounds an activation. ARITHMETIC.md derives it.
//!
//! An accumulator becomes an int8 by one rule on every target:
//!
//! ```text
//! y = clamp(zero_point + ⌊(acc·2^shift · multiplier + 2^31) / 2^32⌋, min, max)
//! ```
//!
//! On a core with the DSP extension the rounded product is one SMMULR; here it is one 64-bit multiply.

/// What all channels of an operator share when their accumulators become int8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requant {
    /// Left shift of the accumulator before the multiply, 0 unless a channel's scale is 0.5 or more.
    pub shift_bits: u8,
    /// The output's zero point.
    pub zero_point: i8,
    /// Smallest stored value: a ReLU is `min == zero_point`.
    pub min: i8,
    /// Largest stored value.
    pub max: i8,
}

/// Largest [`Requant::shift_bits`]: scales up to 2^15 · ½.
pub const MAX_SHIFT_BITS: u8 = 15;

impl Requant {
    /// The stored value of an accumulator.
    ///
    /// The planner has proven |acc|·2^shift < 2^31; the operations wrap rather than panic on a plan that lies.
    #[inline(always)]
    pub const fn apply(&self, acc_i32: i32, multiplier_q32: i32) -> i8 {
        let y = self.zero_point as i32 + scale(acc_i32, self.shift_bits, multiplier_q32);
        let (min, max) = (self.min as i32, self.max as i32);
        (if y < min {
            min
        } else if y > max {
            max
        } else {
            y
        }) as i8
    }
}

/// ⌊(acc·2^shift · multiplier + 2^31) / 2^32⌋: the accumulator times multiplier / 2^(32−shift), halves upwards.
#[inline(always)]
pub const fn scale(acc_i32: i32, shift_bits: u8, multiplier_q32: i32) -> i32 {
    let shifted = acc_i32.wrapping_shl(shift_bits as u32);
    ((shifted as i64 * multiplier_q32 as i64 + (1 << 31)) >> 32) as i32
}

/// The smallest shift with which `scale` has a 31-bit multiplier: scale · 2^(32−shift) < 2^31.
///
/// `None` for a scale that is not finite and positive, or beyond [`MAX_SHIFT_BITS`].
pub const fn shift_for(scale_f64: f64) -> Option<u8> {
    if scale_f64.is_nan() || scale_f64 <= 0.0 {
        return None;
    }
    let mut shift_bits = 0;
    while shift_bits <= MAX_SHIFT_BITS {
        if rounded(scale_f64, shift_bits) <= i32::MAX as f64 {
            return Some(shift_bits);
        }
        shift_bits += 1;
    }
    None
}

/// The multiplier of `scale` under a shift from [`shift_for`]: round(scale · 2^(32−shift)).
///
/// `None` where that is 0 (the scale is below 2^−33) or does not fit 31 bits.
pub const fn multiplier_for(scale_f64: f64, shift_bits: u8) -> Option<i32> {
    let m = rounded(scale_f64, shift_bits);
    if m >= 1.0 && m <= i32::MAX as f64 { Some(m as i32) } else { None }
}

/// round(scale · 2^(32−shift)) of a positive scale, halves upwards; infinity where it is beyond 2^62.
const fn rounded(scale_f64: f64, shift_bits: u8) -> f64 {
    let x = scale_f64 * (1u64 << (32 - shift_bits)) as f64;
    if x < (1u64 << 52) as f64 { ((x + 0.5) as u64) as f64 } else { f64::INFINITY }
}

/// ONNX QuantizeLinear: round(x / scale) + zero_point, halves to even, saturating.
pub fn quantize(x: f32, scale: f32, zero_point: i8) -> i8 {
    /// 1.5 · 2^23: adding it leaves no fraction bits, so the addition itself rounds to even.
    const ROUND: f32 = 12_582_912.0;
    let steps = (x / scale).clamp(-512.0, 512.0);
    let rounded = (steps + ROUND) - ROUND;
    (rounded as i32 + zero_point as i32).clamp(i8::MIN as i32, i8::MAX as i32) as i8
}

/// ONNX DequantizeLinear: (q − zero_point) · scale.
pub fn dequantize(q: i8, scale: f32, zero_point: i8) -> f32 {
    (q as i32 - zero_point as i32) as f32 * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_upwards() {
        let half = 1 << 30; // 0.25 · 2^32
        assert_eq!(scale(2, 0, half), 1); // 0.5
        assert_eq!(scale(-2, 0, half), 0); // −0.5
        assert_eq!(scale(6, 0, half), 2); // 1.5
        assert_eq!(scale(-6, 0, half), -1); // −1.5
    }

    #[test]
    fn a_shift_doubles() {
        let m = multiplier_for(0.25, 0).unwrap();
        assert_eq!(scale(1000, 0, m), 250);
        assert_eq!(scale(1000, 2, m), 1000);
    }

    #[test]
    fn shift_is_zero_below_a_half() {
        assert_eq!(shift_for(0.499_999), Some(0));
        assert_eq!(shift_for(0.5), Some(1));
        assert_eq!(shift_for(0.999_999), Some(1));
        assert_eq!(shift_for(1.0), Some(2));
        assert_eq!(shift_for(16_383.0), Some(15));
        assert_eq!(shift_for(16_384.0), None);
        assert_eq!(shift_for(0.0), None);
        assert_eq!(shift_for(-1.0), None);
        assert_eq!(shift_for(f64::NAN), None);
        assert_eq!(shift_for(f64::INFINITY), None);
    }

    #[test]
    fn multiplier_rounds_and_refuses_zero() {
        assert_eq!(multiplier_for(0.25, 0), Some(1 << 30));
        assert_eq!(multiplier_for(1e-3, 0), Some(4_294_967)); // 4,294,967.296
        assert_eq!(multiplier_for(1e-10, 0), None);
        assert_eq!(multiplier_for(0.5, 0), None);
    }

    #[test]
    fn apply_saturates_at_the_clamp() {
        let relu = Requant { shift_bits: 0, zero_point: -128, min: -128, max: 100 };
        let m = multiplier_for(0.25, 0).unwrap();
        assert_eq!(relu.apply(-4000, m), -128);
        assert_eq!(relu.apply(400, m), -28);
        assert_eq!(relu.apply(4000, m), 100);
    }

    #[test]
    fn quantize_rounds_halves_to_even_and_saturates() {
        assert_eq!(quantize(0.5, 1.0, 0), 0);
        assert_eq!(quantize(1.5, 1.0, 0), 2);
        assert_eq!(quantize(-0.5, 1.0, 0), 0);
        assert_eq!(quantize(-2.5, 1.0, 0), -2);
        assert_eq!(quantize(1e30, 1.0, 0), 127);
        assert_eq!(quantize(-1e30, 1.0, 3), -128);
    }

    #[test]
    fn every_pixel_is_exact() {
        for pixel in 0..=255u8 {
            assert_eq!(quantize(pixel as f32 / 255.0, 1.0 / 255.0, -128), (pixel ^ 0x80) as i8);
        }
    }
}

//! Small words of work in plain Rust: the definition that every faster one is held against.

/// Four inner products at once, each value of `a` loaded once: accₙ + Σ aᵢ·bₙᵢ, wrapping: the planner has proven that it does not. The `b` are as
/// long as `a`, or longer.
///
/// Written out, as the compiler keeps loops over four when it is to save space.
#[inline(always)]
pub fn dot4(accs_i32: [i32; 4], a: &[i8], b: [&[i8]; 4]) -> [i32; 4] {
    let ([mut acc0, mut acc1, mut acc2, mut acc3], [b0, b1, b2, b3]) = (accs_i32, b);
    let len = a.len();
    let (b0, b1, b2, b3) = (&b0[..len], &b1[..len], &b2[..len], &b3[..len]); // says once that no index is too large
    for (i, &a) in a.iter().enumerate() {
        let a = a as i32;
        acc0 = acc0.wrapping_add(a * b0[i] as i32);
        acc1 = acc1.wrapping_add(a * b1[i] as i32);
        acc2 = acc2.wrapping_add(a * b2[i] as i32);
        acc3 = acc3.wrapping_add(a * b3[i] as i32);
    }
    [acc0, acc1, acc2, acc3]
}

/// The larger of each of four int8.
#[inline(always)]
pub fn max_bytes(a: u32, b: u32) -> u32 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    u32::from_le_bytes(core::array::from_fn(|i| (a[i] as i8).max(b[i] as i8) as u8))
}

/// Pixels of four int8: the largest of every two, and of what was there unless it `is_first`.
#[inline(always)]
pub fn merge_two_words(from: &[u8], to: &mut [u8], is_first: bool) {
    let ((from, _), (to, _)) = (from.as_chunks::<8>(), to.as_chunks_mut::<4>());
    for (&[a, b, c, d, e, f, g, h], to) in from.iter().zip(to) {
        let largest = max_bytes(u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let before = if is_first { largest } else { u32::from_le_bytes(*to) };
        *to = max_bytes(largest, before).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot4_is_four_sums_of_products() {
        let (a, b) = ([1, -2, 127], [[3, 4, -128], [-1, 0, 5], [7, 7, 7], [-128, 127, 0]]);
        let b = [&b[0][..], &b[1], &b[2], &b[3]];
        assert_eq!(dot4([5, 6, 7, 8], &a, b), [5 + 3 - 8 - 16_256, 634, 889, 8 - 382]);
        assert_eq!(dot4([1, 2, 3, 4], &a[..1], b), [4, 1, 10, -124]);
        assert_eq!(dot4([1, 2, 3, 4], &[], b), [1, 2, 3, 4]);
    }

    #[test]
    fn maxima_are_signed_and_lane_by_lane() {
        assert_eq!(max_bytes(0x80_7F_00_FF, 0x7F_80_01_00), 0x7F_7F_01_00);
    }

    #[test]
    fn pixels_merge_two_by_two() {
        let (from, mut to) = ([1, 255, 3, 4, 0, 5, 128, 9], [127, 128, 0, 0]);
        merge_two_words(&from, &mut to, false);
        assert_eq!(to, [127, 5, 3, 9]);
        merge_two_words(&from, &mut to, true);
        assert_eq!(to, [1, 5, 3, 9]);
    }
}

//! Inner products in plain Rust: the definition that every kernel is held against.

/// acc + Σ aᵢ·bᵢ, wrapping: the planner has proven that it does not.
#[inline(always)]
pub fn dot(acc_i32: i32, a: &[i8], b: &[i8]) -> i32 {
    let products = a.iter().zip(b).map(|(&a, &b)| a as i32 * b as i32);
    products.fold(acc_i32, i32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_is_a_sum_of_products() {
        assert_eq!(dot(5, &[1, -2, 127], &[3, 4, -128]), 5 + 3 - 8 - 16_256);
        assert_eq!(dot(5, &[], &[]), 5);
    }
}

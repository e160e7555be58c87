//! Images of nothing.

use rand_pcg::{Pcg32, rand_core::Rng};

/// Endless pixels without any pattern, the same of a seed on every machine.
pub fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut random = Pcg32::new(seed, 0);
    std::iter::repeat_with(move || (random.next_u32() >> 24) as u8)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_seed_gives_the_same_pixels() {
        let first = |seed| super::noise(seed).take(4).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}

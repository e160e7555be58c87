//! Chance, the same on every machine: PCG32 and arithmetic that IEEE 754 fixes to the last bit.

use rand_pcg::{Pcg32, rand_core::Rng};

/// A source of numbers for one purpose.
pub(super) struct Dice(Pcg32);

impl Dice {
    /// Dice of their own for each seed and index: neighbours share nothing.
    pub fn new(seed: u64, index: u64) -> Self {
        let state = scramble(seed ^ scramble(index));
        Self(Pcg32::new(state, scramble(state ^ index)))
    }

    /// In 0..n, for a small n.
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(n)) >> 32) as u32
    }

    /// Evenly in low..high.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// A bell of mean 0 and standard deviation 1: four uniforms, so never beyond ±3.47. Without a tail no jitter tears a
    /// digit apart, and without a logarithm there is nothing to round differently elsewhere.
    pub fn bell(&mut self) -> f64 {
        let four: f64 = (0..4).map(|_| self.between(-1.0, 1.0)).sum();
        // A uniform in ±1 has variance 1/3, four of them 4/3.
        four * 0.866_025_403_784_438_6
    }
}

/// The finalizer of SplitMix64: every bit of the result depends on every bit of `x`.
fn scramble(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_everywhere() {
        let mut dice = Dice::new(1, 2);
        assert_eq!([dice.below(1000), dice.below(1000), dice.below(1000)], [345, 160, 16]);
    }

    #[test]
    fn the_bell_has_mean_0_and_deviation_1() {
        let mut dice = Dice::new(3, 4);
        let rolls: Vec<f64> = (0..10_000).map(|_| dice.bell()).collect();
        let mean = rolls.iter().sum::<f64>() / 1e4;
        let variance = rolls.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.04 && (variance - 1.0).abs() < 0.06, "{mean} {variance}");
    }
}

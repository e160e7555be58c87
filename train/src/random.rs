//! Random numbers as a function of what they are for, not of when they are drawn.
//!
//! SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), whose
//! output function is also the hash that turns (seed, stream, epoch, index) into a starting state. No
//! generator has to be saved for a run to be resumed.

/// What a number is drawn for: two streams of one seed are independent.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// The first weights; the index is the tensor's.
    Weights = 1,
    /// The split into training and validation images.
    Split = 2,
    /// The order of the images in an epoch.
    Order = 3,
    /// The transform of an image; the index is the image's.
    Augment = 4,
}

/// A generator of uniform numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of `stream` for this seed, epoch and index.
    pub fn new(seed: u64, stream: Stream, epoch: usize, index: usize) -> Self {
        let parts = [seed, stream as u64, epoch as u64, index as u64];
        let state = parts.iter().fold(0, |state, &part| mix(state ^ mix(part)));
        Self { state }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        finalize(self.state)
    }

    /// Uniform in [-1, 1), on a grid of 2^-23: every value is an exact f32.
    pub fn signed_unit(&mut self) -> f32 {
        let steps = (self.bits() >> 40) as i32 - (1 << 23);
        steps as f32 / (1 << 23) as f32
    }

    /// Uniform in 0..n. The bias of the multiplication is below n / 2^64.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// The numbers 0..n in random order (Fisher–Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

/// 2^64 / φ, odd: SplitMix64's step.
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(z: u64) -> u64 {
    finalize(z.wrapping_add(GOLDEN_GAMMA))
}

/// SplitMix64's output function (Stafford's variant 13 of the MurmurHash3 finalizer).
fn finalize(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_splitmix64() {
        // The published first outputs for state 0.
        let mut random = Random { state: 0 };
        assert_eq!(random.bits(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(random.bits(), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(random.bits(), 0x06C4_5D18_8009_454F);
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = Random::new(1, Stream::Order, 0, 0).permutation(1000);
        assert_ne!(order[..4], [0, 1, 2, 3]);
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn streams_epochs_and_indices_differ() {
        let first = |stream, epoch, index| Random::new(7, stream, epoch, index).bits();
        let drawn = [
            first(Stream::Order, 0, 0),
            first(Stream::Augment, 0, 0),
            first(Stream::Order, 1, 0),
            first(Stream::Order, 0, 1),
        ];
        for (i, a) in drawn.iter().enumerate() {
            assert!(drawn[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn signed_unit_fills_its_range() {
        let mut random = Random::new(3, Stream::Augment, 0, 0);
        let drawn: Vec<f32> = (0..10_000).map(|_| random.signed_unit()).collect();
        let least = drawn.iter().copied().fold(f32::MAX, f32::min);
        let most = drawn.iter().copied().fold(f32::MIN, f32::max);
        assert!((-1.0..-0.99).contains(&least) && (0.99..1.0).contains(&most));
    }
}

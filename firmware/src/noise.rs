//! Images of noise, the same on host and chip, for a self-test that needs no images in flash.

/// Int8 values from a seed: the high bytes of Marsaglia's 32-bit xorshift.
pub struct Noise(u32);

impl Noise {
    /// The values of one seed, which must not be 0.
    pub const fn new(seed: u32) -> Self {
        Self(seed)
    }

    /// The next value.
    pub fn value(&mut self) -> i8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 24) as i8
    }
}

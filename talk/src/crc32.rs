//! CRC-32 as gzip, PNG and `zlib.crc32` have it: reflected, polynomial 0x04C11DB7.

/// The checksum so far.
#[derive(Debug, Clone, Copy, Default)]
pub struct Crc32(u32);

impl Crc32 {
    /// Of no bytes.
    pub const fn new() -> Self {
        Self(0)
    }

    /// Takes in a byte. A bit at a time: a table takes a kilobyte of flash, and a serial line is slower.
    #[inline(never)] // one loop in flash will do
    pub fn update(&mut self, byte: u8) {
        let mut crc = !self.0 ^ u32::from(byte);
        for _ in 0..8 {
            let polynomial = if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
            crc = (crc >> 1) ^ polynomial;
        }
        self.0 = !crc;
    }

    /// The checksum of all bytes taken in.
    pub fn value(self) -> u32 {
        self.0
    }
}

/// The checksum of bytes.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::new();
    bytes.iter().for_each(|&byte| crc.update(byte));
    crc.value()
}

#[cfg(test)]
mod tests {
    #[test]
    fn matches_the_catalogues_check_value() {
        assert_eq!(super::crc32(b"123456789"), 0xCBF4_3926);
    }
}

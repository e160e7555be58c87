//! CRC-32 as gzip, PNG and `zlib.crc32` have it: reflected, polynomial 0x04C11DB7.

/// The checksum so far; starts as `Crc32::default()`.
#[derive(Default)]
pub struct Crc32(u32);

impl Crc32 {
    /// Takes in more values. A bit at a time: ten bytes an image are not worth a table.
    pub fn update(&mut self, values: &[i8]) {
        let mut crc = !self.0;
        for &value in values {
            crc ^= u32::from(value as u8);
            for _ in 0..8 {
                let polynomial = if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
                crc = (crc >> 1) ^ polynomial;
            }
        }
        self.0 = !crc;
    }

    /// The checksum of all values taken in.
    pub fn value(&self) -> u32 {
        self.0
    }
}

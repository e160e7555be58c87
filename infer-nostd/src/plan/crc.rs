//! CRC-32 (IEEE 802.3), as in zip and PNG, over little-endian words.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

/// CRC-32 of `words[from..]`, each word's low byte first.
pub const fn crc32(words: &[u32], from: usize) -> u32 {
    let mut crc = !0;
    let mut i = from;
    while i < words.len() {
        crc ^= words[i];
        let mut byte = 0;
        while byte < 4 {
            crc = (crc >> 8) ^ TABLE[(crc & 0xFF) as usize];
            byte += 1;
        }
        i += 1;
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_check_value() {
        // The catalogue's check value is that of "123456789"; padded to words here: zlib.crc32(b"12345678").
        let words = [u32::from_le_bytes(*b"1234"), u32::from_le_bytes(*b"5678")];
        assert_eq!(crc32(&words, 0), 0x9AE0_DAAF);
    }
}

//! Binary PGM (P5) and PPM (P6) pictures of 8 bits a channel.

use super::{Picture, checked_len};

/// Reads a picture; the reason where it is none.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let cut = || "expected a PGM or PPM picture, found a header cut short. Save it again".to_string();
    let channels = if bytes.starts_with(b"P6") { 3 } else { 1 };
    let (mut at, mut header) = (2, [0usize; 3]);
    for number in &mut header {
        at = skip_blanks(bytes, at);
        let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let text = std::str::from_utf8(&bytes[at..at + digits]).map_err(|_| cut())?;
        *number = text.parse().map_err(|_| cut())?;
        at += digits;
    }
    let [width, height, largest] = header;
    if largest != 255 {
        return Err(format!(
            "expected a PGM or PPM picture whose largest value is 255, found {largest}. Convert it to 8 bits"
        ));
    }
    let len = checked_len(width, height, channels)?;
    // One blank ends the header.
    let pixels = bytes.get(at + 1..).unwrap_or_default();
    if pixels.len() != len {
        return Err(format!(
            "expected {len} bytes of pixels, found {}. The picture is damaged: save it again",
            pixels.len()
        ));
    }
    Ok(Picture { channels, width, pixels: pixels.to_vec() })
}

/// Past blanks and comments.
fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b'#') => at += bytes[at..].iter().take_while(|&&b| b != b'\n').count(),
            Some(b) if b.is_ascii_whitespace() => at += 1,
            _ => return at.min(bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blanks_are_skipped() {
        let picture = decode(b"P5\n# by hand\n2\t1 # size\n255\n\x01\x02").unwrap();
        assert_eq!(picture, Picture { channels: 1, width: 2, pixels: vec![1, 2] });
    }

    #[test]
    fn damage_is_named() {
        let reasons =
            [b"P5 2".as_slice(), b"P5 2 1 65535 ", b"P5 2 1 255 x", b"P5 0 1 255 "].map(|b| decode(b).unwrap_err());
        for (reason, expected) in
            reasons.iter().zip(["cut short", "found 65535", "expected 2 bytes of pixels, found 1", "0×1"])
        {
            assert!(reason.contains(expected), "{reason}");
        }
    }
}

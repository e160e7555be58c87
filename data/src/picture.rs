//! Pictures of 8 bits a channel: .png, .jpg, .pgm and .ppm.

mod jpeg;
mod netpbm;
mod png;

/// Most values of a picture: 64 Mi.
const MAX_VALUES: usize = 64 << 20;

/// A picture's bytes, rows first, channels last.
#[derive(Debug, PartialEq)]
pub struct Picture {
    /// Values a pixel: 1 for grey, 3 for colour.
    pub channels: usize,
    /// Pixels of a row.
    pub width: usize,
    /// All rows.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Channels, height and width.
    pub fn shape(&self) -> [usize; 3] {
        [self.channels, self.pixels.len() / (self.channels * self.width), self.width]
    }
}

/// Whether these are the first bytes of a kind of picture that is read.
pub fn is_picture(bytes: &[u8]) -> bool {
    [png::MAGIC, jpeg::MAGIC, b"P5", b"P6"].iter().any(|magic| bytes.starts_with(magic))
}

/// Reads a picture; the kind is told by its first bytes. The reason where it is none: expected, found, and what to do.
///
/// # Errors
/// A damaged picture, one of another kind or depth, or one that is too large.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    match bytes {
        _ if bytes.starts_with(png::MAGIC) => png::decode(bytes),
        _ if bytes.starts_with(jpeg::MAGIC) => jpeg::decode(bytes),
        [b'P', b'5' | b'6', ..] => netpbm::decode(bytes),
        _ => {
            Err("expected a .png, .jpg, .pgm or .ppm picture, found something else. Convert it to one of these".into())
        }
    }
}

/// Values of a picture, or a reason to refuse its size.
fn checked_len(width: usize, height: usize, channels: usize) -> Result<usize, String> {
    let len = width.checked_mul(height).and_then(|len| len.checked_mul(channels));
    len.filter(|&len| (1..=MAX_VALUES).contains(&len)).ok_or_else(|| {
        format!("expected 1 to {MAX_VALUES} values, found {width}×{height} pixels. Give a smaller picture")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_kind() {
        let colour = decode(b"P6 1 2 255\n\x00\x33\xff\x66\x00\x00").unwrap();
        assert_eq!(colour.shape(), [3, 2, 1]);
        assert_eq!(colour.pixels, [0, 0x33, 0xff, 0x66, 0, 0]);
        assert!(decode(b"hello, world").unwrap_err().starts_with("expected a .png, .jpg, .pgm or .ppm"));
    }
}

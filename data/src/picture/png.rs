//! PNG pictures, as 8 bits a channel; an alpha channel is left off.

use std::io::Cursor;

use png::{Decoder, Transformations};

use super::{Picture, checked_len};

/// The first eight bytes.
pub(super) const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Reads a picture; the reason where it is none.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let damaged = |cause| format!("expected a PNG picture, found a damaged one ({cause}). Save it again");
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let channels = reader.output_color_type().0.samples();
    let mut pixels = vec![0; checked_len(width, height, channels)?];
    reader.next_frame(&mut pixels).map_err(damaged)?;
    Ok(without_alpha(&pixels, width, channels))
}

fn without_alpha(pixels: &[u8], width: usize, channels: usize) -> Picture {
    let kept = if channels.is_multiple_of(2) { channels - 1 } else { channels };
    let pixels = pixels.chunks(channels).flat_map(|pixel| &pixel[..kept]).copied().collect();
    Picture { channels: kept, width, pixels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use png::{BitDepth, ColorType, Encoder};

    fn encoded(width: u32, height: u32, colour: ColorType, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, width, height);
        encoder.set_color(colour);
        encoder.set_depth(BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        bytes
    }

    #[test]
    fn pixels_come_row_by_row() {
        let bytes = encoded(3, 2, ColorType::Grayscale, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(decode(&bytes).unwrap(), Picture { channels: 1, width: 3, pixels: vec![1, 2, 3, 4, 5, 6] });
    }

    #[test]
    fn alpha_is_left_off() {
        let bytes = encoded(1, 1, ColorType::Rgba, &[1, 2, 3, 255]);
        assert_eq!(decode(&bytes).unwrap(), Picture { channels: 3, width: 1, pixels: vec![1, 2, 3] });
    }

    #[test]
    fn a_damaged_picture_is_refused() {
        let bytes = encoded(3, 2, ColorType::Grayscale, &[1, 2, 3, 4, 5, 6]);
        let error = decode(&bytes[..bytes.len() - 20]).unwrap_err();
        assert!(error.starts_with("expected a PNG picture, found a damaged one"), "{error}");
    }
}

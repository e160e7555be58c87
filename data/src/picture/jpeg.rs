//! JPEG pictures, grey or colour.

use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use super::{Picture, checked_len};

/// The first three bytes.
pub(super) const MAGIC: &[u8] = b"\xff\xd8\xff";

/// Reads a picture; the reason where it is none.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let damaged = |cause: String| format!("expected a JPEG picture, found a damaged one ({cause}). Save it again");
    let decoder = |options| JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let strict = DecoderOptions::default().set_strict_mode(true);
    let mut header = decoder(strict);
    header.decode_headers().map_err(|cause| damaged(cause.to_string()))?;
    let (width, height) = header.dimensions().ok_or_else(|| damaged("no size".into()))?;
    let grey = header.input_colorspace() == Some(ColorSpace::Luma);
    let (channels, colours) = if grey { (1, ColorSpace::Luma) } else { (3, ColorSpace::RGB) };
    let len = checked_len(width, height, channels)?;
    let pixels =
        decoder(strict.jpeg_set_out_colorspace(colours)).decode().map_err(|cause| damaged(cause.to_string()))?;
    if pixels.len() == len {
        return Ok(Picture { channels, width, pixels });
    }
    Err(damaged(format!("{} values instead of {len}", pixels.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One block whose only coefficient is 72 steps of 8 (×8 in the transform's units): grey of 128 + 72.
    fn grey(width: u8, height: u8) -> Vec<u8> {
        let tables = |class: u8, symbol: u8| [&[0xff, 0xc4, 0, 20, class, 1][..], &[0; 15], &[symbol]].concat();
        let steps = [&[0xff, 0xdb, 0, 67, 0][..], &[8; 64]].concat();
        let frame = [0xff, 0xc0, 0, 11, 8, 0, height, 0, width, 1, 1, 0x11, 0];
        // Code 0 of 7 bits, 1001000; code 0 for the end of the block; ones to fill up.
        let scan = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0b0100_1000, 0b0111_1111, 0xff, 0xd9];
        [&[0xff, 0xd8][..], &steps, &frame, &tables(0, 7), &tables(0x10, 0), &scan].concat()
    }

    #[test]
    fn a_grey_picture() {
        assert_eq!(decode(&grey(2, 1)).unwrap(), Picture { channels: 1, width: 2, pixels: vec![200, 200] });
    }

    #[test]
    fn damage_is_refused() {
        let whole = grey(2, 1);
        for len in 3..whole.len() - 4 {
            assert!(decode(&whole[..len]).is_err(), "{len} bytes");
        }
        assert!(decode(&grey(0, 1)).is_err());
    }
}

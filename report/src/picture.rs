//! Images inside text: PNG, base64, a `data:` address.

use data::Dataset;
use png::{BitDepth, ColorType, Encoder};

/// Image `number` as the address of a PNG file: grey of one channel, else the first three channels as colours.
pub fn address(images: &Dataset, number: usize) -> String {
    let image = images.image(number);
    let (color, pixels) = match images.channels {
        3.. => (ColorType::Rgb, image.chunks(images.channels).flat_map(|pixel| &pixel[..3]).copied().collect()),
        channels => (ColorType::Grayscale, image.iter().step_by(channels.max(1)).copied().collect::<Vec<u8>>()),
    };
    let png = encode(images.width, images.height, color, &pixels).expect("memory takes what is written");
    format!("data:image/png;base64,{}", base64(&png))
}

fn encode(width: usize, height: usize, color: ColorType, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0, |bits, &byte| (bits << 8) | usize::from(byte)) << (8 * (3 - three.len()));
        let digit = |i: usize| char::from(DIGITS[(bits >> (18 - 6 * i)) & 63]);
        text.extend((0..4).map(|i| if i <= three.len() { digit(i) } else { '=' }));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let texts = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn a_grey_and_a_colour_image_are_what_they_were() {
        for (channels, color) in [(1, ColorType::Grayscale), (3, ColorType::Rgb)] {
            let pixels: Vec<u8> = (0..2 * 3 * channels as u8).collect();
            let png = encode(3, 2, color, &pixels).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
            let mut read = vec![0; pixels.len()];
            reader.next_frame(&mut read).unwrap();
            assert_eq!(read, pixels);
        }
    }
}

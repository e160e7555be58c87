//! PNG pictures of 8 bits a channel, grey or RGB, not interlaced; an alpha channel is left off.
//!
//! Chunks: IHDR (size, depth, colour type), IDAT (zlib stream of filtered rows), IEND. Each row begins with its filter:
//! 0 none, 1 left, 2 up, 3 mean of both, 4 Paeth's predictor of left, up and upper left (PNG specification, section 9).

use std::io::Read;

use flate2::read::ZlibDecoder;

use super::{Picture, checked_len};

/// The first eight bytes.
pub(super) const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Reads a picture; the reason where it is none.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let damaged = || "expected a PNG picture, found one that is cut short or damaged. Save it again".to_string();
    let chunks = chunks(&bytes[MAGIC.len()..]).ok_or_else(damaged)?;
    let header: [u8; 13] =
        chunks.first().filter(|c| c.0 == b"IHDR").and_then(|c| c.1.try_into().ok()).ok_or_else(damaged)?;
    let channels = match (header[8], header[9], header[12]) {
        (8, 0, 0) => 1,
        (8, 2, 0) => 3,
        (8, 4, 0) => 2,
        (8, 6, 0) => 4,
        (depth, colour, interlace) => {
            return Err(format!(
                "expected a PNG picture of 8 bits, grey or RGB, not interlaced; found {depth} bits, colour type {colour}, \
                 interlace {interlace}. Convert it"
            ));
        }
    };
    let side = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize;
    let (width, height) = (side(0), side(4));
    let len = checked_len(width, height, channels)? + height;
    let stream: Vec<u8> = chunks.iter().filter(|c| c.0 == b"IDAT").flat_map(|c| c.1).copied().collect();
    let mut rows = Vec::new();
    ZlibDecoder::new(stream.as_slice()).take(len as u64 + 1).read_to_end(&mut rows).map_err(|_| damaged())?;
    if rows.len() != len {
        return Err(damaged());
    }
    let pixels = unfilter(&rows, width * channels, channels).ok_or_else(damaged)?;
    Ok(without_alpha(&pixels, channels))
}

/// Kind and contents of each chunk up to IEND. Checksums are not looked at: zlib has its own.
fn chunks(mut bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut chunks = Vec::new();
    loop {
        let (len, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_at_checked(4)?;
        let (contents, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        chunks.push((kind, contents));
        if kind == b"IEND" {
            return Some(chunks);
        }
        bytes = rest.get(4..)?;
    }
}

fn unfilter(rows: &[u8], row_len: usize, channels: usize) -> Option<Vec<u8>> {
    let (mut above, mut pixels) = (vec![0u8; row_len], Vec::with_capacity(rows.len()));
    for row in rows.chunks_exact(row_len + 1) {
        let (filter, mut line) = (row[0], row[1..].to_vec());
        for i in 0..row_len {
            let before = i.checked_sub(channels);
            let (left, up, corner) = (before.map_or(0, |b| line[b]), above[i], before.map_or(0, |b| above[b]));
            let predicted = match filter {
                0 => 0,
                1 => left,
                2 => up,
                3 => ((u16::from(left) + u16::from(up)) / 2) as u8,
                4 => paeth(left, up, corner),
                _ => return None,
            };
            line[i] = line[i].wrapping_add(predicted);
        }
        pixels.extend_from_slice(&line);
        above = line;
    }
    Some(pixels)
}

/// Whichever of the three is nearest to left + up − corner; ties in this order.
fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let estimate = i16::from(left) + i16::from(up) - i16::from(corner);
    let [l, u, c] = [left, up, corner].map(|v| (estimate - i16::from(v)).abs());
    if l <= u && l <= c {
        left
    } else if u <= c {
        up
    } else {
        corner
    }
}

fn without_alpha(pixels: &[u8], channels: usize) -> Picture {
    let kept = if channels % 2 == 0 { channels - 1 } else { channels };
    Picture { channels: kept, pixels: pixels.chunks(channels).flat_map(|pixel| &pixel[..kept]).copied().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    /// A PNG of these filtered rows.
    fn png(width: u32, height: u32, colour: u8, rows: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(rows).unwrap();
        let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, colour, 0, 0, 0]].concat();
        let chunk =
            |kind: &[u8], contents: &[u8]| [&(contents.len() as u32).to_be_bytes(), kind, contents, &[0; 4]].concat();
        [MAGIC, &chunk(b"IHDR", &header), &chunk(b"IDAT", &encoder.finish().unwrap()), &chunk(b"IEND", &[])].concat()
    }

    #[test]
    fn each_filter_is_undone() {
        #[rustfmt::skip]
        let rows = [
            0, 10, 20, 30,
            1, 5, 5, 5,     // 5 10 15
            2, 1, 1, 1,     // 6 11 16
            3, 10, 10, 10,  // 13 22 29
            4, 1, 1, 1,     // 14 23 30
        ];
        let expected = [10, 20, 30, 5, 10, 15, 6, 11, 16, 13, 22, 29, 14, 23, 30];
        assert_eq!(decode(&png(3, 5, 0, &rows)).unwrap(), Picture { channels: 1, pixels: expected.to_vec() });
    }

    #[test]
    fn alpha_is_left_off() {
        let picture = decode(&png(1, 1, 6, &[0, 1, 2, 3, 255])).unwrap();
        assert_eq!(picture, Picture { channels: 3, pixels: vec![1, 2, 3] });
    }

    #[test]
    fn damage_and_other_kinds_are_refused() {
        let whole = png(2, 1, 0, &[0, 1, 2]);
        for len in MAGIC.len()..whole.len() - 4 {
            assert!(decode(&whole[..len]).is_err(), "{len} bytes");
        }
        assert!(decode(&png(2, 1, 3, &[0, 1, 2])).unwrap_err().contains("colour type 3"));
        assert!(decode(&png(2, 1, 0, &[9, 1, 2])).unwrap_err().contains("damaged"));
        assert!(decode(&png(0, 1, 0, &[0])).unwrap_err().contains("0×1"));
    }
}

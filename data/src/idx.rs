//! The IDX format: a magic number, sizes, and bytes.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 2 | zero |
//! | 2 | 1 | element type: 0x08, unsigned byte, is the only one read here |
//! | 3 | 1 | rank: how many sizes follow |
//! | 4 | 4 × rank | sizes, big-endian `u32`, outermost first |
//! | 4 + 4 × rank | product of the sizes | elements, last size fastest |
//!
//! A file may be gzipped; that is told by its content (`1f 8b`), not by its name.
//!
//! ```
//! let bytes = [0, 0, 8, 2,  0, 0, 0, 1,  0, 0, 0, 3,  7, 8, 9];
//! let idx = data::idx::parse("example".as_ref(), bytes.to_vec()).unwrap();
//! assert_eq!((idx.sizes.as_slice(), idx.elements()), (&[1, 3][..], &[7, 8, 9][..]));
//! ```

use crate::DataError;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// The most bytes of raw IDX that are read: 1 GiB, twenty times MNIST. It stops a small gzip that unpacks to a disk's worth.
pub const MAX_RAW_BYTES: usize = 1 << 30;

/// The highest rank that is read: images × rows × columns × channels.
pub const MAX_RANK: u8 = 4;

/// A parsed file: its sizes and its raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The sizes, outermost first. Their product is the number of elements.
    pub sizes: Vec<usize>,
    raw: Vec<u8>,
}

impl Idx {
    /// The elements, last size fastest.
    pub fn elements(&self) -> &[u8] {
        &self.raw[header_len_bytes(self.sizes.len())..]
    }

    /// The elements, without a copy of the whole file staying behind.
    pub fn into_elements(mut self) -> Vec<u8> {
        self.raw.drain(..header_len_bytes(self.sizes.len()));
        self.raw
    }

    /// The file as it is, header included and gunzipped: what the published checksums are of.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }
}

/// Reads a file, gzipped or plain, and parses it.
pub fn read(path: &Path) -> Result<Idx, DataError> {
    let file = File::open(path).map_err(|cause| DataError::Read { path: path.into(), cause })?;
    parse(path, unpack(path, BufReader::new(file), MAX_RAW_BYTES)?)
}

/// All of a stream, gunzipped where it begins as gzip does; more than `limit_bytes` is refused. `path` is for the error.
pub(crate) fn unpack(path: &Path, mut input: impl BufRead, limit_bytes: usize) -> Result<Vec<u8>, DataError> {
    let read_error = |cause| DataError::Read { path: path.into(), cause };
    let zipped = input.fill_buf().map_err(read_error)?.starts_with(&[0x1f, 0x8b]);
    let mut raw = Vec::new();
    let limit = limit_bytes as u64 + 1;
    if zipped {
        let whole = flate2::bufread::MultiGzDecoder::new(input).take(limit).read_to_end(&mut raw);
        whole.map_err(|cause| DataError::Gzip { path: path.into(), cause })?;
    } else {
        input.take(limit).read_to_end(&mut raw).map_err(read_error)?;
    }
    if raw.len() > limit_bytes {
        return Err(DataError::TooLarge { path: path.into(), limit_bytes });
    }
    Ok(raw)
}

/// Parses the raw (gunzipped) bytes of a file. `path` is for the error.
pub fn parse(path: &Path, raw: Vec<u8>) -> Result<Idx, DataError> {
    let sizes = header(path, &raw)?;
    let expected_bytes = checked_len_bytes(&sizes).ok_or_else(|| DataError::Sizes {
        path: path.into(),
        expected: format!("at most {MAX_RAW_BYTES} bytes in all"),
        found: sizes.clone(),
    })?;
    let found_bytes = raw.len();
    match found_bytes.cmp(&expected_bytes) {
        std::cmp::Ordering::Less => Err(DataError::Truncated { path: path.into(), expected_bytes, found_bytes }),
        std::cmp::Ordering::Greater => Err(DataError::Trailing { path: path.into(), expected_bytes, found_bytes }),
        std::cmp::Ordering::Equal => Ok(Idx { sizes, raw }),
    }
}

/// Magic, type and rank, and the sizes after them.
fn header(path: &Path, raw: &[u8]) -> Result<Vec<usize>, DataError> {
    let path_buf = || path.to_path_buf();
    let truncated = |expected_bytes| DataError::Truncated { path: path_buf(), expected_bytes, found_bytes: raw.len() };
    if raw.iter().take(2).any(|&b| b != 0) {
        return Err(DataError::Magic { path: path_buf(), found: raw[..raw.len().min(4)].to_vec() });
    }
    let &[_, _, element_type, rank] = raw.first_chunk::<4>().ok_or_else(|| truncated(4))?;
    if element_type != 0x08 {
        return Err(DataError::ElementType { path: path_buf(), found: element_type });
    }
    if !(1..=MAX_RANK).contains(&rank) {
        return Err(DataError::Rank { path: path_buf(), expected: "1 to 4", found: rank });
    }
    let end = header_len_bytes(rank.into());
    let sizes = raw.get(4..end).ok_or_else(|| truncated(end))?;
    Ok(sizes.chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect())
}

fn header_len_bytes(rank: usize) -> usize {
    4 + 4 * rank
}

/// Header and elements, unless that is over the cap. On a 32-bit machine too the product cannot wrap: it is checked.
fn checked_len_bytes(sizes: &[usize]) -> Option<usize> {
    let elements = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size))?;
    elements.checked_add(header_len_bytes(sizes.len())).filter(|&n| n <= MAX_RAW_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LABELS: &[u8] = &[0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4];

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn try_unpack(bytes: &[u8]) -> Result<Vec<u8>, DataError> {
        unpack("f".as_ref(), bytes, 64)
    }

    /// What `parse` says of the bytes.
    fn refusal(bytes: &[u8]) -> String {
        parse("f".as_ref(), bytes.to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn labels_plain_and_zipped() {
        for file in [LABELS.to_vec(), gz(LABELS)] {
            let idx = parse("f".as_ref(), try_unpack(&file).unwrap()).unwrap();
            assert_eq!((idx.sizes.as_slice(), idx.elements(), idx.raw()), (&[3][..], &[5, 0, 4][..], LABELS));
            assert_eq!(idx.into_elements(), [5, 0, 4]);
        }
    }

    #[test]
    fn each_fault_has_its_sentence() {
        let check = |bytes: &[u8], sentence: &str| assert_eq!(refusal(bytes), sentence);
        check(
            b"\x89PNG\r\n",
            "f: expected an IDX file (first bytes 00 00 08 …), found [89, 50, 4e, 47]; it is no IDX file: check what was put there",
        );
        check(
            &[0, 0, 13, 1, 0, 0, 0, 0],
            "f: expected IDX elements of type 0x08 (unsigned bytes), found 0x0d; convert the file to bytes",
        );
        check(&[0, 0, 8, 5], "f: expected 1 to 4 dimensions, found 5; check that images and labels are not swapped");
        check(&[], "f: expected 4 bytes by its header, found 0: it was cut off; fetch it again");
        check(&LABELS[..6], "f: expected 8 bytes by its header, found 6: it was cut off; fetch it again");
        check(&LABELS[..9], "f: expected 11 bytes by its header, found 9: it was cut off; fetch it again");
        check(
            &[LABELS, &[1]].concat(),
            "f: expected 11 bytes by its header, found 12: more follows its end; check how the file was made",
        );
    }

    #[test]
    fn sizes_whose_product_overflows() {
        let huge = [&[0, 0, 8, 4][..], &[0xff; 16]].concat();
        assert_eq!(
            refusal(&huge),
            "f: expected at most 1073741824 bytes in all, found sizes [4294967295, 4294967295, 4294967295, 4294967295]; check how the file was made"
        );
    }

    #[test]
    fn a_cut_gzip() {
        let whole = gz(LABELS);
        for len in [3, 12, whole.len() - 1] {
            assert!(matches!(try_unpack(&whole[..len]), Err(DataError::Gzip { .. })), "{len} bytes");
        }
    }

    #[test]
    fn a_gzip_that_unpacks_to_too_much() {
        assert_eq!(try_unpack(&gz(&[0; 64])).unwrap().len(), 64);
        assert!(matches!(try_unpack(&gz(&[0; 65])), Err(DataError::TooLarge { limit_bytes: 64, .. })));
    }

    #[test]
    fn a_file_that_is_not_there() {
        let error = read("/no/such/file".as_ref()).unwrap_err();
        assert!(matches!(error, DataError::Read { .. }));
        assert!(error.to_string().starts_with("/no/such/file: expected a readable file, found: "));
    }
}

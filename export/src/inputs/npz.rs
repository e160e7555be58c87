//! NumPy's .npz files: .npy files in a zip archive, stored or deflated.
//!
//! Of zip (PKWARE's APPNOTE), what NumPy writes: the directory at the end names each file, its method (0 stored, 8
//! deflated), its sizes and where its local header is. A deflated array is unpacked to a temporary file first.

use super::{
    InputError, Intake,
    array::{ArrayFile, Span},
};
use crate::npy::Element;
use data::Split;
use flate2::{CrcReader, read::DeflateDecoder};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// The first bytes of a file.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";

/// Bytes of the record that ends an archive, and the longest comment after it.
const END_BYTES: u64 = 22;
const MAX_COMMENT_BYTES: u64 = 65_535;
/// The most that an array unpacks to: 4 GiB. It stops a small archive that unpacks to a disk's worth.
const MAX_UNPACKED_BYTES: u64 = 4 << 30;
/// Most bytes of a directory: it stands for some ten thousand arrays.
const MAX_DIRECTORY_BYTES: u64 = 1 << 20;

/// Names of arrays and of their labels, in the order of preference; the training or test part's names come before.
const NAMES: [(&str, &str); 5] =
    [("x", "y"), ("images", "labels"), ("inputs", "labels"), ("data", "labels"), ("arr_0", "arr_1")];

/// A file in the archive.
#[derive(Debug, Clone)]
struct Entry {
    /// Without `.npy`.
    name: String,
    method: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
    header_at: u64,
}

/// The inputs of an archive, and their labels where it has them.
pub(super) fn open(path: &Path, split: Split, takes: &Intake) -> Result<(ArrayFile, Option<Vec<u8>>), InputError> {
    let entries = directory(path)?;
    let named = |name: &str| entries.iter().find(|entry| entry.name == name);
    let part = [(format!("x_{split}"), format!("y_{split}"))];
    let names = part.iter().map(|(x, y)| (x.as_str(), y.as_str())).chain(NAMES);
    let chosen = names.clone().find_map(|(x, y)| named(x).map(|entry| (entry, named(y))));
    let only = || if let [entry] = &entries[..] { Some((entry, None)) } else { None };
    let (array, labels) = chosen.or_else(only).ok_or_else(|| {
        let found: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        refuse(
            path,
            format!("expected an array x, x_{split}, images, inputs or data, found {found:?}. Rename the array"),
        )
    })?;
    let array = ArrayFile::new(span(path, array)?, takes)?;
    let labels = labels.map(|entry| self::labels(path, entry, array.count)).transpose()?;
    Ok((array, labels))
}

/// One whole number of 0 to 255 an input.
fn labels(path: &Path, entry: &Entry, count: usize) -> Result<Vec<u8>, InputError> {
    let span = span(path, entry)?;
    let header = span.header()?;
    let expected = || {
        refuse(
            path,
            format!(
                "expected `{}` to be {count} whole numbers of 0 to 255, a label an input, found {:?} of {:?}",
                entry.name, header.dims, header.element
            ),
        )
    };
    let is_vector = header.dims == [count] || header.dims == [count, 1];
    if !is_vector || matches!(header.element, Element::F16 | Element::F32 | Element::F64) {
        return Err(expected());
    }
    let mut bytes = Vec::new();
    span.reader(header.len_bytes)?.read_to_end(&mut bytes).map_err(|cause| InputError::read(path, cause))?;
    let numbers = header.element.decode(&bytes);
    let all = numbers.iter().all(|n| (0.0..=255.0).contains(n));
    if all { Ok(numbers.into_iter().map(|n| n as u8).collect()) } else { Err(expected()) }
}

/// Where an entry's .npy lies: in the archive, or unpacked.
fn span(path: &Path, entry: &Entry) -> Result<Span, InputError> {
    let damaged =
        |cause: io::Error| refuse(path, format!("`{}` is damaged ({cause}). Save the file again", entry.name));
    let mut file = File::open(path).map_err(|cause| InputError::read(path, cause))?;
    let mut header = [0; 30];
    file.seek(SeekFrom::Start(entry.header_at)).and_then(|_| file.read_exact(&mut header)).map_err(damaged)?;
    if !header.starts_with(MAGIC) {
        return Err(damaged(io::Error::other("no header")));
    }
    let [name, extra] = [26, 28].map(|at| u64::from(u16_at(&header, at)));
    let start = entry.header_at + header.len() as u64 + name + extra;
    match entry.method {
        0 => Ok(Span { path: path.into(), start, len: entry.unpacked, temporary: None }),
        8 => {
            file.seek(SeekFrom::Start(start)).map_err(damaged)?;
            unpack(path, entry, file.take(entry.packed), damaged)
        }
        method => {
            let reason = format!(
                "`{}`: expected a stored or deflated array, found method {method}. Use numpy.savez",
                entry.name
            );
            Err(refuse(path, reason))
        }
    }
}

fn unpack(
    path: &Path,
    entry: &Entry,
    packed: impl Read,
    damaged: impl Fn(io::Error) -> InputError,
) -> Result<Span, InputError> {
    if entry.unpacked > MAX_UNPACKED_BYTES {
        let found = entry.unpacked;
        return Err(refuse(
            path,
            format!(
                "expected `{}` to unpack to at most {MAX_UNPACKED_BYTES} bytes, found {found}. Use numpy.save",
                entry.name
            ),
        ));
    }
    let mut to = tempfile::NamedTempFile::new().map_err(|cause| InputError::read(&std::env::temp_dir(), cause))?;
    let mut unpacked = CrcReader::new(DeflateDecoder::new(packed).take(entry.unpacked + 1));
    let len = io::copy(&mut unpacked, &mut to).map_err(&damaged)?;
    if (len, unpacked.crc().sum()) != (entry.unpacked, entry.crc) {
        return Err(damaged(io::Error::other("its length or checksum is another")));
    }
    Ok(Span { path: path.into(), start: 0, len, temporary: Some(to.into_temp_path()) })
}

/// The .npy files that the archive's directory names.
fn directory(path: &Path) -> Result<Vec<Entry>, InputError> {
    let damaged = || {
        refuse(path, "expected a .npz file, found a damaged one or one beyond 4 GiB. Save it with numpy.savez, or one array with numpy.save".into())
    };
    let read = |cause| InputError::read(path, cause);
    let mut file = File::open(path).map_err(read)?;
    let len = file.metadata().map_err(read)?.len();
    let tail_at = len.saturating_sub(END_BYTES + MAX_COMMENT_BYTES);
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(tail_at))
        .and_then(|_| (&file).take(len - tail_at).read_to_end(&mut tail))
        .map_err(read)?;
    let end = tail.windows(END_BYTES as usize).rposition(|w| w.starts_with(b"PK\x05\x06")).ok_or_else(damaged)?;
    let [size, at] = [12, 16].map(|field| u64::from(u32_at(&tail[end..], field)));
    if size > MAX_DIRECTORY_BYTES || at + size > len {
        return Err(damaged());
    }
    let mut bytes = vec![0; size as usize];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes)).map_err(read)?;
    entries(&bytes).ok_or_else(damaged)
}

/// Entries of 46 bytes and three texts: name, extra field, comment.
fn entries(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (fixed, rest) = bytes.split_at_checked(46)?;
        let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(u16_at(fixed, at)));
        let (texts, next) = rest.split_at_checked(name + extra + comment)?;
        let name = std::str::from_utf8(&texts[..name]).ok()?;
        let [packed, unpacked, header_at] = [20, 24, 42].map(|at| u64::from(u32_at(fixed, at)));
        if !fixed.starts_with(b"PK\x01\x02") || [packed, unpacked, header_at].contains(&u64::from(u32::MAX)) {
            return None;
        }
        if let Some(name) = name.strip_suffix(".npy") {
            let (method, crc) = (u16_at(fixed, 10), u32_at(fixed, 16));
            entries.push(Entry { name: name.into(), method, crc, packed, unpacked, header_at });
        }
        bytes = next;
    }
    Some(entries)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn refuse(path: &Path, reason: String) -> InputError {
    InputError::Npz { path: path.into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::{Array, to_bytes};
    use flate2::{Compression, write::DeflateEncoder};
    use std::io::Write;

    /// An archive as zipfile writes it.
    fn archive(files: &[(&str, Vec<u8>)], method: u16) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, content) in files {
            let mut packed = content.clone();
            if method == 8 {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(content).unwrap();
                packed = encoder.finish().unwrap();
            }
            let mut crc = flate2::Crc::new();
            crc.update(content);
            let at = bytes.len() as u32;
            let sizes = [crc.sum(), packed.len() as u32, content.len() as u32].map(u32::to_le_bytes).concat();
            let common =
                [&method.to_le_bytes()[..], &[0; 4], &sizes, &(name.len() as u16).to_le_bytes(), &[0; 2]].concat();
            bytes.extend([MAGIC, &[20, 0, 0, 0], &common, name.as_bytes(), &packed].concat());
            directory.extend(
                [b"PK\x01\x02\x14\x00\x14\x00\x00\x00", &common[..], &[0; 10], &at.to_le_bytes(), name.as_bytes()]
                    .concat(),
            );
        }
        let ends = [directory.len() as u32, bytes.len() as u32].map(u32::to_le_bytes).concat();
        let count = (files.len() as u16).to_le_bytes();
        [&bytes[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &count, &ends, &[0, 0]].concat()
    }

    fn opened(bytes: &[u8]) -> Result<(ArrayFile, Option<Vec<u8>>), InputError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let (array, labels) = open(file.path(), Split::Test, &[2, 1, 1].into())?;
        assert_eq!([array.read(0)?, array.read(1)?].concat(), [1.0, 2.0, 3.0, 4.0]);
        Ok((array, labels))
    }

    fn array(dims: &[usize], values: &[f32]) -> Vec<u8> {
        to_bytes(&Array { dims: dims.into(), values: values.into() })
    }

    fn labels(header: &str, bytes: &[u8]) -> Vec<u8> {
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
    }

    const X: [f32; 4] = [1.0, 2.0, 3.0, 4.0];

    #[test]
    fn stored_and_deflated() {
        for method in [0, 8] {
            let y = labels("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }", &[7, 0, 9, 0]);
            let bytes = archive(
                &[("x_train.npy", array(&[1, 2], &X[..2])), ("y_test.npy", y), ("x_test.npy", array(&[2, 2], &X))],
                method,
            );
            let (array, labels) = opened(&bytes).unwrap();
            assert_eq!((array.count, labels), (2, Some(vec![7, 9])));
        }
        assert!(opened(&archive(&[("anything.npy", array(&[2, 2], &X))], 8)).unwrap().1.is_none());
    }

    #[test]
    fn names_and_labels_that_do_not_fit() {
        let x = || array(&[2, 2], &X);
        let error = |bytes: Vec<u8>| opened(&bytes).unwrap_err().to_string();
        assert!(error(archive(&[("a.npy", x()), ("b.npy", x())], 0)).contains("found [\"a\", \"b\"]. Rename"));
        let far = labels("{'descr': '<i2', 'fortran_order': False, 'shape': (2,), }", &[0, 1, 0, 0]);
        for y in [array(&[2], &[0.0, 1.0]), far] {
            let error = error(archive(&[("x.npy", x()), ("y.npy", y)], 0));
            assert!(error.contains("expected `y` to be 2 whole numbers of 0 to 255"), "{error}");
        }
    }

    #[test]
    fn damage_is_named() {
        let bytes = archive(&[("x.npy", array(&[2, 2], &X))], 8);
        for len in 0..bytes.len() {
            assert!(opened(&bytes[..len]).is_err(), "{len} bytes");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x20;
            _ = opened(&flipped); // may go unnoticed where nobody reads, must not panic
        }
        let mut other = bytes;
        let at = other.len() - 22 - 51 + 10;
        other[at] = 12;
        assert!(opened(&other).unwrap_err().to_string().contains("found method 12"));
    }
}

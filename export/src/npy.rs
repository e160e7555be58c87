//! NumPy's .npy files, as far as images and answers need them: C-ordered arrays of float32 and uint8.
//!
//! Format: magic `\x93NUMPY`, version, header length (2 bytes in version 1, 4 in 2 and 3), a Python dictionary with
//! `descr`, `fortran_order` and `shape`, padded with spaces to a multiple of 64 bytes, then the values.

const MAGIC: &[u8] = b"\x93NUMPY";
/// Alignment of the values that NumPy's writers keep.
const ALIGN_BYTES: usize = 64;

/// An array of reals.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Dimensions.
    pub dims: Vec<usize>,
    /// Values, the last dimension fastest.
    pub values: Vec<f32>,
}

/// Why bytes are no array of this kind; the message is to follow the file's name.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum NpyError {
    /// Not NumPy's format.
    #[error("expected a .npy file, found something else or a header cut short. Write it with numpy.save")]
    NotNpy,
    /// Another element type or order.
    #[error(
        "expected an array of little-endian float32 (<f4) or uint8 (|u1) in C order, found `{found}`. Convert it with numpy.ascontiguousarray(x, 'float32')"
    )]
    Kind {
        /// The header.
        found: String,
    },
    /// As many values as the shape says are not there.
    #[error(
        "expected {expected} bytes of values for shape {dims:?}, found {found}. The file is damaged: save it again"
    )]
    Length {
        /// The shape.
        dims: Vec<usize>,
        /// Bytes of it.
        expected: usize,
        /// Bytes there are.
        found: usize,
    },
}

/// Reads an array; bytes become pixel / 255.
///
/// # Errors
/// One [`NpyError`] a cause.
pub fn from_bytes(bytes: &[u8]) -> Result<Array, NpyError> {
    let (header, data) = split(bytes).ok_or(NpyError::NotNpy)?;
    let kind = || NpyError::Kind { found: header.trim().into() };
    if !header.contains("'fortran_order': False") {
        return Err(kind());
    }
    let dims = shape(header).ok_or_else(kind)?;
    let count = dims.iter().try_fold(4usize, |len, &d| len.checked_mul(d)).ok_or_else(kind)? / 4;
    let floats = header.contains("'descr': '<f4'");
    if !floats && !header.contains("'descr': '|u1'") {
        return Err(kind());
    }
    let expected = if floats { count * 4 } else { count };
    if data.len() != expected {
        return Err(NpyError::Length { dims, expected, found: data.len() });
    }
    let values = if floats {
        data.as_chunks().0.iter().map(|&v| f32::from_le_bytes(v)).collect()
    } else {
        data.iter().map(|&v| f32::from(v) / 255.0).collect()
    };
    Ok(Array { dims, values })
}

/// Header and values.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (&[major, _], rest) = rest.split_first_chunk()?;
    let (len, rest) = match major {
        1 => rest.split_first_chunk().map(|(&len, rest)| (usize::from(u16::from_le_bytes(len)), rest))?,
        2 | 3 => rest.split_first_chunk().map(|(&len, rest)| (u32::from_le_bytes(len) as usize, rest))?,
        _ => return None,
    };
    let (header, data) = rest.split_at_checked(len)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// The tuple after `'shape':`.
fn shape(header: &str) -> Option<Vec<usize>> {
    let tuple = header.split("'shape':").nth(1)?.split_once('(')?.1.split_once(')')?.0;
    tuple.split(',').map(str::trim).filter(|d| !d.is_empty()).map(|d| d.parse().ok()).collect()
}

/// The array as a file of version 1.0.
pub fn to_bytes(array: &Array) -> Vec<u8> {
    let dims: String = array.dims.iter().map(|d| format!("{d},")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({dims}), }}");
    let unpadded = MAGIC.len() + 4 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGN_BYTES) - unpadded));
    header.push('\n');
    let len = (header.len() as u16).to_le_bytes();
    let values = array.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    [MAGIC, &[1, 0], &len, header.as_bytes(), &values].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for dims in [vec![], vec![3], vec![2, 3], vec![0, 4]] {
            let values = (0..dims.iter().product()).map(|v| v as f32 / 3.0).collect();
            let array = Array { dims, values };
            let bytes = to_bytes(&array);
            assert_eq!((bytes.len() - array.values.len() * 4) % ALIGN_BYTES, 0);
            assert_eq!(from_bytes(&bytes), Ok(array));
        }
    }

    #[test]
    fn numpys_own_header_and_bytes_as_pixels() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }\n";
        let bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), &[0, 51]].concat();
        assert_eq!(from_bytes(&bytes), Ok(Array { dims: vec![2, 1], values: vec![0.0, 0.2] }));
    }

    #[test]
    fn other_bytes_and_kinds_are_refused() {
        assert_eq!(from_bytes(b"PK\x03\x04"), Err(NpyError::NotNpy));
        let bytes = to_bytes(&Array { dims: vec![2], values: vec![1.0, 2.0] });
        let text = |from: &str, to: &str| {
            let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
        };
        assert!(matches!(from_bytes(&text("<f4", "<f8")), Err(NpyError::Kind { .. })));
        assert!(matches!(from_bytes(&text("False", "True ")), Err(NpyError::Kind { .. })));
        let short = from_bytes(&bytes[..bytes.len() - 1]);
        assert_eq!(short, Err(NpyError::Length { dims: vec![2], expected: 8, found: 7 }));
        for len in 0..bytes.len() - 8 {
            assert!(from_bytes(&bytes[..len]).is_err(), "{len} bytes");
        }
    }
}

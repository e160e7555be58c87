//! NumPy's .npy files: a header that says what the values are, and the values as reals.
//!
//! Format: magic `\x93NUMPY`, version, header length (2 bytes in version 1, 4 in 2 and 3), a Python dictionary with
//! `descr`, `fortran_order` and `shape`, padded with spaces to a multiple of 64 bytes, then the values.

use std::io::{self, Read};

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"\x93NUMPY";
/// Alignment of the values that NumPy's writers keep.
const ALIGN_BYTES: usize = 64;
/// Most bytes of a header: NumPy's are about a hundred.
const MAX_HEADER_BYTES: u32 = 1 << 16;

/// An array of reals.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Dimensions.
    pub dims: Vec<usize>,
    /// Values, the last dimension fastest.
    pub values: Vec<f32>,
}

/// Why bytes are no array of this kind; the message is to follow the file's name.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// Not NumPy's format.
    #[error("expected a .npy file, found something else or a header cut short. Write it with numpy.save")]
    NotNpy,
    /// Another element type or order.
    #[error(
        "expected an array of little-endian numbers in C order, found `{found}`. Convert it with \
         numpy.ascontiguousarray(x, 'float32')"
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
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The system's refusal.
    #[error("cannot be read ({0}). Check the path and its permissions")]
    Read(#[from] io::Error),
}

/// The type of an array's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Unsigned byte: a pixel.
    U8,
    /// Signed byte.
    I8,
    /// Truth value, 0 or 1.
    Bool,
    /// 16 bits, unsigned.
    U16,
    /// 16 bits, signed.
    I16,
    /// 32 bits, unsigned.
    U32,
    /// 32 bits, signed.
    I32,
    /// 64 bits, unsigned.
    U64,
    /// 64 bits, signed.
    I64,
    /// IEEE half.
    F16,
    /// IEEE single.
    F32,
    /// IEEE double.
    F64,
}

impl Element {
    fn named(descr: &str) -> Option<Self> {
        Some(match descr {
            "|u1" => Self::U8,
            "|i1" => Self::I8,
            "|b1" => Self::Bool,
            "<u2" => Self::U16,
            "<i2" => Self::I16,
            "<u4" => Self::U32,
            "<i4" => Self::I32,
            "<u8" => Self::U64,
            "<i8" => Self::I64,
            "<f2" => Self::F16,
            "<f4" => Self::F32,
            "<f8" => Self::F64,
            _ => return None,
        })
    }

    /// Bytes of a value.
    pub fn len_bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Values as the nearest reals; bytes left over at the end are not looked at.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        fn each<const N: usize>(bytes: &[u8], real: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|&value| real(value)).collect()
        }
        match self {
            Self::U8 | Self::Bool => each(bytes, |[b]| f32::from(b)),
            Self::I8 => each(bytes, |b| f32::from(i8::from_le_bytes(b))),
            Self::U16 => each(bytes, |b| f32::from(u16::from_le_bytes(b))),
            Self::I16 => each(bytes, |b| f32::from(i16::from_le_bytes(b))),
            Self::U32 => each(bytes, |b| u32::from_le_bytes(b) as f32),
            Self::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
            Self::U64 => each(bytes, |b| u64::from_le_bytes(b) as f32),
            Self::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
            Self::F16 => each(bytes, |b| half(u16::from_le_bytes(b))),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        }
    }
}

/// IEEE half: 1 bit of sign, 5 of exponent (bias 15), 10 of fraction.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (fraction + 1024.0) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// What a file says of its array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The values' type.
    pub element: Element,
    /// Dimensions.
    pub dims: Vec<usize>,
    /// Bytes before the values.
    pub len_bytes: u64,
}

impl Header {
    /// Reads the header of a stream of `total_bytes`, which must hold exactly the array.
    ///
    /// # Errors
    /// One [`NpyError`] a cause.
    pub fn read(mut stream: impl Read, total_bytes: u64) -> Result<Self, NpyError> {
        let (text, len_bytes) = text(&mut stream)?;
        let kind = || NpyError::Kind { found: text.trim().into() };
        if !text.contains("'fortran_order': False") {
            return Err(kind());
        }
        let element = between(&text, "'descr': '", "'").and_then(Element::named).ok_or_else(kind)?;
        let dims = shape(&text).ok_or_else(kind)?;
        let expected = dims.iter().try_fold(element.len_bytes() as u64, |len, &d| len.checked_mul(d as u64));
        let (expected, found) = (expected.ok_or_else(kind)?, total_bytes.saturating_sub(len_bytes));
        if expected == found {
            Ok(Self { element, dims, len_bytes })
        } else {
            Err(NpyError::Length { dims, expected, found })
        }
    }
}

/// The dictionary, and the bytes up to its end.
fn text(stream: &mut impl Read) -> Result<(String, u64), NpyError> {
    let short =
        |error: io::Error| if error.kind() == io::ErrorKind::UnexpectedEof { NpyError::NotNpy } else { error.into() };
    let mut start = [0; 8];
    stream.read_exact(&mut start).map_err(short)?;
    if !start.starts_with(MAGIC) || !(1..=3).contains(&start[6]) {
        return Err(NpyError::NotNpy);
    }
    let mut len = [0; 4];
    let digits = if start[6] == 1 { 2 } else { 4 };
    stream.read_exact(&mut len[..digits]).map_err(short)?;
    let len = u32::from_le_bytes(len);
    if len > MAX_HEADER_BYTES {
        return Err(NpyError::NotNpy);
    }
    let mut text = vec![0; len as usize];
    stream.read_exact(&mut text).map_err(short)?;
    let text = String::from_utf8(text).map_err(|_| NpyError::NotNpy)?;
    Ok((text, 8 + digits as u64 + u64::from(len)))
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

/// The tuple after `'shape':`.
fn shape(header: &str) -> Option<Vec<usize>> {
    let tuple = between(header.split_once("'shape':")?.1, "(", ")")?;
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

    fn read(bytes: &[u8]) -> Result<Array, NpyError> {
        let header = Header::read(bytes, bytes.len() as u64)?;
        Ok(Array { values: header.element.decode(&bytes[header.len_bytes as usize..]), dims: header.dims })
    }

    #[test]
    fn what_is_written_is_read() {
        for dims in [vec![], vec![3], vec![2, 3], vec![0, 4]] {
            let values = (0..dims.iter().product()).map(|v| v as f32 / 3.0).collect();
            let array = Array { dims, values };
            let bytes = to_bytes(&array);
            assert_eq!((bytes.len() - array.values.len() * 4) % ALIGN_BYTES, 0);
            assert_eq!(read(&bytes).unwrap(), array);
        }
    }

    #[test]
    fn numpys_own_header() {
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }\n";
        let bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), &[0, 51]].concat();
        assert_eq!(read(&bytes).unwrap(), Array { dims: vec![2, 1], values: vec![0.0, 51.0] });
    }

    #[test]
    fn every_type_of_value() {
        let minus_two = [
            ("|i1", vec![0xfe]),
            ("<i2", vec![0xfe, 0xff]),
            ("<i4", (-2i32).to_le_bytes().into()),
            ("<i8", (-2i64).to_le_bytes().into()),
            ("<f2", vec![0x00, 0xc0]),
            ("<f4", (-2f32).to_le_bytes().into()),
            ("<f8", (-2f64).to_le_bytes().into()),
        ];
        for (descr, bytes) in minus_two {
            let element = Element::named(descr).unwrap();
            assert_eq!((element.len_bytes(), element.decode(&bytes)), (bytes.len(), vec![-2.0]), "{descr}");
        }
        for (descr, bytes) in
            [("|u1", vec![9]), ("<u2", vec![9, 0]), ("<u4", vec![9, 0, 0, 0]), ("<u8", [9, 0, 0, 0, 0, 0, 0, 0].into())]
        {
            assert_eq!(Element::named(descr).unwrap().decode(&bytes), [9.0], "{descr}");
        }
        assert_eq!(
            [0x3c00, 0x3555, 0x0001, 0x7bff, 0x7c00].map(half),
            [1.0, 0.33325195, 2f32.powi(-24), 65504.0, f32::INFINITY]
        );
        assert!(half(0x7c01).is_nan());
    }

    #[test]
    fn other_bytes_and_kinds_are_refused() {
        assert!(matches!(read(b"PK\x03\x04"), Err(NpyError::NotNpy)));
        let bytes = to_bytes(&Array { dims: vec![2], values: vec![1.0, 2.0] });
        let text = |from: &str, to: &str| {
            let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
            [&bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()
        };
        for (from, to) in [("<f4", ">f4"), ("<f4", "<c8"), ("False", "True "), ("(2,)", "(-2)")] {
            assert!(matches!(read(&text(from, to)), Err(NpyError::Kind { .. })), "{to}");
        }
        let short = read(&bytes[..bytes.len() - 1]).unwrap_err().to_string();
        assert!(short.starts_with("expected 8 bytes of values for shape [2], found 7"), "{short}");
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "{len} bytes");
        }
    }
}

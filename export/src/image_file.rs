//! Images from a file, as reals in \[0, 1\]: .npy, IDX, .png, .pgm and .ppm.

mod netpbm;
mod png;

use std::path::{Path, PathBuf};

use crate::npy;
use crate::validate::images::channels_first;

/// Most values that are read: 64 Mi, some 80,000 images of MNIST's size.
const MAX_VALUES: usize = 64 << 20;

/// Why a file gave no images.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({cause}). Check the path and its permissions", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// An .npy file of another kind.
    #[error("{}: {cause}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: npy::NpyError,
    },
    /// A picture that is not read.
    #[error("{}: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// No kind of file that is known, or a damaged IDX file.
    #[error("{cause}. Images are read from .npy, IDX (also .gz), .png, .pgm and .ppm files")]
    Idx {
        /// What the IDX reader found.
        cause: data::DataError,
    },
}

/// Images of one shape.
#[derive(Debug, PartialEq)]
pub struct Images {
    /// Channels, height and width of each; vectors of K values are \[K, 1, 1\].
    pub shape: [usize; 3],
    /// N×C×H×W.
    pub values: Vec<f32>,
}

/// A picture's bytes, rows first, channels last.
#[derive(Debug, PartialEq)]
struct Picture {
    channels: usize,
    width: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// C×H×W, pixel / 255.
    fn images(&self) -> Images {
        let height = self.pixels.len() / (self.channels * self.width);
        let values = channels_first(&self.pixels, self.channels).into_iter().map(real).collect();
        Images { shape: [self.channels, height, self.width], values }
    }
}

fn real(pixel: u8) -> f32 {
    f32::from(pixel) / 255.0
}

/// The images in a file, N×C×H×W: one of a picture, any number of .npy (floats as they are, bytes as pixel / 255) and
/// of IDX. The kind is told by the first bytes, not by the name.
///
/// # Errors
/// One [`ImageError`] a cause.
pub fn read(path: &Path) -> Result<Images, ImageError> {
    let bytes = std::fs::read(path).map_err(|cause| ImageError::Open { path: path.into(), cause })?;
    let picture = |reason| ImageError::Picture { path: path.into(), reason };
    if bytes.starts_with(b"\x93NUMPY") {
        let array = npy::from_bytes(&bytes).map_err(|cause| ImageError::Npy { path: path.into(), cause })?;
        return Ok(Images { shape: shape(&array.dims), values: array.values });
    }
    if bytes.starts_with(png::MAGIC) {
        return png::decode(&bytes).map(|p| p.images()).map_err(picture);
    }
    if bytes.starts_with(b"P5") || bytes.starts_with(b"P6") {
        return netpbm::decode(&bytes).map(|p| p.images()).map_err(picture);
    }
    let idx = data::idx::read(path).map_err(|cause| ImageError::Idx { cause })?;
    // IDX has a fourth dimension last, for channels.
    let [height, width, channels] = [1, 2, 3].map(|axis| idx.sizes.get(axis).copied().unwrap_or(1));
    let images = idx.elements().chunks(height * width * channels);
    let values = images.flat_map(|image| channels_first(image, channels)).map(real).collect();
    Ok(Images { shape: [channels, height, width], values })
}

/// N×C×H×W, N×H×W or N×K.
fn shape(dims: &[usize]) -> [usize; 3] {
    match *dims {
        [_, height, width] => [1, height, width],
        _ => [1, 2, 3].map(|axis| dims.get(axis).copied().unwrap_or(1)),
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

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn the_first_bytes_tell_the_kind() {
        let npy = npy::to_bytes(&npy::Array { dims: vec![1, 2], values: vec![0.5, 2.0] });
        assert_eq!(read(file(&npy).path()).unwrap(), Images { shape: [2, 1, 1], values: vec![0.5, 2.0] });
        assert_eq!(
            read(file(b"P6 1 2 255\n\x00\x33\xff\x66\x00\x00").path()).unwrap(),
            Images { shape: [3, 2, 1], values: vec![0.0, 0.4, 0.2, 0.0, 1.0, 0.0] }
        );
        assert_eq!(
            read(file(&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 51, 255]).path()).unwrap(),
            Images { shape: [1, 1, 2], values: vec![0.2, 1.0] }
        );
    }

    #[test]
    fn what_is_no_image_is_named_with_the_kinds_that_are() {
        let text = file(b"hello, world");
        let error = read(text.path()).unwrap_err().to_string();
        assert!(error.starts_with(&text.path().display().to_string()), "{error}");
        assert!(error.ends_with("Images are read from .npy, IDX (also .gz), .png, .pgm and .ppm files"), "{error}");
        let missing = read(Path::new("/no/such/image.png")).unwrap_err();
        assert!(missing.to_string().starts_with("/no/such/image.png: cannot be read"), "{missing}");
    }
}

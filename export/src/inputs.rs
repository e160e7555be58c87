//! What a network is fed: images, or vectors, one after the other, from whatever holds them.
//!
//! | source | what it gives |
//! |---|---|
//! | `mnist`, `digits`, a folder of IDX files | pixels with labels |
//! | a folder of .png, .jpg, .pgm and .ppm pictures | pixels; with folders inside, a class each, labels as well |
//! | a .npy file, or the array `x` (or `x_train`, `x_test`, `images`, `inputs`, `data`, the only one) of an .npz | bytes as pixels, other numbers as they are; labels of an .npz from its `y`, `y_train`, `y_test` or `labels` |
//! | a picture, or an IDX file | pixels |
//!
//! Nothing but an IDX data set is held in memory: arrays and pictures are read an image at a time. Shapes are those of
//! the network, channels first; arrays may have their channels last (N×H×W×C), and dimensions of 1 left out.

mod array;
mod error;
mod intake;
mod normalization;
mod npz;

pub use error::InputError;
pub use intake::Intake;
pub use normalization::Normalization;

use crate::{npy, validate::images::channels_first};
use array::ArrayFile;
use data::{Dataset, Source, Split, picture, pictures};
use std::{
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Channels, height, width.
pub type Shape = [usize; 3];

/// Inputs of one network, by number, as one of its files takes them.
#[derive(Debug, Clone)]
pub struct Inputs {
    name: String,
    shape: Shape,
    count: usize,
    labels: Option<Vec<u8>>,
    store: Arc<Store>,
    normalization: Normalization,
    /// Factor and offset, a channel, of numbers that are no bytes; empty to leave them.
    of_numbers: Vec<[f32; 2]>,
}

#[derive(Debug)]
enum Store {
    /// Bytes in memory, N×H×W×C.
    Pixels(Vec<u8>),
    Pictures(Vec<PathBuf>),
    Array(ArrayFile),
}

impl Inputs {
    /// Opens one part of a source for a file of a network, or for all that take a shape (\[K, 1, 1\] for vectors of K values).
    ///
    /// Sources that have no parts (a file, a folder of pictures that [`pictures::find`] does not split) are the same in each.
    ///
    /// # Errors
    /// What cannot be read, or is of another shape: one [`InputError`] a cause.
    pub fn open(source: &Source, split: Split, intake: impl Into<Intake>) -> Result<Self, InputError> {
        let intake = intake.into();
        let inputs = match source {
            Source::Path(path) if !path.exists() => Err(InputError::Missing { path: path.clone() }),
            Source::Path(path) if path.is_file() => Self::file(path, split, &intake),
            Source::Path(path) => match pictures::find(path, split).map_err(InputError::Pictures)? {
                Some(found) => Self::pictures(path, found.paths, found.labels, intake.shape),
                None => Self::dataset(data::open(source, split)?, intake.shape),
            },
            _ => Self::dataset(data::open(source, split)?, intake.shape),
        };
        inputs?.taken_by(&intake)
    }

    /// The same inputs as another file of the network takes them.
    ///
    /// # Errors
    /// As many means or deviations as there are channels are not there.
    pub fn taken_by(&self, intake: &Intake) -> Result<Self, InputError> {
        let normalization = intake.normalization.clone().unwrap_or_default();
        let trained = intake.trained.as_ref().unwrap_or(&normalization);
        normalization.check(self.shape[0])?;
        trained.check(self.shape[0])?;
        let of_numbers = trained.into_other(&normalization, self.shape[0]);
        Ok(Self { normalization, of_numbers, ..self.clone() })
    }

    /// A data set in memory.
    ///
    /// # Errors
    /// Images of another shape.
    pub fn dataset(dataset: Dataset, shape: Shape) -> Result<Self, InputError> {
        let labels = Some(dataset.labels);
        let found = [dataset.channels, dataset.height, dataset.width];
        Self::pixels(dataset.name, found, dataset.pixels, labels, shape)
    }

    fn file(path: &Path, split: Split, intake: &Intake) -> Result<Self, InputError> {
        let shape = intake.shape;
        let mut start = Vec::new();
        let file = std::fs::File::open(path).map_err(|cause| InputError::read(path, cause))?;
        file.take(8).read_to_end(&mut start).map_err(|cause| InputError::read(path, cause))?;
        if start.starts_with(npy::MAGIC) {
            return Ok(Self::array(path, ArrayFile::open(path, intake)?, None));
        }
        if start.starts_with(npz::MAGIC) {
            let (array, labels) = npz::open(path, split, intake)?;
            return Ok(Self::array(path, array, labels));
        }
        if picture::is_picture(&start) {
            return Self::pictures(path, vec![path.into()], None, shape);
        }
        let idx = data::idx::read(path).map_err(InputError::Unknown)?;
        // IDX has a fourth dimension last, for channels.
        let [height, width, channels] = [1, 2, 3].map(|axis| idx.sizes.get(axis).copied().unwrap_or(1));
        Self::pixels(path.display().to_string(), [channels, height, width], idx.into_elements(), None, shape)
    }

    fn pixels(
        name: String,
        found: Shape,
        pixels: Vec<u8>,
        labels: Option<Vec<u8>>,
        shape: Shape,
    ) -> Result<Self, InputError> {
        check(&name, found, shape)?;
        let count = pixels.len() / found.iter().product::<usize>().max(1);
        Ok(Self::new(name, found, count, labels, Store::Pixels(pixels)))
    }

    fn pictures(path: &Path, paths: Vec<PathBuf>, labels: Option<Vec<u8>>, shape: Shape) -> Result<Self, InputError> {
        let found = match paths.first() {
            Some(first) => pictures::read(first).map_err(InputError::Pictures)?.shape(),
            None => shape,
        };
        check(&paths.first().unwrap_or(&path.into()).display().to_string(), found, shape)?;
        let (name, count) = (path.display().to_string(), paths.len());
        Ok(Self::new(name, found, count, labels, Store::Pictures(paths)))
    }

    fn array(path: &Path, array: ArrayFile, labels: Option<Vec<u8>>) -> Self {
        let (name, shape, count) = (path.display().to_string(), array.shape, array.count);
        Self::new(name, shape, count, labels, Store::Array(array))
    }

    fn new(name: String, shape: Shape, count: usize, labels: Option<Vec<u8>>, store: Store) -> Self {
        let store = Arc::new(store);
        Self { name, shape, count, labels, store, normalization: Normalization::default(), of_numbers: vec![] }
    }

    /// What it is, for reports: a data set's name, or a path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many inputs.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Values of one input.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// One label an input, where the source has them.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    /// Whether the source holds bytes, which are taken for pixels.
    pub fn are_pixels(&self) -> bool {
        match &*self.store {
            Store::Pixels(_) | Store::Pictures(_) => true,
            Store::Array(array) => array.element() == npy::Element::U8,
        }
    }

    /// Inputs by number, one after the other, each C×H×W.
    ///
    /// # Errors
    /// A file that cannot be read any more, a picture of another shape than the first, a value that is not finite, a number beyond the last.
    pub fn read(&self, indices: impl IntoIterator<Item = usize>) -> Result<Vec<f32>, InputError> {
        let mut values = Vec::new();
        for index in indices {
            if index >= self.count {
                return Err(InputError::Index { name: self.name.clone(), index, count: self.count });
            }
            values.extend(self.image(index)?);
        }
        Ok(values)
    }

    fn image(&self, index: usize) -> Result<Vec<f32>, InputError> {
        let len = self.image_len();
        match &*self.store {
            Store::Pixels(pixels) => Ok(self.real(&pixels[index * len..(index + 1) * len])),
            Store::Pictures(paths) => {
                let picture = pictures::read(&paths[index]).map_err(InputError::Pictures)?;
                check(&paths[index].display().to_string(), picture.shape(), self.shape)?;
                Ok(self.real(&picture.pixels))
            }
            Store::Array(array) => {
                let mut values = array.read(index)?;
                if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
                    return Err(InputError::NotFinite { name: self.name.clone(), index, value });
                }
                if self.are_pixels() {
                    self.normalization.apply(&mut values, self.shape[0]);
                } else {
                    let plane = (values.len() / self.of_numbers.len().max(1)).max(1);
                    for ([factor, offset], values) in self.of_numbers.iter().zip(values.chunks_mut(plane)) {
                        values.iter_mut().for_each(|value| *value = *value * factor + offset);
                    }
                }
                Ok(values)
            }
        }
    }

    /// Pixels H×W×C → reals C×H×W.
    fn real(&self, pixels: &[u8]) -> Vec<f32> {
        let mut values: Vec<f32> = channels_first(pixels, self.shape[0]).into_iter().map(f32::from).collect();
        self.normalization.apply(&mut values, self.shape[0]);
        values
    }
}

/// `count` numbers spread evenly over 0..`len`: sources are often sorted by class.
pub fn spread(len: usize, count: usize) -> Vec<usize> {
    let count = count.min(len);
    (0..count).map(|i| (i as u128 * len as u128 / count as u128) as usize).collect()
}

/// Whether images of one shape may enter a network that takes another: vectors take images of as many values.
fn check(name: &str, found: Shape, takes: Shape) -> Result<(), InputError> {
    let len = |shape: Shape| shape.iter().try_fold(1usize, |len, &d| len.checked_mul(d));
    let is_vector = takes[1..] == [1, 1];
    if takes == found || (is_vector && len(takes) == len(found)) {
        return Ok(());
    }
    let show = |[channels, height, width]: Shape| format!("{channels}×{height}×{width}");
    Err(InputError::Shape { name: name.into(), expected: show(takes), found: show(found) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use npy::{Array, to_bytes};

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        file
    }

    fn open(path: &Path, intake: impl Into<Intake>) -> Result<Inputs, InputError> {
        Inputs::open(&Source::Path(path.into()), Split::Train, intake)
    }

    #[test]
    fn the_first_bytes_tell_the_kind() {
        let array = file(&to_bytes(&Array { dims: vec![1, 2], values: vec![0.5, 2.0] }));
        assert_eq!(open(array.path(), [2, 1, 1]).unwrap().read([0]).unwrap(), [0.5, 2.0]);
        let colours = file(b"P6 1 2 255\n\x00\x33\xff\x66\x00\x00");
        assert_eq!(open(colours.path(), [3, 2, 1]).unwrap().read([0]).unwrap(), [0.0, 0.4, 0.2, 0.0, 1.0, 0.0]);
        let idx = file(&[0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 51, 255]);
        assert_eq!(open(idx.path(), [1, 1, 2]).unwrap().read([0]).unwrap(), [0.2, 1.0]);
        assert_eq!(open(idx.path(), [2, 1, 1]).unwrap().read([0]).unwrap(), [0.2, 1.0], "as a vector");
    }

    #[test]
    fn what_is_no_image_is_named_with_the_kinds_that_are() {
        let text = file(b"hello, world");
        let error = open(text.path(), [1, 1, 1]).unwrap_err().to_string();
        assert!(error.starts_with(&text.path().display().to_string()), "{error}");
        assert!(error.ends_with("read from .npy, .npz, IDX (also .gz), .png, .jpg, .pgm and .ppm files"), "{error}");
        let missing = open(Path::new("/no/such/image.png"), [1, 1, 1]).unwrap_err().to_string();
        assert!(missing.starts_with("/no/such/image.png: expected"), "{missing}");
    }

    #[test]
    fn a_folder_of_pictures_with_a_class_each() {
        let folder = tempfile::tempdir().unwrap();
        for (name, pixel) in [("b/1.pgm", 51), ("a/2.pgm", 255), ("a/1.pgm", 0)] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, [b"P5 1 1 255\n".as_slice(), &[pixel]].concat()).unwrap();
        }
        std::fs::write(folder.path().join("a/notes.txt"), "no picture").unwrap();
        let inputs = open(folder.path(), [1, 1, 1]).unwrap();
        assert_eq!((inputs.len(), inputs.labels()), (3, Some(&[0, 1, 0][..])));
        assert_eq!(inputs.read(0..3).unwrap(), [0.0, 0.2, 1.0]);

        std::fs::write(folder.path().join("b/2.ppm"), b"P6 1 1 255\n\x01\x02\x03").unwrap();
        let error = open(folder.path(), [1, 1, 1]).unwrap().read([3]).unwrap_err().to_string();
        assert!(error.contains("b/2.ppm: expected inputs of 1×1×1 (channels, height, width), found 3×1×1"), "{error}");
    }

    #[test]
    fn bytes_are_normalized_and_numbers_are_not() {
        let trained = Normalization { mean: vec![0.5], std: vec![0.25], ..Normalization::default() };
        let float = |shape: Shape| Intake::from(shape).with(trained.clone());
        let numbers = file(&to_bytes(&Array { dims: vec![1, 1], values: vec![51.0] }));
        let numbers = open(numbers.path(), float([1, 1, 1])).unwrap();
        assert_eq!(numbers.read([0]).unwrap(), [51.0]);
        let grey = file(b"P5 2 1 255\n\x00\xff");
        let grey = open(grey.path(), float([1, 1, 2])).unwrap();
        assert_eq!(grey.read([0]).unwrap(), [-2.0, 2.0]);

        // An int8 file that has it folded in takes pixels, and numbers as the float file does.
        let folded = Intake { trained: Some(trained.clone()), ..float([1, 1, 2]).with(Normalization::default()) };
        assert_eq!(grey.taken_by(&folded).unwrap().read([0]).unwrap(), [0.0, 1.0]);
        let numbers = file(&to_bytes(&Array { dims: vec![1, 2], values: vec![-2.0, 2.0] }));
        assert_eq!(open(numbers.path(), folded).unwrap().read([0]).unwrap(), [0.0, 1.0]);
    }

    #[test]
    fn images_are_picked_from_all_of_a_source() {
        assert_eq!(spread(10, 3), [0, 3, 6]);
        assert_eq!(spread(3, 10), [0, 1, 2]);
        assert!(spread(0, 4).is_empty());
    }

    #[test]
    fn a_value_that_is_not_finite() {
        let numbers = file(&to_bytes(&Array { dims: vec![3, 1], values: vec![f32::MAX, f32::NAN, f32::INFINITY] }));
        let numbers = open(numbers.path(), [1, 1, 1]).unwrap();
        assert_eq!(numbers.read([0]).unwrap(), [f32::MAX]);
        for (index, found) in [
            (1, "input 1 holds a value that is not finite (NaN)"),
            (2, "input 2 holds a value that is not finite (inf)"),
        ] {
            let error = numbers.read([index]).unwrap_err().to_string();
            assert!(error.contains(found), "{error}");
        }
    }

    #[test]
    fn an_image_beyond_the_last() {
        let inputs = Inputs::dataset(data::digits::generate(1, 2), [1, 28, 28]).unwrap();
        assert_eq!(inputs.read([2]).unwrap_err().to_string(), "digits: expected inputs 0 to 1, found number 2");
    }
}

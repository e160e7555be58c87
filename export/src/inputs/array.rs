//! An array in a file, read an input at a time.

use super::{InputError, Intake, Shape};
use crate::npy::{Element, Header, NpyError};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// An array whose first dimension counts inputs.
#[derive(Debug)]
pub(super) struct ArrayFile {
    /// Where it lies.
    span: Span,
    element: Element,
    /// Where the values begin.
    values_at: u64,
    channels_last: bool,
    /// Channels, height, width of one input.
    pub shape: Shape,
    /// How many.
    pub count: usize,
}

/// Bytes of a file.
#[derive(Debug)]
pub(super) struct Span {
    pub path: PathBuf,
    pub start: u64,
    pub len: u64,
    /// Keeps an unpacked file from being deleted while it is read.
    pub temporary: Option<tempfile::TempPath>,
}

impl Span {
    pub fn whole(path: &Path) -> Result<Self, InputError> {
        let len = std::fs::metadata(path).map_err(|cause| InputError::read(path, cause))?.len();
        Ok(Self { path: path.into(), start: 0, len, temporary: None })
    }

    pub fn header(&self) -> Result<Header, InputError> {
        Header::read(self.reader(0)?, self.len).map_err(|cause| InputError::Npy { path: self.path.clone(), cause })
    }

    /// What follows `offset`.
    pub fn reader(&self, offset: u64) -> Result<impl Read + use<>, InputError> {
        let refuse = |cause| InputError::read(&self.path, cause);
        let mut file = File::open(self.temporary.as_deref().unwrap_or(&self.path)).map_err(refuse)?;
        file.seek(SeekFrom::Start(self.start + offset)).map_err(refuse)?;
        Ok(file.take(self.len.saturating_sub(offset)))
    }
}

impl ArrayFile {
    pub fn open(path: &Path, takes: &Intake) -> Result<Self, InputError> {
        Self::new(Span::whole(path)?, takes)
    }

    pub fn new(span: Span, intake: &Intake) -> Result<Self, InputError> {
        let (header, takes) = (span.header()?, intake.shape);
        let order = order(&header.dims, takes, intake.channels_last);
        let (count, channels_last) = order.ok_or_else(|| expected(&span, &header, intake))?;
        let Header { element, len_bytes, .. } = header;
        Ok(Self { span, element, values_at: len_bytes, channels_last, shape: takes, count })
    }

    pub fn element(&self) -> Element {
        self.element
    }

    /// One input, C×H×W.
    pub fn read(&self, index: usize) -> Result<Vec<f32>, InputError> {
        let image: usize = self.shape.iter().product();
        let len = image * self.element.len_bytes();
        let mut bytes = vec![0; len];
        let mut reader = self.span.reader(self.values_at + index as u64 * len as u64)?;
        reader
            .read_exact(&mut bytes)
            .map_err(|cause| InputError::Npy { path: self.span.path.clone(), cause: NpyError::Read(cause) })?;
        let values = self.element.decode(&bytes);
        let first = || crate::validate::images::channels_first(&values, self.shape[0]);
        Ok(if self.channels_last { first() } else { values })
    }
}

fn expected(span: &Span, header: &Header, intake: &Intake) -> InputError {
    let [channels, height, width] = intake.shape;
    let mut orders = vec![format!("[N, {channels}, {height}, {width}]")];
    if (height, width) == (1, 1) {
        orders = vec![format!("[N, {channels}]")];
    } else if channels > 1 {
        orders.push(format!("[N, {height}, {width}, {channels}]"));
        orders.extend(intake.channels_last.then(|| format!("[N, {}]", channels * height * width)));
    }
    InputError::Shape {
        name: span.path.display().to_string(),
        expected: format!("{channels}×{height}×{width}"),
        found: format!("an array of {:?} instead of {}", header.dims, orders.join(" or ")),
    }
}

/// How many inputs an array of `dims` holds for a network that takes `takes`, and whether their channels come last; where both fit, as `rather_last`
/// has it: so is a row of all values, which says nothing of its order.
///
/// Dimensions of 1 may be left out, also that of the inputs where there is one.
fn order(dims: &[usize], takes: Shape, rather_last: bool) -> Option<(usize, bool)> {
    let long = |dims: &[usize]| dims.iter().copied().filter(|&d| d != 1).collect::<Vec<_>>();
    let [channels, height, width] = takes;
    let (first, last) = (long(&takes), long(&[height, width, channels]));
    let is_vector = (height, width) == (1, 1);
    let channels_last = |sample: &[usize]| {
        let len = sample.iter().try_fold(1usize, |len, &d| len.checked_mul(d));
        match long(sample) {
            found if found == last && (rather_last || found != first) && !is_vector => Some(true),
            _ if sample == [channels * height * width] && rather_last => Some(!is_vector),
            found if found == first || (is_vector && len == Some(channels)) => Some(false),
            _ => None,
        }
    };
    if let Some((&count, sample)) = dims.split_first()
        && let Some(last) = channels_last(sample)
    {
        return Some((count, last));
    }
    channels_last(dims).map(|last| (1, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_of_dimensions() {
        let order = |dims: &[usize], takes| super::order(dims, takes, false);
        let colour = [3, 4, 5];
        assert_eq!(order(&[7, 3, 4, 5], colour), Some((7, false)));
        assert_eq!(order(&[7, 4, 5, 3], colour), Some((7, true)));
        assert_eq!(order(&[3, 4, 5], colour), Some((1, false)), "one image");
        assert_eq!(order(&[7, 5, 4, 3], colour), None);
        assert_eq!(order(&[7, 4, 5], colour), None);
        assert_eq!(order(&[], colour), None);
        for dims in [&[7, 1, 4, 5][..], &[7, 4, 5, 1], &[7, 4, 5]] {
            assert_eq!(order(dims, [1, 4, 5]), Some((7, false)), "{dims:?}");
        }
        assert_eq!(order(&[7, 3, 9], [3, 9, 1]), Some((7, false)), "sequences");
        assert_eq!(order(&[7, 9, 3], [3, 9, 1]), Some((7, true)));
        for dims in [&[7, 12][..], &[7, 3, 4], &[7, 1, 12], &[7, 12, 1, 1]] {
            assert_eq!(order(dims, [12, 1, 1]), Some((7, false)), "{dims:?}");
        }
        assert_eq!(order(&[0, 12], [12, 1, 1]), Some((0, false)));
        assert_eq!(order(&[12], [12, 1, 1]), Some((1, false)));
        assert_eq!(order(&[7, 4, 4, 4], [4; 3]), Some((7, false)));
        assert_eq!(super::order(&[7, 4, 4, 4], [4; 3], true), Some((7, true)), "as the imported file");
        assert_eq!(super::order(&[7, 3, 4, 5], colour, true), Some((7, false)), "the dimensions are plain");
        assert_eq!(super::order(&[7, 60], colour, true), Some((7, true)), "rows, as the imported file has them");
        assert_eq!(super::order(&[7, 12], [12, 1, 1], true), Some((7, false)));
        assert_eq!(order(&[7, 60], colour), None, "rows of an order that nothing says");
    }

    #[test]
    fn an_input_at_a_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let array = crate::npy::Array { dims: vec![2, 1, 2, 3], values };
        std::fs::write(file.path(), crate::npy::to_bytes(&array)).unwrap();
        let last = ArrayFile::open(file.path(), &[3, 1, 2].into()).unwrap();
        assert_eq!(last.read(1).unwrap(), [6.0, 9.0, 7.0, 10.0, 8.0, 11.0]);
        let first = ArrayFile::open(file.path(), &[1, 2, 3].into()).unwrap();
        assert_eq!(first.read(1).unwrap(), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        let error = ArrayFile::open(file.path(), &[3, 28, 28].into()).unwrap_err().to_string();
        assert!(error.contains("expected inputs of 3×28×28 (channels, height, width), found an array of [2, 1, 2, 3]"));
        assert!(error.contains("instead of [N, 3, 28, 28] or [N, 28, 28, 3]"), "{error}");
    }
}

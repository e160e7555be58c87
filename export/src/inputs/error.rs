//! Why a source gave no inputs.

use crate::npy::NpyError;
use std::{io, path::Path, path::PathBuf};

/// One cause a variant; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The system's refusal.
    #[error("{}: cannot be read ({cause}). Check the path and its permissions", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// Nothing where a file or a folder should be.
    #[error(
        "{}: expected a folder or a file of inputs, found nothing there. Name one that exists, or say `mnist` or `digits`",
        path.display()
    )]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A data set that is missing or damaged.
    #[error(transparent)]
    Data(#[from] data::DataError),
    /// A file of no kind that is known, or a damaged IDX file.
    #[error("{0}. Inputs are read from .npy, .npz, IDX (also .gz), .png, .jpg, .pgm and .ppm files")]
    Unknown(data::DataError),
    /// A .npy file, or an array in an .npz file.
    #[error("{}: {cause}", path.display())]
    Npy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: NpyError,
    },
    /// An .npz file.
    #[error("{}: {reason}", path.display())]
    Npz {
        /// The file.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// A folder of pictures, or a picture.
    #[error("{0}")]
    Pictures(data::DataError),
    /// Another shape than the network takes.
    #[error(
        "{name}: expected inputs of {expected} (channels, height, width), found {found}. Give inputs of the network's size"
    )]
    Shape {
        /// The source, or the file in it.
        name: String,
        /// What the network takes.
        expected: String,
        /// What there is.
        found: String,
    },
    /// A NaN or an infinity.
    #[error("{name}: input {index} holds a value that is not finite ({value}). Look where the array was made")]
    NotFinite {
        /// The source.
        name: String,
        /// Which input.
        index: usize,
        /// The first such value.
        value: f32,
    },
    /// An input that is not there.
    #[error("{name}: expected inputs 0 to {}, found number {index}", count.saturating_sub(1))]
    Index {
        /// The source.
        name: String,
        /// What was asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// Means and deviations that are not one for all channels or one a channel, or not finite, or deviations of zero.
    #[error("{what}: expected {expected}, found {found}. Give them as the network was trained")]
    Normalization {
        /// Mean or deviation.
        what: &'static str,
        /// What would do.
        expected: String,
        /// What there is.
        found: String,
    },
}

impl InputError {
    pub(super) fn read(path: &Path, cause: io::Error) -> Self {
        Self::Read { path: path.into(), cause }
    }
}

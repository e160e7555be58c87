//! What `--data` names, and how it is opened.

use crate::{DataError, Dataset, digits, folder, mnist, pictures};
use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The real MNIST: `$MNIST_DIR`, the user's cache, or a download, always checked against the published SHA-256.
    Mnist,
    /// The generator: 10,000 images to train on and 2,000 to test with, from seeds of their own.
    Digits,
    /// A folder with the IDX files of a data set, or with pictures, a folder a class. Other folders and files are for those
    /// who read more kinds than [`open`].
    Path(PathBuf),
}

/// Which part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// The images to learn from.
    Train,
    /// The images to judge with, never learnt from.
    Test,
}

impl FromStr for Source {
    type Err = Infallible;

    /// `mnist`, `digits`, or a path (write `./mnist` for a folder of that name). Whether it is there is found out by [`open`].
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "mnist" => Self::Mnist,
            "digits" => Self::Digits,
            path => Self::Path(path.into()),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mnist => f.write_str("mnist"),
            Self::Digits => f.write_str("digits"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Train => "train",
            Self::Test => "test",
        })
    }
}

/// The images and labels of one part of a source.
///
/// # Errors
/// A file that is missing, damaged, or not what it should be: see [`DataError`]. `digits` never fails.
pub fn open(source: &Source, split: Split) -> Result<Dataset, DataError> {
    match source {
        Source::Mnist => mnist::open(split),
        Source::Digits => Ok(match split {
            Split::Train => digits::generate(digits::TRAIN_SEED, 10_000),
            Split::Test => digits::generate(digits::TEST_SEED, 2_000),
        }),
        Source::Path(folder) => match pictures::open(folder, split)? {
            Some(dataset) => Ok(dataset),
            None => folder::open(folder, split),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_folders() {
        let parse = |text: &str| text.parse::<Source>().unwrap();
        assert_eq!(parse("mnist"), Source::Mnist);
        assert_eq!(parse("digits"), Source::Digits);
        assert_eq!(parse("./mnist"), Source::Path("./mnist".into()));
        for text in ["mnist", "digits", "/some/where"] {
            assert_eq!(parse(text).to_string(), text);
        }
    }

    #[test]
    fn no_such_folder() {
        let error = open(&Source::Path("/no/such/folder".into()), Split::Test).unwrap_err();
        assert!(matches!(error, DataError::NoFolder { .. }));
        assert!(error.to_string().starts_with("/no/such/folder: expected a folder"));
    }
}

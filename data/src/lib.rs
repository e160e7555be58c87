//! Images with labels: where they come from and what is in them.
//!
//! | [`Source`] | what | where it comes from |
//! |---|---|---|
//! | `mnist` | 60,000 + 10,000 handwritten digits | `$MNIST_DIR`, the user's cache, or a download; SHA-256 checked |
//! | `digits` | hand-drawn-looking digits | [`digits`]: generated from a seed, no file, the same bits on every machine |
//! | a folder | any images with labels | IDX files (`train-images-idx3-ubyte[.gz]`, …; names of the classes in `classes.txt`, a line each) |
//! | a folder | pictures of one size, a folder a class | `train/CLASS/*.png` and `test/CLASS/*.png`, or `CLASS/*.png` and every sixth is a test image; also .jpg, .pgm, .ppm |
//!
//! [`open`] turns a source and a [`Split`] into a [`Dataset`]: bytes, rows by rows, channels last, with one label an
//! image. What the bytes mean (pixel ÷ 255, or pixel − 128 for an int8 network) is the caller's business, and so is
//! shuffling and augmentation.
//!
//! - [`idx`] reads the IDX format and trusts nothing in it: magic, type, rank, sizes and length are checked.
//! - [`mnist`] finds MNIST, or fetches it.
//! - [`picture`] reads a picture, [`pictures`] finds those of a folder.
//! - [`digits`] draws. It needs neither files nor network, so with `default-features = false` it is all that is left.
//!
//! ```
//! let ten = data::digits::generate(7, 10);
//! assert_eq!((ten.len(), ten.height, ten.width, ten.classes), (10, 28, 28, 10));
//! assert_eq!(ten.image(0).len(), 28 * 28);
//!
//! // One of each, in an order of its own.
//! let mut labels = ten.labels.clone();
//! labels.sort();
//! assert_eq!(labels, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
//! ```
//!
//! The same through [`open`], which is what the `--data` of a command calls:
//!
//! ```
//! # #[cfg(feature = "files")] {
//! let source: data::Source = "digits".parse().unwrap();
//! let test = data::open(&source, data::Split::Test).unwrap();
//! assert_eq!((test.name.as_str(), test.len()), ("digits", 2_000));
//! # }
//! ```

mod dataset;
pub mod digits;
#[cfg(feature = "files")]
mod error;
#[cfg(feature = "files")]
mod folder;
#[cfg(feature = "files")]
pub mod idx;
#[cfg(feature = "files")]
pub mod mnist;
mod noise;
#[cfg(feature = "files")]
pub mod picture;
#[cfg(feature = "files")]
pub mod pictures;
#[cfg(feature = "files")]
mod source;

pub use dataset::Dataset;
#[cfg(feature = "files")]
pub use error::DataError;
pub use noise::noise;
#[cfg(feature = "files")]
pub use source::{Source, Split, open};

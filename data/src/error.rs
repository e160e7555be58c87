//! What can be wrong with data, one cause a variant. Each message says which file, what was expected, what was found,
//! and what to do.

use std::path::PathBuf;

/// Why [`open`](crate::open) gave no images.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The folder named as a source is not there.
    #[error("{}: expected a folder of IDX files or of pictures, found no folder; name one that exists, or say `mnist` or `digits`", .folder.display())]
    NoFolder {
        /// The folder asked for.
        folder: PathBuf,
    },
    /// The folder has no file of any of the usual names.
    #[error("{}: expected an IDX file named {expected} (or with .gz), found none, nor a folder of pictures for each class; put one of these there, or name another folder", .folder.display())]
    NoFile {
        /// The folder searched.
        folder: PathBuf,
        /// The name it should have.
        expected: String,
    },
    /// The operating system would not give, or take, the bytes.
    #[error("{}: expected a readable file, found: {cause}; check that it exists and its permissions", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// It begins as gzip does, and does not go on so.
    #[error("{}: expected a whole gzip file, found damage ({cause}); fetch it again", .path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decompressor said.
        cause: std::io::Error,
    },
    /// More bytes than an IDX file is allowed here.
    #[error("{}: expected at most {limit_bytes} bytes of IDX, found more; split the data set into smaller ones", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The cap, [`idx::MAX_RAW_BYTES`](crate::idx::MAX_RAW_BYTES).
        limit_bytes: usize,
    },
    /// The first two bytes are not zero.
    #[error("{}: expected an IDX file (first bytes 00 00 08 …), found {found:02x?}; it is no IDX file: check what was put there", .path.display())]
    Magic {
        /// The file.
        path: PathBuf,
        /// Its first bytes, four at most.
        found: Vec<u8>,
    },
    /// Elements of another type than unsigned bytes.
    #[error("{}: expected IDX elements of type 0x08 (unsigned bytes), found 0x{found:02x}; convert the file to bytes", .path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The type code in its third byte.
        found: u8,
    },
    /// Another number of dimensions than images or labels have.
    #[error("{}: expected {expected} dimensions, found {found}; check that images and labels are not swapped", .path.display())]
    Rank {
        /// The file.
        path: PathBuf,
        /// The ranks that would do, in words.
        expected: &'static str,
        /// The rank in its fourth byte.
        found: u8,
    },
    /// The header's sizes cannot be an image set: zero, too large, or a product that overflows.
    #[error("{}: expected {expected}, found sizes {found:?}; check how the file was made", .path.display())]
    Sizes {
        /// The file.
        path: PathBuf,
        /// What the sizes must be, in words.
        expected: String,
        /// The sizes in the header.
        found: Vec<usize>,
    },
    /// Shorter than its header says.
    #[error("{}: expected {expected_bytes} bytes by its header, found {found_bytes}: it was cut off; fetch it again", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Header and elements.
        expected_bytes: usize,
        /// What there is.
        found_bytes: usize,
    },
    /// Longer than its header says.
    #[error("{}: expected {expected_bytes} bytes by its header, found {found_bytes}: more follows its end; check how the file was made", .path.display())]
    Trailing {
        /// The file.
        path: PathBuf,
        /// Header and elements.
        expected_bytes: usize,
        /// What there is.
        found_bytes: usize,
    },
    /// Not as many labels as images.
    #[error("{}: expected {images} labels, one for each image of {}, found {labels}; check that both are of one data set", .path.display(), .of.display())]
    Count {
        /// The file of labels.
        path: PathBuf,
        /// The file of images.
        of: PathBuf,
        /// How many images.
        images: usize,
        /// How many labels.
        labels: usize,
    },
    /// A label that no class has.
    #[error("{}: expected labels below {classes}, found {label} for image {index}; check that the file goes with the training labels", .path.display())]
    Label {
        /// The file of labels.
        path: PathBuf,
        /// Which image.
        index: usize,
        /// Its label.
        label: u8,
        /// How many classes there are.
        classes: usize,
    },
    /// Not as many names as classes.
    #[error("{}: expected {classes} lines, the name of a class each, found {found}; give every class that the training labels have its line, in their order", .path.display())]
    ClassNames {
        /// The file of names.
        path: PathBuf,
        /// How many classes the labels have.
        classes: usize,
        /// How many names there are.
        found: usize,
    },
    /// A picture that is not read.
    #[error("{}: {reason}", .path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Expected, found, and what to do.
        reason: String,
    },
    /// Pictures that are not all of one size and as many channels.
    #[error(
        "{}: expected a picture of {expected} (channels × height × width) as {} is, found {found}; bring all to one size and \
         colour, with ImageMagick: mogrify -resize {}! -colorspace {} and the pictures' names", .path.display(), .first.display(), .size, .colorspace
    )]
    Mixed {
        /// The picture that is otherwise.
        path: PathBuf,
        /// The first picture of the folder.
        first: PathBuf,
        /// What the first one is.
        expected: String,
        /// What this one is.
        found: String,
        /// Width × height of the first one, as ImageMagick writes it.
        size: String,
        /// The first one's colours, as ImageMagick calls them.
        colorspace: &'static str,
    },
    /// Pictures that have no class.
    #[error(
        "{}: expected a folder for each class with its pictures in it, found pictures without one; sort them into folders by \
         class", .folder.display()
    )]
    NoClasses {
        /// The folder with the pictures.
        folder: PathBuf,
    },
    /// More classes than labels have room for.
    #[error("{}: expected at most 256 folders, one a class, found {found}; name a folder of pictures", .folder.display())]
    Classes {
        /// The folder.
        folder: PathBuf,
        /// How many there are.
        found: usize,
    },
    /// The part for tests has a class that the part for training has not, or only one part is there.
    #[error(
        "{}: expected the folders of {} in it, a class each, found otherwise ({found}); give both parts the same folders",
        .folder.display(), .other.display()
    )]
    Parts {
        /// The part that was opened.
        folder: PathBuf,
        /// The part that names the classes.
        other: PathBuf,
        /// What differs.
        found: String,
    },
    /// Classes too small to hold some of each back.
    #[error(
        "{}: expected at least {least} pictures, of which every sixth is held back for the test, found {found}; add some, or make \
         folders train and test yourself, with a folder for each class in both", .folder.display()
    )]
    TooFewPictures {
        /// The class's folder.
        folder: PathBuf,
        /// How many there must be.
        least: usize,
        /// How many there are.
        found: usize,
    },
    /// A file of MNIST is not MNIST's.
    #[error(
        "{origin}: expected MNIST's {file} with SHA-256 {expected}, found {found}; delete it and run again, or point MNIST_DIR at a whole copy"
    )]
    Checksum {
        /// The path or address it came from.
        origin: String,
        /// The published file it stands for.
        file: &'static str,
        /// The published checksum of the raw IDX.
        expected: &'static str,
        /// The checksum of what was there.
        found: String,
    },
    /// MNIST is nowhere on this machine, and the network did not give it.
    #[error(
        "{url}: expected MNIST's file from there, as it is not in the cache, found: {cause}; point MNIST_DIR at a folder with the four IDX files, MNIST_URL at another server, or use `--data digits`, which needs no file"
    )]
    Download {
        /// The address.
        url: String,
        /// What went wrong.
        cause: String,
    },
    /// Neither a folder nor a cache is known.
    #[error(
        "MNIST: expected MNIST_DIR, XDG_CACHE_HOME or HOME in the environment, found none of them; point MNIST_DIR at a folder with the four IDX files"
    )]
    NoCache,
}

//! A folder with the IDX files of a data set, under any of their usual names.

use crate::{DataError, Dataset, Split, idx, idx::Idx, mnist};
use std::path::{Path, PathBuf};

/// The longest side of an image: a size in a header is not taken on trust.
pub(crate) const MAX_SIDE: usize = 1024;

/// The file that names the classes of IDX files, a line each in the order of their labels.
const CLASS_NAMES: &str = "classes.txt";

/// Opens one part of the data set in a folder. It is called `mnist` where its checksums are MNIST's, else as the folder is.
pub(crate) fn open(folder: &Path, split: Split) -> Result<Dataset, DataError> {
    if !folder.is_dir() {
        return Err(DataError::NoFolder { folder: folder.into() });
    }
    let dataset = read_pair(&find(folder, split, Kind::Images)?, &find(folder, split, Kind::Labels)?)?;
    let classes = classes(folder, &dataset)?;
    check_labels(&find(folder, split, Kind::Labels)?, &dataset.labels, classes)?;
    let name = if mnist::is_mnist(&dataset, split) { "mnist".into() } else { folder_name(folder) };
    let class_names = class_names(folder, classes)?;
    Ok(Dataset { name, classes, class_names, ..dataset })
}

/// Reads a file of images and one of labels; classes are those that the labels show.
pub(crate) fn read_pair(images: &Path, labels: &Path) -> Result<Dataset, DataError> {
    let (image_idx, label_idx) = (idx::read(images)?, read_labels(labels)?);
    let [height, width, channels] = image_sizes(images, &image_idx)?;
    if image_idx.sizes[0] != label_idx.sizes[0] {
        let (path, of) = (labels.to_path_buf(), images.to_path_buf());
        return Err(DataError::Count { path, of, images: image_idx.sizes[0], labels: label_idx.sizes[0] });
    }
    let sha256 = vec![hash_entry(images, &image_idx), hash_entry(labels, &label_idx)];
    let labels = label_idx.into_elements();
    let classes = count_classes(&labels);
    Ok(Dataset {
        name: String::new(),
        height,
        width,
        channels,
        classes,
        class_names: vec![],
        pixels: image_idx.into_elements(),
        labels,
        sha256,
    })
}

fn read_labels(path: &Path) -> Result<Idx, DataError> {
    let idx = idx::read(path)?;
    match idx.sizes.len() {
        1 => Ok(idx),
        rank => Err(DataError::Rank { path: path.into(), expected: "1 (labels)", found: rank as u8 }),
    }
}

/// Height, width and channels, with the channels left out in the file where there is one.
fn image_sizes(path: &Path, idx: &Idx) -> Result<[usize; 3], DataError> {
    let sizes = match idx.sizes[..] {
        [_, height, width] => [height, width, 1],
        [_, height, width, channels] => [height, width, channels],
        _ => {
            let found = idx.sizes.len() as u8;
            return Err(DataError::Rank { path: path.into(), expected: "3 or 4 (images)", found });
        }
    };
    if sizes.iter().all(|size| (1..=MAX_SIDE).contains(size)) {
        return Ok(sizes);
    }
    let expected = format!("images with sides of 1 to {MAX_SIDE}");
    Err(DataError::Sizes { path: path.into(), expected, found: idx.sizes.clone() })
}

fn hash_entry(path: &Path, idx: &Idx) -> (String, String) {
    // What is hashed is the raw IDX, so that is what is named.
    let name = path.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".gz").to_owned();
    (name, mnist::sha256_hex(idx.raw()))
}

/// The training labels say how many classes there are; a folder with only a test part speaks for itself.
fn classes(folder: &Path, dataset: &Dataset) -> Result<usize, DataError> {
    match find(folder, Split::Train, Kind::Labels) {
        Ok(path) => Ok(count_classes(read_labels(&path)?.elements())),
        Err(_) => Ok(dataset.classes),
    }
}

/// The lines of `classes.txt`, where the folder has one.
fn class_names(folder: &Path, classes: usize) -> Result<Vec<String>, DataError> {
    let path = folder.join(CLASS_NAMES);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(&path).map_err(|cause| DataError::Read { path: path.clone(), cause })?;
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    if names.len() == classes { Ok(names) } else { Err(DataError::ClassNames { path, classes, found: names.len() }) }
}

fn count_classes(labels: &[u8]) -> usize {
    labels.iter().max().map_or(0, |&label| usize::from(label) + 1)
}

pub(crate) fn check_labels(path: &Path, labels: &[u8], classes: usize) -> Result<(), DataError> {
    match labels.iter().enumerate().find(|&(_, &label)| usize::from(label) >= classes) {
        Some((index, &label)) => Err(DataError::Label { path: path.into(), index, label, classes }),
        None => Ok(()),
    }
}

pub(crate) fn folder_name(folder: &Path) -> String {
    folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Images,
    Labels,
}

/// The first of the usual names that is in the folder.
pub(crate) fn find(folder: &Path, split: Split, kind: Kind) -> Result<PathBuf, DataError> {
    let names = usual_names(split, kind);
    let here = names
        .iter()
        .flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))])
        .find(|path| path.is_file());
    here.ok_or_else(|| DataError::NoFile { folder: folder.into(), expected: names[0].clone() })
}

/// `train-images-idx3-ubyte` and its like: the published name first, then with a dot, `test` for `t10k`, and colour images.
fn usual_names(split: Split, kind: Kind) -> Vec<String> {
    let parts: &[&str] = match split {
        Split::Train => &["train"],
        Split::Test => &["t10k", "test"],
    };
    let (word, ranks): (_, &[u8]) = match kind {
        Kind::Images => ("images", &[3, 4]),
        Kind::Labels => ("labels", &[1]),
    };
    let mut names = Vec::new();
    for part in parts {
        for rank in ranks {
            names.extend(["-", "."].map(|dot| format!("{part}-{word}{dot}idx{rank}-ubyte")));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn idx_bytes(sizes: &[u32], elements: &[u8]) -> Vec<u8> {
        let header = [0, 0, 8, sizes.len() as u8].into_iter().chain(sizes.iter().flat_map(|size| size.to_be_bytes()));
        header.chain(elements.iter().copied()).collect()
    }

    /// A folder with two 1×2 training images of classes 0 and 2, one test image, and the files given in their stead.
    fn folder(changes: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let whole = [
            ("train-images-idx3-ubyte", idx_bytes(&[2, 1, 2], &[1, 2, 3, 4])),
            ("train-labels-idx1-ubyte", idx_bytes(&[2], &[0, 2])),
            ("t10k-images-idx3-ubyte", idx_bytes(&[1, 1, 2], &[9, 8])),
            ("t10k-labels-idx1-ubyte", idx_bytes(&[1], &[1])),
        ];
        for (name, bytes) in whole.iter().chain(changes) {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn open_changed(split: Split, changes: &[(&str, Vec<u8>)]) -> Result<Dataset, DataError> {
        open(folder(changes).path(), split)
    }

    #[test]
    fn a_small_data_set() {
        let train = open_changed(Split::Train, &[]).unwrap();
        assert_eq!((train.height, train.width, train.channels, train.classes), (1, 2, 1, 3));
        assert_eq!((train.pixels, train.labels), (vec![1, 2, 3, 4], vec![0, 2]));
        assert_eq!(train.sha256[1].0, "train-labels-idx1-ubyte");
    }

    #[test]
    fn the_training_labels_say_how_many_classes() {
        assert_eq!(open_changed(Split::Test, &[]).unwrap().classes, 3);
    }

    #[test]
    fn a_file_names_the_classes() {
        let named = open_changed(Split::Test, &[("classes.txt", b"Coat\nBag \nBoot\n\n".to_vec())]).unwrap();
        assert_eq!(named.class_names, ["Coat", "Bag", "Boot"]);
        let error = open_changed(Split::Train, &[("classes.txt", b"Coat\nBag\n".to_vec())]).unwrap_err().to_string();
        assert!(error.contains("classes.txt: expected 3 lines, the name of a class each, found 2"), "{error}");
    }

    #[test]
    fn colours_and_other_names() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("test-images.idx4-ubyte"), idx_bytes(&[1, 1, 2, 3], &[1, 2, 3, 4, 5, 6])).unwrap();
        fs::write(folder.path().join("test-labels.idx1-ubyte"), idx_bytes(&[1], &[4])).unwrap();
        let test = open(folder.path(), Split::Test).unwrap();
        assert_eq!((test.height, test.width, test.channels, test.classes), (1, 2, 3, 5));
    }

    #[test]
    fn a_missing_file() {
        let folder = folder(&[]);
        fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
        let error = open(folder.path(), Split::Test).unwrap_err().to_string();
        assert!(
            error.contains("expected an IDX file named t10k-labels-idx1-ubyte (or with .gz), found none"),
            "{error}"
        );
    }

    #[test]
    fn fewer_labels_than_images() {
        let labels = ("train-labels-idx1-ubyte", idx_bytes(&[1], &[0]));
        let error = open_changed(Split::Train, &[labels]).unwrap_err();
        assert!(matches!(error, DataError::Count { images: 2, labels: 1, .. }), "{error}");
    }

    #[test]
    fn a_label_that_training_does_not_know() {
        let labels = ("t10k-labels-idx1-ubyte", idx_bytes(&[1], &[3]));
        let error = open_changed(Split::Test, &[labels]).unwrap_err();
        assert!(matches!(error, DataError::Label { index: 0, label: 3, classes: 3, .. }), "{error}");
    }

    #[test]
    fn images_and_labels_swapped() {
        let images = ("train-images-idx3-ubyte", idx_bytes(&[2], &[0, 2]));
        assert!(matches!(open_changed(Split::Train, &[images]), Err(DataError::Rank { found: 1, .. })));
        let labels = ("train-labels-idx1-ubyte", idx_bytes(&[2, 1, 1], &[0, 2]));
        assert!(matches!(open_changed(Split::Train, &[labels]), Err(DataError::Rank { found: 3, .. })));
    }

    #[test]
    fn images_with_no_pixels_or_too_many() {
        for side in [0, 1025] {
            let images = ("t10k-images-idx3-ubyte", idx_bytes(&[1, 1, side], &vec![0; side as usize]));
            assert!(matches!(open_changed(Split::Test, &[images]), Err(DataError::Sizes { .. })), "{side}");
        }
    }
}

//! Folders of pictures, with a folder for each class.
//!
//! ```text
//! flowers/train/rose/*.png    flowers/rose/*.png
//! flowers/train/tulip/*.png   flowers/tulip/*.png
//! flowers/test/rose/*.png
//! flowers/test/tulip/*.png
//! ```
//!
//! Classes are numbered by the names of their folders. On the left the parts are folders; on the right every sixth picture
//! of a class, by name, is for the test. Pictures of classes come in turns (the first of each, the second of each, …), so
//! that the first hundred are of all classes.

use crate::folder::{MAX_SIDE, folder_name};
use crate::picture::{self, Picture};
use crate::{DataError, Dataset, Split, idx, mnist};
use std::fs;
use std::path::{Path, PathBuf};

/// Names end so.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "pgm", "ppm", "pnm"];

/// One picture in this many is for the test where the parts are not folders.
const TEST_EVERY: usize = 6;

/// A picture's file is no larger.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// A class: its name and its pictures.
type Class = (String, Vec<PathBuf>);

/// The pictures of a part of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Their files.
    pub paths: Vec<PathBuf>,
    /// A label each, where they are sorted by class.
    pub labels: Option<Vec<u8>>,
    /// The names of the classes.
    pub class_names: Vec<String>,
}

/// The pictures of one part of a folder; none where it holds no pictures. A folder without parts whose classes are too
/// small to hold some back, or that has no classes, is the same in each part.
///
/// # Errors
/// A folder that cannot be read, or more than 256 classes.
pub fn find(folder: &Path, split: Split) -> Result<Option<Found>, DataError> {
    let part = folder.join(split.to_string());
    if part.is_dir() {
        return in_folder(&part);
    }
    if !folder.is_dir() {
        return Ok(None);
    }
    let Some(classes) = classes(folder)? else { return in_folder(folder) };
    if classes.iter().any(|(_, pictures)| pictures.len() < TEST_EVERY) {
        return in_turns(folder, classes).map(Some);
    }
    let in_part = |i: usize| (i % TEST_EVERY == TEST_EVERY - 1) == (split == Split::Test);
    let kept =
        |pictures: Vec<PathBuf>| (0..).zip(pictures).filter(|(i, _)| in_part(*i)).map(|(_, path)| path).collect();
    let classes = classes.into_iter().map(|(class, pictures)| (class, kept(pictures))).collect();
    in_turns(folder, classes).map(Some)
}

/// Opens one part of a folder of pictures as a data set; none where it holds no pictures.
pub(crate) fn open(folder: &Path, split: Split) -> Result<Option<Dataset>, DataError> {
    let Some(Found { paths, labels, class_names }) = find(folder, split)? else { return Ok(None) };
    let labels = labels.ok_or_else(|| DataError::NoClasses { folder: folder.into() })?;
    check_parts(folder, split, &class_names)?;
    let first = read(&paths[0])?;
    let [channels, height, width] = first.shape();
    let mut pixels = Vec::with_capacity(first.pixels.len() * paths.len());
    for path in &paths {
        let picture = read(path)?;
        check(path, &picture, (&paths[0], &first))?;
        pixels.extend(picture.pixels);
        if pixels.len() > idx::MAX_RAW_BYTES {
            return Err(DataError::TooLarge { path: folder.into(), limit_bytes: idx::MAX_RAW_BYTES });
        }
    }
    // Names and labels too: the same pictures sorted otherwise are another data set.
    let names: String =
        paths.iter().map(|path| path.strip_prefix(folder).unwrap_or(path).display().to_string()).collect();
    let sha256 = vec![(format!("{split} pictures"), mnist::sha256_hex_of(&[names.as_bytes(), &labels, &pixels]))];
    let (name, classes) = (folder_name(folder), class_names.len());
    Ok(Some(Dataset { name, height, width, channels, classes, class_names, pixels, labels, sha256 }))
}

/// Reads one picture.
///
/// # Errors
/// A file that cannot be read, or is no picture.
pub fn read(path: &Path) -> Result<Picture, DataError> {
    let refuse = |cause| DataError::Read { path: path.into(), cause };
    let len = fs::metadata(path).map_err(refuse)?.len();
    if len > MAX_FILE_BYTES {
        let reason = format!("expected at most {MAX_FILE_BYTES} bytes, found {len}. Give a smaller picture");
        return Err(DataError::Picture { path: path.into(), reason });
    }
    let bytes = fs::read(path).map_err(refuse)?;
    picture::decode(&bytes).map_err(|reason| DataError::Picture { path: path.into(), reason })
}

/// Whether a picture is as the first one, and no larger than networks here take.
fn check(path: &Path, picture: &Picture, (first_path, first): (&Path, &Picture)) -> Result<(), DataError> {
    let ([channels, height, width], found) = (first.shape(), picture.shape());
    if found[1..].iter().any(|&side| side > MAX_SIDE) {
        let expected = format!("pictures with sides of 1 to {MAX_SIDE}");
        return Err(DataError::Sizes { path: path.into(), expected, found: found.to_vec() });
    }
    if found == first.shape() {
        return Ok(());
    }
    let show = |[channels, height, width]: [usize; 3]| format!("{channels}×{height}×{width}");
    Err(DataError::Mixed {
        path: path.into(),
        first: first_path.into(),
        expected: show(first.shape()),
        found: show(found),
        size: format!("{width}x{height}"),
        colorspace: if channels == 1 { "Gray" } else { "sRGB" },
    })
}

/// Whether both parts are there and have the same classes: labels are numbers, and would stand for others.
fn check_parts(folder: &Path, split: Split, class_names: &[String]) -> Result<(), DataError> {
    let part = |split: Split| folder.join(split.to_string());
    let (here, other) = (part(split), part(if split == Split::Train { Split::Test } else { Split::Train }));
    if !here.is_dir() && !other.is_dir() {
        return match classes(folder)?.unwrap_or_default().into_iter().find(|(_, p)| p.len() < TEST_EVERY) {
            Some((class, pictures)) => {
                let folder = folder.join(class);
                Err(DataError::TooFewPictures { folder, least: TEST_EVERY, found: pictures.len() })
            }
            None => Ok(()),
        };
    }
    let parts = |found: &str| DataError::Parts { folder: here.clone(), other: other.clone(), found: found.into() };
    if !here.is_dir() || !other.is_dir() {
        return Err(parts("only one of the two is there"));
    }
    let others: Vec<String> = classes(&other)?.unwrap_or_default().into_iter().map(|(class, _)| class).collect();
    match class_names.iter().find(|class| !others.contains(class)).or(others.iter().find(|c| !class_names.contains(c)))
    {
        Some(class) => Err(parts(&format!("{class} is in one of them only"))),
        None => Ok(()),
    }
}

/// The pictures of a folder, with a label each where they are in folders.
fn in_folder(folder: &Path) -> Result<Option<Found>, DataError> {
    if let Some(classes) = classes(folder)? {
        return in_turns(folder, classes).map(Some);
    }
    let (paths, _) = list(folder)?;
    Ok((!paths.is_empty()).then_some(Found { paths, labels: None, class_names: vec![] }))
}

/// The first picture of each class, then the second of each, and so on.
fn in_turns(folder: &Path, classes: Vec<Class>) -> Result<Found, DataError> {
    let (found, mut paths, mut labels) = (classes.len(), Vec::new(), Vec::new());
    let longest = classes.iter().map(|(_, pictures)| pictures.len()).max().unwrap_or(0);
    for turn in 0..longest {
        for (class, (_, pictures)) in classes.iter().enumerate() {
            let Some(path) = pictures.get(turn) else { continue };
            paths.push(path.clone());
            labels.push(u8::try_from(class).map_err(|_| DataError::Classes { folder: folder.into(), found })?);
        }
    }
    let class_names = classes.into_iter().map(|(class, _)| class).collect();
    Ok(Found { paths, labels: Some(labels), class_names })
}

/// The folders in a folder, each with its pictures; none where no folder has one, or where pictures lie beside them.
fn classes(folder: &Path) -> Result<Option<Vec<Class>>, DataError> {
    let (pictures, folders) = list(folder)?;
    if !pictures.is_empty() {
        return Ok(None);
    }
    let class = |folder: &PathBuf| Ok((folder_name(folder), list(folder)?.0));
    let classes: Vec<_> = folders.iter().map(class).collect::<Result<_, DataError>>()?;
    Ok(classes.iter().any(|(_, pictures)| !pictures.is_empty()).then_some(classes))
}

/// The pictures and the folders in a folder, by name; not the hidden ones.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DataError> {
    let refuse = |cause| DataError::Read { path: folder.into(), cause };
    let paths = fs::read_dir(folder).map_err(refuse)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(refuse)?;
    paths.sort();
    paths.retain(|path| !folder_name(path).starts_with('.'));
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    Ok((files.into_iter().filter(|path| is_named_as_picture(path)).collect(), folders))
}

fn is_named_as_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with grey 2×1 pictures of these names, each of the brightness of its number.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in names.iter().enumerate() {
            put(folder.path(), name, &[b"P5 2 1 255 ", &[number as u8; 2][..]].concat());
        }
        folder
    }

    fn put(folder: &Path, name: &str, bytes: &[u8]) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn opened(names: &[&str], split: Split) -> Result<Dataset, String> {
        open(folder(names).path(), split).map(Option::unwrap).map_err(|error| error.to_string())
    }

    const PARTS: [&str; 5] =
        ["train/ant/1.pgm", "train/ant/2.pgm", "train/bee/1.pgm", "test/ant/1.pgm", "test/bee/1.pgm"];

    #[test]
    fn classes_are_folders_and_come_in_turns() {
        let train = opened(&PARTS, Split::Train).unwrap();
        assert_eq!((train.channels, train.height, train.width, train.classes), (1, 1, 2, 2));
        assert_eq!((train.pixels, train.labels), (vec![0, 0, 2, 2, 1, 1], vec![0, 1, 0]));
        assert_eq!(train.class_names, ["ant", "bee"]);
        assert_eq!(opened(&PARTS, Split::Test).unwrap().pixels, [3, 3, 4, 4]);
    }

    #[test]
    fn without_parts_every_sixth_picture_is_for_the_test() {
        let names: Vec<String> = ["a", "b"].iter().flat_map(|c| (0..7).map(move |i| format!("{c}/{i}.pgm"))).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (train, test) = (opened(&names, Split::Train).unwrap(), opened(&names, Split::Test).unwrap());
        assert_eq!((test.pixels, test.labels), (vec![5, 5, 12, 12], vec![0, 1]));
        assert_eq!((train.len(), &train.labels[..4]), (12, &[0, 1, 0, 1][..]));
    }

    #[test]
    fn a_class_too_small_to_hold_some_back() {
        let error = opened(&["a/1.pgm", "a/2.pgm", "b/1.pgm"], Split::Train).unwrap_err();
        assert!(error.contains("a: expected at least 6 pictures") && error.contains("found 2"), "{error}");
        // Who only reads them has all of them in each part.
        let small = folder(&["a/1.pgm", "a/2.pgm", "b/1.pgm"]);
        for split in [Split::Train, Split::Test] {
            assert_eq!(find(small.path(), split).unwrap().unwrap().labels, Some(vec![0, 1, 0]));
        }
    }

    #[test]
    fn pictures_of_two_sizes_are_named_with_what_to_do() {
        let folder = folder(&PARTS);
        put(folder.path(), "train/bee/2.pgm", b"P5 1 1 255 x");
        let error = open(folder.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("bee/2.pgm: expected a picture of 1×1×2") && error.contains("found 1×1×1"), "{error}");
        assert!(error.contains("mogrify -resize 2x1! -colorspace Gray"), "{error}");
        put(folder.path(), "train/bee/2.pgm", b"P6 2 1 255 rgbrgb");
        let error = open(folder.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("found 3×1×2"), "{error}");
    }

    #[test]
    fn parts_that_do_not_go_together() {
        let error = opened(&[&PARTS[..], &["train/cat/1.pgm"]].concat(), Split::Test).unwrap_err();
        assert!(error.contains("cat is in one of them only"), "{error}");
        let error = opened(&PARTS[..3], Split::Train).unwrap_err();
        assert!(error.contains("only one of the two is there"), "{error}");
    }

    #[test]
    fn pictures_without_classes_and_no_pictures() {
        let error = opened(&["1.pgm", "2.pgm"], Split::Train).unwrap_err();
        assert!(error.contains("expected a folder for each class"), "{error}");
        assert_eq!(open(folder(&["notes.txt"]).path(), Split::Train).unwrap(), None);
        assert_eq!(open(Path::new("/no/such/folder"), Split::Train).unwrap(), None);
    }

    #[test]
    fn a_damaged_picture_is_named() {
        let folder = folder(&PARTS);
        put(folder.path(), "train/ant/1.pgm", b"P5 2");
        let error = open(folder.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("ant/1.pgm: expected a PGM or PPM picture, found a header cut short"), "{error}");
    }
}

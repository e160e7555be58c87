//! A folder of pictures, with a folder for each class or with none.

use super::InputError;
use crate::picture::{self, Picture};
use data::Split;
use std::path::{Path, PathBuf};

/// Names end so.
const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "pgm", "ppm", "pnm"];
/// A picture's file is no larger.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Pictures, and a label each.
type Found = (Vec<PathBuf>, Option<Vec<u8>>);

/// The pictures of a part of a folder in the order of their names; none where it holds no pictures.
pub(super) fn find(folder: &Path, split: Split) -> Result<Option<Found>, InputError> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let part = folder.join(split.to_string());
    let folder = if part.is_dir() { &part } else { folder };
    let (pictures, folders) = list(folder)?;
    if !pictures.is_empty() {
        return Ok(Some((pictures, None)));
    }
    let mut found = (Vec::new(), Vec::new());
    for (class, folder) in folders.iter().enumerate() {
        let (pictures, _) = list(folder)?;
        let label =
            u8::try_from(class).map_err(|_| InputError::Classes { path: folder.clone(), found: folders.len() })?;
        found.1.extend(pictures.iter().map(|_| label));
        found.0.extend(pictures);
    }
    Ok((!found.0.is_empty()).then_some((found.0, Some(found.1))))
}

/// The pictures and the folders in a folder, by name.
fn list(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), InputError> {
    let refuse = |cause| InputError::read(folder, cause);
    let paths = std::fs::read_dir(folder).map_err(refuse)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(refuse)?;
    paths.sort();
    let (folders, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.is_dir());
    Ok((files.into_iter().filter(|path| is_named_as_picture(path)).collect(), folders))
}

fn is_named_as_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Reads one.
pub(super) fn read(path: &Path) -> Result<Picture, InputError> {
    let refuse = |cause| InputError::read(path, cause);
    let len = std::fs::metadata(path).map_err(refuse)?.len();
    if len > MAX_FILE_BYTES {
        let reason = format!("expected at most {MAX_FILE_BYTES} bytes, found {len}. Give a smaller picture");
        return Err(InputError::Picture { path: path.into(), reason });
    }
    let bytes = std::fs::read(path).map_err(refuse)?;
    picture::decode(&bytes).map_err(|reason| InputError::Picture { path: path.into(), reason })
}

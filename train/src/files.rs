//! Writing so that a kill leaves the old file or the new one, never half of one.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::TrainError;

/// Writes `bytes` beside `path`, then renames.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let beside = path.with_added_extension("partial");
    fs::write(&beside, bytes).map_err(TrainError::file(&beside))?;
    fs::rename(&beside, path).map_err(TrainError::file(path))
}

/// Writes `value` as indented JSON, ending in a newline.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainError> {
    let mut text = serde_json::to_string_pretty(value).expect("string keys and finite numbers");
    text.push('\n');
    write(path, text.as_bytes())
}

/// Makes a folder and those above it.
pub fn make_folder(path: &Path) -> Result<(), TrainError> {
    fs::create_dir_all(path).map_err(TrainError::file(path))
}

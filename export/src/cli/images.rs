//! Images and the networks that take them.

use anyhow::{Result, ensure};
use data::Dataset;
use std::path::Path;

/// Whether the images are of the size that the network in `path` takes, `expected` values each.
pub fn check_size(path: &Path, expected: usize, dataset: &Dataset) -> Result<()> {
    let found = dataset.image_len_bytes();
    ensure!(
        expected == found,
        "{}: takes images of {expected} values, but those of {} have {found}; choose the data that it was trained on",
        path.display(),
        dataset.name
    );
    Ok(())
}

//! Images and the networks that take them.

use anyhow::{Result, ensure};
use std::path::Path;

/// Whether images of one shape (channels, height, width) may enter the network in `path`, which takes another.
///
/// A network over vectors takes images of as many values.
pub fn check_shape(path: &Path, takes: [usize; 3], images: &str, found: [usize; 3]) -> Result<()> {
    let len = |shape: [usize; 3]| shape.iter().product::<usize>();
    let is_vector = takes[1..] == [1, 1];
    let show = |[channels, height, width]: [usize; 3]| format!("{channels}×{height}×{width}");
    ensure!(
        takes == found || (is_vector && len(takes) == len(found)),
        "{images}: expected images of {} (channels, height, width), as {} takes, found {}; give images of that size",
        show(takes),
        path.display(),
        show(found),
    );
    Ok(())
}

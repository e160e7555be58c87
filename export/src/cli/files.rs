//! Files, read and written the same by every command.

use anyhow::{Context, Result};
use export::files::write_atomically;
use std::convert::Infallible;
use std::path::Path;

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let hint = || format!("{}: cannot be read; check the path and its permissions", path.display());
    std::fs::read(path).with_context(hint)
}

/// Writes a whole file or none.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(write_atomically(path, bytes, |_| Ok::<_, Infallible>(()))?)
}

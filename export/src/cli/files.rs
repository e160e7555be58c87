//! Files, read and written the same by every command.

use anyhow::{Context, Result, ensure};
use export::files::write_atomically;
use export::onnx::MAX_FILE_BYTES;
use std::convert::Infallible;
use std::path::Path;

/// The bytes of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let hint = || format!("{}: cannot be read; check the path and its permissions", path.display());
    let len = std::fs::metadata(path).with_context(hint)?.len();
    ensure!(
        len <= MAX_FILE_BYTES,
        "{}: expected at most {MAX_FILE_BYTES} bytes, found {len}; a network for a microcontroller is far smaller",
        path.display()
    );
    std::fs::read(path).with_context(hint)
}

/// Writes a whole file or none.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(write_atomically(path, bytes, |_| Ok::<_, Infallible>(()))?)
}

/// Whether `output` is another file than `input`, which would be lost.
pub fn distinct(input: &Path, output: &Path) -> Result<()> {
    let same = input.canonicalize().ok().zip(output.canonicalize().ok()).is_some_and(|(input, output)| input == output);
    ensure!(!same, "{}: is both input and output, and would be lost; name another file with -o", input.display());
    Ok(())
}

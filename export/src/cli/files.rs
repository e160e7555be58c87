//! Files, read and written the same by every command.

use anyhow::{Context, Result, bail, ensure};
use export::files::write_atomically;
use export::onnx::{self, MAX_FILE_BYTES};
use std::convert::Infallible;
use std::path::Path;

/// The bytes of a file; those of an ONNX file with the weights that it keeps in files beside it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let hint = || format!("{}: cannot be read; check the path and its permissions", path.display());
    if path.is_dir() {
        bail!("{}: expected a file, found a folder; name one of its files{}", path.display(), networks(path));
    }
    let len = std::fs::metadata(path).with_context(hint)?.len();
    ensure!(
        len <= MAX_FILE_BYTES,
        "{}: expected at most {MAX_FILE_BYTES} bytes, found {len}; a network for a microcontroller is far smaller",
        path.display()
    );
    let bytes = std::fs::read(path).with_context(hint)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    onnx::with_external_data(bytes, folder).with_context(|| path.display().to_string())
}

/// The networks of a folder, as the end of a sentence: `: float.onnx, int8.onnx`.
fn networks(folder: &Path) -> String {
    let is_network = |path: &Path| path.extension().is_some_and(|end| end == "onnx" || end == "plan");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut names: Vec<String> = files
        .filter(|path| is_network(path))
        .filter_map(|path| Some(path.file_name()?.display().to_string()))
        .collect();
    names.sort();
    if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) }
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

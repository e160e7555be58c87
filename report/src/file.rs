//! `report.json` and `report.html` in a run's folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::page;
use crate::run::Run;

/// What the page shows, as data.
pub const JSON: &str = "report.json";

/// The page.
pub const HTML: &str = "report.html";

/// Why a report was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The folder holds no report.
    #[error("{}: expected a {JSON} in this folder, as `train` leaves it, found none; name the --out of a finished run", folder.display())]
    None {
        /// The folder.
        folder: PathBuf,
    },
    /// The report is not what `train` writes.
    #[error("{}: expected what `train` writes, found otherwise ({reason}); train again, or restore the file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The operating system refused.
    #[error("{}: {cause}; check the folder and its permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
}

/// Writes both files into a folder; returns the page's path. Each is whole or not there.
///
/// # Errors
/// The operating system refuses.
pub fn write(folder: &Path, run: &Run) -> Result<PathBuf, FileError> {
    let json = serde_json::to_string(run).expect("string keys and finite numbers");
    replace(folder, JSON, json.as_bytes())?;
    replace(folder, HTML, page(run).as_bytes())
}

/// Reads a folder's `report.json`.
///
/// # Errors
/// There is none, or it is not what [`write`] writes.
pub fn read(folder: &Path) -> Result<Run, FileError> {
    let path = folder.join(JSON);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Err(FileError::None { folder: folder.into() });
        }
        Err(cause) => return Err(FileError::Io { path, cause }),
    };
    serde_json::from_str(&text).map_err(|error| FileError::Damaged { path, reason: error.to_string() })
}

/// Writes beside the file, then renames.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf, FileError> {
    let (path, beside) = (folder.join(name), folder.join(format!("{name}.partial")));
    let written = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, &path));
    written.map(|()| path.clone()).map_err(|cause| FileError::Io { path, cause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::small;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let page = write(folder.path(), &small()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), small());
        assert_eq!(fs::read_to_string(page).unwrap(), crate::page(&small()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_without_a_report_and_a_damaged_one_say_so() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(folder.path()), Err(FileError::None { .. })));
        fs::write(folder.path().join(JSON), "{\"network\":").unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("report.json: expected what `train` writes, found otherwise (EOF"), "{error}");
    }
}

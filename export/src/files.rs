//! Files that are whole or not there.

use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// Why a file was not written. Whatever stood at its path before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E: std::error::Error + 'static> {
    /// The system refused.
    #[error("{}: cannot be written ({cause}). Check the folder's permissions and the space left", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// The system's words.
        cause: std::io::Error,
    },
    /// Something is there that is no file.
    #[error("{}: expected a file or nothing to write to, found a folder, a device or a pipe; name a file", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// The check of the written bytes failed.
    #[error(transparent)]
    Check(E),
}

/// Writes `bytes` beside `path`, has `check` look at the written file, and only then renames it to `path`. Missing
/// folders are made. An interruption or a failed check leaves `path` as it was.
///
/// # Errors
/// The system refuses, or `check` does.
pub fn write_atomically<E: std::error::Error + 'static>(
    path: &Path,
    bytes: &[u8],
    check: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), WriteError<E>> {
    let system = |cause| WriteError::System { path: path.into(), cause };
    // A link keeps pointing where it does; a device or a pipe is not replaced by a file.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
    if std::fs::metadata(&target).is_ok_and(|there| !there.is_file()) {
        return Err(WriteError::NoFile { path: path.into() });
    }
    let path = target.as_path();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(system)?;
    let mut file = builder().tempfile_in(folder).map_err(system)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(system)?;
    check(file.path()).map_err(WriteError::Check)?;
    file.persist(path).map_err(|e| system(e.error))?;
    Ok(())
}

/// Temporary files that others may read once they are renamed, as far as the umask lets them.
fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(".writing-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_checked_file_replaces_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/net.plan");
        for bytes in [b"first".as_slice(), b"second"] {
            let seen = |written: &Path| {
                assert_eq!(std::fs::read(written).unwrap(), bytes);
                Ok::<_, std::convert::Infallible>(())
            };
            write_atomically(&path, bytes, seen).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(names(path.parent().unwrap()), ["net.plan"]);
    }

    #[test]
    fn a_failed_check_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.plan");
        std::fs::write(&path, b"old").unwrap();
        let refused = write_atomically(&path, b"new", |_| Err(std::fmt::Error));
        assert!(matches!(refused, Err(WriteError::Check(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["net.plan"]);
    }

    #[test]
    fn a_path_that_cannot_be_is_named() {
        let error = write_atomically(Path::new("/dev/null/x/y"), b"", |_| Ok::<_, std::fmt::Error>(())).unwrap_err();
        assert!(error.to_string().starts_with("/dev/null/x/y: cannot be written"), "{error}");
    }
}

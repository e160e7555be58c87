//! `metrics.jsonl`: one line of JSON an epoch.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::error::TrainError;

/// The file's name in the run's folder.
pub const FILE: &str = "metrics.jsonl";

pub use report::Epoch;

/// Appends a line.
pub fn append(folder: &Path, epoch: &Epoch) -> Result<(), TrainError> {
    let path = folder.join(FILE);
    let line = serde_json::to_string(epoch).expect("finite numbers");
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{line}"))
        .map_err(TrainError::file(&path))
}

/// Forgets the lines after the first `epochs`: a killed run may have written one more line than it
/// has state for.
pub fn truncate(folder: &Path, epochs: usize) -> Result<(), TrainError> {
    let path = folder.join(FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(TrainError::file(&path)(error)),
    };
    let kept: String = text.split_inclusive('\n').take(epochs).collect();
    crate::files::write(&path, kept.as_bytes())
}

/// The lines of a run, one an epoch.
pub fn read(folder: &Path) -> Result<Vec<Epoch>, TrainError> {
    let path = folder.join(FILE);
    let text = fs::read_to_string(&path).map_err(TrainError::file(&path))?;
    let epoch = |line| serde_json::from_str(line);
    let lines: Result<_, _> = text.lines().map(epoch).collect();
    lines.map_err(|error| TrainError::State { path, reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(epoch: usize) -> Epoch {
        Epoch {
            epoch,
            steps: 430 * epoch,
            learning_rate: 0.01,
            train_loss: 0.25,
            train_accuracy: 92.5,
            validation_accuracy: 98.0,
            validation_accuracy_ema: 98.5,
            seconds: 110.0,
            images_per_second: 500.0,
        }
    }

    #[test]
    fn lines_are_appended_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        truncate(folder.path(), 0).unwrap(); // no file yet
        (1..=3).for_each(|e| append(folder.path(), &epoch(e)).unwrap());
        truncate(folder.path(), 2).unwrap();
        assert_eq!(read(folder.path()).unwrap(), [epoch(1), epoch(2)]);
    }
}

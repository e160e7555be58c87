//! `metrics.jsonl`: one line of JSON an epoch.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// The file's name in the run's folder.
pub const FILE: &str = "metrics.jsonl";

/// What is known after an epoch. Accuracies are in percent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Steps since the beginning of the run.
    pub steps: usize,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// The mean loss of the epoch's (augmented) training images, as the network was learning.
    pub train_loss: f64,
    /// The accuracy on them.
    pub train_accuracy: f64,
    /// The accuracy on the held-back images.
    pub validation_accuracy: f64,
    /// The same, with the averaged weights.
    pub validation_accuracy_ema: f64,
    /// Of training, without evaluation.
    pub seconds: f64,
    /// Training speed.
    pub images_per_second: f64,
}

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
        let text = fs::read_to_string(folder.path().join(FILE)).unwrap();
        let read: Vec<Epoch> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, [epoch(1), epoch(2)]);
    }
}

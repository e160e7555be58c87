//! `card.json`: what a checkpoint is and how it came to be.

use std::collections::BTreeMap;
use std::path::Path;

use data::Dataset;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::files;
use crate::recipe::Recipe;

/// The file's name in the run's folder.
pub const FILE: &str = "card.json";

/// Everything that is needed to judge a checkpoint, and to train it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The name in the zoo.
    pub network: String,
    /// Learnable parameters.
    pub parameters: usize,
    /// What to type for the same checkpoint.
    pub command: String,
    /// Where it was trained: the bits are reproducible on one machine and device.
    pub device: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Times each training image was seen.
    pub epochs: usize,
    /// The hyperparameters.
    pub recipe: Recipe,
    /// What it learnt from.
    pub data: DataCard,
    /// Accuracy on the held-back training images, in percent.
    pub validation_accuracy: f64,
    /// Accuracy on the test images, in percent; they were read once, after the last epoch.
    pub test_accuracy: f64,
    /// Test images judged wrongly.
    pub test_errors: usize,
    /// Test images.
    pub test_images: usize,
    /// Of training, all epochs together.
    pub seconds: f64,
}

/// The data of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataCard {
    /// The data set's name.
    pub name: String,
    /// Images learnt from.
    pub train_images: usize,
    /// Images held back for choices.
    pub validation_images: usize,
    /// SHA-256 of the raw files, by name.
    pub sha256: BTreeMap<String, String>,
}

impl DataCard {
    /// Describes the data of a run.
    pub fn new(train: &Dataset, test: &Dataset, held_back: &crate::split::Split) -> Self {
        let files = train.sha256.iter().chain(&test.sha256);
        Self {
            name: train.name.clone(),
            train_images: held_back.train.len(),
            validation_images: held_back.validation.len(),
            sha256: files.cloned().collect(),
        }
    }
}

impl Card {
    /// Writes the card into the run's folder.
    pub fn write(&self, folder: &Path) -> Result<(), TrainError> {
        files::write_json(&folder.join(FILE), self)
    }
}

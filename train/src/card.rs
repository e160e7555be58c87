//! `card.json`: what a checkpoint is and how it came to be.

use std::collections::BTreeMap;
use std::path::Path;

use data::Dataset;
use report::{Judgement, Run};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::TrainError;
use crate::files;
use crate::metrics::Epoch;
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
    /// The page's content: this card, what each epoch gave, and what burn makes of the test images. `source` is what `--data` was.
    pub fn report(&self, source: &str, history: Vec<Epoch>, test: &Dataset, judgement: Judgement) -> Run {
        let mut run = Run {
            network: self.network.clone(),
            parameters: self.parameters,
            data: self.data.name.clone(),
            source: source.to_owned(),
            train_images: self.data.train_images,
            validation_images: self.data.validation_images,
            classes: (0..test.classes).map(|class| test.class_name(class)).collect(),
            device: self.device.clone(),
            seed: self.seed,
            seconds: self.seconds,
            command: self.command.clone(),
            recipe: facts(&self.recipe),
            history,
            labels: test.labels.clone(),
            judgements: Vec::new(),
            pictures: BTreeMap::new(),
        };
        run.add(judgement, test);
        run
    }

    /// Writes the card into the run's folder.
    pub fn write(&self, folder: &Path) -> Result<(), TrainError> {
        files::write_json(&folder.join(FILE), self)
    }
}

/// The fields of a recipe, those of a struct in it under its name.
fn facts(recipe: &Recipe) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    // Through text: as a value, 0.08 would be the f64 nearest to an f32.
    let text = serde_json::to_string(recipe).expect("string keys and finite numbers");
    let value = serde_json::from_str(&text).expect("what was just written");
    flatten("", &value, &mut facts);
    facts
}

fn flatten(name: &str, value: &Value, facts: &mut Vec<(String, String)>) {
    let Value::Object(fields) = value else {
        let text = if let Value::Null = value { "none".to_owned() } else { value.to_string() };
        facts.push((name.to_owned(), text));
        return;
    };
    for (field, value) in fields {
        let field = field.replace('_', " ");
        let name = if name.is_empty() { field } else { format!("{name}: {field}") };
        flatten(&name, value, facts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_a_list_of_facts() {
        let facts = facts(&Recipe { batch: 64, ..Recipe::default() });
        let has = |name: &str, value: &str| facts.contains(&(name.to_owned(), value.to_owned()));
        assert!(has("batch", "64") && has("augmentation: scale", "0.08"), "{facts:?}");
    }
}

//! The method in numbers. Nothing else in the crate holds a hyperparameter.
//!
//! As a file it is JSON; a field that is left out has its default. `{"label_smoothing": 0.05, "augmentation": {"elastic_pixels": 4}}` is a recipe.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::error::TrainError;

/// How a network is trained. The default reaches the zoo's accuracies; card.json records it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    /// Images a step.
    pub batch: usize,
    /// The highest learning rate, at the end of the warm-up.
    pub peak_learning_rate: f64,
    /// The part of all steps in which the learning rate rises.
    pub warm_up: f64,
    /// Peak learning rate over the first one.
    pub start_divisor: f64,
    /// First learning rate over the last one.
    pub end_divisor: f64,
    /// Muon's learning rate over the schedule's, for the kernels that mix channels; 0 is AdamW for them too.
    pub muon_rate: f64,
    /// Decoupled weight decay, on the kernels of convolutions and linear layers only.
    pub weight_decay: f32,
    /// The part of the target that is spread evenly over all classes.
    pub label_smoothing: f32,
    /// How much of the average of weights and running statistics a step keeps.
    pub ema_decay: f64,
    /// The random transform of each image.
    pub augmentation: Augmentation,
    /// What teachers have to say, where there are any.
    pub distillation: Distillation,
}

/// How much is learnt from teachers (Hinton, Vinyals, Dean 2015): the loss is (1 − `weight`) · CE(labels) + `weight` · T² · CE(teachers), the second with
/// logits divided by the temperature T on both sides. The teachers' probabilities, of the same augmented images, are averaged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Distillation {
    /// 0 to 1.
    pub weight: f32,
    /// The larger, the more the teachers' small probabilities count.
    pub temperature: f32,
}

impl Default for Distillation {
    fn default() -> Self {
        Self { weight: 0.9, temperature: 2.0 }
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            batch: 128,
            peak_learning_rate: 0.01,
            warm_up: 0.3,
            start_divisor: 25.0,
            end_divisor: 1e4,
            muon_rate: 2.0,
            weight_decay: 0.02,
            label_smoothing: 0.01,
            ema_decay: 0.998,
            augmentation: Augmentation::default(),
            distillation: Distillation::default(),
        }
    }
}

impl Recipe {
    /// Reads a recipe from a file of JSON.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = fs::read_to_string(path).map_err(TrainError::file(path))?;
        let wrong = |reason| TrainError::Recipe { path: path.to_owned(), reason };
        let recipe: Self = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        recipe.check().map_err(wrong)?;
        Ok(recipe)
    }

    /// Names the first field that no run can have.
    pub fn check(&self) -> Result<(), String> {
        let Augmentation { rotation_degrees, shift_pixels, scale, shear_degrees, .. } = self.augmentation;
        let Augmentation { elastic_pixels, elastic_spacing_pixels, .. } = self.augmentation;
        let Distillation { weight, temperature } = self.distillation;
        let numbers = [
            ("batch", self.batch as f64, 2.0, 1e6),
            ("peak_learning_rate", self.peak_learning_rate, 0.0, f64::MAX),
            ("warm_up", self.warm_up, 0.0, 1.0),
            ("start_divisor", self.start_divisor, 1.0, f64::MAX),
            ("end_divisor", self.end_divisor, 1.0, f64::MAX),
            ("muon_rate", self.muon_rate, 0.0, f64::MAX),
            ("weight_decay", self.weight_decay.into(), 0.0, f64::MAX),
            ("label_smoothing", self.label_smoothing.into(), 0.0, 1.0),
            ("ema_decay", self.ema_decay, 0.0, 1.0),
            ("rotation_degrees", rotation_degrees.into(), 0.0, 180.0),
            ("shift_pixels", shift_pixels.into(), 0.0, 1e3),
            ("scale", scale.into(), 0.0, 0.9),
            ("shear_degrees", shear_degrees.into(), 0.0, 80.0),
            ("elastic_pixels", elastic_pixels.into(), 0.0, 1e3),
            ("elastic_spacing_pixels", elastic_spacing_pixels.into(), 1.0, 1e3),
            ("weight", weight.into(), 0.0, 1.0),
            ("temperature", temperature.into(), 1e-3, 1e3),
        ];
        let outside = numbers.into_iter().find(|(_, found, least, most)| !(*least..=*most).contains(found));
        match outside {
            Some((field, found, least, most)) => Err(format!("{field} is {found}, expected {least} to {most}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_leaves_out_has_its_default() {
        let recipe: Recipe = serde_json::from_str(r#"{"batch": 64, "augmentation": {"elastic_pixels": 4}}"#).unwrap();
        let augmentation = Augmentation { elastic_pixels: 4.0, ..Augmentation::default() };
        assert_eq!(recipe, Recipe { batch: 64, augmentation, ..Recipe::default() });
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let error = serde_json::from_str::<Recipe>(r#"{"label_smooting": 0.1}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `label_smooting`, expected one of"), "{error}");
    }

    #[test]
    fn a_number_out_of_range_is_named() {
        assert_eq!(Recipe::default().check(), Ok(()));
        let recipe = Recipe { label_smoothing: 1.5, ..Recipe::default() };
        assert_eq!(recipe.check(), Err("label_smoothing is 1.5, expected 0 to 1".to_owned()));
        let recipe = Recipe { ema_decay: f64::NAN, ..Recipe::default() };
        assert_eq!(recipe.check(), Err("ema_decay is NaN, expected 0 to 1".to_owned()));
    }
}

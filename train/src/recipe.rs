//! The method in numbers. Nothing else in the crate holds a hyperparameter.

use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;

/// How a network is trained. The default reaches the zoo's accuracies; card.json records it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// AdamW's decoupled weight decay, on the kernels of convolutions and linear layers only.
    pub weight_decay: f32,
    /// The part of the target that is spread evenly over all classes.
    pub label_smoothing: f32,
    /// How much of the average of weights and running statistics a step keeps.
    pub ema_decay: f64,
    /// The random transform of each image.
    pub augmentation: Augmentation,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            batch: 128,
            peak_learning_rate: 0.01,
            warm_up: 0.3,
            start_divisor: 25.0,
            end_divisor: 1e4,
            weight_decay: 0.02,
            label_smoothing: 0.01,
            ema_decay: 0.998,
            augmentation: Augmentation::default(),
        }
    }
}

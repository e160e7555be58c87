//! What there is to tell of a run: what `report.json` holds.

use std::collections::BTreeMap;

use data::Dataset;
use serde::{Deserialize, Serialize};

use crate::disturb::Disturbance;
use crate::picture;

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The network's name.
    pub network: String,
    /// Learnable parameters.
    pub parameters: usize,
    /// The data set's name.
    pub data: String,
    /// What `--data` was: where the test images are found again.
    pub source: String,
    /// Images learnt from.
    pub train_images: usize,
    /// Images held back for choices.
    pub validation_images: usize,
    /// The names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// Where it was trained.
    pub device: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Of training, all epochs together.
    pub seconds: f64,
    /// What to type for the same checkpoint.
    pub command: String,
    /// The method: a name and a value a line.
    pub recipe: Vec<(String, String)>,
    /// One entry an epoch.
    pub history: Vec<Epoch>,
    /// The labels of the test images.
    pub labels: Vec<u8>,
    /// What each runtime makes of the test images: float first.
    pub judgements: Vec<Judgement>,
    /// The test images that some runtime misreads, as `data:` addresses of PNG files, by number.
    pub pictures: BTreeMap<usize, String>,
}

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

/// What one runtime makes of the test images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// `float` or `int8`.
    pub name: String,
    /// What ran it.
    pub runtime: String,
    /// The class it takes each test image for.
    pub answers: Vec<u8>,
    /// Of the images that it misreads, those it is surest of; see [`judge::MOST_MISREAD`](crate::judge::MOST_MISREAD).
    pub misread: Vec<Misread>,
    /// Accuracy on disturbed images.
    pub curves: Vec<Curve>,
}

/// A test image taken for another class than its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Misread {
    /// Its number among the test images.
    pub image: usize,
    /// Class and probability of the likeliest classes, the likeliest first.
    pub likeliest: Vec<(u8, f32)>,
}

/// Accuracy over the strength of a disturbance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What was done to the images.
    pub disturbance: Disturbance,
    /// From the weakest amount to the strongest.
    pub points: Vec<Point>,
}

/// A strength, and how many images were misread at it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// In the disturbance's unit.
    pub amount: f32,
    /// Images judged.
    pub images: usize,
    /// Images misread.
    pub errors: usize,
}

impl Point {
    /// In percent.
    pub fn accuracy(&self) -> f64 {
        100.0 * (self.images - self.errors.min(self.images)) as f64 / self.images.max(1) as f64
    }
}

impl Judgement {
    /// How many test images are misread.
    pub fn errors(&self, labels: &[u8]) -> usize {
        self.answers.iter().zip(labels).filter(|(answer, label)| answer != label).count()
    }

    /// `matrix[label][answer]`: how many images of one class are taken for another.
    pub fn confusion(&self, labels: &[u8], classes: usize) -> Vec<Vec<usize>> {
        let mut matrix = vec![vec![0; classes]; classes];
        for (&answer, &label) in self.answers.iter().zip(labels) {
            if let Some(count) = matrix.get_mut(usize::from(label)).and_then(|row| row.get_mut(usize::from(answer))) {
                *count += 1;
            }
        }
        matrix
    }
}

impl Run {
    /// Adds what a runtime makes of `test`, in place of an earlier judgement of that name, and the pictures of what it misreads.
    pub fn add(&mut self, judgement: Judgement, test: &Dataset) {
        for misread in &judgement.misread {
            self.pictures.entry(misread.image).or_insert_with(|| picture::address(test, misread.image));
        }
        match self.judgements.iter_mut().find(|other| other.name == judgement.name) {
            Some(other) => *other = judgement,
            None => self.judgements.push(judgement),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two classes, three test images, the last one misread.
    pub(crate) fn small() -> Run {
        let test = small_test();
        let mut run = Run {
            network: "net".into(),
            parameters: 1_234,
            data: "small".into(),
            source: "small".into(),
            train_images: 10,
            validation_images: 2,
            classes: vec!["cat".into(), "dog <b>".into()],
            device: "flex".into(),
            seed: 1,
            seconds: 61.0,
            command: "train --data small".into(),
            recipe: vec![("batch".into(), "128".into())],
            history: (1..=3).map(epoch).collect(),
            labels: test.labels.clone(),
            judgements: vec![],
            pictures: BTreeMap::new(),
        };
        run.add(judgement("float"), &test);
        run
    }

    pub(crate) fn small_test() -> Dataset {
        Dataset {
            name: "small".into(),
            height: 1,
            width: 2,
            channels: 1,
            classes: 2,
            class_names: vec![],
            pixels: vec![0, 10, 20, 30, 40, 50],
            labels: vec![0, 1, 1],
            sha256: vec![],
        }
    }

    pub(crate) fn judgement(name: &str) -> Judgement {
        let point = |amount| Point { amount, images: 3, errors: 1 };
        Judgement {
            name: name.into(),
            runtime: "test".into(),
            answers: vec![0, 1, 0],
            misread: vec![Misread { image: 2, likeliest: vec![(0, 0.75), (1, 0.25)] }],
            curves: vec![Curve { disturbance: Disturbance::Noise, points: vec![point(0.0), point(0.5)] }],
        }
    }

    fn epoch(epoch: usize) -> Epoch {
        Epoch {
            epoch,
            steps: epoch * 4,
            learning_rate: 0.01,
            train_loss: 1.0 / epoch as f64,
            train_accuracy: 90.0,
            validation_accuracy: 95.0 + epoch as f64,
            validation_accuracy_ema: 100.0,
            seconds: 20.0,
            images_per_second: 500.0,
        }
    }

    #[test]
    fn a_judgement_counts_its_errors() {
        let found = judgement("float");
        assert_eq!(found.errors(&[0, 1, 1]), 1);
        assert_eq!(found.confusion(&[0, 1, 1], 2), [[1, 0], [1, 1]]);
    }

    #[test]
    fn a_second_judgement_of_a_name_takes_the_place_of_the_first() {
        let mut run = small();
        run.add(judgement("int8"), &small_test());
        run.add(Judgement { runtime: "engine".into(), ..judgement("int8") }, &small_test());
        let names = run.judgements.iter().map(|j| (j.name.as_str(), j.runtime.as_str())).collect::<Vec<_>>();
        assert_eq!(names, [("float", "test"), ("int8", "engine")]);
        assert_eq!(run.pictures.keys().collect::<Vec<_>>(), [&2]);
    }
}

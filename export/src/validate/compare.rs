//! Answers of one stage against the labels and against the answers of the stage before.

use crate::board::Figures;
use serde::Serialize;

/// What one stage said to each image.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The stage's name.
    pub stage: String,
    /// Logits, images × classes, as reals.
    pub logits: Vec<f32>,
    /// Real value of one step of an int8 output; none where the stage answers in float.
    pub step: Option<f32>,
}

/// One line of the report. Keys that do not apply (there is no stage before) are absent from its JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The stage's name.
    pub stage: String,
    /// Images answered.
    pub images: usize,
    /// Images whose largest logit is the label's, in percent.
    pub accuracy: f64,
    /// Comparison with the stage before.
    #[serde(flatten)]
    pub against: Option<Difference>,
    /// What an emulated board took.
    #[serde(flatten)]
    pub board: Option<Figures>,
}

/// How far answers are from those of the stage before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Images given the same class, in percent.
    pub agreement: f64,
    /// Largest difference in int8 steps, where both stages answer in the same steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_step: Option<u32>,
    /// Root of the mean square difference of the logits.
    pub rmse: f64,
    /// Cosine of the angle between all logits of the two stages.
    pub cosine: f64,
    /// Energy of the earlier stage's logits over that of the difference, in dB; infinite (`null` in JSON) where equal.
    pub sqnr_db: f64,
}

/// Holds `answers` against the labels, and against the stage before where there is one.
///
/// Both must be answers to the same `labels.len()` images, at least one.
pub fn compare(answers: &Answers, before: Option<&Answers>, labels: &[u8]) -> Row {
    let images = labels.len();
    let classes = answers.classes(images);
    let right = classes.iter().zip(labels).filter(|(class, label)| **class == usize::from(**label)).count();
    Row {
        stage: answers.stage.clone(),
        images,
        accuracy: 100.0 * right as f64 / images as f64,
        against: before.map(|before| difference(answers, before, images)),
        board: None,
    }
}

fn difference(answers: &Answers, before: &Answers, images: usize) -> Difference {
    let pairs = || before.logits.iter().zip(&answers.logits).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let sum = |term: fn(f64, f64) -> f64| pairs().map(|(a, b)| term(a, b)).sum::<f64>();
    let same = before.classes(images).iter().zip(answers.classes(images)).filter(|(a, b)| **a == *b).count();
    let (signal, noise) = (sum(|a, _| a * a), sum(|a, b| (a - b) * (a - b)));
    Difference {
        agreement: 100.0 * same as f64 / images as f64,
        max_step: max_step(answers, before),
        rmse: (noise / answers.logits.len() as f64).sqrt(),
        cosine: sum(|a, b| a * b) / (signal * sum(|_, b| b * b)).sqrt(),
        sqnr_db: 10.0 * (signal / noise).log10(),
    }
}

fn max_step(answers: &Answers, before: &Answers) -> Option<u32> {
    let step = answers.step.filter(|_| answers.step == before.step)?;
    let steps = |(a, b): (&f32, &f32)| ((a - b).abs() / step).round() as u32;
    before.logits.iter().zip(&answers.logits).map(steps).max()
}

impl Answers {
    /// The class of each image: the largest logit, the first of equals.
    pub fn classes(&self, images: usize) -> Vec<usize> {
        let classes = (self.logits.len() / images.max(1)).max(1);
        self.logits.chunks_exact(classes).map(class).collect()
    }
}

/// The index of the largest logit, the first of equals.
pub fn class(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(logits: &[f32], step: Option<f32>) -> Answers {
        Answers { stage: "stage".into(), logits: logits.into(), step }
    }

    #[test]
    fn the_first_of_equal_logits_wins() {
        assert_eq!(answers(&[1.0, 3.0, 3.0, -1.0, -2.0, -1.0], None).classes(2), [1, 0]);
    }

    #[test]
    fn metrics_of_literal_vectors() {
        let before = answers(&[3.0, 0.0, 0.0, 4.0], Some(0.5));
        let after = answers(&[3.0, 0.0, 2.0, 1.0], Some(0.5));
        let row = compare(&after, Some(&before), &[0, 1]);
        assert_eq!((row.images, row.accuracy), (2, 50.0));
        let found = row.against.unwrap();
        assert_eq!(found.agreement, 50.0);
        assert_eq!(found.max_step, Some(6));
        // Differences 0, 0, 2, −3 and energies 25 before, 14 after, 13 between.
        assert_eq!(found.rmse, 3.25f64.sqrt());
        assert_eq!(found.cosine, 13.0 / 350f64.sqrt());
        assert_eq!(found.sqnr_db, 10.0 * (25.0f64 / 13.0).log10());
    }

    #[test]
    fn steps_are_compared_only_where_they_are_the_same() {
        let fine = answers(&[1.0], Some(0.25));
        let max_step = |before: Option<f32>| max_step(&fine, &answers(&[0.0], before));
        assert_eq!([Some(0.25), Some(0.5), None].map(max_step), [Some(4), None, None]);
    }

    #[test]
    fn json_has_the_keys_that_apply() {
        let one = answers(&[1.0, 0.0], None);
        let json = |row: &Row| serde_json::to_string(row).unwrap();
        assert_eq!(json(&compare(&one, None, &[0])), r#"{"stage":"stage","images":1,"accuracy":100.0}"#);
        let equal = json(&compare(&one, Some(&one), &[1]));
        let expected =
            r#"{"stage":"stage","images":1,"accuracy":0.0,"agreement":100.0,"rmse":0.0,"cosine":1.0,"sqnr_db":null}"#;
        assert_eq!(equal, expected);
    }
}

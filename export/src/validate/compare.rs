//! Answers of one stage against the labels and against the answers of the stage before.

use super::Figures;
use super::layers::Layer;
use serde::Serialize;

/// What one stage said to each image.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// The stage's name.
    pub stage: String,
    /// Images answered, at least one.
    pub images: usize,
    /// Images × values of an answer, as reals.
    pub values: Vec<f32>,
    /// Real value of one step of an int8 output; none where the stage answers in float.
    pub step: Option<f32>,
    /// Whether the largest value of an answer names a class; where not (an autoencoder), only the values themselves are compared.
    pub are_classes: bool,
}

/// One line of the report. Keys that do not apply (there is no stage before) are absent from its JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The stage's name.
    pub stage: String,
    /// Images answered.
    pub images: usize,
    /// Images whose largest value is the label's, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Comparison with the stage before.
    #[serde(flatten)]
    pub against: Option<Difference>,
    /// What an emulated board took.
    #[serde(flatten)]
    pub board: Option<Figures>,
    /// Images of each label, by the class that they were given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
    /// Layer by layer, where they were compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<Layer>,
}

/// How far answers are from those of the stage before.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Images given the same class, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Largest difference in int8 steps, where both stages answer in the same steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_step: Option<u32>,
    /// Root of the mean square difference of the values.
    pub rmse: f64,
    /// Cosine of the angle between all values of the two stages.
    pub cosine: f64,
    /// Energy of the earlier stage's values over that of the difference, in dB; infinite (`null` in JSON) where equal.
    pub sqnr_db: f64,
    /// The image whose answers are farthest apart, counted from 0; none where all are equal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_image: Option<usize>,
}

/// Holds `answers` against the labels where there are any, and against the stage before where there is one.
///
/// Both must be answers to the same images, with as many values each; labels are below the number of values.
pub fn compare(answers: &Answers, before: Option<&Answers>, labels: Option<&[u8]>) -> Row {
    let labels = labels.filter(|_| answers.are_classes);
    let is_right = |(class, label): &(usize, &u8)| *class == usize::from(**label);
    let accuracy = labels.map(|labels| {
        let right = answers.classes().zip(labels).filter(is_right).count();
        100.0 * right as f64 / answers.images as f64
    });
    Row {
        stage: answers.stage.clone(),
        images: answers.images,
        accuracy,
        against: before.map(|before| difference(answers, before)),
        board: None,
        confusion: labels.map(|labels| confusion(answers, labels)).unwrap_or_default(),
        layers: Vec::new(),
    }
}

fn difference(answers: &Answers, before: &Answers) -> Difference {
    let pairs = || before.values.iter().zip(&answers.values).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let sum = |term: fn(f64, f64) -> f64| pairs().map(|(a, b)| term(a, b)).sum::<f64>();
    let (signal, noise) = (sum(|a, _| a * a), sum(|a, b| (a - b) * (a - b)));
    let same = || before.classes().zip(answers.classes()).filter(|(a, b)| a == b).count();
    Difference {
        agreement: answers.are_classes.then(|| 100.0 * same() as f64 / answers.images as f64),
        max_step: max_step(answers, before),
        rmse: (noise / answers.values.len() as f64).sqrt(),
        cosine: if noise == 0.0 { 1.0 } else { sum(|a, b| a * b) / (signal * sum(|_, b| b * b)).sqrt() },
        sqnr_db: sqnr_db(signal, noise),
        worst_image: worst_image(answers, before),
    }
}

/// Energy of a signal over that of its noise, in dB; infinite where there is no noise.
pub fn sqnr_db(signal: f64, noise: f64) -> f64 {
    if noise == 0.0 { f64::INFINITY } else { 10.0 * (signal / noise).log10() }
}

fn max_step(answers: &Answers, before: &Answers) -> Option<u32> {
    let step = answers.step.filter(|_| answers.step == before.step)?;
    let steps = |(a, b): (&f32, &f32)| ((a - b).abs() / step).round() as u32;
    before.values.iter().zip(&answers.values).map(steps).max()
}

fn worst_image(answers: &Answers, before: &Answers) -> Option<usize> {
    let largest = |(a, b): (&[f32], &[f32])| a.iter().zip(b).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
    let apart = answers.each().zip(before.each()).map(largest);
    let worst = apart.enumerate().fold((0, 0.0), |worst, image| if image.1 > worst.1 { image } else { worst });
    (worst.1 > 0.0).then_some(worst.0)
}

/// The first image, counted from 0, to which two stages give different answers.
pub fn first_unequal(answers: &Answers, before: &Answers) -> Option<usize> {
    answers.each().zip(before.each()).position(|(a, b)| a != b)
}

/// Images by label and by the class they were given.
fn confusion(answers: &Answers, labels: &[u8]) -> Vec<Vec<usize>> {
    let classes = answers.len();
    let mut counts = vec![vec![0; classes]; classes];
    for (class, &label) in answers.classes().zip(labels) {
        if let Some(count) = counts.get_mut(usize::from(label)).and_then(|row| row.get_mut(class)) {
            *count += 1;
        }
    }
    counts
}

impl Answers {
    /// Values of one answer.
    pub fn len(&self) -> usize {
        self.values.len() / self.images.max(1)
    }

    /// Whether answers have no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The answers one by one.
    pub fn each(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.len().max(1))
    }

    /// The class of each image: the largest value, the first of equals.
    pub fn classes(&self) -> impl Iterator<Item = usize> {
        self.each().map(class)
    }
}

/// The index of the largest value, the first of equals.
pub fn class(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, class| if values[class] > values[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(images: usize, values: &[f32], step: Option<f32>) -> Answers {
        Answers { stage: "stage".into(), images, values: values.into(), step, are_classes: true }
    }

    #[test]
    fn the_first_of_equal_values_wins() {
        let classes: Vec<usize> = answers(2, &[1.0, 3.0, 3.0, -1.0, -2.0, -1.0], None).classes().collect();
        assert_eq!(classes, [1, 0]);
    }

    #[test]
    fn metrics_of_literal_vectors() {
        let before = answers(2, &[3.0, 0.0, 0.0, 4.0], Some(0.5));
        let after = answers(2, &[3.0, 0.0, 2.0, 1.0], Some(0.5));
        let row = compare(&after, Some(&before), Some(&[0, 1]));
        assert_eq!((row.images, row.accuracy), (2, Some(50.0)));
        assert_eq!(row.confusion, [[1, 0], [1, 0]]);
        let found = row.against.unwrap();
        assert_eq!((found.agreement, found.max_step, found.worst_image), (Some(50.0), Some(6), Some(1)));
        assert_eq!(first_unequal(&after, &before), Some(1));
        // Differences 0, 0, 2, −3 and energies 25 before, 14 after, 13 between.
        assert_eq!(found.rmse, 3.25f64.sqrt());
        assert_eq!(found.cosine, 13.0 / 350f64.sqrt());
        assert_eq!(found.sqnr_db, 10.0 * (25.0f64 / 13.0).log10());
    }

    #[test]
    fn what_are_no_classes_has_values_only() {
        let map = Answers { are_classes: false, ..answers(1, &[3.0, 4.0], None) };
        let row = compare(&map, Some(&map), Some(&[0]));
        assert_eq!((row.accuracy, row.confusion.len()), (None, 0));
        let found = row.against.unwrap();
        assert_eq!((found.agreement, found.sqnr_db, found.worst_image), (None, f64::INFINITY, None));
    }

    #[test]
    fn steps_are_compared_only_where_they_are_the_same() {
        let fine = answers(1, &[1.0], Some(0.25));
        let max_step = |before: Option<f32>| max_step(&fine, &answers(1, &[0.0], before));
        assert_eq!([Some(0.25), Some(0.5), None].map(max_step), [Some(4), None, None]);
    }

    #[test]
    fn json_has_the_keys_that_apply() {
        let one = answers(1, &[1.0, 0.0], None);
        let json = |row: &Row| serde_json::to_string(row).unwrap();
        assert_eq!(json(&compare(&one, None, None)), r#"{"stage":"stage","images":1}"#);
        let expected = r#"{"stage":"stage","images":1,"accuracy":100.0,"confusion":[[1,0],[0,0]]}"#;
        assert_eq!(json(&compare(&one, None, Some(&[0]))), expected);
        let equal = json(&compare(&one, Some(&one), None));
        assert_eq!(equal, r#"{"stage":"stage","images":1,"agreement":100.0,"rmse":0.0,"cosine":1.0,"sqnr_db":null}"#);
    }
}

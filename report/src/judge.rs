//! What a runtime makes of the test images: it answers with logits, and is told nothing else.

use data::Dataset;

use crate::disturb::Disturbance;
use crate::run::{Curve, Judgement, Misread, Point};

/// Misread images that are kept, those first of which the runtime is surest: a page of thousands is no picture.
pub const MOST_MISREAD: usize = 60;

/// Test images that are disturbed: each strength is one more pass over them.
pub const DISTURBED: usize = 1_000;

/// Likeliest classes that are kept of a misread image.
const LIKELIEST: usize = 3;

/// How many images [`judge`] asks about where there are `test_images`.
pub fn images_asked(test_images: usize) -> usize {
    let strengths: usize = Disturbance::ALL.iter().map(|disturbance| disturbance.amounts().len() - 1).sum();
    test_images + strengths * test_images.min(DISTURBED)
}

/// Judges a runtime by what it answers: `answer` gives the logits of the images of a data set, `classes` an image, one image
/// after the other.
///
/// The first [`DISTURBED`] images are judged again at each strength of each [`Disturbance`].
///
/// # Errors
/// The first error of `answer`.
pub fn judge<E>(
    name: &str,
    runtime: &str,
    test: &Dataset,
    mut answer: impl FnMut(&Dataset) -> Result<Vec<f32>, E>,
) -> Result<Judgement, E> {
    let logits = answer(test)?;
    let answers = classes(&logits, test.classes);
    let misread = misread(&logits, &answers, test);
    let first = test.clone().take(DISTURBED);
    let curves = Disturbance::ALL.map(|disturbance| curve(disturbance, &first, &answers, &mut answer));
    let curves = curves.into_iter().collect::<Result<_, E>>()?;
    Ok(Judgement { name: name.into(), runtime: runtime.into(), answers, misread, curves })
}

fn curve<E>(
    disturbance: Disturbance,
    images: &Dataset,
    undisturbed: &[u8],
    answer: &mut impl FnMut(&Dataset) -> Result<Vec<f32>, E>,
) -> Result<Curve, E> {
    let mut points = Vec::new();
    for &amount in disturbance.amounts() {
        let errors = if amount == 0.0 {
            wrong(undisturbed, &images.labels)
        } else {
            wrong(&classes(&answer(&disturbance.apply(images, amount))?, images.classes), &images.labels)
        };
        points.push(Point { amount, images: images.len(), errors });
    }
    Ok(Curve { disturbance, points })
}

fn wrong(answers: &[u8], labels: &[u8]) -> usize {
    answers.iter().zip(labels).filter(|(answer, label)| answer != label).count()
}

/// The class of the largest logit of each image, the first of equal ones.
fn classes(logits: &[f32], classes: usize) -> Vec<u8> {
    let largest = |image: &[f32]| (0..image.len()).rev().max_by(|&a, &b| image[a].total_cmp(&image[b]));
    logits.chunks(classes.max(1)).map(|image| largest(image).unwrap_or(0) as u8).collect()
}

fn misread(logits: &[f32], answers: &[u8], test: &Dataset) -> Vec<Misread> {
    let images = logits.chunks(test.classes.max(1)).zip(answers).zip(&test.labels).enumerate();
    let wrong = images.filter(|(_, ((_, answer), label))| answer != label);
    let mut all: Vec<Misread> =
        wrong.map(|(image, ((logits, _), _))| Misread { image, likeliest: likeliest(logits) }).collect();
    let certainty = |misread: &Misread| misread.likeliest.first().map_or(0.0, |&(_, probability)| probability);
    all.sort_by(|a, b| certainty(b).total_cmp(&certainty(a)));
    all.truncate(MOST_MISREAD);
    all
}

/// The likeliest classes by softmax, each with its probability.
fn likeliest(logits: &[f32]) -> Vec<(u8, f32)> {
    let largest = logits.iter().copied().fold(f32::MIN, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    let mut all: Vec<(u8, f32)> = exponentials.iter().enumerate().map(|(class, e)| (class as u8, e / sum)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(LIKELIEST);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Answers by the first pixel: 0 is class 0, all else class 1, the surer the brighter.
    fn by_first_pixel(images: &Dataset) -> Result<Vec<f32>, Infallible> {
        Ok((0..images.len()).flat_map(|i| [0.5, f32::from(images.image(i)[0])]).collect())
    }

    fn images(first_pixels: &[u8], labels: &[u8]) -> Dataset {
        Dataset {
            name: "pixels".into(),
            height: 1,
            width: 1,
            channels: 1,
            classes: 2,
            class_names: vec![],
            pixels: first_pixels.to_vec(),
            labels: labels.to_vec(),
            sha256: vec![],
        }
    }

    #[test]
    fn misread_images_come_with_their_probabilities_the_surest_first() {
        let test = images(&[0, 1, 9, 0], &[0, 0, 0, 1]);
        let found = judge("float", "test", &test, by_first_pixel).unwrap();
        assert_eq!(found.answers, [0, 1, 1, 0]);
        assert_eq!(found.misread.iter().map(|m| m.image).collect::<Vec<_>>(), [2, 1, 3]);
        // softmax(0.5, 1.0)
        let [(class, likely), (other, less)] = found.misread[1].likeliest[..] else { panic!() };
        assert_eq!((class, other), (1, 0));
        assert_eq!(((likely * 1e4).round(), (less * 1e4).round()), (6225.0, 3775.0));
    }

    #[test]
    fn a_curve_has_every_strength_and_0_costs_no_pass() {
        let test = images(&[0, 200], &[0, 1]);
        let mut asked = 0;
        let found = judge("float", "test", &test, |images| {
            asked += images.len();
            by_first_pixel(images)
        });
        assert_eq!(asked, images_asked(2));
        let shift = &found.unwrap().curves[1];
        // A shift by two 28ths of one pixel leaves most of it, one by 8 still more than half a step of logits.
        assert!(shift.points.iter().all(|point| (point.images, point.errors) == (2, 0)), "{shift:?}");
        assert_eq!(shift.points.len(), Disturbance::Shift.amounts().len());
    }

    #[test]
    fn equal_logits_are_the_first_class() {
        assert_eq!(classes(&[1.0, 1.0, 0.0, 2.0, 3.0, 3.0], 3), [0, 1]);
    }
}

//! Runs the stages of the road over the same images and holds each against the one before.
//!
//! A [`Stage`] answers images: a float or an int8 ONNX file in tract, a plan in the engine. [`answers`] asks one about a
//! whole data set; [`compare()`] makes a [`Row`] of the report. [`layers()`] finds the layer where the engine first leaves the int8 network.

pub mod cause;
pub mod compare;
mod figures;
pub mod images;
pub mod isolate;
pub mod layers;
pub mod stage;
pub mod trace;
pub mod tract;
pub mod values;

pub use compare::{Answers, Difference, Row, class, compare};
pub use figures::Figures;
pub use layers::{Divergence, Layer, LayersError, layers};
pub use stage::{Stage, StageError, is_plan, open};

use crate::inputs::Inputs;
use std::thread;

/// Asks a stage about the inputs of these numbers, at least one, on all cores, in constant memory but for the answers.
///
/// `done` hears how many more have been answered, from whichever thread answered them.
///
/// # Errors
/// The first failure of the stage, or of reading the inputs.
pub fn answers(
    stage: &dyn Stage,
    inputs: &Inputs,
    numbers: &[usize],
    done: &(dyn Fn(usize) + Sync),
) -> Result<Answers, StageError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = numbers.len().div_ceil(threads).max(1);
    let parts: Result<Vec<_>, _> = thread::scope(|scope| {
        let ask = |part| scope.spawn(move || part_answers(stage, inputs, part, done));
        let workers: Vec<_> = numbers.chunks(share).map(ask).collect();
        workers.into_iter().map(|worker| worker.join().expect("a stage does not panic")).collect()
    });
    let (images, values) = (numbers.len(), parts?.concat());
    // What comes out as large as it went in, or larger, is no choice among classes.
    let are_classes = values.len() < images * stage.image_len();
    Ok(Answers { stage: stage.name().into(), images, values, step: stage.output_scale(), are_classes })
}

fn part_answers(
    stage: &dyn Stage,
    inputs: &Inputs,
    part: &[usize],
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<f32>, StageError> {
    let mut values = Vec::new();
    for batch in part.chunks(stage::BATCH) {
        values.extend(stage.answer(&inputs.read(batch.iter().copied())?)?);
        done(batch.len());
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use data::Dataset;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers each image with its first pixel.
    struct FirstPixel;

    impl Stage for FirstPixel {
        fn name(&self) -> &str {
            "first pixel"
        }

        fn output_scale(&self) -> Option<f32> {
            Some(1.0 / 255.0)
        }

        fn input_shape(&self) -> [usize; 3] {
            [1, 2, 2]
        }

        fn answer(&self, images: &[f32]) -> Result<Vec<f32>, StageError> {
            Ok(images.chunks(4).map(|image| image[0]).collect())
        }
    }

    #[test]
    fn answers_come_in_the_order_of_the_numbers() {
        let pixels = (0..=255u8).flat_map(|i| [i; 4]).collect();
        let (height, width, channels, classes) = (2, 2, 1, 10);
        let labels = vec![0; 256];
        let (name, class_names, sha256) = ("grey".into(), vec![], vec![]);
        let dataset = Dataset { name, height, width, channels, classes, class_names, pixels, labels, sha256 };
        let inputs = Inputs::dataset(dataset, [1, 2, 2]).unwrap();
        let (count, backwards) = (AtomicUsize::new(0), (0..256).rev().collect::<Vec<_>>());
        let found = answers(&FirstPixel, &inputs, &backwards, &|n| _ = count.fetch_add(n, Ordering::Relaxed)).unwrap();
        let values: Vec<f32> = (0..=255u8).rev().map(|i| f32::from(i) / 255.0).collect();
        let (stage, step) = ("first pixel".into(), Some(1.0 / 255.0));
        assert_eq!(found, Answers { stage, images: 256, values, step, are_classes: true });
        assert_eq!(count.into_inner(), 256);
    }
}

//! Runs the stages of the road over the same images and holds each against the one before.
//!
//! A [`Stage`] answers images: a float or an int8 ONNX file in tract, a plan in the engine. [`answers`] asks one about a
//! whole data set; [`compare()`] makes a [`Row`] of the report. [`layers()`] finds the layer where the engine first leaves the int8 network.

pub mod cause;
pub mod compare;
pub mod images;
pub mod isolate;
pub mod layers;
pub mod stage;
pub mod trace;
pub mod tract;

pub use compare::{Answers, Difference, Row, class, compare};
pub use layers::{Divergence, Layer, LayersError, layers};
pub use stage::{Stage, StageError, is_plan, open};

use data::Dataset;
use std::{ops::Range, thread};

/// Asks a stage about every image, on all cores, in constant memory but for the answers.
///
/// `done` hears how many more images have been answered, from whichever thread answered them.
///
/// # Errors
/// The first failure of the stage.
pub fn answers(stage: &dyn Stage, dataset: &Dataset, done: &(dyn Fn(usize) + Sync)) -> Result<Answers, StageError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = dataset.len().div_ceil(threads).max(1);
    let parts: Result<Vec<_>, _> = thread::scope(|scope| {
        let ask = |start: usize| {
            let part = start..(start + share).min(dataset.len());
            scope.spawn(move || part_answers(stage, dataset, part, done))
        };
        let workers: Vec<_> = (0..dataset.len()).step_by(share).map(ask).collect();
        workers.into_iter().map(|worker| worker.join().expect("a stage does not panic")).collect()
    });
    Ok(Answers { stage: stage.name().into(), logits: parts?.concat(), step: stage.output_scale() })
}

fn part_answers(
    stage: &dyn Stage,
    dataset: &Dataset,
    part: Range<usize>,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<f32>, StageError> {
    let mut logits = Vec::new();
    for start in part.clone().step_by(stage::BATCH) {
        let batch = start..(start + stage::BATCH).min(part.end);
        let count = batch.len();
        logits.extend(stage.answer(&images::nchw(dataset, batch))?);
        done(count);
    }
    Ok(logits)
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn answers_come_in_the_order_of_the_images() {
        let pixels = (0..=255u8).flat_map(|i| [i; 4]).collect();
        let labels = vec![0; 256];
        let (height, width, channels, classes) = (2, 2, 1, 10);
        let dataset = Dataset { name: "grey".into(), height, width, channels, classes, pixels, labels, sha256: vec![] };
        let count = AtomicUsize::new(0);
        let found = answers(&FirstPixel, &dataset, &|n| _ = count.fetch_add(n, Ordering::Relaxed)).unwrap();
        let expected: Vec<f32> = (0..=255u8).map(|i| f32::from(i) / 255.0).collect();
        assert_eq!(found, Answers { stage: "first pixel".into(), logits: expected, step: Some(1.0 / 255.0) });
        assert_eq!(count.into_inner(), 256);
    }
}

//! Which training images are held back for validation.

use data::Dataset;

use crate::error::TrainError;
use crate::random::{Random, Stream};

/// Indices into the training set: to learn from, and to choose by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// To learn from.
    pub train: Vec<usize>,
    /// To choose by, never learnt from.
    pub validation: Vec<usize>,
}

/// One image in this many is held back: 5,000 of MNIST's 60,000.
const VALIDATION_EVERY: usize = 12;

/// The split's own seed: runs that differ in theirs hold back the same images, so that they can be compared, and a
/// teacher has not learnt what its pupil is judged by.
const SEED: u64 = 1;

/// Splits the images of `data` at random, in the same way every time.
pub fn split(data: &Dataset) -> Result<Split, TrainError> {
    if data.len() < 2 * VALIDATION_EVERY {
        return Err(TrainError::TooFew { data: data.name.clone(), found: data.len(), least: 2 * VALIDATION_EVERY });
    }
    let mut order = Random::new(SEED, Stream::Split, 0, 0).permutation(data.len());
    let train = order.split_off(data.len() / VALIDATION_EVERY);
    Ok(Split { train, validation: order })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_image_is_in_both_parts_and_none_is_lost() {
        let data = data::digits::generate(1, 600);
        let Split { train, validation } = split(&data).unwrap();
        assert_eq!((train.len(), validation.len()), (550, 50));
        let mut all = [train, validation].concat();
        all.sort_unstable();
        assert_eq!(all, (0..600).collect::<Vec<_>>());
    }

    #[test]
    fn too_few_images_are_refused() {
        let error = split(&data::digits::generate(1, 23)).unwrap_err();
        assert_eq!(error.to_string(), "digits: 23 training images are too few; at least 24 are needed");
    }
}

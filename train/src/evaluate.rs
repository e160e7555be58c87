//! Accuracy.

use burn::tensor::Device;
use data::Dataset;
use models::Network;
use serde::{Deserialize, Serialize};

use crate::batch;

/// Images a forward pass. More only takes more memory.
const BATCH: usize = 250;

/// How many images a network got wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Images judged.
    pub images: usize,
    /// Images whose largest logit was not their label's.
    pub errors: usize,
}

impl Score {
    /// In percent.
    pub fn accuracy(&self) -> f64 {
        100.0 * (self.images - self.errors) as f64 / self.images as f64
    }
}

/// Judges `network` (in its [`valid`](burn::module::Module::valid) form) by the images at `indices`.
pub fn evaluate<N: Network>(network: &N, data: &Dataset, indices: &[usize], device: &Device) -> Score {
    let errors = |indices: &[usize]| -> usize {
        let batch = batch::plain(data, indices, device);
        let classes = network.forward_fused(batch.images).argmax(1).flatten(0, 1);
        let wrong = classes.not_equal(batch.labels).int().sum();
        wrong.into_scalar::<i64>() as usize
    };
    Score { images: indices.len(), errors: indices.chunks(BATCH).map(errors).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::mnist_cnn::MnistCnn;

    #[test]
    fn accuracy_is_in_percent() {
        let score = Score { images: 10_000, errors: 32 };
        assert_eq!(score.accuracy(), 99.68);
    }

    /// Any network answers one class for one image: labelled so, it is right, and else wrong.
    #[test]
    fn errors_are_counted() {
        let device = Device::flex();
        let network: MnistCnn = MnistCnn::new(&device);
        let mut data = data::digits::generate(1, 1).take(1);
        let images = batch::plain(&data, &[0], &device).images;
        let class: i64 = network.forward(images).argmax(1).into_scalar();
        data.labels = vec![class as u8];
        let right = evaluate(&network, &data, &[0; 300], &device);
        data.labels = vec![(class as u8 + 1) % 10];
        let wrong = evaluate(&network, &data, &[0; 300], &device);
        assert_eq!((right.errors, right.images), (0, 300));
        assert_eq!((wrong.errors, wrong.images), (300, 300));
    }
}

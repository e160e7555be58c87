//! Images become tensors.

use burn::tensor::{Device, Int, Tensor, TensorData};
use data::Dataset;

use crate::augment::{Augmentation, Grey, Warp};
use crate::random::{Random, Stream};

/// Images and their classes, on a device.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[N, channels, height, width]`, pixel / 255.
    pub images: Tensor<4>,
    /// `[N]`.
    pub labels: Tensor<1, Int>,
}

/// Images and their classes, still to be brought to a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// `[N, channels, height, width]`, pixel / 255.
    pub pixels: Vec<f32>,
    /// Of [`pixels`](Self::pixels).
    pub shape: [usize; 4],
    /// One an image.
    pub labels: Vec<u8>,
}

impl Prepared {
    /// On `device`.
    pub fn batch(self, device: &Device) -> Batch {
        let labels: Vec<i64> = self.labels.iter().map(|&label| label.into()).collect();
        Batch {
            labels: Tensor::from_data(TensorData::new(labels, [self.labels.len()]), device),
            images: Tensor::from_data(TensorData::new(self.pixels, self.shape), device),
        }
    }
}

/// The images at `indices` as they are.
pub fn plain(data: &Dataset, indices: &[usize], device: &Device) -> Batch {
    prepare(data, indices, |_| Warp::IDENTITY).batch(device)
}

/// The images at `indices`, each transformed by a draw that depends on (seed, epoch, index) alone.
pub fn augmented(data: &Dataset, indices: &[usize], bounds: &Augmentation, (seed, epoch): (u64, usize)) -> Prepared {
    let size = [data.height, data.width];
    prepare(data, indices, |index| Warp::draw(bounds, size, &mut Random::new(seed, Stream::Augment, epoch, index)))
}

/// `[N, classes]`: 1 − `smoothing` for the label, and `smoothing` spread evenly over all classes.
pub fn smooth_targets(labels: &[u8], classes: usize, smoothing: f32, device: &Device) -> Tensor<2> {
    let rest = smoothing / classes as f32;
    let mut targets = vec![rest; labels.len() * classes];
    for (row, &label) in labels.iter().enumerate() {
        targets[row * classes + usize::from(label)] = 1.0 - smoothing + rest;
    }
    let shape = [labels.len(), classes];
    Tensor::from_data(TensorData::new(targets, shape), device)
}

fn prepare(data: &Dataset, indices: &[usize], warp: impl Fn(usize) -> Warp) -> Prepared {
    let mut pixels = Vec::with_capacity(indices.len() * data.image_len_bytes());
    for &index in indices {
        let warp = warp(index);
        for plane in planes(data, index) {
            let image = Grey { pixels: &plane, width: data.width, height: data.height };
            warp.resample(&image, &mut pixels);
        }
    }
    let shape = [indices.len(), data.channels, data.height, data.width];
    Prepared { pixels, shape, labels: indices.iter().map(|&i| data.label(i)).collect() }
}

/// The channels of an image, one after the other: it is stored with them interleaved.
fn planes(data: &Dataset, index: usize) -> impl Iterator<Item = Vec<u8>> {
    let (image, channels) = (data.image(index), data.channels);
    (0..channels).map(move |c| image.iter().skip(c).step_by(channels).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_by_two_rgb() -> Dataset {
        Dataset {
            name: "rgb".into(),
            height: 2,
            width: 2,
            channels: 3,
            classes: 2,
            class_names: vec![],
            pixels: (0..24).map(|i| i * 10).collect(),
            labels: vec![1, 0],
            sha256: vec![],
        }
    }

    #[test]
    fn channels_come_first_and_labels_follow_their_images() {
        let device = Device::flex();
        let batch = plain(&two_by_two_rgb(), &[1, 0], &device);
        assert_eq!(batch.images.dims(), [2, 3, 2, 2]);
        let images: Vec<f32> = batch.images.into_data().try_into_vec().unwrap();
        assert_eq!(images[12..16], [0.0, 30.0, 60.0, 90.0].map(|p: f32| p / 255.0));
        let labels: Vec<i64> = batch.labels.try_into_vec_as().unwrap();
        assert_eq!(labels, [0, 1]);
    }

    #[test]
    fn targets_are_smoothed() {
        let targets = smooth_targets(&[1, 0], 4, 0.5, &Device::flex());
        let targets: Vec<f32> = targets.into_data().try_into_vec().unwrap();
        assert_eq!(targets, [0.125, 0.625, 0.125, 0.125, 0.625, 0.125, 0.125, 0.125]);
    }

    #[test]
    fn the_epoch_changes_an_image_and_its_neighbours_do_not() {
        let data = data::digits::generate(1, 3);
        let bounds = Augmentation { elastic_pixels: 2.0, ..Augmentation::default() };
        let first = |indices: &[usize], epoch| -> Vec<f32> {
            let batch = augmented(&data, indices, &bounds, (1, epoch));
            batch.pixels[..data.image_len_bytes()].to_vec()
        };
        assert_eq!(first(&[2, 0], 0), first(&[2, 1], 0));
        assert_ne!(first(&[2, 0], 0), first(&[2, 0], 1));
    }
}

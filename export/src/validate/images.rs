//! Images as the stages take them.

use data::Dataset;
use infer_nostd::{TensorInfo, fixed};
use std::ops::Range;

/// Images of a data set as reals in \[0, 1\], N×C×H×W.
pub fn nchw(dataset: &Dataset, images: Range<usize>) -> Vec<f32> {
    let channels = dataset.channels;
    let plane = |image: usize, channel: usize| dataset.image(image).iter().skip(channel).step_by(channels);
    let planes = images.flat_map(|image| (0..channels).map(move |channel| (image, channel)));
    planes.flat_map(|(image, channel)| plane(image, channel)).map(|&pixel| f32::from(pixel) / 255.0).collect()
}

/// One image or feature map, C×H×W → H×W×C: the order of the engine.
pub fn channels_last<T: Copy>(values: &[T], channels: usize) -> Vec<T> {
    let plane = values.len() / channels;
    (0..plane).flat_map(|pixel| (0..channels).map(move |channel| values[channel * plane + pixel])).collect()
}

/// One image or feature map, H×W×C → C×H×W.
pub fn channels_first<T: Copy>(values: &[T], channels: usize) -> Vec<T> {
    (0..channels).flat_map(|channel| values.iter().skip(channel).step_by(channels).copied()).collect()
}

/// Images as reals, C×H×W each, → as the steps that the engine takes, H×W×C each.
pub fn to_steps(images: &[f32], input: &TensorInfo) -> Vec<i8> {
    let steps: Vec<i8> = images.iter().map(|&x| fixed::quantize(x, input.scale, input.zero_point)).collect();
    steps.chunks(input.len()).flat_map(|image| channels_last(image, input.channels)).collect()
}

/// The engine's answers in steps, H×W×C each, → as the reals they stand for, C×H×W each.
pub fn to_reals(answers: &[i8], output: &TensorInfo) -> Vec<f32> {
    let steps = answers.chunks(output.len()).flat_map(|answer| channels_first(answer, output.channels));
    steps.map(|q| fixed::dequantize(q, output.scale, output.zero_point)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_and_pixels() {
        let planes = [1, 2, 3, 10, 20, 30];
        assert_eq!(channels_last(&planes, 2), [1, 10, 2, 20, 3, 30]);
        assert_eq!(channels_first(&channels_last(&planes, 2), 2), planes);
    }

    #[test]
    fn pixels_become_reals_plane_by_plane() {
        let dataset = Dataset {
            name: "two".into(),
            height: 1,
            width: 2,
            channels: 2,
            classes: 2,
            class_names: vec![],
            pixels: vec![9, 9, 9, 9, 0, 51, 255, 102],
            labels: vec![0, 1],
            sha256: vec![],
        };
        assert_eq!(nchw(&dataset, 1..2), [0.0, 1.0, 0.2, 0.4]);
    }
}

//! What the trained network makes of the test images, for the report.

use std::convert::Infallible;

use burn::tensor::Device;
use data::Dataset;
use models::Network;
use report::Judgement;

use crate::batch;

/// Images a forward pass. More only takes more memory.
const BATCH: usize = 250;

/// What the report calls a network in floating point.
const NAME: &str = "float";

/// Judges `network` (in its [`valid`](burn::module::Module::valid) form) by the test images, as they are and disturbed;
/// `done` hears of how many more it has answered.
pub fn judge<N: Network>(network: &N, test: &Dataset, device: &Device, done: impl Fn(usize)) -> Judgement {
    let answer = |images: &Dataset| Ok::<_, Infallible>(logits(network, images, device, &done));
    let Ok(judgement) = report::judge(NAME, "burn", test, answer);
    judgement
}

/// The logits of all images, one image after the other.
fn logits<N: Network>(network: &N, images: &Dataset, device: &Device, done: &impl Fn(usize)) -> Vec<f32> {
    let all: Vec<usize> = (0..images.len()).collect();
    let mut logits = Vec::with_capacity(images.len() * images.classes);
    for indices in all.chunks(BATCH) {
        let answers = network.forward_fused(batch::plain(images, indices, device).images).into_data();
        logits.extend(answers.try_to_vec::<f32>().expect("logits are f32"));
        done(indices.len());
    }
    logits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use models::mnist_dsres::MnistDsRes;
    use std::cell::Cell;

    #[test]
    fn errors_are_those_of_the_evaluation() {
        let (device, test) = (Device::flex(), data::digits::generate(3, 260));
        let network = MnistDsRes::new(&device);
        let all: Vec<usize> = (0..test.len()).collect();
        let asked = Cell::new(0);
        let judgement = judge(&network, &test, &device, |images| asked.set(asked.get() + images));
        assert_eq!(judgement.errors(&test.labels), evaluate(&network, &test, &all, &device).errors);
        assert_eq!(asked.get(), report::judge::images_asked(test.len()));
    }
}

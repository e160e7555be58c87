//! The tract verification test: what leaves burn as ONNX means the same in tract.

use burn::tensor::{Device, Tensor};
use data::digits;
use export::validate::images::nchw;
use export::validate::tract::Runner;
use models::network::Network;
use models::{checkpoint, zoo};
use tests::tolerance::BURN_TRACT_LOGITS;
use tests::zoo::{folder, read};

/// Digits that both are shown; another seed than the exporter's own check.
const IMAGES: usize = 200;
const SEED: u64 = 77;

/// burn's logits of the shipped checkpoint.
struct Burn<'a>(&'a [f32]);

impl zoo::Visit for Burn<'_> {
    type Output = Vec<f32>;

    fn visit<N: Network>(self) -> Vec<f32> {
        let device = Device::flex();
        let network: N = checkpoint::load(&folder(N::NAME).join("checkpoint.bpk"), &device).unwrap();
        let [channels, height, width] = N::INPUT;
        let images = Tensor::<1>::from_floats(self.0, &device).reshape([IMAGES, channels, height, width]);
        network.forward(images).into_data().to_vec().unwrap()
    }
}

fn class(logits: &[f32]) -> usize {
    (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
}

#[test]
fn the_shipped_onnx_files_answer_in_tract_as_the_checkpoints_do_in_burn() {
    let images = nchw(&digits::generate(SEED, IMAGES), 0..IMAGES);
    for name in zoo::NAMES {
        let expected = zoo::visit(name, Burn(&images)).unwrap();
        let found = Runner::from_bytes(&read(name, "float.onnx"), IMAGES).unwrap().run(&images).unwrap().remove(0);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.chunks(10).zip(expected.chunks(10)) {
            let difference = found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max);
            assert!(difference <= BURN_TRACT_LOGITS, "{name}: {found:?} in tract, {expected:?} in burn");
            assert_eq!(class(found), class(expected), "{name}");
        }
    }
}

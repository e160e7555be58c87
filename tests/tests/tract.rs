//! The tract verification test: what leaves burn as ONNX means the same in tract.

use burn::tensor::{Device, Tensor};
use data::digits;
use export::float::{self, BatchNorms};
use export::graph::Graph;
use export::onnx;
use export::validate::images::nchw;
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
        let [channels, height, width] = network.task().input;
        let images = Tensor::<1>::from_floats(self.0, &device).reshape([IMAGES, channels, height, width]);
        network.forward(images).into_data().try_to_vec().unwrap()
    }
}

#[test]
fn the_shipped_onnx_files_answer_in_tract_as_the_checkpoints_do_in_burn() {
    let images = nchw(&digits::generate(SEED, IMAGES), 0..IMAGES);
    for name in zoo::NAMES {
        let expected = zoo::visit(name, Burn(&images)).unwrap();
        let agreement = float::agreement(&read(name, "float.onnx"), &images, &expected).unwrap();
        assert_eq!((agreement.images, agreement.same_class), (IMAGES, IMAGES), "{name}");
        assert!(agreement.largest_difference <= BURN_TRACT_LOGITS * agreement.magnitude, "{name}: {agreement:?}");
    }
}

/// Captures the shipped checkpoint again.
struct Export;

impl zoo::Visit for Export {
    type Output = Graph;

    fn visit<N: Network>(self) -> Graph {
        let network: N = checkpoint::load(&folder(N::NAME).join("checkpoint.bpk"), &Device::flex()).unwrap();
        let images = nchw(&digits::generate(SEED, 1), 0..1);
        float::onnx_from_module(N::NAME, &network, network.task().input, N::forward, BatchNorms::Folded, [], &images)
            .unwrap()
            .graph
    }
}

#[test]
fn the_shipped_onnx_files_follow_from_the_checkpoints() {
    for name in zoo::NAMES {
        let shipped = onnx::from_bytes(&read(name, "float.onnx")).unwrap();
        let again = Graph { metadata: shipped.metadata.clone(), ..zoo::visit(name, Export).unwrap() };
        assert!(onnx::to_bytes(&again) == read(name, "float.onnx"), "{name}: run `export onnx --model {name}`");
    }
}

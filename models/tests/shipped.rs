//! The checkpoints that the repository ships load into the networks whose folders they are in.

use std::path::Path;

use burn::tensor::Device;
use models::checkpoint::{self, CheckpointError};
use models::network::Network;
use models::zoo::{self, Visit};

struct Load;

impl Visit for Load {
    type Output = Result<(), CheckpointError>;

    fn visit<N: Network>(self) -> Self::Output {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(N::NAME).join("checkpoint.bpk");
        checkpoint::load::<N>(&path, &Device::flex()).map(drop)
    }
}

#[test]
fn every_network_of_the_zoo_has_its_checkpoint() {
    for name in zoo::NAMES {
        zoo::visit(name, Load).unwrap().unwrap();
    }
}

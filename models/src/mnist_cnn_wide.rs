//! The seed network with three times the channels: a teacher for it, too large for a chip and not shipped.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::mnist_cnn::MnistCnn;
use crate::network::Network;
use crate::task::{Task, Unfit};
use crate::trace::Observe;

/// See the [module](self).
#[derive(Module, Debug)]
pub struct MnistCnnWide {
    body: MnistCnn,
}

impl Network for MnistCnnWide {
    const NAME: &'static str = "mnist-cnn-wide";

    fn fits(task: &Task) -> Result<(), Unfit> {
        MnistCnn::fits(task)
    }

    fn task(&self) -> &Task {
        self.body.task()
    }

    fn build(task: &Task, device: &Device) -> Self {
        Self { body: MnistCnn::with_width(3, task, device) }
    }

    fn forward_observed(&self, images: Tensor<4>, observe: &mut impl Observe) -> Tensor<2> {
        self.body.forward_observed(images, observe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::learnable_parameters;

    #[test]
    fn channels_are_three_times_as_many() {
        let network = MnistCnnWide::new(&Device::flex());
        let layers = network.trace();
        let shape = |name: &str| layers.iter().find(|l| l.name == name).map(|l| l.shape.clone());
        assert_eq!(shape("conv1"), Some(vec![24, 28, 28]));
        assert_eq!(shape("conv7"), Some(vec![96, 7, 7]));
        // Nine weights a pair of channels, but for the first and the last layer; a bias, a scale and a shift a channel.
        let weights = 9 * (24 + 2 * 24 * 24 + 24 * 48 + 48 * 48 + 48 * 96 + 96 * 96) + 96 * 10;
        assert_eq!(learnable_parameters(&network), weights + 3 * (3 * 24 + 2 * 48 + 2 * 96) + 10);
    }
}

//! The seed network: seven 3×3 convolutions in three sizes, a 1×1 classifier, a global average.
//!
//! ```text
//! 1×28×28 → [conv3×3(8)+BN+ReLU]×3 → maxpool2 → [conv3×3(16)+BN+ReLU]×2 → maxpool2
//!         → [conv3×3(32)+BN+ReLU]×2 → maxpool2 → conv1×1(10) → global average → 10 logits
//! ```
//!
//! 19,194 learnable parameters, 2,317,248 multiply-accumulates. It is fully convolutional: images of any channels and classes
//! and of at least 8×8 pixels, which three pools leave one of, go the same way.

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::tensor::{Device, Tensor};

use crate::layers::{Runner, batch_norm, conv3x3, pointwise};
use crate::network::Network;
use crate::task::{Task, Unfit};
use crate::trace::Observe;

/// The shorter side of an image of which three pools leave a pixel.
const SMALLEST: usize = 8;

/// See the [module](self).
#[derive(Module, Debug)]
pub struct MnistCnn {
    conv1: Conv2d,
    norm1: BatchNorm,
    conv2: Conv2d,
    norm2: BatchNorm,
    conv3: Conv2d,
    norm3: BatchNorm,
    conv4: Conv2d,
    norm4: BatchNorm,
    conv5: Conv2d,
    norm5: BatchNorm,
    conv6: Conv2d,
    norm6: BatchNorm,
    conv7: Conv2d,
    norm7: BatchNorm,
    classifier: Conv2d,
    pool: MaxPool2d,
    average: AdaptiveAvgPool2d,
    #[module(skip)]
    task: Task,
}

impl MnistCnn {
    /// The same layers with `width` times the channels.
    pub(crate) fn with_width(width: usize, task: &Task, device: &Device) -> Self {
        let [first, second, third] = [8, 16, 32].map(|channels| channels * width);
        Self {
            conv1: conv3x3(task.input[0], first, 1, device),
            norm1: batch_norm(first, device),
            conv2: conv3x3(first, first, 1, device),
            norm2: batch_norm(first, device),
            conv3: conv3x3(first, first, 1, device),
            norm3: batch_norm(first, device),
            conv4: conv3x3(first, second, 1, device),
            norm4: batch_norm(second, device),
            conv5: conv3x3(second, second, 1, device),
            norm5: batch_norm(second, device),
            conv6: conv3x3(second, third, 1, device),
            norm6: batch_norm(third, device),
            conv7: conv3x3(third, third, 1, device),
            norm7: batch_norm(third, device),
            classifier: pointwise(third, task.classes, device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            average: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            task: task.clone(),
        }
    }
}

impl Network for MnistCnn {
    const NAME: &'static str = "mnist-cnn";

    fn fits(task: &Task) -> Result<(), Unfit> {
        task.check(SMALLEST)
    }

    fn task(&self) -> &Task {
        &self.task
    }

    fn build(task: &Task, device: &Device) -> Self {
        Self::with_width(1, task, device)
    }

    fn forward_observed(&self, images: Tensor<4>, observe: &mut impl Observe) -> Tensor<2> {
        let mut run = Runner::new("", observe);
        let x = run.conv("conv1", &self.conv1, images);
        let x = run.norm("norm1", &self.norm1, x);
        let x = run.relu("relu1", x);
        let x = run.conv("conv2", &self.conv2, x);
        let x = run.norm("norm2", &self.norm2, x);
        let x = run.relu("relu2", x);
        let x = run.conv("conv3", &self.conv3, x);
        let x = run.norm("norm3", &self.norm3, x);
        let x = run.relu("relu3", x);
        let x = run.max_pool("pool1", &self.pool, x);
        let x = run.conv("conv4", &self.conv4, x);
        let x = run.norm("norm4", &self.norm4, x);
        let x = run.relu("relu4", x);
        let x = run.conv("conv5", &self.conv5, x);
        let x = run.norm("norm5", &self.norm5, x);
        let x = run.relu("relu5", x);
        let x = run.max_pool("pool2", &self.pool, x);
        let x = run.conv("conv6", &self.conv6, x);
        let x = run.norm("norm6", &self.norm6, x);
        let x = run.relu("relu6", x);
        let x = run.conv("conv7", &self.conv7, x);
        let x = run.norm("norm7", &self.norm7, x);
        let x = run.relu("relu7", x);
        let x = run.max_pool("pool3", &self.pool, x);
        let x = run.conv("classifier", &self.classifier, x);
        let x = run.plain("average", self.average.forward(x.tensor()));
        x.flatten(1, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::learnable_parameters;

    /// Name, output shape (channels, height, width), learnable parameters.
    const TABLE: [(&str, [usize; 3], usize); 26] = [
        ("conv1", [8, 28, 28], 80),
        ("norm1", [8, 28, 28], 16),
        ("relu1", [8, 28, 28], 0),
        ("conv2", [8, 28, 28], 584),
        ("norm2", [8, 28, 28], 16),
        ("relu2", [8, 28, 28], 0),
        ("conv3", [8, 28, 28], 584),
        ("norm3", [8, 28, 28], 16),
        ("relu3", [8, 28, 28], 0),
        ("pool1", [8, 14, 14], 0),
        ("conv4", [16, 14, 14], 1_168),
        ("norm4", [16, 14, 14], 32),
        ("relu4", [16, 14, 14], 0),
        ("conv5", [16, 14, 14], 2_320),
        ("norm5", [16, 14, 14], 32),
        ("relu5", [16, 14, 14], 0),
        ("pool2", [16, 7, 7], 0),
        ("conv6", [32, 7, 7], 4_640),
        ("norm6", [32, 7, 7], 64),
        ("relu6", [32, 7, 7], 0),
        ("conv7", [32, 7, 7], 9_248),
        ("norm7", [32, 7, 7], 64),
        ("relu7", [32, 7, 7], 0),
        ("pool3", [32, 3, 3], 0),
        ("classifier", [10, 3, 3], 330),
        ("average", [10, 1, 1], 0),
    ];

    #[test]
    fn every_layer_is_as_the_seed_has_it() {
        let network = MnistCnn::new(&Device::flex());
        let seen: Vec<_> = network.trace().into_iter().map(|l| (l.name, l.shape, l.parameters)).collect();
        let expected = TABLE.map(|(name, shape, count)| (name.to_owned(), shape.to_vec(), count));
        assert_eq!(seen, expected);
    }

    #[test]
    fn other_images_go_the_same_way() {
        let task = Task { input: [3, 17, 8], classes: 4 };
        assert!(MnistCnn::fits(&task).is_ok());
        let network = MnistCnn::build(&task, &Device::flex());
        let layers = network.trace();
        let shape = |name: &str| layers.iter().find(|layer| layer.name == name).map(|layer| layer.shape.clone());
        assert_eq!(shape("pool3"), Some(vec![32, 2, 1]));
        assert_eq!(shape("average"), Some(vec![4, 1, 1]));
        // Two more channels under eight 3×3 kernels, six classes of 32 weights and a bias fewer.
        assert_eq!(learnable_parameters(&network), 19_194 + 2 * 8 * 9 - 6 * 33);
        assert!(MnistCnn::fits(&Task { input: [1, 28, 7], classes: 10 }).is_err());
    }

    #[test]
    fn learnable_parameters_are_19194() {
        assert_eq!(learnable_parameters(&MnistCnn::new(&Device::flex())), 19_194);
    }
}

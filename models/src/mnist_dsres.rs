//! A residual, depthwise-separable network: everything that the seed network is not.
//!
//! ```text
//! 1×28×28 → stem conv3×3/2(12)+BN+ReLU → residual(12) → separable/2(12→24) → residual(24)
//!         → separable(24→40) → residual(40) → average pool 2 → flatten → linear → 10 logits
//! separable(n→m) = depthwise3×3(n)+BN+ReLU6 → pointwise(m)+BN       residual(n) = x + separable(n→n)
//! ```
//!
//! Strides in convolutions, groups, ReLU6, sums of signed values, an average over a window that does
//! not divide the image (7 → 3), a linear layer on the flattened image, and channel counts (12, 24,
//! 40) that are not powers of two.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{BatchNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::fused::Maps;
use crate::layers::{Runner, batch_norm, conv3x3, depthwise3x3, pointwise};
use crate::network::Network;
use crate::task::{Task, Unfit};
use crate::trace::Observe;

/// The shorter side of an image of which two strides of 2 leave a pool's window.
const SMALLEST: usize = 5;

/// See the [module](self).
#[derive(Module, Debug)]
pub struct MnistDsRes {
    stem: Conv2d,
    stem_norm: BatchNorm,
    block1: Separable,
    block2: Separable,
    block3: Separable,
    block4: Separable,
    block5: Separable,
    average: AvgPool2d,
    classifier: Linear,
    #[module(skip)]
    task: Task,
}

/// A depthwise 3×3 and a pointwise convolution, each normalized, with ReLU6 between them and no
/// activation after them: a residual sum is then a sum of signed values.
#[derive(Module, Debug)]
pub struct Separable {
    depthwise: Conv2d,
    depthwise_norm: BatchNorm,
    pointwise: Conv2d,
    pointwise_norm: BatchNorm,
}

impl Separable {
    fn new(inputs: usize, outputs: usize, stride: usize, device: &Device) -> Self {
        Self {
            depthwise: depthwise3x3(inputs, stride, device),
            depthwise_norm: batch_norm(inputs, device),
            pointwise: pointwise(inputs, outputs, device),
            pointwise_norm: batch_norm(outputs, device),
        }
    }

    fn forward<'n, O: Observe>(&'n self, run: &mut Runner<O>, x: impl Into<Maps<'n>>) -> Maps<'n> {
        let x = run.conv("depthwise", &self.depthwise, x);
        let x = run.norm("depthwise_norm", &self.depthwise_norm, x);
        let x = run.relu6("relu6", x);
        let x = run.conv("pointwise", &self.pointwise, x);
        run.norm("pointwise_norm", &self.pointwise_norm, x)
    }

    fn residual<O: Observe>(&self, run: &mut Runner<O>, x: Maps) -> Tensor<4> {
        let x = x.tensor();
        let y = self.forward(run, x.clone());
        run.plain("add", x + y.tensor())
    }
}

impl Network for MnistDsRes {
    const NAME: &'static str = "mnist-dsres";

    fn fits(task: &Task) -> Result<(), Unfit> {
        task.check(SMALLEST)
    }

    fn task(&self) -> &Task {
        &self.task
    }

    fn build(task: &Task, device: &Device) -> Self {
        let [channels, height, width] = task.input;
        // Two convolutions with a stride of 2 and padding, and a pool without.
        let pooled = |side: usize| side.div_ceil(2).div_ceil(2) / 2;
        Self {
            stem: conv3x3(channels, 12, 2, device),
            stem_norm: batch_norm(12, device),
            block1: Separable::new(12, 12, 1, device),
            block2: Separable::new(12, 24, 2, device),
            block3: Separable::new(24, 24, 1, device),
            block4: Separable::new(24, 40, 1, device),
            block5: Separable::new(40, 40, 1, device),
            average: AvgPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            classifier: LinearConfig::new(40 * pooled(height) * pooled(width), task.classes).init(device),
            task: task.clone(),
        }
    }

    fn forward_observed(&self, images: Tensor<4>, observe: &mut impl Observe) -> Tensor<2> {
        let mut run = Runner::new("", observe);
        let x = run.conv("stem", &self.stem, images);
        let x = run.norm("stem_norm", &self.stem_norm, x);
        let x = run.relu("stem_relu", x);
        let x = self.block1.residual(&mut run.within("block1."), x);
        let x = self.block2.forward(&mut run.within("block2."), x);
        let x = self.block3.residual(&mut run.within("block3."), x);
        let x = self.block4.forward(&mut run.within("block4."), x);
        let x = self.block5.residual(&mut run.within("block5."), x);
        let x = run.plain("average", self.average.forward(x));
        let x: Tensor<2> = run.plain("flatten", x.flatten(1, 3));
        run.linear("classifier", &self.classifier, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::learnable_parameters;

    #[test]
    fn shapes_and_parameters() {
        let network = MnistDsRes::new(&Device::flex());
        let layers = network.trace();
        let shape = |name: &str| {
            let layer = layers.iter().find(|l| l.name == name);
            layer.map(|l| l.shape.clone())
        };
        assert_eq!(shape("stem"), Some(vec![12, 14, 14]));
        assert_eq!(shape("block1.add"), Some(vec![12, 14, 14]));
        assert_eq!(shape("block2.depthwise"), Some(vec![12, 7, 7]));
        assert_eq!(shape("block2.pointwise_norm"), Some(vec![24, 7, 7]));
        assert_eq!(shape("block5.add"), Some(vec![40, 7, 7]));
        assert_eq!(shape("average"), Some(vec![40, 3, 3]));
        assert_eq!(shape("flatten"), Some(vec![360]));
        assert_eq!(shape("classifier"), Some(vec![10]));
        let total: usize = layers.iter().map(|l| l.parameters).sum();
        assert_eq!(total, 9_086);
        assert_eq!(learnable_parameters(&network), total);
    }

    #[test]
    fn other_images_go_the_same_way() {
        for (side, features) in [(5, 40), (9, 40), (13, 80), (32, 160)] {
            let task = Task { input: [3, side, 5], classes: 2 };
            assert!(MnistDsRes::fits(&task).is_ok());
            let layers = MnistDsRes::build(&task, &Device::flex()).trace();
            let shape = |name: &str| layers.iter().find(|layer| layer.name == name).map(|layer| layer.shape.clone());
            assert_eq!(shape("classifier"), Some(vec![2]));
            assert_eq!(shape("flatten"), Some(vec![features]), "{side}");
        }
        assert!(MnistDsRes::fits(&Task { input: [1, 4, 28], classes: 10 }).is_err());
    }
}

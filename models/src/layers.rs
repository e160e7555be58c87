//! The layers that more than one network uses, with the settings all of them share.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use chain::Activation;

use crate::fused::Maps;
use crate::trace::Observe;

/// A 3×3 convolution with one pixel of zeros around the image: the size stays, divided by `stride`.
pub fn conv3x3(inputs: usize, outputs: usize, stride: usize, device: &Device) -> Conv2d {
    padded3x3([inputs, outputs], stride, 1, device)
}

/// A 3×3 convolution of each channel on its own.
pub fn depthwise3x3(channels: usize, stride: usize, device: &Device) -> Conv2d {
    padded3x3([channels, channels], stride, channels, device)
}

/// A 1×1 convolution: a linear layer at every pixel.
pub fn pointwise(inputs: usize, outputs: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new([inputs, outputs], [1, 1]).init(device)
}

/// Batch normalization with PyTorch's settings: ε = 1e-5, and running statistics that move by 0.1
/// of the difference a batch.
pub fn batch_norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
}

/// min(max(x, 0), 6).
pub fn relu6(x: Tensor<4>) -> Tensor<4> {
    x.clamp(0.0, 6.0)
}

/// Learnable parameters of a network or a layer: all but the running statistics of BatchNorms.
pub fn learnable_parameters(network: &impl Module) -> usize {
    let mut count = LearnableCount::default();
    network.visit(&mut count);
    count.elements
}

/// Runs layers and shows each output to the observer, or gathers them to be run together where the observer is not looking
/// ([`Observe::LOOKS`]): the only place that chooses.
pub(crate) struct Runner<'r, O: Observe> {
    observe: &'r mut O,
    /// What the layers' names begin with: empty, or the path of a block and a dot.
    scope: &'static str,
}

impl<'r, O: Observe> Runner<'r, O> {
    pub fn new(scope: &'static str, observe: &'r mut O) -> Self {
        Self { observe, scope }
    }

    /// The same observer, inside a block.
    pub fn within(&mut self, scope: &'static str) -> Runner<'_, O> {
        Runner::new(scope, self.observe)
    }

    pub fn conv<'n>(&mut self, name: &str, conv: &'n Conv2d, x: impl Into<Maps<'n>>) -> Maps<'n> {
        let x = x.into();
        match self.gathered(&x, |x| x.conv(conv).or_else(|| Maps::from(x.clone().tensor()).conv(conv))) {
            Some(y) => y,
            None => self.seen(name, conv, conv.forward(x.tensor())).into(),
        }
    }

    pub fn norm<'n>(&mut self, name: &str, norm: &'n BatchNorm, x: Maps<'n>) -> Maps<'n> {
        match self.gathered(&x, |x| x.norm(norm)) {
            Some(y) => y,
            None => self.seen(name, norm, norm.forward(x.tensor())).into(),
        }
    }

    pub fn linear(&mut self, name: &str, linear: &Linear, x: Tensor<2>) -> Tensor<2> {
        self.seen(name, linear, linear.forward(x))
    }

    pub fn relu<'n>(&mut self, name: &str, x: Maps<'n>) -> Maps<'n> {
        match self.gathered(&x, |x| x.activation(Activation::RELU)) {
            Some(y) => y,
            None => self.plain(name, relu(x.tensor())).into(),
        }
    }

    pub fn relu6<'n>(&mut self, name: &str, x: Maps<'n>) -> Maps<'n> {
        match self.gathered(&x, |x| x.activation(Activation::RELU6)) {
            Some(y) => y,
            None => self.plain(name, relu6(x.tensor())).into(),
        }
    }

    pub fn max_pool<'n>(&mut self, name: &str, pool: &MaxPool2d, x: Maps<'n>) -> Maps<'n> {
        match self.gathered(&x, |x| x.max_pool(pool)) {
            Some(y) => y,
            None => self.plain(name, pool.forward(x.tensor())).into(),
        }
    }

    /// Shows `y`, the output of a layer that has no parameters.
    pub fn plain<const D: usize>(&mut self, name: &str, y: Tensor<D>) -> Tensor<D> {
        self.observe.layer(self.scope, name, || 0, &y);
        y
    }

    fn seen<const D: usize>(&mut self, name: &str, layer: &impl Module, y: Tensor<D>) -> Tensor<D> {
        let parameters = || learnable_parameters(layer);
        self.observe.layer(self.scope, name, parameters, &y);
        y
    }

    fn gathered<'n>(&self, x: &Maps<'n>, gather: impl FnOnce(&Maps<'n>) -> Option<Maps<'n>>) -> Option<Maps<'n>> {
        if O::LOOKS { None } else { gather(x) }
    }
}

fn padded3x3(channels: [usize; 2], stride: usize, groups: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [3, 3])
        .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        .with_stride([stride, stride])
        .with_groups(groups)
        .init(device)
}

#[derive(Default)]
struct LearnableCount {
    path: Vec<String>,
    elements: usize,
}

impl ModuleVisitor for LearnableCount {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let running = self.path.last().is_some_and(|f| f.starts_with("running_"));
        if !running {
            self.elements += param.lazy_shape().num_elements();
        }
    }
}

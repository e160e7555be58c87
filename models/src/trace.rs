//! Seeing a forward pass layer by layer, so that a layer table is measured, not written twice.

use burn::tensor::Tensor;

/// One layer as it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The module's path (`block1.depthwise`); for a layer without a module, a path made like one (`relu1`).
    pub name: String,
    /// The output's shape without the batch: `[channels, height, width]`, or `[features]`.
    pub shape: Vec<usize>,
    /// Learnable parameters. A BatchNorm's running mean and variance are not learnable.
    pub parameters: usize,
}

/// Receives each layer's output during a forward pass. `()` ignores them all, at no cost.
pub trait Observe {
    /// Whether it is to see each layer. Where it is not, layers may be run together, which is faster and changes no more than roundings.
    const LOOKS: bool = true;

    /// `output` has left the layer `scope` + `name`, which has `parameters()` learnable parameters.
    fn layer<const D: usize>(
        &mut self,
        scope: &str,
        name: &str,
        parameters: impl FnOnce() -> usize,
        output: &Tensor<D>,
    );
}

impl Observe for () {
    fn layer<const D: usize>(&mut self, _: &str, _: &str, _: impl FnOnce() -> usize, _: &Tensor<D>) {}
}

/// Sees nothing, so that layers may be run together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fused;

impl Observe for Fused {
    const LOOKS: bool = false;

    fn layer<const D: usize>(&mut self, _: &str, _: &str, _: impl FnOnce() -> usize, _: &Tensor<D>) {}
}

/// Collects the layers, in the order in which they ran.
#[derive(Debug, Default)]
pub struct Table {
    /// The layers so far.
    pub layers: Vec<Layer>,
}

impl Observe for Table {
    fn layer<const D: usize>(
        &mut self,
        scope: &str,
        name: &str,
        parameters: impl FnOnce() -> usize,
        output: &Tensor<D>,
    ) {
        self.layers.push(Layer {
            name: format!("{scope}{name}"),
            shape: output.dims()[1..].to_vec(),
            parameters: parameters(),
        });
    }
}

//! What the rest of the workspace knows of a network.

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::task::{Task, Unfit};
use crate::trace::{Fused, Layer, Observe, Table};

/// A network of the zoo.
pub trait Network: Module + 'static {
    /// The name on the command line, in file paths and in checkpoints.
    const NAME: &'static str;

    /// Whether the network can be built for `task`.
    ///
    /// # Errors
    /// Why not, and what would do.
    fn fits(task: &Task) -> Result<(), Unfit>;

    /// A network with burn's default (random) weights, for a task that it [`fits`](Self::fits).
    fn build(task: &Task, device: &Device) -> Self;

    /// What it was built for.
    fn task(&self) -> &Task;

    /// A network for [`Task::MNIST`], with burn's default (random) weights.
    fn new(device: &Device) -> Self {
        Self::build(&Task::MNIST, device)
    }

    /// Images `[N, channels, height, width]`, pixels in `[0, 1]`, to logits `[N, classes]`, while
    /// `observe` sees every layer's output.
    fn forward_observed(&self, images: Tensor<4>, observe: &mut impl Observe) -> Tensor<2>;

    /// Images `[N, channels, height, width]`, pixels in `[0, 1]`, to logits `[N, classes]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_observed(images, &mut ())
    }

    /// As [`forward`](Self::forward) but for roundings, and several times as fast on a CPU: convolutions and what follows them run as one operator.
    /// For training, and for judging many images.
    fn forward_fused(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward_observed(images, &mut Fused)
    }

    /// The layer table, observed from the forward pass of one blank image.
    fn trace(&self) -> Vec<Layer> {
        let [channels, height, width] = self.task().input;
        let device = self.devices().swap_remove(0);
        let mut table = Table::default();
        self.forward_observed(Tensor::zeros([1, channels, height, width], &device), &mut table);
        table.layers
    }
}

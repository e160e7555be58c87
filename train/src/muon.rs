//! Muon for convolutions: burn's takes matrices, a kernel is flattened to one row an output channel.
//!
//! Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024: the step is the nearest
//! (semi-)orthogonal matrix to the momentum, so that rare directions move as far as common ones.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{Muon, MuonConfig, MuonState, Optimizer};
use burn::tensor::{Device, Tensor};

use crate::recipe::Recipe;

/// Muon on kernels `[out, in, height, width]`, seen as `[out, in · height · width]`.
#[derive(Clone)]
pub struct KernelMuon {
    muon: Muon,
    /// Its learning rate over the schedule's.
    rate: f64,
}

impl KernelMuon {
    /// With the recipe's rate and weight decay; momentum 0.95 (Nesterov) and five Newton-Schulz steps.
    pub fn new(recipe: &Recipe) -> Self {
        let decay = WeightDecayConfig::new(recipe.weight_decay);
        Self { muon: MuonConfig::new().with_weight_decay(Some(decay)).build(), rate: recipe.muon_rate }
    }
}

impl Optimizer for KernelMuon {
    type State<const D: usize> = MuonState<2>;

    fn step<const D: usize>(
        &self,
        learning_rate: f64,
        kernel: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<MuonState<2>>,
    ) -> (Tensor<D>, Option<MuonState<2>>) {
        let shape = kernel.shape();
        let matrix = [shape[0], shape.num_elements() / shape[0]];
        let (kernel, gradient) = (kernel.reshape(matrix), gradient.reshape(matrix));
        let (kernel, state) = self.muon.step(learning_rate * self.rate, kernel, gradient, state);
        (kernel.reshape(shape), state)
    }

    fn to_device<const D: usize>(state: MuonState<2>, device: &Device) -> MuonState<2> {
        Muon::to_device(state, device)
    }
}

/// The paths of the kernels that mix channels and pixels, which Muon is for. A first layer of grey images, a depthwise and
/// a pointwise kernel have one input channel or one tap each, and stay with AdamW.
pub fn mixing_kernels(network: &impl Module) -> Vec<String> {
    let mut kernels = Kernels::default();
    network.visit(&mut kernels);
    kernels.found
}

#[derive(Default)]
struct Kernels {
    path: Vec<String>,
    found: Vec<String>,
}

impl ModuleVisitor for Kernels {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let [_, inputs, height, width] = param.lazy_shape().to_vec()[..]
            && inputs > 1
            && height * width > 1
        {
            self.found.push(self.path.join("."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use models::Network;
    use models::mnist_cnn::MnistCnn;
    use models::mnist_dsres::MnistDsRes;

    #[test]
    fn layers_that_mix_channels_and_pixels_are_muons() {
        let device = Device::flex();
        let paths =
            |layers: std::ops::RangeInclusive<usize>| layers.map(|i| format!("conv{i}.weight")).collect::<Vec<_>>();
        assert_eq!(mixing_kernels(&MnistCnn::new(&device)), paths(2..=7));
        assert_eq!(mixing_kernels(&MnistDsRes::new(&device)), Vec::<String>::new());
    }

    /// A kernel with one output is a vector, and the nearest orthogonal matrix to a vector is the vector over
    /// its length: a step of the rate along the gradient, as near as five iterations come (0.68 to 1.13 of it).
    #[test]
    fn a_step_has_the_length_of_the_rate() {
        let device = Device::flex();
        let recipe = Recipe { weight_decay: 0.0, muon_rate: 2.0, ..Recipe::default() };
        let kernel = Tensor::<4>::zeros([1, 2, 1, 1], &device);
        let gradient = Tensor::<4>::from_data([[[[30.0]], [[40.0]]]], &device);
        let (kernel, _) = KernelMuon::new(&recipe).step(0.5, kernel, gradient, None);
        let [x, y] = kernel.into_data().try_into_vec::<f32>().unwrap()[..] else { panic!("two weights") };
        let length = x.hypot(y);
        assert!((0.68..=1.13).contains(&length), "{length}");
        assert!((x / length + 0.6).abs() < 1e-6 && (y / length + 0.8).abs() < 1e-6, "{x} {y}"); // against the gradient
    }
}

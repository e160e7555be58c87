//! AdamW in two groups of parameters, and Muon for the kernels that mix channels.

use burn::module::{Module, ParamGroup};
use burn::optim::{AdamWConfig, ModuleOptimizer};

use crate::muon::{KernelMuon, mixing_kernels};
use crate::recipe::Recipe;

/// The optimizer of the recipe for the parameters of `network`.
pub fn new(recipe: &Recipe, network: &impl Module) -> ModuleOptimizer {
    let kernels = mixing_kernels(network);
    if recipe.muon_rate == 0.0 || kernels.is_empty() {
        return adamw(recipe);
    }
    adamw(recipe).with_group(ParamGroup::from_paths(kernels), KernelMuon::new(recipe), None)
}

/// AdamW for all parameters; only kernels (the fields called `weight`, of convolutions and linear
/// layers) decay. A decaying BatchNorm scale or bias would change what the network can say, and not
/// how smoothly it says it.
fn adamw(recipe: &Recipe) -> ModuleOptimizer {
    // PyTorch's ε. burn's own default, 1e-5, damps parameters with small gradients.
    let adamw = AdamWConfig::new().with_epsilon(1e-8);
    let kernels = ParamGroup::from_regex(r"(^|\.)weight$").expect("a regular expression");
    adamw.clone().with_weight_decay(0.0).init().with_group(
        kernels,
        adamw.with_weight_decay(recipe.weight_decay).build(),
        None,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, Param};
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, Tensor};

    /// With gradients of zero Adam stands still, so what moves has decayed.
    #[test]
    fn only_kernels_decay() {
        let device = Device::flex().autodiff();
        let mut linear: Linear = LinearConfig::new(2, 1).init(&device);
        linear.weight = Param::from_data([[1.0], [2.0]], &device);
        linear.bias = Some(Param::from_data([3.0], &device));
        let gradients = |linear: &Linear| {
            let x = Tensor::<2>::zeros([1, 2], &device);
            let y = linear.forward(x).mul_scalar(0.0).sum();
            GradientsParams::from_grads(y.backward(), linear)
        };
        let recipe = Recipe::default();
        let stepped = adamw(&recipe).step(0.5, linear.clone(), gradients(&linear));
        let weight: Vec<f32> = stepped.valid().weight.val().into_data().try_into_vec().unwrap();
        let bias: f32 = stepped.bias.unwrap().val().into_scalar();
        assert_eq!(weight, [0.99, 1.98]); // 1 − 0.5 · 0.02
        assert_eq!(bias, 3.0);
    }
}

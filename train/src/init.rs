//! The first weights: from our own generator, so that a seed means the same weights on every backend
//! and in whatever order burn makes its tensors.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use crate::random::{Random, Stream};

/// Draws every kernel and its bias uniformly within ±1/√fan_in, as PyTorch does (Kaiming with a = √5).
/// BatchNorms stay as they are: scale 1, shift 0.
pub fn initialize<M: Module>(network: M, seed: u64) -> M {
    network.map(&mut Initialize { seed, field: Vec::new(), tensor: 0, bound: 0.0 })
}

struct Initialize {
    seed: u64,
    field: Vec<String>,
    /// Tensors so far.
    tensor: usize,
    /// 1/√fan_in of the last kernel. Its bias comes right after it.
    bound: f32,
}

impl Initialize {
    fn draw(&mut self, count: usize) -> Vec<f32> {
        self.tensor += 1;
        let mut random = Random::new(self.seed, Stream::Weights, 0, self.tensor);
        (0..count).map(|_| self.bound * random.signed_unit()).collect()
    }
}

impl ModuleMapper for Initialize {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.field.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.field.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        match self.field.last().map(String::as_str) {
            Some("weight") => self.bound = 1.0 / (fan_in(&shape.to_vec()) as f32).sqrt(),
            Some("bias") => {}
            _ => return param,
        }
        let values = self.draw(shape.num_elements());
        let device = param.lazy_device();
        let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

/// Inputs of one output: burn keeps a convolution's kernel as [out, in / groups, h, w] and a linear
/// layer's as [in, out].
fn fan_in(shape: &[usize]) -> usize {
    match shape {
        [inputs, _outputs] => *inputs,
        _ => shape[1..].iter().product(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Linear, LinearConfig, conv::Conv2d, conv::Conv2dConfig};
    use burn::tensor::Device;

    fn largest<const D: usize>(param: &Param<Tensor<D>>) -> f32 {
        param.val().abs().max().into_scalar()
    }

    #[test]
    fn kernels_and_biases_fill_their_bound() {
        let device = Device::flex();
        let conv: Conv2d = Conv2dConfig::new([16, 64], [3, 3]).init(&device);
        let conv = initialize(conv, 1);
        let bound = 1.0 / 12.0; // fan-in 16 · 3 · 3 = 144
        assert!((0.99 * bound..=bound).contains(&largest(&conv.weight)));
        assert!((0.9 * bound..=bound).contains(&largest(conv.bias.as_ref().unwrap())));

        let linear: Linear = LinearConfig::new(100, 10).init(&device);
        let linear = initialize(linear, 1);
        assert!((0.099..=0.1).contains(&largest(&linear.weight)));
    }

    #[test]
    fn the_seed_decides() {
        let device = Device::flex();
        let weights = |seed| -> Vec<f32> {
            let linear = LinearConfig::new(4, 3).init(&device);
            let data = initialize(linear, seed).weight.val().into_data();
            data.try_into_vec().unwrap()
        };
        assert_eq!(weights(1), weights(1));
        assert_ne!(weights(1), weights(2));
    }
}

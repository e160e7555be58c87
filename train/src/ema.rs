//! The exponential moving average of a network: of its weights and of the running statistics of its
//! BatchNorms, which belong to the weights that made them.

use std::any::Any;
use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The part of the average that step `step` (from 0) keeps. It starts low, or the average would
/// remember the random first weights for hundreds of steps: after t steps it spans about t / 10.
pub fn keep(decay: f64, step: usize) -> f64 {
    let step = step as f64;
    decay.min((1.0 + step) / (10.0 + step))
}

/// `keep` · average + (1 − `keep`) · current, tensor by tensor. Neither module may be on an autodiff
/// device: take `current` with [`Module::valid`].
pub fn blend<M: Module>(average: M, current: &M, keep: f64) -> M {
    let mut values = Values::default();
    current.visit(&mut values);
    average.map(&mut Blend { current: values.tensors, keep })
}

/// The tensors of a module in the order of its fields; their ranks differ, hence `Any`.
#[derive(Default)]
struct Values {
    tensors: VecDeque<Box<dyn Any>>,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors.push_back(Box::new(param.val()));
    }
}

struct Blend {
    current: VecDeque<Box<dyn Any>>,
    keep: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let current = self.current.pop_front().expect("two modules of one type");
        let current = *current.downcast::<Tensor<D>>().expect("of one type");
        param.map(|average| average.mul_scalar(self.keep) + current.mul_scalar(1.0 - self.keep))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{BatchNorm, BatchNormConfig};
    use burn::tensor::Device;

    #[test]
    fn the_average_warms_up() {
        assert_eq!(keep(0.998, 0), 0.1);
        assert_eq!(keep(0.998, 8), 0.5);
        assert_eq!(keep(0.998, 4_489), 4_490.0 / 4_499.0);
        assert_eq!(keep(0.998, 4_490), 0.998);
        assert_eq!(keep(0.998, 1_000_000), 0.998);
    }

    fn values(norm: &BatchNorm) -> [f32; 4] {
        let scalar = |t: Tensor<1>| t.into_scalar::<f32>();
        [
            scalar(norm.gamma.val()),
            scalar(norm.beta.val()),
            scalar(norm.running_mean.value()),
            scalar(norm.running_var.value()),
        ]
    }

    #[test]
    fn weights_and_running_statistics_are_averaged() {
        let device = Device::flex();
        let norm = || -> BatchNorm { BatchNormConfig::new(1).init(&device) };
        let mut current = norm();
        current.gamma = Param::from_data([3.0], &device);
        current.beta = Param::from_data([8.0], &device);
        current.running_mean.update(Tensor::from_floats([4.0], &device));
        current.running_var.update(Tensor::from_floats([9.0], &device));
        let current = current.valid();
        assert_eq!(values(&current), [3.0, 8.0, 4.0, 9.0]);

        // A fresh BatchNorm has scale 1, shift 0, mean 0, variance 1.
        let average = blend(norm(), &current, 0.75);
        assert_eq!(values(&average), [1.5, 2.0, 1.0, 3.0]);
        assert_eq!(values(&current), [3.0, 8.0, 4.0, 9.0]);
    }
}

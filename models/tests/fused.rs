//! The fused road against burn's own layers: logits, running statistics and the gradient of every parameter.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Distribution, Gradients, Tensor};
use models::mnist_cnn::MnistCnn;
use models::mnist_dsres::MnistDsRes;
use models::{Network, Task};

/// Two orders of adding some ten thousand products in f32, through up to eleven normalizations; as a part of the largest value of a tensor.
const TOLERANCE: f32 = 2e-4;

type Values = BTreeMap<String, Vec<f32>>;

#[derive(Default)]
struct Collect<'a> {
    path: Vec<String>,
    gradients: Option<&'a Gradients>,
    values: Values,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.join(".");
        let tensor = match self.gradients {
            Some(gradients) => param.val().grad(gradients),
            None => name.contains("running_").then(|| param.val()),
        };
        if let Some(tensor) = tensor {
            self.values.insert(name, tensor.into_data().try_into_vec().unwrap());
        }
    }
}

fn collect(network: &impl Module, gradients: Option<&Gradients>) -> Values {
    let mut collect = Collect { gradients, ..Collect::default() };
    network.visit(&mut collect);
    collect.values
}

fn close(name: &str, found: &[f32], expected: &[f32], size: f32) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= TOLERANCE * size, "{name}: {found}, expected {expected}");
    }
}

/// A step of `network` on `images` by either road: logits, gradients, running statistics.
fn step<N: Network>(network: &N, images: &Tensor<4>, fused: bool) -> (Vec<f32>, Values, Values) {
    let images = images.clone();
    let logits = if fused { network.forward_fused(images) } else { network.forward(images) };
    let slope =
        Tensor::from_data(burn::tensor::TensorData::new(slopes(logits.dims()), logits.dims()), &logits.device());
    let gradients = (logits.clone() * slope).sum().backward();
    let values = logits.into_data().try_into_vec().unwrap();
    (values, collect(network, Some(&gradients)), collect(&network.valid(), None))
}

fn slopes([rows, columns]: [usize; 2]) -> Vec<f32> {
    (0..rows * columns).map(|i| ((i * 37) % 17) as f32 / 8.0 - 1.0).collect()
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |most, v| v.abs().max(most))
}

fn check<N: Network>(task: &Task) {
    let device = Device::flex().autodiff();
    device.seed(5);
    let network = N::build(task, &device);
    let [channels, height, width] = task.input;
    // No multiple of any group of images.
    let images = Tensor::<4>::random([21, channels, height, width], Distribution::Uniform(0.0, 1.0), &device);
    // Of its own running statistics: a clone would share them.
    let copy = N::build(task, &device).load_record(network.clone().into_record());
    let (plain, fused) = (step(&network, &images, false), step(&copy, &images, true));

    close("logits", &fused.0, &plain.0, largest(&plain.0));
    assert!(fused.1.keys().eq(plain.1.keys()));
    for (name, expected) in &plain.1 {
        // A bias before a normalization changes nothing: burn's gradient of it is what roundings leave of 0.
        let weight = name.strip_suffix("bias").map(|module| &plain.1[&format!("{module}weight")]);
        let size = largest(weight.unwrap_or(expected)).max(largest(expected));
        close(name, &fused.1[name], expected, size);
    }
    assert!(!plain.2.is_empty());
    for (name, expected) in &plain.2 {
        close(name, &fused.2[name], expected, largest(expected));
    }

    let (network, images) = (network.valid(), images.inner());
    let logits = |logits: Tensor<2>| -> Vec<f32> { logits.into_data().try_into_vec().unwrap() };
    let (plain, fused) = (logits(network.forward(images.clone())), logits(network.forward_fused(images)));
    close("logits of inference", &fused, &plain, largest(&plain));
}

/// Odd sides, three channels and few classes.
const COLOUR: Task = Task { input: [3, 17, 10], classes: 4 };

#[test]
fn mnist_cnn_is_the_same_on_both_roads() {
    check::<MnistCnn>(&Task::MNIST);
    check::<MnistCnn>(&COLOUR);
}

#[test]
fn mnist_dsres_is_the_same_on_both_roads() {
    check::<MnistDsRes>(&Task::MNIST);
    check::<MnistDsRes>(&COLOUR);
}

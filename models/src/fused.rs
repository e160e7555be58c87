//! The fast road on a CPU: convolution blocks in a row run as one operator, [`chain`]'s, forward and backward.
//!
//! The layers stay burn's modules. [`Maps`] gathers them as long as they form blocks that the operator knows; where something else is to be
//! done with the feature maps, what was gathered runs and becomes a tensor. On other devices than flex, nothing is gathered.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, PaddingConfig2d};
use burn::tensor::{DType, Tensor, TensorData};
use chain::{Activation, Block, Chain};

/// Feature maps between two layers: a tensor, or an image and the blocks that it has yet to run through.
#[derive(Clone, Debug)]
pub(crate) struct Maps<'a> {
    input: Tensor<4>,
    chain: Chain,
    parts: Vec<Part<'a>>,
}

/// The modules of a block.
#[derive(Clone, Debug)]
struct Part<'a> {
    conv: &'a Conv2d,
    norm: Option<&'a BatchNorm>,
}

impl From<Tensor<4>> for Maps<'_> {
    fn from(input: Tensor<4>) -> Self {
        let [_, _, height, width] = input.dims();
        Self { input, chain: Chain { size: [height, width], blocks: Vec::new() }, parts: Vec::new() }
    }
}

impl<'a> Maps<'a> {
    /// The maps through `conv`, later; `None` where that cannot be.
    pub fn conv(&self, conv: &'a Conv2d) -> Option<Self> {
        let block = block(conv)?;
        let size = if self.parts.is_empty() { self.chain.size } else { self.chain.output_size() };
        let fits = (0..2).all(|d| size[d] + 2 * block.padding[d] >= block.kernel[d]);
        let together = conv.weight.lazy_device().is_autodiff() == self.input.device().is_autodiff();
        let known = !self.parts.is_empty() || on_flex(&self.input);
        (fits && together && known).then(|| {
            let mut next = self.clone();
            next.chain.blocks.push(block);
            next.parts.push(Part { conv, norm: None });
            next
        })
    }

    /// The maps through `norm`, later; `None` where that cannot be.
    pub fn norm(&self, norm: &'a BatchNorm) -> Option<Self> {
        let mut next = self.clone();
        let (block, part) = (next.chain.blocks.last_mut()?, next.parts.last_mut()?);
        let trained = !self.input.device().is_autodiff() || norm.training.is_enabled();
        let free = block.norm.is_none() && block.activation == Activation::NONE && block.pool == 1;
        (block.norm, part.norm) = (Some(norm.epsilon), Some(norm));
        (free && trained).then_some(next)
    }

    /// The maps through an activation, later; `None` where that cannot be.
    pub fn activation(&self, activation: Activation) -> Option<Self> {
        let mut next = self.clone();
        let block = next.chain.blocks.last_mut()?;
        let free = block.activation == Activation::NONE && block.pool == 1;
        block.activation = activation;
        free.then_some(next)
    }

    /// The maps through a max pool, later; `None` where that cannot be.
    pub fn max_pool(&self, pool: &MaxPool2d) -> Option<Self> {
        let mut next = self.clone();
        let [height, width] = next.chain.output_size();
        let block = next.chain.blocks.last_mut()?;
        let size = pool.kernel_size[0];
        let side_by_side = pool.kernel_size == [size; 2] && pool.stride == [size; 2] && pool.dilation == [1, 1];
        let plain = matches!(pool.padding, PaddingConfig2d::Valid) && !pool.ceil_mode;
        let free = block.pool == 1 && size <= height.min(width);
        block.pool = size;
        (side_by_side && plain && free).then_some(next)
    }

    /// What was gathered, run.
    pub fn tensor(self) -> Tensor<4> {
        match (self.parts.is_empty(), self.input.device().is_autodiff()) {
            (true, _) => self.input,
            (false, true) => self.train(),
            (false, false) => self.infer(),
        }
    }

    /// With the batch's statistics, which move the running ones as burn moves them.
    fn train(self) -> Tensor<4> {
        let device = self.input.device();
        let (output, statistics) = run_tracked(self.chain, self.input, parameters(&self.parts));
        let mut rest = statistics.as_slice();
        let mut next = |channels: usize, keep: f64| {
            let (values, after) = rest.split_at(channels);
            rest = after;
            Tensor::<1>::from_data(TensorData::new(values.to_vec(), [channels]), &device).mul_scalar(1.0 - keep)
        };
        for norm in self.parts.iter().filter_map(|part| part.norm) {
            let (channels, keep) = (norm.gamma.dims()[0], 1.0 - norm.momentum);
            for running in [&norm.running_mean, &norm.running_var] {
                let value = running.value_sync().to_device(&device);
                running.update(value.mul_scalar(keep).add(next(channels, keep)).detach());
            }
        }
        output
    }

    /// With the running statistics.
    fn infer(self) -> Tensor<4> {
        let device = self.input.device();
        let norms = self.parts.iter().filter_map(|part| part.norm);
        let given: Vec<Tensor<1>> =
            norms.flat_map(|norm| [norm.running_mean.value(), norm.running_var.value()]).collect();
        let given = match given.is_empty() {
            true => Vec::new(),
            false => values(&primitive(Tensor::cat(given, 0).to_device(&device))).to_vec(),
        };
        let (images, parameters) = (primitive(self.input), primitive(parameters(&self.parts)));
        let output = chain::infer(&self.chain, values(&images), values(&parameters), &given);
        Tensor::from_primitive::<Flex>(shaped(output, &self.chain))
    }
}

/// The block that `conv` begins, if [`chain`] knows its like.
fn block(conv: &Conv2d) -> Option<Block> {
    let [outputs, inputs_of_group, rows, columns] = conv.weight.dims();
    let inputs = inputs_of_group * conv.groups;
    let padding = match conv.padding {
        PaddingConfig2d::Valid => Some([0, 0]),
        PaddingConfig2d::Explicit(top, left, bottom, right) => ([top, left] == [bottom, right]).then_some([top, left]),
        PaddingConfig2d::Same => None,
    }?;
    let depthwise = conv.groups > 1;
    let known = conv.dilation == [1, 1]
        && padding[0] < rows
        && padding[1] < columns
        && (!depthwise || (conv.groups == inputs && inputs == outputs));
    let plain = Block::conv(inputs, outputs, [rows, columns]);
    known.then_some(Block { stride: conv.stride, padding, depthwise, bias: conv.bias.is_some(), ..plain })
}

/// All that the blocks learn, as [`Chain`] orders it.
fn parameters(parts: &[Part]) -> Tensor<1> {
    let flat = |part: &Part| {
        let bias = part.conv.bias.iter().map(|bias| bias.val());
        let norm = part.norm.into_iter().flat_map(|norm| [norm.gamma.val(), norm.beta.val()]);
        let weight = part.conv.weight.val().reshape([-1]);
        core::iter::once(weight).chain(bias).chain(norm).collect::<Vec<_>>()
    };
    Tensor::cat(parts.iter().flat_map(flat).collect(), 0)
}

type Tracked = Autodiff<Flex, NoCheckpointing>;

fn on_flex(x: &Tensor<4>) -> bool {
    let flex = match x.device().is_autodiff() {
        true => x.clone().try_into_primitive::<Tracked>().is_ok(),
        false => x.clone().try_into_primitive::<Flex>().is_ok(),
    };
    flex && x.dtype() == DType::F32
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    tensor.try_into_primitive::<Flex>().expect("on flex, as the maps are").to_contiguous()
}

/// A contiguous tensor's numbers.
fn values(tensor: &FlexTensor) -> &[f32] {
    let (begin, end) = tensor.layout().contiguous_offsets().expect("contiguous");
    &tensor.storage::<f32>()[begin..end]
}

/// A tensor of images that leave `chain`.
fn shaped(output: Vec<f32>, chain: &Chain) -> FlexTensor {
    let [channels, height, width] = chain.output();
    let count = output.len() / (channels * height * width);
    FlexTensor::from_data(TensorData::new(output, [count, channels, height, width]))
}

/// The output, and the batch's statistics.
fn run_tracked(chain: Chain, images: Tensor<4>, parameters: Tensor<1>) -> (Tensor<4>, Vec<f32>) {
    let tracked = "on flex with autodiff, as the maps are";
    let (images, images_node) = images.try_into_primitive::<Tracked>().expect(tracked).into_parts();
    let (parameters, parameters_node) = parameters.try_into_primitive::<Tracked>().expect(tracked).into_parts();
    let (images, parameters) = (images.to_contiguous(), parameters.to_contiguous());
    let pass = chain::forward(&chain, values(&images), values(&parameters));
    let output = shaped(pass.output, &chain);
    let output =
        match ChainBackward.prepare::<NoCheckpointing>([images_node, parameters_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(Passed { chain, pass: pass.saved, parameters }, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
    (Tensor::from_primitive::<Tracked>(output), pass.statistics)
}

/// What the way back needs.
#[derive(Clone, Debug)]
struct Passed {
    chain: Chain,
    pass: chain::Saved,
    parameters: FlexTensor,
}

#[derive(Debug)]
struct ChainBackward;

impl Backward<Flex, 2> for ChainBackward {
    type State = Passed;

    fn backward(self, ops: Ops<Passed, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Passed { chain, pass, parameters } = ops.state;
        let output = grads.consume::<Flex>(&ops.node).to_contiguous();
        let [images_node, parameters_node] = ops.parents;
        let gradients = chain::backward(&pass, values(&parameters), values(&output), images_node.is_some());
        if let Some(node) = images_node {
            let [channels, height, width] = chain.input();
            let shape = [gradients.images.len() / (channels * height * width), channels, height, width];
            grads.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(gradients.images, shape)));
        }
        if let Some(node) = parameters_node {
            let len = gradients.parameters.len();
            grads.register::<Flex>(node.id, FlexTensor::from_data(TensorData::new(gradients.parameters, [len])));
        }
    }
}

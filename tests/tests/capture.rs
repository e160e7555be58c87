//! burn modules of every kind leave as ONNX that tract runs as burn does, for any batch; what cannot leave is told the nearest thing that can.

use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::nn::interpolate::{Interpolate2d, Interpolate2dConfig, InterpolateMode};
use burn::nn::pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool1dConfig, AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, AvgPool1d, AvgPool1dConfig,
    AvgPool2d, AvgPool2dConfig, MaxPool1d, MaxPool1dConfig, MaxPool2d, MaxPool2dConfig,
};
use burn::nn::{
    BatchNorm, BatchNormConfig, Dropout, DropoutConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig,
    PaddingConfig1d, PaddingConfig2d,
};
use burn::tensor::activation::{self, gelu, hard_swish, leaky_relu, relu, sigmoid, silu, softmax, tanh};
use burn::tensor::{Device, Tensor};
use export::capture::{CaptureError, capture};
use export::float::{BatchNorms, onnx_from_module};
use export::graph::{Graph, Op, passes};
use export::{plan, quantize};
use infer_nostd::plan::Kind;

/// Inputs a module is held against tract on: no multiple of any batch on the way.
const INPUTS: usize = 67;

/// What leaves burn: as it is written, and folded.
fn leaves<M: Module, const S: usize, const D: usize, const E: usize>(
    name: &str,
    module: M,
    sample: [usize; S],
    forward: impl Fn(&M, Tensor<D>) -> Tensor<E> + Copy,
) -> [Graph; 2] {
    let module = module.map(&mut Trained::default());
    let len = INPUTS * sample.iter().product::<usize>();
    let inputs: Vec<f32> = data::noise(5).take(len).map(|byte| f32::from(byte) / 128.0 - 1.0).collect();
    [BatchNorms::Kept, BatchNorms::Folded].map(|batch_norms| {
        let verified = onnx_from_module(name, &module, sample, forward, batch_norms, [], &inputs);
        let verified = verified.unwrap_or_else(|error| panic!("{name}, {batch_norms:?}: {error}"));
        assert!(verified.agreement.holds() && verified.agreement.images == INPUTS, "{name}: {:?}", verified.agreement);
        verified.graph
    })
}

/// Moves every parameter, running statistics too, off what it was initialized to.
#[derive(Default)]
struct Trained {
    path: Vec<String>,
    moved: u32,
}

impl ModuleMapper for Trained {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.moved += 1;
        let is_variance = self.path.last().is_some_and(|field| field == "running_var");
        let by = if is_variance { 0.5 } else { 0.02 * f64::from(self.moved % 5) - 0.04 };
        param.map(|tensor| tensor + by)
    }
}

fn operators(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|node| node.op.name()).collect()
}

fn conv(channels: [usize; 2], kernel: [usize; 2]) -> Conv2dConfig {
    let same = PaddingConfig2d::Explicit(kernel[0] / 2, kernel[1] / 2, kernel[0] / 2, kernel[1] / 2);
    Conv2dConfig::new(channels, kernel).with_padding(same)
}

#[derive(Module, Debug)]
struct Residual {
    stem: Conv2d,
    norm: BatchNorm,
    inner: Conv2d,
    inner_norm: BatchNorm,
}

#[test]
fn a_residual_network_keeps_its_batch_norms_or_folds_them() {
    let device = Device::flex();
    let residual = Residual {
        stem: conv([2, 6], [3, 3]).init(&device),
        norm: BatchNormConfig::new(6).init(&device),
        inner: conv([6, 6], [3, 3]).init(&device),
        inner_norm: BatchNormConfig::new(6).init(&device),
    };
    let [kept, folded] = leaves("residual", residual, [2, 9, 8], |m, x: Tensor<4>| {
        let x = relu(m.norm.forward(m.stem.forward(x)));
        relu(m.inner_norm.forward(m.inner.forward(x.clone())) + x)
    });
    let expected = ["Conv", "BatchNormalization", "Relu", "Conv", "BatchNormalization", "Add", "Relu"];
    assert_eq!(operators(&kept), expected);
    assert_eq!(operators(&folded), ["Conv", "Relu", "Conv", "Add", "Relu"]);
    assert_eq!(folded.nodes[2].name, "inner");
}

#[derive(Module, Debug)]
struct Convolutions {
    depthwise: Conv2d,
    pointwise: Conv2d,
    dilated: Conv2d,
    grouped: Conv2d,
    lopsided: Conv2d,
}

#[test]
fn convolutions_of_every_kind() {
    let device = Device::flex();
    let convolutions = Convolutions {
        depthwise: conv([6, 6], [3, 3]).with_groups(6).with_stride([2, 1]).init(&device),
        pointwise: conv([6, 8], [1, 1]).with_bias(false).init(&device),
        dilated: Conv2dConfig::new([8, 4], [3, 2]).with_dilation([2, 3]).init(&device),
        grouped: conv([4, 8], [3, 1]).with_groups(2).init(&device),
        lopsided: Conv2dConfig::new([8, 3], [2, 4]).with_padding(PaddingConfig2d::Explicit(1, 2, 0, 1)).init(&device),
    };
    let [_, folded] = leaves("convolutions", convolutions, [6, 15, 12], |m, x: Tensor<4>| {
        let x = m.pointwise.forward(m.depthwise.forward(x)).clamp(0.0, 6.0);
        m.lopsided.forward(m.grouped.forward(m.dilated.forward(x)))
    });
    assert_eq!(operators(&folded), ["Conv", "Conv", "Clip", "Conv", "Conv", "Conv"]);
}

#[derive(Module, Debug)]
struct Line {
    first: Conv1d,
    norm: BatchNorm,
    max: MaxPool1d,
    second: Conv1d,
    mean: AvgPool1d,
    whole: AdaptiveAvgPool1d,
    head: Linear,
}

#[test]
fn networks_over_time() {
    let device = Device::flex();
    let line = Line {
        first: Conv1dConfig::new(3, 8, 5).with_padding(PaddingConfig1d::Explicit(2, 2)).with_stride(2).init(&device),
        norm: BatchNormConfig::new(8).init(&device),
        max: MaxPool1dConfig::new(2).with_stride(2).init(),
        second: Conv1dConfig::new(8, 8, 3).with_groups(4).with_dilation(2).init(&device),
        mean: AvgPool1dConfig::new(3).with_stride(2).with_padding(PaddingConfig1d::Explicit(1, 1)).init(),
        whole: AdaptiveAvgPool1dConfig::new(1).init(),
        head: LinearConfig::new(8, 4).init(&device),
    };
    leaves("line", line, [3, 64], |m, x: Tensor<3>| {
        let x = m.max.forward(relu(m.norm.forward(m.first.forward(x))));
        let x = m.whole.forward(m.mean.forward(m.second.forward(x)));
        m.head.forward(x.flatten::<2>(1, 2))
    });
}

#[derive(Module, Debug)]
struct Functions {
    layers: Vec<Linear>,
    dropout: Dropout,
}

#[test]
fn functions_and_linear_layers_without_their_dropout() {
    let device = Device::flex();
    let layers = (0..7).map(|_| LinearConfig::new(12, 12).init(&device)).collect();
    let functions = Functions { layers, dropout: DropoutConfig::new(0.5).init() };
    let [_, folded] = leaves("functions", functions, [12], |m, x: Tensor<2>| {
        let x = leaky_relu(m.layers[0].forward(x), 0.1);
        let x = sigmoid(m.layers[1].forward(m.dropout.forward(x)));
        let x = tanh(m.layers[2].forward(x));
        let x = hard_swish(m.layers[3].forward(x));
        let x = silu(m.layers[4].forward(x));
        let x = gelu(m.layers[5].forward(x));
        softmax(m.layers[6].forward(x), 1)
    });
    let layers = folded.nodes.iter().filter(|node| node.op.name() == "Gemm").count();
    assert_eq!(layers, 7, "{:?}", operators(&folded));
    assert!(!operators(&folded).contains(&"Dropout"));
}

/// Every activation of burn, those made of masks among them: each leaves, and is one table in int8.
#[test]
fn every_activation_becomes_one_table() {
    type Function = fn(Tensor<2>) -> Tensor<2>;
    let functions: [(&str, Function); 18] = [
        ("gelu_approximate", activation::gelu_approximate),
        ("softplus", |x| activation::softplus(x, 2.0)),
        ("mish", activation::mish),
        ("elu", |x| activation::elu(x, 0.5)),
        ("celu", |x| activation::celu(x, 0.5)),
        ("selu", activation::selu),
        ("log_sigmoid", activation::log_sigmoid),
        ("tanhshrink", activation::tanhshrink),
        ("hardtanh", |x| activation::hardtanh(x, -0.5, 0.75)),
        ("thresholded_relu", |x| activation::thresholded_relu(x, 0.25)),
        ("threshold", |x| activation::threshold(x, 0.25, 0.5)),
        ("softsign", activation::softsign),
        ("hard_shrink", |x| activation::hard_shrink(x, 0.25)),
        ("soft_shrink", |x| activation::soft_shrink(x, 0.25)),
        ("shrink", |x| activation::shrink(x, 0.25, 0.125)),
        ("sine", |x| x.sin() * 2.0),
        ("rounded", |x| (x * 4.0).round()),
        ("mask", |x| x.clone().mask_fill(x.clone().lower_elem(-0.5).bool_or(x.greater_elem(0.5)), 0.0)),
    ];
    for (name, function) in functions {
        let layers = (0..2).map(|_| LinearConfig::new(12, 12).init(&Device::flex())).collect();
        let network = Functions { layers, dropout: DropoutConfig::new(0.5).init() };
        let [_, folded] =
            leaves(name, network, [12], move |m, x: Tensor<2>| m.layers[1].forward(function(m.layers[0].forward(x))));
        let normal = passes::run(folded).unwrap_or_else(|error| panic!("{name}: {error}"));
        let operators = operators(&normal);
        assert!(matches!(operators[..], ["Gemm", _, "Gemm"]), "{name}: {operators:?}");
        assert!(matches!(normal.nodes[1].op, Op::Activation(_) | Op::Clip { .. }), "{name}: {operators:?}");
    }
}

#[derive(Module, Debug)]
struct Pools {
    max: MaxPool2d,
    mean: AvgPool2d,
    quarters: AdaptiveAvgPool2d,
    whole: AdaptiveAvgPool2d,
}

#[test]
fn pools_of_every_kind() {
    let pools = Pools {
        max: MaxPool2dConfig::new([3, 2])
            .with_strides([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 0, 1, 0))
            .init(),
        mean: AvgPool2dConfig::new([3, 3])
            .with_strides([1, 1])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
            .with_count_include_pad(false)
            .init(),
        quarters: AdaptiveAvgPool2dConfig::new([2, 2]).init(),
        whole: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
    };
    let [kept, _] = leaves("pools", pools, [5, 16, 16], |m, x: Tensor<4>| {
        m.whole.forward(m.quarters.forward(m.mean.forward(m.max.forward(x)))).flatten::<2>(1, 3)
    });
    assert_eq!(operators(&kept), ["MaxPool", "AveragePool", "AveragePool", "GlobalAveragePool", "Reshape"]);
}

#[derive(Module, Debug)]
struct Branches {
    left: Conv2d,
    right: Conv2d,
    larger: Interpolate2d,
}

fn branches() -> Branches {
    let device = Device::flex();
    let twice = Interpolate2dConfig::new().with_scale_factor(Some([2.0, 2.0]));
    Branches {
        left: conv([2, 3], [3, 3]).init(&device),
        right: conv([2, 3], [1, 1]).init(&device),
        larger: twice.with_mode(InterpolateMode::Nearest).init(),
    }
}

#[test]
fn branches_that_meet() {
    leaves("gated", branches(), [2, 6, 5], |m, x: Tensor<4>| {
        let both = Tensor::cat(vec![m.left.forward(x.clone()), m.right.forward(x)], 1);
        let gate = sigmoid(both.clone().mean_dim(2).mean_dim(3));
        (both * gate).flatten::<2>(1, 3)
    });
}

#[test]
fn maps_that_grow_and_shrink() {
    leaves("larger", branches(), [2, 6, 5], |m, x: Tensor<4>| m.larger.forward(m.left.forward(x)).flatten::<2>(1, 3));
    leaves("padded", branches(), [2, 6, 5], |m, x: Tensor<4>| {
        m.left.forward(x).pad((1, 0, 2, 1), 0.5).flatten::<2>(1, 3)
    });
    leaves("part", branches(), [2, 6, 5], |m, x: Tensor<4>| {
        let [batch, ..] = x.dims();
        m.left.forward(x).slice([0..batch, 1..3, 0..5, 2..4]).flatten::<2>(1, 3)
    });
}

/// Gates and larger maps go on from burn to a plan.
#[test]
fn gates_and_larger_maps_become_int8() {
    let larger =
        Interpolate2dConfig::new().with_scale_factor(Some([3.0, 2.0])).with_mode(InterpolateMode::Nearest).init();
    let [_, folded] = leaves("both", Branches { larger, ..branches() }, [2, 6, 5], |m, x: Tensor<4>| {
        let (trunk, mask) = (m.left.forward(x.clone()), sigmoid(m.right.forward(x)));
        let gate = hard_swish(trunk.clone().mean_dim(2).mean_dim(3));
        m.larger.forward(trunk * gate * mask).mean_dim(2).mean_dim(3).flatten::<2>(1, 3)
    });
    let normal = passes::run(folded).unwrap_or_else(|error| panic!("{error}"));
    let names = operators(&normal);
    assert_eq!(names.iter().filter(|name| **name == "Mul").count(), 2, "{names:?}");
    assert!(normal.nodes.iter().any(|node| node.op == Op::Resize { factors: [3, 2] }), "{names:?}");
    let images: Vec<f32> = data::noise(6).take(8 * 60).map(|byte| f32::from(byte) / 255.0).collect();
    let ranges = quantize::calibrate(&normal, 8, [images]).unwrap_or_else(|error| panic!("{error}"));
    let quantized = quantize::quantize(&normal, &ranges).unwrap_or_else(|error| panic!("{error}"));
    let words = plan::plan(&quantized).unwrap_or_else(|error| panic!("{error}"));
    let plan = infer_nostd::Plan::parse(&words).expect("planned and checked");
    let kinds: Vec<Kind> = plan.operators().iter().map(|operator| operator.kind).collect();
    assert!(kinds.contains(&Kind::Mul) && kinds.contains(&Kind::Resize), "{kinds:?}");
}

#[test]
fn arithmetic_and_reductions() {
    leaves("powers", branches(), [2, 6, 5], |m, x: Tensor<4>| {
        (m.left.forward(x).swap_dims(2, 3).abs().powf_scalar(1.5) / 3.0 - 0.25).flatten::<2>(1, 3)
    });
    leaves("sums", branches(), [2, 6, 5], |m, x: Tensor<4>| {
        let x = m.left.forward(x);
        (x.clone().max_dim(2) + x.sum_dim(2)).flatten::<2>(1, 3)
    });
}

#[derive(Module, Debug)]
struct Foreign {
    transposed: ConvTranspose2d,
    norm: LayerNorm,
    cubic: Interpolate2d,
}

fn foreign() -> Foreign {
    let device = Device::flex();
    let cubic = Interpolate2dConfig::new().with_scale_factor(Some([2.0, 2.0])).with_mode(InterpolateMode::Cubic);
    Foreign {
        transposed: ConvTranspose2dConfig::new([2, 3], [3, 2])
            .with_stride([2, 2])
            .with_padding([1, 0])
            .with_padding_out([1, 0])
            .init(&device),
        norm: LayerNormConfig::new(10).init(&device),
        cubic: cubic.init(),
    }
}

/// What has no int8 form leaves all the same, for other runtimes; the road names all of it.
#[test]
fn what_has_no_int8_form_leaves_as_float() {
    let [_, folded] = leaves("foreign", foreign(), [2, 5, 5], |m, x: Tensor<4>| {
        m.norm.forward(m.transposed.forward(x)).flatten::<2>(1, 3)
    });
    assert_eq!(operators(&folded)[..2], ["ConvTranspose", "LayerNormalization"]);
    let refused = passes::run(folded).unwrap_err().nodes;
    assert!(refused[0].contains("maps grow by Resize") && refused[1].contains("BatchNormalization"), "{refused:?}");
    assert_eq!(refused.len(), 2, "{refused:?}");
}

#[test]
fn what_cannot_leave_is_listed_with_the_nearest_thing_that_can() {
    let forward = |m: &Foreign, x: Tensor<4>| m.cubic.forward(x).cumsum(1);
    let error = capture("refused", &foreign(), [2, 5, 5], forward).unwrap_err();
    let CaptureError::Unsupported { operations, .. } = &error else { panic!("{error}") };
    for (operation, says) in operations.iter().zip([
        "Interpolate of [7, 2, 5, 5] → [7, 2, 10, 10] (the modes Nearest, NearestExact and Linear are expected)",
        "CumSum of [7, 2, 10, 10] → [7, 2, 10, 10]",
    ]) {
        assert!(operation.starts_with(says), "{operation}");
    }
    assert_eq!(operations.len(), 2, "{operations:?}");
}

#[derive(Module, Debug)]
struct RoundedUp {
    max: MaxPool2d,
    mean: AvgPool2d,
}

/// Windows that reach beyond the input; tract and the passes agree with burn on what counts there.
#[test]
fn pools_that_round_up() {
    for counts in [false, true] {
        let ones = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let max = MaxPool2dConfig::new([3, 2]).with_strides([2, 2]).with_ceil_mode(true);
        let mean = AvgPool2dConfig::new([3, 3]).with_strides([2, 2]).with_padding(ones).with_ceil_mode(true);
        let pools = RoundedUp { max: max.init(), mean: mean.with_count_include_pad(counts).init() };
        let [_, folded] = leaves("rounded up", pools, [3, 14, 13], |m, x: Tensor<4>| {
            m.mean.forward(m.max.forward(x)).flatten::<2>(1, 3)
        });
        assert!(!operators(&folded).contains(&"Pad"), "{:?}", operators(&folded));
    }
}

#[test]
fn a_batch_that_does_not_stay_first_is_refused() {
    #[derive(Module, Debug)]
    struct Mixed {
        head: Linear,
    }
    let mixed = Mixed { head: LinearConfig::new(7, 2).init(&Device::flex()) };
    let forward = |m: &Mixed, x: Tensor<2>| m.head.forward(x.reshape([6, 7]));
    let error = capture("mixed", &mixed, [6], forward).unwrap_err().to_string();
    assert!(error.contains("Reshape of [7, 6] → [6, 7] (the batch must stay the first dimension)"), "{error}");
}

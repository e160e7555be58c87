//! The engine gives the same integers as the definition, on generated networks.

use clap::ValueEnum;
use export::graph::Window;
use export::plan::{Options, PlanError, Target, code_bytes, plan_for};
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights};
use infer_nostd::plan::{Kernel, Kind};
use infer_nostd::{Engine, Plan};
use std::collections::BTreeSet;
use tests::generate::{Generator, LAYERS, between};
use tests::reference;

/// C, H, W → H, W, C.
fn channels_last(values: &[i8], [channels, height, width]: [usize; 3]) -> Vec<i8> {
    let pixel = |i: usize| (0..channels).map(move |c| values[c * height * width + i]);
    (0..height * width).flat_map(pixel).collect()
}

/// Every target, and of each the fastest plan, the smallest, and one between.
fn all_options(graph: &QuantGraph) -> impl Iterator<Item = Options> {
    Target::value_variants().iter().flat_map(|&target| between(graph, target))
}

/// What a plan runs.
type Uses = BTreeSet<(u8, u8)>;

/// Plans `graph`, runs two images back to back, and holds both against the definition.
fn check(graph: &QuantGraph, options: &Options, generator: &mut Generator) -> Uses {
    let words = plan_for(graph, options).unwrap_or_else(|error| panic!("{error}\n{graph:?}"));
    let plan = Plan::parse(&words).expect("planned and checked");
    let mut arena = vec![0; plan.arena_words()];
    let mut engine = Engine::new(plan, &mut arena).expect("the arena is as long as the plan says");
    let shape = graph.tensors[graph.input].shape;
    for _ in 0..2 {
        let image = generator.values(shape.iter().product());
        let expected = channels_last(&reference::run(graph, &image), graph.tensors[graph.output].shape);
        let found = engine.infer(&channels_last(&image, shape)).expect("an image of the right size");
        assert_eq!(found, expected, "{options:?}\n{graph:?}");
    }
    let operators = (0..plan.operator_count()).map(|id| plan.operator(id));
    operators.map(|operator| (operator.kind as u8, operator.kernel as u8)).collect()
}

#[test]
fn every_operator_is_the_definition_on_generated_shapes() {
    let mut generator = Generator::new(1);
    for layer in LAYERS {
        for _ in 0..300 {
            let graph = generator.single(layer);
            check(&graph, &Options::default(), &mut generator);
        }
    }
}

#[test]
fn networks_with_branches_are_the_definition_for_every_target() {
    let mut generator = Generator::new(2);
    let mut uses = Uses::new();
    for _ in 0..400 {
        let graph = generator.network(8);
        for options in all_options(&graph) {
            uses.extend(check(&graph, &options, &mut generator));
        }
    }
    let mut kinds = (Kind::Conv2d as u8..=Kind::Resize as u8).map(|kind| (kind, Kernel::Portable as u8));
    assert!(kinds.all(|kind| uses.contains(&kind)), "a kind was never run: {uses:?}");
}

#[test]
fn every_kernel_is_the_definition_on_the_shapes_that_it_is_for() {
    let mut generator = Generator::new(3);
    let mut uses = Uses::new();
    for depth in 0..200 {
        let graph = generator.kernels(1 + depth % 6, 17);
        for options in all_options(&graph) {
            uses.extend(check(&graph, &options, &mut generator));
        }
    }
    let later = [Kernel::WidenedOdd16 as u8, Kernel::WidenedDuals as u8];
    let convs = (Kernel::Portable as u8..=Kernel::Spread8 as u8).chain(later);
    let convs = convs.map(|kernel| (Kind::Conv2d as u8, kernel));
    let depthwise =
        (Kernel::DepthwiseQuads as u8..=Kernel::DepthwiseUnsigned8 as u8).chain([Kernel::DepthwiseThree as u8]);
    let dense =
        [Kernel::Portable, Kernel::DenseOctets, Kernel::DenseDuals].map(|kernel| (Kind::Dense as u8, kernel as u8));
    let mut kernels = convs.chain(depthwise.map(|kernel| (Kind::Depthwise as u8, kernel))).chain(dense);
    assert!(kernels.all(|kernel| uses.contains(&kernel)), "a kernel was never run: {uses:?}");
}

#[test]
fn windows_whose_rows_are_runs_of_bytes_are_the_definition() {
    let mut generator = Generator::new(15);
    let mut blocks = BTreeSet::new();
    for graph in generator.image_runs() {
        for options in all_options(&graph) {
            check(&graph, &options, &mut generator);
            let words = plan_for(&graph, &options).expect("it has just been planned");
            let operator = *Plan::parse(&words).expect("planned and checked").operator(0);
            if operator.walks_by_runs() {
                blocks.extend([operator.block - u8::from(operator.shorter > 0), operator.block]);
            }
        }
    }
    assert_eq!(blocks, BTreeSet::from([1, 2, 3, 4]));
}

/// A window of thirteen rows over stacked rows of one channel is four steps that never adjoin: more than some kernels have room for.
#[test]
fn a_tall_window_over_one_channel_is_the_definition_for_every_target() {
    let mut generator = Generator::new(12);
    let tensor = |name: &str, shape| QuantTensor { name: name.into(), shape, scale: 0.05, zero_point: -3 };
    let mut conv = |input: usize, shape: [usize; 4]| {
        let window = Window { kernel: [shape[2], shape[3]], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
        let values = generator.values(shape.iter().product()).iter().map(|&w| w.max(-127)).collect();
        let weights = Weights { shape, values, scales: vec![0.01; shape[0]], biases: vec![7; shape[0]] };
        let op = QuantOp::Conv2d { window, groups: 1, weights, clamp: Clamp::NONE };
        QuantNode { name: format!("conv{input}"), op, inputs: vec![input], output: input + 1 }
    };
    let nodes = vec![conv(0, [6, 1, 13, 3]), conv(1, [4, 6, 1, 1])];
    let graph = QuantGraph {
        name: "tall".into(),
        tensors: vec![tensor("x", [1, 20, 11]), tensor("a", [6, 8, 9]), tensor("y", [4, 8, 9])],
        nodes,
        input: 0,
        output: 2,
        metadata: Default::default(),
    };
    for options in all_options(&graph) {
        check(&graph, &options, &mut generator);
    }
}

/// Each of many convolutions that read one tensor may have any kernel: what is looked at is their sum, not their product.
#[test]
fn many_readers_of_one_tensor_are_planned() {
    let mut generator = Generator::new(14);
    let readers = 12;
    let tensor = |shape| QuantTensor { name: "map".into(), shape, scale: 0.05, zero_point: -3 };
    let window = Window { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1; 4] };
    let conv = |i: usize| {
        let values = generator.values(8 * 8 * 9).iter().map(|&w| w.max(-127)).collect();
        let weights = Weights { shape: [8, 8, 3, 3], values, scales: vec![0.01; 8], biases: vec![7; 8] };
        let op = QuantOp::Conv2d { window, groups: 1, weights, clamp: Clamp::NONE };
        QuantNode { name: format!("conv{i}"), op, inputs: vec![1 - usize::from(i == 0)], output: i + 1 }
    };
    let mut nodes: Vec<QuantNode> = (0..=readers).map(conv).collect();
    let inputs = (2..readers + 2).collect();
    nodes.push(QuantNode { name: "all".into(), op: QuantOp::Concat, inputs, output: readers + 2 });
    let mut tensors = vec![tensor([8, 6, 9]); readers + 2];
    tensors.push(tensor([8 * readers, 6, 9]));
    let graph =
        QuantGraph { name: "wide".into(), tensors, nodes, input: 0, output: readers + 2, metadata: Default::default() };
    for options in all_options(&graph) {
        check(&graph, &options, &mut generator);
    }
}

/// Layers that are alike call the same functions, which are in the firmware once.
#[test]
fn code_that_layers_share_counts_once() {
    let tensor = |name: &str, shape| QuantTensor { name: name.into(), shape, scale: 0.05, zero_point: 0 };
    let node = |name: &str, op, input| QuantNode { name: name.into(), op, inputs: vec![input], output: input + 1 };
    let window = |kernel, pad| Window { kernel, strides: [1, 1], dilations: [1, 1], pads: [pad; 4] };
    let network = |layers: usize| {
        let shape = [8, 8, 3, 3];
        let weights = Weights { shape, values: vec![3; 8 * 8 * 9], scales: vec![0.01; 8], biases: vec![0; 8] };
        let conv = QuantOp::Conv2d { window: window([3, 3], 1), groups: 1, weights, clamp: Clamp::NONE };
        let mean = QuantOp::AveragePool { window: window([5, 14], 0), count_include_pad: false };
        let mut tensors = vec![tensor("map", [8, 5, 14]); layers + 1];
        tensors.push(tensor("mean", [8, 1, 1]));
        let mut nodes: Vec<QuantNode> = (0..layers).map(|i| node("conv", conv.clone(), i)).collect();
        nodes.push(node("mean", mean, layers));
        QuantGraph { name: "alike".into(), tensors, nodes, input: 0, output: layers + 1, metadata: Default::default() }
    };
    for &target in Target::value_variants() {
        let code = |layers: usize| {
            let options = Options { target, ..Options::default() };
            let words = plan_for(&network(layers), &options).expect("a network that fits the engine");
            code_bytes(&Plan::parse(&words).expect("planned and checked"))
        };
        assert_eq!(code(1), code(3), "{target:?}");
        assert_eq!(code(1) == 0, target == Target::Portable, "{target:?}");
    }
}

/// A budget is kept, and one that is too small is told what will do.
#[test]
fn a_budget_is_kept_and_the_least_is_told() {
    let mut generator = Generator::new(13);
    for _ in 0..40 {
        let graph = generator.kernels(4, 12);
        for &target in Target::value_variants() {
            let options = |flash_budget, ram_budget| Options { target, flash_budget, ram_budget, smallest: false };
            let needed = |options| match plan_for(&graph, &options) {
                Err(PlanError::Budget { needed, .. }) => needed,
                other => panic!("{other:?}"),
            };
            let (flash, ram) = (needed(options(Some(1), None)), needed(options(None, Some(1))));
            let words = plan_for(&graph, &options(Some(flash), None)).expect("what the error asked for");
            let code = code_bytes(&Plan::parse(&words).expect("planned and checked"));
            assert!(words.len() * 4 + code <= flash, "{target:?}");
            let words = plan_for(&graph, &options(None, Some(ram))).expect("what the error asked for");
            let plan = Plan::parse(&words).expect("planned and checked");
            assert!(plan.arena_words() * 4 + plan.stack_bytes() <= ram, "{target:?}");
        }
    }
}

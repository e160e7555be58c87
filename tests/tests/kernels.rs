//! The kernels in assembly give the bits of their definitions: networks of the shapes that they are for, planned for each board's core,
//! run in QEMU and, by the same plan, on the host. That the host is right, `engine` tests.

use export::board::{Board, Emulated, Firmware, emulated, target};
use export::plan::{self, Options, PlanError, Target};
use export::quantize::QuantGraph;
use export::validate::{self, Stage};
use infer_nostd::Plan;
use infer_nostd::plan::{Kernel, Kind, Taps, Window};
use std::collections::BTreeSet;
use tests::generate::{Generator, between};

/// Images a board is asked.
const IMAGES: usize = 3;
/// What the smallest board has for rows and kernels.
const RAM_BYTES: usize = 4500;
/// Networks to look through for the one that uses most of what no other does.
const TRIES: usize = 200;

/// A way through a window that kernels are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Walk {
    Three,
    One,
    OneStrided,
    Depthwise(u8),
}

const WALKS: [Walk; 7] = [
    Walk::Three,
    Walk::One,
    Walk::OneStrided,
    Walk::Depthwise(Window::Three as u8),
    Walk::Depthwise(Window::ThreeStride2 as u8),
    Walk::Depthwise(Window::Any as u8),
    Walk::Depthwise(Window::AnyStrided as u8),
];

/// The kernels that plans use, and the walks that these take.
fn used(plans: &[Vec<u32>]) -> (BTreeSet<Kernel>, BTreeSet<Walk>) {
    let (mut kernels, mut walks) = (BTreeSet::new(), BTreeSet::new());
    for plan in plans.iter().map(|words| Plan::parse(words).expect("a plan that passes its check")) {
        for operator in (0..plan.operator_count()).map(|id| plan.operator(id)) {
            if operator.kernel == Kernel::Portable {
                continue;
            }
            kernels.insert(operator.kernel);
            walks.insert(match Taps::of(operator) {
                _ if operator.kind == Kind::Depthwise => Walk::Depthwise(Window::of(operator) as u8),
                Taps::Three => Walk::Three,
                Taps::One { stride: 1 } => Walk::One,
                Taps::One { .. } => Walk::OneStrided,
            });
        }
    }
    (kernels, walks)
}

/// What one network is for: the kernels and walks that its two plans use, and the plans.
struct Candidate {
    graph: QuantGraph,
    plans: [Vec<u32>; 2],
    kernels: BTreeSet<Kernel>,
    walks: BTreeSet<Walk>,
}

/// Networks whose fastest and smallest plans for a core fit every board and together use all the core's kernels and all walks. As few as can easily
/// be found: building firmware takes most of the time.
fn networks(generator: &mut Generator, target: Target) -> Vec<Candidate> {
    let (mut kernels, mut walks) = (BTreeSet::from_iter(target.kernels()), BTreeSet::from(WALKS));
    let mut networks = Vec::new();
    while !(kernels.is_empty() && walks.is_empty()) {
        let use_of = |c: &Candidate| {
            kernels.iter().filter(|kernel| c.kernels.contains(kernel)).count() + walks.intersection(&c.walks).count()
        };
        let candidates = (0..TRIES).filter_map(|_| candidate(generator, target));
        let best = candidates.max_by_key(use_of).filter(|best| use_of(best) > 0);
        let best = best.unwrap_or_else(|| panic!("no network in {TRIES} uses {kernels:?} of {target:?} or {walks:?}"));
        kernels.retain(|kernel| !best.kernels.contains(kernel));
        walks.retain(|walk| !best.walks.contains(walk));
        networks.push(best);
    }
    networks
}

/// A network, if every board has room for both plans; products of products may have scales that are far from all others.
fn candidate(generator: &mut Generator, target: Target) -> Option<Candidate> {
    let graph = generator.kernels(12, 17);
    let plan = |options: Options| plan::plan_for(&graph, &Options { ram_budget: Some(RAM_BYTES), ..options });
    let [fastest, smallest, _] = between(&graph, target);
    let plans = match [plan(fastest), plan(smallest)] {
        [Ok(fastest), Ok(smallest)] => [fastest, smallest],
        [Err(PlanError::Budget { .. } | PlanError::ScaleRatio { .. }), _] => return None,
        [_, Err(PlanError::Budget { .. })] => return None,
        plans => panic!("{plans:?}\n{graph:?}"),
    };
    let (kernels, walks) = used(&plans);
    Some(Candidate { graph, plans, kernels, walks })
}

/// Asks board and host the same.
fn check(board: &'static Board, graph: &QuantGraph, words: &[u32], generator: &mut Generator) {
    let (bytes, plan) = (plan::to_bytes(words), Plan::parse(words).expect("a plan that passes its check"));
    let firmware = Firmware::build(board, &bytes).unwrap_or_else(|error| panic!("{error}"));
    let input = &graph.tensors[graph.input];
    let steps = generator.values(IMAGES * input.shape.iter().product::<usize>());
    let images: Vec<f32> = steps.iter().map(|&q| (q as f32 - input.zero_point as f32) * input.scale).collect();
    let on_board = Emulated::new(firmware, &plan).answer(&images).unwrap_or_else(|error| panic!("{error}"));
    let on_host = validate::open(&bytes).expect("a plan").answer(&images).expect("images of the right size");
    assert_eq!(on_board, on_host, "{}\n{graph:?}", board.name);
}

/// The kernel whose code is another for every length of a block, and for every stride.
#[test]
fn depthwise_blocks_of_every_length_give_their_definitions_bits() {
    let mut generator = Generator::new(14);
    let graph = generator.depthwise_widths();
    for board in emulated().filter(|board| target(board).kernels().contains(&Kernel::DepthwiseThree)) {
        let options = Options { target: target(board), ..Options::default() };
        let words = plan::plan_for(&graph, &options).unwrap_or_else(|error| panic!("{error}\n{graph:?}"));
        let plan = Plan::parse(&words).expect("a plan that passes its check");
        let operators = (0..plan.operator_count()).map(|id| plan.operator(id));
        let threes = operators.filter(|operator| operator.kernel == Kernel::DepthwiseThree);
        let blocks: BTreeSet<_> = threes.map(|operator| (operator.strides[1], operator.block)).collect();
        let every: BTreeSet<_> = (1..=6).map(|pixels| (1, pixels)).chain((2..=6).map(|pixels| (2, pixels))).collect();
        assert_eq!(blocks, every);
        check(board, &graph, &words, &mut generator);
    }
}

#[test]
fn windows_whose_rows_are_runs_of_bytes_give_their_definitions_bits() {
    let mut generator = Generator::new(15);
    for graph in generator.image_runs() {
        for board in emulated().filter(|board| target(board).kernels().contains(&Kernel::Image16)) {
            let options = Options { target: target(board), ..Options::default() };
            let words = plan::plan_for(&graph, &options).unwrap_or_else(|error| panic!("{error}\n{graph:?}"));
            let plan = Plan::parse(&words).expect("a plan that passes its check");
            assert!(plan.operator(0).walks_by_runs());
            check(board, &graph, &words, &mut generator);
        }
    }
}

#[test]
fn kernels_give_their_definitions_bits_on_every_board() {
    let mut generator = Generator::new(11);
    for board in emulated().filter(|board| !target(board).kernels().is_empty()) {
        for Candidate { graph, plans, .. } in networks(&mut generator, target(board)) {
            for words in plans {
                check(board, &graph, &words, &mut generator);
            }
        }
    }
}

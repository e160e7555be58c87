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
/// Most networks to look through for one that uses everything.
const TRIES: usize = 1000;

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

/// A network whose fastest and smallest plan for a core fit every board and together use all the core's kernels and all walks: building
/// firmware takes most of the time.
fn network(generator: &mut Generator, target: Target) -> (QuantGraph, [Vec<u32>; 2]) {
    for _ in 0..TRIES {
        let graph = generator.kernels(12, 17);
        let plan = |options: Options| plan::plan_for(&graph, &Options { ram_budget: Some(RAM_BYTES), ..options });
        let [fastest, smallest, _] = between(&graph, target);
        let plans = match [plan(fastest), plan(smallest)] {
            [Ok(fastest), Ok(smallest)] => [fastest, smallest],
            [Err(PlanError::Budget { .. }), _] | [_, Err(PlanError::Budget { .. })] => continue,
            plans => panic!("{plans:?}\n{graph:?}"),
        };
        let (kernels, walks) = used(&plans);
        if target.kernels().iter().all(|kernel| kernels.contains(kernel))
            && WALKS.iter().all(|walk| walks.contains(walk))
        {
            return (graph, plans);
        }
    }
    panic!("no network in {TRIES} uses all kernels of {target:?} and all walks");
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

#[test]
fn kernels_give_their_definitions_bits_on_every_board() {
    let mut generator = Generator::new(11);
    for board in emulated().filter(|board| !target(board).kernels().is_empty()) {
        let (graph, plans) = network(&mut generator, target(board));
        for words in plans {
            check(board, &graph, &words, &mut generator);
        }
    }
}

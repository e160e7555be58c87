//! Which kernel each convolution gets, depthwise ones among them, and with it how its input lies in memory: the fewest estimated cycles that fit in flash and RAM.
//!
//! Kernels that read wider activations or weights are faster and take more memory. `figures` says what a choice takes, `search` finds what is worth
//! looking at. Of that, and of what differs from it in one place, everything is kept that nothing else beats in cycles, flash and RAM at once; the
//! budgets only choose from it. So a larger budget never gives a slower plan, unless the smallest is asked for.

mod figures;
mod search;

use super::layout::{self, Activations};
use super::target::Target;
use super::{Network, PlanError};
use figures::{Estimate, Figures};
use infer_nostd::plan::{Kernel, Layout, Operator, Tensor};
use search::Search;

/// What the planner may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The core.
    pub target: Target,
    /// Most bytes of flash for the plan and the code of its kernels.
    pub flash_budget: Option<usize>,
    /// Most bytes of RAM for rows, accumulators and the kernels' stack.
    pub ram_budget: Option<usize>,
    /// Whether to stop at the smallest plan, to which a percent of bytes is worth two and a quarter of cycles.
    pub smallest: bool,
}

/// A kernel and the most pixels of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    pub kernel: Kernel,
    pub block: u8,
}

/// No kernel.
const PORTABLE: Cut = Cut { kernel: Kernel::Portable, block: 0 };

/// How much to look at, operators of neighbours: some tenths of a second, or seconds in a build script that is not optimized.
const MOST_WORK: usize = 2_000_000;

/// A kernel for each operator and a layout for each tensor.
#[derive(Debug, Clone)]
pub struct Choice {
    pub cuts: Vec<Cut>,
    pub layouts: Vec<Layout>,
    /// Whether the input's rows are stacked.
    pub stacked: bool,
    /// Whether rows land where they may.
    pub lands: bool,
}

impl Choice {
    /// Writes kernels and layouts into the records.
    pub fn apply(&self, activations: &mut Activations, operators: &mut [Operator]) {
        for (operator, cut) in operators.iter_mut().zip(&self.cuts) {
            (operator.kernel, operator.block) = (cut.kernel, cut.block);
        }
        let tensors = &mut activations.tensors;
        tensors[0].stacked = self.stacked;
        for (tensor, &layout) in tensors.iter_mut().zip(&self.layouts) {
            *tensor = Tensor { layout, ..*tensor }.complete();
        }
        if self.lands {
            activations.land(operators);
        }
        layout::complete(operators, &activations.tensors);
    }
}

/// A kernel for each convolution, and what that takes.
struct Candidate {
    cuts: Vec<Cut>,
    /// Whether rows land where they may, which costs a copy of each and saves RAM.
    lands: bool,
    figures: Figures,
    /// Whether its neighbours have been looked at.
    explored: bool,
}

impl Candidate {
    fn new(estimate: &Estimate, cuts: Vec<Cut>, lands: bool) -> Self {
        let figures = estimate.figures(&cuts, lands);
        Self { cuts, lands, figures, explored: false }
    }
}

/// Chooses for `network`, whose activations are given, channels last.
pub fn choose(network: &Network, activations: &Activations, options: &Options) -> Result<Choice, PlanError> {
    let estimate = Estimate::new(network, activations, options.target);
    let front = front(&estimate);
    let best = best(&front, options)?;
    Ok(estimate.choice(&best.cuts, best.lands))
}

/// All that was found and that nothing else beats in cycles, flash and RAM at once.
fn front(estimate: &Estimate) -> Vec<Candidate> {
    let searches = [false, true].map(|lands| Search::new(estimate, lands));
    let mut front = unbeaten(searches.iter().flat_map(Search::cheapest).collect());
    let work = (searches[0].size() * estimate.network.drafts.len()).max(1);
    let mut left = MOST_WORK / work;
    loop {
        let new: Vec<usize> = (0..front.len()).filter(|&i| !front[i].explored).collect();
        // Where not all can be explored, they are spread over the front.
        let step = new.len().div_ceil(left.max(1)).max(1);
        let chosen: Vec<usize> = new.into_iter().step_by(step).take(left).collect();
        if chosen.is_empty() {
            return front;
        }
        left -= chosen.len();
        let is_beaten = |figures: &Figures| front.iter().any(|other| other.figures.beats(figures));
        let explore = |&i: &usize| searches[usize::from(front[i].lands)].neighbours(&front[i], is_beaten);
        let neighbours: Vec<Candidate> = chosen.iter().flat_map(explore).collect();
        chosen.iter().for_each(|&i| front[i].explored = true);
        front.extend(neighbours);
        front = unbeaten(front);
    }
}

/// What nothing else beats, the fastest first.
fn unbeaten(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    // What beats another comes before it.
    candidates.sort_by_cached_key(|candidate| (candidate.figures.cycles, candidate.figures.weighed_bytes()));
    let mut front: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        if !front.iter().any(|other| other.figures.beats(&candidate.figures)) {
            front.push(candidate);
        }
    }
    front
}

/// The fastest, or the smallest, that holds the budgets.
///
/// # Errors
/// Where none does: the least flash, or the least RAM, or the least flash of what holds the budget of RAM.
fn best<'a>(front: &'a [Candidate], options: &Options) -> Result<&'a Candidate, PlanError> {
    let fitting = front.iter().filter(|candidate| candidate.figures.fits(options));
    let wanted = |figures: &Figures| if options.smallest { figures.price() } else { figures.cycles };
    if let Some(best) = fitting.min_by_key(|candidate| (wanted(&candidate.figures), candidate.figures.weighed_bytes()))
    {
        return Ok(best);
    }
    let figures = || front.iter().map(|candidate| &candidate.figures);
    let least_flash = figures().map(Figures::flash_bytes).min();
    let least_ram = figures().map(Figures::ram_bytes).min();
    let fits_ram = |figures: &&Figures| options.ram_budget.is_none_or(|budget| figures.ram_bytes() <= budget);
    let least_of_both = figures().filter(fits_ram).map(Figures::flash_bytes).min();
    let missed = |what, budget: Option<usize>, needed: Option<usize>| {
        let (budget, needed) = (budget?, needed?);
        (needed > budget).then_some(PlanError::Budget { what, budget, needed })
    };
    let missed = missed("flash", options.flash_budget, least_flash)
        .or_else(|| missed("RAM", options.ram_budget, least_ram))
        .or_else(|| missed("flash", options.flash_budget, least_of_both));
    Err(missed.expect("a front is not empty, and what holds every budget was looked for"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{crop, lower};
    use crate::quantize::qdq;
    use std::path::Path;

    /// A shipped network and its activations.
    fn network(name: &str) -> (Network, Activations) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(name).join("int8.onnx");
        let graph = qdq::from_graph(&crate::onnx::from_file(path).unwrap()).unwrap();
        let mut network = lower::lower(&graph).unwrap();
        crop::crop(&mut network);
        let activations = layout::activations(&network).unwrap();
        (network, activations)
    }

    const TARGETS: [Target; 3] = [Target::CortexM0, Target::CortexM3, Target::CortexM4];

    /// Budgets that are just what something takes are held by that, and by nothing faster; one byte less, and it is gone.
    #[test]
    fn whatever_is_found_is_the_fastest_that_holds_its_own_budgets() {
        let (network, activations) = network("mnist-cnn");
        for target in TARGETS {
            let front = front(&Estimate::new(&network, &activations, target));
            assert!(front.len() > 10, "{target}: {}", front.len());
            for found in &front {
                let (flash_budget, ram_budget) = (Some(found.figures.flash_bytes()), Some(found.figures.ram_bytes()));
                let options = Options { target, flash_budget, ram_budget, smallest: false };
                assert_eq!(best(&front, &options).unwrap().figures, found.figures);
                let tighter = Options { flash_budget: flash_budget.map(|bytes| bytes - 1), ..options };
                let other = best(&front, &tighter).map(|other| other.figures.cycles);
                assert!(!other.is_ok_and(|cycles| cycles <= found.figures.cycles), "{target}");
            }
        }
    }

    #[test]
    fn a_larger_budget_never_gives_a_slower_plan() {
        for name in ["mnist-cnn", "mnist-dsres"] {
            let (network, activations) = network(name);
            let estimate = Estimate::new(&network, &activations, Target::CortexM4);
            let cycles = |flash, ram| {
                let options = Options {
                    target: Target::CortexM4,
                    flash_budget: Some(flash),
                    ram_budget: Some(ram),
                    smallest: false,
                };
                let choice = choose(&network, &activations, &options).ok()?;
                Some(estimate.figures(&choice.cuts, choice.lands).cycles)
            };
            for flash in (18_000..46_000).step_by(4000) {
                for ram in (4200..6200).step_by(400) {
                    let now = cycles(flash, ram);
                    for then in [cycles(flash + 500, ram), cycles(flash, ram + 100)] {
                        assert!(now.is_none() || then.is_some_and(|then| Some(then) <= now), "{name} {flash} {ram}");
                    }
                }
            }
        }
    }
}

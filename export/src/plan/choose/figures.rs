//! What a choice of kernels means for the rest of a plan, and what it takes.

use super::{Choice, Cut, Options, PORTABLE};
use crate::plan::layout::{self, Activations};
use crate::plan::target::{self, Target};
use crate::plan::{Network, code};
use infer_nostd::plan::{Kernel, Kind, Layout, Operator, Tensor};

/// What a percent of bytes is worth to the smallest plan, in percents of cycles.
const WORTH: f64 = 2.25;

/// What a plan takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The plan's file.
    pub data_bytes: usize,
    /// Code of its kernels.
    pub code_bytes: usize,
    /// Rows and accumulators.
    pub arena_bytes: usize,
    /// Stack of its kernels.
    pub stack_bytes: usize,
    pub cycles: u64,
}

impl Figures {
    pub fn flash_bytes(&self) -> usize {
        self.data_bytes + self.code_bytes
    }

    pub fn ram_bytes(&self) -> usize {
        self.arena_bytes + self.stack_bytes
    }

    /// Bytes, of which chips have about four times as much flash as RAM.
    pub fn weighed_bytes(&self) -> usize {
        self.flash_bytes() + 4 * self.ram_bytes()
    }

    /// Bytes and cycles: a percent of bytes is worth [`WORTH`] of cycles, since what saves a few bytes at any price is for tight budgets alone.
    pub fn price(&self) -> u64 {
        (self.weighed_bytes() as f64 * (self.cycles as f64).powf(1.0 / WORTH)) as u64
    }

    /// What is to these figures as `to` is to `from`.
    pub fn moved(&self, from: &Self, to: &Self) -> Self {
        let moved = |now: usize, from: usize, to: usize| (now + to).saturating_sub(from);
        Self {
            data_bytes: moved(self.data_bytes, from.data_bytes, to.data_bytes),
            code_bytes: moved(self.code_bytes, from.code_bytes, to.code_bytes),
            arena_bytes: moved(self.arena_bytes, from.arena_bytes, to.arena_bytes),
            stack_bytes: moved(self.stack_bytes, from.stack_bytes, to.stack_bytes),
            cycles: (self.cycles + to.cycles).saturating_sub(from.cycles),
        }
    }

    /// Whether it is as good in every respect.
    pub fn beats(&self, other: &Self) -> bool {
        self.cycles <= other.cycles
            && self.flash_bytes() <= other.flash_bytes()
            && self.ram_bytes() <= other.ram_bytes()
    }

    pub fn fits(&self, options: &Options) -> bool {
        let fits = |bytes, budget: Option<usize>| budget.is_none_or(|budget| bytes <= budget);
        fits(self.flash_bytes(), options.flash_budget) && fits(self.ram_bytes(), options.ram_budget)
    }
}

/// Whether an operator makes each pixel from the same place of what it reads.
fn follows(kind: Kind) -> bool {
    use Kind::{Add, AveragePool, Concat, Lookup, Mul, Requantize, Resize};
    matches!(kind, Add | Requantize | Lookup | Concat | AveragePool | Mul | Resize)
}

/// Whether kernels are for the operator.
pub fn is_conv(operator: &Operator) -> bool {
    matches!(operator.kind, Kind::Conv2d | Kind::Depthwise)
}

/// A network for a core: works out what follows from a kernel for each convolution.
pub struct Estimate<'a> {
    pub network: &'a Network,
    pub activations: &'a Activations,
    pub target: Target,
    /// For each tensor the first of those it shares a layout with: a max pool moves values as they are stored.
    pub classes: Vec<usize>,
}

impl<'a> Estimate<'a> {
    pub fn new(network: &'a Network, activations: &'a Activations, target: Target) -> Self {
        let mut classes: Vec<usize> = (0..network.places.len()).collect();
        for (id, draft) in network.drafts.iter().enumerate() {
            if draft.operator.kind == Kind::MaxPool {
                let (from, to) = (classes[id + 1], classes[usize::from(draft.operator.inputs[0])]);
                classes.iter_mut().filter(|class| **class == from).for_each(|class| *class = to);
            }
        }
        Self { network, activations, target, classes }
    }

    pub fn operator(&self, id: usize) -> &Operator {
        &self.network.drafts[id].operator
    }

    /// The class of what comes out last, which is channels last: no kernel writes that.
    pub fn output_class(&self) -> usize {
        self.classes[self.network.drafts.len()]
    }

    /// The tensor that an operator reads, in `layout`.
    pub fn input_in(&self, layout: Layout, id: usize) -> Tensor {
        Tensor { layout, ..self.activations.tensors[usize::from(self.operator(id).inputs[0])] }.complete()
    }

    /// The whole choice that follows from a kernel for each convolution: layouts, stacked rows, kernels of dense layers.
    pub fn choice(&self, cuts: &[Cut], lands: bool) -> Choice {
        let mut cuts = cuts.to_vec();
        let layouts = self.layouts(&cuts);
        let stacked = self.is_stacked(&cuts, &layouts);
        // What reads rows only if they are stacked has no kernel where they are not.
        for (id, cut) in cuts.iter_mut().enumerate().filter(|(id, _)| self.operator(*id).inputs[0] == 0) {
            let input = Tensor { stacked, ..self.input_in(layouts[0], id) }.complete();
            if !cut.kernel.takes(self.operator(id), &input) {
                *cut = PORTABLE;
            }
        }
        self.cut_dense(&mut cuts, &layouts);
        Choice { cuts, layouts, stacked, lands }
    }

    fn layouts(&self, cuts: &[Cut]) -> Vec<Layout> {
        let mut of_class = vec![None; self.network.places.len()];
        let kernels =
            || cuts.iter().map(|cut| cut.kernel).enumerate().filter(|(_, kernel)| *kernel != Kernel::Portable);
        for (id, kernel) in kernels() {
            of_class[self.classes[usize::from(self.operator(id).inputs[0])]] = kernel.input_layout();
        }
        // What a kernel writes and no kernel reads is narrow.
        for (id, kernel) in kernels() {
            let narrow = if kernel.writes(Layout::Quads) { Layout::Quads } else { Layout::Pairs };
            of_class[self.classes[id + 1]].get_or_insert(narrow);
        }
        // What is made value by value lies as what it is made from.
        for (id, draft) in self.network.drafts.iter().enumerate() {
            let from = of_class[self.classes[usize::from(draft.operator.inputs[0])]];
            let class = self.classes[id + 1];
            if follows(draft.operator.kind) && of_class[class].is_none() && class != self.output_class() {
                of_class[class] = from;
            }
        }
        self.classes.iter().map(|&class| of_class[class].unwrap_or(Layout::ChannelsLast)).collect()
    }

    /// Dense layers have one kernel to choose, which takes about as much memory as plain Rust.
    fn cut_dense(&self, cuts: &mut [Cut], layouts: &[Layout]) {
        let Some(&kernel) = self.target.kernels().iter().find(|kernel| kernel.is_dense()) else { return };
        for (id, draft) in self.network.drafts.iter().enumerate() {
            let tensor = self.input_in(layouts[usize::from(draft.operator.inputs[0])], id);
            let is_exact = draft.fits_24_bits || !kernel.sums_fit_24_bits();
            if is_exact && kernel.takes(&draft.operator, &tensor) {
                cuts[id] = Cut { kernel, block: 0 };
            }
        }
    }

    /// An input of one channel whose lanes would be idle holds several rows side by side, where every reader can read them so.
    fn is_stacked(&self, cuts: &[Cut], layouts: &[Layout]) -> bool {
        let readers = || (0..cuts.len()).filter(|&id| self.operator(id).inputs.contains(&0));
        self.activations.tensors[0].channels == 1
            && layouts[0] != Layout::ChannelsLast
            && readers().all(|id| {
                let input = Tensor { stacked: true, layout: layouts[0], ..self.activations.tensors[0] }.complete();
                cuts[id] != PORTABLE && cuts[id].kernel.takes(self.operator(id), &input)
            })
    }

    pub fn figures(&self, cuts: &[Cut], lands: bool) -> Figures {
        let mut activations = self.activations.clone();
        let mut operators: Vec<Operator> = self.network.drafts.iter().map(|draft| draft.operator).collect();
        self.choice(cuts, lands).apply(&mut activations, &mut operators);
        let tensors = &activations.tensors;
        let ends =
            |(id, operator): (usize, &Operator)| (*operator, tensors[usize::from(operator.inputs[0])], tensors[id + 1]);
        let ends: Vec<_> = operators.iter().enumerate().map(ends).collect();
        let words = ends.iter().map(|(op, x, y)| op.weights_words(x, y) + op.table_words(y)).sum::<usize>();
        let moved = tensors.iter().filter(|tensor| tensor.lands()).map(target::landing_cycles).sum::<u64>();
        let made = ends.iter().map(|(op, x, y)| target::cycles(op, x, y)).sum::<u64>();
        let cycles = target::input_cycles(&tensors[0]) + moved + made;
        let stack_bytes = ends.iter().map(|(op, x, _)| op.stack_bytes(x)).max().unwrap_or(0);
        Figures {
            data_bytes: (words + layout::overhead_words(self.network)) * 4,
            code_bytes: code::bytes(&operators),
            arena_bytes: layout::arena(&mut activations, &mut operators) as usize * 4,
            stack_bytes,
            cycles,
        }
    }
}

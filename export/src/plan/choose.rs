//! Which kernel each convolution gets, depthwise ones among them, and with it how its input lies in memory: the fewest estimated cycles that fit in flash and RAM.
//!
//! Kernels that read wider activations or weights are faster and take more memory. A max pool moves values as they are stored, so
//! the tensors on both its sides share a layout; such a set of tensors and the convolutions that read it are decided together.
//! The start is the smallest of everything; then, again and again, the change that gains the most cycles for the memory
//! it takes, as long as one fits. The code of the kernels counts as flash: a function that one layer calls is had for nothing by the others.

use super::code::{self, Function};
use super::layout::{self, Activations};
use super::target::{self, Target};
use super::{Network, PlanError};
use infer_nostd::plan::{Kernel, Kind, Layout, Operator, Tensor};
use std::collections::BTreeSet;

/// What the planner may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The core.
    pub target: Target,
    /// Most bytes of flash for the plan and the code of its kernels.
    pub flash_budget: Option<usize>,
    /// Most bytes of RAM for rows, accumulators and the kernels' stack.
    pub ram_budget: Option<usize>,
    /// Whether to stop at the smallest plan, to which a percent of bytes is worth three of cycles.
    pub smallest: bool,
}

/// A kernel and the most pixels of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub kernel: Kernel,
    pub block: u8,
}

/// No kernel.
const PORTABLE: Cut = Cut { kernel: Kernel::Portable, block: 0 };

/// What a percent of bytes is worth to the smallest plan, in percents of cycles.
const WORTH: f64 = 3.0;

/// Most bounds on the kernels' stack that a search begins with.
const MOST_STACKS: usize = 4;

/// Most times that a search goes over all units: they settle in two or three.
const MOST_ROUNDS: usize = 4;

/// A layout, and a kernel for each convolution that reads it.
type Way = (Layout, Vec<(usize, Cut)>);

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

/// Tensors that share a layout, and what their readers may be.
struct Unit {
    ways: Vec<Way>,
}

/// What a choice takes.
#[derive(Debug, Clone, Copy)]
struct Figures {
    /// The plan and the code of its kernels.
    flash_bytes: usize,
    ram_bytes: usize,
    cycles: u64,
}

impl Figures {
    /// All bytes, one of flash and one of RAM weighing as given.
    fn weighed(&self, [flash, ram]: [usize; 2]) -> u64 {
        (flash * self.flash_bytes + ram * self.ram_bytes) as u64
    }

    /// Bytes, of which chips have about four times as much flash as RAM, and cycles: a percent of bytes is worth [`WORTH`] of cycles, since what saves
    /// a few bytes at any price is for tight budgets alone.
    fn price(&self) -> u64 {
        (self.weighed([1, 4]) as f64 * (self.cycles as f64).powf(1.0 / WORTH)) as u64
    }
}

/// Chooses for `network`, whose activations are given, channels last.
pub fn choose(network: &Network, activations: &Activations, options: &Options) -> Result<Choice, PlanError> {
    // Landing rows costs a copy of each and saves RAM.
    let attempts = [false, true].map(|lands| {
        let search = Search { network, activations, options, lands, classes: classes(network) };
        search.run()
    });
    match attempts {
        [Ok(stays), Ok(lands)] => {
            let takes_landing = match options.smallest {
                true => lands.1.price() < stays.1.price(),
                false => lands.1.cycles < stays.1.cycles,
            };
            Ok(if takes_landing { lands.0 } else { stays.0 })
        }
        [Ok((choice, _)), Err(_)] | [Err(_), Ok((choice, _))] => Ok(choice),
        [Err(_), Err(error)] => Err(error),
    }
}

/// Whether an operator makes each pixel from the same place of what it reads.
fn follows(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Add | Kind::Requantize | Kind::Lookup | Kind::Concat | Kind::AveragePool | Kind::Mul | Kind::Resize
    )
}

/// Whether kernels are for the operator.
fn is_conv(operator: &Operator) -> bool {
    matches!(operator.kind, Kind::Conv2d | Kind::Depthwise)
}

fn with(picks: &[usize], unit: usize, way: usize) -> Vec<usize> {
    let mut picks = picks.to_vec();
    picks[unit] = way;
    picks
}

/// Gives each unit in turn the best of the ways that it is allowed, as the others are, until all have it.
fn settle(allowed: &[Vec<usize>], mut picks: Vec<usize>, price: impl Fn(&[usize]) -> (u64, u64)) -> Vec<usize> {
    for _ in 0..MOST_ROUNDS {
        let before = picks.clone();
        for (i, ways) in allowed.iter().enumerate() {
            let of_way = |&&way: &&usize| price(&with(&picks, i, way));
            picks[i] = ways.iter().min_by_key(of_way).copied().unwrap_or(0);
        }
        if picks == before {
            break;
        }
    }
    picks
}

/// For each tensor the first of those it shares a layout with.
fn classes(network: &Network) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..network.places.len()).collect();
    for (id, draft) in network.drafts.iter().enumerate() {
        if draft.operator.kind == Kind::MaxPool {
            let (from, to) = (classes[id + 1], classes[usize::from(draft.operator.inputs[0])]);
            classes.iter_mut().filter(|class| **class == from).for_each(|class| *class = to);
        }
    }
    classes
}

struct Search<'a> {
    network: &'a Network,
    activations: &'a Activations,
    options: &'a Options,
    lands: bool,
    classes: Vec<usize>,
}

impl Search<'_> {
    fn run(&self) -> Result<(Choice, Figures), PlanError> {
        let units = self.units();
        let within = |figures: &Figures| match self.excess(figures) {
            0 => figures.price(),
            excess => u64::MAX / 2 + excess,
        };
        // The kernels share their stack, so that those which take much of it pay where several layers have them.
        let mut starts: Vec<_> =
            self.stacks(&units).into_iter().map(|most| self.cheapest(&units, most, within)).collect();
        // Where budgets are tight, what is small in both may not be small enough in one, or not at a sensible speed.
        let least = |weights| self.cheapest(&units, usize::MAX, |figures| figures.weighed(weights));
        starts.extend([[1, 0], [0, 1], [1, 4]].map(least));
        let figures: Vec<Figures> = starts.iter().map(|picks| self.figures(&units, picks)).collect();
        let fitting = starts.into_iter().zip(&figures).filter(|(_, f)| self.excess(f) == 0).map(|(picks, _)| picks);
        let picks = match self.options.smallest {
            true => fitting.min_by_key(|picks| self.figures(&units, picks).price()),
            // One step after the other does not lead everywhere from anywhere.
            false => {
                fitting.map(|picks| self.improve(&units, picks)).min_by_key(|picks| self.figures(&units, picks).cycles)
            }
        };
        let Some(picks) = picks else {
            // What cannot be had at any price, or else what both budgets together leave no room for.
            let least = |bytes: fn(&Figures) -> usize| figures.iter().map(bytes).min().unwrap_or(0);
            let (flash_bytes, ram_bytes) = (least(|f| f.flash_bytes), least(|f| f.ram_bytes));
            let least = Figures { flash_bytes, ram_bytes, cycles: 0 };
            return Err(self.hold_budget(least).and(self.hold_budget(figures[0])).expect_err("no start fits"));
        };
        Ok((self.choice(&units, &picks), self.figures(&units, &picks)))
    }

    /// Takes step after step, as long as one gains cycles.
    fn improve(&self, units: &[Unit], mut picks: Vec<usize>) -> Vec<usize> {
        while let Some(better) = self.best_step(units, &picks) {
            picks = better;
        }
        picks
    }

    fn operator(&self, id: usize) -> &Operator {
        &self.network.drafts[id].operator
    }

    fn output_class(&self) -> usize {
        self.classes[self.network.drafts.len()]
    }

    fn units(&self) -> Vec<Unit> {
        let mut classes = self.classes.clone();
        classes.sort_unstable();
        classes.dedup();
        let units = classes.into_iter().filter(|&class| class != self.output_class());
        units.map(|class| Unit { ways: self.ways(class) }).filter(|unit| !unit.ways.is_empty()).collect()
    }

    /// The ways of the tensors of `class`: for each layout that some kernel reads, each kernel that reads it.
    fn ways(&self, class: usize) -> Vec<Way> {
        let convs = |id: &usize| {
            let operator = self.operator(*id);
            // What comes out last is channels last, which no kernel writes.
            is_conv(operator)
                && self.classes[usize::from(operator.inputs[0])] == class
                && self.classes[id + 1] != self.output_class()
        };
        let convs: Vec<usize> = (0..self.network.drafts.len()).filter(convs).collect();
        let mut layouts: Vec<Layout> = Vec::new();
        layouts.extend(self.options.target.kernels().iter().filter_map(|kernel| kernel.input_layout()));
        layouts.dedup();
        // What a kernel may make cannot be channels last either.
        let is_made =
            (0..self.network.drafts.len()).any(|id| self.classes[id + 1] == class && is_conv(self.operator(id)));
        layouts.retain(|&layout| !(is_made && layout == Layout::ChannelsLast));
        layouts.into_iter().flat_map(|layout| self.combinations(layout, &convs)).collect()
    }

    /// Every assignment of kernels that read `layout` to `convs`; none where no convolution takes any.
    fn combinations(&self, layout: Layout, convs: &[usize]) -> Vec<Way> {
        let mut ways = vec![Vec::new()];
        for &id in convs {
            let operator = self.operator(id);
            let input = Tensor { layout, ..self.activations.tensors[usize::from(operator.inputs[0])] }.complete();
            // An input of one channel may come to be stacked, which makes windows shorter.
            let stacked = Tensor { stacked: true, ..input }.complete();
            let may_stack = operator.inputs[0] == 0 && input.channels == 1 && layout != Layout::ChannelsLast;
            let fits = |kernel: &&Kernel| {
                kernel.input_layout() == Some(layout)
                    && (kernel.takes(operator, &input) || may_stack && kernel.takes(operator, &stacked))
                    && (**kernel != Kernel::Long || self.network.drafts[id].fits_24_bits)
            };
            let cuts = |&kernel: &Kernel| {
                let most = kernel.most_pixels(operator) as u8;
                // Smaller blocks of a convolution take less stack.
                let sizes = if operator.kind == Kind::Depthwise { [most; 4] } else { [most, 4, 2, 1] };
                sizes.into_iter().filter(move |&n| n <= most).map(move |block| Cut { kernel, block })
            };
            let mut cuts: Vec<Cut> = self.options.target.kernels().iter().filter(fits).flat_map(cuts).collect();
            cuts.dedup();
            if !cuts.is_empty() {
                let extended = |way: Vec<(usize, Cut)>| {
                    cuts.iter().map(move |&cut| [&way[..], &[(id, cut)]].concat()).collect::<Vec<_>>()
                };
                ways = ways.into_iter().flat_map(extended).collect();
            }
        }
        ways.into_iter().filter(|way| !way.is_empty()).map(|way| (layout, way)).collect()
    }

    fn choice(&self, units: &[Unit], picks: &[usize]) -> Choice {
        let mut cuts = vec![PORTABLE; self.network.drafts.len()];
        let mut of_class = vec![None; self.network.places.len()];
        for (unit, &pick) in units.iter().zip(picks) {
            let (layout, way) = &unit.ways[pick];
            for &(id, cut) in way {
                cuts[id] = cut;
                of_class[self.classes[usize::from(self.operator(id).inputs[0])]] = Some(*layout);
            }
        }
        // What a kernel writes and no kernel reads is narrow.
        for (id, &Cut { kernel, .. }) in cuts.iter().enumerate().filter(|(_, cut)| **cut != PORTABLE) {
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
        let layouts: Vec<Layout> =
            self.classes.iter().map(|&class| of_class[class].unwrap_or(Layout::ChannelsLast)).collect();
        let stacked = self.is_stacked(&cuts, &layouts);
        // What reads rows only if they are stacked has no kernel where they are not.
        for (id, cut) in cuts.iter_mut().enumerate().filter(|(id, _)| self.operator(*id).inputs[0] == 0) {
            let input = Tensor { stacked, layout: layouts[0], ..self.activations.tensors[0] }.complete();
            if !cut.kernel.takes(self.operator(id), &input) {
                *cut = PORTABLE;
            }
        }
        self.cut_dense(&mut cuts, &layouts);
        Choice { cuts, layouts, stacked, lands: self.lands }
    }

    /// Dense layers have one kernel to choose, which takes about as much memory as plain Rust.
    fn cut_dense(&self, cuts: &mut [Cut], layouts: &[Layout]) {
        let kernel = Kernel::DenseOctets;
        for (id, draft) in self.network.drafts.iter().enumerate() {
            let input = usize::from(draft.operator.inputs[0]);
            let tensor = Tensor { layout: layouts[input], ..self.activations.tensors[input] }.complete();
            if self.options.target.kernels().contains(&kernel)
                && draft.fits_24_bits
                && kernel.takes(&draft.operator, &tensor)
            {
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

    fn figures(&self, units: &[Unit], picks: &[usize]) -> Figures {
        let choice = self.choice(units, picks);
        let mut activations = self.activations.clone();
        let mut operators: Vec<Operator> = self.network.drafts.iter().map(|draft| draft.operator).collect();
        choice.apply(&mut activations, &mut operators);
        let tensors = &activations.tensors;
        let ends =
            |(id, operator): (usize, &Operator)| (*operator, tensors[usize::from(operator.inputs[0])], tensors[id + 1]);
        let ends: Vec<_> = operators.iter().enumerate().map(ends).collect();
        let words = ends.iter().map(|(op, x, y)| op.weights_words(x, y) + op.table_words(y)).sum::<usize>();
        let code_bytes = code::bytes(&operators);
        let moved = tensors.iter().filter(|tensor| tensor.lands()).map(target::landing_cycles).sum::<u64>();
        let cycles = moved
            + target::input_cycles(&tensors[0])
            + ends.iter().map(|(op, x, y)| target::cycles(op, x, y)).sum::<u64>();
        let stack_bytes = ends.iter().map(|(op, x, _)| op.stack_bytes(x)).max().unwrap_or(0);
        let overhead = layout::overhead_words(self.network);
        let ram_bytes = layout::arena(&mut activations, &mut operators) as usize * 4 + stack_bytes;
        Figures { flash_bytes: (words + overhead) * 4 + code_bytes, ram_bytes, cycles }
    }

    /// The ways of the lowest price: units that share functions have to give one up together, so that, after each by itself has found what is best,
    /// one function after the other is left out where all are better off without it.
    fn cheapest(&self, units: &[Unit], most_stack: usize, price: impl Fn(&Figures) -> u64) -> Vec<usize> {
        let price = |picks: &[usize]| {
            let figures = self.figures(units, picks);
            (price(&figures), figures.cycles)
        };
        let low = |unit: &Unit| {
            (0..unit.ways.len()).filter(|&way| self.stack_bytes(&unit.ways[way]) <= most_stack).collect::<Vec<_>>()
        };
        let low: Vec<Vec<usize>> = units.iter().map(low).collect();
        let mut picks = settle(&low, self.least_stack(units), price);
        loop {
            let used: BTreeSet<Function> =
                units.iter().zip(&picks).flat_map(|(unit, &pick)| self.functions(&unit.ways[pick])).collect();
            let without = |left_out: &Function| {
                let calls = |unit: &Unit, way: usize| self.functions(&unit.ways[way]).any(|f| f == *left_out);
                let others = |(unit, low): (&Unit, &Vec<usize>)| {
                    low.iter().copied().filter(|&way| !calls(unit, way)).collect::<Vec<_>>()
                };
                let allowed: Vec<Vec<usize>> = units.iter().zip(&low).map(others).collect();
                let start = picks
                    .iter()
                    .zip(&allowed)
                    .map(|(pick, ways)| if ways.contains(pick) { Some(*pick) } else { ways.first().copied() });
                Some(settle(&allowed, start.collect::<Option<Vec<usize>>>()?, price))
            };
            let best = used.iter().filter_map(without).min_by_key(|picks| price(picks));
            match best.filter(|best| price(best) < price(&picks)) {
                Some(best) => picks = best,
                None => return picks,
            }
        }
    }

    /// Bounds on the stack to search under, from the least that all units can keep to the most that one takes.
    fn stacks(&self, units: &[Unit]) -> Vec<usize> {
        let of_unit = |unit: &Unit| unit.ways.iter().map(|way| self.stack_bytes(way)).collect::<BTreeSet<_>>();
        let units: Vec<_> = units.iter().map(of_unit).collect();
        let least = units.iter().filter_map(|stacks| stacks.first()).max().copied().unwrap_or(0);
        let all: BTreeSet<usize> = units.into_iter().flatten().chain([least]).filter(|&bytes| bytes >= least).collect();
        let all: Vec<usize> = all.into_iter().collect();
        let count = all.len().min(MOST_STACKS);
        (0..count).map(|i| all[i * (all.len() - 1) / (count - 1).max(1)]).collect()
    }

    /// The stack is the largest of all operators', so a search for what is small begins where each takes the least of it.
    fn least_stack(&self, units: &[Unit]) -> Vec<usize> {
        let least =
            |unit: &Unit| (0..unit.ways.len()).min_by_key(|&way| self.stack_bytes(&unit.ways[way])).unwrap_or(0);
        units.iter().map(least).collect()
    }

    /// What the kernels of one way call.
    fn functions(&self, way: &Way) -> impl Iterator<Item = Function> {
        self.operators(way).flat_map(|(id, operator, input)| {
            code::functions(&operator.complete(&input, &self.activations.tensors[id + 1])).collect::<Vec<_>>()
        })
    }

    /// The operators of one way, as it makes them, with their inputs.
    fn operators(&self, (layout, way): &Way) -> impl Iterator<Item = (usize, Operator, Tensor)> {
        way.iter().map(|&(id, Cut { kernel, block })| {
            let operator = Operator { kernel, block, ..*self.operator(id) };
            let input =
                Tensor { layout: *layout, ..self.activations.tensors[usize::from(operator.inputs[0])] }.complete();
            (id, operator, input)
        })
    }

    /// Stack of the kernels of one way.
    fn stack_bytes(&self, way: &Way) -> usize {
        self.operators(way).map(|(_, operator, input)| operator.stack_bytes(&input)).max().unwrap_or(0)
    }

    /// Bytes beyond the budgets.
    fn excess(&self, figures: &Figures) -> u64 {
        let beyond = |found: usize, budget: Option<usize>| budget.map_or(0, |budget| found.saturating_sub(budget));
        (beyond(figures.flash_bytes, self.options.flash_budget) + beyond(figures.ram_bytes, self.options.ram_budget))
            as u64
    }

    fn hold_budget(&self, smallest: Figures) -> Result<(), PlanError> {
        let hold = |what, budget: Option<usize>, needed| match budget {
            Some(budget) if needed > budget => Err(PlanError::Budget { what, budget, needed }),
            _ => Ok(()),
        };
        hold("flash", self.options.flash_budget, smallest.flash_bytes)?;
        hold("RAM", self.options.ram_budget, smallest.ram_bytes)
    }

    /// The change of one unit that gains the most for the memory it takes, if one fits.
    fn best_step(&self, units: &[Unit], picks: &[usize]) -> Option<Vec<usize>> {
        let now = self.figures(units, picks);
        let share = |more: usize, less: usize, budget: Option<usize>| {
            more.saturating_sub(less) as f64 / budget.unwrap_or(1 << 30) as f64
        };
        let mut best: Option<(f64, Vec<usize>)> = None;
        for i in 0..units.len() {
            for way in 0..units[i].ways.len() {
                let candidate = with(picks, i, way);
                let then = self.figures(units, &candidate);
                if then.cycles >= now.cycles || self.excess(&then) > 0 {
                    continue;
                }
                let price = share(then.flash_bytes, now.flash_bytes, self.options.flash_budget)
                    + share(then.ram_bytes, now.ram_bytes, self.options.ram_budget);
                let worth = (now.cycles - then.cycles) as f64 / (price + 1e-6);
                if best.as_ref().is_none_or(|(most, _)| worth > *most) {
                    best = Some((worth, candidate));
                }
            }
        }
        best.map(|(_, picks)| picks)
    }
}

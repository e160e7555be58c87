//! What is worth looking at: for every price of a byte of flash and of RAM in cycles, the kernels that cost the least.
//!
//! At a price, what one convolution takes matters to another in two ways only: they share the functions of kernels, and the stack. So for each
//! bound on the stack each convolution takes by itself what costs the least, and then one function after the other is given up where all are
//! better off without it. That costs no more than to go over all kernels a few times, however many convolutions there are.

use super::figures::{Estimate, Figures, is_conv};
use super::{Candidate, Cut, PORTABLE};
use crate::plan::code::{self, Function};
use infer_nostd::plan::{Kernel, Layout, Operator, Tensor};
use std::collections::BTreeSet;

/// Cycles that a byte may cost: none, and in steps of four from a quarter to beyond the pixels of any map, which is how often a weight is met.
const PRICES: std::ops::Range<i32> = -1..8;

/// Most bounds on the stack to look under.
const MOST_STACKS: usize = 8;

/// A set of functions, by their places in [`Search::functions`].
type Functions = u128;

/// Cycles and bytes, against those of where the search begins.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    cycles: f64,
    flash_bytes: f64,
    ram_bytes: f64,
}

impl Cost {
    fn between(from: &Figures, to: &Figures) -> Self {
        Self {
            cycles: to.cycles as f64 - from.cycles as f64,
            flash_bytes: to.data_bytes as f64 - from.data_bytes as f64,
            ram_bytes: to.arena_bytes as f64 - from.arena_bytes as f64,
        }
    }

    fn at(&self, [flash, ram]: [f64; 2]) -> f64 {
        self.cycles + flash * self.flash_bytes + ram * self.ram_bytes
    }

    fn plus(&self, other: &Self) -> Self {
        Self {
            cycles: self.cycles + other.cycles,
            flash_bytes: self.flash_bytes + other.flash_bytes,
            ram_bytes: self.ram_bytes + other.ram_bytes,
        }
    }

    fn is_no_more(&self, other: &Self) -> bool {
        self.cycles <= other.cycles && self.flash_bytes <= other.flash_bytes && self.ram_bytes <= other.ram_bytes
    }
}

/// What a convolution may be.
#[derive(Debug, Clone, Copy)]
struct Take {
    cut: Cut,
    /// Against the first of the reader's.
    cost: Cost,
    stack_bytes: usize,
    functions: Functions,
}

impl Take {
    /// Whether nothing speaks for `other`.
    fn is_as_good_as(&self, other: &Self) -> bool {
        self.cost.is_no_more(&other.cost)
            && self.stack_bytes <= other.stack_bytes
            && self.functions & !other.functions == 0
    }
}

/// A convolution that reads tensors in some layout, and what it may be.
#[derive(Debug, Clone)]
struct Reader {
    id: usize,
    takes: Vec<Take>,
}

impl Reader {
    /// What costs the least of what is allowed.
    fn best(&self, prices: [f64; 2], most_stack: usize, barred: Functions) -> Option<&Take> {
        let allowed = self.takes.iter().filter(|take| take.stack_bytes <= most_stack && take.functions & barred == 0);
        allowed.min_by(|a, b| a.cost.at(prices).total_cmp(&b.cost.at(prices)))
    }
}

/// One layout for tensors that share theirs, and the convolutions that then have kernels.
#[derive(Debug, Clone)]
struct Way {
    /// Where each reader is what it may be first.
    cost: Cost,
    readers: Vec<Reader>,
}

impl Way {
    /// Whether the tensors lie so.
    fn is_in(&self, cuts: &[Cut]) -> bool {
        let layout = |cut: Cut| cut.kernel.input_layout();
        self.readers.iter().all(|reader| layout(cuts[reader.id]) == layout(reader.takes[0].cut))
    }
}

/// Tensors that share a layout.
#[derive(Debug, Clone)]
struct Unit {
    /// What reads them.
    convs: Vec<usize>,
    ways: Vec<Way>,
}

impl Unit {
    /// `cuts` with these tensors in another way.
    fn with<'a>(&self, way: &'a Way, cuts: &[Cut], take: impl Fn(&'a Reader) -> Option<&'a Take>) -> Vec<Cut> {
        let mut cuts = cuts.to_vec();
        self.convs.iter().for_each(|&id| cuts[id] = PORTABLE);
        for reader in &way.readers {
            cuts[reader.id] = take(reader).map_or(PORTABLE, |take| take.cut);
        }
        cuts
    }
}

/// What costs the least at some price.
struct Solution {
    price: f64,
    cuts: Vec<Cut>,
    functions: Functions,
}

/// A network with rows that land, or with none that do.
pub struct Search<'a> {
    estimate: &'a Estimate<'a>,
    lands: bool,
    functions: Vec<Function>,
    /// All that any kernel reads.
    units: Vec<Unit>,
    /// Of the first of everything.
    start: Figures,
}

impl<'a> Search<'a> {
    pub fn new(estimate: &'a Estimate<'a>, lands: bool) -> Self {
        let nothing = vec![PORTABLE; estimate.network.drafts.len()];
        let start = estimate.figures(&nothing, lands);
        let mut search = Self { estimate, lands, functions: Vec::new(), units: Vec::new(), start };
        let classes: BTreeSet<usize> = estimate.classes.iter().copied().collect();
        let classes = classes.into_iter().filter(|&class| class != estimate.output_class());
        search.units = classes.map(|class| search.unit(class)).filter(|unit| !unit.ways.is_empty()).collect();
        search.weigh();
        search
    }

    /// What costs the least at some price, each once.
    pub fn cheapest(&self) -> Vec<Candidate> {
        let prices = || std::iter::once(0.0).chain(PRICES.map(|power| 4f64.powi(power)));
        let mut found = BTreeSet::new();
        for most_stack in self.stacks() {
            for prices in prices().flat_map(|flash| prices().map(move |ram| [flash, ram])) {
                found.extend(self.cheapest_at(prices, most_stack).map(|solution| solution.cuts));
            }
        }
        found.into_iter().map(|cuts| Candidate::new(self.estimate, cuts, self.lands)).collect()
    }

    /// Kernels to look at by [`neighbours`](Self::neighbours).
    pub fn size(&self) -> usize {
        self.units
            .iter()
            .flat_map(|unit| &unit.ways)
            .flat_map(|way| &way.readers)
            .map(|reader| reader.takes.len())
            .sum()
    }

    /// What differs from a candidate in one convolution, or in the layout of one set of tensors, but what is beaten as far as can be told from sums.
    pub fn neighbours(&self, of: &Candidate, is_beaten: impl Fn(&Figures) -> bool) -> Vec<Candidate> {
        let here = self.sum(&of.cuts);
        let mut changed = BTreeSet::new();
        let mut change = |cuts: Vec<Cut>| {
            if !is_beaten(&of.figures.moved(&here, &self.sum(&cuts))) {
                changed.insert(cuts);
            }
        };
        for unit in &self.units {
            for way in &unit.ways {
                if way.is_in(&of.cuts) {
                    for (reader, take) in way.readers.iter().flat_map(|r| r.takes.iter().map(move |take| (r, take))) {
                        let mut cuts = of.cuts.clone();
                        cuts[reader.id] = take.cut;
                        change(cuts);
                    }
                } else {
                    for prices in [[0.0; 2], [1e6, 4e6]] {
                        change(unit.with(way, &of.cuts, |reader| reader.best(prices, usize::MAX, 0)));
                    }
                }
            }
        }
        changed.into_iter().map(|cuts| Candidate::new(self.estimate, cuts, self.lands)).collect()
    }

    /// What a choice takes, as far as it is the sum of what its convolutions take.
    fn sum(&self, cuts: &[Cut]) -> Figures {
        let ways = self.units.iter().filter_map(|unit| unit.ways.iter().find(|way| way.is_in(cuts)));
        let (mut cost, mut functions, mut stack_bytes) = (Cost::default(), 0, 0);
        for way in ways {
            cost = cost.plus(&way.cost);
            for take in way.readers.iter().filter_map(|reader| reader.takes.iter().find(|t| t.cut == cuts[reader.id])) {
                cost = cost.plus(&take.cost);
                functions |= take.functions;
                stack_bytes = stack_bytes.max(take.stack_bytes);
            }
        }
        Figures {
            data_bytes: (self.start.data_bytes as f64 + cost.flash_bytes) as usize,
            code_bytes: self.code_bytes(functions),
            arena_bytes: (self.start.arena_bytes as f64 + cost.ram_bytes) as usize,
            stack_bytes,
            cycles: (self.start.cycles as f64 + cost.cycles) as u64,
        }
    }

    /// Of the tensors of `class`, for each layout that some kernel reads the kernels that read it. They cost nothing yet.
    fn unit(&mut self, class: usize) -> Unit {
        let estimate = self.estimate;
        let ids = || 0..estimate.network.drafts.len();
        let convs = |id: &usize| {
            let operator = estimate.operator(*id);
            is_conv(operator)
                && estimate.classes[usize::from(operator.inputs[0])] == class
                && estimate.classes[id + 1] != estimate.output_class()
        };
        let convs: Vec<usize> = ids().filter(convs).collect();
        let kernels = estimate.target.kernels();
        let mut layouts: Vec<Layout> = kernels.iter().filter_map(|kernel| kernel.input_layout()).collect();
        layouts.dedup();
        // What a kernel may make cannot be channels last, and sums are slow over layouts that are not the same.
        let is_made = ids().any(|id| estimate.classes[id + 1] == class && is_conv(estimate.operator(id)));
        let may_be_image = class == estimate.classes[0] && !is_made;
        layouts.retain(|&layout| may_be_image || layout != Layout::ChannelsLast);
        let way = |layout: Layout| {
            let reader = |&id: &usize| Some(Reader { id, takes: self.takes(layout, id) });
            let readers = convs.iter().filter_map(reader).filter(|reader| !reader.takes.is_empty()).collect();
            Way { cost: Cost::default(), readers }
        };
        let ways = layouts.into_iter().map(way).filter(|way| !way.readers.is_empty()).collect();
        Unit { convs, ways }
    }

    /// The kernels for a convolution that reads `layout`, in blocks of every size.
    fn takes(&mut self, layout: Layout, id: usize) -> Vec<Take> {
        let estimate = self.estimate;
        let draft = &estimate.network.drafts[id];
        let operator = &draft.operator;
        let input = estimate.input_in(layout, id);
        // An input of one channel may come to be stacked, which makes windows shorter.
        let stacked = Tensor { stacked: true, ..input }.complete();
        let may_stack = operator.inputs[0] == 0 && input.channels == 1 && layout != Layout::ChannelsLast;
        let fits = |kernel: &&Kernel| {
            kernel.input_layout() == Some(layout)
                && (kernel.takes(operator, &input) || may_stack && kernel.takes(operator, &stacked))
                && (!kernel.sums_fit_24_bits() || draft.fits_24_bits)
        };
        let output = &estimate.activations.tensors[id + 1];
        let mut take = |cut: Cut| {
            let operator = Operator { kernel: cut.kernel, block: cut.block, ..*operator }.complete(&input, output);
            let functions =
                code::functions(&operator).map(|function| self.place(function)).fold(0, |all, f| all | 1 << f);
            Take { cut, cost: Cost::default(), stack_bytes: operator.stack_bytes(&input), functions }
        };
        let kernels = estimate.target.kernels().iter().filter(fits);
        let cuts = kernels
            .flat_map(|&kernel| (1..=kernel.most_pixels(operator) as u8).rev().map(move |block| Cut { kernel, block }));
        cuts.map(&mut take).collect()
    }

    /// A function's place among those met so far.
    fn place(&mut self, function: Function) -> usize {
        let place = self.functions.iter().position(|f| *f == function).unwrap_or(self.functions.len());
        if place == self.functions.len() {
            self.functions.push(function);
        }
        assert!(place < Functions::BITS as usize, "a core has fewer functions than that");
        place
    }

    /// Works out what everything costs, and leaves out what is no better than something else in any respect.
    fn weigh(&mut self) {
        let (estimate, lands) = (self.estimate, self.lands);
        let first = |unit: &Unit, way: &Way, cuts: &[Cut]| unit.with(way, cuts, |reader| reader.takes.first());
        let nothing = vec![PORTABLE; estimate.network.drafts.len()];
        let start = self.units.iter().fold(nothing, |cuts, unit| first(unit, &unit.ways[0], &cuts));
        self.start = estimate.figures(&start, lands);
        for unit in &mut self.units {
            for i in 0..unit.ways.len() {
                let first = first(unit, &unit.ways[i], &start);
                let of_first = estimate.figures(&first, lands);
                let way = &mut unit.ways[i];
                way.cost = Cost::between(&self.start, &of_first);
                for Reader { id, takes } in &mut way.readers {
                    for take in takes.iter_mut() {
                        let mut cuts = first.clone();
                        cuts[*id] = take.cut;
                        take.cost = Cost::between(&of_first, &estimate.figures(&cuts, lands));
                    }
                    let mut good: Vec<Take> = Vec::new();
                    for take in takes.drain(..) {
                        if !good.iter().any(|other| other.is_as_good_as(&take)) {
                            good.retain(|other| !take.is_as_good_as(other));
                            good.push(take);
                        }
                    }
                    *takes = good;
                }
            }
        }
    }

    /// Bounds on the stack to look under, from the least that all convolutions can keep to the most that one takes.
    fn stacks(&self) -> Vec<usize> {
        let of_reader = |reader: &Reader| reader.takes.iter().map(|take| take.stack_bytes).collect::<BTreeSet<_>>();
        let of_way = |way: &Way| way.readers.iter().map(of_reader).collect::<Vec<_>>();
        let readers: Vec<Vec<Vec<BTreeSet<usize>>>> =
            self.units.iter().map(|unit| unit.ways.iter().map(of_way).collect()).collect();
        let least_of_way = |way: &Vec<BTreeSet<usize>>| way.iter().filter_map(|stacks| stacks.first()).max().copied();
        let least_of_unit = |ways: &Vec<Vec<BTreeSet<usize>>>| ways.iter().filter_map(least_of_way).min();
        let least = readers.iter().filter_map(least_of_unit).max().unwrap_or(0);
        let all = readers.into_iter().flatten().flatten().flatten().filter(|&bytes| bytes > least);
        let all: Vec<usize> = all.chain([least]).collect::<BTreeSet<_>>().into_iter().collect();
        let count = all.len().min(MOST_STACKS);
        (0..count).map(|i| all[i * (all.len() - 1) / (count - 1).max(1)]).collect()
    }

    /// What costs the least at these prices of a byte of flash and of RAM; none where the stack has no room for it.
    fn cheapest_at(&self, prices: [f64; 2], most_stack: usize) -> Option<Solution> {
        let mut barred = 0;
        let mut best = self.without(barred, prices, most_stack)?;
        loop {
            let used = (0..self.functions.len()).map(|f| 1 << f).filter(|f| best.functions & f != 0);
            let others = used.filter_map(|f| Some((barred | f, self.without(barred | f, prices, most_stack)?)));
            let other = others.min_by(|(_, a), (_, b)| a.price.total_cmp(&b.price));
            match other.filter(|(_, other)| other.price < best.price) {
                Some(other) => (barred, best) = other,
                None => return Some(best),
            }
        }
    }

    /// What costs the least without the barred functions.
    fn without(&self, barred: Functions, prices: [f64; 2], most_stack: usize) -> Option<Solution> {
        let best = |reader: &Reader| reader.best(prices, most_stack, barred).copied();
        let of_way = |way: &Way| {
            let takes = way.readers.iter().map(|reader| Some(best(reader)?.cost.at(prices)));
            Some(way.cost.at(prices) + takes.sum::<Option<f64>>()?)
        };
        let mut solution =
            Solution { price: 0.0, cuts: vec![PORTABLE; self.estimate.network.drafts.len()], functions: 0 };
        let mut stack_bytes = 0;
        for unit in &self.units {
            let ways = unit.ways.iter().filter_map(|way| Some((of_way(way)?, way)));
            let (price, way) = ways.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
            solution.price += price;
            for reader in &way.readers {
                let take = best(reader)?;
                solution.cuts[reader.id] = take.cut;
                solution.functions |= take.functions;
                stack_bytes = stack_bytes.max(take.stack_bytes);
            }
        }
        solution.price += prices[0] * self.code_bytes(solution.functions) as f64 + prices[1] * stack_bytes as f64;
        Some(solution)
    }

    /// Bytes of code.
    fn code_bytes(&self, functions: Functions) -> usize {
        let used = self.functions.iter().enumerate().filter(|(place, _)| functions & 1 << place != 0);
        used.map(|(_, function)| function.bytes()).sum()
    }
}

//! Adds up what runs, lap by lap.

use crate::cycles::{self, Cost, Model};
use crate::report::{Lap, Report, ranges};
use crate::thumb;
use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

/// The count so far.
///
/// It is told of every instruction once before it first runs ([`translated`](Self::translated)), then each time it runs
/// ([`executed`](Self::executed)), and of every store after the instruction that made it ([`stored`](Self::stored)).
#[derive(Debug)]
pub struct Counter {
    model: Option<Model>,
    /// Addresses of the array whose stores switch laps.
    switches: Range<u32>,
    /// Lap 0 is the time outside.
    lap: usize,
    laps: Vec<Lap>,
    instructions: Vec<Instruction>,
    /// What ran last, while counting.
    last: Option<usize>,
    written: HashSet<u32>,
}

#[derive(Debug)]
struct Instruction {
    address: u32,
    next: u32,
    cost: Cost,
    overlaps_next: bool,
    ran: bool,
}

impl Counter {
    /// Nothing counted. A byte stored to `switches.start + N` begins lap N, 0 being the time outside.
    pub fn new(model: Option<Model>, switches: Range<u32>) -> Self {
        let laps = vec![Lap::default(); switches.len()];
        Self { model, switches, lap: 0, laps, instructions: Vec::new(), last: None, written: HashSet::new() }
    }

    /// Takes note of the instruction at `address`; its number. `second` is the halfword behind `first`, if the instruction
    /// has one. The same instruction may be told of again, and has another number then.
    pub fn translated(&mut self, address: u32, first: u16, second: u16) -> usize {
        let class = thumb::decode(first, second);
        let cost = self.model.map_or(Cost { cycles: 0, taken: 0, overlap: 0 }, |model| model.cost(class));
        let overlaps_next = cycles::overlaps_next(class);
        let next = address.wrapping_add(thumb::len_bytes(first));
        self.instructions.push(Instruction { address, next, cost, overlaps_next, ran: false });
        self.instructions.len() - 1
    }

    /// Instruction `number` runs.
    pub fn executed(&mut self, number: usize) {
        if self.lap == 0 {
            return;
        }
        let (lap, this) = (&mut self.laps[self.lap], &self.instructions[number]);
        let mut cycles = this.cost.cycles;
        if let Some(last) = self.last.map(|last| &self.instructions[last]) {
            if last.next != this.address {
                cycles += last.cost.taken;
            } else if last.overlaps_next {
                cycles -= this.cost.overlap;
            }
        }
        lap.instructions += 1;
        lap.cycles += u64::from(cycles);
        self.instructions[number].ran = true;
        self.last = Some(number);
    }

    /// The instruction that runs has written `len_bytes` at `address`.
    pub fn stored(&mut self, address: u32, len_bytes: u32) {
        if len_bytes == 1 && self.switches.contains(&address) {
            self.lap = (address - self.switches.start) as usize;
            if self.lap == 0 {
                self.last = None;
            }
        } else if self.lap != 0 {
            self.written.extend((0..len_bytes).map(|i| address.wrapping_add(i)));
        }
    }

    /// What there is to tell; `None` as long as no lap has begun.
    pub fn report(&self) -> Option<Report> {
        let ran = self.instructions.iter().filter(|instruction| instruction.ran);
        let code: BTreeSet<u32> = ran.flat_map(|instruction| instruction.address..instruction.next).collect();
        let written: BTreeSet<u32> = self.written.iter().copied().collect();
        let report = Report { laps: self.laps.clone(), written: ranges(written), code: ranges(code) };
        (!report.code.is_empty()).then_some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCHES: Range<u32> = 0x2000_0000..0x2000_0003;

    /// A program in memory, and the counter that watches it.
    struct Machine {
        counter: Counter,
        pc: u32,
    }

    impl Machine {
        fn new(model: Option<Model>) -> Self {
            Self { counter: Counter::new(model, SWITCHES), pc: 0x100 }
        }

        /// Runs the instruction `code`, two bytes or four, at the PC, which moves on.
        fn run(&mut self, code: u32) -> &mut Self {
            let (first, second) = if code > 0xFFFF { ((code >> 16) as u16, code as u16) } else { (code as u16, 0) };
            let number = self.counter.translated(self.pc, first, second);
            self.counter.executed(number);
            self.pc += thumb::len_bytes(first);
            self
        }

        fn go_to(&mut self, pc: u32) -> &mut Self {
            self.pc = pc;
            self
        }

        /// A byte stored to the element of a lap.
        fn lap(&mut self, lap: u32) -> &mut Self {
            self.run(STRB).counter.stored(SWITCHES.start + lap, 1);
            self
        }

        fn laps(&self) -> Vec<(u64, u64)> {
            let report = self.counter.report().expect("something has run");
            report.laps.iter().map(|lap| (lap.instructions, lap.cycles)).collect()
        }
    }

    const STRB: u32 = 0x70C8;
    const LDR: u32 = 0x6848;
    const SUBS: u32 = 0x3801;
    const BNE: u32 = 0xD1FD;
    const PUSH_FOUR: u32 = 0xB40F;
    const SMULL: u32 = 0xFB82_0103;

    /// `loop: subs r0, #1; bne loop`, three times round.
    fn countdown(machine: &mut Machine) -> &mut Machine {
        let start = machine.pc;
        for _ in 0..3 {
            machine.go_to(start).run(SUBS).run(BNE);
        }
        machine
    }

    #[test]
    fn a_branch_costs_more_where_it_is_taken() {
        for model in Model::ALL {
            let mut machine = Machine::new(Some(model));
            countdown(machine.lap(1)).run(SUBS);
            // 3 × subs, 2 × bne taken, 1 × bne not taken, subs.
            assert_eq!(machine.laps(), [(0, 0), (7, 3 + 2 * 3 + 1 + 1), (0, 0)], "{model:?}");
        }
    }

    #[test]
    fn a_load_overlaps_with_the_single_access_before_it() {
        let cycles = |model| {
            let mut machine = Machine::new(Some(model));
            machine.lap(1).run(LDR).run(LDR).run(STRB).run(LDR).run(SUBS).run(LDR).run(PUSH_FOUR).run(LDR);
            machine.laps()[1]
        };
        // ldr 2, ldr 1, strb 1, ldr 1, subs 1, ldr 2, push 5, ldr 2; and without overlap, strb as dear as ldr.
        assert_eq!(cycles(Model::M4), (8, 15));
        assert_eq!(cycles(Model::M0), (8, 2 + 2 + 2 + 2 + 1 + 2 + 5 + 2));
    }

    #[test]
    fn a_load_after_a_jump_overlaps_with_nothing() {
        let mut machine = Machine::new(Some(Model::M4));
        machine.lap(1).run(LDR).go_to(0x200).run(LDR);
        assert_eq!(machine.laps()[1], (2, 4));
    }

    #[test]
    fn laps_come_in_any_order_and_the_store_ends_its_own() {
        let mut machine = Machine::new(Some(Model::M3));
        machine.run(SUBS).lap(2).run(SMULL).lap(1).run(SUBS).lap(2).run(SUBS).lap(0).run(SUBS).run(SUBS);
        // Lap 2: smull 4, strb 1; subs 1, strb 1. Lap 1: subs 1, strb 1. Outside nothing counts.
        assert_eq!(machine.laps(), [(0, 0), (2, 2), (4, 7)]);
    }

    #[test]
    fn start_up_code_that_clears_the_array_begins_no_lap() {
        let mut machine = Machine::new(None);
        machine.run(SUBS).counter.stored(SWITCHES.start, 4);
        machine.run(SUBS).counter.stored(SWITCHES.start + 1, 2);
        assert_eq!(machine.counter.report(), None);
    }

    #[test]
    fn ram_and_code_are_those_of_the_laps() {
        let mut machine = Machine::new(None);
        machine.run(SUBS).counter.stored(0x2000_0100, 4);
        machine.lap(1).run(SMULL).counter.stored(0x2000_0202, 2);
        machine.go_to(0x300).run(SUBS).counter.stored(0x2000_0200, 4);
        machine.lap(0).run(SUBS).counter.stored(0x2000_0300, 1);
        let report = machine.counter.report().expect("a lap has run");
        assert_eq!(report.written, [0x2000_0200..0x2000_0204]);
        // subs and the first store end at 0x104; smull; subs and the second store from 0x300.
        assert_eq!(report.code, [0x104..0x108, 0x300..0x304]);
        assert_eq!(report.total(), Lap { instructions: 3, cycles: 0 });
    }

    #[test]
    fn code_that_is_translated_again_is_the_same_code() {
        let mut machine = Machine::new(None);
        machine.lap(1).run(SUBS).go_to(0x102).run(SUBS);
        let report = machine.counter.report().expect("a lap has run");
        assert_eq!((report.code.clone(), report.total().instructions), (vec![0x102..0x104], 2));
    }
}

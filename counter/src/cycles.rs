//! What instructions cost: estimates from Arm's tables of timings, for memory without wait states.
//!
//! The cores' technical reference manuals (Cortex-M0 and M4: table 3-1; M3: table 18-1) give cycles by instruction. Flash
//! that makes the core wait, unaligned accesses, interrupts and the stalls that the tables do not spell out are left out: the
//! figures compare programs, they are no measurement.

use crate::thumb::Class;
use std::str::FromStr;

/// A core with a table of timings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Cortex-M0 with the single-cycle multiplier.
    M0,
    /// Cortex-M3.
    M3,
    /// Cortex-M4.
    M4,
}

/// Cycles of one instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Where the next instruction is the one behind it.
    pub cycles: u8,
    /// More where it is another: the pipeline is filled anew.
    pub taken: u8,
    /// Fewer right behind a single load or store: the two overlap.
    pub overlap: u8,
}

/// A pipeline of three stages takes two cycles to fill again.
const REFILL: u8 = 2;

impl Model {
    /// All models.
    pub const ALL: [Self; 3] = [Self::M0, Self::M3, Self::M4];

    /// `m0`, `m3`, `m4`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::M0 => "m0",
            Self::M3 => "m3",
            Self::M4 => "m4",
        }
    }

    /// What an instruction costs.
    pub const fn cost(self, class: Class) -> Cost {
        match self {
            Self::M0 => m0(class),
            Self::M3 | Self::M4 => m4(class, matches!(self, Self::M3)),
        }
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|model| model.name() == name);
        found.ok_or_else(|| format!("there is no model `{name}`: expected m0, m3 or m4"))
    }
}

/// Whether a single load right behind an instruction of this class overlaps with it.
pub const fn overlaps_next(class: Class) -> bool {
    matches!(class, Class::Load | Class::Store)
}

const fn always(cycles: u8) -> Cost {
    Cost { cycles, taken: 0, overlap: 0 }
}

const fn branch(cycles: u8) -> Cost {
    Cost { cycles, taken: REFILL, overlap: 0 }
}

const fn m4(class: Class, is_m3: bool) -> Cost {
    match class {
        Class::MultiplyAdd if is_m3 => always(2),
        Class::LongMultiply if is_m3 => always(4),
        Class::Alu | Class::System | Class::Store | Class::MultiplyAdd | Class::LongMultiply => always(1),
        Class::Divide => always(7), // 2 to 12, by the operands
        Class::Load => Cost { cycles: 2, taken: 0, overlap: 1 },
        Class::LoadToPc => Cost { cycles: 2 + REFILL, taken: 0, overlap: 1 },
        Class::LoadMultiple { words, to_pc: false } | Class::StoreMultiple { words } => always(1 + words),
        Class::LoadMultiple { words, to_pc: true } => always(1 + words + REFILL),
        Class::AluToPc | Class::Branch | Class::ConditionalBranch | Class::Call => branch(1),
        Class::TableBranch => always(6),
        Class::FloatMultiplyAdd => always(3),
        Class::FloatDivide => always(14),
    }
}

const fn m0(class: Class) -> Cost {
    match class {
        Class::Load | Class::LoadToPc | Class::Store => always(2),
        Class::LoadMultiple { words, to_pc: false } | Class::StoreMultiple { words } => always(1 + words),
        Class::LoadMultiple { words, to_pc: true } => always(4 + words),
        Class::AluToPc | Class::ConditionalBranch => branch(1),
        Class::Branch | Class::TableBranch | Class::System => always(3),
        Class::Call => always(4),
        // The rest is not in Armv6-M, but for what takes one cycle.
        _ => always(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cycles where execution goes on behind the instruction, and where it does not: on M0, M3 and M4.
    #[test]
    fn costs_by_core() {
        let (load, pop) =
            (Class::LoadMultiple { words: 4, to_pc: false }, Class::LoadMultiple { words: 4, to_pc: true });
        let table = [
            (Class::Alu, [(1, 1), (1, 1), (1, 1)]),
            (Class::AluToPc, [(1, 3), (1, 3), (1, 3)]),
            (Class::MultiplyAdd, [(1, 1), (2, 2), (1, 1)]),
            (Class::LongMultiply, [(1, 1), (4, 4), (1, 1)]),
            (Class::Divide, [(1, 1), (7, 7), (7, 7)]),
            (Class::Load, [(2, 2), (2, 2), (2, 2)]),
            (Class::LoadToPc, [(2, 2), (4, 4), (4, 4)]),
            (load, [(5, 5), (5, 5), (5, 5)]),
            (pop, [(8, 8), (7, 7), (7, 7)]),
            (Class::Store, [(2, 2), (1, 1), (1, 1)]),
            (Class::StoreMultiple { words: 4 }, [(5, 5), (5, 5), (5, 5)]),
            (Class::Branch, [(3, 3), (1, 3), (1, 3)]),
            (Class::ConditionalBranch, [(1, 3), (1, 3), (1, 3)]),
            (Class::Call, [(4, 4), (1, 3), (1, 3)]),
            (Class::TableBranch, [(3, 3), (6, 6), (6, 6)]),
            (Class::System, [(3, 3), (1, 1), (1, 1)]),
            (Class::FloatMultiplyAdd, [(1, 1), (3, 3), (3, 3)]),
            (Class::FloatDivide, [(1, 1), (14, 14), (14, 14)]),
        ];
        for (class, expected) in table {
            let found = Model::ALL.map(|model| model.cost(class)).map(|cost| (cost.cycles, cost.cycles + cost.taken));
            assert_eq!(found, expected, "{class:?}");
        }
    }

    #[test]
    fn only_single_loads_overlap_and_not_on_m0() {
        assert_eq!(Model::ALL.map(|model| model.cost(Class::Load).overlap), [0, 1, 1]);
        assert_eq!(Model::M4.cost(Class::LoadMultiple { words: 2, to_pc: false }).overlap, 0);
        assert!(overlaps_next(Class::Store) && !overlaps_next(Class::LoadToPc));
    }

    #[test]
    fn names_are_read_back() {
        Model::ALL.iter().for_each(|model| assert_eq!(model.name().parse(), Ok(*model)));
        assert!("m7".parse::<Model>().unwrap_err().contains("m0, m3 or m4"));
    }
}

//! What the program `serve` takes of each board, held against what it took when that was last agreed to.
//!
//! The network is planned as small as it gets. Boards without a machine in QEMU are built and not run.

use super::{Board, BoardError, Firmware, Image, Program, SerialLine, instructions};
use object::{Object, ObjectSymbol};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use talk::host::Host;

/// Share of the agreed instructions by which a run may take more: the stopwatch's ticks are up to 62 instructions long, and begin
/// anew with every row, whenever its last byte has come.
const TICKS_SHARE: u64 = 1_000;

/// Figures of one board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Bytes that are written to flash, the plan among them.
    pub flash_bytes: u64,
    /// Bytes of RAM that are taken for good.
    pub static_bytes: u64,
    /// The stack at its deepest, where QEMU has the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack_bytes: Option<u64>,
    /// Instructions of the slowest inference, where QEMU has the board.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// Sizes of functions and statics, those of one name together.
    pub symbols: BTreeMap<String, u64>,
}

impl Budget {
    /// Builds the program for a board around the bytes of a plan, and measures it.
    ///
    /// # Errors
    /// As [`Firmware::program`]; a self-test that fails, or nobody who answers.
    pub fn measure(board: &'static Board, plan: &[u8]) -> Result<Self, BoardError> {
        let firmware = Firmware::program(Program::Serve, board, plan)?;
        let Image { flash_bytes, static_bytes, .. } = firmware.image;
        let elf = fs::read(firmware.elf()).map_err(BoardError::io(firmware.elf().display().to_string()))?;
        let mut budget = Self {
            flash_bytes: flash_bytes as u64,
            static_bytes: static_bytes as u64,
            stack_bytes: None,
            instructions: None,
            symbols: symbols(&elf),
        };
        if let Some(qemu) = &board.qemu {
            let talk = |cause| BoardError::Talk { board: board.name, cause };
            let test =
                Host::connect(SerialLine::emulated(firmware)?).and_then(|mut host| host.self_test()).map_err(talk)?;
            if !test.passed {
                return Err(BoardError::SelfTest { board: board.name });
            }
            budget.stack_bytes = Some(test.stack_bytes.into());
            budget.instructions = Some(instructions(test.ticks.into(), qemu.clock_hz));
        }
        Ok(budget)
    }

    /// What is more than `agreed` allows, a sentence each, with the symbols that have grown.
    pub fn beyond(&self, agreed: &Self) -> Vec<String> {
        let figures = [
            ("bytes of flash", Some(self.flash_bytes), Some(agreed.flash_bytes)),
            ("bytes of static RAM", Some(self.static_bytes), Some(agreed.static_bytes)),
            ("bytes of stack", self.stack_bytes, agreed.stack_bytes),
            ("instructions", self.instructions, agreed.instructions.map(|agreed| agreed + agreed / TICKS_SHARE)),
        ];
        let beyond = |(what, found, most): (&str, Option<u64>, Option<u64>)| {
            let (found, most) = found.zip(most)?;
            (found > most).then(|| format!("{found} {what}, {most} are agreed to"))
        };
        let mut sentences: Vec<String> = figures.into_iter().filter_map(beyond).collect();
        if !sentences.is_empty() {
            sentences.extend(self.grown(agreed));
        }
        sentences
    }

    /// Symbols that are larger than agreed to, or new, the most first.
    fn grown(&self, agreed: &Self) -> Vec<String> {
        let before = |name: &String| agreed.symbols.get(name).copied().unwrap_or(0);
        let mut grown: Vec<_> = self.symbols.iter().filter(|&(name, &len)| len > before(name)).collect();
        grown.sort_by_key(|&(name, &len)| std::cmp::Reverse(len - before(name)));
        grown.iter().map(|&(name, len)| format!("  {name}: {len} bytes, {} before", before(name))).collect()
    }
}

/// Sizes by name, without the compiler's hashes and what has no name but one.
fn symbols(elf: &[u8]) -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::new();
    let Ok(file) = object::File::parse(elf) else { return sizes };
    for symbol in file.symbols().filter(|symbol| symbol.size() > 0) {
        if let Some(name) = symbol.name().ok().filter(|name| !name.starts_with('.')) {
            *sizes.entry(format!("{:#}", rustc_demangle::demangle(name))).or_default() += symbol.size();
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(flash_bytes: u64, stack_bytes: Option<u64>, symbols: &[(&str, u64)]) -> Budget {
        let symbols = symbols.iter().map(|&(name, len)| (name.to_owned(), len)).collect();
        Budget { flash_bytes, static_bytes: 10, stack_bytes, instructions: None, symbols }
    }

    #[test]
    fn what_grew_is_named_the_most_first() {
        let agreed = budget(1_000, Some(64), &[("step", 100), ("map", 50), ("gone", 9)]);
        let found = budget(1_100, Some(72), &[("step", 120), ("map", 40), ("new", 90)]);
        let expected = [
            "1100 bytes of flash, 1000 are agreed to",
            "72 bytes of stack, 64 are agreed to",
            "  new: 90 bytes, 0 before",
            "  step: 120 bytes, 100 before",
        ];
        assert_eq!(found.beyond(&agreed), expected);
    }

    #[test]
    fn instructions_may_vary_by_a_thousandth() {
        let counted = |instructions| Budget { instructions: Some(instructions), ..budget(1_000, None, &[]) };
        assert_eq!(counted(7_007_000).beyond(&counted(7_000_000)), [""; 0]);
        let expected = ["7007001 instructions, 7007000 are agreed to"];
        assert_eq!(counted(7_007_001).beyond(&counted(7_000_000)), expected);
    }

    #[test]
    fn growth_within_the_budget_and_figures_that_are_not_taken_are_nobodys_business() {
        let agreed = budget(1_000, Some(64), &[("step", 100)]);
        assert_eq!(budget(1_000, None, &[("step", 300)]).beyond(&agreed), [""; 0]);
        assert_eq!(agreed.beyond(&budget(1_000, None, &[])), [""; 0]);
    }
}

//! What the bench's ELF says of itself: the array of laps, and the sizes of functions.

use super::super::{BoardError, Firmware};
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

/// The firmware's static array; rustc has its own name for it, with this in it.
const LAPS: &str = "BENCH_LAP";

/// Facts of an ELF.
#[derive(Debug)]
pub struct Elf {
    /// Addresses of the array whose stores switch laps.
    pub laps: Range<u32>,
    /// Bytes of section `.text`.
    pub text_bytes: u64,
    /// Functions by address, with their ends.
    functions: BTreeMap<u32, u32>,
}

impl Elf {
    /// Reads them.
    pub fn read(firmware: &Firmware) -> Result<Self, BoardError> {
        let bytes = fs::read(firmware.elf()).map_err(BoardError::io(firmware.elf().display().to_string()))?;
        let broken =
            |what: &str| BoardError::Build { board: firmware.board.name, log: format!("the ELF has no {what}") };
        let file = object::File::parse(&*bytes).map_err(|_| broken("header"))?;
        let text = file.section_by_name(".text").ok_or_else(|| broken(".text"))?;
        let laps = file.symbols().find(|symbol| symbol.name().is_ok_and(|name| name.contains(LAPS)));
        let laps = laps.map(|symbol| extent(&symbol)).ok_or_else(|| broken(LAPS))?;
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0);
        let functions = functions.map(|symbol| extent(&symbol)).map(|range| (range.start, range.end)).collect();
        Ok(Self { laps, text_bytes: text.size(), functions })
    }

    /// Bytes of all the functions of which `code` is a part, and of code that is in no function.
    pub fn functions_bytes(&self, code: &[Range<u32>]) -> u64 {
        let mut counted = BTreeMap::new();
        for address in code.iter().cloned().flatten() {
            let function = self.functions.range(..=address).next_back().filter(|&(_, &end)| address < end);
            let (start, end) = function.map_or((address, address + 1), |(&start, &end)| (start, end));
            counted.insert(start, end - start);
        }
        counted.values().map(|&len| u64::from(len)).sum()
    }
}

/// From a symbol's first byte to the one behind it; bit 0 says that code is Thumb.
fn extent<'data>(symbol: &impl ObjectSymbol<'data>) -> Range<u32> {
    let start = match symbol.kind() {
        SymbolKind::Text => symbol.address() as u32 & !1,
        _ => symbol.address() as u32,
    };
    start..start + symbol.size() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_counts_whole_and_once_and_what_is_in_none_by_its_bytes() {
        let functions = [(0x100, 0x140), (0x140, 0x150), (0x200, 0x210)].into();
        let elf = Elf { laps: 0..0, text_bytes: 0, functions };
        assert_eq!(elf.functions_bytes(&[0x102..0x104, 0x13E..0x142]), 0x40 + 0x10);
        assert_eq!(elf.functions_bytes(&[0x14E..0x151, 0x152..0x154]), 0x10 + 3);
    }
}

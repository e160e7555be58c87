//! What fills a board's flash and RAM, from the ELF: sections, and in them symbols by the crate that they come from.

mod svg;

use super::{BoardError, Firmware, Image, Region, image};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, elf::SHF_ALLOC};
use std::collections::BTreeMap;
use std::fs;

pub use svg::to_svg;

/// A program's flash and RAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// What the picture is called.
    pub title: String,
    /// What is written to flash.
    pub flash: Space,
    /// What is taken of RAM.
    pub ram: Space,
}

/// A memory, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// What people call it.
    pub name: &'static str,
    /// Its length.
    pub len_bytes: u64,
    /// What takes how many bytes, in the order of [`Kind`].
    pub parts: BTreeMap<Kind, u64>,
}

impl Space {
    /// Bytes that are taken.
    pub fn used_bytes(&self) -> u64 {
        self.parts.values().sum()
    }

    /// Bytes that are not.
    pub fn free_bytes(&self) -> u64 {
        self.len_bytes.saturating_sub(self.used_bytes())
    }
}

/// What bytes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The vector table, and what the boot ROM wants.
    Vectors,
    /// The plan: weights, shapes, the order of work.
    Plan,
    /// infer-nostd: operators and kernels.
    Engine,
    /// The firmware's own code.
    Program,
    /// The crate talk: frames and messages.
    Messages,
    /// Rust's core, start-up code and other crates.
    Library,
    /// Data without a name: literals, tables, sample images, and gaps.
    Constants,
    /// What statics are set to at the start, copied to RAM.
    InitialValues,
    /// The engine's rows and accumulators.
    Arena,
    /// Other statics.
    Statics,
    /// The stack at its deepest.
    Stack,
}

impl Kind {
    /// A few words.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Vectors => "vector table, boot",
            Self::Plan => "plan and weights",
            Self::Engine => "engine (infer-nostd)",
            Self::Program => "program (firmware)",
            Self::Messages => "messages (talk)",
            Self::Library => "core, start-up, other crates",
            Self::Constants => "constants",
            Self::InitialValues => "initial values of statics",
            Self::Arena => "engine's rows (arena)",
            Self::Statics => "other statics",
            Self::Stack => "stack at its deepest",
        }
    }

    /// What a symbol of flash is.
    fn of(name: &str) -> Self {
        let plain = name.trim_start_matches(['<', '&', '[', '(']);
        let crate_name = plain.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default();
        match crate_name {
            _ if name.contains("PLAN_WORDS") => Self::Plan,
            "infer_nostd" => Self::Engine,
            _ if plain == crate_name && crate_name.starts_with("infer_") => Self::Engine, // kernels in assembly
            "firmware" | "serve" | "camera" | "bench" => Self::Program,
            "talk" => Self::Messages,
            _ if name.starts_with(".L") || name.starts_with("anon.") => Self::Constants,
            _ => Self::Library,
        }
    }
}

impl Map {
    /// Reads a program's ELF. How deep the stack is, it does not say.
    ///
    /// # Errors
    /// The ELF cannot be read.
    pub fn new(firmware: &Firmware) -> Result<Self, BoardError> {
        let name = firmware.elf().display().to_string();
        let elf = fs::read(firmware.elf()).map_err(BoardError::io(name))?;
        let (board, image) = (firmware.board, firmware.image);
        let refuse = || BoardError::Image { board: board.name, reason: "the linker's output is not an ELF".into() };
        let file = object::File::parse(&*elf).map_err(|_| refuse())?;
        let whole_flash = image::whole_flash(board);
        let flash = flash(&file, &whole_flash, image);
        let ram = ram(&file, &board.ram, image);
        let space = |name, region: &Region, parts| Space { name, len_bytes: region.len_bytes.into(), parts };
        Ok(Self {
            title: format!("{}, {}", board.title, board.core),
            flash: space("Flash", &whole_flash, flash),
            ram: space("RAM", &board.ram, ram),
        })
    }

    /// Notes how deep the stack has been in a run.
    pub fn ran(&mut self, stack_bytes: u64) {
        self.ram.parts.insert(Kind::Stack, stack_bytes);
    }
}

/// All that is written to flash: what lies there, and what is copied to RAM from there.
fn flash(file: &object::File, region: &Region, image: Image) -> BTreeMap<Kind, u64> {
    let mut parts = BTreeMap::new();
    let mut add = |kind, bytes: u64| *parts.entry(kind).or_default() += bytes;
    let is_loaded = |section: &object::Section| match section.flags() {
        SectionFlags::Elf { sh_flags, .. } => sh_flags.0 & SHF_ALLOC.0 != 0,
        _ => false,
    };
    for section in file.sections().filter(is_loaded) {
        let len = section.size();
        let in_flash = image::holds(region, section.address() as u32, len as u32);
        match section.name().unwrap_or_default() {
            _ if !in_flash => add(Kind::InitialValues, section.data().map_or(0, |data| data.len() as u64)),
            ".vector_table" | ".boot2" | ".image_definition" | ".init" => add(Kind::Vectors, len),
            _ => {
                let symbols = symbols(file, section.address()..section.address() + len);
                let named: u64 = symbols.iter().map(|(_, bytes)| bytes).sum();
                symbols.iter().for_each(|(name, bytes)| add(Kind::of(name), *bytes));
                add(Kind::Constants, len - named);
            }
        }
    }
    let counted: u64 = parts.values().sum();
    *parts.entry(Kind::Constants).or_default() += (image.flash_bytes as u64).saturating_sub(counted);
    parts.retain(|_, bytes| *bytes > 0);
    parts
}

fn ram(file: &object::File, region: &Region, image: Image) -> BTreeMap<Kind, u64> {
    let origin = u64::from(region.origin);
    let symbols = symbols(file, origin..origin + u64::from(region.len_bytes));
    let arena: u64 = symbols.iter().filter(|(name, _)| name.ends_with("::ARENA")).map(|(_, bytes)| bytes).sum();
    let parts = [(Kind::Arena, arena), (Kind::Statics, (image.static_bytes as u64).saturating_sub(arena))];
    parts.into_iter().filter(|&(_, bytes)| bytes > 0).collect()
}

/// Names of what lies in a range and its bytes, each byte counted once: symbols may share memory.
fn symbols(file: &object::File, range: std::ops::Range<u64>) -> Vec<(String, u64)> {
    let mut found: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.size() > 0)
        .map(|symbol| (symbol.address() & !u64::from(symbol.kind() == object::SymbolKind::Text), symbol))
        .filter(|(address, _)| range.contains(address))
        .collect();
    found.sort_by_key(|(address, symbol)| (*address, std::cmp::Reverse(symbol.size())));
    let mut behind = range.start;
    let mut counted = Vec::new();
    for (address, symbol) in found {
        let (start, end) = (address.max(behind), (address + symbol.size()).min(range.end));
        if start < end {
            let name = rustc_demangle::demangle(symbol.name().unwrap_or_default());
            counted.push((format!("{name:#}"), end - start));
            behind = end;
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_known_by_their_crates() {
        for (name, kind) in [
            ("firmware::network::PLAN_WORDS", Kind::Plan),
            ("infer_nostd::ops::conv2d::row", Kind::Engine),
            ("infer_m0_words_t3_n4", Kind::Engine),
            ("<serve::app::Timed as talk::chip::Network>::push_row", Kind::Program),
            ("talk::crc32::Crc32::update", Kind::Messages),
            ("core::panicking::panic", Kind::Library),
            ("__aeabi_memclr4", Kind::Library),
            ("Reset", Kind::Library),
            ("anon.3f.12", Kind::Constants),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn what_is_not_used_is_free() {
        let parts = [(Kind::Arena, 3_000), (Kind::Stack, 500)].into();
        let space = Space { name: "RAM", len_bytes: 8_192, parts };
        assert_eq!((space.used_bytes(), space.free_bytes()), (3_500, 4_692));
    }
}

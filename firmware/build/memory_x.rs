//! memory.x: what goes where in the chip's memories.
//!
//! ```text
//! RAM  [ stack, growing down          <──┤ .data, .bss ]
//! ```
//!
//! The statics lie at RAM's end and the stack below them, so that a stack too deep leaves RAM, where the processor traps. How long the
//! statics are, LLD knows after it has laid out everything once; it lays out again until no symbol changes, so that one link is enough.

use crate::boards::{Board, Boot, Region, SECOND_STAGE_BYTES};

/// What cortex-m-rt's link.x includes, and riscv-rt's, which wants to know besides what goes where.
pub fn generate(board: &Board) -> String {
    let (flash, ram) = (&board.flash, &board.ram);
    let second_stage = Region { origin: flash.origin.wrapping_sub(SECOND_STAGE_BYTES), len_bytes: SECOND_STAGE_BYTES };
    let (more_memory, more) = match board.boot {
        Boot::VectorTable => (String::new(), ""),
        Boot::SecondStage => (line("BOOT2", &second_stage), SECOND_STAGE),
        Boot::ImageDefinition => (String::new(), IMAGE_DEFINITION),
    };
    let (stack_end, ram_end) = (ram.origin, ram.origin + ram.len_bytes);
    let memory = format!(
        "MEMORY {{
{more_memory}{flash}  RAM : ORIGIN = ({ram_end:#010x} - {STATICS}) & ~7, LENGTH = ({STATICS} + 7) & ~7
  STACK : ORIGIN = {stack_end:#010x}, LENGTH = {ram_end:#010x} - {stack_end:#010x}
}}
_stack_start = ORIGIN(RAM);
_stack_end = ORIGIN(STACK);
ASSERT(_stack_end <= _stack_start, \"the statics are longer than RAM\");
{more}",
        flash = line("FLASH", flash),
    );
    let aliases = if board.target.starts_with("riscv") { &ALIASES[..] } else { &[] };
    aliases.iter().fold(memory, |all, (region, place)| all + &format!("REGION_ALIAS(\"REGION_{region}\", {place});\n"))
}

fn line(name: &str, region: &Region) -> String {
    format!("  {name} : ORIGIN = {:#010x}, LENGTH = {}\n", region.origin, region.len_bytes)
}

/// Bytes from the first static to the last, by names that both start-up crates have.
const STATICS: &str = "(__euninit - __sdata)";

/// riscv-rt's names of memories.
const ALIASES: [(&str, &str); 6] =
    [("TEXT", "FLASH"), ("RODATA", "FLASH"), ("DATA", "RAM"), ("BSS", "RAM"), ("HEAP", "RAM"), ("STACK", "STACK")];

/// Where `src/cpu/second_stage.rs` goes.
const SECOND_STAGE: &str = "\
SECTIONS {
  .boot2 ORIGIN(BOOT2) : { KEEP(*(.boot2)) } > BOOT2
} INSERT BEFORE .text;
";

/// The smallest block of an Arm image that the RP2350's boot ROM starts, word by word as the datasheet has it: begin; item
/// IMAGE_TYPE, one word long, an executable, secure, for Arm, on RP2350; last item; no other block; end.
const IMAGE_DEFINITION: &str = "\
SECTIONS {
  .image_definition : ALIGN(4) {
    LONG(0xffffded3) LONG(0x10210142) LONG(0x000001ff) LONG(0x00000000) LONG(0xab123579)
  } > FLASH
} INSERT AFTER .vector_table;
_stext = ADDR(.image_definition) + SIZEOF(.image_definition);
";

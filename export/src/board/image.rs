//! What is in an ELF for a board, held against what the chip's core and its boot ROM expect to find.

use super::{Board, BoardError, Region, table};
use object::{Object, ObjectSegment, ObjectSymbol, SegmentFlags, elf::PF_X};
use table::{Boot, SECOND_STAGE_BYTES};

/// Where a program's bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Bytes that are written to flash.
    pub flash_bytes: usize,
    /// Bytes of RAM that are the program's for good.
    pub static_bytes: usize,
    /// Bytes of RAM that are left for the stack.
    pub stack_room: usize,
}

/// The words of the block that an RP2350 looks for, first to last, in the first 4 KB.
const IMAGE_DEFINITION: [u32; 5] = [0xFFFF_DED3, 0x1021_0142, 0x0000_01FF, 0, 0xAB12_3579];
const IMAGE_DEFINITION_WITHIN: u32 = 4096;

/// A loaded part of the file.
struct Segment<'a> {
    /// Its address when the program runs.
    address: u32,
    /// Bytes there.
    len: u32,
    /// What the file has of them, and is written to flash.
    bytes: &'a [u8],
    is_code: bool,
}

/// Checks that everything lies in the board's flash and RAM, and that the chip starts: the stack's beginning and the address of the first
/// instruction where the core looks for them, and what its boot ROM wants.
///
/// # Errors
/// [`BoardError::Image`], with what was expected and what was found.
pub fn check(elf: &[u8], board: &Board) -> Result<Image, BoardError> {
    let refuse = |reason: String| BoardError::Image { board: board.name, reason };
    let file = object::File::parse(elf).map_err(|_| refuse("the linker's output is not an ELF".into()))?;
    let segments = segments(&file).map_err(&refuse)?;
    let (flash, ram) = (whole_flash(board), &board.ram);
    for Segment { address, len, bytes, .. } in &segments {
        let place = if holds(&flash, *address, *len) { !bytes.is_empty() } else { holds(ram, *address, *len) };
        if !place {
            return Err(refuse(format!(
                "{len} bytes at {address:#010x}: expected them in flash ({}) or RAM ({})",
                range(&flash),
                range(ram)
            )));
        }
    }
    let flash_bytes: usize = segments.iter().map(|segment| segment.bytes.len()).sum();
    if flash_bytes > flash.len_bytes as usize {
        return Err(refuse(format!("{flash_bytes} bytes for flash: expected at most {}", flash.len_bytes)));
    }
    let (stack, start) = if board.target.starts_with("riscv") {
        (stack_start(&file).map_err(&refuse)?, file.entry() as u32)
    } else {
        vectors(&segments, board).map_err(&refuse)?
    };
    let is_code = |segment: &Segment| segment.is_code && start.wrapping_sub(segment.address) < segment.len;
    if !segments.iter().any(is_code) {
        return Err(refuse(format!("the first instruction is at {start:#010x}: expected it in the program's code")));
    }
    boot(&segments, board).map_err(&refuse)?;
    // The stack has RAM's beginning, the statics the rest: firmware/build/memory_x.rs.
    let stack_room = stack.wrapping_sub(ram.origin).min(ram.len_bytes);
    Ok(Image { flash_bytes, static_bytes: (ram.len_bytes - stack_room) as usize, stack_room: stack_room as usize })
}

/// Where the stack begins, where no vector table says so.
fn stack_start(file: &object::File) -> Result<u32, String> {
    let symbol = file.symbols().find(|symbol| symbol.name() == Ok("_stack_start"));
    symbol.map(|symbol| symbol.address() as u32).ok_or_else(|| "no symbol _stack_start: it has no stack".into())
}

/// The board's flash from its beginning, which the boot ROM may want something at.
pub(super) fn whole_flash(board: &Board) -> Region {
    let before = if board.boot == Boot::SecondStage { SECOND_STAGE_BYTES } else { 0 };
    Region { origin: board.flash.origin - before, len_bytes: board.flash.len_bytes + before }
}

fn segments<'a>(file: &object::File<'a>) -> Result<Vec<Segment<'a>>, String> {
    let segment = |segment: object::Segment<'a, '_>| {
        let small =
            |value: u64| u32::try_from(value).map_err(|_| format!("an address of {value:#x}: expected 32 bits"));
        Ok(Segment {
            address: small(segment.address())?,
            len: small(segment.size())?,
            bytes: segment.data().map_err(|e| e.to_string())?,
            is_code: matches!(segment.flags(), SegmentFlags::Elf { p_flags, .. } if p_flags.0 & PF_X.0 != 0),
        })
    };
    file.segments().filter(|segment| segment.size() > 0).map(segment).collect()
}

pub(super) fn holds(region: &Region, address: u32, len: u32) -> bool {
    address.checked_sub(region.origin).is_some_and(|at| u64::from(at) + u64::from(len) <= u64::from(region.len_bytes))
}

fn range(region: &Region) -> String {
    format!("{:#010x}..{:#010x}", region.origin, u64::from(region.origin) + u64::from(region.len_bytes))
}

/// `len` bytes of flash at an address.
fn read<'a>(segments: &[Segment<'a>], address: u32, len: usize) -> Option<&'a [u8]> {
    segments.iter().find_map(|segment| {
        let at = address.checked_sub(segment.address)? as usize;
        segment.bytes.get(at..at.checked_add(len)?)
    })
}

fn word(segments: &[Segment], address: u32) -> Option<u32> {
    read(segments, address, 4)?.try_into().ok().map(u32::from_le_bytes)
}

/// The vector table's first two words: where the stack begins, and the address of the first instruction.
fn vectors(segments: &[Segment], board: &Board) -> Result<(u32, u32), String> {
    let Region { origin, .. } = board.flash;
    let words = word(segments, origin).zip(word(segments, origin + 4));
    let (stack, reset) = words.ok_or_else(|| format!("no vector table at {origin:#010x}"))?;
    let in_ram = stack.wrapping_sub(1).wrapping_sub(board.ram.origin) < board.ram.len_bytes;
    if !in_ram || !stack.is_multiple_of(8) {
        return Err(format!("the stack begins at {stack:#010x}: expected a multiple of 8 in {}", range(&board.ram)));
    }
    if reset & 1 == 0 {
        return Err(format!("the reset vector is {reset:#010x}: expected bit 0 to be set, for Thumb"));
    }
    Ok((stack, reset & !1))
}

/// What the boot ROM checks.
fn boot(segments: &[Segment], board: &Board) -> Result<(), String> {
    let origin = board.flash.origin;
    match board.boot {
        Boot::VectorTable => Ok(()),
        Boot::SecondStage => {
            let stage = read(segments, origin - SECOND_STAGE_BYTES, SECOND_STAGE_BYTES as usize);
            let (code, crc) = stage.and_then(|stage| stage.split_last_chunk()).ok_or("no second stage before it")?;
            let (expected, found) = (crc32_mpeg2(code), u32::from_le_bytes(*crc));
            if expected == found {
                Ok(())
            } else {
                Err(format!("the second stage's checksum is {found:#010x}, expected {expected:#010x}"))
            }
        }
        Boot::ImageDefinition => {
            let is_block =
                |at: &u32| (0..).step_by(4).zip(IMAGE_DEFINITION).all(|(i, w)| word(segments, at + i) == Some(w));
            let last = origin + IMAGE_DEFINITION_WITHIN - 4 * IMAGE_DEFINITION.len() as u32;
            let found = (origin..=last).step_by(4).any(|at| is_block(&at));
            if found {
                Ok(())
            } else {
                Err(format!("no image definition in the first {IMAGE_DEFINITION_WITHIN} bytes"))
            }
        }
    }
}

/// CRC-32/MPEG-2: the polynomial of zip's, not reflected and not inverted at the end.
fn crc32_mpeg2(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| (crc << 1) ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;

    /// An ELF for Arm of segments: address, bytes, bytes in memory, code or not.
    fn elf(segments: &[(u32, &[u8], u32, bool)]) -> Vec<u8> {
        let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let count = segments.len() as u32;
        let header = [0x0028_0002, 1, 0, 52, 0, 0x0500_0000, 0x0020_0034, count, 0];
        file.extend(header.iter().flat_map(|word: &u32| word.to_le_bytes()));
        let mut at = 52 + 32 * count;
        for &(address, bytes, len, is_code) in segments {
            let header = [1, at, address, address, bytes.len() as u32, len, if is_code { 5 } else { 4 }, 4];
            file.extend(header.iter().flat_map(|word| word.to_le_bytes()));
            at += bytes.len() as u32;
        }
        segments.iter().for_each(|(_, bytes, ..)| file.extend_from_slice(bytes));
        file
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn refusal(segments: &[(u32, &[u8], u32, bool)], name: &str) -> String {
        check(&elf(segments), board(name).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn a_program_is_measured() {
        let code = words(&[0x2000_1F98, 0x0800_0009, 0xE7FE_E7FE]);
        let file = elf(&[(0x0800_0000, &code, 12, true), (0x2000_1F98, &[], 104, false)]);
        let found = check(&file, board("stm32f100rb").unwrap()).unwrap();
        assert_eq!(found, Image { flash_bytes: 12, static_bytes: 104, stack_room: 8192 - 104 });
    }

    #[test]
    fn what_the_core_would_not_start_is_refused() {
        for (vectors, reason) in [
            ([0x2000_2008, 0x0800_0009], "the stack begins at 0x20002008"),
            ([0x2000_1FFC, 0x0800_0009], "the stack begins at 0x20001ffc"),
            ([0x2000_0000, 0x0800_0009], "the stack begins at 0x20000000"),
            ([0x2000_2000, 0x0800_0008], "expected bit 0 to be set"),
            ([0x2000_2000, 0x0800_0101], "the first instruction is at 0x08000100"),
        ] {
            let code = words(&[vectors[0], vectors[1], 0xE7FE_E7FE]);
            let found = refusal(&[(0x0800_0000, &code, 12, true)], "stm32f100rb");
            assert!(found.contains(reason), "{found}");
        }
        let code = words(&[0x2000_2000, 0x0800_0009, 0xE7FE_E7FE]);
        let found = refusal(&[(0x0800_0000, &code, 12, false)], "stm32f100rb");
        assert!(found.contains("expected it in the program's code"), "{found}");
        assert!(refusal(&[], "stm32f100rb").contains("no vector table at 0x08000000"));
    }

    #[test]
    fn what_lies_outside_of_flash_and_ram_is_refused() {
        let code = words(&[0x2000_2000, 0x0800_0009, 0xE7FE_E7FE]);
        for segment in
            [(0x0801_FFFC, &[1; 8][..], 8, false), (0x2000_1FFC, &[], 8, false), (0x1000_0000, &[], 4, false)]
        {
            let found = refusal(&[(0x0800_0000, &code, 12, true), segment], "stm32f100rb");
            assert!(found.contains("bytes at") && found.contains("0x08000000..0x08020000"), "{found}");
        }
    }

    #[test]
    fn what_boot_roms_want_is_asked_for() {
        assert_eq!(crc32_mpeg2(b"123456789"), 0x0376_E6E7); // the catalogue's check value
        let code = words(&[0x2004_0000, 0x1000_0109, 0xE7FE_E7FE]);
        let program = (0x1000_0100, &code[..], 12, true);
        assert!(refusal(&[program], "rp2040").contains("no second stage"));
        let mut stage = [0; 256];
        stage[..252].fill(7);
        let found = refusal(&[program, (0x1000_0000, &stage, 256, false)], "rp2040");
        assert!(found.contains("checksum is 0x00000000"), "{found}");
        let crc = crc32_mpeg2(&stage[..252]);
        stage[252..].copy_from_slice(&crc.to_le_bytes());
        let file = elf(&[program, (0x1000_0000, &stage, 256, false)]);
        assert_eq!(check(&file, board("rp2040").unwrap()).unwrap().flash_bytes, 268);

        let code = words(&[0x2000_0100, 0x1000_0009, 0xE7FE_E7FE]);
        let program = (0x1000_0000, &code[..], 12, true);
        assert!(refusal(&[program], "rp2350").contains("no image definition"));
        let block = words(&IMAGE_DEFINITION);
        let beyond = (0x1000_0FF0, &block[..], 20, false);
        assert!(refusal(&[program, beyond], "rp2350").contains("no image definition"));
        let within = (0x1000_0FEC, &block[..], 20, false);
        assert!(check(&elf(&[program, within]), board("rp2350").unwrap()).is_ok());
    }
}

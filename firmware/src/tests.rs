//! The table of boards against the files that cannot take it in.

use crate::boards::{BOARDS, Board, CORES, Region, SUBSETS, find};
use std::fs;
use std::path::Path;
use std::process::Command;

const MANIFEST: &str = include_str!("../Cargo.toml");
const CARGO_CONFIG: &str = include_str!("../../.cargo/config.toml");
const README: &str = include_str!("../README.md");
const CHIPS: &str = include_str!("../chips.txt");

fn check(file: &str, text: &str, wanted: &str) {
    assert!(text.contains(wanted), "{file} lacks a board's line: {wanted}");
}

#[test]
fn every_board_has_its_feature_alias_and_page() {
    for board in BOARDS {
        let (name, target) = (board.name, board.target);
        let chip = board.chip.expect("a board has a chip to flash");
        check("Cargo.toml", MANIFEST, &format!("board-{name} = ["));
        let build = format!(r#""--target", "{target}", "--features", "board-{name}""#);
        let runner = format!(r#""--config", "target.{target}.runner='probe-rs run --chip {chip}'""#);
        check(".cargo/config.toml", CARGO_CONFIG, &format!("flash-{name} = "));
        check(".cargo/config.toml", CARGO_CONFIG, &format!("{build}, {runner}]"));
        check("README.md", README, &format!("`{name}`"));
        if let Some(qemu) = &board.qemu {
            check("README.md", README, &format!("-M {} ", qemu.machine));
        }
    }
}

/// `cargo run` at the root is `export`: cargo takes no default where two packages have one.
#[test]
fn one_package_is_what_cargo_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest =
        |folder: &str| fs::read_to_string(root.join(folder).join("Cargo.toml")).expect("a member's manifest");
    let members = manifest("");
    let (_, members) = members.split_once("members = [").expect("a workspace");
    let members = members.split(']').next().unwrap_or_default().split('"').skip(1).step_by(2);
    let defaults: Vec<&str> = members.filter(|member| manifest(member).contains("\ndefault-run")).collect();
    assert_eq!(defaults, ["export"]);
}

/// A kind of memory, `NVM` or `RAM`, and its first address and the one behind its last.
type Memory = (String, u64, u64);

/// The memories of a chip in probe-rs's words, neighbours joined.
fn memories(text: &str) -> Vec<Memory> {
    let address = |text: &str| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok();
    let memory = |line: &str| {
        let (kind, range) = line.split_once(": ")?;
        let (start, end) = range.split_whitespace().next()?.split_once("..")?;
        Some((kind.to_owned(), address(start)?, address(end)?))
    };
    let mut joined: Vec<Memory> = Vec::new();
    for (kind, start, end) in text.lines().map_while(memory) {
        match joined.last_mut() {
            Some(last) if last.0 == kind && last.2 == start => last.2 = end,
            _ => joined.push((kind, start, end)),
        }
    }
    joined
}

/// Whether a board's flash and RAM lie in its chip's memories.
fn lies_within(board: &Board, memories: &[Memory]) -> bool {
    let within = |kind: &str, region: &Region| {
        let (start, end) = (u64::from(region.origin), u64::from(region.origin) + u64::from(region.len_bytes));
        memories.iter().any(|memory| memory.0 == kind && memory.1 <= start && end <= memory.2)
    };
    within("NVM", &board.flash) && within("RAM", &board.ram)
}

#[test]
fn every_boards_memories_are_those_that_probe_rs_has() {
    for board in BOARDS {
        let chip = board.chip.expect("a board has a chip to flash");
        let (_, recorded) =
            CHIPS.split_once(&format!("\n{chip}\n")).unwrap_or_else(|| panic!("chips.txt lacks {chip}"));
        let recorded = memories(recorded);
        assert!(lies_within(board, &recorded), "{}: {recorded:x?}", board.name);
    }
}

/// The same against a probe-rs, where one is installed: that it knows each chip, and what it says of it.
#[test]
fn an_installed_probe_rs_knows_every_chip() {
    for board in BOARDS {
        let chip = board.chip.expect("a board has a chip to flash");
        let Ok(info) = Command::new("probe-rs").args(["chip", "info", chip]).output() else {
            println!("skipped: probe-rs is not installed");
            return;
        };
        let text = String::from_utf8_lossy(&info.stdout);
        let first = text.find("NVM: ").into_iter().chain(text.find("RAM: ")).min().unwrap_or(text.len());
        let found = memories(&text[first..]);
        assert!(lies_within(board, &found), "{}: {found:x?}", board.name);
    }
}

#[test]
fn memories_are_read_and_neighbours_joined() {
    let text = "RAM: 0x20000000..0x2001c000 (112 KiB)\nRAM: 0x2001c000..0x20020000 (16 KiB)\nend\nRAM: 0x0..0x1";
    assert_eq!(memories(text), [("RAM".to_owned(), 0x2000_0000, 0x2002_0000)]);
}

#[test]
fn every_core_has_its_feature_and_nothing_to_flash() {
    for core in CORES.iter().chain(SUBSETS) {
        check("Cargo.toml", MANIFEST, &format!("board-{} = [", core.name));
        assert!(core.chip.is_none() && !CARGO_CONFIG.contains(&format!("board-{}", core.name)), "{}", core.name);
    }
}

#[test]
fn a_board_is_found_by_its_name_and_by_its_machine() {
    assert_eq!(find("microbit").map(|board| board.name), Some("nrf51822"));
    assert_eq!(find("stm32f100rb").map(|board| board.chip), Some(Some("STM32F100RB")));
    assert_eq!(find("sifive_e").map(|board| board.name), Some("fe310"));
    assert!(find("arduino").is_none());
}

#[test]
fn ticks_are_instructions_times_the_clock_in_gigahertz() {
    assert_eq!(crate::boards::instructions(168, 168_000_000), 1_000);
    assert_eq!(crate::boards::instructions(24_000_000, 24_000_000), 1_000_000_000);
}

//! The table of boards against the files that cannot take it in.

use crate::boards::{BOARDS, find};

const MANIFEST: &str = include_str!("../Cargo.toml");
const CARGO_CONFIG: &str = include_str!("../../.cargo/config.toml");
const README: &str = include_str!("../README.md");

fn check(file: &str, text: &str, wanted: &str) {
    assert!(text.contains(wanted), "{file} lacks a board's line: {wanted}");
}

#[test]
fn every_board_has_its_feature_alias_runner_and_page() {
    for board in BOARDS {
        let (name, target, chip, machine) = (board.name, board.target, board.chip, board.qemu_machine);
        check("Cargo.toml", MANIFEST, &format!("board-{name} = []"));
        let alias =
            format!("flash-{name} = \"run -p firmware --profile firmware --target {target} --features board-{name}\"");
        check(".cargo/config.toml", CARGO_CONFIG, &alias);
        check(
            ".cargo/config.toml",
            CARGO_CONFIG,
            &format!("[target.{target}]\nrunner = \"probe-rs run --chip {chip}\""),
        );
        check("README.md", README, &format!("cargo flash-{name}"));
        check("README.md", README, &format!("-M {machine} "));
    }
}

#[test]
fn a_board_is_found_by_its_name_and_by_its_machine() {
    assert_eq!(find("microbit").map(|board| board.name), Some("nrf51822"));
    assert_eq!(find("stm32f100rb").map(|board| board.chip), Some("STM32F100RB"));
    assert!(find("arduino").is_none());
}

#[test]
fn ticks_are_instructions_times_the_clock_in_gigahertz() {
    assert_eq!(crate::boards::instructions(168, 168_000_000), 1_000);
    assert_eq!(crate::boards::instructions(24_000_000, 24_000_000), 1_000_000_000);
}

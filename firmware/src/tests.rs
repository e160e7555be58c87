//! The table of boards against the files that cannot take it in.

use crate::boards::{BOARDS, CORES, SUBSETS, find};

const MANIFEST: &str = include_str!("../Cargo.toml");
const CARGO_CONFIG: &str = include_str!("../../.cargo/config.toml");
const README: &str = include_str!("../README.md");

fn check(file: &str, text: &str, wanted: &str) {
    assert!(text.contains(wanted), "{file} lacks a board's line: {wanted}");
}

#[test]
fn every_board_has_its_feature_alias_runner_and_page() {
    for board in BOARDS {
        let (name, target, machine) = (board.name, board.target, board.qemu_machine);
        let chip = board.chip.expect("a board has a chip to flash");
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
        let plan = if board.plan_target == "portable" { "net" } else { board.plan_target };
        check("README.md", README, &format!("`{plan}.plan`"));
        check("README.md", README, &format!("-M {machine} "));
    }
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

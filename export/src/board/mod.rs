//! The firmware on a board: built for one, run in QEMU's machine of the same chip, asked about images; and [`bench`], which
//! counts what an inference takes on each core.
//!
//! The ELF that answers is the one that `probe-rs` flashes; what is compiled for the emulator alone is the bench.

pub mod bench;
mod budget;
mod build;
mod connected;
mod emulated;
mod error;
mod flash;
mod gdb;
mod image;
mod journal;
mod line;
mod map;
mod qemu;
mod rtt;
mod stage;
#[path = "../../../firmware/boards.rs"]
mod table;

pub use budget::Budget;
pub use build::{Firmware, Program};
pub use connected::{Chip, Connected};
pub use emulated::{Emulated, Machine};
pub use error::BoardError;
pub use flash::{Probe, check_probe_rs};
pub use image::Image;
pub use journal::Journal;
pub use line::SerialLine;
pub use map::{Kind, Map, Space, to_svg};
pub use qemu::{Output, check_qemu};
pub use rtt::RttLine;
pub use stage::{OnBoard, Runs};
pub use table::{BOARDS, Board, CORES, Frame, Qemu, Region, SUBSETS, Serial, instructions};

pub use crate::validate::Figures;

use crate::plan::{self, Options, PlanError, Target};
use crate::quantize::QuantGraph;
use std::str::FromStr;

/// Where a plan runs, as `--on` names it.
#[derive(Clone, Copy)]
pub enum On {
    /// `qemu:BOARD`: in QEMU's machine of the board.
    Qemu(&'static Board),
    /// `probe:BOARD` or `probe:CHIP`: on the board itself, through a debug probe.
    Probe(&'static Board),
}

impl On {
    /// The board.
    pub fn board(self) -> &'static Board {
        match self {
            Self::Qemu(board) | Self::Probe(board) => board,
        }
    }

    /// Whether what runs it is installed: to be asked before a build, which takes its time.
    ///
    /// # Errors
    /// [`BoardError::NoQemu`], [`BoardError::NoProbeRs`].
    pub fn check(self) -> Result<(), BoardError> {
        match self {
            Self::Qemu(board) => check_qemu(board),
            Self::Probe(_) => check_probe_rs(),
        }
    }
}

impl FromStr for On {
    type Err = BoardError;

    fn from_str(text: &str) -> Result<Self, BoardError> {
        if let Some(name) = text.strip_prefix("probe:") {
            let is_chip = |board: &&Board| board.chip.is_some_and(|chip| chip.eq_ignore_ascii_case(name));
            return BOARDS.iter().find(is_chip).map_or_else(|| board(name), Ok).map(On::Probe);
        }
        let name = text.strip_prefix("qemu:").ok_or_else(|| BoardError::NotAPlace { found: text.into() })?;
        let board = board(name)?;
        if board.qemu.is_some() { Ok(On::Qemu(board)) } else { Err(BoardError::NotEmulated { board: board.name }) }
    }
}

impl std::fmt::Debug for On {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Qemu(board) => write!(f, "qemu:{}", board.name),
            Self::Probe(board) => write!(f, "probe:{}", board.name),
        }
    }
}

/// The boards that QEMU has a machine for.
pub fn emulated() -> impl Iterator<Item = &'static Board> {
    BOARDS.iter().filter(|board| board.qemu.is_some())
}

/// The board of that name: its own, or its QEMU machine's.
///
/// # Errors
/// [`BoardError::UnknownBoard`], with the names there are.
pub fn board(name: &str) -> Result<&'static Board, BoardError> {
    table::find(name).ok_or_else(|| BoardError::UnknownBoard { found: name.into() })
}

/// The machine with the core of that name: `m0` is `mps2-m0`.
///
/// # Errors
/// [`BoardError::UnknownCore`], with the names there are.
pub fn core(name: &str) -> Result<&'static Board, BoardError> {
    CORES.iter().find(|core| core_name(core) == name).ok_or_else(|| BoardError::UnknownCore { found: name.into() })
}

/// The name of a machine's core: `m0` of `mps2-m0`.
pub fn core_name(core: &Board) -> &'static str {
    core.name.strip_prefix("mps2-").unwrap_or(core.name)
}

/// The planner's target for a board.
pub fn target(board: &Board) -> Target {
    Target::from_name(board.plan_target).unwrap_or_default()
}

/// The words of the fastest plan of a network that a board's flash and RAM hold.
///
/// # Errors
/// As [`plan_for`](plan::plan_for); [`PlanError::Budget`] where not even the smallest fits.
pub fn fastest_plan(graph: &QuantGraph, board: &Board) -> Result<Vec<u32>, PlanError> {
    let [channels, _, width] = graph.tensors[graph.input].shape;
    let answer_len = graph.tensors[graph.output].shape.iter().product();
    let frame = Frame { row_len: channels * width, answer_len, tensors: graph.tensors.len() };
    plan::plan_for(
        graph,
        &Options {
            target: target(board),
            flash_budget: Some(board.plan_flash_bytes()),
            ram_budget: Some(board.plan_ram_bytes(&frame)),
            smallest: false,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_goes_by_its_own_name_and_its_machines() {
        for name in ["qemu:stm32f100rb", "qemu:stm32vldiscovery"] {
            assert_eq!(name.parse::<On>().unwrap().board().core, "Cortex-M3");
        }
        assert_eq!("qemu:sifive_e".parse::<On>().unwrap().board().core, "RV32IMAC");
    }

    #[test]
    fn a_probe_reaches_a_board_by_its_name_and_by_its_chips() {
        for name in ["probe:nrf52833", "probe:nRF52833_xxAA", "probe:NRF52833_XXAA"] {
            assert_eq!(format!("{:?}", name.parse::<On>().unwrap()), "probe:nrf52833");
        }
    }

    #[test]
    fn every_board_and_core_has_a_target_that_the_planner_knows() {
        for board in BOARDS.iter().chain(CORES) {
            let target = Target::from_name(board.plan_target).unwrap_or_else(|| panic!("{}", board.plan_target));
            let core = board.core.to_lowercase();
            assert!(target == Target::Portable || core.trim_end_matches(['f', '+']) == board.plan_target, "{core}");
        }
    }

    #[test]
    fn a_core_goes_by_its_short_name() {
        assert_eq!(core("m33").unwrap().machine(), Some("mps2-an505"));
        assert!(core("m55").is_err_and(|e| e.to_string().contains("m0, m3, m4, m7, m33")));
    }

    #[test]
    fn an_unknown_place_is_told_the_known_ones() {
        let text = |name: &str| name.parse::<On>().unwrap_err().to_string();
        assert!(text("qemu:arduino").contains("stm32f405"), "{}", text("qemu:arduino"));
        assert!(text("probe:arduino").contains("rp2350"), "{}", text("probe:arduino"));
        assert!(text("stm32f405").contains("qemu:stm32f405"), "{}", text("stm32f405"));
        assert!(text("stm32f405").contains("probe:BOARD for one of stm32f405"), "{}", text("stm32f405"));
        assert!(
            text("qemu:rp2040").contains("no machine for rp2040: expected qemu:stm32f405"),
            "{}",
            text("qemu:rp2040")
        );
    }
}

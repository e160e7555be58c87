//! The firmware on a board: built for one, run in QEMU's machine of the same chip, asked about images.
//!
//! The ELF is the one that `probe-rs` flashes; nothing is compiled for the emulator alone.

mod build;
mod error;
mod qemu;
mod stage;
#[path = "../../../firmware/boards.rs"]
mod table;

pub use build::Firmware;
pub use error::BoardError;
pub use qemu::{Figures, Output, has_qemu};
pub use stage::Emulated;
pub use table::{BOARDS, Board, Region};

use std::str::FromStr;

/// Where a plan runs, as `--on` names it: `qemu:BOARD`.
#[derive(Clone, Copy)]
pub struct On(pub &'static Board);

impl FromStr for On {
    type Err = BoardError;

    fn from_str(text: &str) -> Result<Self, BoardError> {
        let name = text.strip_prefix("qemu:").ok_or_else(|| BoardError::NotAPlace { found: text.into() })?;
        board(name).map(On)
    }
}

impl std::fmt::Debug for On {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "qemu:{}", self.0.qemu_machine)
    }
}

/// The board of that name: its own, or its QEMU machine's.
///
/// # Errors
/// [`BoardError::UnknownBoard`], with the names there are.
pub fn board(name: &str) -> Result<&'static Board, BoardError> {
    table::find(name).ok_or_else(|| BoardError::UnknownBoard { found: name.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_goes_by_its_own_name_and_its_machines() {
        for name in ["qemu:stm32f100rb", "qemu:stm32vldiscovery"] {
            assert_eq!(name.parse::<On>().unwrap().0.core, "Cortex-M3");
        }
    }

    #[test]
    fn an_unknown_place_is_told_the_known_ones() {
        let text = |name: &str| name.parse::<On>().unwrap_err().to_string();
        assert!(text("qemu:arduino").contains("stm32f405"), "{}", text("qemu:arduino"));
        assert!(text("stm32f405").contains("qemu:stm32f405"), "{}", text("stm32f405"));
    }
}

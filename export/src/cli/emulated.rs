//! A plan on an emulated board, as commands with `--on` want it.

use anyhow::Result;
use export::board::{Emulated, Firmware, On, check_qemu};
use export::plan;
use export::validate::StageError;

/// Builds the board's firmware around the bytes of a plan.
pub fn stage(On(board): On, bytes: &[u8]) -> Result<Emulated> {
    check_qemu(board)?; // before the build, which takes its time
    eprintln!("building the firmware for {} …", board.name);
    let words = plan::words(bytes);
    let plan = infer_nostd::Plan::parse(&words).map_err(StageError::Plan)?;
    Ok(Emulated::new(Firmware::build(board, bytes)?, &plan))
}

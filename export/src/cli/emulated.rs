//! A plan on an emulated board, as commands with `--on` want it.

use anyhow::{Context, Result};
use export::board::{BoardError, Emulated, Firmware, On, has_qemu};
use export::plan;
use std::path::Path;

/// Builds the board's firmware around the plan in `path`, whose bytes are `bytes`.
pub fn stage(On(board): On, path: &Path, bytes: &[u8]) -> Result<Emulated> {
    if !has_qemu() {
        return Err(BoardError::NoQemu.into()); // before the build, which takes its time
    }
    eprintln!("building the firmware for {} with {} inside …", board.name, path.display());
    let firmware = Firmware::build(board, path)?;
    let words = plan::words(bytes);
    let plan = infer_nostd::Plan::parse(&words).with_context(|| path.display().to_string())?;
    Ok(Emulated::new(firmware, &plan))
}

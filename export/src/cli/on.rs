//! A plan on a board, as commands with `--on` want it.

use anyhow::Result;
use export::board::{Connected, Emulated, Firmware, Journal, On, Probe, Program};
use export::plan;
use export::validate::{Stage, StageError};
use std::sync::Arc;

/// A board, and how to reach it.
pub struct Place {
    /// Which, and where.
    pub on: On,
    /// For a board at a debug probe.
    pub probe: Probe,
    /// Where its answers are kept.
    pub journal: Option<Arc<Journal>>,
}

/// Builds the board's firmware around the bytes of a plan, and starts it where it is to stay.
pub fn stage(place: &Place, bytes: &[u8]) -> Result<Box<dyn Stage>> {
    let board = place.on.board();
    place.on.check()?;
    eprintln!("building the firmware for {} …", board.name);
    let words = plan::words(bytes);
    let plan = infer_nostd::Plan::parse(&words).map_err(StageError::Plan)?;
    let journal = place.journal.clone();
    Ok(match place.on {
        On::Qemu(_) => Box::new(Emulated::new(Firmware::build(board, bytes)?, &plan).with_journal(journal)),
        On::Probe(_) => {
            let firmware = Firmware::program(Program::ServeOverRtt, board, bytes)?;
            Box::new(Connected::connect(firmware, &plan, |firmware| place.probe.talk(firmware))?.with_journal(journal))
        }
    })
}

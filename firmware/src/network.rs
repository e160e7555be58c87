//! The network: its plan, checked while this file compiles, and the memory it runs in.

use crate::boards::{self, Board};

/// The board this ELF is for.
pub const BOARD: &Board = include!(concat!(env!("OUT_DIR"), "/board.rs"));

infer_nostd::include_plan!(static PLAN_WORDS, PLAN = concat!(env!("OUT_DIR"), "/net.plan"));

/// The engine, its tables as long as this plan needs them, and nothing in flash that it does not use.
pub type Engine = infer_nostd::Engine<'static, { PLAN.tensor_count() }, { PLAN.uses() }>;
/// The engine's working memory.
pub type Arena = [u32; PLAN.arena_words()];

/// Values in a row of an image: width × channels.
pub const ROW_LEN: usize = PLAN.input().row_len();
/// Rows of an image.
pub const ROWS: usize = PLAN.input().height;
/// Operators of the plan.
pub const OPERATORS: usize = PLAN.operator_count();
/// Values that the network answers with.
pub const LOGITS: usize = PLAN.output().len();

/// An embedded image, with the logits that the host's engine has for it.
pub struct Sample {
    /// The class it shows, where it shows one.
    pub label: Option<u8>,
    /// What the host says.
    pub logits: [i8; LOGITS],
    /// Rows of width × channels.
    pub image: [i8; PLAN.input().len()],
}

/// CRC-32 of the plan's words, all of them.
pub const PLAN_CRC: u32 = infer_nostd::plan::crc32(&PLAN_WORDS, 0);

include!(concat!(env!("OUT_DIR"), "/noise.rs"));

/// The embedded images.
pub static SAMPLES: &[Sample] = &include!(concat!(env!("OUT_DIR"), "/samples.rs"));

/// The engine on this plan.
pub fn engine(arena: &'static mut Arena) -> Engine {
    match Engine::sized(PLAN, arena) {
        Ok(engine) => engine,
        Err(_) => unreachable!(), // arena and tables have the plan's own sizes
    }
}

/// The class: the index of the largest logit, the first of equals.
pub fn class_of(logits: &[i8]) -> usize {
    (0..logits.len()).rev().max_by_key(|&class| logits[class]).unwrap_or(0)
}

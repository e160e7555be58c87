//! How much RAM the program has used: what is placed there for good, and how deep the stack has been.
#![allow(unsafe_code, reason = "the stack's own memory")]

use crate::cpu::{self, STACK_PAINT_VALUE};

/// RAM used since reset, in bytes.
pub struct Usage {
    /// Statics, the engine's arena among them.
    pub static_bytes: usize,
    /// The stack at its deepest.
    pub stack_bytes: usize,
}

/// Looks for the lowest word of the stack that has been written since the start-up code painted it.
///
/// A word that happened to be written with the paint's own value would go unseen, if it were the lowest.
pub fn usage() -> Usage {
    let (statics, stack) = (cpu::statics(), cpu::stack());
    let mut word = stack.start;
    // SAFETY: the stack's range is RAM, aligned to words, and initialised by the start-up code. Reading it volatile below the
    // stack pointer is reading memory that nobody owns; above it, this stops at the first word.
    while word < stack.end && unsafe { word.read_volatile() } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    Usage { static_bytes: statics.end.addr() - statics.start.addr(), stack_bytes: stack.end.addr() - word.addr() }
}

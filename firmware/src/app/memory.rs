//! How much RAM the program has used: what is placed there for good, and how deep the stack has been.
#![allow(unsafe_code, reason = "the linker's symbols and the stack's own memory")]

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    /// cortex-m-rt's linker script: the first word of RAM, the first behind the statics, the first behind RAM.
    static _ram_start: u32;
    static _stack_end: u32;
    static _stack_start: u32;
}

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
    let (bottom, top) = (&raw const _stack_end, &raw const _stack_start);
    let mut word = bottom;
    // SAFETY: from `bottom` to `top` is RAM, aligned to words, and initialised by the start-up code. Reading it volatile
    // below the stack pointer is reading memory that nobody owns; above it, this stops at the first word.
    while word < top && unsafe { word.read_volatile() } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    Usage { static_bytes: bottom.addr() - (&raw const _ram_start).addr(), stack_bytes: top.addr() - word.addr() }
}

//! A line to the host through a debug probe: rings of bytes that the probe looks at, as SEGGER's RTT lays them out (RTT, "Under the hood").
//! Any debugger that knows RTT finds the block by its first bytes.
//!
//! With the feature `rtt` there is a ring either way for frames; with `defmt` one more, up, for log lines, known by its name.

use core::ffi::CStr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering};

/// A full ring makes its writer wait.
const BLOCK_IF_FULL: u32 = 2;

/// Looks at a ring that nobody empties, before the writer gives up: a second at a hundred megahertz.
#[cfg(feature = "defmt")]
const PATIENCE: u32 = 10_000_000;

/// A ring as the debugger reads it. Whoever writes bytes moves `written`, whoever reads them moves `read`; they are the same when it
/// is empty.
#[repr(C)]
struct Ring {
    name: AtomicPtr<u8>,
    bytes: AtomicPtr<AtomicU8>,
    len: u32,
    written: AtomicU32,
    read: AtomicU32,
    /// The debugger may change them.
    flags: AtomicU32,
}

impl Ring {
    const fn new(name: &'static CStr, bytes: &'static [AtomicU8], flags: u32) -> Self {
        Self {
            name: AtomicPtr::new(name.as_ptr().cast_mut().cast()),
            bytes: AtomicPtr::new(bytes.as_ptr().cast_mut()),
            len: bytes.len() as u32,
            written: AtomicU32::new(0),
            read: AtomicU32::new(0),
            flags: AtomicU32::new(flags),
        }
    }

    /// Puts a byte where there is room; else, where the debugger wants all of them, waits for it. Inlined, as the length is known there:
    /// the smallest cores have no division.
    #[inline(always)]
    fn put(&self, bytes: &[AtomicU8], byte: u8) {
        let at = self.written.load(Ordering::Relaxed);
        let next = (at + 1) % bytes.len() as u32;
        while self.read.load(Ordering::Acquire) == next {
            if self.flags.load(Ordering::Relaxed) != BLOCK_IF_FULL {
                return;
            }
        }
        bytes[at as usize % bytes.len()].store(byte, Ordering::Relaxed);
        self.written.store(next, Ordering::Release);
    }

    /// Waits for a byte.
    #[cfg(feature = "rtt")]
    #[inline(always)]
    fn take(&self, bytes: &[AtomicU8]) -> u8 {
        let at = self.read.load(Ordering::Relaxed);
        while self.written.load(Ordering::Acquire) == at {}
        let byte = bytes[at as usize % bytes.len()].load(Ordering::Relaxed);
        self.read.store((at + 1) % bytes.len() as u32, Ordering::Release);
        byte
    }

    /// Waits until all has been read, where somebody reads; not for ever, since a debugger may have gone without a word.
    #[cfg(feature = "defmt")]
    fn flush(&self) {
        let is_waited_for = || {
            self.flags.load(Ordering::Relaxed) == BLOCK_IF_FULL
                && self.read.load(Ordering::Acquire) != self.written.load(Ordering::Relaxed)
        };
        for _ in 0..PATIENCE {
            if !is_waited_for() {
                return;
            }
        }
    }
}

/// What the debugger looks for.
#[repr(C)]
struct ControlBlock {
    id: [u8; 16],
    up_count: u32,
    down_count: u32,
    up: [Ring; UP_COUNT],
    down: [Ring; DOWN_COUNT],
}

const UP_COUNT: usize = cfg!(feature = "rtt") as usize + cfg!(feature = "defmt") as usize;
const DOWN_COUNT: usize = cfg!(feature = "rtt") as usize;

#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "the name that debuggers look for")]
static _SEGGER_RTT: ControlBlock = ControlBlock {
    id: *b"SEGGER RTT\0\0\0\0\0\0",
    up_count: UP_COUNT as u32,
    down_count: DOWN_COUNT as u32,
    up: [
        #[cfg(feature = "rtt")]
        Ring::new(c"frames", &frames::UP, BLOCK_IF_FULL),
        #[cfg(feature = "defmt")]
        Ring::new(c"defmt", &log::UP, log::TRIM_IF_FULL),
    ],
    down: [
        #[cfg(feature = "rtt")]
        Ring::new(c"frames", &frames::DOWN, BLOCK_IF_FULL),
    ],
};

#[cfg(feature = "rtt")]
pub use frames::{receive, send, start};

#[cfg(feature = "rtt")]
mod frames {
    use super::*;

    /// Bytes of a ring; one of them is always free.
    const LEN: usize = 64;
    pub static UP: [AtomicU8; LEN] = [const { AtomicU8::new(0) }; _];
    pub static DOWN: [AtomicU8; LEN] = [const { AtomicU8::new(0) }; _];

    /// There is nothing to set up: the start-up code has copied the rings into RAM.
    pub fn start() {}

    /// Waits for a byte.
    pub fn receive() -> u8 {
        _SEGGER_RTT.down[0].take(&DOWN)
    }

    /// Sends a byte as soon as there is room for it.
    #[inline(never)]
    pub fn send(byte: u8) {
        _SEGGER_RTT.up[0].put(&UP, byte);
    }
}

/// The ring of log lines.
#[cfg(feature = "defmt")]
pub mod log {
    use super::*;

    /// What does not fit the full ring is lost, until a debugger asks for all: without one the program goes on.
    pub(super) const TRIM_IF_FULL: u32 = 1;
    pub(super) static UP: [AtomicU8; 256] = [const { AtomicU8::new(0) }; _];

    /// Writes bytes, or what there is room for.
    #[inline(never)]
    pub fn write(bytes: &[u8]) {
        bytes.iter().for_each(|&byte| _SEGGER_RTT.up[UP_COUNT - 1].put(&UP, byte));
    }

    /// Waits until a debugger that takes all bytes has them.
    pub fn flush() {
        _SEGGER_RTT.up[UP_COUNT - 1].flush();
    }
}

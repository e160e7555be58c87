//! A line to the host through a debug probe: two rings of bytes that the probe looks at, one either way, as SEGGER's RTT lays them
//! out (RTT, "Under the hood"). Any debugger that knows RTT finds the block by its first bytes.

use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering};

/// Bytes of each ring; one of them is always free.
const RING_LEN: usize = 64;
/// A full ring makes its writer wait.
const BLOCK_IF_FULL: u32 = 2;

/// A ring as the debugger reads it. Whoever writes bytes moves `written`, whoever reads them moves `read`; they are the same when it
/// is empty.
#[repr(C)]
struct Ring {
    name: AtomicPtr<u8>,
    bytes: AtomicPtr<AtomicU8>,
    len: u32,
    written: AtomicU32,
    read: AtomicU32,
    flags: u32,
}

impl Ring {
    const fn new(bytes: &'static [AtomicU8; RING_LEN]) -> Self {
        Self {
            name: AtomicPtr::new(core::ptr::null_mut()),
            bytes: AtomicPtr::new(bytes.as_ptr().cast_mut()),
            len: RING_LEN as u32,
            written: AtomicU32::new(0),
            read: AtomicU32::new(0),
            flags: BLOCK_IF_FULL,
        }
    }
}

/// What the debugger looks for.
#[repr(C)]
struct ControlBlock {
    id: [u8; 16],
    up_count: u32,
    down_count: u32,
    up: Ring,
    down: Ring,
}

static UP: [AtomicU8; RING_LEN] = [const { AtomicU8::new(0) }; _];
static DOWN: [AtomicU8; RING_LEN] = [const { AtomicU8::new(0) }; _];

#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "the name that debuggers look for")]
static _SEGGER_RTT: ControlBlock = ControlBlock {
    id: *b"SEGGER RTT\0\0\0\0\0\0",
    up_count: 1,
    down_count: 1,
    up: Ring::new(&UP),
    down: Ring::new(&DOWN),
};

/// There is nothing to set up: the start-up code has copied the rings into RAM.
pub fn start() {}

/// Waits for a byte.
pub fn receive() -> u8 {
    let Ring { written, read, .. } = &_SEGGER_RTT.down;
    let at = read.load(Ordering::Relaxed);
    while written.load(Ordering::Acquire) == at {}
    let byte = DOWN[at as usize % RING_LEN].load(Ordering::Relaxed);
    read.store((at + 1) % RING_LEN as u32, Ordering::Release);
    byte
}

/// Sends a byte as soon as there is room for it.
#[inline(never)]
pub fn send(byte: u8) {
    let Ring { written, read, .. } = &_SEGGER_RTT.up;
    let at = written.load(Ordering::Relaxed);
    let next = (at + 1) % RING_LEN as u32;
    while read.load(Ordering::Acquire) == next {}
    UP[at as usize % RING_LEN].store(byte, Ordering::Relaxed);
    written.store(next, Ordering::Release);
}

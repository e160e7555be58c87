//! Log lines: what the program has begun, answered, not understood, and why it ended. They are defmt's, with the feature `defmt`, over a
//! ring of RTT that `probe-rs run` reads and decodes; without it these functions do nothing.

use crate::fault::Fault;
use talk::chip::Dropped;

/// defmt's macro of that level; without the feature nothing, of values that are not even worked out.
macro_rules! log {
    ($level:ident, $text:literal $(, $value:expr)*) => {{
        #[cfg(feature = "defmt")]
        defmt::$level!($text $(, $value)*);
        #[cfg(not(feature = "defmt"))]
        if false { $(let _ = &$value;)* }
    }};
}

/// The program has begun.
pub fn started() {
    use crate::network::{BOARD, PLAN_CRC};
    use crate::stopwatch::TICKS_HZ;
    log!(info, "{=str}, plan {=u32:08x}, clock {=u32} Hz", BOARD.name, PLAN_CRC, TICKS_HZ);
}

/// The network has answered.
#[inline]
pub fn answered(logits: &[i8], ticks: u32) {
    log!(info, "class {=usize}, {=u32} cycles", crate::network::class_of(logits), ticks);
}

/// A frame cannot be used.
#[inline]
pub fn dropped(reason: Dropped) {
    match reason {
        Dropped::Damaged => log!(warn, "frame dropped: damaged, or longer than any request"),
        Dropped::Unknown => log!(warn, "frame dropped: no request"),
        Dropped::RowLength { expected, found } => {
            log!(warn, "frame dropped: a row of {=usize} values, expected {=usize}", found, expected);
        }
        Dropped::RowNumber { expected, found } => {
            log!(warn, "frame dropped: row {=u32}, expected {=u32}", found, expected);
        }
    }
}

/// The program cannot go on. Comes back when whoever reads has read it.
pub fn ended(_fault: Fault) {
    #[cfg(feature = "defmt")]
    {
        let (what, at, caller) = _fault.words();
        log!(error, "{=str}{=u32:08x}, called from {=u32:08x}", what, at, caller);
        defmt::flush();
    }
}

#[cfg(feature = "defmt")]
mod sink {
    #![allow(unsafe_code, reason = "a logger is defined by an unsafe trait, and its encoder has a state")]

    use crate::rtt;
    use core::ptr::addr_of_mut;
    use defmt::{Encoder, Logger};

    #[defmt::global_logger]
    struct Ring;

    /// # Safety
    /// Nobody else has it.
    unsafe fn encoder() -> &'static mut Encoder {
        static mut ENCODER: Encoder = Encoder::new();
        // SAFETY: the caller's.
        unsafe { &mut *addr_of_mut!(ENCODER) }
    }

    // SAFETY: one core runs this, no interrupt does, and the handlers of faults, which do, never give back to what they have interrupted:
    // of the lines under way only one ever goes on.
    unsafe impl Logger for Ring {
        fn acquire() {
            // SAFETY: as above.
            unsafe { encoder() }.start_frame(rtt::log::write);
        }

        unsafe fn flush() {
            rtt::log::flush();
        }

        unsafe fn release() {
            // SAFETY: as above.
            unsafe { encoder() }.end_frame(rtt::log::write);
        }

        unsafe fn write(bytes: &[u8]) {
            // SAFETY: as above.
            unsafe { encoder() }.write(bytes, rtt::log::write);
        }
    }
}

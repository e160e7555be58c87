//! The processor's clock as a stopwatch: cycles on the chip, nanoseconds of instructions under QEMU's `-icount shift=0`.

use crate::boards;
use crate::cpu::{self, CLOCK_MASK};
use crate::network::BOARD;

/// Sums up laps. A lap may last 2^24 ticks (a second at 16 MHz), the sum as long as it likes.
pub struct Stopwatch {
    last: u32,
    total_ticks: u64,
}

impl Stopwatch {
    /// Starts the clock. To be called once.
    pub fn start() -> Self {
        cpu::start_clock();
        Self { last: cpu::clock(), total_ticks: 0 }
    }

    /// A lap begins: what has passed since the last one does not count.
    #[inline]
    pub fn resume(&mut self) {
        self.last = cpu::clock();
    }

    /// A lap ends, and the next begins; the ticks of the one that ended.
    #[inline]
    pub fn lap(&mut self) -> u32 {
        let now = cpu::clock();
        let ticks = now.wrapping_sub(self.last) & CLOCK_MASK;
        self.total_ticks += u64::from(ticks);
        self.last = now;
        ticks
    }

    /// Ticks of all laps; 0 on a chip without a clock.
    pub fn ticks(&self) -> u64 {
        self.total_ticks
    }

    /// Instructions of all laps, if this is QEMU with `-icount shift=0`.
    pub fn instructions(&self) -> u64 {
        boards::instructions(self.total_ticks, BOARD.qemu_clock_hz)
    }
}

//! The processor's clock as a stopwatch: cycles on the chip, nanoseconds of instructions under QEMU's `-icount shift=0`.

use crate::cpu::{self, CLOCK_MASK};

/// Sums up laps. A lap may last 2^24 ticks (a second at 16 MHz), and so many laps 2^32.
pub struct Stopwatch {
    last: u32,
    ticks: u32,
}

impl Stopwatch {
    /// Starts the clock.
    pub fn start() -> Self {
        cpu::start_clock();
        Self { last: cpu::clock(), ticks: 0 }
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
        self.ticks = self.ticks.saturating_add(ticks);
        self.last = now;
        ticks
    }

    /// Ticks of the laps since they were last taken; 0 on a chip without a clock.
    pub fn take(&mut self) -> u32 {
        core::mem::take(&mut self.ticks)
    }
}

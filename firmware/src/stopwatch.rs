//! The processor's clock as a stopwatch: cycles on the chip, nanoseconds of instructions under QEMU's `-icount shift=0`.

use crate::boards::Serial;
use crate::cpu::{self, CLOCK_MASK};
use crate::network::{BOARD, Engine};

/// Ticks a second on the chip; 0 where nobody knows: it is the serial line that sets the Picos' clock.
pub const TICKS_HZ: u32 = match (BOARD.systick_hz, BOARD.serial) {
    (_, Some(Serial::Rp2040 | Serial::Rp2350)) if cfg!(feature = "rtt") => 0,
    (Some(hz), _) => hz,
    (None, _) => 0,
};

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

    /// Gives the engine a row, a lap for each of the operators' steps: a whole row of a large network may be longer than a lap can be.
    #[inline]
    pub fn push_row<'e>(&mut self, engine: &'e mut Engine, row: &[i8]) -> Option<&'e [i8]> {
        self.resume();
        let answer = engine.push_row_with(row, &mut |_| _ = self.lap());
        self.lap();
        answer.ok().flatten()
    }

    /// Ticks of the laps since they were last taken; 0 on a chip without a clock.
    pub fn take(&mut self) -> u32 {
        core::mem::take(&mut self.ticks)
    }
}

//! SysTick as a stopwatch: processor cycles on the chip, nanoseconds of instructions under QEMU's `-icount shift=0`.

use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;

use super::network::BOARD;
use crate::boards;

/// SysTick counts 24 bits down.
const MASK: u32 = 0x00FF_FFFF;

/// Sums up laps. A lap may last 2^24 ticks (a second at 16 MHz), the sum as long as it likes.
pub struct Stopwatch {
    last: u32,
    total_ticks: u64,
}

impl Stopwatch {
    /// Starts the counter. To be called once.
    pub fn start() -> Self {
        if let Some(mut peripherals) = Peripherals::take() {
            let syst = &mut peripherals.SYST;
            syst.set_clock_source(SystClkSource::Core);
            syst.set_reload(MASK);
            syst.clear_current();
            syst.enable_counter();
        }
        Self { last: SYST::get_current(), total_ticks: 0 }
    }

    /// A lap begins: what has passed since the last one does not count.
    #[inline]
    pub fn resume(&mut self) {
        self.last = SYST::get_current();
    }

    /// A lap ends, and the next begins.
    #[inline]
    pub fn lap(&mut self) {
        let now = SYST::get_current();
        self.total_ticks += u64::from(self.last.wrapping_sub(now) & MASK);
        self.last = now;
    }

    /// Ticks of all laps; 0 on a chip without SysTick.
    pub fn ticks(&self) -> u64 {
        self.total_ticks
    }

    /// Instructions of all laps, if this is QEMU with `-icount shift=0`.
    pub fn instructions(&self) -> u64 {
        boards::instructions(self.total_ticks, BOARD.qemu_systick_hz)
    }
}

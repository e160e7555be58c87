//! Arm's Cortex-M, by cortex-m-rt.
#![allow(unsafe_code, reason = "the linker's symbols, and a HardFault handler is declared unsafe")]

use core::ops::Range;
use cortex_m::Peripherals;
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{ExceptionFrame, exception};
use semihosting::process;

use crate::console::Part;
use crate::fault::FAULTED;
use crate::say;

pub use cortex_m_rt::{STACK_PAINT_VALUE, entry};

/// SysTick counts 24 bits.
pub const CLOCK_MASK: u32 = 0x00FF_FFFF;

unsafe extern "C" {
    /// cortex-m-rt's linker script: the first word of RAM, the first behind the statics, the first behind RAM.
    static _ram_start: u32;
    static _stack_end: u32;
    static _stack_start: u32;
}

/// Sets SysTick going. To be called once.
pub fn start_clock() {
    if let Some(mut peripherals) = Peripherals::take() {
        let syst = &mut peripherals.SYST;
        syst.set_clock_source(SystClkSource::Core);
        syst.set_reload(CLOCK_MASK);
        syst.clear_current();
        syst.enable_counter();
    }
}

/// SysTick's ticks, of which the bits of `CLOCK_MASK` count.
#[inline(always)]
pub fn clock() -> u32 {
    !SYST::get_current() // it counts down
}

/// Where RAM's statics lie.
pub fn statics() -> Range<*const u32> {
    &raw const _ram_start..&raw const _stack_end
}

/// Where the stack lies, which grows down; painted by the start-up code.
pub fn stack() -> Range<*const u32> {
    &raw const _stack_end..&raw const _stack_start
}

// SAFETY: nothing here depends on the state that the fault left behind but the stack, which `frame` lies on.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    say!("HardFault at pc ", Part::Hex(frame.pc()), ", called from lr ", Part::Hex(frame.lr()));
    process::exit(FAULTED)
}

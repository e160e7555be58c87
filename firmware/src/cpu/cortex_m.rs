//! Arm's Cortex-M, by cortex-m-rt.
#![allow(unsafe_code, reason = "the linker's symbols, and a HardFault handler is declared unsafe")]

use core::arch::asm;
use core::ops::Range;
use cortex_m::peripheral::SYST;
use cortex_m_rt::{ExceptionFrame, exception};

use crate::fault::firmware_on_fault;
use crate::network::BOARD;

pub use cortex_m_rt::{STACK_PAINT_VALUE, entry};

/// SysTick counts 24 bits.
pub const CLOCK_MASK: u32 = 0x00FF_FFFF;

unsafe extern "C" {
    /// cortex-m-rt's linker script: the first word of RAM, the first behind the statics, the first behind RAM.
    static _ram_start: u32;
    static _stack_end: u32;
    static _stack_start: u32;
}

/// SYST_CSR: counting, by the processor's clock.
const ENABLED: u32 = 0b101;

/// Sets SysTick going.
pub fn start_clock() {
    // SAFETY: the registers of the core's own timer; nothing else knows them.
    unsafe {
        let syst = &*SYST::PTR;
        syst.rvr.write(CLOCK_MASK);
        syst.cvr.write(0);
        syst.csr.write(ENABLED);
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

/// Begins anew, peripherals and all.
pub fn reset() -> ! {
    cortex_m::peripheral::SCB::sys_reset()
}

/// `udf #1`, which traps: what a panic comes to.
const TRAP: u16 = 0xDE01;

/// Traps. Inlined, so that the handler's frame has the place.
#[inline(always)]
pub fn trap() -> ! {
    // SAFETY: an exception that does not return.
    unsafe { asm!("udf #1", options(noreturn, nomem, nostack)) }
}

/// Whether the instruction at `pc` is [`trap`]'s.
pub fn is_trap(pc: u32) -> bool {
    let in_flash = pc.wrapping_sub(BOARD.flash.origin) < BOARD.flash.len_bytes;
    // SAFETY: an aligned half-word of flash, of which everything can be read.
    in_flash && unsafe { ((pc & !1) as *const u16).read() } == TRAP
}

// SAFETY: nothing here depends on the state that the fault left behind but the stack, which `frame` lies on.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    firmware_on_fault(frame.pc(), frame.lr())
}

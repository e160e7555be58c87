//! RISC-V, by riscv-rt.
#![allow(unsafe_code, reason = "the linker's symbols, and code that runs before there is memory")]

use core::arch::{asm, global_asm};
use core::ops::Range;
use riscv::register::{mcause, mcycle, mepc};
use riscv_rt::TrapFrame;

use crate::fault::firmware_on_fault;

pub use riscv_rt::entry;

/// `mcycle` has more bits; these are enough for a lap.
pub const CLOCK_MASK: u32 = u32::MAX;
/// What the stack is filled with.
pub const STACK_PAINT_VALUE: u32 = 0xCCCC_CCCC;

unsafe extern "C" {
    /// riscv-rt's linker script: the first word of RAM, the first behind the statics, the first behind RAM.
    static __sdata: u32;
    static __estack: u32;
    static __sstack: u32;
}

// riscv-rt calls it when there is a stack pointer, and no memory yet.
global_asm!(
    ".section .init.pre_init, \"ax\"",
    ".global __pre_init",
    "__pre_init:",
    "  la t0, __estack",
    "  li t1, {paint}",
    "1: sw t1, 0(t0)",
    "  addi t0, t0, 4",
    "  bltu t0, sp, 1b",
    "  ret",
    paint = const STACK_PAINT_VALUE,
);

/// `mcycle` counts from reset on.
pub fn start_clock() {}

/// The low word of `mcycle`: processor cycles; under QEMU's `-icount shift=0` instructions.
#[inline(always)]
pub fn clock() -> u32 {
    mcycle::read() as u32
}

/// Where RAM's statics lie.
pub fn statics() -> Range<*const u32> {
    &raw const __sdata..&raw const __estack
}

/// Where the stack lies, which grows down; painted by the start-up code.
pub fn stack() -> Range<*const u32> {
    &raw const __estack..&raw const __sstack
}

/// Begins anew: the start-up code sets memory up, and the program its peripherals.
pub fn reset() -> ! {
    // SAFETY: riscv-rt's entry, which expects nothing.
    unsafe { asm!("j _start", options(noreturn)) }
}

/// `mcause` after an `ebreak`.
const BREAKPOINT: usize = 3;

/// Traps. Inlined, so that the handler's frame has the place.
#[inline(always)]
pub fn trap() -> ! {
    // SAFETY: an exception that does not return.
    unsafe { asm!("ebreak", options(noreturn, nomem, nostack)) }
}

/// Whether the exception was [`trap`]'s.
pub fn is_trap(_pc: u32) -> bool {
    mcause::read().code() == BREAKPOINT
}

/// What riscv-rt calls for every exception.
// SAFETY: the name and the signature are those of riscv-rt's documentation.
#[unsafe(export_name = "ExceptionHandler")]
extern "C" fn exception(frame: &TrapFrame) -> ! {
    firmware_on_fault(mepc::read() as u32, frame.ra as u32)
}

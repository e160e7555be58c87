//! RISC-V, by riscv-rt.
#![allow(unsafe_code, reason = "the linker's symbols, and code that runs before there is memory")]

use core::arch::{asm, global_asm};
use riscv::register::{mcause, mcycle, mepc, mscratch};
use riscv_rt::TrapFrame;

use crate::fault::{Fault, firmware_on_fault};

pub use riscv_rt::entry;

/// `mcycle` has more bits; these are enough for a lap.
pub const CLOCK_MASK: u32 = u32::MAX;
/// What the stack is filled with.
pub const STACK_PAINT_VALUE: u32 = 0xCCCC_CCCC;

// riscv-rt calls it when there is a stack pointer, and no memory yet.
global_asm!(
    ".section .init.pre_init, \"ax\"",
    ".global __pre_init",
    "__pre_init:",
    "  la t0, _stack_end",
    "  li t1, {paint}",
    "1: sw t1, 0(t0)",
    "  addi t0, t0, 4",
    "  bltu t0, sp, 1b",
    "  ret",
    paint = const STACK_PAINT_VALUE,
);

// What riscv-rt has the processor jump to after every exception. Its own keeps registers on the stack, which has to have room.
global_asm!(
    ".section .trap.start, \"ax\"",
    ".balign 4",
    ".global _start_trap",
    "_start_trap:",
    "  csrw mscratch, t0",
    "  la t0, _stack_end + {frame}",
    "  bltu sp, t0, 1f",
    "  csrr t0, mscratch",
    "  j _default_start_trap",
    "1: mv a0, sp",
    "  csrw mscratch, ra",
    "  la sp, _stack_start",
    "  andi sp, sp, -16",
    "  j {off_stack}",
    frame = const size_of::<TrapFrame>(),
    off_stack = sym off_stack,
);

extern "C" fn off_stack(sp: u32) -> ! {
    firmware_on_fault(Fault::StackOverflow { sp })
}

/// Where the function that found no room on the stack was to return to: `_start_trap` has put it there.
pub fn innermost_return() -> u32 {
    mscratch::read() as u32
}

/// `mcycle` counts from reset on.
pub fn start_clock() {}

/// The low word of `mcycle`: processor cycles; under QEMU's `-icount shift=0` instructions.
#[inline(always)]
pub fn clock() -> u32 {
    mcycle::read() as u32
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

/// What riscv-rt calls for every exception.
// SAFETY: the name and the signature are those of riscv-rt's documentation.
#[unsafe(export_name = "ExceptionHandler")]
extern "C" fn exception(frame: &TrapFrame) -> ! {
    let (pc, caller) = (mepc::read() as u32, frame.ra as u32);
    let is_panic = mcause::read().code() == BREAKPOINT;
    firmware_on_fault(if is_panic { Fault::Panic { pc, caller } } else { Fault::Exception { pc, caller } })
}

//! Arm's Cortex-M, by cortex-m-rt.
#![allow(unsafe_code, reason = "the linker's symbols, and a HardFault handler is declared unsafe")]

use core::arch::{asm, naked_asm};
use cortex_m::peripheral::SYST;

use super::stack;
use crate::fault::{Fault, firmware_on_fault};
use crate::network::BOARD;

pub use cortex_m_rt::{STACK_PAINT_VALUE, entry};

/// SysTick counts 24 bits.
pub const CLOCK_MASK: u32 = 0x00FF_FFFF;

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

/// The half-word of flash at an address.
fn instruction(address: u32) -> Option<u16> {
    let in_flash = address.wrapping_sub(BOARD.flash.origin) < BOARD.flash.len_bytes;
    // SAFETY: an aligned half-word of flash, of which everything can be read.
    in_flash.then(|| unsafe { ((address & !1) as *const u16).read() })
}

/// The most that an instruction may have wanted of the stack when it faulted: VPUSH's 16 registers. Where a fault's frame lies within
/// so many bytes of the stack's end, it is the stack that has ended.
const LARGEST_PUSH_BYTES: usize = 64;

/// What the vector table names for every fault. There may be no room on the stack for a handler, so that it begins anew.
///
/// # Safety
/// The processor calls it, on the main stack: no other is in use.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn HardFault() -> ! {
    naked_asm!(
        "mrs r2, msp",
        "ldr r3, =_stack_start",
        "msr msp, r3",
        "ldr r3, =_stack_end + {push}",
        "cmp r2, r3",
        "blo 1f",
        "ldr r0, [r2, #24]", // the frame's PC and LR
        "ldr r1, [r2, #20]",
        "bl {on_stack}",
        "1: mov r0, r2",
        "bl {off_stack}",
        ".pool",
        push = const LARGEST_PUSH_BYTES,
        on_stack = sym on_stack,
        off_stack = sym off_stack,
    )
}

extern "C" fn on_stack(pc: u32, caller: u32) -> ! {
    let is_panic = instruction(pc) == Some(TRAP);
    firmware_on_fault(if is_panic { Fault::Panic { pc, caller } } else { Fault::Exception { pc, caller } })
}

extern "C" fn off_stack(sp: u32) -> ! {
    firmware_on_fault(Fault::StackOverflow { sp })
}

/// Where the innermost of the calls on the stack was to return to: the lowest word that a call has put there, 0 where there is none.
/// Where the processor was when there was no room for a fault's frame, it cannot say.
pub fn innermost_return() -> u32 {
    let mut word = stack().start;
    while word < stack().end {
        // SAFETY: a word of the stack, which is memory of nobody else, and initialised by the start-up code.
        let value = unsafe { word.read() };
        if is_behind_call(value) {
            return value;
        }
        word = word.wrapping_add(1);
    }
    0
}

/// Whether an address is one that `BL` or `BLX` leaves behind (Armv6-M Architecture Reference Manual, A6.7.13 and A6.7.14).
fn is_behind_call(address: u32) -> bool {
    let before = |bytes: u32| instruction(address.wrapping_sub(1 + bytes)).unwrap_or(0);
    let is_bl = before(4) & 0xF800 == 0xF000 && before(2) & 0xD000 == 0xD000;
    let is_blx = before(2) & 0xFF87 == 0x4780;
    address & 1 == 1 && (is_bl || is_blx)
}

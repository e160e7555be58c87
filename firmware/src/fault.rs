//! When the program cannot go on: say where, and stop with a status that no command returns.
#![allow(unsafe_code, reason = "a function of the program, which the linker knows")]

use core::panic::PanicInfo;
use semihosting::process;

use crate::console::Part;
use crate::{cpu, say};

/// As Rust programs do on a host.
const PANICKED: i32 = 101;
/// As a shell has it for a segmentation fault: 128 + SIGSEGV.
const FAULTED: i32 = 139;

/// A panic is one instruction that traps, and the handler of faults says where. Nothing reads its message, so that the
/// linker leaves all messages and file names out, which take kilobytes: `addr2line` knows them by the address.
#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    cpu::trap()
}

unsafe extern "Rust" {
    /// The program's own, by the macro `program`: what to do after a fault at `pc`, `caller` being where its function was to
    /// return to.
    pub(crate) safe fn firmware_on_fault(pc: u32, caller: u32) -> !;
}

/// Says where, and ends.
pub fn report(pc: u32, caller: u32) -> ! {
    let is_panic = cpu::is_trap(pc);
    say!(if is_panic { "panic" } else { "fault" }, " at pc ", Part::Hex(pc), ", called from ", Part::Hex(caller));
    process::exit(if is_panic { PANICKED } else { FAULTED })
}

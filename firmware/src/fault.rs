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
/// linker leaves all messages and file names out, which take kilobytes: `addr2line` knows them by the address. A log has room for them.
#[panic_handler]
fn panic(_info: &PanicInfo) -> ! {
    #[cfg(feature = "defmt")]
    defmt::error!("{}", defmt::Display2Format(_info));
    cpu::trap()
}

unsafe extern "Rust" {
    /// The program's own, by the macro `program`: what to do after a fault.
    pub(crate) safe fn firmware_on_fault(fault: Fault) -> !;
}

/// Why the program cannot go on, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It says so itself.
    Panic {
        /// The instruction.
        pc: u32,
        /// Where its function was to return to.
        caller: u32,
    },
    /// The processor says so.
    Exception {
        /// The instruction.
        pc: u32,
        /// Where its function was to return to.
        caller: u32,
    },
    /// The stack has left RAM.
    StackOverflow {
        /// Where it was to go on.
        sp: u32,
    },
}

impl Fault {
    /// What happened, its address, and the caller's.
    pub fn words(self) -> (&'static str, u32, u32) {
        match self {
            Self::Panic { pc, caller } => ("panic at pc ", pc, caller),
            Self::Exception { pc, caller } => ("fault at pc ", pc, caller),
            Self::StackOverflow { sp } => ("stack overflow at sp ", sp, cpu::innermost_return()),
        }
    }
}

/// Says where, and ends.
pub fn report(fault: Fault) -> ! {
    let (what, at, caller) = fault.words();
    say!(what, Part::Hex(at), ", called from ", Part::Hex(caller));
    process::exit(if matches!(fault, Fault::Panic { .. }) { PANICKED } else { FAULTED })
}

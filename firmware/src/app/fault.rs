//! When the program cannot go on: say where, and stop with a status that no command returns.
#![allow(unsafe_code, reason = "cortex-m-rt wants the HardFault handler declared unsafe")]

use core::panic::PanicInfo;
use cortex_m_rt::{ExceptionFrame, exception};
use semihosting::process;

use super::console::{Part, say};

/// As Rust programs do on a host.
const PANICKED: i32 = 101;
/// As a shell has it for a segmentation fault: 128 + SIGSEGV.
const FAULTED: i32 = 139;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    // A message with figures in it stays unprinted: the place says as much, and formatting takes more flash than this file.
    let message = info.message().as_str().unwrap_or_default();
    match info.location() {
        Some(place) => say!("panic at ", place.file(), ":", place.line() as usize, " ", message),
        None => say!("panic ", message),
    }
    process::exit(PANICKED)
}

// SAFETY: nothing here depends on the state that the fault left behind but the stack, which `frame` lies on.
#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    say!("HardFault at pc ", Part::Hex(frame.pc()), ", called from lr ", Part::Hex(frame.lr()));
    process::exit(FAULTED)
}

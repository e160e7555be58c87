//! When the program cannot go on: say where, and stop with a status that no command returns.

use core::panic::PanicInfo;
use semihosting::process;

use crate::say;

/// As Rust programs do on a host.
const PANICKED: i32 = 101;
/// As a shell has it for a segmentation fault: 128 + SIGSEGV.
pub const FAULTED: i32 = 139;

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

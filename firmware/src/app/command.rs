//! The semihosting command line, and what it asks for.

use core::mem::MaybeUninit;
use semihosting::sys::arm_compat::sys_get_cmdline_uninit;

/// What to do.
pub enum Command {
    /// Hold the embedded images against the host's logits.
    SelfTest,
    /// Read images from one file, write logits to the other.
    Classify,
    /// Take more stack than there is.
    Overflow,
}

/// The command of the command line. Without one (a debugger that has none to give, or QEMU without `arg=`, which then gives
/// the path of the ELF) it is the self-test.
#[inline(never)] // the buffer is off the stack again when the engine starts
pub fn read() -> Command {
    let mut buffer = [MaybeUninit::uninit(); 16];
    match sys_get_cmdline_uninit(&mut buffer) {
        Ok(line) if line == b"classify" => Command::Classify,
        Ok(line) if line == b"overflow" => Command::Overflow,
        _ => Command::SelfTest,
    }
}

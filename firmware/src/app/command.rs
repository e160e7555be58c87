//! The semihosting command line, and what it asks for.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use semihosting::fs::File;
use semihosting::io;
use semihosting::sys::arm_compat::sys_get_cmdline_uninit;

use firmware::console::Part;
use firmware::say;

/// All is well.
pub const DONE: i32 = 0;
/// A check failed.
pub const FAILED: i32 = 1;
/// The command line or a file is wrong.
pub const BAD_INPUT: i32 = 2;

/// What to do.
pub enum Command {
    /// Hold the embedded images against the host's logits.
    SelfTest,
    /// Read images from one file, write logits to the other.
    Classify { input: File, output: File },
}

/// `classify ` and two paths.
const MAX_LINE_BYTES: usize = 256;

/// The command of the command line, its files open, or the exit status where there is none.
///
/// Without a command line (a debugger that has none to give, or QEMU without `arg=`, which then gives the name of the ELF)
/// it is the self-test. Not inlined: the buffer is off the stack again when the engine starts.
#[inline(never)]
pub fn read() -> Result<Command, i32> {
    let mut buffer = [MaybeUninit::uninit(); MAX_LINE_BYTES];
    match sys_get_cmdline_uninit(&mut buffer) {
        Ok(line) => parse(line),
        Err(e) if e.kind() == io::ErrorKind::ArgumentListTooLong => {
            say!("the command line is longer than ", MAX_LINE_BYTES, " bytes: use shorter paths");
            Err(BAD_INPUT)
        }
        Err(_) => Ok(Command::SelfTest),
    }
}

fn parse(line: &mut [u8]) -> Result<Command, i32> {
    let (verb, paths) = line.split_at_mut(line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len()));
    if verb != b"classify" {
        return Ok(Command::SelfTest);
    }
    let Some((input, output)) = two_paths(paths) else {
        say!("usage: classify IN OUT, the paths without blanks; or selftest");
        return Err(BAD_INPUT);
    };
    let input = File::open(input).map_err(|_| complain("cannot read ", input))?;
    let output = File::create(output).map_err(|_| complain("cannot write ", output))?;
    Ok(Command::Classify { input, output })
}

/// ` IN OUT` as two C strings: the blank before the paths becomes the NUL behind them.
fn two_paths(blank_and_paths: &mut [u8]) -> Option<(&CStr, &CStr)> {
    for i in 1..blank_and_paths.len() {
        blank_and_paths.swap(i - 1, i);
    }
    let blanks = blank_and_paths.iter_mut().filter(|byte| byte.is_ascii_whitespace());
    blanks.for_each(|blank| *blank = 0);
    let input = CStr::from_bytes_until_nul(blank_and_paths).ok()?;
    let rest = &blank_and_paths[input.count_bytes() + 1..];
    let output = CStr::from_bytes_until_nul(rest).ok()?;
    (!input.is_empty() && output.count_bytes() + 1 == rest.len()).then_some((input, output))
}

fn complain(what: &str, path: &CStr) -> i32 {
    say!(what, Part::Text(path.to_bytes()));
    BAD_INPUT
}

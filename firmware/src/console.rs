//! Lines of text on the host's standard output, through semihosting.
//!
//! A line is put together here and leaves in one write, as each costs a stop of the core. `core::fmt` would do it too, for
//! kilobytes of flash that a network may need.

use semihosting::io::{self, Write};

/// What fits in a line; a longer one is cut off.
const MAX_LINE_BYTES: usize = 96;

/// A piece of a line.
pub enum Part<'a> {
    /// Text, in UTF-8 but where it is a path.
    Text(&'a [u8]),
    /// In decimal.
    Number(u64),
    /// In eight hexadecimal digits.
    Hex(u32),
}

impl<'a> From<&'a str> for Part<'a> {
    fn from(text: &'a str) -> Self {
        Part::Text(text.as_bytes())
    }
}

impl From<usize> for Part<'_> {
    fn from(number: usize) -> Self {
        Part::Number(number as u64)
    }
}

impl From<u64> for Part<'_> {
    fn from(number: u64) -> Self {
        Part::Number(number)
    }
}

/// Prints its arguments, one after the other, as a line.
#[macro_export]
macro_rules! say {
    ($($part:expr),+ $(,)?) => { $crate::console::print(&[$($crate::console::Part::from($part)),+]) };
}

/// Prints a line. There is nobody to tell if that fails.
///
/// Not inlined: the line is on the stack only while it is being printed.
#[inline(never)]
pub fn print(parts: &[Part]) {
    let mut line = Line { bytes: [0; MAX_LINE_BYTES], len: 0 };
    for part in parts {
        match *part {
            Part::Text(text) => line.put(text),
            Part::Number(number) => line.put_decimal(number),
            Part::Hex(word) => line.put_hex(word),
        }
    }
    line.put(b"\n");
    if let Ok(mut stdout) = io::stdout() {
        let _ = stdout.write_all(&line.bytes[..line.len]);
    }
}

/// A line under way.
struct Line {
    bytes: [u8; MAX_LINE_BYTES],
    len: usize,
}

impl Line {
    #[inline(never)]
    fn put(&mut self, text: &[u8]) {
        for &byte in text {
            if let Some(place) = self.bytes.get_mut(self.len) {
                *place = byte;
                self.len += 1;
            }
        }
    }

    #[inline(never)]
    fn put_decimal(&mut self, mut number: u64) {
        let mut digits = [b'0'; 20]; // as many as a u64 has
        let mut first = digits.len() - 1;
        digits[first] += (number % 10) as u8;
        while number >= 10 {
            number /= 10;
            first -= 1;
            digits[first] += (number % 10) as u8;
        }
        self.put(&digits[first..]);
    }

    fn put_hex(&mut self, word: u32) {
        for nibble in (0..8).rev() {
            self.put(&[b"0123456789abcdef"[(word >> (4 * nibble)) as usize & 15]]);
        }
    }
}

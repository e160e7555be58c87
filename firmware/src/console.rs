//! Lines of text on the host's standard output, through semihosting.
//!
//! A line is put together here and leaves in one write, as each costs a stop of the core. `core::fmt` would do it too, for
//! kilobytes of flash that a network may need.

use semihosting::io::{self, Write};

/// What fits in a line; a longer one is cut off.
const MAX_LINE_BYTES: usize = 96;

/// A piece of a line.
pub enum Part {
    /// Text, in UTF-8.
    Text(&'static str),
    /// In decimal.
    Number(u32),
    /// In eight hexadecimal digits.
    Hex(u32),
}

impl From<&'static str> for Part {
    fn from(text: &'static str) -> Self {
        Part::Text(text)
    }
}

impl From<usize> for Part {
    fn from(number: usize) -> Self {
        Part::Number(number as u32)
    }
}

impl From<u32> for Part {
    fn from(number: u32) -> Self {
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
            Part::Text(text) => text.bytes().for_each(|byte| line.put(byte)),
            Part::Number(number) => line.put_decimal(number),
            Part::Hex(word) => line.put_hex(word),
        }
    }
    line.put(b'\n');
    if let (Ok(mut stdout), Some(bytes)) = (io::stdout(), line.bytes.get(..line.len)) {
        let _ = stdout.write(bytes);
    }
}

/// A line under way.
struct Line {
    bytes: [u8; MAX_LINE_BYTES],
    len: usize,
}

impl Line {
    #[inline(never)]
    fn put(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    /// By subtraction: the smallest cores have no division.
    fn put_decimal(&mut self, mut number: u32) {
        const POWERS: [u32; 10] =
            [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
        let mut leads = true;
        for power in POWERS {
            let mut digit = b'0';
            while number >= power {
                number -= power;
                digit += 1;
            }
            leads &= digit == b'0' && power > 1;
            if !leads {
                self.put(digit);
            }
        }
    }

    fn put_hex(&mut self, word: u32) {
        for nibble in (0..8).rev() {
            let digit = (word >> (4 * nibble)) as u8 & 15;
            self.put(digit + if digit < 10 { b'0' } else { b'a' - 10 });
        }
    }
}

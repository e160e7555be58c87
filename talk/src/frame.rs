//! Frames on a line of bytes: SLIP (RFC 1055) with a CRC-32 behind the payload.
//!
//! ```text
//! C0  payload, CRC-32 low byte first; a C0 in them as DB DC, a DB as DB DD  C0
//! ```
//!
//! A C0 is always the end of a frame, so a receiver that comes in at any byte is right again at the next one. The one before a
//! frame ends what noise has begun; nothing between two is no frame.
//!
//! ```
//! use talk::frame::{Receiver, Sender};
//! let mut line = Vec::new();
//! let mut sender = Sender::begin(|byte| line.push(byte));
//! sender.put(0xC0);
//! sender.end();
//! assert_eq!(line, [0xC0, 0xDB, 0xDC, 0x3D, 0x2D, 0x66, 0x49, 0xC0]);
//!
//! let mut receiver = Receiver::<16>::new();
//! let (last, before) = line.split_last().unwrap();
//! assert!(before.iter().all(|&byte| receiver.take(byte).is_none()));
//! assert_eq!(receiver.take(*last), Some(Ok(&[0xC0][..])));
//! ```

use crate::crc32::{Crc32, crc32};
use heapless::Vec;

const END: u8 = 0xC0;
const ESCAPE: u8 = 0xDB;
const ESCAPED_END: u8 = 0xDC;
const ESCAPED_ESCAPE: u8 = 0xDD;

/// Bytes of a frame that are no payload, before escapes: the checksum.
pub const CHECKSUM_LEN: usize = 4;

/// Sends one frame, byte by byte, so that no frame need be in memory.
#[derive(Debug)]
pub struct Sender<L: FnMut(u8)> {
    line: L,
    crc: Crc32,
}

impl<L: FnMut(u8)> Sender<L> {
    /// Begins a frame on the line.
    pub fn begin(mut line: L) -> Self {
        line(END);
        Self { line, crc: Crc32::new() }
    }

    /// Sends a byte of the payload.
    #[inline(never)]
    pub fn put(&mut self, byte: u8) {
        self.crc.update(byte);
        let escaped = match byte {
            END => ESCAPED_END,
            ESCAPE => ESCAPED_ESCAPE,
            plain => return (self.line)(plain),
        };
        (self.line)(ESCAPE);
        (self.line)(escaped);
    }

    /// Sends bytes of the payload.
    pub fn put_all(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.put(byte));
    }

    /// Sends the checksum and the end.
    pub fn end(mut self) {
        let checksum = self.crc.value();
        self.put_all(&checksum.to_le_bytes());
        (self.line)(END);
    }
}

/// What came is no frame: bytes were lost, damaged or added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// Puts frames together, of at most `N` bytes with their checksum.
#[derive(Debug)]
pub struct Receiver<const N: usize> {
    /// The frame under way, or the one that has ended.
    bytes: Vec<u8, N>,
    state: State,
}

/// Where in a frame a receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before or within one.
    Plain,
    /// Behind an escape.
    Escaped,
    /// Within one that cannot be right any more.
    Damaged,
    /// Behind the last byte of one.
    Ended,
}

impl<const N: usize> Receiver<N> {
    /// Waits for the first frame.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), state: State::Plain }
    }

    /// Takes the next byte of the line: the payload, or what is wrong with it, at the end of a frame.
    pub fn take(&mut self, byte: u8) -> Option<Result<&[u8], Damaged>> {
        if self.state == State::Ended {
            self.bytes.clear();
            self.state = State::Plain;
        }
        self.state = match (self.state, byte) {
            (state, END) => return self.end(state),
            (State::Damaged, _) => State::Damaged,
            (State::Escaped, ESCAPED_END) => self.store(END),
            (State::Escaped, ESCAPED_ESCAPE) => self.store(ESCAPE),
            (State::Escaped, _) => State::Damaged,
            (_, ESCAPE) => State::Escaped,
            (_, plain) => self.store(plain),
        };
        None
    }

    fn store(&mut self, byte: u8) -> State {
        if self.bytes.push(byte).is_ok() { State::Plain } else { State::Damaged }
    }

    fn end(&mut self, state: State) -> Option<Result<&[u8], Damaged>> {
        self.state = State::Ended;
        if state == State::Plain && self.bytes.is_empty() {
            return None;
        }
        let frame = self.bytes.split_last_chunk().filter(|_| state == State::Plain);
        Some(match frame {
            Some((payload, checksum)) if crc32(payload) == u32::from_le_bytes(*checksum) => Ok(payload),
            _ => Err(Damaged),
        })
    }
}

impl<const N: usize> Default for Receiver<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn frame(payload: &[u8]) -> Vec<u8> {
        let mut line = Vec::new();
        let mut sender = Sender::begin(|byte| line.push(byte));
        sender.put_all(payload);
        sender.end();
        line
    }

    /// What a receiver of frames of up to 12 bytes makes of a line.
    fn received(line: &[u8]) -> Vec<Result<Vec<u8>, Damaged>> {
        let mut receiver = Receiver::<12>::new();
        line.iter().filter_map(|&byte| receiver.take(byte).map(|frame| frame.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn every_byte_goes_through() {
        for byte in 0..=u8::MAX {
            assert_eq!(received(&frame(&[byte, byte])), [Ok([byte, byte].to_vec())]);
        }
    }

    #[test]
    fn a_frame_of_the_longest_size_goes_through_and_a_longer_one_is_damaged() {
        assert_eq!(received(&frame(&[7; 8])), [Ok([7; 8].to_vec())]);
        assert_eq!(received(&frame(&[7; 9])), [Err(Damaged)]);
        assert_eq!(received(&frame(&[7; 900])), [Err(Damaged)]);
    }

    #[test]
    fn every_changed_lost_or_added_byte_is_noticed_and_the_next_frame_is_right() {
        let whole = frame(&[1, END, 3]);
        let next = frame(&[4]);
        for at in 1..whole.len() - 1 {
            for change in [0x01, 0x80, 0xFF] {
                let mut line = whole.clone();
                line[at] ^= change;
                assert_noticed(&[&line[..], &next].concat());
            }
            assert_noticed(&[&whole[..at], &whole[at + 1..], &next].concat());
            assert_noticed(&[&whole[..at], &[9], &whole[at..], &next].concat());
            assert_noticed(&[&whole[..at], &next].concat()); // it breaks off
        }
    }

    fn assert_noticed(line: &[u8]) {
        let frames = received(line);
        let (last, before) = frames.split_last().unwrap();
        assert_eq!(last, &Ok([4].to_vec()), "{line:x?}");
        assert!(before.iter().all(Result::is_err), "{line:x?}: {before:x?}");
    }

    #[test]
    fn silence_is_no_frame_and_an_escape_before_the_end_is_damage() {
        assert_eq!(received(&[END, END, END]), []);
        assert_eq!(received(&[END, ESCAPE, END]), [Err(Damaged)]);
    }
}

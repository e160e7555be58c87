//! The chip's side: bytes in, bytes out, whatever they are.

use crate::crc32::Crc32;
use crate::frame::{Damaged, Receiver};
use crate::message::{Hello, Reply, Request, SelfTest};

/// What answers.
pub trait Network {
    /// Values of a row.
    const ROW_LEN: usize;

    /// What it is.
    fn hello(&self) -> Hello;

    /// Forgets the image in flight.
    fn start(&mut self);

    /// Takes the next row of an image, `ROW_LEN` int8 values; the answer after the last.
    fn push_row(&mut self, row: &[u8]) -> Option<Answer<'_>>;

    /// Tests itself; the image in flight is lost.
    fn self_test(&mut self) -> SelfTest;

    /// Hears of a frame that cannot be used.
    fn dropped(&mut self, reason: Dropped) {
        let _ = reason;
    }
}

/// Why a frame cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Bytes were lost, damaged or added on the line, or it is longer than any request.
    Damaged,
    /// It is no request.
    Unknown,
    /// A row of another length than the network's, in values.
    RowLength {
        /// The network's.
        expected: usize,
        /// The row's.
        found: usize,
    },
    /// A row that is not the next one, and not the first.
    RowNumber {
        /// The next one's number.
        expected: u32,
        /// The row's.
        found: u32,
    },
}

/// What a network says to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The clock's ticks that it took.
    pub ticks: u32,
    /// Int8 values.
    pub logits: &'a [u8],
}

/// A conversation, of frames of at most `N` bytes with their checksum: a row's are the longest.
#[derive(Debug, Default)]
pub struct Chip<const N: usize> {
    receiver: Receiver<N>,
    /// The row that is to come, 0 between images.
    row: u32,
    /// Of the rows before it.
    image_crc: Crc32,
}

impl<const N: usize> Chip<N> {
    /// Waits for the first request.
    pub const fn new() -> Self {
        Self { receiver: Receiver::new(), row: 0, image_crc: Crc32::new() }
    }

    /// Takes a byte of the line, and answers where it ends a frame. What cannot be used is answered with the row that is to
    /// come.
    pub fn take<T: Network>(&mut self, byte: u8, network: &mut T, line: impl FnMut(u8)) {
        let Some(frame) = self.receiver.take(byte) else { return };
        match frame.map(Request::parse) {
            Ok(Some(Request::Hello)) => return Reply::Hello(network.hello()).send(line),
            Ok(Some(Request::SelfTest)) => {
                (self.row, self.image_crc) = (0, Crc32::new());
                return Reply::SelfTest(network.self_test()).send(line);
            }
            Ok(Some(Request::Row { values, .. })) if values.len() != T::ROW_LEN => {
                network.dropped(Dropped::RowLength { expected: T::ROW_LEN, found: values.len() });
            }
            Ok(Some(Request::Row { number, .. })) if number != 0 && number != self.row => {
                network.dropped(Dropped::RowNumber { expected: self.row, found: number });
            }
            Ok(Some(Request::Row { number, values })) => {
                if number == 0 {
                    self.image_crc = Crc32::new();
                    network.start();
                }
                self.row = number.wrapping_add(1);
                values.iter().for_each(|&value| self.image_crc.update(value));
                if let Some(Answer { ticks, logits }) = network.push_row(values) {
                    self.row = 0;
                    let image_crc = core::mem::take(&mut self.image_crc).value();
                    return Reply::Answer { image_crc, class: class_of(logits), ticks, logits }.send(line);
                }
            }
            Ok(None) => network.dropped(Dropped::Unknown),
            Err(Damaged) => network.dropped(Dropped::Damaged),
        }
        Reply::Waiting { row: self.row, image_crc: self.image_crc.value() }.send(line);
    }
}

/// The class: the index of the largest logit, the first of equals.
fn class_of(logits: &[u8]) -> u32 {
    let (mut class, mut largest) = (0, i8::MIN);
    for (index, &logit) in (0..).zip(logits) {
        if logit.cast_signed() > largest {
            (class, largest) = (index, logit.cast_signed());
        }
    }
    class
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_class_is_the_first_of_the_largest() {
        let class_of =
            |logits: &[i8]| super::class_of(&logits.iter().map(|&logit| logit as u8).collect::<std::vec::Vec<_>>());
        assert_eq!(class_of(&[-3, 5, 5, -128]), 1);
        assert_eq!(class_of(&[-128, -128]), 0);
    }
}

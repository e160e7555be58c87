//! The host's side: an image to a chip and its answer back, over a line that may lose bytes.

use crate::crc32::crc32;
use crate::frame::{CHECKSUM_LEN, Receiver};
use crate::message::{Hello, Reply, Request, SelfTest, VERSION};
use std::vec::Vec;
use std::{fmt, io};

/// Bytes of the longest reply with its checksum: the answer of a network of 65,536 classes.
const MAX_FRAME_LEN: usize = 13 + (1 << 16) + CHECKSUM_LEN;

/// Bytes of noise, and of replies to earlier requests, that a reply may come after; a chip that talks without end is no chip of ours.
const NOISE_LEN: usize = 4096;

/// How often a request, or an image's way through its rows, may fail before the chip is given up.
const ATTEMPTS: usize = 8;

/// A line to a chip.
pub trait Line {
    /// Sends bytes.
    ///
    /// # Errors
    /// The line is gone.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The next byte; none where nothing has come for as long as a chip may take over a row.
    ///
    /// # Errors
    /// The line is gone.
    fn receive(&mut self) -> io::Result<Option<u8>>;
}

impl<L: Line + ?Sized> Line for std::boxed::Box<L> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        (**self).send(bytes)
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        (**self).receive()
    }
}

/// Why a chip has not answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostError {
    /// The line is gone.
    Line(io::Error),
    /// Nothing that could be used came back.
    Silent {
        /// What was asked.
        asked: &'static str,
    },
    /// It has other messages.
    Version {
        /// The chip's version of the table of messages.
        found: u32,
    },
    /// An image that is not of the chip's network.
    ImageLength {
        /// Values that its network takes.
        expected: usize,
        /// Values given.
        found: usize,
    },
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(cause) => write!(f, "the line to the chip broke: {cause}"),
            Self::Silent { asked } => write!(
                f,
                "the chip did not answer {asked} in {ATTEMPTS} attempts; check the port, its speed, and that the firmware's `serve` is \
                 what it runs"
            ),
            Self::Version { found } => {
                write!(f, "the chip speaks version {found}, expected {VERSION}: build and flash its firmware anew")
            }
            Self::ImageLength { expected, found } => {
                write!(f, "the image has {found} values, the chip's network takes {expected}")
            }
        }
    }
}

impl std::error::Error for HostError {}

impl From<io::Error> for HostError {
    fn from(cause: io::Error) -> Self {
        Self::Line(cause)
    }
}

/// A chip's answer to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The index of the largest logit.
    pub class: u32,
    /// Ticks of the chip's clock that the engine took.
    pub ticks: u32,
    /// Int8 values.
    pub logits: Vec<i8>,
}

/// A chip at the end of a line.
#[derive(Debug)]
pub struct Host<L> {
    line: L,
    receiver: std::boxed::Box<Receiver<MAX_FRAME_LEN>>,
    hello: Hello,
}

impl<L: Line> Host<L> {
    /// Asks who is there.
    ///
    /// # Errors
    /// No chip, or one that has other messages.
    pub fn connect(line: L) -> Result<Self, HostError> {
        let mut host = Self { line, receiver: Default::default(), hello: Hello::default() };
        let hello = host.ask("hello", Request::Hello, |reply| match reply {
            Reply::Hello(hello) => Some(hello),
            _ => None,
        })?;
        if hello.version != VERSION {
            return Err(HostError::Version { found: hello.version });
        }
        host.hello = hello;
        Ok(host)
    }

    /// What the chip said of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Lets the chip test itself.
    ///
    /// # Errors
    /// The chip does not answer.
    pub fn self_test(&mut self) -> Result<SelfTest, HostError> {
        self.ask("a self-test", Request::SelfTest, |reply| match reply {
            Reply::SelfTest(found) => Some(found),
            _ => None,
        })
    }

    /// The chip's answer to an image, H·W·C int8 values, channels last. Rows go over as the chip
    /// asks for them; where it has rows of another image, from the first.
    ///
    /// # Errors
    /// The image is of another size, or the chip does not answer.
    pub fn classify(&mut self, image: &[i8]) -> Result<Answer, HostError> {
        let Hello { row_len, rows, .. } = self.hello;
        let [row_len, rows] = [row_len, rows].map(|len| len as usize);
        let expected = row_len.saturating_mul(rows);
        if image.len() != expected || image.is_empty() {
            return Err(HostError::ImageLength { expected, found: image.len() });
        }
        let bytes: Vec<u8> = image.iter().map(|&value| value as u8).collect();
        let rows: Vec<&[u8]> = bytes.chunks_exact(row_len).collect();
        let (mut row, mut setbacks) = (0, 0);
        while setbacks < ATTEMPTS {
            let number = row as u32;
            self.send(Request::Row { number, values: rows[row] })?;
            let next = self.reply(|reply| match reply {
                Reply::Answer { image_crc, class, ticks, logits } if image_crc == crc32(&bytes) => {
                    Some(Next::Done(Answer { class, ticks, logits: logits.iter().map(|&value| value as i8).collect() }))
                }
                Reply::Waiting { row, image_crc } => {
                    let before = bytes.get(..(row as usize).saturating_mul(row_len));
                    let is_ours = (row as usize) < rows.len() && before.is_some_and(|rows| crc32(rows) == image_crc);
                    Some(Next::Row(if is_ours { row as usize } else { 0 }))
                }
                _ => None,
            })?;
            let last = row;
            row = match next {
                Some(Next::Done(answer)) => return Ok(answer),
                Some(Next::Row(next)) => next,
                None => row,
            };
            setbacks += usize::from(row <= last);
        }
        Err(HostError::Silent { asked: "a row of an image" })
    }

    /// Asks until there is an answer.
    fn ask<T>(
        &mut self,
        asked: &'static str,
        request: Request,
        mut choose: impl FnMut(Reply) -> Option<T>,
    ) -> Result<T, HostError> {
        for _ in 0..ATTEMPTS {
            self.send(request)?;
            if let Some(answer) = self.reply(&mut choose)? {
                return Ok(answer);
            }
        }
        Err(HostError::Silent { asked })
    }

    fn send(&mut self, request: Request) -> Result<(), HostError> {
        let mut bytes = Vec::new();
        request.send(|byte| bytes.push(byte));
        Ok(self.line.send(&bytes)?)
    }

    /// The next reply that `choose` takes; none where nothing comes any more, or only what is no reply.
    fn reply<T>(&mut self, mut choose: impl FnMut(Reply) -> Option<T>) -> Result<Option<T>, HostError> {
        let longest = NOISE_LEN + 2 * self.hello.answer_len as usize;
        for _ in 0..longest {
            let Some(byte) = self.line.receive()? else { break };
            let reply = self.receiver.take(byte).and_then(Result::ok).and_then(Reply::parse);
            if let Some(chosen) = reply.and_then(&mut choose) {
                return Ok(Some(chosen));
            }
        }
        Ok(None)
    }
}

/// What to do about an image after a reply.
enum Next {
    Done(Answer),
    /// Send this row.
    Row(usize),
}

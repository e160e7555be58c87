//! What is in a frame: a byte that says which message it is, then its fields, low byte first.
//!
//! | message | byte | fields |
//! |---|---|---|
//! | [`Request::Hello`] | 01 | |
//! | [`Request::Row`] | 02 | number u16, values i8 × row length |
//! | [`Request::SelfTest`] | 03 | |
//! | [`Reply::Hello`] | 81 | version u8, row length u16, rows u16, answer length u16, plan's checksum u32, ticks a second u32 |
//! | [`Reply::Waiting`] | 82 | number u16, checksum u32 |
//! | [`Reply::Answer`] | 83 | checksum u32, class u16, ticks u32, logits i8 × answer length |
//! | [`Reply::SelfTest`] | 84 | passed u8, ticks u32, static bytes u32, stack bytes u32 |

use crate::frame::Sender;

/// The version of this table.
pub const VERSION: u8 = 1;

/// Bytes of a row's message that are not its values.
pub const ROW_HEADER_LEN: usize = 3;

/// What a host asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Who is there?
    Hello,
    /// A row of an image; row 0 begins one.
    Row {
        /// Its number, from 0.
        number: u16,
        /// Int8 values, width × channels.
        values: &'a [u8],
    },
    /// Does it compute what the host's engine computes, and in how much memory?
    SelfTest,
}

/// What a chip answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// To `Hello`.
    Hello(Hello),
    /// To a row that was not the image's last, and to whatever cannot be used: send this row.
    Waiting {
        /// Its number, from 0.
        row: u16,
        /// CRC-32 of the values of the rows before it, as they have arrived: another image's are told apart.
        image_crc: u32,
    },
    /// To an image's last row.
    Answer {
        /// CRC-32 of all of the image's values, as they have arrived.
        image_crc: u32,
        /// The index of the largest logit, the first of equals.
        class: u16,
        /// What the engine took, in ticks of the chip's clock.
        ticks: u32,
        /// Int8 values.
        logits: &'a [u8],
    },
    /// To `SelfTest`.
    SelfTest(SelfTest),
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u8,
    /// Values of a row.
    pub row_len: u16,
    /// Rows of an image.
    pub rows: u16,
    /// Logits of an answer.
    pub answer_len: u16,
    /// The plan's own checksum.
    pub plan_crc: u32,
    /// The chip's clock; 0 where it has none.
    pub ticks_hz: u32,
}

/// What a self-test has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfTest {
    /// All logits were the host's, bit by bit.
    pub passed: bool,
    /// What the engine took for the slowest image, in ticks of the chip's clock.
    pub ticks: u32,
    /// RAM taken by statics, the engine's rows among them.
    pub static_bytes: u32,
    /// The stack at its deepest since reset.
    pub stack_bytes: u32,
}

impl<'a> Request<'a> {
    /// Reads a frame's payload; none where it is no request.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        match *payload {
            [1] => Some(Self::Hello),
            [2, low, high, ref values @ ..] => Some(Self::Row { number: u16::from_le_bytes([low, high]), values }),
            [3] => Some(Self::SelfTest),
            _ => None,
        }
    }

    /// Sends it as a frame.
    pub fn send(&self, line: impl FnMut(u8)) {
        let mut sender = Sender::begin(line);
        match *self {
            Self::Hello => sender.put(1),
            Self::Row { number, values } => {
                sender.put(2);
                sender.put_all(&number.to_le_bytes());
                sender.put_all(values);
            }
            Self::SelfTest => sender.put(3),
        }
        sender.end();
    }
}

impl<'a> Reply<'a> {
    /// Reads a frame's payload; none where it is no reply.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let (&kind, fields) = payload.split_first()?;
        let mut fields = Fields(fields);
        let reply = match kind {
            0x81 => Self::Hello(Hello {
                version: fields.u8()?,
                row_len: fields.u16()?,
                rows: fields.u16()?,
                answer_len: fields.u16()?,
                plan_crc: fields.u32()?,
                ticks_hz: fields.u32()?,
            }),
            0x82 => Self::Waiting { row: fields.u16()?, image_crc: fields.u32()? },
            0x83 => Self::Answer {
                image_crc: fields.u32()?,
                class: fields.u16()?,
                ticks: fields.u32()?,
                logits: core::mem::take(&mut fields.0),
            },
            0x84 => Self::SelfTest(SelfTest {
                passed: fields.u8()? == 1,
                ticks: fields.u32()?,
                static_bytes: fields.u32()?,
                stack_bytes: fields.u32()?,
            }),
            _ => return None,
        };
        fields.0.is_empty().then_some(reply)
    }

    /// Sends it as a frame.
    #[inline(always)] // the chip knows which one it sends
    pub fn send(&self, line: impl FnMut(u8)) {
        let mut sender = Sender::begin(line);
        match *self {
            Self::Hello(Hello { version, row_len, rows, answer_len, plan_crc, ticks_hz }) => {
                sender.put_all(&[0x81, version]);
                [row_len, rows, answer_len].iter().for_each(|field| sender.put_all(&field.to_le_bytes()));
                [plan_crc, ticks_hz].iter().for_each(|field| sender.put_all(&field.to_le_bytes()));
            }
            Self::Waiting { row, image_crc } => {
                sender.put(0x82);
                sender.put_all(&row.to_le_bytes());
                sender.put_all(&image_crc.to_le_bytes());
            }
            Self::Answer { image_crc, class, ticks, logits } => {
                sender.put(0x83);
                sender.put_all(&image_crc.to_le_bytes());
                sender.put_all(&class.to_le_bytes());
                sender.put_all(&ticks.to_le_bytes());
                sender.put_all(logits);
            }
            Self::SelfTest(SelfTest { passed, ticks, static_bytes, stack_bytes }) => {
                sender.put_all(&[0x84, u8::from(passed)]);
                [ticks, static_bytes, stack_bytes].iter().for_each(|field| sender.put_all(&field.to_le_bytes()));
            }
        }
        sender.end();
    }
}

/// The rest of a payload.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }
}

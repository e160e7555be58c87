//! What is in a frame: a byte that says which message it is, its fields, u32 each with the low byte first, and what fills the rest.
//!
//! | message | byte | fields | rest |
//! |---|---|---|---|
//! | [`Request::Hello`] | 01 | | |
//! | [`Request::Row`] | 02 | number | values, i8 × row length |
//! | [`Request::SelfTest`] | 03 | | |
//! | [`Reply::Hello`] | 81 | version, row length, rows, answer length, plan's checksum, ticks a second | |
//! | [`Reply::Waiting`] | 82 | number, checksum | |
//! | [`Reply::Answer`] | 83 | checksum, class, ticks | logits, i8 × answer length |
//! | [`Reply::SelfTest`] | 84 | passed (1 or 0), ticks, static bytes, stack bytes | |

use crate::frame::Sender;

/// The version of this table.
pub const VERSION: u32 = 1;

/// Bytes of a row's message that are not its values.
pub const ROW_HEADER_LEN: usize = 5;

/// What a host asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// Who is there?
    Hello,
    /// A row of an image; row 0 begins one.
    Row {
        /// Its number, from 0.
        number: u32,
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
        row: u32,
        /// CRC-32 of the values of the rows before it, as they have arrived: another image's are told apart.
        image_crc: u32,
    },
    /// To an image's last row.
    Answer {
        /// CRC-32 of all of the image's values, as they have arrived.
        image_crc: u32,
        /// The index of the largest logit, the first of equals.
        class: u32,
        /// What the engine took, in ticks of the chip's clock.
        ticks: u32,
        /// Int8 values.
        logits: &'a [u8],
    },
    /// To `SelfTest`.
    SelfTest(SelfTest),
}

/// Who answers. Of another version only that is known, and the rest is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u32,
    /// Values of a row.
    pub row_len: u32,
    /// Rows of an image.
    pub rows: u32,
    /// Logits of an answer.
    pub answer_len: u32,
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
            [2, a, b, c, d, ref values @ ..] => Some(Self::Row { number: u32::from_le_bytes([a, b, c, d]), values }),
            [3] => Some(Self::SelfTest),
            _ => None,
        }
    }

    /// Sends it as a frame.
    pub fn send(&self, line: impl FnMut(u8)) {
        match *self {
            Self::Hello => send(line, 1, &[], &[]),
            Self::Row { number, values } => send(line, 2, &[number], values),
            Self::SelfTest => send(line, 3, &[], &[]),
        }
    }
}

impl<'a> Reply<'a> {
    /// Reads a frame's payload; none where it is no reply.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let (&kind, mut rest) = payload.split_first()?;
        let mut field = || {
            let (field, behind) = rest.split_first_chunk()?;
            rest = behind;
            Some(u32::from_le_bytes(*field))
        };
        let reply = match kind {
            0x81 => {
                let version = field()?;
                if version != VERSION {
                    // Whatever the fields of that version are: who asks learns which it is.
                    return Some(Self::Hello(Hello { version, ..Hello::default() }));
                }
                Self::Hello(Hello {
                    version,
                    row_len: field()?,
                    rows: field()?,
                    answer_len: field()?,
                    plan_crc: field()?,
                    ticks_hz: field()?,
                })
            }
            0x82 => Self::Waiting { row: field()?, image_crc: field()? },
            0x83 => {
                let [image_crc, class, ticks] = [field()?, field()?, field()?];
                return Some(Self::Answer { image_crc, class, ticks, logits: rest });
            }
            0x84 => Self::SelfTest(SelfTest {
                passed: field()? == 1,
                ticks: field()?,
                static_bytes: field()?,
                stack_bytes: field()?,
            }),
            _ => return None,
        };
        rest.is_empty().then_some(reply)
    }

    /// Sends it as a frame.
    #[inline(always)] // the chip knows which one it sends
    pub fn send(&self, line: impl FnMut(u8)) {
        match *self {
            Self::Hello(Hello { version, row_len, rows, answer_len, plan_crc, ticks_hz }) => {
                send(line, 0x81, &[version, row_len, rows, answer_len, plan_crc, ticks_hz], &[]);
            }
            Self::Waiting { row, image_crc } => send(line, 0x82, &[row, image_crc], &[]),
            Self::Answer { image_crc, class, ticks, logits } => send(line, 0x83, &[image_crc, class, ticks], logits),
            Self::SelfTest(SelfTest { passed, ticks, static_bytes, stack_bytes }) => {
                send(line, 0x84, &[passed.into(), ticks, static_bytes, stack_bytes], &[]);
            }
        }
    }
}

#[inline(never)] // once for all messages
fn send(line: impl FnMut(u8), kind: u8, fields: &[u32], rest: &[u8]) {
    let mut sender = Sender::begin(line);
    sender.put(kind);
    fields.iter().for_each(|field| sender.put_all(&field.to_le_bytes()));
    sender.put_all(rest);
    sender.end();
}

//! How a host and a chip talk about images over a serial line.
//!
//! The host asks, the chip answers; a [frame](frame) carries each message and a checksum. An image goes over a row at a time, as
//! the engine takes it. Every answer but the last says which row the chip waits for, and has a checksum of the rows before it, so that
//! whatever is lost, damaged or sent twice, by this host or one before, the host knows what to send next. Row 0 begins an image
//! whatever happened to the one before.
//!
//! - [`frame`]: bytes with an end and a checksum (SLIP, CRC-32).
//! - [`message`]: what is in them.
//! - [`chip`]: the chip's side, over any network.
//! - [`host`]: the host's side, over any line; feature `host`.
//!
//! Both sides run on the desk, against each other over a bad line, in `tests/line.rs`.
#![no_std]

#[cfg(feature = "host")]
extern crate std;

pub mod chip;
pub mod crc32;
pub mod frame;
#[cfg(feature = "host")]
pub mod host;
pub mod message;

//! Counts what a Cortex-M program does in QEMU, by lap: instructions, estimated cycles, the RAM it writes, the code it runs.
//!
//! It is a plugin for QEMU's TCG (plugin interface 1, QEMU 6 to 8), and needs no help from the program but this: a static
//! array of bytes, and **a byte stored to element N begins lap N**, to element 0 ends counting. Laps come in any order
//! and add up. What the array holds does not matter, so the stores may be as cheap as a store can be; the store belongs to
//! the lap that it ends. Wider stores to the array, as start-up code makes them, say nothing.
//!
//! ```text
//! qemu-system-arm … -plugin libcounter.so,laps=0x20000040,count=12,model=m4,out=report.txt
//! ```
//!
//! `laps` and `count` are the array's address and length, `model` one of [`Model`]'s names (no cycles without it), `out` the
//! file for the [`Report`].
//!
//! [`thumb`] reads encodings, [`cycles`] knows what they cost, [`Counter`] adds up, [`Report`] is the file; all of it runs,
//! and is tested, without QEMU. `plugin` is the door to QEMU and the only unsafe code.
#![cfg_attr(test, allow(clippy::single_range_in_vec_init, reason = "a list of ranges may have one"))]

mod counter;
pub mod cycles;
#[cfg(unix)]
mod plugin;
mod report;
pub mod thumb;

pub use counter::Counter;
pub use cycles::Model;
pub use report::{Lap, Report, ReportError};

//! What the programs of this package share: the board, the network, a console, a stopwatch, the end after a fault.
//!
//! `firmware` is the application that a debugger or QEMU watches, `serve` the one that answers on a serial line (with the feature `rtt`
//! through a debug probe), `bench` one inference for whoever counts it, `camera` one whose rows come one by one. On the host there is only
//! the table of boards.
#![cfg_attr(target_os = "none", no_std)]

#[path = "../boards.rs"]
pub mod boards;
#[cfg(target_os = "none")]
pub mod console;
#[cfg(target_os = "none")]
pub mod cpu;
#[cfg(target_os = "none")]
pub mod fault;
#[cfg(target_os = "none")]
pub mod log;
#[cfg(target_os = "none")]
pub mod memory;
#[cfg(target_os = "none")]
pub mod network;
pub mod noise;
#[cfg(all(target_os = "none", any(feature = "rtt", feature = "defmt")))]
pub mod rtt;
#[cfg(target_os = "none")]
pub mod stopwatch;
#[cfg(test)]
mod tests;
#[cfg(target_os = "none")]
pub mod uart;

/// The line to the host.
#[cfg(all(target_os = "none", feature = "rtt"))]
pub use rtt as line;
/// The line to the host.
#[cfg(all(target_os = "none", not(feature = "rtt")))]
pub use uart as line;

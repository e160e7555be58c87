//! `serve`: answers a host on the board's serial line, in the messages of the crate `talk`. It needs no debugger and prints
//! nothing, has no images in it and tests itself with noise: what a product would carry.
//!
//! ```text
//! cargo build -p firmware --bin serve --profile firmware --target thumbv6m-none-eabi --features board-nrf51822
//! ```
//!
//! With the feature `rtt` the line goes through a debug probe.
//!
//! After a panic or a fault it begins anew, and the host hears that it waits for row 0.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod app;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("This program is for a microcontroller: `export talk` builds it, or asks a board that runs it.");
}

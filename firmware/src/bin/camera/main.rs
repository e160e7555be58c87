//! `camera`: the lines of a camera come one by one, at the highest rate that the chip keeps up with, and the class is there right after
//! the last. `export camera` builds it, runs it in QEMU and says what its figures mean.
//!
//! ```text
//! line_ticks 35210     a line comes every so many ticks of the clock
//! late 0               lines that came while the one before was still at work
//! answer_ticks 12034   from the last line to the answer
//! frame_ticks 590120   the work of a whole image: what an engine that waits for the frame has left when the last line is in
//! ```
//!
//! It ends with exit status 0, or 1 where a logit is not the host's or a line was late.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod app;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("This program is for a microcontroller: `export camera` builds it and runs it in QEMU.");
}

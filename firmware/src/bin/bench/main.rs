//! `bench`: one inference of the first embedded image, a lap an operator, for `export bench` and for boards.
//!
//! In a machine of QEMU's (`mps2-…`) it says which operator is at work by stores that the plugin in counter/ waits for. On a
//! board it prints SysTick's ticks by operator, which are cycles there:
//!
//! ```text
//! cargo run --release -- flash --board stm32f405 --program bench
//! ```
//!
//! It ends with exit status 0, or 1 where a logit is not the host's.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod app;
#[cfg(target_os = "none")]
mod laps;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("This program is for a microcontroller: `export bench` builds it, runs it in QEMU and reads its counts.");
}

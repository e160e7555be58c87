//! The application for boards: the very ELF that `cargo flash-BOARD` flashes and that QEMU runs.
//!
//! It looks at its semihosting command line and does one of three things:
//!
//! - `selftest`, or nothing: reads the images embedded in it and holds every logit against the host's.
//! - `classify`: reads int8 images from the host's file `images.i8`, writes their int8 logits to `logits.i8`.
//! - `overflow`: takes more stack than there is, for a look at the handler of faults.
//!
//! It ends with exit status 0 (done), 1 (a check failed), 2 (bad input), 101 (panic) or 139 (a fault). Built for the
//! host, it only says how to build it.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod app;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("This program is for a microcontroller. Build it for one of these:");
    for board in firmware::boards::BOARDS {
        let firmware::boards::Board { name, title, target, .. } = board;
        println!("  {title}\n    cargo build -p firmware --profile firmware --target {target} --features board-{name}");
    }
}

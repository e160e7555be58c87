//! The program as the chip runs it.

mod classify;
mod command;
mod overflow;
mod report;
mod selftest;

use command::Command;
use firmware::network::Engine;

/// Exit status: all is well.
const DONE: i32 = 0;
/// A check failed.
const FAILED: i32 = 1;
/// A file is missing, or ends within an image.
const BAD_INPUT: i32 = 2;

firmware::program!(run);

fn run(engine: &mut Engine) -> i32 {
    match command::read() {
        Command::SelfTest => selftest::run(engine),
        Command::Classify => classify::run(engine),
        Command::Overflow => overflow::run(0),
    }
}

//! The program as the chip runs it.

mod classify;
mod command;
mod crc32;
mod memory;
mod report;
mod selftest;

use command::Command;
use firmware::network::{self, Arena};

firmware::program!(run);

fn run(arena: &'static mut Arena) -> i32 {
    let mut engine = network::engine(arena);
    match command::read() {
        Ok(Command::SelfTest) => selftest::run(&mut engine),
        Ok(Command::Classify { input, output }) => classify::run(&mut engine, input, output),
        Err(status) => status,
    }
}

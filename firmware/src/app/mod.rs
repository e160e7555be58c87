//! The program as the chip runs it.

mod classify;
mod command;
mod console;
mod crc32;
mod fault;
mod memory;
mod network;
mod report;
mod selftest;
mod stopwatch;

use command::Command;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut ARENA: network::Arena = [0; _];
    let mut engine = network::engine(ARENA);
    let status = match command::read() {
        Ok(Command::SelfTest) => selftest::run(&mut engine),
        Ok(Command::Classify { input, output }) => classify::run(&mut engine, input, output),
        Err(status) => status,
    };
    semihosting::process::exit(status)
}

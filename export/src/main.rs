//! The `export` command. Exit status: 0 done, 1 a check failed, 2 bad input.

mod cli;

use clap::Parser;
use std::process::ExitCode;

const CHECK_FAILED: u8 = 1;
const BAD_INPUT: u8 = 2;

/// `export inspect … | head` closes the pipe before everything is printed. That is the reader's choice and no fault, but
/// `println!` panics on it.
fn end_quietly_on_a_closed_pipe() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str().is_some_and(|text| text.contains("Broken pipe")) {
            std::process::exit(0);
        }
        default(info);
    }));
}

fn main() -> ExitCode {
    end_quietly_on_a_closed_pipe();
    match cli::Cli::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(CHECK_FAILED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if cli::is_failed_check(&error) { CHECK_FAILED } else { BAD_INPUT })
        }
    }
}

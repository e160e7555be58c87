//! The `export` command. Exit status: 0 done, 1 a check failed, 2 bad input.

mod cli;

use clap::Parser;
use std::process::ExitCode;

const CHECK_FAILED: u8 = 1;
const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(CHECK_FAILED),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if cli::is_failed_check(&error) { CHECK_FAILED } else { BAD_INPUT })
        }
    }
}

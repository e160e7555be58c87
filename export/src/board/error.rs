//! Why the firmware could not be built or run.

use super::{BOARDS, CORES, core_name};
use std::{io, path::PathBuf, process::ExitStatus};
use thiserror::Error;

/// One cause each, with what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BoardError {
    /// `--on` with something that is no emulator and no probe.
    #[error("`{found}` is no place to run on: expected {}, or probe:BOARD for one of {}", places(), chips())]
    NotAPlace {
        /// What was given.
        found: String,
    },
    /// A board that the table does not have.
    #[error("there is no board `{found}`: expected {}", BOARDS.iter().map(|board| board.name).collect::<Vec<_>>().join(", "))]
    UnknownBoard {
        /// What was given.
        found: String,
    },
    /// A board that QEMU does not have.
    #[error("QEMU has no machine for {board}: expected {}", places())]
    NotEmulated {
        /// The board.
        board: &'static str,
    },
    /// A core that the table does not have.
    #[error("there is no core `{found}`: expected {}", CORES.iter().map(core_name).collect::<Vec<_>>().join(", "))]
    UnknownCore {
        /// What was given.
        found: String,
    },
    /// The bytes to run are no plan.
    #[error("the plan is refused: {0}")]
    Plan(infer_nostd::PlanError),
    /// The program is not run from a checkout.
    #[error("the source is expected in {}, and is not there: run this from a checkout of the repository", .0.display())]
    NoSource(PathBuf),
    /// A Rust target is missing and rustup could not add it.
    #[error("Rust's target {target} is missing and could not be added: run `rustup target add {target}`")]
    NoTarget {
        /// The target triple.
        target: &'static str,
    },
    /// cargo ended with an error.
    #[error("the firmware for {board} does not build:\n{log}")]
    Build {
        /// The board.
        board: &'static str,
        /// What cargo said.
        log: String,
    },
    /// What was linked would not start on the chip, or not fit it.
    #[error("the firmware for {board} is wrong: {reason}. Check firmware/boards.rs and the linker's script")]
    Image {
        /// The board.
        board: &'static str,
        /// What was expected and what was found.
        reason: String,
    },
    /// cargo ended with an error.
    #[error("the plugin that counts (counter/) does not build:\n{log}")]
    BuildCounter {
        /// What cargo said.
        log: String,
    },
    /// A board without a serial line, or without a driver for it.
    #[error("`serve` needs a serial line, and {board} has none that it knows: expected one of {}", with_serial())]
    NoSerial {
        /// The board.
        board: &'static str,
    },
    /// A board that is not there to be flashed.
    #[error("{board} is a machine of QEMU's: there is nothing to flash")]
    NotFlashed {
        /// The board.
        board: &'static str,
    },
    /// There is no probe-rs.
    #[error(
        "probe-rs is not installed, and flashing needs it: `cargo install probe-rs-tools --locked`, or the installer at \
         https://probe.rs/docs/getting-started/installation"
    )]
    NoProbeRs,
    /// probe-rs finds no probe.
    #[error(
        "no debug probe was found: plug in the {title}, or the probe on its SWD pins; where it is plugged in, see \
         https://probe.rs/docs/getting-started/probe-setup for the rights to use it"
    )]
    NoProbe {
        /// What people call the board.
        title: &'static str,
    },
    /// probe-rs finds several probes.
    #[error("several debug probes were found: choose one of `probe-rs list` with --probe VID:PID:SERIAL")]
    ManyProbes,
    /// The chip's memory is protected.
    #[error("the chip of {board} is locked: `export flash --board {board} --unlock` erases it, with everything in it")]
    Locked {
        /// The board.
        board: &'static str,
    },
    /// probe-rs does not know the chip.
    #[error("this probe-rs does not know {chip}: install a newer probe-rs (0.32 knows it)")]
    UnknownChip {
        /// probe-rs's name of the chip.
        chip: &'static str,
    },
    /// The probe does not reach the chip, or finds another.
    #[error(
        "the probe does not reach a {chip}: expected a {title} with power, and its SWD pins on the probe; --board names another"
    )]
    Unreachable {
        /// What people call the board.
        title: &'static str,
        /// probe-rs's name of the chip.
        chip: &'static str,
    },
    /// Anything else.
    #[error("probe-rs could not flash {board}: probe-rs's words are above")]
    Flash {
        /// The board.
        board: &'static str,
    },
    /// A port that cannot be opened.
    #[error(
        "{port}: expected a serial device or HOST:PORT ({cause}); see which there are with `ls /dev/tty*`, and whether you may use it"
    )]
    Port {
        /// As it was given.
        port: String,
        /// Why it failed.
        cause: io::Error,
    },
    /// The emulator does not take the plugin.
    #[error(
        "QEMU does not load the plugin that counts: expected qemu-system-arm 6 to 8, built with plugins, as Debian 12 and Ubuntu \
         24.04 have it. It said:\n{printed}"
    )]
    NoPlugins {
        /// QEMU's output.
        printed: String,
    },
    /// The program ended well and was not counted.
    #[error("the bench on {board} left no counts ({cause}). It printed:\n{printed}")]
    NotCounted {
        /// The board.
        board: &'static str,
        /// What is missing.
        cause: String,
        /// Its output.
        printed: String,
    },
    /// There is no emulator.
    #[error(
        "{program} is not installed, and the emulated board needs it: `apt-get install {}` (Debian, Ubuntu), `dnf install {program}` \
         (Fedora) or `brew install qemu` (macOS)",
        debian_package(program)
    )]
    NoQemu {
        /// QEMU's program for the processor's family.
        program: &'static str,
    },
    /// The emulator ran too long.
    #[error(
        "the firmware on {board} had not ended after {seconds} s in QEMU: it was stopped. It had printed:\n{printed}"
    )]
    Timeout {
        /// The board.
        board: &'static str,
        /// The limit.
        seconds: u64,
        /// Its output so far.
        printed: String,
    },
    /// The firmware ended with an error.
    #[error("the firmware on {board} ended with {status}. It printed:\n{printed}")]
    Failed {
        /// The board.
        board: &'static str,
        /// QEMU's exit status, which is the firmware's.
        status: ExitStatus,
        /// Its output.
        printed: String,
    },
    /// The firmware's output lacks a figure.
    #[error("the firmware on {board} did not print `{figure}`. It printed:\n{printed}")]
    NoFigure {
        /// The board.
        board: &'static str,
        /// The name of the figure.
        figure: &'static str,
        /// Its output.
        printed: String,
    },
    /// Nobody answers on its serial line.
    #[error("{board}: {cause}")]
    Talk {
        /// The board.
        board: &'static str,
        /// Why not.
        cause: talk::host::HostError,
    },
    /// It answers, and wrongly.
    #[error("the firmware on {board} does not give this machine's logits for its self-test's noise")]
    SelfTest {
        /// The board.
        board: &'static str,
    },
    /// Another run has the journal open.
    #[error("{file}: another run is writing it; wait for that one to end, or name another file")]
    JournalInUse {
        /// The file.
        file: String,
    },
    /// A file that is not what a run keeps its answers in.
    #[error(
        "{file}: expected a journal of `export validate --journal`, found something else on line {line}; name another file"
    )]
    NoJournal {
        /// The file.
        file: String,
        /// Its line, counted from 1.
        line: usize,
    },
    /// It ended well and yet did not answer every image.
    #[error(
        "the firmware on {board} answered with {found} values, expected {expected}: the images did not reach it whole; run it again"
    )]
    Answers {
        /// The board.
        board: &'static str,
        /// Values that the images call for.
        expected: usize,
        /// Values written.
        found: usize,
    },
    /// A file or a program.
    #[error("{what}: {cause}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        cause: io::Error,
    },
}

impl BoardError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |cause| Self::Io { what, cause }
    }
}

fn places() -> String {
    let place = |board: &super::Board| Some(format!("qemu:{} (or qemu:{})", board.name, board.machine()?));
    BOARDS.iter().filter_map(place).collect::<Vec<_>>().join(", ")
}

fn chips() -> String {
    BOARDS.iter().map(|board| board.name).collect::<Vec<_>>().join(", ")
}

fn with_serial() -> String {
    BOARDS.iter().filter(|board| board.serial.is_some()).map(|board| board.name).collect::<Vec<_>>().join(", ")
}

/// Debian 12 and Ubuntu 24.04 have one package for all but the common processors.
fn debian_package(program: &str) -> &str {
    if program == "qemu-system-arm" { program } else { "qemu-system-misc" }
}

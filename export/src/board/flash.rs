//! Firmware to a chip through a debug probe, by probe-rs's command. Its library would do as well, for 300 more crates to build.

use super::rtt::{self, RttLine};
use super::{Board, BoardError, Firmware};
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

/// The command, wherever the shell finds it.
const PROBE_RS: &str = "probe-rs";

/// Whether probe-rs is installed.
///
/// # Errors
/// [`BoardError::NoProbeRs`].
pub fn check_probe_rs() -> Result<(), BoardError> {
    let runs = Command::new(PROBE_RS).arg("--version").output().is_ok_and(|output| output.status.success());
    if runs { Ok(()) } else { Err(BoardError::NoProbeRs) }
}

/// Which probe, and what it may do.
#[derive(Debug, Clone, Default)]
pub struct Probe {
    /// VID:PID or VID:PID:SERIAL, as `probe-rs list` shows them; needed where there are several.
    pub selector: Option<String>,
    /// Erase a chip that is locked, with everything in it.
    pub may_unlock: bool,
}

impl Probe {
    /// Flashes firmware, runs it and shows what it prints until it ends; whether it ended well.
    ///
    /// # Errors
    /// No probe-rs, no probe, a chip that cannot be reached or is locked, each with what to do.
    pub fn run(&self, firmware: &Firmware) -> Result<bool, BoardError> {
        let run = self.probe_rs(PROBE_RS, "run", firmware.board, Some(firmware.elf()))?;
        match run.status.success() {
            true => Ok(true),
            // It was flashed and ran: what it found has been shown.
            false if run.said.contains("Application has exited") || run.said.lines().any(|line| line == "FAIL") => {
                Ok(false)
            }
            false => Err(failure(firmware.board, &run.said)),
        }
    }

    /// Flashes firmware that runs by itself, and starts it.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn leave(&self, firmware: &Firmware) -> Result<(), BoardError> {
        for (verb, elf) in [("download", Some(firmware.elf())), ("reset", None)] {
            let run = self.probe_rs(PROBE_RS, verb, firmware.board, elf)?;
            if !run.status.success() {
                return Err(failure(firmware.board, &run.said));
            }
        }
        Ok(())
    }

    /// Flashes firmware whose line is RTT, starts it, and opens the line.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn talk(&self, firmware: Firmware) -> Result<RttLine, BoardError> {
        self.leave(&firmware)?;
        let board = firmware.board;
        let port = rtt::free_port().map_err(BoardError::io("a TCP port"))?;
        let mut command = self.command(PROBE_RS, "gdb", board)?;
        command.args(["--gdb-connection-string", &format!("127.0.0.1:{port}")]);
        RttLine::start(firmware, command, port, |cause| no_program(PROBE_RS, cause), |said| failure(board, &said))
    }

    fn command(&self, program: &str, verb: &str, board: &Board) -> Result<Command, BoardError> {
        let chip = board.chip.ok_or(BoardError::NotFlashed { board: board.name })?;
        let mut command = Command::new(program);
        command.args([verb, "--non-interactive", "--chip", chip]);
        command.args(self.selector.iter().flat_map(|selector| ["--probe", selector]));
        command.args(self.may_unlock.then_some("--allow-erase-all"));
        Ok(command)
    }

    fn probe_rs(&self, program: &str, verb: &str, board: &Board, elf: Option<&Path>) -> Result<Run, BoardError> {
        let mut command = self.command(program, verb, board)?;
        let child = command.args(elf).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|cause| no_program(program, cause))?;
        let out = child.stdout.take().map(|pipe| thread::spawn(|| show(pipe, io::stdout())));
        let err = child.stderr.take().map(|pipe| thread::spawn(|| show(pipe, io::stderr())));
        let status = child.wait().map_err(BoardError::io(program))?;
        let said = [out, err].into_iter().flatten().filter_map(|reader| reader.join().ok());
        Ok(Run { said: said.collect(), status })
    }
}

fn no_program(program: &str, cause: io::Error) -> BoardError {
    match cause.kind() {
        io::ErrorKind::NotFound => BoardError::NoProbeRs,
        _ => BoardError::io(program)(cause),
    }
}

/// What probe-rs, and through it the chip, said, and how it ended.
struct Run {
    said: String,
    status: ExitStatus,
}

/// What is kept of what was said, in bytes: how it ended. Log lines may go on for days.
const LAST_WORDS_LEN: usize = 1 << 16;

/// Passes on what comes, as it comes, and keeps the last of it.
fn show(mut from: impl Read, mut to: impl Write) -> String {
    let (mut said, mut bytes) = (Vec::new(), [0; 1024]);
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        let _ = to.write_all(&bytes[..len]).and_then(|()| to.flush());
        said.extend_from_slice(&bytes[..len]);
        said.drain(..said.len().saturating_sub(LAST_WORDS_LEN));
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// What probe-rs's words (those of 0.32) mean.
fn failure(board: &Board, said: &str) -> BoardError {
    let (board, title, chip) = (board.name, board.title, board.chip.unwrap_or_default());
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if says(&["No connected probes were found", "Probe not found"]) {
        BoardError::NoProbe { title }
    } else if says(&["probes were found"]) {
        BoardError::ManyProbes
    } else if says(&["permissions were not given", "lacked the permission", "locked"]) {
        BoardError::Locked { board }
    } else if says(&["was not found in the database", "Unable to load specification for chip"]) {
        BoardError::UnknownChip { chip }
    } else if says(&["Connecting to the chip was unsuccessful"]) {
        BoardError::Unreachable { title, chip }
    } else {
        BoardError::Flash { board }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::board;

    #[test]
    fn every_failure_says_what_to_do() {
        let board = board("nrf52833").unwrap();
        for (said, advice) in [
            ("Error: No connected probes were found.", "plug in"),
            ("Error: 2 probes were found: …", "--probe"),
            ("required permissions were not given: erase_all", "--unlock"),
            ("The chip 'nRF52833_xxAA' was not found in the database.", "a newer probe-rs"),
            ("Error: Connecting to the chip was unsuccessful.", "micro:bit v2"),
            ("Error: The flashing procedure failed", "probe-rs's words are above"),
        ] {
            let error = failure(board, said).to_string();
            assert!(error.contains(advice), "{said}: {error}");
        }
    }

    #[test]
    fn a_board_without_a_chip_and_a_machine_without_probe_rs_are_told() {
        let probe = Probe::default();
        let on = |program: &str, board: &Board| probe.probe_rs(program, "run", board, None).err().unwrap().to_string();
        assert!(on("true", &crate::board::CORES[0]).contains("mps2-m0 is a machine of QEMU's"));
        assert!(on("no-such-program", board("rp2040").unwrap()).contains("cargo install probe-rs-tools"));
    }

    #[test]
    fn the_last_words_are_kept_and_all_are_passed_on() {
        let words = [vec![b'a'; 3 * LAST_WORDS_LEN], b"FAIL".to_vec()].concat();
        let mut passed_on = Vec::new();
        let said = show(&words[..], &mut passed_on);
        assert_eq!((said.len(), said.ends_with("aFAIL")), (LAST_WORDS_LEN, true));
        assert!(passed_on == words);
    }

    /// `echo` in the place of probe-rs.
    #[test]
    #[cfg(unix)]
    fn probe_rs_is_told_chip_probe_and_file() {
        let said = |probe: Probe| {
            probe.probe_rs("echo", "run", board("rp2350").unwrap(), Some(Path::new("a.elf"))).unwrap().said
        };
        assert_eq!(said(Probe::default()), "run --non-interactive --chip RP235x a.elf\n");
        let probe = Probe { selector: Some("2e8a:000c".into()), may_unlock: true };
        assert_eq!(said(probe), "run --non-interactive --chip RP235x --probe 2e8a:000c --allow-erase-all a.elf\n");
    }
}

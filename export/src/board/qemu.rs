//! Runs firmware in QEMU.

use super::{Board, BoardError, Figures, Firmware, Qemu, instructions};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// What a run printed, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Everything it printed.
    pub printed: String,
    /// QEMU's exit status, which is the firmware's.
    pub status: ExitStatus,
    /// How long it ran, QEMU's own start included.
    pub run_ms: u64,
}

impl Firmware {
    /// Runs it in QEMU with a semihosting command line, here, for `limit` at most; `icount shift=0` makes its clock count
    /// instructions.
    ///
    /// # Errors
    /// No QEMU, or no end. A status other than 0 is no error here.
    pub fn run(&self, args: &[&str], limit: Duration) -> Result<Output, BoardError> {
        self.run_in(Path::new("."), args, limit)
    }

    /// The same in `folder`, where the firmware looks for its files.
    pub(super) fn run_in(&self, folder: &Path, args: &[&str], limit: Duration) -> Result<Output, BoardError> {
        let qemu = machine_of(self.board)?;
        let semihosting =
            args.iter().fold("enable=on,target=native".to_owned(), |all, arg| all + ",arg=" + &arg.replace(',', ",,"));
        let mut command = command(qemu, self.elf(), "null");
        command.current_dir(folder).args(["-icount", "shift=0", "-semihosting-config", &semihosting]);
        finish(self.board, qemu, command, limit)
    }
}

/// A board's machine.
pub(super) fn machine_of(board: &'static Board) -> Result<&'static Qemu, BoardError> {
    board.qemu.as_ref().ok_or(BoardError::NotEmulated { board: board.name })
}

/// QEMU's command line for a machine, an ELF and what its serial line goes to, semihosting left open.
pub(super) fn command(qemu: &Qemu, elf: &Path, serial: &str) -> Command {
    let mut command = Command::new(qemu.program);
    let options = ["-machine", qemu.machine, "-nographic", "-monitor", "none", "-serial", serial, "-kernel"];
    command.args(options).arg(elf);
    command
}

/// Runs QEMU to its end, or to the limit.
pub(super) fn finish(
    board: &'static Board,
    qemu: &'static Qemu,
    mut command: Command,
    limit: Duration,
) -> Result<Output, BoardError> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.map_err(|error| spawn_error(qemu, error))?;
    wait(child, limit).map_err(BoardError::io(qemu.program))?.map_err(|printed| BoardError::Timeout {
        board: board.name,
        seconds: limit.as_secs(),
        printed,
    })
}

/// Whether the board has a machine and the QEMU that has it is installed.
///
/// # Errors
/// [`BoardError::NotEmulated`], [`BoardError::NoQemu`].
pub fn check_qemu(board: &'static Board) -> Result<(), BoardError> {
    let program = machine_of(board)?.program;
    let runs = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if runs { Ok(()) } else { Err(BoardError::NoQemu { program }) }
}

pub(super) fn spawn_error(qemu: &'static Qemu, error: io::Error) -> BoardError {
    match error.kind() {
        io::ErrorKind::NotFound => BoardError::NoQemu { program: qemu.program },
        _ => BoardError::io(qemu.program)(error),
    }
}

/// Waits for the child while its output is read, so that it never blocks on a full pipe; only its output where it takes too long.
fn wait(mut child: Child, limit: Duration) -> io::Result<Result<Output, String>> {
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if started.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let [out, err] = [out, err].map(|reader| reader.join().unwrap_or_default());
    let printed = out + &err;
    Ok(match status {
        Some(status) => Ok(Output { printed, status, run_ms: started.elapsed().as_millis() as u64 }),
        None => Err(printed),
    })
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

impl Output {
    /// The figures of a run that ended well.
    ///
    /// # Errors
    /// It did not end well, or a figure is missing.
    pub fn figures(&self, firmware: &Firmware) -> Result<Figures, BoardError> {
        let board = firmware.board;
        if !self.status.success() {
            let (status, printed) = (self.status, self.printed.clone());
            return Err(BoardError::Failed { board: board.name, status, printed });
        }
        let figure = |figure: &'static str| {
            let missing = || BoardError::NoFigure { board: board.name, figure, printed: self.printed.clone() };
            self.number(figure).ok_or_else(missing)
        };
        Ok(Figures {
            instructions: Some(instructions(figure("ticks_per_image")?, machine_of(board)?.clock_hz)),
            cycles: None,
            flash_bytes: firmware.image.flash_bytes,
            ram_bytes: figure("ram_bytes")? as usize,
            static_bytes: figure("static_bytes")? as usize,
            stack_bytes: figure("stack_bytes")? as usize,
            run_ms: self.run_ms,
        })
    }

    /// The number on the last line that begins with `name`.
    pub fn number(&self, name: &str) -> Option<u64> {
        let mut values = self.printed.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        values.next_back()?.trim().parse().ok()
    }
}

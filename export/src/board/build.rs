//! Builds the firmware around a plan, and the plugin that counts what it does.

use super::image::{self, Image};
use super::{Board, BoardError};
use crate::plan;
use infer_nostd::plan::crc32;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::{env, fs};
use tempfile::TempDir;

/// An ELF for one board with one plan inside.
pub struct Firmware {
    /// What it is for.
    pub board: &'static Board,
    /// What it takes of the chip: code, constants, the plan and, in the application, the sample images.
    pub image: Image,
    /// CRC-32 of the ELF.
    pub elf_crc: u32,
    elf: PathBuf,
    /// Holds the ELF, so that the next build does not replace it.
    _dir: TempDir,
}

/// cargo puts every plan's firmware in one place: one build at a time, until its ELF is copied.
static BUILDING: Mutex<()> = Mutex::new(());

/// One of the firmware's programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The application that QEMU or a debugger watches: self-test and classification.
    Application,
    /// The application that answers on the board's serial line.
    Serve,
    /// The same through a debug probe, by RTT.
    ServeOverRtt,
    /// The same on the serial line, with log lines for `probe-rs run`.
    ServeWithLogs,
    /// One inference, lap by lap.
    Bench,
    /// A line camera: rows at a steady rate, and how long the answer takes after the last.
    Camera,
}

impl Program {
    /// Its binary's name.
    const fn name(self) -> &'static str {
        match self {
            Self::Application => "firmware",
            Self::Serve | Self::ServeOverRtt | Self::ServeWithLogs => "serve",
            Self::Bench => "bench",
            Self::Camera => "camera",
        }
    }

    /// What is added to the board's feature.
    const fn features(self) -> &'static str {
        match self {
            Self::ServeOverRtt => ",rtt",
            Self::ServeWithLogs => ",defmt",
            _ => "",
        }
    }
}

impl Firmware {
    /// Builds the application around the bytes of a plan; adds Rust's target for the board where it is missing. What the chip
    /// would not start is not handed out.
    ///
    /// # Errors
    /// No source, no target, cargo's own words, or [`BoardError::Image`].
    pub fn build(board: &'static Board, plan: &[u8]) -> Result<Self, BoardError> {
        Self::program(Program::Application, board, plan)
    }

    /// Builds one of the programs; as [`build`](Self::build).
    ///
    /// # Errors
    /// As `build`; [`BoardError::NoSerial`].
    pub fn program(program: Program, board: &'static Board, plan: &[u8]) -> Result<Self, BoardError> {
        if matches!(program, Program::Serve | Program::ServeWithLogs) && board.serial.is_none() {
            return Err(BoardError::NoSerial { board: board.name });
        }
        let root = source("firmware")?;
        ensure_target(&root, board.target)?;
        let dir = TempDir::new().and_then(|dir| Ok((dir.path().canonicalize()?, dir)));
        let (path, dir) = dir.map_err(BoardError::io("a temporary folder"))?;
        let _alone = BUILDING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let built = cargo_build(&root, program, board, &plan_file(&root, plan)?)?;
        let elf = path.join("firmware");
        fs::copy(&built, &elf).map_err(BoardError::io(built.display().to_string()))?;
        let bytes = fs::read(&elf).map_err(BoardError::io(elf.display().to_string()))?;
        let elf_crc = talk::crc32::crc32(&bytes);
        Ok(Self { board, image: image::check(&bytes, board)?, elf_crc, elf, _dir: dir })
    }

    /// The ELF's path, as long as this lives.
    pub fn elf(&self) -> &Path {
        &self.elf
    }
}

/// Builds the plugin that counts, and returns its path.
///
/// # Errors
/// No source, or cargo's own words.
pub fn counter() -> Result<PathBuf, BoardError> {
    let root = source("counter")?;
    let output = cargo(&root, &["--package", "counter", "--release"], &[])?;
    let is_library = |path: &PathBuf| path.extension().is_some_and(|extension| extension == env::consts::DLL_EXTENSION);
    let library = messages(&output).flat_map(|message| message.filenames).find(is_library);
    library.filter(|_| output.status.success()).ok_or_else(|| BoardError::BuildCounter { log: log(&output) })
}

/// The root of the workspace, which has the package's source.
fn source(package: &str) -> Result<PathBuf, BoardError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let there = root.join(package).join("Cargo.toml").exists();
    if there { Ok(root) } else { Err(BoardError::NoSource(root.join(package))) }
}

/// A file with the plan, the same one for the same bytes: cargo builds again when its path changes.
fn plan_file(root: &Path, plan: &[u8]) -> Result<PathBuf, BoardError> {
    let folder = root.join("target").join("plans");
    let file = folder.join(format!("{:08x}.plan", crc32(&plan::words(plan), 0)));
    let error = || BoardError::io(file.display().to_string());
    fs::create_dir_all(&folder).map_err(error())?;
    if !fs::read(&file).is_ok_and(|there| there == plan) {
        fs::write(&file, plan).map_err(error())?;
    }
    file.canonicalize().map_err(error())
}

fn cargo_build(root: &Path, program: Program, board: &'static Board, plan: &Path) -> Result<PathBuf, BoardError> {
    let features = format!("board-{}{}", board.name, program.features());
    let what = ["--package", "firmware", "--bin", program.name(), "--profile", "firmware"];
    let args = [&what[..], &["--target", board.target, "--features", &features]].concat();
    let output = cargo(root, &args, &[("PLAN", plan)])?;
    let executable = messages(&output).filter_map(|message| message.executable).next();
    let executable = executable.filter(|_| output.status.success());
    executable.ok_or_else(|| BoardError::Build { board: board.name, log: log(&output) })
}

fn cargo(root: &Path, args: &[&str], variables: &[(&str, &Path)]) -> Result<Output, BoardError> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(root).args(["build", "--locked", "--message-format", "json-render-diagnostics"]).args(args);
    // Flags meant for the host's tests (coverage, sanitizers) are none of the chip's, and none of QEMU's.
    command.envs(variables.iter().copied()).env_remove("RUSTFLAGS");
    command.output().map_err(BoardError::io("cargo"))
}

/// One of cargo's messages, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn messages(output: &Output) -> impl Iterator<Item = Message> {
    let lines = output.stdout.split(|&byte| byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice(line).ok())
}

fn log(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// Adds the target with rustup unless rustc has it.
fn ensure_target(root: &Path, target: &'static str) -> Result<(), BoardError> {
    let rustc = Command::new("rustc").current_dir(root).args(["--print", "target-libdir", "--target", target]).output();
    let libdir = rustc.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())).unwrap_or_default();
    if libdir.is_dir() {
        return Ok(());
    }
    let added = Command::new("rustup").current_dir(root).args(["target", "add", target]).output();
    if added.is_ok_and(|output| output.status.success()) { Ok(()) } else { Err(BoardError::NoTarget { target }) }
}

//! Builds the firmware around a plan.

use super::{Board, BoardError};
use object::{Object, ObjectSegment};
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
    /// Bytes of flash it takes: code, constants, the plan and the sample images.
    pub flash_bytes: usize,
    elf: PathBuf,
    /// Holds the ELF, so that the next build does not replace it.
    _dir: TempDir,
}

/// cargo puts every plan's firmware in one place: one build at a time, until its ELF is copied.
static BUILDING: Mutex<()> = Mutex::new(());

impl Firmware {
    /// Builds it; adds Rust's target for the board where it is missing.
    ///
    /// # Errors
    /// No source, no target, or cargo's own words.
    pub fn build(board: &'static Board, plan: &Path) -> Result<Self, BoardError> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        if !root.join("firmware/Cargo.toml").exists() {
            return Err(BoardError::NoSource(root.join("firmware")));
        }
        let plan = fs::canonicalize(plan).map_err(BoardError::io(plan.display().to_string()))?;
        ensure_target(&root, board.target)?;
        let dir = TempDir::new().and_then(|dir| Ok((dir.path().canonicalize()?, dir)));
        let (path, dir) = dir.map_err(BoardError::io("a temporary folder"))?;
        let _alone = BUILDING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let built = cargo_build(&root, board, &plan)?;
        let elf = path.join("firmware");
        fs::copy(&built, &elf).map_err(BoardError::io(built.display().to_string()))?;
        let bytes = fs::read(&elf).map_err(BoardError::io(elf.display().to_string()))?;
        Ok(Self { board, flash_bytes: flash_bytes(&bytes, board)?, elf, _dir: dir })
    }

    /// The ELF's path, as long as this lives.
    pub fn elf(&self) -> &Path {
        &self.elf
    }
}

fn cargo_build(root: &Path, board: &'static Board, plan: &Path) -> Result<PathBuf, BoardError> {
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let feature = format!("board-{}", board.name);
    let args = ["build", "--locked", "--package", "firmware", "--profile", "firmware", "--target", board.target];
    let mut command = Command::new(cargo);
    command.current_dir(root).env("PLAN", plan).args(args).args(["--features", &feature]);
    // Flags meant for the host's build (coverage, sanitizers) are none of the chip's.
    command.args(["--message-format", "json-render-diagnostics"]).env_remove("RUSTFLAGS");
    let output = command.output().map_err(BoardError::io("cargo"))?;
    let log = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if !output.status.success() {
        return Err(BoardError::Build { board: board.name, log: log() });
    }
    executable(&output).ok_or_else(|| BoardError::Build { board: board.name, log: log() })
}

/// One of cargo's messages, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

fn executable(output: &Output) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    messages.filter_map(|message| message.executable).next_back()
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

/// What the loader writes to flash: all that the file has of every segment.
fn flash_bytes(elf: &[u8], board: &Board) -> Result<usize, BoardError> {
    let broken = |_| BoardError::Build { board: board.name, log: "the linker's output is not an ELF".into() };
    let file = object::File::parse(elf).map_err(broken)?;
    // `.data` is addressed in RAM and yet loaded from flash; `.bss` has nothing in the file.
    let segments = file.segments().map(|segment| segment.file_range().1 as usize);
    Ok(segments.sum())
}

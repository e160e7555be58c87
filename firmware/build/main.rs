//! Writes what the firmware needs to know about its board (memory.x, board.rs) and its network (net.plan, samples.rs).

#[path = "../boards.rs"]
mod boards;
mod samples;

use boards::{BOARDS, Board};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The zoo's first network, relative to the workspace.
const DEFAULT_PLAN: &str = "models/mnist-cnn/net.plan";

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=boards.rs");
    let for_a_chip = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if !for_a_chip {
        return;
    }
    if let Err(message) = generate() {
        println!("cargo::error={message}");
    }
}

fn generate() -> Result<(), String> {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let index = chosen_board()?;
    let board = &BOARDS[index];
    write(&out, "memory.x", memory_x(board).as_bytes())?;
    write(&out, "board.rs", format!("&boards::BOARDS[{index}]").as_bytes())?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");

    let (path, plan) = read_plan()?;
    write(&out, "net.plan", &plan)?;
    let samples = samples::generate(&plan, board).map_err(|e| format!("{}: {e}", path.display()))?;
    write(&out, "samples.rs", samples.as_bytes())
}

/// The board whose feature is on, by its place in the table.
fn chosen_board() -> Result<usize, String> {
    let names: Vec<&str> = BOARDS.iter().map(|board| board.name).collect();
    let feature = |name: &str| format!("CARGO_FEATURE_BOARD_{}", name.to_uppercase());
    let chosen: Vec<usize> = (0..names.len()).filter(|&i| env::var_os(feature(names[i])).is_some()).collect();
    let [index] = chosen[..] else {
        return Err(format!(
            "{} boards chosen, expected one: build with --features board-NAME, where NAME is one of {}",
            chosen.len(),
            names.join(", ")
        ));
    };
    let (board, target) = (&BOARDS[index], env::var("TARGET").expect("cargo sets TARGET"));
    if board.target != target {
        let (name, right) = (board.name, board.target);
        return Err(format!("board {name} is a {}: build with --target {right}, not {target}", board.core));
    }
    Ok(index)
}

/// cortex-m-rt's link.x includes this.
fn memory_x(board: &Board) -> String {
    let line = |name: &str, region: &boards::Region| {
        format!("  {name} : ORIGIN = {:#010x}, LENGTH = {}\n", region.origin, region.len_bytes)
    };
    format!("MEMORY {{\n{}{}}}\n", line("FLASH", &board.flash), line("RAM", &board.ram))
}

/// $PLAN, or the zoo's first network.
fn read_plan() -> Result<(PathBuf, Vec<u8>), String> {
    println!("cargo::rerun-if-env-changed=PLAN");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("firmware is a folder of the workspace");
    let path = workspace.join(env::var("PLAN").unwrap_or(DEFAULT_PLAN.into()));
    println!("cargo::rerun-if-changed={}", path.display());
    let plan = fs::read(&path).map_err(|e| {
        format!(
            "no plan at {}: {e}. Make one with `cargo run --release -- plan INT8.onnx -o FILE` and set PLAN=FILE",
            path.display()
        )
    })?;
    Ok((path, plan))
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let path = dir.join(name);
    fs::write(&path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

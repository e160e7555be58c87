//! Writes what the firmware needs to know about its board (memory.x, board.rs) and its network (net.plan, samples.rs, noise.rs).

#[path = "../boards.rs"]
mod boards;
mod memory_x;
#[path = "../src/noise.rs"]
mod noise;
mod samples;

use boards::{BOARDS, Board, CORES, SUBSETS};
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The zoo's first network, relative to the workspace.
const DEFAULT_NETWORK: &str = "models/mnist-cnn";

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=boards.rs");
    println!("cargo::rerun-if-changed=src/noise.rs");
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
    let (place, board) = chosen_board()?;
    write(&out, "memory.x", memory_x::generate(board).as_bytes())?;
    write(&out, "board.rs", format!("&boards::{place}").as_bytes())?;
    println!("cargo::rustc-link-search={}", out.display());
    println!("cargo::rustc-link-arg-bins=-Tlink.x");
    if env::var_os("CARGO_FEATURE_DEFMT").is_some() {
        println!("cargo::rustc-link-arg-bins=-Tdefmt.x"); // what becomes of the texts, which stay on the host
        println!("cargo::rerun-if-env-changed=DEFMT_LOG");
        if env::var_os("DEFMT_LOG").is_none() {
            println!("cargo::rustc-env=DEFMT_LOG=info"); // defmt's own choice is errors alone
        }
    }

    let (path, plan) = read_plan(board)?;
    write(&out, "net.plan", &plan)?;
    let samples = samples::generate(&plan, board).map_err(|e| format!("{}: {e}", path.display()))?;
    write(&out, "samples.rs", samples.samples.as_bytes())?;
    write(&out, "noise.rs", samples.noise.as_bytes())
}

/// The board whose feature is on, and its place in the tables.
fn chosen_board() -> Result<(String, &'static Board), String> {
    let place = |table: &'static str, boards: &'static [Board]| {
        boards.iter().enumerate().map(move |(i, board)| (format!("{table}[{i}]"), board))
    };
    let feature = |board: &Board| format!("CARGO_FEATURE_BOARD_{}", board.name.to_uppercase().replace('-', "_"));
    let tables = place("BOARDS", BOARDS).chain(place("SUBSETS", SUBSETS)).chain(place("CORES", CORES));
    let all: Vec<(String, &Board)> = tables.collect();
    let chosen: Vec<_> = all.iter().filter(|(_, board)| env::var_os(feature(board)).is_some()).collect();
    let [(place, board)] = chosen[..] else {
        return Err(format!(
            "{} boards chosen, expected one: build with --features board-NAME, where NAME is one of {}",
            chosen.len(),
            all.iter().map(|(_, board)| board.name).collect::<Vec<_>>().join(", ")
        ));
    };
    let target = env::var("TARGET").expect("cargo sets TARGET");
    if board.target != target {
        let (name, right) = (board.name, board.target);
        return Err(format!("board {name} is a {}: build with --target {right}, not {target}", board.core));
    }
    Ok((place.clone(), board))
}

/// $PLAN, or the zoo's first network, planned for the board's core.
fn read_plan(board: &Board) -> Result<(PathBuf, Vec<u8>), String> {
    println!("cargo::rerun-if-env-changed=PLAN");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("firmware is a folder of the workspace");
    let default = || format!("{DEFAULT_NETWORK}/{}.plan", shipped(board.plan_target));
    let path = workspace.join(env::var("PLAN").unwrap_or_else(|_| default()));
    println!("cargo::rerun-if-changed={}", path.display());
    let plan = fs::read(&path).map_err(|e| {
        format!(
            "no plan at {}: {e}. Make one with `cargo run --release -- plan INT8.onnx --target {} -o FILE` and set PLAN=FILE",
            path.display(),
            board.plan_target
        )
    })?;
    Ok((path, plan))
}

/// The name of the plan that ships for a target.
fn shipped(plan_target: &str) -> &str {
    match plan_target {
        "portable" => "net",
        "cortex-m7" | "cortex-m33" => "cortex-m4", // the same kernels
        own => own,
    }
}

fn write(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let path = dir.join(name);
    fs::write(&path, bytes).map_err(|e| format!("cannot write {}: {e}", path.display()))
}

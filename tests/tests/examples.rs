//! The projects in examples/, built as their users build them and run on their emulated boards.

use std::env;
use std::path::Path;
use std::process::Command;

/// What `cargo run` prints in an example's folder.
fn run(example: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.current_dir(root.join("examples").join(example)).args(["run", "--release", "--locked", "--quiet"]);
    // Each has its own `target` otherwise; flags for the host's tests are none of the chip's.
    command.env("CARGO_TARGET_DIR", root.join("target/examples")).env_remove("RUSTFLAGS");
    let output = command.output().expect("cargo");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{example}: {out}{error}");
    // `export` without its features is built by nobody else: what only they use would be dead code there.
    assert!(!error.contains(" --> "), "{example}: {error}");
    out.into_owned()
}

#[test]
fn a_plain_cortex_m_rt_program_reads_the_digit() {
    let printed = run("cortex-m-rt");
    assert!(printed.starts_with("read 7: ["), "{printed}");
}

#[test]
fn an_embassy_task_gives_way_after_every_row_and_reads_the_digit() {
    assert_eq!(run("embassy"), "read 7; the other task had 27 turns\n");
}

#[test]
fn a_build_script_plans_the_network_within_its_budgets() {
    let printed = run("build-script");
    let numbers: Vec<usize> = printed.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [7, flash_bytes, ram_bytes] = numbers[..] else { panic!("{printed}") };
    assert!(flash_bytes <= 32 * 1024 && ram_bytes <= 6 * 1024, "{printed}");
}

/// What its build script brings along: neither burn nor tract nor the command line.
#[test]
fn a_build_script_needs_few_crates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let lock = std::fs::read_to_string(root.join("examples/build-script/Cargo.lock")).unwrap();
    let crates: Vec<&str> = lock.lines().filter_map(|line| line.strip_prefix("name = ")).collect();
    assert!(crates.len() <= 20, "{crates:?}");
}

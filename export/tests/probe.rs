//! Boards at a debug probe, without one: what is said where probe-rs is missing, and the whole way where it is there.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

/// `export` in the root of the workspace.
fn export(path: &str, line: &str) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_export"));
    command.current_dir(root).env("PATH", path).args(line.split_whitespace()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn without_probe_rs_every_command_says_where_to_get_it_before_it_builds() {
    for line in [
        "talk --on probe:rp2040",
        "validate models/mnist-cnn/net.plan --data digits --limit 1 --on probe:nRF52833_xxAA",
        "run models/mnist-cnn/net.plan --input examples/seven.pgm --on probe:stm32f411",
        "flash --board rp2350",
    ] {
        let output = export("", line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let error = text(&output.stderr);
        assert!(error.contains("cargo install probe-rs-tools") && !error.contains("building"), "{line}: {error}");
    }
}

/// A program in the place of probe-rs: it keeps the ELF that is to be flashed, and the debugger's server is QEMU's.
const STAND_IN: &str = r#"#!/bin/sh
here=$(dirname "$0")
verb=$1
for last; do :; done
echo "$@" >> "$here/told"
case $verb in
    download) cp "$last" "$here/elf" ;;
    gdb) exec qemu-system-arm -M microbit -nographic -monitor none -serial null -kernel "$here/elf" -gdb "tcp:$last" ;;
esac
"#;

#[test]
fn a_board_at_a_probe_is_flashed_and_answers_through_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("probe-rs");
    fs::write(&program, STAND_IN).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());

    let output = export(&path, "talk --on probe:nrf51822 --probe 0d28:0204 --data digits --limit 2");
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(out.contains("self-test passed"), "{out}");
    assert!(out.contains("2 images of digits: 2 read rightly, all logits as on this machine for 2"), "{out}");

    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    let verbs: Vec<_> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(verbs, ["--version", "download", "reset", "gdb"]);
    let on_chip = |line: &str| line.contains("--chip nRF51822_xxAA --probe 0d28:0204");
    assert!(told.lines().skip(1).all(on_chip), "{told}");

    let output = export(&path, "flash --board nrf51822 --serve --logs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let told = fs::read_to_string(folder.path().join("told")).unwrap();
    let last = told.lines().last().unwrap_or_default();
    assert!(last.starts_with("run ") && last.contains("--chip nRF51822_xxAA"), "{last}");

    let plan = "models/mnist-cnn/cortex-m0.plan";
    let output = export(&path, &format!("validate {plan} --data digits --limit 3 --on probe:nrf51822"));
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{error}");
    assert!(out.contains("infer-nostd on nrf51822 (probe)"), "{out}");
}

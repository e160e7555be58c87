//! Training on a device that another process serves: `cargo test --release --workspace --features train/remote --test remote`.
#![cfg(feature = "remote")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use train::card::Card;
use train::metrics;

/// `train serve` on a free port, ended with the test.
struct Server {
    process: Child,
    /// What `--device` is to be, as the server says.
    device: String,
}

impl Server {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
        command.args(["serve", "--listen", "127.0.0.1:0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("serving"))).unwrap().unwrap();
        let device = line.rsplit(' ').next().unwrap().to_owned();
        // What else it says goes nowhere, but the pipe stays open for it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, device }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn train(device: &str, out: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
    command.args(["--model", "mnist-dsres", "--data", "digits", "--limit", "240", "--batch", "32", "--epochs", "2"]);
    command.args(["--device", device, "--out"]).arg(out).output().unwrap()
}

fn losses(out: &Path) -> Vec<f64> {
    metrics::read(out).unwrap().into_iter().map(|epoch| epoch.train_loss).collect()
}

#[test]
fn a_run_on_a_served_device_learns_what_one_on_this_device_learns() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start();
    let device = server.device.clone();
    assert!(device.starts_with("remote:ws://127.0.0.1:"), "{device}");
    for (device, out) in [("flex", here.path()), (&device, there.path())] {
        let output = train(device, out);
        assert!(output.status.success(), "{device}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let card: Card = serde_json::from_slice(&fs::read(there.path().join("card.json")).unwrap()).unwrap();
    assert_eq!(card.device, device);
    // Sums may be taken in another order there; the same images in the same order leave nothing else to differ.
    for (here, there) in losses(here.path()).into_iter().zip(losses(there.path())) {
        assert!((here / there - 1.0).abs() < 0.01, "{here} {there}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let out = tempfile::tempdir().unwrap();
    // Port 1 is reserved, and nothing listens there.
    let output = train("remote:ws://127.0.0.1:1", out.path());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--device remote:ws://127.0.0.1:1"), "{said}");
}

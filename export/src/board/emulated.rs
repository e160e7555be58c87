//! The firmware in QEMU, a batch of images at a time, through files.

use super::stage::{OnBoard, Runs};
use super::{BoardError, Figures, Firmware};
use infer_nostd::Plan;
use std::convert::Infallible;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// Longest that a batch of images may take.
const LIMIT: Duration = Duration::from_secs(600);

/// A plan in the firmware of one board, in QEMU.
pub type Emulated = OnBoard<Machine>;

/// A board in QEMU.
pub struct Machine(Firmware);

impl Emulated {
    /// Takes firmware that was built with `plan`.
    pub fn new(firmware: Firmware, plan: &Plan) -> Self {
        match Self::with(firmware, plan, "QEMU", |firmware| Ok::<_, Infallible>(Machine(firmware))) {
            Ok(stage) => stage,
        }
    }
}

impl Runs for Machine {
    fn classify(&self, images: &[i8]) -> Result<(Vec<i8>, Figures), BoardError> {
        let Self(firmware) = self;
        let dir = TempDir::new().map_err(BoardError::io("a temporary folder"))?;
        let (input, output) = (dir.path().join("images.i8"), dir.path().join("logits.i8"));
        let bytes: Vec<u8> = images.iter().map(|&v| v as u8).collect();
        fs::write(&input, bytes).map_err(BoardError::io(input.display().to_string()))?;
        let figures = firmware.run_in(dir.path(), &["classify"], LIMIT)?.figures(firmware)?;
        let answers = fs::read(&output).map_err(BoardError::io(output.display().to_string()))?;
        Ok((answers.iter().map(|&v| v as i8).collect(), figures))
    }
}

//! An emulated board as a stage of the road.

use super::{BoardError, Figures, Firmware};
use crate::validate::images::{to_reals, to_steps};
use crate::validate::{Stage, StageError};
use infer_nostd::{Plan, TensorInfo};
use std::fs;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// Longest that a batch of images may take.
const LIMIT: Duration = Duration::from_secs(600);

/// A plan in the firmware of one board, in QEMU.
pub struct Emulated {
    name: String,
    firmware: Firmware,
    input: TensorInfo,
    output: TensorInfo,
    figures: Mutex<Option<Figures>>,
}

impl Emulated {
    /// Takes firmware that was built with `plan`.
    pub fn new(firmware: Firmware, plan: &Plan) -> Self {
        let name = format!("infer-nostd on {} (QEMU)", firmware.board.name);
        Self { name, firmware, input: plan.input(), output: plan.output(), figures: Mutex::new(None) }
    }

    /// Int8 images, H·W·C each, through the firmware; int8 answers, channels last.
    fn classify(&self, images: &[i8]) -> Result<Vec<i8>, BoardError> {
        let dir = TempDir::new().map_err(BoardError::io("a temporary folder"))?;
        let (input, output) = (dir.path().join("images.i8"), dir.path().join("logits.i8"));
        let bytes: Vec<u8> = images.iter().map(|&v| v as u8).collect();
        fs::write(&input, bytes).map_err(BoardError::io(input.display().to_string()))?;
        let run = self.firmware.run_in(dir.path(), &["classify"], LIMIT)?;
        self.note(run.figures(&self.firmware)?);
        let answers = fs::read(&output).map_err(BoardError::io(output.display().to_string()))?;
        let (expected, found) = (images.len() / self.input.len() * self.output.len(), answers.len());
        if found != expected {
            return Err(BoardError::Answers { board: self.firmware.board.name, expected, found });
        }
        Ok(answers.iter().map(|&v| v as i8).collect())
    }

    fn note(&self, new: Figures) {
        let mut figures = self.figures.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let old = figures.unwrap_or(new);
        *figures = Some(Figures {
            instructions: old.instructions.max(new.instructions),
            flash_bytes: new.flash_bytes,
            ram_bytes: old.ram_bytes.max(new.ram_bytes),
            static_bytes: old.static_bytes.max(new.static_bytes),
            stack_bytes: old.stack_bytes.max(new.stack_bytes),
        });
    }
}

impl Stage for Emulated {
    fn name(&self) -> &str {
        &self.name
    }

    fn output_scale(&self) -> Option<f32> {
        Some(self.output.scale)
    }

    fn input_shape(&self) -> [usize; 3] {
        self.input.shape()
    }

    fn answer(&self, images: &[f32]) -> Result<Vec<f32>, StageError> {
        Ok(to_reals(&self.classify(&to_steps(images, &self.input))?, &self.output))
    }

    /// The largest figures of the runs so far; none before the first.
    fn figures(&self) -> Option<Figures> {
        *self.figures.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

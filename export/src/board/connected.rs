//! `serve` at the end of a line, an image at a time.

use super::stage::{OnBoard, Runs};
use super::{BoardError, Figures, Firmware};
use infer_nostd::Plan;
use std::sync::Mutex;
use std::time::Instant;
use talk::host::{Host, Line};

/// A plan in `serve` on a board at the end of a line.
pub type Connected<L> = OnBoard<Chip<L>>;

/// A chip at the end of a line.
pub struct Chip<L: Line> {
    host: Mutex<Host<L>>,
    image_len: usize,
    board: &'static str,
    /// What the program takes of the board, by its own test.
    took: Figures,
}

impl<L: Line> Connected<L> {
    /// Takes firmware that was built with `plan`, opens a line to it, and lets the chip test itself.
    ///
    /// # Errors
    /// Those of `open`; nobody answers; the self-test fails.
    pub fn connect(
        firmware: Firmware,
        plan: &Plan,
        open: impl FnOnce(Firmware) -> Result<L, BoardError>,
    ) -> Result<Self, BoardError> {
        let image_len = plan.input().len();
        Self::with(firmware, plan, "probe", |firmware| {
            let (board, flash_bytes) = (firmware.board.name, firmware.image.flash_bytes);
            let talk = |cause| BoardError::Talk { board, cause };
            let mut host = Host::connect(open(firmware)?).map_err(talk)?;
            let test = host.self_test().map_err(talk)?;
            if !test.passed {
                return Err(BoardError::SelfTest { board });
            }
            let [static_bytes, stack_bytes] = [test.static_bytes, test.stack_bytes].map(|bytes| bytes as usize);
            let ram_bytes = static_bytes + stack_bytes;
            let took = Figures { flash_bytes, ram_bytes, static_bytes, stack_bytes, ..Figures::default() };
            Ok(Chip { host: Mutex::new(host), image_len, board, took })
        })
    }
}

impl<L: Line + Send> Runs for Chip<L> {
    fn classify(&self, images: &[i8]) -> Result<(Vec<i8>, Figures), BoardError> {
        let mut host = self.host.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (started, mut logits, mut ticks) = (Instant::now(), Vec::new(), 0);
        for image in images.chunks(self.image_len) {
            let answer = host.classify(image).map_err(|cause| BoardError::Talk { board: self.board, cause })?;
            logits.extend(answer.logits);
            ticks = answer.ticks.max(ticks);
        }
        let (cycles, run_ms) = ((ticks > 0).then_some(ticks.into()), started.elapsed().as_millis() as u64);
        Ok((logits, Figures { cycles, run_ms, ..self.took }))
    }
}

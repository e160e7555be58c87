//! A board as a stage of the road: asked once, its answers kept in a journal where there is one, and what it took.

use super::journal::{Asked, Entry};
use super::{BoardError, Firmware, Journal};
use crate::validate::images::{to_reals, to_steps};
use crate::validate::{Figures, Stage, StageError};
use infer_nostd::{Plan, TensorInfo};
use std::sync::{Arc, Mutex};

/// What runs the firmware.
pub trait Runs: Sync {
    /// Int8 images, H·W·C each, through the firmware; int8 answers, channels last, and what it took.
    ///
    /// # Errors
    /// The board does not answer.
    fn classify(&self, images: &[i8]) -> Result<(Vec<i8>, Figures), BoardError>;
}

/// A plan in the firmware of one board.
pub struct OnBoard<R> {
    name: String,
    board: &'static str,
    elf_crc: u32,
    input: TensorInfo,
    output: TensorInfo,
    figures: Mutex<Option<Figures>>,
    journal: Option<Arc<Journal>>,
    runs: R,
}

impl<R> OnBoard<R> {
    /// Takes firmware that was built with `plan`, what makes it run, and where, for the report.
    pub(super) fn with<E>(
        firmware: Firmware,
        plan: &Plan,
        place: &str,
        run: impl FnOnce(Firmware) -> Result<R, E>,
    ) -> Result<Self, E> {
        let (board, elf_crc, input, output) = (firmware.board.name, firmware.elf_crc, plan.input(), plan.output());
        let (name, runs) = (format!("infer-nostd on {board} ({place})"), run(firmware)?);
        Ok(Self { name, board, elf_crc, input, output, figures: Mutex::new(None), journal: None, runs })
    }

    /// Keeps answers, and takes those that were kept before.
    pub fn with_journal(self, journal: Option<Arc<Journal>>) -> Self {
        Self { journal, ..self }
    }

    fn note(&self, new: Figures) {
        let mut figures = self.figures.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        *figures = Some(figures.map_or(new, |old| old.and(new)));
    }
}

impl<R: Runs> OnBoard<R> {
    /// The journal's answers, or the board's.
    fn answers(&self, images: &[i8]) -> Result<Vec<i8>, BoardError> {
        let expected = images.len() / self.input.len() * self.output.len();
        let asked = Asked::new(&self.name, self.elf_crc, images);
        let kept = self.journal.as_ref().and_then(|journal| journal.find(&asked));
        let is_kept = kept.is_some();
        let (logits, figures) = match kept {
            Some(Entry { logits, figures, .. }) => (logits, figures),
            None => self.runs.classify(images)?,
        };
        if logits.len() != expected {
            return Err(BoardError::Answers { board: self.board, expected, found: logits.len() });
        }
        self.note(figures);
        if let Some(journal) = self.journal.as_ref().filter(|_| !is_kept) {
            journal.keep(Entry { asked, figures, logits: logits.clone() })?;
        }
        Ok(logits)
    }
}

impl<R: Runs + Send> Stage for OnBoard<R> {
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
        Ok(to_reals(&self.answers(&to_steps(images, &self.input))?, &self.output))
    }

    /// The figures of the images so far; none before the first.
    fn figures(&self) -> Option<Figures> {
        *self.figures.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl From<BoardError> for StageError {
    fn from(error: BoardError) -> Self {
        Self::Other(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers each image with its first value, and counts how often it is asked.
    struct FirstValue<'a>(&'a AtomicUsize);

    impl Runs for FirstValue<'_> {
        fn classify(&self, images: &[i8]) -> Result<(Vec<i8>, Figures), BoardError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let figures = Figures { instructions: Some(images.len() as u64), run_ms: 5, ..Figures::default() };
            Ok((images.iter().step_by(2).copied().collect(), figures))
        }
    }

    #[test]
    fn a_run_that_was_stopped_goes_on_and_ends_with_the_same_figures() {
        let tensor = |channels| TensorInfo { height: 1, width: 1, channels, scale: 1.0, zero_point: 0 };
        let folder = tempfile::tempdir().unwrap();
        let asked = AtomicUsize::new(0);
        let run = |batches: &[&[f32]]| {
            let journal = Journal::open(&folder.path().join("run.journal")).unwrap();
            let stage = OnBoard {
                name: "board".into(),
                board: "board",
                elf_crc: 1,
                input: tensor(2),
                output: tensor(1),
                figures: Mutex::new(None),
                journal: Some(Arc::new(journal)),
                runs: FirstValue(&asked),
            };
            let answers: Vec<_> = batches.iter().map(|batch| stage.answer(batch).unwrap()).collect();
            (answers, stage.figures().unwrap())
        };
        let (first, second): (&[f32], &[f32]) = (&[3.0, 1.0], &[-4.0, 2.0, 7.0, 0.0]);
        run(&[first]);
        let figures = Figures { instructions: Some(4), run_ms: 10, ..Figures::default() };
        let all = (vec![vec![3.0], vec![-4.0, 7.0]], figures);
        assert_eq!(run(&[first, second]), all);
        assert_eq!(run(&[first, second]), all);
        assert_eq!(asked.into_inner(), 2);
    }
}

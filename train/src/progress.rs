//! What a run tells while it runs: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::metrics::Epoch;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// Follows a run, on stderr.
#[derive(Debug)]
pub struct Progress {
    shown: Shown,
    steps: usize,
    epochs: usize,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines { begun: Instant, last: Instant, first_step: usize },
    Nothing,
}

impl Progress {
    /// A run of `steps` steps in `epochs` epochs, of which `done` steps were made before.
    pub fn new(steps: usize, epochs: usize, done: usize) -> Self {
        let shown = if stderr().is_terminal() {
            Shown::Bar(bar(steps, done))
        } else {
            let now = Instant::now();
            Shown::Lines { begun: now, last: now, first_step: done }
        };
        Self { shown, steps, epochs }
    }

    /// Shows nothing: for tests.
    pub fn silent() -> Self {
        Self { shown: Shown::Nothing, steps: 0, epochs: 0 }
    }

    /// `done` steps are made, the last with a loss that is read only where it is shown.
    pub fn step(&mut self, done: usize, loss: impl FnOnce() -> f32) {
        match &mut self.shown {
            Shown::Bar(bar) => {
                if done.is_multiple_of(10) {
                    bar.set_message(format!("loss {:.4}", loss()));
                }
                bar.set_position(done as u64);
            }
            Shown::Lines { begun, last, first_step } if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                let rate = (done - *first_step) as f64 / begun.elapsed().as_secs_f64();
                let left = (self.steps - done) as f64 / rate;
                eprintln!("step {done}/{}  loss {:.4}  {rate:.1} steps/s  {} left", self.steps, loss(), clock(left));
            }
            Shown::Lines { .. } | Shown::Nothing => {}
        }
    }

    /// An epoch is over.
    pub fn epoch(&self, epoch: &Epoch) {
        let line = format!(
            "epoch {}/{}  loss {:.4}  train {:.2} %  validation {:.2} %  averaged {:.2} %  {:.1} s  {:.0} images/s",
            epoch.epoch,
            self.epochs,
            epoch.train_loss,
            epoch.train_accuracy,
            epoch.validation_accuracy,
            epoch.validation_accuracy_ema,
            epoch.seconds,
            epoch.images_per_second
        );
        match &self.shown {
            Shown::Bar(bar) => bar.println(line),
            Shown::Lines { .. } => eprintln!("{line}"),
            Shown::Nothing => {}
        }
    }
}

fn bar(steps: usize, done: usize) -> ProgressBar {
    let style = "{wide_bar} {pos}/{len} steps  {msg}  {elapsed_precise}, {eta_precise} left";
    ProgressBar::new(steps as u64)
        .with_position(done as u64)
        .with_style(ProgressStyle::with_template(style).expect("a valid template"))
}

fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_and_seconds() {
        assert_eq!(clock(0.9), "0:00");
        assert_eq!(clock(2_405.0), "40:05");
    }

    #[test]
    fn the_bar_has_a_valid_template() {
        assert_eq!(bar(100, 40).position(), 40);
    }
}

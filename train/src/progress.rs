//! What a run tells while it runs, on stderr: a line that renews itself on a terminal, one in a while elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::metrics::Epoch;
use crate::recipe::Recipe;
use crate::schedule::OneCycle;

/// Between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(20);

/// Between two renewals on a terminal: reading a loss waits for the device.
const RENEW_EVERY: Duration = Duration::from_millis(250);

/// Follows a run.
#[derive(Debug)]
pub struct Progress {
    /// None shows nothing.
    shown: Option<Shown>,
    run: Extent,
    pace: Pace,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines,
}

/// How long a run is.
#[derive(Debug)]
struct Extent {
    epochs: usize,
    steps_an_epoch: usize,
    images_an_epoch: usize,
    schedule: OneCycle,
}

/// How fast it goes.
#[derive(Debug)]
struct Pace {
    /// When this process began, and after how many steps of the run.
    begun: (Instant, usize),
    /// The same of the last line.
    last: (Instant, usize),
}

impl Progress {
    /// A run of `epochs` epochs of `images` images, of which `done` steps were made before.
    pub fn new(recipe: &Recipe, images: usize, epochs: usize, done: usize) -> Self {
        let run = Extent::new(recipe, images, epochs);
        let shown = if stderr().is_terminal() { Shown::Bar(bar(run.steps(), done)) } else { Shown::Lines };
        Self { shown: Some(shown), run, pace: Pace::new(done) }
    }

    /// Shows nothing: for tests.
    pub fn silent() -> Self {
        Self { shown: None, run: Extent::new(&Recipe::default(), 1, 1), pace: Pace::new(0) }
    }

    /// `done` steps are made, the last with a loss that is read only where it is shown.
    pub fn step(&mut self, done: usize, loss: impl FnOnce() -> f32) {
        let every = match &self.shown {
            Some(Shown::Bar(_)) => RENEW_EVERY,
            Some(Shown::Lines) => LINE_EVERY,
            None => return,
        };
        if self.pace.last.0.elapsed() < every {
            return;
        }
        let line = self.run.line(done, loss(), &self.pace, Instant::now());
        self.pace.last = (Instant::now(), done);
        match &self.shown {
            Some(Shown::Bar(bar)) => {
                bar.set_position(done as u64);
                bar.set_message(line);
            }
            _ => eprintln!("{line}"),
        }
    }

    /// An epoch is over.
    pub fn epoch(&mut self, epoch: &Epoch) {
        let line = format!(
            "epoch {}/{}  loss {:.4}  train {:.2} %  validation {:.2} %  averaged {:.2} %  {:.1} s  {:.0} images/s",
            epoch.epoch,
            self.run.epochs,
            epoch.train_loss,
            epoch.train_accuracy,
            epoch.validation_accuracy,
            epoch.validation_accuracy_ema,
            epoch.seconds,
            epoch.images_per_second
        );
        match &self.shown {
            Some(Shown::Bar(bar)) => bar.println(line),
            Some(Shown::Lines) => eprintln!("{line}"),
            None => {}
        }
        // Evaluation is no training: the next rate begins after it.
        self.pace.last = (Instant::now(), epoch.steps);
    }
}

/// For images that are answered after training: a bar on a terminal, one line elsewhere.
pub fn answering(what: &str, images: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        eprintln!("{what}: {images} images");
        return ProgressBar::hidden();
    }
    let style = "{bar:24} {msg}  {pos}/{len} images  {eta} left";
    ProgressBar::new(images as u64)
        .with_message(what.to_owned())
        .with_style(ProgressStyle::with_template(style).expect("a valid template"))
}

impl Extent {
    fn new(recipe: &Recipe, images: usize, epochs: usize) -> Self {
        let steps_an_epoch = images.div_ceil(recipe.batch.max(1)).max(1);
        let schedule = OneCycle::new(recipe, epochs * steps_an_epoch);
        Self { epochs, steps_an_epoch, images_an_epoch: images, schedule }
    }

    fn steps(&self) -> usize {
        self.epochs * self.steps_an_epoch
    }

    /// The run after `done` steps, at the time `now`.
    fn line(&self, done: usize, loss: f32, pace: &Pace, now: Instant) -> String {
        let rate = |(since, step): (Instant, usize)| (done - step) as f64 / (now - since).as_secs_f64().max(1e-9);
        let images_a_step = self.images_an_epoch as f64 / self.steps_an_epoch as f64;
        // The rate of the whole time counts evaluation in, as what is left will have it too.
        let left = self.steps().saturating_sub(done) as f64 / rate(pace.begun);
        let (epoch, step) =
            (done.saturating_sub(1) / self.steps_an_epoch, done.saturating_sub(1) % self.steps_an_epoch);
        format!(
            "epoch {}/{}  step {}/{}  loss {loss:.4}  rate {:.2e}  {:.0} images/s  {} left",
            epoch + 1,
            self.epochs,
            step + 1,
            self.steps_an_epoch,
            self.schedule.learning_rate(done.saturating_sub(1)),
            rate(pace.last) * images_a_step,
            clock(left)
        )
    }
}

impl Pace {
    fn new(done: usize) -> Self {
        let now = (Instant::now(), done);
        Self { begun: now, last: now }
    }
}

fn bar(steps: usize, done: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24} {msg}").expect("a valid template");
    ProgressBar::new(steps as u64).with_position(done as u64).with_style(style)
}

/// 0:09, 40:05, 1:02:03.
fn clock(seconds: f64) -> String {
    let all = seconds as u64;
    match (all / 3600, all / 60 % 60, all % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds() {
        assert_eq!([0.9, 2_405.0, 3_723.0].map(clock), ["0:00", "40:05", "1:02:03"]);
    }

    #[test]
    fn a_line_says_where_the_run_is_and_when_it_ends() {
        // 10 epochs of 20 steps; 40 made before, 60 in the 30 s of this process, the last 10 of them in 4 s.
        let run = Extent::new(&Recipe { batch: 100, ..Recipe::default() }, 2_000, 10);
        let now = Instant::now();
        let ago = |seconds| now - Duration::from_secs(seconds);
        let pace = Pace { begun: (ago(30), 40), last: (ago(4), 90) };
        let rate = run.schedule.learning_rate(99);
        let expected = format!("epoch 5/10  step 20/20  loss 0.5000  rate {rate:.2e}  250 images/s  0:50 left");
        assert_eq!(run.line(100, 0.5, &pace, now), expected);
        assert!(run.line(101, 0.5, &pace, now).starts_with("epoch 6/10  step 1/20"));
    }

    #[test]
    fn the_bar_has_a_valid_template() {
        assert_eq!(bar(100, 40).position(), 40);
    }
}

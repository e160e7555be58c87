//! The one-cycle learning rate (Smith, Topin: Super-convergence, 2017), in two cosine halves as
//! PyTorch's OneCycleLR computes it.

use std::f64::consts::PI;

use crate::recipe::Recipe;

/// The learning rate of each step of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneCycle {
    first: f64,
    peak: f64,
    last: f64,
    /// The step with the peak rate; not whole in general.
    peak_step: f64,
    last_step: f64,
}

impl OneCycle {
    /// The schedule of a run of `steps` steps.
    pub fn new(recipe: &Recipe, steps: usize) -> Self {
        let first = recipe.peak_learning_rate / recipe.start_divisor;
        Self {
            first,
            peak: recipe.peak_learning_rate,
            last: first / recipe.end_divisor,
            peak_step: (recipe.warm_up * steps as f64 - 1.0).max(0.0),
            last_step: steps as f64 - 1.0,
        }
    }

    /// The learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: usize) -> f64 {
        let step = step as f64;
        if step < self.peak_step {
            cosine(self.first, self.peak, step / self.peak_step)
        } else {
            let falling_steps = (self.last_step - self.peak_step).max(1.0);
            cosine(self.peak, self.last, (step - self.peak_step) / falling_steps)
        }
    }
}

/// From `from` to `to` along half a cosine, as `part` goes from 0 to 1.
fn cosine(from: f64, to: f64, part: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + (PI * part).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of torch.optim.lr_scheduler.OneCycleLR(max_lr=0.01, total_steps=100, pct_start=0.3,
    /// div_factor=25, final_div_factor=1e4), whose peak is step 29 and whose end is step 99.
    #[test]
    fn values_are_those_of_pytorch() {
        let schedule = OneCycle::new(&Recipe::default(), 100);
        let close = |step, expected: f64| {
            let found = schedule.learning_rate(step);
            assert!((found - expected).abs() <= 1e-12, "step {step}: {found}");
        };
        close(0, 0.000_4);
        close(29, 0.01);
        close(64, 0.005_000_02); // halfway down: (0.01 + 4e-8) / 2
        close(99, 4e-8);
    }

    #[test]
    fn one_step_is_enough_for_a_schedule() {
        let schedule = OneCycle::new(&Recipe::default(), 1);
        assert_eq!(schedule.learning_rate(0), 0.01);
    }

    #[test]
    fn it_rises_then_falls() {
        let schedule = OneCycle::new(&Recipe::default(), 1000);
        let rates: Vec<f64> = (0..1000).map(|s| schedule.learning_rate(s)).collect();
        assert!(rates[..300].is_sorted());
        assert!(rates[299..].is_sorted_by(|a, b| a >= b));
    }
}

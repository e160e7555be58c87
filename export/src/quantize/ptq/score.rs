//! How far logits are from the float network's, how sure that figure is, and which gain is more than chance.

/// A gain is hardly chance where it is larger than so many of its standard errors. What follows is judged again, so doubt need not be large;
/// waiting for twice as much was measured to leave more undone than it spared.
const STANDARD_ERRORS: f64 = 0.5;
/// Less than this many dB is rounding that fell well.
const LEAST_GAIN_DB: f64 = 0.03;

/// Signal to quantization noise of the logits over inputs.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Sqnr {
    /// How many inputs.
    pub inputs: usize,
    /// Energy of the float logits over that of the int8 ones' error; infinite where they are equal.
    pub db: f64,
    /// Standard error of `db`, from how inputs differ.
    pub standard_error_db: f64,
}

impl Sqnr {
    /// From each input's energy of the float logits and of their error; at least two inputs.
    pub(super) fn of(signals: &[f64], errors: &[f64]) -> Self {
        let (signal, error) = (sum(signals), sum(errors));
        let off: Vec<f64> = signals.iter().zip(errors).map(|(s, e)| e - s * error / signal).collect();
        let standard_error_db = if error == 0.0 { 0.0 } else { decibels(1.0 + standard_error(&off) / error) };
        Self { inputs: signals.len(), db: decibels(signal / error), standard_error_db }
    }
}

/// What a change of the network gains on inputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gain {
    pub db: f64,
    /// In standard errors: inputs differ far more from each other than a change makes of them, so it is each one's gain that is weighed.
    certainty: f64,
}

impl Gain {
    /// From the error of each input before and after.
    pub fn of(before: &[f64], after: &[f64]) -> Self {
        let gains: Vec<f64> = before.iter().zip(after).map(|(before, after)| before - after).collect();
        Self { db: decibels(sum(before) / sum(after)), certainty: sum(&gains) / standard_error(&gains) }
    }

    /// Whether there is one, and hardly by chance.
    pub fn is_sure(self) -> bool {
        self.db > LEAST_GAIN_DB && self.certainty > STANDARD_ERRORS
    }
}

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

/// Of the sum of so many values.
fn standard_error(values: &[f64]) -> f64 {
    let (count, mean) = (values.len() as f64, sum(values) / values.len() as f64);
    let spread: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (spread * count / (count - 1.0)).sqrt()
}

fn decibels(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// Energy of `signal` over that of its difference from `other`, in dB.
pub(super) fn sqnr_db(signal: &[f32], other: &[f32]) -> f64 {
    let energy = |differences: &mut dyn Iterator<Item = f64>| differences.map(|d| d * d).sum::<f64>();
    let noise = energy(&mut signal.iter().zip(other).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    decibels(energy(&mut signal.iter().map(|a| f64::from(*a))) / noise)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_of_literal_vectors() {
        assert_eq!(sqnr_db(&[3.0, 4.0], &[3.0, 3.5]), 20.0);
        assert_eq!(sqnr_db(&[3.0, 4.0], &[3.0, 4.0]), f64::INFINITY);
    }

    #[test]
    fn a_figure_says_how_sure_it_is() {
        // The share of the error is 1/100 for every input: as sure as can be.
        let even = Sqnr::of(&[100.0, 200.0, 700.0], &[1.0, 2.0, 7.0]);
        assert_eq!(even, Sqnr { inputs: 3, db: 20.0, standard_error_db: 0.0 });
        // An error of 2 with a standard error of 2: as much again would be 3 dB.
        let odd = Sqnr::of(&[100.0, 100.0], &[0.0, 2.0]);
        assert_eq!((odd.db, odd.standard_error_db), (20.0, decibels(2.0)));
        assert_eq!(Sqnr::of(&[1.0, 2.0], &[0.0, 0.0]).db, f64::INFINITY);
    }

    #[test]
    fn what_may_be_chance_is_no_gain() {
        let gain = |before: &[f64], after: &[f64]| Gain::of(before, after);
        assert!(gain(&[2.0; 4], &[1.0; 4]).is_sure(), "all gain the same");
        assert_eq!(gain(&[2.0; 4], &[1.0; 4]).db, decibels(2.0));
        assert!(!gain(&[2.0; 4], &[2.0; 4]).is_sure());
        assert!(!gain(&[2.0; 4], &[1.99; 4]).is_sure(), "too little");
        // 1, −1, 1, −0.5: 0.5 ± 2.06.
        let chance = gain(&[2.0; 4], &[1.0, 3.0, 1.0, 2.5]);
        assert!(chance.db > 0.2 && !chance.is_sure(), "{chance:?}");
        // 1, −1, 1, 1: 2 ± 2.
        assert!(gain(&[2.0; 4], &[1.0, 3.0, 1.0, 1.0]).is_sure());
        assert!(gain(&[1.0, 2.0], &[0.0, 0.0]).is_sure());
    }
}

//! From values to heights, and where ticks stand.

/// From a value to a height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Equal steps are equal heights.
    Linear,
    /// Equal ratios are equal heights.
    Logarithmic,
    /// Percentages near 100: equal ratios of what is missing are equal heights, so 99 to 99.9 is as much as 90 to 99. What is
    /// missing is taken for at least this much.
    Nines(f64),
}

impl Scale {
    pub(super) fn height(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(f64::MIN_POSITIVE).log10(),
            Self::Nines(least) => -(100.0 - value).max(least).log10(),
        }
    }

    /// What stands at a height.
    pub(super) fn value(self, height: f64) -> f64 {
        match self {
            Self::Linear => height,
            Self::Logarithmic => 10f64.powf(height),
            Self::Nines(_) => 100.0 - 10f64.powf(-height),
        }
    }

    /// Values worth a tick between two others.
    pub(super) fn ticks(self, low: f64, high: f64) -> Vec<f64> {
        let within = |ticks: Vec<f64>| ticks.into_iter().filter(|t| (low..=high).contains(t)).collect::<Vec<_>>();
        match self {
            Self::Linear => {
                let step = linear_step((high - low) / 6.0);
                let count = (high / step).abs().max((low / step).abs()) as i32 + 1;
                within((-count..=count).map(|i| f64::from(i) * step).collect())
            }
            Self::Logarithmic => few_digits(|digits| within(decades(digits).collect())),
            Self::Nines(least) => few_digits(|digits| {
                within(decades(digits).filter(|&missing| missing >= least).map(|missing| 100.0 - missing).collect())
            }),
        }
    }
}

/// Ticks at 1, 2 and 5 of each decade, or at every digit where these would be too few.
fn few_digits(ticks: impl Fn(&'static [u8]) -> Vec<f64>) -> Vec<f64> {
    let few = ticks(&[1, 2, 5]);
    if few.len() >= 3 { few } else { ticks(&[1, 2, 3, 4, 5, 6, 7, 8, 9]) }
}

fn decades(digits: &'static [u8]) -> impl Iterator<Item = f64> {
    (-6..7).flat_map(|power| digits.iter().map(move |&digit| f64::from(digit) * 10f64.powi(power)))
}

/// The first of 1, 2, 5, 10, … that is as large.
fn linear_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|&s| s >= least * 0.999).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within() {
        assert_eq!(Scale::Linear.ticks(-61.0, 61.0), [-50.0, 0.0, 50.0]);
        assert_eq!(Scale::Logarithmic.ticks(0.65, 1.3), [0.7, 0.8, 0.9, 1.0].map(|t| (t * 10f64).round() * 0.1));
        assert_eq!(Scale::Logarithmic.ticks(0.04, 0.6), [0.05, 0.1, 0.2, 0.5]);
        assert_eq!(Scale::Nines(0.01).ticks(94.0, 99.7), [99.5, 99.0, 98.0, 95.0]);
    }

    #[test]
    fn a_height_is_that_of_one_value() {
        for (scale, value) in [(Scale::Linear, -3.0), (Scale::Logarithmic, 0.02), (Scale::Nines(0.01), 99.5)] {
            assert_eq!((scale.value(scale.height(value)) * 1e6).round(), value * 1e6);
        }
        assert_eq!(Scale::Nines(0.5).height(100.0), Scale::Nines(0.5).height(99.5));
    }
}

//! Where a range may end, short of what was seen.

use super::Histogram;
use crate::quantize::Range;
use std::fmt;

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Low,
    High,
}

impl Side {
    pub const BOTH: [Side; 2] = [Side::Low, Side::High];

    /// This end of a range.
    pub fn of(self, range: &mut Range) -> &mut f32 {
        match self {
            Side::Low => &mut range.min,
            Side::High => &mut range.max,
        }
    }
}

/// How an end is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// The smallest or the largest value.
    Extreme,
    /// One in so many values lies beyond.
    OneIn(u64),
    /// The least mean square error of clipping and rounding.
    LeastError,
    /// So many hundredths of the extreme.
    Percent(u8),
}

impl End {
    /// What is tried instead of the extreme.
    const TRIED: [End; 9] = [
        End::OneIn(10_000),
        End::OneIn(1_000),
        End::LeastError,
        End::Percent(90),
        End::Percent(80),
        End::Percent(70),
        End::Percent(60),
        End::Percent(50),
        End::Percent(40),
    ];

    fn range(self, seen: &Histogram) -> Range {
        match self {
            End::Extreme => seen.range(),
            End::OneIn(one_in) => seen.percentile(one_in),
            End::LeastError => seen.least_error(),
            End::Percent(percent) => seen.range().scaled(f32::from(percent) / 100.0),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Extreme => write!(f, "extreme"),
            End::OneIn(one_in) => write!(f, "percentile {}", 100.0 - 100.0 / *one_in as f64),
            End::LeastError => write!(f, "least square error"),
            End::Percent(percent) => write!(f, "{percent} % of the extreme"),
        }
    }
}

/// Ends to try on one side, from the widest, each narrower than the extreme and than the one before.
pub(super) fn candidates(seen: &Histogram, side: Side) -> Vec<(End, f32)> {
    let end = |end: End| (end, *side.of(&mut end.range(seen)));
    let extreme = *side.of(&mut seen.range());
    let mut ends: Vec<(End, f32)> = End::TRIED.map(end).into();
    ends.retain(|(_, limit)| limit.abs() < extreme.abs() && *limit != 0.0);
    ends.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    ends.dedup_by(|(_, a), (_, b)| a == b);
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_tried_from_the_widest() {
        let mut seen = Histogram::default();
        let values: Vec<f32> = (0..=1000).map(|i| i as f32 / 1000.0).collect();
        seen.observe(&values);
        let high = candidates(&seen, Side::High);
        assert!(high.is_sorted_by(|(_, a), (_, b)| a > b), "{high:?}");
        assert!(high.contains(&(End::Percent(70), 0.7)) && high.iter().all(|(_, limit)| *limit < 1.0), "{high:?}");
        assert_eq!(candidates(&seen, Side::Low), [], "nothing lies below zero");
    }

    #[test]
    fn a_name_says_how_an_end_is_set() {
        let names = [End::Extreme, End::OneIn(10_000), End::LeastError, End::Percent(70)].map(|end| end.to_string());
        assert_eq!(names, ["extreme", "percentile 99.99", "least square error", "70 % of the extreme"]);
    }
}

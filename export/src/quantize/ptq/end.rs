//! Where a range may end: at what was seen, short of it, or beyond.

use super::Histogram;
use crate::quantize::Range;
use std::fmt;

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// What is tried where inputs that have not been seen may go beyond those that have.
    const WIDER: [End; 3] = [End::Percent(110), End::Percent(125), End::Percent(150)];
    /// What is tried instead of the extreme.
    const NARROWER: [End; 9] = [
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

    /// Where it lies on one side.
    pub fn limit(self, seen: &Histogram, side: Side) -> f32 {
        *side.of(&mut self.range(seen))
    }

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

/// Wider ends to try on one side, from the narrowest; none where nothing lies there.
pub(super) fn wider(seen: &Histogram, side: Side) -> &'static [End] {
    let extreme = End::Extreme.limit(seen, side);
    let is_there = if side == Side::Low { extreme < 0.0 } else { extreme > 0.0 };
    if is_there { &End::WIDER } else { &[] }
}

/// Narrower ends to try on one side, from the widest, each narrower than the extreme and than the one before.
pub(super) fn narrower(seen: &Histogram, side: Side) -> Vec<End> {
    let extreme = End::Extreme.limit(seen, side);
    let mut ends = End::NARROWER.map(|end| (end, end.limit(seen, side))).to_vec();
    ends.retain(|(_, limit)| limit.abs() < extreme.abs() && *limit != 0.0);
    ends.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
    ends.dedup_by(|(_, a), (_, b)| a == b);
    ends.into_iter().map(|(end, _)| end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_tried_from_the_widest() {
        let mut seen = Histogram::default();
        let values: Vec<f32> = (0..=1000).map(|i| i as f32 / 1000.0).collect();
        seen.observe(&values);
        let high = narrower(&seen, Side::High);
        let limits: Vec<f32> = high.iter().map(|end| end.limit(&seen, Side::High)).collect();
        assert!(limits.is_sorted_by(|a, b| a > b) && limits[0] < 1.0, "{limits:?}");
        assert!(high.contains(&End::Percent(70)), "{high:?}");
        assert_eq!(End::Percent(125).limit(&seen, Side::High), 1.25);
        assert_eq!((narrower(&seen, Side::Low), wider(&seen, Side::Low)), (vec![], &[][..]), "nothing lies below zero");
        assert_eq!(wider(&seen, Side::High).len(), 3);
    }

    #[test]
    fn a_name_says_how_an_end_is_set() {
        let names = [End::Extreme, End::OneIn(10_000), End::LeastError, End::Percent(70)].map(|end| end.to_string());
        assert_eq!(names, ["extreme", "percentile 99.99", "least square error", "70 % of the extreme"]);
    }
}

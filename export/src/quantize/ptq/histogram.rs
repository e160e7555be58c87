//! What a tensor's values look like, in constant memory: counts of bins whose width doubles as larger values come.

use crate::quantize::Range;

/// Bins of each sign.
const HALF: usize = 2048;
/// Ends that are tried of each side where clipping is weighed against rounding.
const ENDS: usize = 40;

/// Counts of values between −2^e and 2^e in 4096 bins, and the exact ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The largest magnitude is at most 2 to this.
    exponent: i32,
    /// From the most negative on; bin `HALF` begins at zero.
    bins: Vec<u64>,
    /// Values that are zero exactly, which every scale stores exactly; they are in no bin.
    zeros: u64,
    range: Range,
}

impl Range {
    /// Of no value.
    pub(super) const NOTHING: Range = Range { min: f32::INFINITY, max: f32::NEG_INFINITY };

    /// With more values.
    pub(super) fn with(self, values: &[f32]) -> Self {
        values.iter().fold(self, |Range { min, max }, &x| Range { min: min.min(x), max: max.max(x) })
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { exponent: -126, bins: vec![0; 2 * HALF], zeros: 0, range: Range::NOTHING }
    }
}

impl Histogram {
    /// Counts values, which must be finite.
    pub fn observe(&mut self, values: &[f32]) {
        let magnitude = values.iter().fold(0f32, |largest, x| largest.max(x.abs()));
        while f64::from(magnitude) >= self.limit() {
            self.widen();
        }
        let per_unit = HALF as f64 / self.limit();
        self.range = self.range.with(values);
        for &x in values {
            if x == 0.0 {
                self.zeros += 1;
            } else {
                let bin = (f64::from(x) * per_unit).floor() as i64 + HALF as i64;
                self.bins[bin.clamp(0, 2 * HALF as i64 - 1) as usize] += 1;
            }
        }
    }

    fn limit(&self) -> f64 {
        2f64.powi(self.exponent)
    }

    /// Bins of twice the width.
    fn widen(&mut self) {
        if self.bins.iter().all(|&count| count == 0) {
            self.exponent += 1;
            return;
        }
        let mut wide = vec![0; 2 * HALF];
        for (bin, count) in self.bins.iter().enumerate() {
            wide[HALF / 2 + bin / 2] += count;
        }
        (self.bins, self.exponent) = (wide, self.exponent + 1);
    }

    /// The smallest and the largest value.
    pub fn range(&self) -> Range {
        self.range
    }

    /// The ends beyond which at most one in `one_in` values lies on each side; never wider than [`range`](Self::range).
    pub fn percentile(&self, one_in: u64) -> Range {
        let total = self.zeros + self.bins.iter().sum::<u64>();
        let allowed = total / one_in;
        let high = self.beyond((HALF..2 * HALF).rev(), allowed).map_or(0.0, |bin| self.edge(bin + 1));
        let low = self.beyond(0..HALF, allowed).map_or(0.0, |bin| self.edge(bin));
        self.inside(low, high)
    }

    /// The first of `bins` before which no more than `allowed` values lie, with those in it.
    fn beyond(&self, mut bins: impl Iterator<Item = usize>, allowed: u64) -> Option<usize> {
        let mut seen = 0;
        bins.find(|&bin| {
            seen += self.bins[bin];
            seen > allowed
        })
    }

    /// The ends with the least mean square error, of clipping beyond them and of rounding between them.
    pub fn least_error(&self) -> Range {
        let ends = |extreme: f64| (1..=ENDS).map(move |i| extreme * i as f64 / ENDS as f64);
        let lows: Vec<f64> = ends(f64::from(self.range.min.min(0.0))).collect();
        let highs: Vec<f64> = ends(f64::from(self.range.max.max(0.0))).collect();
        let clipped = |ends: &[f64]| ends.iter().map(|&end| self.clipped(end)).collect::<Vec<f64>>();
        let (below, above) = (clipped(&lows), clipped(&highs));
        let rounded = self.bins.iter().sum::<u64>() as f64 / 12.0;
        let error = |low: usize, high: usize| {
            let step = (highs[high] - lows[low]) / 255.0;
            below[low] + above[high] + rounded * step * step
        };
        let pairs = (0..ENDS).flat_map(|low| (0..ENDS).map(move |high| (low, high)));
        let best = pairs.min_by(|&(a, b), &(c, d)| error(a, b).total_cmp(&error(c, d)));
        best.map_or(self.range, |(low, high)| self.inside(lows[low], highs[high]))
    }

    /// Sum of squares of how far values lie beyond `end`, on its side of zero.
    fn clipped(&self, end: f64) -> f64 {
        let centre = |bin: usize| (self.edge(bin) + self.edge(bin + 1)) / 2.0;
        let excess = |bin: usize| (centre(bin) - end) * end.signum();
        let bins = if end > 0.0 { HALF..2 * HALF } else { 0..HALF };
        bins.filter(|_| end != 0.0).map(|bin| self.bins[bin] as f64 * excess(bin).max(0.0).powi(2)).sum()
    }

    /// Where a bin begins.
    fn edge(&self, bin: usize) -> f64 {
        (bin as f64 - HALF as f64) * self.limit() / HALF as f64
    }

    fn inside(&self, low: f64, high: f64) -> Range {
        let Range { min, max } = self.range;
        // Not f32::clamp, which panics before anything has been observed.
        Range { min: (low as f32).max(min.min(0.0)), max: (high as f32).min(max.max(0.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_grow_and_lose_nothing() {
        let mut histogram = Histogram::default();
        histogram.observe(&[0.75, -0.25, 0.0]);
        assert_eq!(histogram.exponent, 0);
        histogram.observe(&[1.0, -1000.0]);
        assert_eq!(histogram.exponent, 10);
        assert_eq!(histogram.bins.iter().sum::<u64>() + histogram.zeros, 5);
        assert_eq!(histogram.bins[HALF + 1], 1, "0.75 of bins of 0.5 is in the second, merged from finer ones");
        assert_eq!(histogram.range(), Range { min: -1000.0, max: 1.0 });
    }

    #[test]
    fn percentiles_cut_tails() {
        let mut histogram = Histogram::default();
        let values: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        histogram.observe(&values);
        histogram.observe(&[100.0]);
        let range = histogram.percentile(1000);
        assert_eq!(range.min, 0.0);
        assert!((0.99..1.1).contains(&range.max), "{range:?}");
        assert_eq!(histogram.percentile(u64::MAX).max, 100.0, "nothing is allowed beyond");
    }

    #[test]
    fn clipping_is_weighed_against_rounding() {
        let mut histogram = Histogram::default();
        // A hundred thousand values in ±1, one at 10: steps of 10/255 would cost more than the one.
        let values: Vec<f32> = (0..100_000).map(|i| (i as f32 / 50_000.0) - 1.0).collect();
        histogram.observe(&values);
        histogram.observe(&[10.0]);
        let clipped = histogram.least_error();
        assert!(clipped.max < 10.0 && clipped.min == -1.0, "{clipped:?}");
        let mut even = Histogram::default();
        even.observe(&values);
        assert_eq!(even.least_error().min, -1.0, "an even spread is not clipped");
    }

    #[test]
    fn of_nothing_and_of_zeros() {
        let mut histogram = Histogram::default();
        histogram.observe(&[0.0; 9]);
        assert_eq!(histogram.percentile(100), Range { min: 0.0, max: 0.0 });
        assert_eq!(histogram.least_error(), Range { min: 0.0, max: 0.0 });
        histogram.observe(&[f32::MAX, f32::MIN]);
        assert_eq!(histogram.range(), Range { min: f32::MIN, max: f32::MAX });
    }
}

//! Weights → int8, each rounded so that it makes good the errors of those before it.
//!
//! Rounding to the nearest step makes the error of each weight small; what matters is the error of the layer's output,
//! (w − q)ᵀ H (w − q) with H the mean products of what the layer reads. So weights are rounded one after the other, and
//! the error of each is taken out of those that come, as far as H says that they can make it good (Frantar et al.,
//! "GPTQ", arXiv:2210.17323, after Hassibi and Stork's optimal brain surgeon).

/// Weights stay symmetric: −128 is never used, so that no scheme or kernel has to treat it apart.
pub(super) const LARGEST_WEIGHT: f64 = 127.0;
/// What is added to H's diagonal, of its mean: inputs that calibration has not seen keep the weights near the nearest.
const DAMPING: f64 = 0.01;
/// Scales that are tried, of the one that holds the largest weight.
const FRACTIONS: [f64; 5] = [1.0, 0.95, 0.9, 0.85, 0.8];

/// Int8 weights of one layer and a scale a channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rounded {
    /// As the float weights are ordered.
    pub values: Vec<i8>,
    /// One an output channel.
    pub scales: Vec<f32>,
}

/// How errors spread over one group's weights, from the mean products of its taps.
pub(super) struct Spread {
    taps: usize,
    /// Taps by falling energy: those that matter most are rounded first, while many are left to make good.
    order: Vec<usize>,
    /// Upper triangle of R⁻¹ where H = R·Rᵀ, taps × taps in that order; so that H⁻¹ = (R⁻¹)ᵀ·R⁻¹.
    inverse: Vec<f64>,
}

impl Spread {
    /// From the upper triangle of H, the mean products over so many inputs; none where H is not finite.
    pub fn new(taps: usize, products: Vec<f64>, inputs: usize) -> Option<Self> {
        let products = shrunk(taps, products, inputs);
        let mean = (0..taps).map(|i| products[i * taps + i]).sum::<f64>() / taps as f64;
        // A layer that has seen only zeros has nothing to weigh: every tap counts the same.
        let unit = if mean > 0.0 { mean } else { 1.0 };
        let mut order: Vec<usize> = (0..taps).collect();
        order.sort_by(|&a, &b| products[b * taps + b].total_cmp(&products[a * taps + a]));
        let at = |i: usize, j: usize| {
            let (i, j) = (order[i].min(order[j]), order[i].max(order[j]));
            products[i * taps + j] / unit + if i == j { DAMPING } else { 0.0 }
        };
        let root = upper_root(taps, at)?;
        Some(Self { taps, inverse: inverted(taps, &root), order })
    }

    /// One channel's weights at a scale, and the energy of the error that is left in its output.
    fn round(&self, weights: &[f32], scale: f32) -> (Vec<i8>, f64) {
        let mut left: Vec<f64> = self.order.iter().map(|&tap| f64::from(weights[tap]) / f64::from(scale)).collect();
        let (mut values, mut energy) = (vec![0; self.taps], 0.0);
        for i in 0..self.taps {
            let row = &self.inverse[i * self.taps..(i + 1) * self.taps];
            let step = left[i].round_ties_even().clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT);
            let error = (left[i] - step) / row[i];
            values[self.order[i]] = step as i8;
            energy += error * error;
            left[i + 1..].iter_mut().zip(&row[i + 1..]).for_each(|(weight, r)| *weight -= error * r);
        }
        (values, energy * f64::from(scale) * f64::from(scale))
    }
}

/// H with what few inputs say of it by chance taken out: products of two taps are made smaller, by the share that oracle approximating
/// shrinkage gives (Chen, Wiesel, Eldar and Hero, arXiv:0907.4698), so that of nothing but chance the nearest steps are left. Windows of
/// one input are much alike, so it is inputs that count.
fn shrunk(taps: usize, mut products: Vec<f64>, inputs: usize) -> Vec<f64> {
    let (count, n) = (taps as f64, inputs as f64);
    let row = |i: usize| &products[i * taps + i + 1..(i + 1) * taps];
    let trace: f64 = (0..taps).map(|i| products[i * taps + i]).sum();
    let squares: f64 =
        (0..taps).map(|i| products[i * taps + i].powi(2) + 2.0 * row(i).iter().map(|x| x * x).sum::<f64>()).sum();
    let chance = (1.0 - 2.0 / count) * squares + trace * trace;
    let apart = (n + 1.0 - 2.0 / count) * (squares - trace * trace / count);
    let share = if apart > chance { chance / apart } else { 1.0 };
    for i in 0..taps {
        products[i * taps + i + 1..(i + 1) * taps].iter_mut().for_each(|product| *product *= 1.0 - share);
    }
    products
}

/// Rounds one channel at the scale of those tried that leaves the least error; `largest` is the scale that holds its largest weight.
pub(super) fn channel(weights: &[f32], largest: f32, spread: Option<&Spread>) -> (Vec<i8>, f32) {
    let tried = FRACTIONS.iter().map(|fraction| {
        let scale = (f64::from(largest) * fraction) as f32;
        let (values, energy) = spread.map_or_else(|| nearest(weights, scale), |spread| spread.round(weights, scale));
        (values, scale, energy)
    });
    let best = tried.min_by(|(_, _, a), (_, _, b)| a.total_cmp(b));
    best.map_or((vec![], largest), |(values, scale, _)| (values, scale))
}

/// Each weight at its nearest step, and the energy of the errors.
pub(super) fn nearest(weights: &[f32], scale: f32) -> (Vec<i8>, f64) {
    let step = |w: &f32| {
        let real = f64::from(*w) / f64::from(scale);
        let step = real.round_ties_even().clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT);
        (step as i8, (real - step).powi(2))
    };
    let (values, errors): (Vec<i8>, Vec<f64>) = weights.iter().map(step).unzip();
    (values, errors.iter().sum::<f64>() * f64::from(scale) * f64::from(scale))
}

/// The upper triangular R with R·Rᵀ = H (Cholesky's, from the last row on); none where H is not positive.
fn upper_root(taps: usize, h: impl Fn(usize, usize) -> f64) -> Option<Vec<f64>> {
    let mut root = vec![0.0; taps * taps];
    for j in (0..taps).rev() {
        for i in (0..=j).rev() {
            let (row_i, row_j) = (&root[i * taps + j + 1..(i + 1) * taps], &root[j * taps + j + 1..(j + 1) * taps]);
            let rest = h(i, j) - row_i.iter().zip(row_j).map(|(a, b)| a * b).sum::<f64>();
            root[i * taps + j] = if i == j { rest.sqrt() } else { rest / root[j * taps + j] };
        }
        if !(root[j * taps + j] > 0.0 && root[j * taps + j].is_finite()) {
            return None;
        }
    }
    Some(root)
}

/// The inverse of an upper triangular matrix.
fn inverted(taps: usize, upper: &[f64]) -> Vec<f64> {
    let mut inverse = vec![0.0; taps * taps];
    for i in (0..taps).rev() {
        let pivot = 1.0 / upper[i * taps + i];
        let mut row = vec![0.0; taps];
        row[i] = pivot;
        for k in i + 1..taps {
            let factor = -upper[i * taps + k] * pivot;
            let below = &inverse[k * taps + k..(k + 1) * taps];
            row[k..].iter_mut().zip(below).for_each(|(r, b)| *r += factor * b);
        }
        inverse[i * taps..(i + 1) * taps].copy_from_slice(&row);
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 1_000_000;

    #[test]
    fn roots_and_inverses() {
        let h = [[4.0, 2.0, 1.0], [2.0, 5.0, 3.0], [1.0, 3.0, 6.0]];
        let root = upper_root(3, |i, j| h[i][j]).unwrap();
        let inverse = inverted(3, &root);
        for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
            let product: f64 = (0..3).map(|k| root[i * 3 + k] * root[j * 3 + k]).sum();
            assert!((product - h[i][j]).abs() < 1e-12, "R·Rᵀ at {i}, {j}: {product}");
            let unit: f64 = (0..3).map(|k| root[i * 3 + k] * inverse[k * 3 + j]).sum();
            assert!((unit - f64::from(u8::from(i == j))).abs() < 1e-12, "R·R⁻¹ at {i}, {j}: {unit}");
        }
        assert!(upper_root(2, |_, _| 1.0).is_none(), "a singular matrix has none");
    }

    #[test]
    fn one_weight_makes_good_the_error_of_its_twin() {
        // Two taps that always read the same: their sum is what matters, 0.4 + 0.4 rounds to 1, not to 0 + 0.
        let spread = Spread::new(2, vec![1.0, 1.0, 0.0, 1.0], MANY).unwrap();
        let (values, _) = spread.round(&[0.4, 0.4], 1.0);
        assert_eq!(values.iter().sum::<i8>(), 1);
        assert_eq!(nearest(&[0.4, 0.4], 1.0).0, [0, 0]);
        // Apart they are rounded apart.
        let apart = Spread::new(2, vec![1.0, 0.0, 0.0, 1.0], MANY).unwrap();
        assert_eq!(apart.round(&[0.4, 0.6], 1.0).0, [0, 1]);
    }

    #[test]
    fn few_inputs_say_little_of_products() {
        // p = 2: what counts for chance is tr², what stands against it (n + 0)(tr H² − tr²/2).
        let of = |inputs| shrunk(2, vec![1.0, 0.75, 0.0, 1.0], inputs);
        assert_eq!(of(8), [1.0, 0.75 * (1.0 - 4.0 / (8.0 * 1.125)), 0.0, 1.0]);
        assert_eq!(of(1), [1.0, 0.0, 0.0, 1.0], "a single input says nothing");
        assert!((of(MANY)[1] - 0.75).abs() < 1e-5);
        // 0.4 + 0.4 again: one input is no reason to round the second to where the first is made good.
        assert_eq!(Spread::new(2, vec![1.0, 0.75, 0.0, 1.0], 1).unwrap().round(&[0.4, 0.4], 1.0).0, [0, 0]);
    }

    #[test]
    fn the_scale_with_the_least_error_is_taken() {
        // All weights are steps of the largest's scale: no other leaves less.
        let exact = [127.0, -3.0, 50.0];
        assert_eq!(channel(&exact, 1.0, None), (vec![127, -3, 50], 1.0));
        // One weight far beyond half a step, many that are 0.9 steps apart: clipping the one costs less.
        let many: Vec<f32> = (0..200).map(|i| (i % 100) as f32 * 0.9).chain([114.3]).collect();
        assert_eq!(channel(&many, 1.0, None).1, 0.9);
    }

    #[test]
    fn taps_that_read_nothing() {
        let spread = Spread::new(2, vec![0.0; 4], MANY).unwrap();
        assert_eq!(spread.round(&[1.4, -2.6], 1.0).0, [1, -3]);
        assert!(Spread::new(1, vec![f64::NAN], MANY).is_none());
    }
}

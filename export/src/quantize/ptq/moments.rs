//! What a layer reads, window by window: the mean product of each two taps.

use super::equalize;
use crate::graph::Window;

/// Most taps of a window whose products are kept: 1024² numbers are 8 MB.
const MAX_TAPS: usize = 1024;

/// How a layer looks at its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    /// Channels, height, width of the input.
    pub input: [usize; 3],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub window: Window,
    pub groups: usize,
}

impl View {
    /// Taps of one output: channels of a group × kernel.
    pub fn taps(&self) -> usize {
        self.input[0] / self.groups.max(1) * self.window.kernel[0] * self.window.kernel[1]
    }

    /// Output pixels.
    pub fn positions(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// The taps of `group` under the window at output pixel `position` of one input (C×H×W), in the weights' order; padding is zero.
    pub fn gather(&self, image: &[f32], group: usize, position: usize, taps: &mut Vec<f32>) {
        let [channels, height, width] = self.input;
        let Window { kernel, strides, dilations, pads } = self.window;
        let per_group = channels / self.groups.max(1);
        let (row, column) = (position / self.output[1], position % self.output[1]);
        let at =
            |out: usize, tap: usize, axis: usize| (out * strides[axis] + tap * dilations[axis]).checked_sub(pads[axis]);
        taps.clear();
        for channel in group * per_group..(group + 1) * per_group {
            for down in 0..kernel[0] {
                let y = at(row, down, 0).filter(|&y| y < height);
                for across in 0..kernel[1] {
                    let x = at(column, across, 1).filter(|&x| x < width);
                    let value = y.zip(x).map(|(y, x)| image[(channel * height + y) * width + x]);
                    taps.push(value.unwrap_or(0.0));
                }
            }
        }
    }
}

/// Sums over windows, a group of channels at a time.
#[derive(Debug, Clone)]
pub(super) struct Moments {
    pub view: View,
    /// Inputs seen.
    pub inputs: usize,
    /// Windows seen of them, in each group.
    windows: usize,
    /// groups × taps × taps, the upper triangle; empty where there are too many taps.
    products: Vec<f64>,
}

impl Moments {
    /// With products where there are not too many.
    pub fn new(view: View) -> Self {
        let (taps, groups) = (view.taps(), view.groups);
        let kept = if taps <= MAX_TAPS { groups * taps * taps } else { 0 };
        Self { view, inputs: 0, windows: 0, products: vec![0.0; kept] }
    }

    /// Takes in one input at up to `positions` pixels, spread evenly, other ones for each `turn`.
    pub fn observe(&mut self, image: &[f32], positions: usize, turn: usize) {
        let (taps, all) = (self.view.taps(), self.view.positions());
        self.inputs += 1;
        let stride = all.div_ceil(positions.max(1)).max(1);
        let mut window = Vec::with_capacity(taps);
        for position in (turn % stride..all).step_by(stride) {
            self.windows += 1;
            for (group, products) in self.products.chunks_exact_mut((taps * taps).max(1)).enumerate() {
                self.view.gather(image, group, position, &mut window);
                add_products(products, &window);
            }
        }
    }

    /// The mean product of each two taps of a group, the upper triangle of taps × taps; none where they were too many.
    pub fn products(&self, group: usize) -> Option<Vec<f64>> {
        let (taps, windows) = (self.view.taps(), self.windows.max(1) as f64);
        let products = self.products.get(group * taps * taps..(group + 1) * taps * taps)?;
        Some(products.iter().map(|sum| sum / windows).collect())
    }

    /// What would have been seen of inputs whose channels are multiplied by `factors`.
    pub fn scaled(&self, factors: &[f32]) -> Self {
        let (taps, groups, channels) = (self.view.taps(), self.view.groups.max(1), self.view.input[0]);
        let kernel = self.view.window.kernel[0] * self.view.window.kernel[1];
        let factor = |group: usize, tap: usize| {
            f64::from(equalize::factor_of(factors, group * (channels / groups) + tap / kernel.max(1), channels))
        };
        let mut scaled = self.clone();
        for (i, sum) in scaled.products.iter_mut().enumerate() {
            let (group, of) = (i / (taps * taps), i % (taps * taps));
            *sum *= factor(group, of / taps) * factor(group, of % taps);
        }
        scaled
    }
}

fn add_products(products: &mut [f64], window: &[f32]) {
    let taps = window.len();
    for (i, &x) in window.iter().enumerate().filter(|(_, x)| **x != 0.0) {
        let row = &mut products[i * taps + i..(i + 1) * taps];
        row.iter_mut().zip(&window[i..]).for_each(|(sum, &y)| *sum += f64::from(x) * f64::from(y));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels of 2×2 under a 2×2 window padded below and right.
    fn view(groups: usize) -> View {
        let window = Window { kernel: [2, 2], strides: [1, 1], dilations: [1, 1], pads: [0, 0, 1, 1] };
        View { input: [2, 2, 2], output: [2, 2], window, groups }
    }

    const IMAGE: [f32; 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];

    #[test]
    fn windows_are_gathered_with_padding() {
        let mut taps = Vec::new();
        view(1).gather(&IMAGE, 0, 1, &mut taps);
        assert_eq!(taps, [2.0, 0.0, 4.0, 0.0, 6.0, 0.0, 8.0, 0.0]);
        view(2).gather(&IMAGE, 1, 0, &mut taps);
        assert_eq!(taps, [5.0, 6.0, 7.0, 8.0]);
        let strided = Window { kernel: [1, 2], strides: [1, 1], dilations: [1, 2], pads: [0, 1, 0, 1] };
        View { input: [1, 2, 2], output: [2, 2], window: strided, groups: 1 }.gather(&IMAGE, 0, 2, &mut taps);
        assert_eq!(taps, [0.0, 4.0]);
    }

    #[test]
    fn products_of_taps() {
        let mut moments = Moments::new(view(2));
        moments.observe(&IMAGE, 4, 0);
        let products = moments.products(1).unwrap();
        assert_eq!(products[0], (25.0 + 36.0 + 49.0 + 64.0) / 4.0);
        assert_eq!(products[1], (5.0 * 6.0 + 7.0 * 8.0) / 4.0);
        assert_eq!(products[4], 0.0, "the lower triangle is left out");
        let twice = IMAGE.map(|x| 2.0 * x);
        let channels: Vec<f32> = IMAGE[..4].iter().chain(&twice[4..]).copied().collect();
        let mut doubled = Moments::new(view(2));
        doubled.observe(&channels, 4, 0);
        let scaled = moments.scaled(&[1.0, 2.0]);
        assert_eq!(scaled.products, doubled.products);
        let mut some = Moments::new(view(2));
        some.observe(&IMAGE, 1, 0);
        assert_eq!((some.products(0).unwrap()[1], some.inputs), (2.0, 1), "the first window alone");
        some.observe(&IMAGE, 1, 1);
        assert_eq!(
            (some.products(0).unwrap()[1], some.inputs),
            (1.0, 2),
            "and the second, whose right half is padding"
        );
    }
}

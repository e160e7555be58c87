//! Images as a camera or a hand may spoil them. The bytes depend on the image and the amount alone, so that every
//! runtime is asked about the same ones.

use data::Dataset;
use serde::{Deserialize, Serialize};

/// Sides in which amounts of pixels are given: those of MNIST. Other images are shifted by as large a part of their width.
const SIDE: f32 = 28.0;

/// The seed of the noise.
const SEED: u64 = 0x5eed;

/// A way to spoil an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disturbance {
    /// Turned about its centre.
    Rotation,
    /// Moved sideways.
    Shift,
    /// Gaussian noise on every value.
    Noise,
}

impl Disturbance {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Rotation, Self::Shift, Self::Noise];

    /// The strengths at which images are judged; one of them is 0.
    pub fn amounts(self) -> &'static [f32] {
        match self {
            Self::Rotation => &[-60., -50., -40., -30., -20., -10., 0., 10., 20., 30., 40., 50., 60.],
            Self::Shift => &[-8., -6., -4., -2., 0., 2., 4., 6., 8.],
            Self::Noise => &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
        }
    }

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rotation => "Rotation",
            Self::Shift => "Shift",
            Self::Noise => "Noise",
        }
    }

    /// What its amounts are.
    pub fn axis(self) -> &'static str {
        match self {
            Self::Rotation => "degrees, clockwise",
            Self::Shift => "28ths of the width, to the right",
            Self::Noise => "standard deviation, of the full range",
        }
    }

    /// The images, each disturbed by `amount`. What comes in from outside an image is 0.
    pub fn apply(self, images: &Dataset, amount: f32) -> Dataset {
        let pixels = match self {
            Self::Rotation => moved(images, amount.to_radians().sin_cos(), 0.0),
            Self::Shift => moved(images, (0.0, 1.0), amount * images.width as f32 / SIDE),
            Self::Noise => noisy(images, amount),
        };
        Dataset { pixels, ..images.clone() }
    }
}

/// Every image turned by an angle, then shifted to the right.
fn moved(images: &Dataset, (sin, cos): (f32, f32), shift_pixels: f32) -> Vec<u8> {
    let (centre_x, centre_y) = ((images.width as f32 - 1.0) / 2.0, (images.height as f32 - 1.0) / 2.0);
    let mut pixels = Vec::with_capacity(images.pixels.len());
    for number in 0..images.len() {
        for row in 0..images.height {
            for column in 0..images.width {
                let (x, y) = (column as f32 - shift_pixels - centre_x, row as f32 - centre_y);
                // Back by the angle: where this pixel comes from.
                let from = (cos * x + sin * y + centre_x, cos * y - sin * x + centre_y);
                pixels.extend((0..images.channels).map(|channel| between(images, number, channel, from)));
            }
        }
    }
    pixels
}

/// The value between four pixels.
fn between(images: &Dataset, number: usize, channel: usize, (x, y): (f32, f32)) -> u8 {
    let image = images.image(number);
    let at = |row: f32, column: f32| {
        let inside = row >= 0.0 && column >= 0.0 && row < images.height as f32 && column < images.width as f32;
        let place = || (row as usize * images.width + column as usize) * images.channels + channel;
        if inside { f32::from(image[place()]) } else { 0.0 }
    };
    let (left, top) = (x.floor(), y.floor());
    let mix = |a: f32, b: f32, part: f32| a + (b - a) * part;
    let upper = mix(at(top, left), at(top, left + 1.0), x - left);
    let lower = mix(at(top + 1.0, left), at(top + 1.0, left + 1.0), x - left);
    mix(upper, lower, y - top).round() as u8
}

/// Every value with a bell added that has `deviation` of the full range, and cut to it.
fn noisy(images: &Dataset, deviation: f32) -> Vec<u8> {
    let mut random = data::noise(SEED);
    let mut bell = || {
        // Four uniforms of variance 1/12 each: a deviation of 1/√3 about a mean of 2.
        let sum: f32 = random.by_ref().take(4).map(|byte| (f32::from(byte) + 0.5) / 256.0).sum();
        (sum - 2.0) * 3f32.sqrt()
    };
    images.pixels.iter().map(|&pixel| (f32::from(pixel) + 255.0 * deviation * bell()).round() as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three_by_three() -> Dataset {
        let (height, width, channels, classes) = (3, 3, 1, 1);
        let pixels = vec![1, 2, 3, 4, 5, 6, 7, 8, 9];
        let (name, class_names, sha256) = ("nine".into(), vec![], vec![]);
        Dataset { name, height, width, channels, classes, class_names, pixels, labels: vec![0], sha256 }
    }

    #[test]
    fn nothing_changes_at_0() {
        let digits = data::digits::generate(3, 5);
        for disturbance in Disturbance::ALL {
            assert!(disturbance.amounts().contains(&0.0));
            assert_eq!(disturbance.apply(&digits, 0.0), digits);
        }
    }

    #[test]
    fn a_quarter_turn_clockwise() {
        assert_eq!(Disturbance::Rotation.apply(&three_by_three(), 90.0).pixels, [7, 4, 1, 8, 5, 2, 9, 6, 3]);
    }

    #[test]
    fn a_shift_to_the_right_brings_in_black() {
        let third = SIDE / 3.0;
        assert_eq!(Disturbance::Shift.apply(&three_by_three(), third).pixels, [0, 1, 2, 0, 4, 5, 0, 7, 8]);
    }

    #[test]
    fn noise_has_the_deviation_asked_for() {
        let mut grey = data::digits::generate(3, 20);
        grey.pixels.fill(128);
        let noisy = Disturbance::Noise.apply(&grey, 0.1).pixels;
        let variance = noisy.iter().map(|&p| (f64::from(p) - 128.0).powi(2)).sum::<f64>() / noisy.len() as f64;
        // 15,680 values: the deviation found is within 1 % of the one asked for.
        assert!((variance.sqrt() / 25.5 - 1.0).abs() < 0.02, "{}", variance.sqrt());
    }
}

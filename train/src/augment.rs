//! One random affine transform an image: turn, shear, scale and shift in a single bilinear resampling.

use serde::{Deserialize, Serialize};

use crate::random::Random;

/// How far an image may be moved, to either side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Augmentation {
    /// Degrees.
    pub rotation_degrees: f32,
    /// Pixels, in each direction.
    pub shift_pixels: f32,
    /// As a part of the size: 0.08 is 92 % to 108 %.
    pub scale: f32,
    /// Degrees, along x.
    pub shear_degrees: f32,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self { rotation_degrees: 8.0, shift_pixels: 1.5, scale: 0.08, shear_degrees: 5.0 }
    }
}

/// Where an output pixel comes from. With (x, y) measured from the image's centre:
/// source = `matrix` · (x, y) − `shift`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Rows of the 2×2 matrix.
    pub matrix: [[f32; 2]; 2],
    /// Pixels by which the image's content moves right and down.
    pub shift: [f32; 2],
}

impl Affine {
    /// The transform that changes nothing.
    pub const IDENTITY: Self = Self { matrix: [[1.0, 0.0], [0.0, 1.0]], shift: [0.0, 0.0] };

    /// A random transform, each amount uniform within its bounds. The bounds are symmetric, so it
    /// makes no difference that the matrix maps the output to the source and not the other way.
    pub fn draw(bounds: &Augmentation, random: &mut Random) -> Self {
        let mut within = |bound: f32| bound * random.signed_unit();
        let turn = within(bounds.rotation_degrees).to_radians();
        let shear = within(bounds.shear_degrees).to_radians().tan();
        let zoom = 1.0 + within(bounds.scale);
        let shift = [within(bounds.shift_pixels), within(bounds.shift_pixels)];
        let (sin, cos) = turn.sin_cos();
        // Rotation · shear along x, over the zoom.
        let matrix = [[cos / zoom, (cos * shear - sin) / zoom], [sin / zoom, (sin * shear + cos) / zoom]];
        Self { matrix, shift }
    }

    /// Appends the transformed image to `out`, pixel / 255, rows first; what lies outside is 0.
    pub fn resample(&self, image: &Grey, out: &mut Vec<f32>) {
        let (centre_x, centre_y) = (half(image.width), half(image.height));
        let [[xx, xy], [yx, yy]] = self.matrix;
        for row in 0..image.height {
            let y = row as f32 - centre_y;
            for column in 0..image.width {
                let x = column as f32 - centre_x;
                let source_x = xx * x + xy * y + (centre_x - self.shift[0]);
                let source_y = yx * x + yy * y + (centre_y - self.shift[1]);
                out.push(image.bilinear(source_x, source_y) / 255.0);
            }
        }
    }
}

/// A grey image, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Grey<'a> {
    /// Rows first, `height × width`.
    pub pixels: &'a [u8],
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Grey<'_> {
    /// The value between four pixels, 0 to 255.
    fn bilinear(&self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let (right_part, lower_part) = (x - left, y - top);
        let (column, row) = (left as i32, top as i32);
        let upper = mix(self.at(column, row), self.at(column + 1, row), right_part);
        let lower = mix(self.at(column, row + 1), self.at(column + 1, row + 1), right_part);
        mix(upper, lower, lower_part)
    }

    /// A pixel, or 0 outside: a negative coordinate is a very large unsigned one.
    fn at(&self, column: i32, row: i32) -> f32 {
        let (column, row) = (column as usize, row as usize);
        if column < self.width && row < self.height { f32::from(self.pixels[row * self.width + column]) } else { 0.0 }
    }
}

fn mix(a: f32, b: f32, part: f32) -> f32 {
    a + (b - a) * part
}

/// The middle of `n` pixels, whose centres are 0, 1, … n − 1.
fn half(n: usize) -> f32 {
    (n as f32 - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    const WIDTH: usize = 28;

    /// Every byte value occurs, no two neighbours are alike.
    fn pixels() -> Vec<u8> {
        (0..WIDTH * WIDTH).map(|i| (i * 37 % 256) as u8).collect()
    }

    fn resampled(affine: Affine, pixels: &[u8]) -> Vec<f32> {
        let image = Grey { pixels, width: WIDTH, height: WIDTH };
        let mut out = Vec::new();
        affine.resample(&image, &mut out);
        out
    }

    #[test]
    fn the_identity_is_pixel_over_255() {
        let expected: Vec<f32> = pixels().iter().map(|&p| f32::from(p) / 255.0).collect();
        assert_eq!(resampled(Affine::IDENTITY, &pixels()), expected);
    }

    #[test]
    fn a_shift_by_whole_pixels_is_exact() {
        let affine = Affine {
            shift: [2.0, -3.0], // right by two, up by three
            ..Affine::IDENTITY
        };
        let (source, moved) = (pixels(), resampled(affine, &pixels()));
        for row in 0..WIDTH {
            for column in 0..WIDTH {
                let expected = match (column >= 2, row + 3 < WIDTH) {
                    (true, true) => f32::from(source[(row + 3) * WIDTH + column - 2]) / 255.0,
                    _ => 0.0,
                };
                assert_eq!(moved[row * WIDTH + column], expected, "{row} {column}");
            }
        }
    }

    #[test]
    fn a_quarter_turn_moves_rows_to_columns() {
        let affine = Affine { matrix: [[0.0, 1.0], [-1.0, 0.0]], shift: [0.0, 0.0] };
        let (source, turned) = (pixels(), resampled(affine, &pixels()));
        for row in 0..WIDTH {
            for column in 0..WIDTH {
                let expected = f32::from(source[(WIDTH - 1 - column) * WIDTH + row]) / 255.0;
                assert_eq!(turned[row * WIDTH + column], expected, "{row} {column}");
            }
        }
    }

    #[test]
    fn transforms_stay_within_their_bounds() {
        let bounds = Augmentation::default();
        for index in 0..1000 {
            let affine = Affine::draw(&bounds, &mut Random::new(1, Stream::Augment, 0, index));
            let [[xx, xy], [yx, yy]] = affine.matrix;
            let area = xx * yy - xy * yx; // 1 / zoom²: turn and shear keep areas
            assert!((1.08f32.powi(-2) - 1e-5..=0.92f32.powi(-2) + 1e-5).contains(&area));
            assert!(affine.shift.iter().all(|s| s.abs() <= 1.5));
        }
    }

    #[test]
    fn zero_bounds_draw_the_identity() {
        let none = Augmentation { rotation_degrees: 0.0, shift_pixels: 0.0, scale: 0.0, shear_degrees: 0.0 };
        let affine = Affine::draw(&none, &mut Random::new(1, Stream::Augment, 0, 0));
        assert_eq!(affine, Affine::IDENTITY);
    }
}

//! One random transform an image: turn, shear, scale, shift and elastic deformation in a single bilinear resampling.

use serde::{Deserialize, Serialize};

use crate::elastic::Field;
use crate::random::Random;

/// How far an image may be moved, to either side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Degrees.
    pub rotation_degrees: f32,
    /// Pixels, in each direction.
    pub shift_pixels: f32,
    /// As a part of the size: 0.08 is 92 % to 108 %.
    pub scale: f32,
    /// Degrees, along x.
    pub shear_degrees: f32,
    /// Pixels by which a control point of the elastic deformation may be moved in each direction; 0 is none. Between the control points the
    /// deformation is smooth, with a standard deviation of about 0.28 of this.
    pub elastic_pixels: f32,
    /// Pixels from one control point to the next.
    pub elastic_spacing_pixels: f32,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            rotation_degrees: 8.0,
            shift_pixels: 1.5,
            scale: 0.08,
            shear_degrees: 5.0,
            elastic_pixels: 0.0,
            elastic_spacing_pixels: 7.0,
        }
    }
}

impl Augmentation {
    /// Leaves images as they are.
    pub const NONE: Self = Self {
        rotation_degrees: 0.0,
        shift_pixels: 0.0,
        scale: 0.0,
        shear_degrees: 0.0,
        elastic_pixels: 0.0,
        elastic_spacing_pixels: 7.0,
    };
}

/// A transform as it was drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Warp {
    /// Of the whole image.
    pub affine: Affine,
    /// What comes before it, point by point.
    pub field: Option<Field>,
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
}

impl Warp {
    /// The transform that changes nothing.
    pub const IDENTITY: Self = Self { affine: Affine::IDENTITY, field: None };

    /// A random transform of images of `size`, height and width.
    pub fn draw(bounds: &Augmentation, size: [usize; 2], random: &mut Random) -> Self {
        let affine = Affine::draw(bounds, random);
        // Drawn last: what is drawn before does not depend on it.
        let elastic = bounds.elastic_pixels > 0.0;
        let field = elastic.then(|| Field::draw(bounds.elastic_pixels, bounds.elastic_spacing_pixels, size, random));
        Self { affine, field }
    }

    /// Appends the transformed image to `out`, pixel / 255, rows first; what lies outside is 0.
    pub fn resample(&self, image: &Grey, out: &mut Vec<f32>) {
        let bordered = Bordered::new(image);
        let mut moved = vec![[0.0; 2]; image.width];
        for row in 0..image.height {
            if let Some(field) = &self.field {
                field.row(row, &mut moved);
            }
            out.extend(moved.iter().enumerate().map(|(column, moved)| {
                let [x, y] = self.affine.source(image, column as f32 + moved[0], row as f32 + moved[1]);
                bordered.bilinear(x, y) / 255.0
            }));
        }
    }
}

impl Affine {
    /// Where the output's point (column, row) comes from.
    fn source(&self, image: &Grey, column: f32, row: f32) -> [f32; 2] {
        let (centre_x, centre_y) = (half(image.width), half(image.height));
        let [[xx, xy], [yx, yy]] = self.matrix;
        let (x, y) = (column - centre_x, row - centre_y);
        [xx * x + xy * y + (centre_x - self.shift[0]), yx * x + yy * y + (centre_y - self.shift[1])]
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

/// An image with zeros around it, one above and on the left, two below and on the right: where a point outside the image is taken to the nearest
/// point of the border, nothing has to be asked of its four neighbours.
struct Bordered {
    pixels: Vec<f32>,
    /// Numbers a row.
    row: usize,
    /// Greatest coordinates of a point: one beyond the image.
    most: [f32; 2],
}

impl Bordered {
    fn new(image: &Grey) -> Self {
        let row = image.width + 3;
        let mut pixels = vec![0.0; row * (image.height + 3)];
        for (from, to) in image.pixels.chunks_exact(image.width).zip(pixels.chunks_exact_mut(row).skip(1)) {
            for (from, to) in from.iter().zip(&mut to[1..]) {
                *to = f32::from(*from);
            }
        }
        Self { pixels, row, most: [image.width as f32, image.height as f32] }
    }

    /// The value between four pixels, 0 to 255.
    fn bilinear(&self, x: f32, y: f32) -> f32 {
        // From here on nothing is negative: rounding towards zero is rounding down. A NaN ends at the border too.
        let (x, y) = (x.max(-1.0).min(self.most[0]) + 1.0, y.max(-1.0).min(self.most[1]) + 1.0);
        let (column, row) = (x as usize, y as usize);
        let (right_part, lower_part) = (x - column as f32, y - row as f32);
        let at = row * self.row + column;
        let (upper, lower) = (&self.pixels[at..at + 2], &self.pixels[at + self.row..at + self.row + 2]);
        mix(mix(upper[0], upper[1], right_part), mix(lower[0], lower[1], right_part), lower_part)
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
        Warp { affine, field: None }.resample(&image, &mut out);
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
        let warp = Warp::draw(&Augmentation::NONE, [WIDTH, WIDTH], &mut Random::new(1, Stream::Augment, 0, 0));
        assert_eq!(warp, Warp::IDENTITY);
    }

    /// A field does not change what is drawn besides it, and moves pixels by no more than its bound.
    #[test]
    fn an_elastic_deformation_comes_on_top() {
        let draw = |elastic_pixels| {
            let bounds = Augmentation { elastic_pixels, ..Augmentation::default() };
            Warp::draw(&bounds, [WIDTH, WIDTH], &mut Random::new(1, Stream::Augment, 0, 3))
        };
        let (plain, elastic) = (draw(0.0), draw(3.0));
        assert_eq!((plain.affine, plain.field), (elastic.affine, None));

        // On a ramp along x, a pixel's value says where it comes from.
        let ramp: Vec<u8> = (0..WIDTH * WIDTH).map(|i| (i % WIDTH * 9) as u8).collect();
        let image = Grey { pixels: &ramp, width: WIDTH, height: WIDTH };
        let mut out = Vec::new();
        Warp { affine: Affine::IDENTITY, ..elastic }.resample(&image, &mut out);
        let inner = |i: &usize| (4..WIDTH - 4).contains(&(i % WIDTH)) && (4..WIDTH - 4).contains(&(i / WIDTH));
        let moves = (0..WIDTH * WIDTH).filter(inner).map(|i| out[i] * 255.0 / 9.0 - (i % WIDTH) as f32);
        let most = moves.fold(0.0, |most: f32, by| most.max(by.abs()));
        assert!((0.5..=3.0).contains(&most), "{most}");
    }
}

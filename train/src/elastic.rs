//! A smooth random deformation: control points on a grid, each moved at random, joined by cubic B-splines (a free-form deformation, Rueckert et al. 1999).

use crate::random::Random;

/// Displacements of an image's points, in pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Of the control points, along x and y, rows first.
    points: Vec<[f32; 2]>,
    /// Control points a row.
    columns: usize,
    /// Pixels from one control point to the next.
    spacing: f32,
}

impl Field {
    /// Control points `spacing` pixels apart over images of `size`, height and width, each moved by up to `most` pixels in each direction.
    pub fn draw(most: f32, spacing: f32, size: [usize; 2], random: &mut Random) -> Self {
        let [rows, columns] = size.map(|pixels| (pixels.saturating_sub(1) as f32 / spacing) as usize + 4);
        let mut within = || most * random.signed_unit();
        let points = (0..rows * columns).map(|_| [within(), within()]).collect();
        Self { points, columns, spacing }
    }

    /// The displacements of the pixels of row `row`, as many as `moved` holds.
    pub fn row(&self, row: usize, moved: &mut [[f32; 2]]) {
        let (first, weights) = self.weights(row);
        let rows = &self.points[first * self.columns..];
        let mixed = |column: usize| mix(weights, |i| rows[i * self.columns + column]);
        let points: Vec<[f32; 2]> = (0..self.columns).map(mixed).collect();
        for (column, moved) in moved.iter_mut().enumerate() {
            let (first, weights) = self.weights(column);
            *moved = mix(weights, |i| points[first + i]);
        }
    }

    /// The first of the four control points that move pixel `pixel` of an axis, and the weights of the four.
    fn weights(&self, pixel: usize) -> (usize, [f32; 4]) {
        let place = pixel as f32 / self.spacing;
        (place as usize, spline(place.fract()))
    }
}

/// The uniform cubic B-spline at `u` in 0..1.
fn spline(u: f32) -> [f32; 4] {
    let (u2, u3) = (u * u, u * u * u);
    let v = 1.0 - u;
    [v * v * v / 6.0, (3.0 * u3 - 6.0 * u2 + 4.0) / 6.0, (3.0 * (u + u2 - u3) + 1.0) / 6.0, u3 / 6.0]
}

fn mix(weights: [f32; 4], point: impl Fn(usize) -> [f32; 2]) -> [f32; 2] {
    let mut sum = [0.0; 2];
    for (i, weight) in weights.into_iter().enumerate() {
        let point = point(i);
        sum = [sum[0] + weight * point[0], sum[1] + weight * point[1]];
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    fn rows(field: &Field, size: [usize; 2]) -> Vec<[f32; 2]> {
        let row = |row| {
            let mut moved = vec![[0.0; 2]; size[1]];
            field.row(row, &mut moved);
            moved
        };
        (0..size[0]).flat_map(row).collect()
    }

    #[test]
    fn points_that_move_alike_move_the_image_as_a_whole() {
        let mut field = Field::draw(1.0, 7.0, [28, 20], &mut Random::new(1, Stream::Augment, 0, 0));
        field.points.fill([2.0, -3.0]);
        for [x, y] in rows(&field, [28, 20]) {
            assert!((x - 2.0).abs() < 1e-5 && (y + 3.0).abs() < 1e-5, "{x} {y}");
        }
    }

    /// The weights' squares have the mean 151/315 along an axis, a uniform number within ±1 the variance 1/3: the displacement's standard
    /// deviation is 151/315/√3 = 0.277 of the bound.
    #[test]
    fn displacements_have_the_promised_size_and_are_smooth() {
        let (mut squares, mut count, mut steepest) = (0.0, 0, 0.0f32);
        for index in 0..200 {
            let field = Field::draw(4.0, 7.0, [28, 28], &mut Random::new(1, Stream::Augment, 0, index));
            let moved = rows(&field, [28, 28]);
            squares += moved.iter().map(|m| m[0] * m[0] + m[1] * m[1]).sum::<f32>();
            count += 2 * moved.len();
            let steps = moved.chunks(28).flat_map(|row| row.windows(2)).map(|pair| (pair[1][0] - pair[0][0]).abs());
            steepest = steps.fold(steepest, f32::max);
        }
        let deviation = (squares / count as f32).sqrt() / 4.0;
        assert!((0.26..0.30).contains(&deviation), "{deviation}");
        // The weights' slopes add up to at most 3/2 a control point, in the middle between two: that is the steepest for points within the bound.
        assert!(steepest > 0.1 && steepest <= 4.0 * 1.5 / 7.0, "{steepest}");
    }
}

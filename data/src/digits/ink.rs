//! Ink on paper: strokes of dots become grey pixels.

use super::{SIDE, hand::Dot, styles::Point};

/// From full ink to none, in pixels: MNIST's edges, which come from scaling bilevel scans down, are this soft.
const EDGE_PX: f64 = 1.3;

/// How much of each pixel is inked, 0 to 1.
pub(super) type Paper = [f64; SIDE * SIDE];

/// Inks the strokes with the origin moved to `origin` (pixel (0, 0) covers 0..1 × 0..1).
pub(super) fn draw(strokes: &[Vec<Dot>], origin: Point) -> Paper {
    let mut paper = [0.0; SIDE * SIDE];
    for line in strokes {
        for pair in line.windows(2) {
            stroke(&mut paper, pair[0].moved(origin), pair[1].moved(origin));
        }
    }
    paper
}

/// The centre of mass of the ink.
pub(super) fn centre(paper: &Paper) -> Point {
    let mut sum = [0.0; 3];
    for (i, ink) in paper.iter().enumerate() {
        let (x, y) = ((i % SIDE) as f64 + 0.5, (i / SIDE) as f64 + 0.5);
        sum = [sum[0] + ink * x, sum[1] + ink * y, sum[2] + ink];
    }
    [sum[0] / sum[2], sum[1] / sum[2]]
}

/// White on black in bytes.
pub(super) fn bytes(paper: &Paper) -> [u8; SIDE * SIDE] {
    paper.map(|ink| (ink * 255.0 + 0.5) as u8)
}

/// Inks the way from one dot to the next. Where strokes cross the darker wins: ink on ink is no blacker.
fn stroke(paper: &mut Paper, a: Dot, b: Dot) {
    let reach = f64::max(a.radius, b.radius) + EDGE_PX / 2.0;
    let [columns, rows] = [0, 1].map(|i| pixels(a.at[i].min(b.at[i]) - reach, a.at[i].max(b.at[i]) + reach));
    for row in rows {
        for column in columns.clone() {
            let ink = &mut paper[row * SIDE + column];
            *ink = ink.max(coverage(a, b, [column as f64 + 0.5, row as f64 + 0.5]));
        }
    }
}

/// The pixels that an interval touches, within the paper.
fn pixels(low: f64, high: f64) -> core::ops::Range<usize> {
    let clamp = |x: f64| x.clamp(0.0, SIDE as f64) as usize;
    clamp(low)..clamp(high + 1.0)
}

/// 1 inside the stroke, 0 outside, and a ramp of `EDGE_PX` between.
fn coverage(a: Dot, b: Dot, p: Point) -> f64 {
    let (along, to) = (minus(b.at, a.at), minus(p, a.at));
    let length2 = dot(along, along);
    let t = if length2 > 0.0 { (dot(to, along) / length2).clamp(0.0, 1.0) } else { 0.0 };
    let off = [to[0] - t * along[0], to[1] - t * along[1]];
    let inside = a.radius + t * (b.radius - a.radius) - libm::sqrt(dot(off, off));
    (inside / EDGE_PX + 0.5).clamp(0.0, 1.0)
}

impl Dot {
    fn moved(self, by: Point) -> Self {
        Self { at: [self.at[0] + by[0], self.at[1] + by[1]], ..self }
    }
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

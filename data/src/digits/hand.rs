//! A hand: writes a digit's style as no two people, and no one person twice, write it.

use super::{
    dice::Dice,
    styles::{Point, STYLES, Style},
};
use core::f64::consts::TAU;

/// The longer side of a digit's ink, in pixels, as in MNIST.
const BOX_PX: f64 = 20.0;

/// Straight pieces between two points of a style: at 20 px a digit each is about a pixel long.
const PIECES: usize = 6;

/// The pen on the paper, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dot {
    pub at: Point,
    pub radius: f64,
}

/// A digit as strokes of dots to be joined, its ink within `BOX_PX` × `BOX_PX` and centred on the origin.
pub(super) fn write(digit: u8, dice: &mut Dice) -> Vec<Vec<Dot>> {
    let style = choose(STYLES[usize::from(digit)], dice);
    let sloppiness = dice.between(0.008, 0.03);
    let lines: Vec<Vec<Point>> = style.strokes.iter().map(|points| curve(&jitter(points, sloppiness, dice))).collect();
    let paper = Paper::new(dice);
    let warped: Vec<Vec<Point>> = lines.iter().map(|line| line.iter().map(|&p| paper.warp(p)).collect()).collect();
    let pen = Pen::new(dice);
    fit(&warped, pen.radius_px).iter().map(|line| pen.draw(line)).collect()
}

fn choose(styles: &'static [Style], dice: &mut Dice) -> &'static Style {
    let mut roll = dice.below(styles.iter().map(|style| style.weight).sum());
    let hit = |style: &&Style| {
        let here = roll < style.weight;
        roll = roll.wrapping_sub(style.weight);
        here
    };
    styles.iter().find(hit).unwrap_or(&styles[0])
}

/// Moves each point a little, and much as the one before it: a hand that is off stays off for a while, and without that
/// every curve would be a polygon. A corner's two points stay together.
fn jitter(points: &[Point], deviation: f64, dice: &mut Dice) -> Vec<Point> {
    let mut off = [deviation * dice.bell(), deviation * dice.bell()];
    let mut before = None;
    let mut moved = |&point: &Point| {
        if before.replace(point) != Some(point) {
            off = off.map(|x| 0.7 * x + 0.7 * deviation * dice.bell());
        }
        [point[0] + off[0], point[1] + off[1]]
    };
    points.iter().map(&mut moved).collect()
}

/// A Catmull-Rom spline through the points, broken at the corners.
fn curve(points: &[Point]) -> Vec<Point> {
    let mut line = Vec::new();
    for run in points.chunk_by(|a, b| a != b) {
        let at = |i: usize| run[i.min(run.len() - 1)];
        line.push(run[0]);
        for i in 0..run.len() - 1 {
            let span = [at(i.saturating_sub(1)), at(i), at(i + 1), at(i + 2)];
            line.extend((1..=PIECES).map(|k| catmull_rom(span, k as f64 / PIECES as f64)));
        }
    }
    line
}

/// From `b` at t = 0 to `c` at t = 1, leaving `b` along c − a and reaching `c` along d − b.
fn catmull_rom([a, b, c, d]: [Point; 4], t: f64) -> Point {
    [0, 1].map(|i| {
        let (m, n) = ((c[i] - a[i]) / 2.0, (d[i] - b[i]) / 2.0);
        let rise = c[i] - b[i];
        b[i] + t * (m + t * ((3.0 * rise - 2.0 * m - n) + t * (m + n - 2.0 * rise)))
    })
}

/// What happens to the whole form: proportions, slant, rotation, and a smooth unevenness.
struct Paper {
    linear: [[f64; 2]; 2],
    waves: [Wave; 3],
}

/// One component of the unevenness: a displacement that varies as a sine across the paper.
struct Wave {
    push: Point,
    turns: Point,
    phase: f64,
}

impl Paper {
    fn new(dice: &mut Dice) -> Self {
        let width = 1.05 + 0.15 * dice.bell();
        let slant = 0.13 + 0.18 * dice.bell();
        let turn = 0.08 * dice.bell();
        let (sin, cos) = libm::sincos(turn);
        // Rotation × slant × width: x grows upwards (y is down) where the slant is positive.
        let linear = [[cos * width, -cos * slant - sin], [sin * width, cos - sin * slant]];
        Self { linear, waves: core::array::from_fn(|_| Wave::new(dice)) }
    }

    fn warp(&self, [x, y]: Point) -> Point {
        let [mut u, mut v] = [x, y];
        for wave in &self.waves {
            let s = libm::sin(TAU * (wave.turns[0] * x + wave.turns[1] * y + wave.phase));
            u += wave.push[0] * s;
            v += wave.push[1] * s;
        }
        self.linear.map(|[a, b]| a * u + b * v)
    }
}

impl Wave {
    fn new(dice: &mut Dice) -> Self {
        Self {
            push: [0.028 * dice.bell(), 0.028 * dice.bell()],
            turns: [dice.between(-1.1, 1.1), dice.between(-1.1, 1.1)],
            phase: dice.between(0.0, 1.0),
        }
    }
}

/// Scales the lines so that their ink fills the box's longer side, and centres them.
fn fit(lines: &[Vec<Point>], radius_px: f64) -> Vec<Vec<Point>> {
    let (low, high) = bounds(lines);
    let long = f64::max(high[0] - low[0], high[1] - low[1]);
    let scale = (BOX_PX - 2.0 * radius_px) / long;
    let place = |p: &Point| [0, 1].map(|i| (p[i] - (low[i] + high[i]) / 2.0) * scale);
    lines.iter().map(|line| line.iter().map(place).collect()).collect()
}

fn bounds(lines: &[Vec<Point>]) -> (Point, Point) {
    let (mut low, mut high) = ([f64::MAX; 2], [f64::MIN; 2]);
    for p in lines.iter().flatten() {
        low = [low[0].min(p[0]), low[1].min(p[1])];
        high = [high[0].max(p[0]), high[1].max(p[1])];
    }
    (low, high)
}

/// A pen: its width, and the pressure that swells and fades along a stroke.
struct Pen {
    radius_px: f64,
    swell: f64,
    turns: f64,
    phase: f64,
}

impl Pen {
    fn new(dice: &mut Dice) -> Self {
        // Log-normal: mostly thin pens and a few thick ones, as in MNIST.
        let radius_px = 1.23 * libm::exp(0.24 * dice.bell());
        Self { radius_px, swell: 0.08 * dice.bell(), turns: dice.between(0.4, 1.6), phase: dice.between(0.0, 1.0) }
    }

    fn draw(&self, line: &[Point]) -> Vec<Dot> {
        let step = self.turns / line.len() as f64;
        let pressure = |i: usize| 1.0 + self.swell * libm::sin(TAU * (self.phase + step * i as f64));
        line.iter().enumerate().map(|(i, &at)| Dot { at, radius: self.radius_px * pressure(i) }).collect()
    }
}

//! Curves as SVG: axes, ticks, and a label at the end of each line instead of a legend. Colours are the page's
//! (`.s0`, `.s1`, …), so a chart follows it from light to dark.

mod scale;

use std::fmt::Write;

pub use scale::Scale;

use crate::html::{escape, short};

const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 40.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 40.0;

/// Between two labels at the lines' ends.
const LABEL_HEIGHT: f64 = 14.0;

/// A letter of a label, on average.
const LETTER: f64 = 6.8;

/// A line shows its points where there are no more.
const MOST_MARKS: usize = 30;

/// Lines over one pair of axes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows, for those who cannot see it.
    pub title: String,
    /// What x is.
    pub x: String,
    /// What y is.
    pub y: String,
    /// How y is drawn.
    pub scale: Scale,
    /// Values of y that are shown in any case, so that charts side by side can be compared.
    pub least_range: Option<(f64, f64)>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// What stands at its end.
    pub label: String,
    /// The number of its colour.
    pub color: usize,
    /// Drawn in dashes, so that a line under it shows.
    pub dashed: bool,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

/// Smallest and largest.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.filter(|v| v.is_finite()).fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
}

/// The part of the picture in which lines are, and where values are in it.
struct Frame {
    x: (f64, f64),
    /// Where x ends and the labels begin.
    right: f64,
    /// Heights, not values.
    y: (f64, f64),
    scale: Scale,
}

impl Frame {
    fn of(chart: &Chart) -> Self {
        let points = || chart.lines.iter().flat_map(|line| &line.points);
        let x = bounds(points().map(|point| point.0));
        let range = chart.least_range.into_iter().flat_map(|(low, high)| [low, high]);
        let (low, high) = bounds(points().map(|point| point.1).chain(range).map(|value| chart.scale.height(value)));
        let longest = chart.lines.iter().map(|line| line.label.chars().count()).max().unwrap_or(0);
        // Room above and below; where all values are the same, a part of the value.
        let room = if high > low { (high - low) * 0.06 } else { (high.abs() * 0.06).max(1e-6) };
        Self { x, right: WIDTH - 12.0 - LETTER * longest as f64, y: (low - room, high + room), scale: chart.scale }
    }

    fn place_x(&self, x: f64) -> f64 {
        let part = if self.x.1 > self.x.0 { (x - self.x.0) / (self.x.1 - self.x.0) } else { 0.5 };
        LEFT + part * (self.right - LEFT)
    }

    fn place_y(&self, y: f64) -> f64 {
        let part = (self.scale.height(y) - self.y.0) / (self.y.1 - self.y.0);
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    }

    /// The values at the lower and the upper end.
    fn values(&self) -> (f64, f64) {
        (self.scale.value(self.y.0), self.scale.value(self.y.1))
    }
}

impl Chart {
    /// The chart as an `<svg>` element; nothing where there is nothing to draw.
    pub fn svg(&self) -> String {
        if self.lines.iter().all(|line| line.points.is_empty()) {
            return String::new();
        }
        let frame = Frame::of(self);
        let mut svg = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>\n",
            escape(&self.title)
        );
        self.draw_axes(&frame, &mut svg);
        for line in &self.lines {
            draw_line(line, &frame, &mut svg);
        }
        self.draw_labels(&frame, &mut svg);
        svg + "</svg>\n"
    }

    fn draw_axes(&self, frame: &Frame, svg: &mut String) {
        let (right, foot) = (frame.right, HEIGHT - BOTTOM);
        let (low, high) = frame.values();
        for tick in apart(self.scale.ticks(low, high), |tick| frame.place_y(tick), 16.0) {
            let y = frame.place_y(tick);
            let _ = writeln!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
            let text = short(tick, 6);
            let _ =
                writeln!(svg, "<text class=\"tick end\" x=\"{:.1}\" y=\"{:.1}\">{text}</text>", LEFT - 6.0, y + 3.5);
        }
        let _ = writeln!(svg, "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{foot}\" y2=\"{foot}\"/>");
        for tick in self.x_ticks(frame) {
            let x = frame.place_x(tick);
            let _ =
                writeln!(svg, "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{foot}\" y2=\"{}\"/>", foot + 4.0);
            let _ =
                writeln!(svg, "<text class=\"tick mid\" x=\"{x:.1}\" y=\"{}\">{}</text>", foot + 16.0, short(tick, 2));
        }
        let middle = (LEFT + right) / 2.0;
        let _ =
            writeln!(svg, "<text class=\"name mid\" x=\"{middle}\" y=\"{}\">{}</text>", HEIGHT - 6.0, escape(&self.x));
        let _ = writeln!(svg, "<text class=\"name\" x=\"2\" y=\"{}\">{}</text>", TOP - 11.0, escape(&self.y));
    }

    /// As many of the points' own values as there is room for.
    fn x_ticks(&self, frame: &Frame) -> Vec<f64> {
        let mut values: Vec<f64> = self.lines.iter().flat_map(|line| &line.points).map(|point| point.0).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        apart(values, |x| frame.place_x(x), 26.0)
    }

    /// Each label beside its line's last point, pushed down where two would touch, and all up where they leave the picture.
    fn draw_labels(&self, frame: &Frame, svg: &mut String) {
        let ends = self.lines.iter().filter_map(|line| Some((line, frame.place_y(line.points.last()?.1) + 3.5)));
        let mut ends: Vec<_> = ends.collect();
        ends.sort_by(|a, b| a.1.total_cmp(&b.1));
        for i in 1..ends.len() {
            ends[i].1 = ends[i].1.max(ends[i - 1].1 + LABEL_HEIGHT);
        }
        let over = ends.last().map_or(0.0, |end| (end.1 - (HEIGHT - BOTTOM)).max(0.0));
        for (line, y) in ends {
            let x = frame.right + 8.0;
            let (color, label) = (line.color, escape(&line.label));
            let _ = writeln!(svg, "<text class=\"label s{color}\" x=\"{x}\" y=\"{:.1}\">{label}</text>", y - over);
        }
    }
}

/// Values whose places are `gap` apart at least; the first one stays.
fn apart(values: Vec<f64>, place: impl Fn(f64) -> f64, gap: f64) -> Vec<f64> {
    let mut kept: Vec<f64> = Vec::new();
    for value in values {
        if kept.iter().all(|&other| (place(other) - place(value)).abs() >= gap) {
            kept.push(value);
        }
    }
    kept
}

fn draw_line(line: &Line, frame: &Frame, svg: &mut String) {
    let places: Vec<_> = line.points.iter().map(|&(x, y)| (frame.place_x(x), frame.place_y(y))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let (color, dashes) = (line.color, if line.dashed { " dashed" } else { "" });
    let _ = writeln!(svg, "<polyline class=\"line s{color}{dashes}\" points=\"{}\"/>", path.join(" "));
    if places.len() <= MOST_MARKS {
        for (x, y) in places {
            let _ = writeln!(svg, "<circle class=\"mark s{color}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\"/>");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, lines: &[&[(f64, f64)]]) -> Chart {
        let line = |(color, points): (usize, &&[(f64, f64)])| Line {
            label: format!("l{color}"),
            color,
            dashed: color > 0,
            points: points.to_vec(),
        };
        Chart {
            title: "a < b".into(),
            x: "x".into(),
            y: "y".into(),
            scale,
            least_range: None,
            lines: lines.iter().enumerate().map(line).collect(),
        }
    }

    #[test]
    fn a_value_is_where_it_belongs() {
        let svg = chart(Scale::Linear, &[&[(0.0, 0.0), (1.0, 100.0)]]).svg();
        // 6 % of room on either side of 0 to 100, and two letters of room on the right.
        assert!(svg.contains("points=\"40.0,181.0 314.4,31.0\""), "{svg}");
        assert!(svg.contains("aria-label=\"a &lt; b\""), "{svg}");
    }

    #[test]
    fn charts_of_one_range_have_the_same_heights() {
        let whole = |points| Chart { least_range: Some((0.0, 100.0)), ..chart(Scale::Linear, &[points]) }.svg();
        let tick =
            |svg: String| svg.split("class=\"tick end\"").nth(1).unwrap().split("</text>").next().unwrap().to_owned();
        assert_eq!(tick(whole(&[(0.0, 98.0), (1.0, 99.0)])), tick(whole(&[(0.0, 10.0), (1.0, 20.0)])));
    }

    #[test]
    fn labels_do_not_touch() {
        let svg = chart(Scale::Linear, &[&[(0.0, 0.0), (1.0, 1.0)], &[(0.0, 0.0), (1.0, 1.0)]]).svg();
        let heights =
            svg.split("class=\"label").skip(1).filter_map(|text| text.split("y=\"").nth(1)?.split('"').next());
        let heights: Vec<f64> = heights.map(|text| text.parse().unwrap()).collect();
        assert_eq!(((heights[1] - heights[0]) * 10.0).round(), LABEL_HEIGHT * 10.0);
    }

    #[test]
    fn all_values_alike_one_point_and_none_are_drawn() {
        for lines in [&[&[(1.0, 5.0), (2.0, 5.0)][..]], &[&[(1.0, 100.0)][..]]] {
            for scale in [Scale::Linear, Scale::Logarithmic, Scale::Nines(0.01)] {
                let svg = chart(scale, lines).svg();
                assert!(svg.contains("<polyline") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
        }
        assert_eq!(chart(Scale::Linear, &[&[]]).svg(), "");
    }
}

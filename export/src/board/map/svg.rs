//! The picture: of each memory all of it to scale, and under that what is used of it, as wide as the page.

use super::{Kind, Map, Space};
use crate::tables::grouped;
use std::fmt::Write;

/// Of the page, in pixels.
const WIDTH: f64 = 880.0;
const MARGIN: f64 = 32.0;
const BAR: f64 = WIDTH - 2.0 * MARGIN;
const TITLE_HEIGHT: f64 = 64.0;
/// Of one memory's heading, whole bar, gap to the used part, and its bar.
const HEADING: f64 = 28.0;
const WHOLE: f64 = 10.0;
const GAP: f64 = 18.0;
const USED: f64 = 40.0;
/// Of a line of the legend, which has two columns.
const LINE: f64 = 22.0;
const COLUMN: f64 = BAR / 2.0;

/// Colours that people who see few can tell apart, for a light page and for a dark one.
const STYLE: &str = "\
svg { background: #ffffff; font: 13px system-ui, sans-serif }
text { fill: #1f2328 } .quiet { fill: #59636e } .title { font-size: 17px; font-weight: 600 } .name { font-weight: 600 }
.number { text-anchor: end; font-variant-numeric: tabular-nums }
.free { fill: #e7eaee } .used { fill: #8c959f } .lens { fill: #f3f5f7 }
.vectors { fill: #59636e } .plan { fill: #0072b2 } .engine { fill: #d55e00 } .program { fill: #009e73 } .messages { fill: #cc79a7 }
.library { fill: #e69f00 } .constants { fill: #56b4e9 } .values { fill: #a39a2f }
.arena { fill: #0072b2 } .statics { fill: #e69f00 } .stack { fill: #cc79a7 }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #9198a1 }
.free { fill: #262c36 } .used { fill: #9198a1 } .lens { fill: #161b22 }
.vectors { fill: #9198a1 } .plan, .arena { fill: #3d9bd9 } .engine { fill: #ea7a2c } .program { fill: #1fbf94 }
.messages, .stack { fill: #dc94bb }
}";

const fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Vectors => "vectors",
        Kind::Plan => "plan",
        Kind::Engine => "engine",
        Kind::Program => "program",
        Kind::Messages => "messages",
        Kind::Library => "library",
        Kind::Constants => "constants",
        Kind::InitialValues => "values",
        Kind::Arena => "arena",
        Kind::Statics => "statics",
        Kind::Stack => "stack",
    }
}

/// The picture as a file, for light and dark pages.
pub fn to_svg(map: &Map) -> String {
    let spaces = [&map.flash, &map.ram];
    let page = TITLE_HEIGHT + spaces.map(height).iter().sum::<f64>();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {page}\" width=\"{WIDTH}\" height=\"{page}\" role=\"img\">\n\
         <title>Flash and RAM of {title}</title>\n<style>\n{STYLE}\n</style>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"40\">{title}</text>\n",
        title = escaped(&map.title),
    );
    let mut top = TITLE_HEIGHT;
    for space in spaces {
        draw(&mut svg, space, top);
        top += height(space);
    }
    svg + "</svg>\n"
}

fn height(space: &Space) -> f64 {
    HEADING + WHOLE + GAP + USED + LINE * (1 + space.parts.len().div_ceil(2)) as f64 + LINE
}

fn draw(svg: &mut String, space: &Space, top: f64) {
    let (used, free) = (space.used_bytes(), space.free_bytes());
    let share = |bytes: u64, of: u64| if of == 0 { 0.0 } else { bytes as f64 / of as f64 };
    let used_width = BAR * share(used, space.len_bytes);
    let mut put = |line: String| svg.push_str(&(line + "\n"));
    put(format!(
        "<text x=\"{MARGIN}\" y=\"{y}\"><tspan class=\"name\">{}</tspan> <tspan class=\"quiet\">{} of {} bytes used ({:.1} %), {} free</tspan></text>",
        space.name,
        grouped(used),
        grouped(space.len_bytes),
        100.0 * share(used, space.len_bytes),
        grouped(free),
        y = top + 16.0,
    ));
    let whole = top + HEADING;
    put(rectangle("free", MARGIN, whole, BAR, WHOLE));
    put(rectangle("used", MARGIN, whole, used_width, WHOLE));
    let (under, bar) = (whole + WHOLE, whole + WHOLE + GAP);
    let (left, right, used_right) = (MARGIN, MARGIN + BAR, MARGIN + used_width);
    put(format!(
        "<polygon class=\"lens\" points=\"{left:.2},{under} {used_right:.2},{under} {right:.2},{bar} {left:.2},{bar}\"/>"
    ));
    let mut before = 0;
    for (index, (&kind, &bytes)) in space.parts.iter().enumerate() {
        let from = MARGIN + BAR * share(before, used);
        put(rectangle(class(kind), from, bar, BAR * share(bytes, used), USED));
        before += bytes;
        let x = MARGIN + COLUMN * (index % 2) as f64;
        let y = bar + USED + LINE * (1 + index / 2) as f64;
        put(rectangle(class(kind), x, y - 10.0, 11.0, 11.0));
        put(format!("<text x=\"{:.2}\" y=\"{y}\">{}</text>", x + 19.0, kind.label()));
        let (number, percent) = (x + COLUMN - 96.0, x + COLUMN - 36.0);
        put(format!("<text class=\"number\" x=\"{number:.2}\" y=\"{y}\">{}</text>", grouped(bytes)));
        let share = 100.0 * share(bytes, used);
        put(format!("<text class=\"number quiet\" x=\"{percent:.2}\" y=\"{y}\">{share:.1} %</text>"));
    }
}

fn rectangle(class: &str, x: f64, y: f64, width: f64, height: f64) -> String {
    format!("<rect class=\"{class}\" x=\"{x:.2}\" y=\"{y}\" width=\"{width:.2}\" height=\"{height}\"/>")
}

fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        let _ = match c {
            '&' => all.write_str("&amp;"),
            '<' => all.write_str("&lt;"),
            '>' => all.write_str("&gt;"),
            plain => all.write_char(plain),
        };
        all
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> Map {
        let flash = [(Kind::Vectors, 100), (Kind::Plan, 600), (Kind::Engine, 300)].into();
        let ram = [(Kind::Arena, 3_000), (Kind::Statics, 250), (Kind::Stack, 750)].into();
        Map {
            title: "R&D <board>".into(),
            flash: Space { name: "Flash", len_bytes: 4_000, parts: flash },
            ram: Space { name: "RAM", len_bytes: 8_000, parts: ram },
        }
    }

    /// Widths of the rectangles of a class that are `height` high.
    fn widths(svg: &str, class: &str, height: f64) -> Vec<f64> {
        let lines = svg.lines().filter(|line| line.starts_with(&format!("<rect class=\"{class}\"")));
        let lines = lines.filter(|line| line.ends_with(&format!("height=\"{height}\"/>")));
        lines.map(|line| line.split('"').nth(7).unwrap().parse().unwrap()).collect()
    }

    #[test]
    fn bars_are_to_scale_and_fill_their_width() {
        let svg = to_svg(&map());
        assert_eq!(widths(&svg, "used", WHOLE), [BAR / 4.0, BAR / 2.0]);
        let flash = ["vectors", "plan", "engine"].map(|class| widths(&svg, class, USED)[0]);
        assert_eq!(flash, [81.6, 489.6, 244.8]);
        let ram: f64 = ["arena", "statics", "stack"].map(|class| widths(&svg, class, USED)[0]).iter().sum();
        assert_eq!(ram, BAR);
    }

    #[test]
    fn numbers_are_written_out_and_the_title_is_escaped() {
        let svg = to_svg(&map());
        for part in
            ["R&amp;D &lt;board&gt;", "1,000 of 4,000 bytes used (25.0 %), 3,000 free", ">3,000</text>", "75.0 %"]
        {
            assert!(svg.contains(part), "{part}");
        }
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    }

    #[test]
    fn a_memory_with_nothing_in_it_has_a_picture() {
        let nothing = Space { name: "RAM", len_bytes: 100, parts: Default::default() };
        assert!(to_svg(&Map { ram: nothing, ..map() }).contains("0 of 100 bytes used (0.0 %), 100 free"));
    }
}

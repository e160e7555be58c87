//! `export bench --sweep`: what a multiply-accumulate costs, over networks of one convolution each.

use super::bench::{Job, count, per_mac};
use anyhow::{Context, Result};
use export::board::bench::{Bench, Packing, Row};
use export::board::{self, Board, core_name};
use export::graph::Window;
use export::plan::{self, Options, PlanError};
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights};
use export::tables::grouped;
use serde::Serialize;
use std::fmt;

/// The cores that have timings of their own.
pub const CORES: [&str; 3] = ["m4", "m3", "m0"];

/// Rows of every map: few, so that counting takes seconds.
const HEIGHT: usize = 8;
/// Channels of 3×3 convolutions over maps of `WIDTH`.
const CHANNELS: [usize; 12] = [1, 3, 4, 5, 8, 10, 13, 16, 17, 32, 64, 128];
const WIDTH: usize = 14;
/// Widths of 3×3 convolutions of 16 channels; `WIDTH` is among the others.
const WIDTHS: [usize; 6] = [7, 13, 17, 28, 56, 96];
/// Channels of 1×1 convolutions over maps of `WIDTH`.
const POINTWISE: [usize; 4] = [8, 16, 32, 64];

/// The layer that is counted.
const LAYER: &str = "conv";

/// A convolution of stride 1 that keeps its input's shape.
#[derive(Clone, Copy, Serialize)]
struct Point {
    /// Height and width of its window.
    window: usize,
    channels: usize,
    width: usize,
}

/// A point's layer on one core, as `--json` has it.
#[derive(Serialize)]
struct Figure<'a> {
    point: Point,
    layer: Option<&'a Row>,
}

/// Counts every point on every core, and prints a table in Markdown, or JSON.
pub fn run(cores: &[&'static Board], json: bool) -> Result<()> {
    let points = points();
    let jobs = points.iter().flat_map(|point| cores.iter().map(move |core| point.job(core)));
    let benches = count(&jobs.collect::<Result<Vec<_>>>()?)?;
    if json {
        let figures = points.iter().zip(benches.chunks(cores.len()));
        let figures = figures.flat_map(|(&point, on)| on.iter().map(move |b| Figure { point, layer: layer(b) }));
        println!("{}", serde_json::to_string_pretty(&figures.collect::<Vec<_>>())?);
        return Ok(());
    }
    let per_core = |core: &&Board| ["instr/MAC", "cycles/MAC"].map(|what| format!("{} {what}", core_name(core)));
    let headers = ["window", "channels", "width", "MACs"].map(String::from).into_iter();
    let headers: Vec<String> = headers.chain(cores.iter().flat_map(per_core)).collect();
    println!("{}\n{}", line(&headers), line(&vec!["--:".to_owned(); headers.len()]));
    for (point, on) in points.iter().zip(benches.chunks(cores.len())) {
        println!("{}", line(&point.cells(on)));
    }
    Ok(())
}

fn points() -> Vec<Point> {
    let channels = CHANNELS.map(|channels| Point { window: 3, channels, width: WIDTH });
    let widths = WIDTHS.map(|width| Point { window: 3, channels: 16, width });
    let pointwise = POINTWISE.map(|channels| Point { window: 1, channels, width: WIDTH });
    channels.into_iter().chain(widths).chain(pointwise).collect()
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, channels, width } = self;
        write!(f, "{channels} channels of {HEIGHT}×{width} under {window}×{window}")
    }
}

impl Point {
    /// The fastest plan for a core.
    fn job(&self, core: &'static Board) -> Result<Job> {
        let plan = self.plan(core).with_context(|| format!("a plan of {self} for {}", core.name))?;
        Ok(Job { core, packing: Some(Packing::Fastest), plan })
    }

    fn plan(&self, core: &Board) -> Result<Vec<u8>, PlanError> {
        let options = Options { target: board::target(core), ..Options::default() };
        Ok(plan::to_bytes(&plan::plan_for(&self.network(), &options)?))
    }

    /// The convolution and the mean of its map: what comes out last is no kernel's.
    fn network(&self) -> QuantGraph {
        let Self { window, channels, width } = *self;
        let map = [channels, HEIGHT, width];
        let taps = channels * window * window;
        // Even int8 values have a deviation of 74 steps, these weights one of 52: the results', of 50.
        let spread = 0.05 * 74.0 * 0.001 * 52.0 / 50.0 * (taps as f32).sqrt();
        let tensor = |name: &str, shape, scale| QuantTensor { name: name.into(), shape, scale, zero_point: 0 };
        let node = |name: &str, op, input, output| QuantNode { name: name.into(), op, inputs: vec![input], output };
        let square = |kernel, pad| Window { kernel, strides: [1; 2], dilations: [1; 2], pads: [pad; 4] };
        let conv = QuantOp::Conv2d {
            window: square([window; 2], window / 2),
            groups: 1,
            weights: weights([channels, channels, window, window]),
            clamp: Clamp::NONE,
        };
        let mean = QuantOp::AveragePool { window: square([HEIGHT, width], 0), count_include_pad: false };
        QuantGraph {
            name: "sweep".into(),
            tensors: vec![
                tensor("input", map, 0.05),
                tensor("map", map, spread),
                tensor("mean", [channels, 1, 1], spread),
            ],
            nodes: vec![node(LAYER, conv, 0, 1), node("pool", mean, 1, 2)],
            input: 0,
            output: 2,
            metadata: Default::default(),
        }
    }

    fn cells(&self, benches: &[Bench]) -> Vec<String> {
        let Self { window, channels, width } = self;
        let macs = benches.first().and_then(layer).map_or("–".into(), |row| grouped(row.macs));
        let point = [format!("{window}×{window}"), channels.to_string(), width.to_string(), macs];
        let figures = |bench| {
            let row: Option<&Row> = layer(bench);
            let macs = row.map_or(0, |row| row.macs);
            [row.map(|row| row.instructions), row.and_then(|row| row.cycles)].map(|count| per_mac(count, macs))
        };
        point.into_iter().chain(benches.iter().flat_map(figures)).collect()
    }
}

/// The same weights for the same shape on every machine; small ones are more frequent, as they are where networks are trained.
fn weights(shape: [usize; 4]) -> Weights {
    let mut state = 1_u64;
    let mut random = || {
        // Knuth's MMIX; the upper bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as i32
    };
    let mut weight = || (((random() >> 24) + (random() >> 24)) / 2).max(-127) as i8;
    let values = (0..shape.iter().product::<usize>()).map(|_| weight()).collect();
    let biases = (0..shape[0]).map(|_| random() >> 20).collect();
    Weights { shape, values, scales: vec![0.001; shape[0]], biases }
}

fn layer(bench: &Bench) -> Option<&Row> {
    bench.layers.iter().find(|row| row.layer.as_deref() == Some(LAYER))
}

fn line(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_a_kernel_on_every_core() {
        for (core, point) in CORES.iter().flat_map(|core| points().into_iter().map(move |point| (core, point))) {
            let plan = plan::words(&point.plan(board::core(core).unwrap()).unwrap());
            let layers = plan::layers(&infer_nostd::Plan::parse(&plan).unwrap());
            assert_eq!(layers[1].layer, LAYER);
            assert!(layers[1].kernel.is_some(), "{point} on {core}");
        }
    }
}

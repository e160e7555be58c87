//! The integer network by definition: whole maps, a layer at a time, in i64, one plain loop an operator.
//!
//! It shares no code with the engine or the planner. ARITHMETIC.md in infer-nostd states what is computed here.

use export::graph::Window;
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights};

/// A feature map in C, H, W order.
#[derive(Debug, Clone)]
pub struct Map {
    /// Channels, height, width.
    pub shape: [usize; 3],
    /// Stored int8 values.
    pub values: Vec<i64>,
}

impl Map {
    fn at(&self, c: usize, y: usize, x: usize) -> i64 {
        let [_, height, width] = self.shape;
        self.values[(c * height + y) * width + x]
    }
}

/// The output of `graph` for one image, both in C, H, W order.
pub fn run(graph: &QuantGraph, image: &[i8]) -> Vec<i8> {
    let mut maps: Vec<Option<Map>> = vec![None; graph.tensors.len()];
    let shape = graph.tensors[graph.input].shape;
    maps[graph.input] = Some(Map { shape, values: image.iter().map(|&v| v.into()).collect() });
    for node in &graph.nodes {
        let inputs: Vec<&Map> = node.inputs.iter().map(|&id| maps[id].as_ref().expect("topological order")).collect();
        let values = evaluate(graph, node, &inputs);
        maps[node.output] = Some(Map { shape: graph.tensors[node.output].shape, values });
    }
    let output = maps[graph.output].take().expect("the output is made");
    output.values.iter().map(|&v| i8::try_from(v).expect("clamped")).collect()
}

fn evaluate(graph: &QuantGraph, node: &QuantNode, inputs: &[&Map]) -> Vec<i64> {
    let x = &graph.tensors[node.inputs[0]];
    let y = &graph.tensors[node.output];
    let map = inputs[0];
    match &node.op {
        QuantOp::Conv2d { window, groups, weights, clamp } => {
            let rule = Rule::new(&ratios(x, weights, y), y, *clamp);
            each(y, |c, oy, ox| rule.apply(c, conv(map, x, window, *groups, weights, c, oy, ox)))
        }
        QuantOp::Dense { weights, clamp } => {
            let rule = Rule::new(&ratios(x, weights, y), y, *clamp);
            each(y, |c, _, _| {
                let row = &weights.values[c * map.values.len()..][..map.values.len()];
                let products = row.iter().zip(&map.values).map(|(&w, &v)| w as i64 * (v - x.zero_point as i64));
                rule.apply(c, weights.biases[c] as i64 + products.sum::<i64>())
            })
        }
        QuantOp::MaxPool { window } => {
            each(y, |c, oy, ox| taps(map, window, oy, ox).map(|(v, u)| map.at(c, v, u)).max().expect("not empty"))
        }
        QuantOp::AveragePool { window, count_include_pad } => {
            let count_all = window.kernel[0] * window.kernel[1];
            let ratio = |n: usize| x.scale as f64 / (y.scale as f64 * n as f64);
            // One shift serves every count that can occur: from one pixel, or always all of them.
            let counts =
                if *count_include_pad || is_global(window, map) { count_all..=count_all } else { 1..=count_all };
            let rule = Rule::new(&counts.clone().map(ratio).collect::<Vec<_>>(), y, Clamp::NONE);
            each(y, |c, oy, ox| {
                let sum: i64 = taps(map, window, oy, ox).map(|(v, u)| map.at(c, v, u) - x.zero_point as i64).sum();
                let count = if *count_include_pad { count_all } else { taps(map, window, oy, ox).count() };
                rule.apply(count - counts.start(), sum)
            })
        }
        QuantOp::Add { clamp } => {
            let second = &graph.tensors[*node.inputs.get(1).unwrap_or(&node.inputs[0])];
            let other = *inputs.get(1).unwrap_or(&map);
            let sum = Sum::new(x.scale as f64, second.scale as f64, y);
            let term = |w: i64, t: &QuantTensor, v: i64| w * (v - t.zero_point as i64);
            let acc = |a: i64, b: i64| term(sum.weights[0], x, a) + term(sum.weights[1], second, b);
            map.values.iter().zip(&other.values).map(|(&a, &b)| sum.round(acc(a, b), y, *clamp)).collect()
        }
        QuantOp::Mul { clamp } => {
            let second = &graph.tensors[*node.inputs.get(1).unwrap_or(&node.inputs[0])];
            let other = *inputs.get(1).unwrap_or(&map);
            let rule = Rule::new(&[x.scale as f64 * second.scale as f64 / y.scale as f64], y, *clamp);
            // Where a dimension is 1, it stands for every place.
            let spread = |map: &Map, at: [usize; 3]| {
                let [c, v, u] = [0, 1, 2].map(|axis| if map.shape[axis] == 1 { 0 } else { at[axis] });
                map.at(c, v, u)
            };
            each(y, |c, oy, ox| {
                let (a, b) = (spread(map, [c, oy, ox]), spread(other, [c, oy, ox]));
                rule.apply(0, (a - x.zero_point as i64) * (b - second.zero_point as i64))
            })
        }
        QuantOp::Resize { factors: [down, across] } => each(y, |c, oy, ox| map.at(c, oy / down, ox / across)),
        QuantOp::Reshape => map.values.clone(),
        QuantOp::Requantize { clamp } => requantize(map, x, y, *clamp),
        QuantOp::Activation { function } => {
            let value = |v: i64| {
                let real = function.eval(x.scale as f64 * (v - x.zero_point as i64) as f64);
                ((real / y.scale as f64).round_ties_even() + y.zero_point as f64).clamp(-128.0, 127.0) as i64
            };
            map.values.iter().map(|&v| value(v)).collect()
        }
        QuantOp::Concat => {
            let parts = node.inputs.iter().zip(inputs);
            parts.flat_map(|(&id, part)| requantize(part, &graph.tensors[id], y, Clamp::NONE)).collect()
        }
    }
}

fn requantize(map: &Map, x: &QuantTensor, y: &QuantTensor, clamp: Clamp) -> Vec<i64> {
    let sum = Sum::new(x.scale as f64, 0.0, y);
    map.values.iter().map(|&v| sum.round(sum.weights[0] * (v - x.zero_point as i64), y, clamp)).collect()
}

fn is_global(window: &Window, map: &Map) -> bool {
    window.kernel == map.shape[1..] && window.pads == [0; 4] && window.dilations == [1, 1]
}

fn each(y: &QuantTensor, value: impl Fn(usize, usize, usize) -> i64) -> Vec<i64> {
    let [channels, height, width] = y.shape;
    let mut values = Vec::new();
    for c in 0..channels {
        for oy in 0..height {
            for ox in 0..width {
                values.push(value(c, oy, ox));
            }
        }
    }
    values
}

#[allow(clippy::too_many_arguments)] // a definition: everything it depends on, in sight
fn conv(
    map: &Map,
    x: &QuantTensor,
    window: &Window,
    groups: usize,
    w: &Weights,
    o: usize,
    oy: usize,
    ox: usize,
) -> i64 {
    let [outputs, group_len, kernel_h, kernel_w] = w.shape;
    let group = o / (outputs / groups);
    let mut acc = w.biases[o] as i64;
    for c in 0..group_len {
        for ky in 0..kernel_h {
            for kx in 0..kernel_w {
                if let Some((v, u)) = tap(map, window, oy, ox, ky, kx) {
                    let weight = w.values[((o * group_len + c) * kernel_h + ky) * kernel_w + kx] as i64;
                    acc += weight * (map.at(group * group_len + c, v, u) - x.zero_point as i64);
                }
            }
        }
    }
    acc
}

/// Row and column under a tap; `None` in the padding.
fn tap(map: &Map, window: &Window, oy: usize, ox: usize, ky: usize, kx: usize) -> Option<(usize, usize)> {
    let [_, height, width] = map.shape;
    let y = (oy * window.strides[0] + ky * window.dilations[0]).checked_sub(window.pads[0])?;
    let x = (ox * window.strides[1] + kx * window.dilations[1]).checked_sub(window.pads[1])?;
    (y < height && x < width).then_some((y, x))
}

fn taps(map: &Map, window: &Window, oy: usize, ox: usize) -> impl Iterator<Item = (usize, usize)> {
    let all = (0..window.kernel[0]).flat_map(|ky| (0..window.kernel[1]).map(move |kx| (ky, kx)));
    all.filter_map(move |(ky, kx)| tap(map, window, oy, ox, ky, kx))
}

fn ratios(x: &QuantTensor, weights: &Weights, y: &QuantTensor) -> Vec<f64> {
    weights.scales.iter().map(|&w| x.scale as f64 * w as f64 / y.scale as f64).collect()
}

/// Weights of a sum in steps of 2^−t, t the largest for which 256 times their sum, rounding counted, is below 2^31.
struct Sum {
    weights: [i64; 2],
    t: u32,
}

impl Sum {
    fn new(scale_a: f64, scale_b: f64, y: &QuantTensor) -> Self {
        let weight = |scale: f64, t: u32| (scale / y.scale as f64 * 2f64.powi(t as i32)).round() as i64;
        let mut t = 30;
        while 256.0 * ((scale_a + scale_b) / y.scale as f64 * 2f64.powi(t as i32) + 1.0) >= 2f64.powi(31) {
            t -= 1;
        }
        Self { weights: [weight(scale_a, t), weight(scale_b, t)], t }
    }

    /// ⌊acc / 2^t + ½⌋, at the output's zero point.
    fn round(&self, acc: i64, y: &QuantTensor, clamp: Clamp) -> i64 {
        let steps = (2 * acc + (1 << self.t)).div_euclid(2 << self.t);
        (y.zero_point as i64 + steps).clamp(clamp.min.into(), clamp.max.into())
    }
}

/// y = clamp(zp + ⌊(acc·2^k·m + 2^31) / 2^32⌋), m = ⌊ratio·2^(32−k) + ½⌋, k the smallest with every m below 2^31.
struct Rule {
    multipliers: Vec<i128>,
    shift: u32,
    zero_point: i128,
    clamp: Clamp,
}

impl Rule {
    fn new(ratios: &[f64], y: &QuantTensor, clamp: Clamp) -> Self {
        let multiplier = |ratio: f64, k: u32| (ratio * 2f64.powi(32 - k as i32) + 0.5).floor() as i128;
        let fits = |k: &u32| ratios.iter().all(|&r| multiplier(r, *k) < 1 << 31);
        let shift = (0..16).find(fits).expect("a shift that fits");
        let multipliers = ratios.iter().map(|&r| multiplier(r, shift).max(1)).collect();
        Self { multipliers, shift, zero_point: y.zero_point.into(), clamp }
    }

    fn apply(&self, channel: usize, acc: i64) -> i64 {
        let product = ((acc as i128) << self.shift) * self.multipliers[channel];
        let y = self.zero_point + (product + (1 << 31)).div_euclid(1 << 32);
        y.clamp(self.clamp.min.into(), self.clamp.max.into()) as i64
    }
}

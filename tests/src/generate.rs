//! Networks out of a seed: shapes that divide by nothing, windows that hang over every edge, scales of all sizes.

use export::graph::{Activation, Window};
use export::plan::{Options, Target, code_bytes, plan_for};
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, TensorId, Weights};
use infer_nostd::Plan;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;

/// What one random layer is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Convolution of all channels.
    Conv,
    /// Convolution in groups.
    GroupedConv,
    /// Convolution of each channel by itself.
    Depthwise,
    /// Fully connected.
    Dense,
    /// Largest of windows.
    MaxPool,
    /// Mean of windows.
    AveragePool,
    /// Mean of the map.
    GlobalAveragePool,
    /// Sum with an earlier tensor of the same shape, or with itself.
    Add,
    /// Change of scale.
    Requantize,
    /// Function of each value.
    Activation,
    /// Channels beside those of earlier tensors.
    Concat,
    /// Product with an earlier tensor of the same shape or a smaller one, or with a mean of its own.
    Mul,
    /// Pixels several times.
    Resize,
}

/// Every layer, for tests that must miss none.
pub const LAYERS: [Layer; 13] = [
    Layer::Conv,
    Layer::GroupedConv,
    Layer::Depthwise,
    Layer::Dense,
    Layer::MaxPool,
    Layer::AveragePool,
    Layer::GlobalAveragePool,
    Layer::Add,
    Layer::Requantize,
    Layer::Activation,
    Layer::Concat,
    Layer::Mul,
    Layer::Resize,
];

/// The fastest plan of a network for a target, the smallest, and one that has half the flash that lies between.
pub fn between(graph: &QuantGraph, target: Target) -> [Options; 3] {
    let flash = |options: &Options| {
        let words = plan_for(graph, options).unwrap_or_default();
        words.len() * 4 + Plan::parse(&words).map_or(0, |plan| code_bytes(&plan))
    };
    let fastest = Options { target, ..Options::default() };
    let smallest = Options { smallest: true, ..fastest };
    let least = flash(&smallest); // not always less than the fastest takes: it weighs RAM as well
    let budget = least.max((flash(&fastest) + least) / 2);
    [fastest, smallest, Options { flash_budget: Some(budget), ..fastest }]
}

/// A seeded source of networks and images.
pub struct Generator {
    random: Pcg32,
}

impl Generator {
    /// The same seed gives the same networks on every machine.
    pub fn new(seed: u64) -> Self {
        Self { random: Pcg32::new(seed, 0) }
    }

    /// A number in `low..=high`.
    pub fn range(&mut self, low: usize, high: usize) -> usize {
        low + self.random.next_u32() as usize % (high - low + 1)
    }

    fn unit(&mut self) -> f32 {
        (self.random.next_u32() >> 8) as f32 / (1 << 24) as f32
    }

    fn int8(&mut self) -> i8 {
        self.random.next_u32() as i8
    }

    /// Random int8 values.
    pub fn values(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|_| self.int8()).collect()
    }

    /// A network of one layer.
    pub fn single(&mut self, layer: Layer) -> QuantGraph {
        let mut graph = self.begin();
        self.push(&mut graph, layer);
        graph
    }

    /// A network of up to `depth` layers, with branches that meet again.
    pub fn network(&mut self, depth: usize) -> QuantGraph {
        let mut graph = self.begin();
        for _ in 0..self.range(1, depth) {
            let layer = LAYERS[self.range(0, LAYERS.len() - 1)];
            self.push(&mut graph, layer);
        }
        graph
    }

    /// A network of `depth` layers of the shapes that kernels are made for, sums and max pools between them, of maps of up to
    /// `most` channels. What comes out last is no kernel's.
    pub fn kernels(&mut self, depth: usize, most: usize) -> QuantGraph {
        let channels = [1, 1, 3, 5][self.range(0, 3)];
        let shape = [channels, self.range(8, 16), self.range(7, 17)];
        let mut graph = self.begin_with(shape);
        for _ in 0..depth {
            let [channels, height, width] = graph.tensors[graph.output].shape;
            let outputs = [1, 3, 5, 8, 10, 13, 16, 17][self.range(0, 7)].min(most);
            let axis = |kernel, stride, dilation| [kernel, stride, dilation];
            let square = [axis(3, 1, 1); 2];
            match self.range(0, 19) {
                0..=3 => self.conv_of(&mut graph, square, 1, outputs),
                4 | 5 => self.conv_of(&mut graph, [axis(1, 1, 1); 2], 1, outputs),
                6 => self.conv_of(&mut graph, [axis(3, 2, 1); 2], 1, outputs),
                7 => self.conv_of(&mut graph, [axis(1, 2, 1), axis(2, 1, 2)], 1, outputs),
                8 | 9 => self.conv_of(&mut graph, square, channels, channels),
                10 => self.conv_of(&mut graph, [axis(3, 1, 2), axis(3, 2, 1)], channels, channels),
                11 => self.conv_of(&mut graph, [axis(5, 1, 1); 2], channels, channels),
                12 => self.conv_of(&mut graph, [axis(5, 2, 1), axis(4, 2, 1)], channels, channels),
                13 => self.conv_of(&mut graph, [axis(2, 1, 1), axis(3, 3, 2)], channels, channels),
                14 if height > 2 && width > 2 => {
                    let kernel = self.range(2, 3);
                    let window = Window { kernel: [kernel; 2], strides: [2; 2], dilations: [1; 2], pads: [0; 4] };
                    self.max_pool(&mut graph, window);
                }
                15 => self.push(&mut graph, Layer::Activation),
                17 => self.push(&mut graph, Layer::Mul),
                18 => self.push(&mut graph, Layer::Resize),
                16 if graph.tensors[graph.output].shape[0] < 2 * most => self.push(&mut graph, Layer::Concat),
                _ => self.push(&mut graph, Layer::Add),
            }
        }
        if self.range(0, 1) == 0 {
            self.push(&mut graph, Layer::Dense);
        }
        self.push(&mut graph, Layer::Requantize);
        graph
    }

    /// Depthwise 3×3 convolutions over five channels whose rows come to be 1 to 6 pixels wide, and 2 to 6 where they are two pixels apart: every length
    /// of a kernel's blocks. What comes out last is no kernel's.
    pub fn depthwise_widths(&mut self) -> QuantGraph {
        let mut graph = self.begin_with([5, 4, 13]);
        let apart = [(2, 6), (1, 6), (1, 5), (1, 4), (1, 3), (1, 2), (1, 1), (1, 3), (1, 5), (1, 7), (1, 9)];
        for (stride, width) in apart.into_iter().chain([(2, 5), (1, 7), (2, 4), (2, 2), (1, 4), (2, 3)]) {
            let [channels, _, from] = graph.tensors[graph.output].shape;
            let pads = (width - 1) * stride + 3 - from;
            let pads = [1, pads / 2, 1, pads.div_ceil(2)];
            let window = Window { kernel: [3; 2], strides: [1, stride], dilations: [1; 2], pads };
            self.conv_with(&mut graph, window, channels, channels);
        }
        self.push(&mut graph, Layer::Requantize);
        graph
    }

    /// Networks that begin with a convolution over rows whose windows are runs of 4 to 15 bytes, to rows of 1 to 4 and of 7 pixels: every length of a
    /// kernel's blocks. What comes out last is no kernel's.
    pub fn image_runs(&mut self) -> Vec<QuantGraph> {
        let shapes = [(5, [2, 2], 2, 1), (2, [2, 3], 2, 2), (1, [3, 4], 2, 3), (3, [3, 3], 2, 4), (3, [5, 5], 1, 7)];
        let network = |(channels, kernel, stride, width): (usize, [usize; 2], usize, usize)| {
            let mut graph = self.begin_with([channels, 6, (width - 1) * stride + kernel[1] - 1]);
            let window = Window { kernel, strides: [1, stride], dilations: [1; 2], pads: [1, 0, 0, 1] };
            self.conv_with(&mut graph, window, 1, 5);
            self.push(&mut graph, Layer::Requantize);
            graph
        };
        shapes.map(network).into()
    }

    /// A convolution whose padding keeps the map's size where the stride is 1, or leaves some of it out. `axes` are down and across: kernel,
    /// stride, dilation.
    fn conv_of(&mut self, graph: &mut QuantGraph, axes: [[usize; 3]; 2], groups: usize, outputs: usize) {
        let [_, height, width] = graph.tensors[graph.output].shape;
        let mut window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        for (i, ([kernel, stride, dilation], len)) in axes.into_iter().zip([height, width]).enumerate() {
            let extent = (kernel - 1) * dilation + 1;
            let before = self.range(0, extent / 2);
            let after = self.range(0, extent / 2).max(extent.saturating_sub(before + len));
            (window.kernel[i], window.strides[i], window.dilations[i]) = (kernel, stride, dilation);
            (window.pads[i], window.pads[i + 2]) = (before, after);
        }
        self.conv_with(graph, window, groups, outputs);
    }

    fn begin(&mut self) -> QuantGraph {
        let shape = [self.range(1, 9), self.range(1, 13), self.range(1, 13)];
        self.begin_with(shape)
    }

    fn begin_with(&mut self, shape: [usize; 3]) -> QuantGraph {
        let input = self.tensor("input".into(), shape);
        let metadata = Default::default();
        QuantGraph { name: "generated".into(), tensors: vec![input], nodes: Vec::new(), input: 0, output: 0, metadata }
    }

    fn tensor(&mut self, name: String, shape: [usize; 3]) -> QuantTensor {
        QuantTensor { name, shape, scale: 0.001 + 0.2 * self.unit(), zero_point: self.int8() }
    }

    /// Adds one layer after the last.
    fn push(&mut self, graph: &mut QuantGraph, layer: Layer) {
        let x = graph.tensors[graph.output].clone();
        let [channels, height, width] = x.shape;
        match layer {
            Layer::Conv => self.conv(graph, 1),
            Layer::GroupedConv => {
                let groups = (1..=channels).filter(|g| channels % g == 0).nth(1).unwrap_or(1);
                self.conv(graph, groups)
            }
            Layer::Depthwise => self.conv(graph, channels),
            Layer::Dense => {
                let outputs = self.range(1, 12);
                let flat = QuantTensor {
                    name: format!("flat{}", graph.nodes.len()),
                    shape: [channels * height * width, 1, 1],
                    ..x
                };
                self.node(graph, QuantOp::Reshape, vec![graph.output], flat);
                let weights = self.weights([outputs, channels * height * width, 1, 1]);
                let clamp = self.clamp();
                self.scaled(graph, QuantOp::Dense { weights, clamp }, [outputs, 1, 1], channels * height * width);
            }
            Layer::MaxPool => {
                let window = self.window(height, width, true);
                self.max_pool(graph, window);
            }
            Layer::AveragePool => {
                let window = self.window(height, width, true);
                let count_include_pad = self.range(0, 1) == 1;
                let shape = out_shape(channels, &window, height, width);
                self.rescaled(graph, QuantOp::AveragePool { window, count_include_pad }, shape);
            }
            Layer::GlobalAveragePool => {
                let window = Window { kernel: [height, width], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
                self.rescaled(graph, QuantOp::AveragePool { window, count_include_pad: false }, [channels, 1, 1]);
            }
            Layer::Activation => {
                let function = [
                    Activation::Sigmoid,
                    Activation::Tanh,
                    Activation::HardSwish,
                    Activation::LeakyRelu { alpha: 0.1 },
                    Activation::Elu { alpha: 1.0 },
                    Activation::Silu,
                ][self.range(0, 5)]
                .clone();
                self.rescaled(graph, QuantOp::Activation { function }, x.shape);
            }
            Layer::Concat => {
                let beside = self.made(graph, |shape| shape[1..] == x.shape[1..]);
                let others = (0..self.range(1, 2)).map(|_| beside[self.range(0, beside.len() - 1)]);
                let inputs: Vec<TensorId> = others.chain([graph.output]).collect();
                let channels = inputs.iter().map(|&id| graph.tensors[id].shape[0]).sum();
                let mut y = self.tensor(format!("t{}", graph.nodes.len()), [channels, height, width]);
                // Often what one of them has, whose values are then copied.
                let source = &graph.tensors[inputs[self.range(0, 1)]];
                if self.range(0, 1) == 0 {
                    (y.scale, y.zero_point) = (source.scale, source.zero_point);
                } else {
                    y.scale = source.scale * (0.5 + 1.5 * self.unit());
                }
                self.node(graph, QuantOp::Concat, inputs, y);
            }
            Layer::Add => {
                let same = self.made(graph, |shape| shape == x.shape);
                let other = same[self.range(0, same.len() - 1)];
                let clamp = self.clamp();
                let y = self.tensor(format!("t{}", graph.nodes.len()), x.shape);
                self.node(graph, QuantOp::Add { clamp }, vec![graph.output, other], y);
            }
            Layer::Mul => {
                // The mean of all of it, by row, by column, or by neither.
                let kernel = [[height, width], [1, width], [height, 1], [1, 1]][self.range(0, 3)];
                let trunk = graph.output;
                if self.range(0, 1) == 0 && kernel != [1, 1] {
                    let window = Window { kernel, strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
                    let shape = out_shape(channels, &window, height, width);
                    self.rescaled(graph, QuantOp::AveragePool { window, count_include_pad: false }, shape);
                    if self.range(0, 1) == 0 {
                        let outputs = if self.range(0, 2) == 0 { 1 } else { channels };
                        let point = Window { kernel: [1, 1], ..window };
                        self.conv_with(graph, point, 1, outputs);
                    }
                }
                let spreads = |shape: [usize; 3]| shape.iter().zip(x.shape).all(|(&from, to)| from == to || from == 1);
                let others = self.made(graph, spreads);
                let other = others[others.len() - 1 - self.range(0, others.len() - 1) / 2];
                let inputs = if self.range(0, 1) == 0 { vec![trunk, other] } else { vec![other, trunk] };
                let mut y = self.tensor(format!("t{}", graph.nodes.len()), x.shape);
                y.scale = x.scale * graph.tensors[other].scale * 40.0 * (0.2 + self.unit());
                let clamp = self.clamp();
                self.node(graph, QuantOp::Mul { clamp }, inputs, y);
            }
            Layer::Resize => {
                let most = |len: usize| (32 / len).clamp(1, 3);
                let factors = [self.range(1, most(height)), self.range(1, most(width))];
                let shape = [channels, height * factors[0], width * factors[1]];
                let y = QuantTensor { name: format!("t{}", graph.nodes.len()), shape, ..x };
                self.node(graph, QuantOp::Resize { factors }, vec![graph.output], y);
            }
            Layer::Requantize => {
                let clamp = self.clamp();
                self.rescaled(graph, QuantOp::Requantize { clamp }, x.shape);
            }
        }
    }

    /// The tensors of some shapes. A flattened map is no longer a map, but the engine keeps it as one: only what nodes made directly.
    fn made(&self, graph: &QuantGraph, fits: impl Fn([usize; 3]) -> bool) -> Vec<TensorId> {
        let is_made = |tensor: &QuantTensor| fits(tensor.shape) && !tensor.name.starts_with("flat");
        (0..graph.tensors.len()).filter(|&id| is_made(&graph.tensors[id])).collect()
    }

    fn max_pool(&mut self, graph: &mut QuantGraph, window: Window) {
        let x = graph.tensors[graph.output].clone();
        let [channels, height, width] = x.shape;
        let shape = out_shape(channels, &window, height, width);
        let y = QuantTensor { name: format!("t{}", graph.nodes.len()), shape, ..x };
        self.node(graph, QuantOp::MaxPool { window }, vec![graph.output], y);
    }

    fn conv(&mut self, graph: &mut QuantGraph, groups: usize) {
        let [channels, height, width] = graph.tensors[graph.output].shape;
        let window = self.window(height, width, false);
        // A group of one channel may give one output, which is depthwise, or more.
        let outputs = if groups == channels && self.range(0, 3) > 0 {
            channels
        } else {
            groups * self.range(1, 10 / groups.min(10)).max(1)
        };
        self.conv_with(graph, window, groups, outputs);
    }

    fn conv_with(&mut self, graph: &mut QuantGraph, window: Window, groups: usize, outputs: usize) {
        let [channels, height, width] = graph.tensors[graph.output].shape;
        let shape = [outputs, channels / groups, window.kernel[0], window.kernel[1]];
        let (weights, clamp) = (self.weights(shape), self.clamp());
        let taps = shape[1..].iter().product();
        self.scaled(
            graph,
            QuantOp::Conv2d { window, groups, weights, clamp },
            out_shape(outputs, &window, height, width),
            taps,
        );
    }

    /// A window that fits the padded map. That of a pool always has a tap on the map; that of a convolution need not.
    fn window(&mut self, height: usize, width: usize, pool: bool) -> Window {
        let axis = |generator: &mut Self, len: usize| loop {
            let (kernel, dilation) = (generator.range(1, 5), generator.range(1, 2));
            let extent = (kernel - 1) * dilation + 1;
            let [before, after] = [0, 1].map(|_| generator.range(0, if pool { (extent - 1).min(3) } else { 4 }));
            let stride = generator.range(1, 3);
            let fits = before + len + after >= extent;
            let touches = |i: usize| (0..kernel).any(|k| (before..before + len).contains(&(i * stride + k * dilation)));
            if fits && (!pool || (0..=(before + len + after - extent) / stride).all(touches)) {
                return (kernel, stride, dilation, before, after);
            }
        };
        let (kh, sh, dh, top, bottom) = axis(self, height);
        let (kw, sw, dw, left, right) = axis(self, width);
        Window { kernel: [kh, kw], strides: [sh, sw], dilations: [dh, dw], pads: [top, left, bottom, right] }
    }

    fn weights(&mut self, shape: [usize; 4]) -> Weights {
        let values = self.values(shape.iter().product()).iter().map(|&w| w.max(-127)).collect();
        let scales = (0..shape[0]).map(|_| 0.0005 + 0.02 * self.unit()).collect();
        let biases = (0..shape[0]).map(|_| self.random.next_u32() as i32 >> 16).collect();
        Weights { shape, values, scales, biases }
    }

    fn clamp(&mut self) -> Clamp {
        let (a, b) = (self.int8(), self.int8());
        if self.range(0, 1) == 0 { Clamp::NONE } else { Clamp { min: a.min(b), max: a.max(b) } }
    }

    /// A node whose output's scale suits sums of `terms` products.
    fn scaled(&mut self, graph: &mut QuantGraph, op: QuantOp, shape: [usize; 3], terms: usize) {
        let mut y = self.tensor(format!("t{}", graph.nodes.len()), shape);
        y.scale = graph.tensors[graph.output].scale * 0.5 * (terms as f32).sqrt() * (0.2 + self.unit());
        self.node(graph, op, vec![graph.output], y);
    }

    /// A node whose output's scale is between half and twice its input's.
    fn rescaled(&mut self, graph: &mut QuantGraph, op: QuantOp, shape: [usize; 3]) {
        let mut y = self.tensor(format!("t{}", graph.nodes.len()), shape);
        y.scale = graph.tensors[graph.output].scale * (0.5 + 1.5 * self.unit());
        self.node(graph, op, vec![graph.output], y);
    }

    fn node(&mut self, graph: &mut QuantGraph, op: QuantOp, inputs: Vec<TensorId>, y: QuantTensor) {
        let name = format!("node{}", graph.nodes.len());
        graph.output = graph.tensors.len();
        graph.tensors.push(y);
        graph.nodes.push(QuantNode { name, op, inputs, output: graph.output });
    }
}

fn out_shape(channels: usize, window: &Window, height: usize, width: usize) -> [usize; 3] {
    let axis = |i: usize, len: usize| {
        let extent = (window.kernel[i] - 1) * window.dilations[i] + 1;
        (window.pads[i] + len + window.pads[i + 2] - extent) / window.strides[i] + 1
    };
    [channels, axis(0, height), axis(1, width)]
}

//! Networks out of a seed: shapes that divide by nothing, windows that hang over every edge, scales of all sizes.

use export::graph::Window;
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, TensorId, Weights};
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
}

/// Every layer, for tests that must miss none.
pub const LAYERS: [Layer; 9] = [
    Layer::Conv,
    Layer::GroupedConv,
    Layer::Depthwise,
    Layer::Dense,
    Layer::MaxPool,
    Layer::AveragePool,
    Layer::GlobalAveragePool,
    Layer::Add,
    Layer::Requantize,
];

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

    fn begin(&mut self) -> QuantGraph {
        let shape = [self.range(1, 9), self.range(1, 13), self.range(1, 13)];
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
                let y = QuantTensor {
                    name: format!("t{}", graph.nodes.len()),
                    shape: out_shape(channels, &window, height, width),
                    ..x
                };
                self.node(graph, QuantOp::MaxPool { window }, vec![graph.output], y);
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
            Layer::Add => {
                let same: Vec<TensorId> =
                    (0..graph.tensors.len()).filter(|&id| graph.tensors[id].shape == x.shape).collect();
                // A flattened map is no longer a map; the engine keeps it as one. Stay with what nodes made directly.
                let same: Vec<TensorId> =
                    same.into_iter().filter(|&id| !graph.tensors[id].name.starts_with("flat")).collect();
                let other = same[self.range(0, same.len() - 1)];
                let clamp = self.clamp();
                let y = self.tensor(format!("t{}", graph.nodes.len()), x.shape);
                self.node(graph, QuantOp::Add { clamp }, vec![graph.output, other], y);
            }
            Layer::Requantize => {
                let clamp = self.clamp();
                self.rescaled(graph, QuantOp::Requantize { clamp }, x.shape);
            }
        }
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

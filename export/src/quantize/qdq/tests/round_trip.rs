//! Reading gives back what was written, over generated graphs of every operator.

use super::super::super::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights, shape};
use super::super::{from_graph, to_graph};
use crate::graph::{Activation, Window, shape::window_output};

/// A small generator (Knuth's MMIX constants): the same graphs on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }

    fn byte(&mut self) -> i8 {
        self.below(256) as u8 as i8
    }

    fn scale(&mut self) -> f32 {
        (self.below(9999) + 1) as f32 * 1.7e-5
    }

    fn clamp(&mut self, zero_point: i8) -> Clamp {
        let min = [i8::MIN, zero_point, self.byte()][self.below(3)];
        let max = [i8::MAX, self.byte().max(min)][self.below(2)];
        Clamp { min, max }
    }

    fn window(&mut self) -> Window {
        let mut pair = |end| [self.below(end) + 1, self.below(end) + 1];
        let (kernel, strides, dilations) = (pair(3), pair(2), pair(2));
        Window { kernel, strides, dilations, pads: [self.below(3), self.below(3), self.below(3), self.below(3)] }
    }

    fn weights(&mut self, shape: [usize; 4]) -> Weights {
        let len: usize = shape.iter().product();
        Weights {
            shape,
            values: (0..len).map(|_| self.byte().max(-127)).collect(),
            scales: (0..shape[0]).map(|_| self.scale()).collect(),
            biases: (0..shape[0]).map(|_| self.below(1 << 31) as i32 - (1 << 30)).collect(),
        }
    }

    fn function(&mut self) -> Activation {
        let parameter = self.scale();
        [
            Activation::Sigmoid,
            Activation::Silu,
            Activation::LeakyRelu { alpha: parameter },
            Activation::HardSigmoid { alpha: parameter, beta: 0.5 },
        ][self.below(4)]
        .clone()
    }

    fn op(&mut self, kind: usize, [channels, height, width]: [usize; 3], zero_point: i8) -> QuantOp {
        let (clamp, window) = (self.clamp(zero_point), self.window());
        let out = self.below(3) + 1;
        let [kh, kw] = window.kernel;
        match kind {
            0 => QuantOp::Conv2d { window, groups: 1, weights: self.weights([out, channels, kh, kw]), clamp },
            1 => {
                let weights = self.weights([out * channels, 1, kh, kw]);
                QuantOp::Conv2d { window, groups: channels, weights, clamp }
            }
            2 => QuantOp::Dense { weights: self.weights([out, channels * height * width, 1, 1]), clamp },
            3 => QuantOp::MaxPool { window },
            4 => QuantOp::AveragePool { window, count_include_pad: self.below(2) == 0 },
            5 => QuantOp::AveragePool { window: shape::whole([channels, height, width]), count_include_pad: false },
            6 => QuantOp::Add { clamp },
            7 => QuantOp::Reshape,
            8 => QuantOp::Activation { function: self.function() },
            9 => QuantOp::Concat,
            10 => QuantOp::Mul { clamp },
            11 => QuantOp::Resize { factors: [self.below(2) + 1, 2] },
            _ => QuantOp::Requantize { clamp },
        }
    }
}

const KINDS: usize = 13;

/// A chain of operators of every kind, in the order that [`QuantGraph`] asks for.
fn generate(dice: &mut Dice) -> QuantGraph {
    let input = QuantTensor { name: "image".into(), shape: [2, 6, 5], scale: dice.scale(), zero_point: dice.byte() };
    let metadata = [("license".to_string(), "MIT".to_string())].into();
    let mut graph =
        QuantGraph { name: "generated".into(), tensors: vec![input], nodes: vec![], input: 0, output: 0, metadata };
    for _ in 0..dice.below(8) + 1 {
        let kind = dice.below(KINDS);
        append(&mut graph, dice, kind);
    }
    // A reshape of the output is left off on reading.
    if graph.nodes.last().is_none_or(|node| node.op == QuantOp::Reshape) {
        append(&mut graph, dice, KINDS - 1);
    }
    graph
}

/// Appends an operator where it fits. (A Dense after a Reshape would be folded; a window needs an image, and so does
/// an Add, whose two sides might otherwise differ in rank.)
fn append(graph: &mut QuantGraph, dice: &mut Dice, kind: usize) {
    let input = graph.output;
    let last = graph.tensors[input].clone();
    let keeps = matches!(kind, 3 | 7 | 11);
    let (scale, zero_point) = if keeps { (last.scale, last.zero_point) } else { (dice.scale(), dice.byte()) };
    if matches!(kind, 0 | 1 | 3..=6 | 9..=11) && last.shape[1..] == [1, 1] {
        return;
    }
    let op = dice.op(kind, last.shape, zero_point);
    let inputs = if matches!(kind, 6 | 9 | 10) { vec![input, dice.below(graph.tensors.len())] } else { vec![input] };
    let fits = inputs.iter().all(|&id| graph.tensors[id].shape == last.shape);
    let Some(shape) = shape_after(&op, last.shape, dice).filter(|_| fits) else { return };
    if kind == 2 && graph.nodes.last().is_some_and(|n| n.op == QuantOp::Reshape) {
        return;
    }
    // A value times its own Sigmoid is read as one function.
    let gates = |node: &QuantNode| matches!(node.op, QuantOp::Activation { .. }) && inputs.contains(&node.inputs[0]);
    if kind == 10 && graph.nodes.last().is_some_and(gates) {
        return;
    }
    // One that changes nothing is left off on reading.
    if op == QuantOp::Reshape && shape == last.shape {
        return;
    }
    let output = graph.tensors.len();
    graph.tensors.push(QuantTensor { name: format!("value.{output}"), shape, scale, zero_point });
    graph.nodes.push(QuantNode { name: format!("node.{output}"), op, inputs, output });
    graph.output = output;
}

fn shape_after(op: &QuantOp, [channels, height, width]: [usize; 3], dice: &mut Dice) -> Option<[usize; 3]> {
    let slide = |window, channels| window_output(window, [height, width]).map(|[h, w]| [channels, h, w]);
    match op {
        QuantOp::Conv2d { window, weights, .. } => slide(window, weights.shape[0]),
        QuantOp::MaxPool { window } | QuantOp::AveragePool { window, .. } => slide(window, channels),
        QuantOp::Dense { weights, .. } => Some([weights.shape[0], 1, 1]),
        QuantOp::Reshape => Some([[channels * height * width, 1, 1], [height, channels, width]][dice.below(2)]),
        QuantOp::Concat => Some([2 * channels, height, width]),
        QuantOp::Resize { factors: [down, across] } => {
            (height * width <= 60).then_some([channels, height * down, width * across])
        }
        QuantOp::Add { .. } | QuantOp::Mul { .. } | QuantOp::Activation { .. } | QuantOp::Requantize { .. } => {
            Some([channels, height, width])
        }
    }
}

#[test]
fn reading_gives_back_what_was_written() {
    let mut dice = Dice(1);
    let mut seen = [0; 11];
    for _ in 0..2000 {
        let graph = generate(&mut dice);
        for node in &graph.nodes {
            seen[kind_index(&node.op)] += 1;
        }
        assert_eq!(from_graph(&to_graph(&graph)).unwrap(), graph);
    }
    assert!(seen.iter().all(|&n| n > 150), "operators seen: {seen:?}");
}

fn kind_index(op: &QuantOp) -> usize {
    match op {
        QuantOp::Conv2d { .. } => 0,
        QuantOp::Dense { .. } => 1,
        QuantOp::MaxPool { .. } => 2,
        QuantOp::AveragePool { .. } => 3,
        QuantOp::Add { .. } => 4,
        QuantOp::Reshape => 5,
        QuantOp::Requantize { .. } => 6,
        QuantOp::Activation { .. } => 7,
        QuantOp::Concat => 8,
        QuantOp::Mul { .. } => 9,
        QuantOp::Resize { .. } => 10,
    }
}

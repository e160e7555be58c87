//! A scale and a shift a channel (BatchNormalization; sums, differences, products and quotients with constants) go into the layer before or behind.
//!
//! With s = gamma / sqrt(variance + epsilon), for each output channel:
//!
//! ```text
//! s · (w·x + b − mean) + beta  =  (s·w)·x + (s·(b − mean) + beta)
//! ```
//!
//! and likewise w·(s·x + t) + b = (w·s)·x + (b + Σ w·t), where no padding stands between. Computed in f64 and rounded to f32 once, so each weight is within half
//! a unit in the last place of the exact one. What finds no layer becomes a depthwise convolution of one pixel.

use super::reshape::reshaped;
use super::rewriter::Rewriter;
use super::window::plain;
use crate::graph::{Node, Op, Tensor};

/// y = scale · x + shift, a channel.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl Affine {
    /// What a node does to each channel of its one operand, and which input that is.
    fn of(rw: &Rewriter, node: &Node) -> Option<(Self, usize)> {
        if let Op::BatchNorm { epsilon } = node.op {
            return Some((Self::normalization(rw, node, epsilon)?, 0));
        }
        if node.op.other("Neg").is_some() {
            let channels = *rw.sample(node, 0)?.first()?;
            return Some((Self { scale: vec![-1.0; channels], shift: vec![0.0; channels] }, 0));
        }
        let [a, b] = node.inputs.as_slice() else { return None };
        let operand = match (rw.tensor(a), rw.tensor(b)) {
            (None, Some(_)) => 0,
            (Some(_), None) => 1,
            _ => return None,
        };
        let sample = rw.sample(node, operand)?;
        let constant = per_channel(rw.constant(node, 1 - operand)?, &sample)?;
        let all = |value: f64| vec![value; constant.len()];
        let (scale, shift) = match (&node.op, operand) {
            (Op::Add, _) => (all(1.0), constant),
            (Op::Mul, _) => (constant.clone(), all(0.0)),
            (op, 0) if op.other("Sub").is_some() => (all(1.0), constant.iter().map(|c| -c).collect()),
            (op, 1) if op.other("Sub").is_some() => (all(-1.0), constant),
            (op, 0) if op.other("Div").is_some() => (constant.iter().map(|c| c.recip()).collect(), all(0.0)),
            _ => return None,
        };
        Some((Self { scale, shift }, operand))
    }

    fn normalization(rw: &Rewriter, node: &Node, epsilon: f32) -> Option<Self> {
        let parameter = |position| rw.constant(node, position).and_then(Tensor::as_f32);
        let (gamma, beta, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        [beta, mean, variance].iter().all(|values| values.len() == gamma.len()).then_some(())?;
        let scale: Vec<f64> = gamma
            .iter()
            .zip(variance)
            .map(|(&g, &v)| f64::from(g) / (f64::from(v) + f64::from(epsilon)).sqrt())
            .collect();
        let shift =
            scale.iter().zip(beta.iter().zip(mean)).map(|(s, (&b, &m))| f64::from(b) - s * f64::from(m)).collect();
        Some(Self { scale, shift })
    }

    /// This, and then `next`.
    fn then(&self, next: &Self) -> Self {
        let pairs = || next.scale.iter().zip(&next.shift);
        let scale = self.scale.iter().zip(&next.scale).map(|(first, second)| first * second).collect();
        let shift = self.shift.iter().zip(pairs()).map(|(first, (scale, shift))| scale * first + shift).collect();
        Self { scale, shift }
    }
}

/// One value a channel of samples of these dimensions; none where the constant has others.
pub(super) fn per_channel(constant: &Tensor, sample: &[usize]) -> Option<Vec<f64>> {
    let (channels, rank) = (*sample.first()?, sample.len() + 1);
    let missing = rank.checked_sub(constant.dims.len())?;
    let dim = |axis: usize| axis.checked_sub(missing).map_or(1, |i| constant.dims[i]);
    let others = (0..rank).filter(|&axis| axis != 1).all(|axis| dim(axis) == 1);
    let values = constant.as_f32()?;
    match (others, dim(1)) {
        (true, extent) if extent == channels => Some(values.iter().map(|&v| v.into()).collect()),
        (true, 1) => Some(vec![values[0].into(); super::arrays::len(&[channels])?]),
        _ => None,
    }
}

/// Weights of a convolution or a linear layer, and its bias.
struct Layer<'a> {
    weights: &'a Tensor,
    values: &'a [f32],
    bias: Vec<f32>,
    /// Output channels, inputs of one output (the channels of its group), and taps of one channel.
    extents: [usize; 3],
    groups: usize,
    transposed: bool,
}

impl<'a> Layer<'a> {
    fn of(rw: &'a Rewriter, node: &Node) -> Option<Self> {
        let weights = rw.constant(node, 1)?;
        let (extents, groups, transposed) = match (&node.op, weights.dims.as_slice()) {
            (Op::Conv { groups, .. }, &[outputs, inputs, height, width]) => {
                ([outputs, inputs, height * width], *groups, true)
            }
            (Op::Gemm { transposed: true }, &[outputs, inputs]) => ([outputs, inputs, 1], 1, true),
            (Op::Gemm { transposed: false }, &[inputs, outputs]) => ([outputs, inputs, 1], 1, false),
            _ => return None,
        };
        let outputs = extents[0];
        let bias = match node.input(2) {
            Some(_) => rw.constant(node, 2)?.as_f32()?.to_vec(),
            None => vec![0.0; outputs],
        };
        let sound = bias.len() == outputs && groups > 0 && outputs > 0 && outputs.is_multiple_of(groups);
        sound.then_some(Self { weights, values: weights.as_f32()?, bias, extents, groups, transposed })
    }

    /// Output channel and input channel of weight `i`.
    fn channels(&self, i: usize) -> (usize, usize) {
        let [outputs, inputs, taps] = self.extents;
        let (output, input) =
            if self.transposed { (i / (inputs * taps), i / taps % inputs) } else { (i % outputs, i / outputs) };
        (output, output / (outputs / self.groups) * inputs + input)
    }

    fn scaled(&self, factor: impl Fn(usize, usize) -> f64) -> Tensor {
        let one = |(i, &w): (usize, &f32)| {
            let (output, input) = self.channels(i);
            (f64::from(w) * factor(output, input)) as f32
        };
        Tensor::f32(&self.weights.dims, self.values.iter().enumerate().map(one).collect())
    }

    /// Weights and bias with `affine` behind the layer.
    fn before(&self, affine: &Affine) -> Option<(Tensor, Tensor)> {
        (affine.scale.len() == self.extents[0]).then_some(())?;
        let terms = affine.scale.iter().zip(&affine.shift);
        let bias = self.bias.iter().zip(terms).map(|(&b, (s, t))| (s * f64::from(b) + t) as f32).collect();
        Some((self.scaled(|output, _| affine.scale[output]), Tensor::f32(&[self.extents[0]], bias)))
    }

    /// Weights and bias with `affine` in front of the layer.
    fn behind(&self, affine: &Affine) -> Option<(Tensor, Tensor)> {
        (affine.scale.len() == self.extents[1] * self.groups).then_some(())?;
        let mut bias: Vec<f64> = self.bias.iter().map(|&b| b.into()).collect();
        for (i, &w) in self.values.iter().enumerate() {
            let (output, input) = self.channels(i);
            bias[output] += f64::from(w) * affine.shift[input];
        }
        let bias = bias.into_iter().map(|b| b as f32).collect();
        Some((self.scaled(|_, input| affine.scale[input]), Tensor::f32(&[self.extents[0]], bias)))
    }
}

/// A scale and shift goes into the layer whose only reader it is.
pub(super) fn fold(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (affine, operand) = Affine::of(rw, node)?;
    let before = rw.sole_maker(node, operand)?.clone();
    let (weights, bias) = Layer::of(rw, &before)?.before(&affine)?;
    Some(vec![with_weights(rw, &before, &before.inputs[0], node, weights, bias)])
}

/// One that finds no layer is a BatchNormalization, and two of these are one.
pub(super) fn collect(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let (affine, operand) = Affine::of(rw, node)?;
    let before = rw.sole_maker(node, operand).filter(|maker| matches!(maker.op, Op::BatchNorm { .. })).cloned();
    if let Some((before, (first, _))) = before.and_then(|before| Some((before.clone(), Affine::of(rw, &before)?))) {
        let same = first.scale.len() == affine.scale.len();
        return same.then(|| vec![normalization(rw, node, &before.inputs[0], &first.then(&affine))]);
    }
    let x = node.input(operand)?.to_string();
    (!matches!(node.op, Op::BatchNorm { .. })).then(|| vec![normalization(rw, node, &x, &affine)])
}

/// A layer takes over a scale and shift before it.
pub(super) fn absorb(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let before = rw.sole_maker(node, 0).filter(|maker| matches!(maker.op, Op::BatchNorm { .. }))?.clone();
    let (affine, _) = Affine::of(rw, &before)?;
    // The padding of the convolution is zero behind the shift.
    let unpadded = !matches!(node.op, Op::Conv { window, .. } if window.pads != [0; 4]);
    (unpadded || affine.shift.iter().all(|&t| t == 0.0)).then_some(())?;
    let (weights, bias) = Layer::of(rw, node)?.behind(&affine)?;
    Some(vec![with_weights(rw, node, &before.inputs[0], node, weights, bias)])
}

/// `layer` over `x` with other weights, making what `end` made.
fn with_weights(rw: &mut Rewriter, layer: &Node, x: &str, end: &Node, weights: Tensor, bias: Tensor) -> Node {
    let name = layer.inputs[1].clone();
    let weights = rw.change_constant(&name, weights);
    let bias = match layer.input(2) {
        Some(old) => rw.change_constant(old, bias),
        None => rw.add_constant(&bias_name(&name), bias),
    };
    Node { inputs: vec![x.into(), weights, bias], outputs: end.outputs.clone(), ..layer.clone() }
}

/// `conv1.weight` → `conv1.bias`.
fn bias_name(weights: &str) -> String {
    format!("{}.bias", weights.strip_suffix(".weight").unwrap_or(weights))
}

/// Scale and shift as a BatchNormalization of mean 0 and variance 1.
fn normalization(rw: &mut Rewriter, node: &Node, x: &str, affine: &Affine) -> Node {
    let floats = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let len = affine.scale.len();
    let parameters = [
        ("scale", floats(&affine.scale)),
        ("shift", floats(&affine.shift)),
        ("mean", vec![0.0; len]),
        ("variance", vec![1.0; len]),
    ]
    .map(|(role, values)| rw.add_constant(&format!("{}.{role}", node.name), Tensor::f32(&[len], values)));
    let inputs = [&[x.to_string()], parameters.as_slice()].concat();
    Node { op: Op::BatchNorm { epsilon: 0.0 }, inputs, ..node.clone() }
}

/// The difference of two values is the sum of one and minus the other.
pub(super) fn difference(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    node.op.other("Sub")?;
    let [a, b] = node.inputs.as_slice() else { return None };
    (rw.tensor(a).is_none() && rw.tensor(b).is_none()).then_some(())?;
    let channels = *rw.sample_of(b)?.first()?;
    let minus = Affine { scale: vec![-1.0; channels], shift: vec![0.0; channels] };
    let part = rw.part(node, "minus", Op::Mul, &[]);
    let minus = normalization(rw, &part, b, &minus);
    let sum = Node { op: Op::Add, inputs: vec![a.clone(), minus.outputs[0].clone()], ..node.clone() };
    Some(vec![minus, sum])
}

/// A scale and shift that found no layer: a depthwise convolution of one pixel.
pub(super) fn into_depthwise(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    matches!(node.op, Op::BatchNorm { .. }).then_some(())?;
    let (affine, _) = Affine::of(rw, node)?;
    let sample = rw.sample(node, 0)?;
    let channels = *sample.first().filter(|&&channels| channels == affine.scale.len())?;
    let floats = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let weights = Tensor::f32(&[channels, 1, 1, 1], floats(&affine.scale));
    let weights = rw.add_constant(&format!("{}.weight", node.name), weights);
    let bias = rw.add_constant(&format!("{}.bias", node.name), Tensor::f32(&[channels], floats(&affine.shift)));
    let op = Op::Conv { window: plain([1, 1]), groups: channels };
    let x = node.input(0)?.to_string();
    match sample.len() {
        3 => Some(vec![Node { op, inputs: vec![x, weights, bias], ..node.clone() }]),
        1 => {
            let pixel = rw.fresh(&format!("{}.pixel", node.name));
            let pixel = reshaped(rw, &pixel, &x, &pixel, &[channels, 1, 1]);
            let conv = rw.part(node, "scaled", op, &[&pixel.outputs[0], &weights, &bias]);
            let flat = Node { op: Op::Flatten { axis: 1 }, inputs: conv.outputs.clone(), ..node.clone() };
            Some(vec![pixel, conv, flat])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node, other};
    use super::*;
    use crate::graph::{Graph, Window};

    fn folded(graph: &Graph) -> Graph {
        rewrite(graph, &[fold, collect, absorb, difference])
    }

    fn conv(inputs: &[&str]) -> Node {
        let window = Window { kernel: [1, 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        node("conv", Op::Conv { window, groups: 1 }, inputs)
    }

    fn norm() -> Node {
        node("norm", Op::BatchNorm { epsilon: 0.75 }, &["conv.out", "gamma", "beta", "mean", "variance"])
    }

    fn vector(values: [f32; 2]) -> Tensor {
        Tensor::f32(&[2], values.to_vec())
    }

    fn constants() -> Vec<(&'static str, Tensor)> {
        vec![
            ("conv.weight", Tensor::f32(&[2, 1, 1, 2], vec![1.0, -2.0, 3.0, 4.0])),
            ("conv.bias", vector([10.0, 20.0])),
            ("gamma", vector([3.0, -1.0])),
            ("beta", vector([0.5, 1.0])),
            ("mean", vector([4.0, 16.0])),
            ("variance", vector([0.25, 3.25])),
        ]
    }

    #[test]
    fn weights_and_bias_by_hand() {
        // s = 3/√1 = 3 and −1/√4 = −0.5; bias 3·(10−4)+0.5 and −0.5·(20−16)+1.
        let folded = folded(&graph(&[1, 1, 2], vec![conv(&["x", "conv.weight", "conv.bias"]), norm()], &constants()));
        assert_eq!(listing(&folded), [("conv", "Conv")]);
        assert_eq!(folded.nodes[0].outputs, ["norm.out"]);
        assert_eq!(folded.initializers["conv.weight"].as_f32().unwrap(), [3.0, -6.0, -1.5, -2.0]);
        assert_eq!(folded.initializers["conv.bias"].as_f32().unwrap(), [18.5, -1.0]);
        assert_eq!(folded.initializers.len(), 2);
    }

    #[test]
    fn a_convolution_without_bias_gets_one() {
        let constants: Vec<_> = constants().into_iter().filter(|(name, _)| *name != "conv.bias").collect();
        let folded = folded(&graph(&[1, 1, 2], vec![conv(&["x", "conv.weight"]), norm()], &constants));
        assert_eq!(folded.nodes[0].inputs, ["x", "conv.weight", "conv.bias"]);
        assert_eq!(folded.initializers["conv.bias"].as_f32().unwrap(), [-11.5, 9.0]);
    }

    #[test]
    fn weights_that_another_layer_shares_are_copied() {
        let mut other = conv(&["x", "conv.weight", "conv.bias"]);
        (other.name, other.outputs) = ("other".into(), vec!["other.out".into()]);
        let sum = node("sum", Op::Add, &["norm.out", "other.out"]);
        let nodes = vec![conv(&["x", "conv.weight", "conv.bias"]), norm(), other, sum];
        let folded = folded(&graph(&[1, 1, 2], nodes, &constants()));
        assert_eq!(folded.initializers["conv.weight"].as_f32().unwrap(), [1.0, -2.0, 3.0, 4.0]);
        assert_eq!(folded.initializers["conv.weight.folded"].as_f32().unwrap(), [3.0, -6.0, -1.5, -2.0]);
        assert_eq!(folded.nodes[0].inputs, ["x", "conv.weight.folded", "conv.bias.folded"]);
    }

    #[test]
    fn a_value_that_somebody_else_reads_is_left() {
        let sum = node("sum", Op::Add, &["norm.out", "conv.out"]);
        let graph = graph(&[1, 1, 2], vec![conv(&["x", "conv.weight"]), norm(), sum], &constants());
        assert_eq!(folded(&graph).nodes, graph.nodes);
    }

    /// ((conv − 1) · [2, 4]) / 2 + [[1], [3]], in a linear layer and in a convolution.
    #[test]
    fn arithmetic_with_constants_goes_into_the_layer_before() {
        let scalar = |v: f32| Tensor::f32(&[], vec![v]);
        let chain = |first: &str, shape: &[usize]| {
            let constants = vec![
                ("one", scalar(1.0)),
                ("two", scalar(2.0)),
                ("factor", Tensor::f32(shape, vec![2.0, 4.0])),
                ("term", Tensor::f32(shape, vec![1.0, 3.0])),
                ("conv.weight", Tensor::f32(&[2, 1, 1, 2], vec![1.0, -2.0, 3.0, 4.0])),
                ("fc", Tensor::f32(&[2, 2], vec![1.0, 3.0, -2.0, 4.0])),
            ];
            let nodes = vec![
                node("sub", other("Sub"), &[first, "one"]),
                node("mul", Op::Mul, &["factor", "sub.out"]),
                node("div", other("Div"), &["mul.out", "two"]),
                node("add", Op::Add, &["div.out", "term"]),
            ];
            (nodes, constants)
        };
        let (nodes, constants) = chain("conv.out", &[2, 1, 1]);
        let folded_conv = folded(&graph(&[1, 1, 2], [vec![conv(&["x", "conv.weight"])], nodes].concat(), &constants));
        assert_eq!(listing(&folded_conv), [("conv", "Conv")]);
        assert_eq!(folded_conv.initializers["conv.weight"].as_f32().unwrap(), [1.0, -2.0, 6.0, 8.0]);
        assert_eq!(folded_conv.initializers["conv.bias"].as_f32().unwrap(), [0.0, 1.0]);
        let (nodes, constants) = chain("fc.out", &[2]);
        let gemm = node("fc", Op::Gemm { transposed: false }, &["x", "fc"]);
        let folded_gemm = folded(&graph(&[2], [vec![gemm], nodes].concat(), &constants));
        assert_eq!(folded_gemm.initializers["fc"].as_f32().unwrap(), [1.0, 6.0, -2.0, 8.0]);
        assert_eq!(folded_gemm.initializers["fc.bias"].as_f32().unwrap(), [0.0, 1.0]);
    }

    /// (x − mean) / deviation before a convolution without padding: w/d, and b − Σ w·m/d.
    #[test]
    fn the_layer_behind_takes_over_what_no_layer_before_can() {
        let constants = vec![
            ("m", Tensor::f32(&[1, 1, 1], vec![4.0])),
            ("d", Tensor::f32(&[], vec![2.0])),
            ("conv.weight", Tensor::f32(&[2, 1, 1, 2], vec![1.0, -2.0, 3.0, 4.0])),
        ];
        let input = || vec![node("sub", other("Sub"), &["x", "m"]), node("div", other("Div"), &["sub.out", "d"])];
        let behind = [input(), vec![conv(&["div.out", "conv.weight"])]].concat();
        let folded = folded(&graph(&[1, 1, 2], behind, &constants));
        assert_eq!(listing(&folded), [("conv", "Conv")]);
        assert_eq!(folded.nodes[0].inputs[0], "x");
        assert_eq!(folded.initializers["conv.weight"].as_f32().unwrap(), [0.5, -1.0, 1.5, 2.0]);
        assert_eq!(folded.initializers["conv.bias"].as_f32().unwrap(), [2.0, -14.0]);
    }

    #[test]
    fn padding_keeps_a_shift_before_it() {
        let window = Window { kernel: [1, 2], strides: [1; 2], dilations: [1; 2], pads: [0, 1, 0, 0] };
        let padded = Node { op: Op::Conv { window, groups: 1 }, ..conv(&["a.out", "conv.weight"]) };
        let with = |op| {
            let one = Tensor::f32(&[], vec![3.0]);
            let nodes = vec![node("a", op, &["x", "one"]), padded.clone()];
            let constants = [constants(), vec![("one", one)]].concat();
            rewrite(&folded(&graph(&[1, 1, 2], nodes, &constants)), &[into_depthwise])
        };
        assert_eq!(listing(&with(Op::Mul)), [("conv", "Conv")]);
        let shifted = with(Op::Add);
        assert_eq!(listing(&shifted), [("a", "Conv"), ("conv", "Conv")]);
        assert_eq!(shifted.nodes[0].op, Op::Conv { window: plain([1, 1]), groups: 1 });
        assert_eq!(shifted.initializers["a.bias"].as_f32().unwrap(), [3.0]);
    }

    #[test]
    fn groups_keep_to_their_channels() {
        let window = plain([1, 1]);
        let nodes = vec![
            node("scale", Op::Mul, &["x", "s"]),
            node("conv", Op::Conv { window, groups: 2 }, &["scale.out", "w"]),
        ];
        let w = Tensor::f32(&[4, 1, 1, 1], vec![1.0, 2.0, 3.0, 4.0]);
        let s = Tensor::f32(&[2, 1, 1], vec![10.0, 100.0]);
        let folded = folded(&graph(&[2, 1, 1], nodes, &[("w", w), ("s", s)]));
        assert_eq!(folded.initializers["w"].as_f32().unwrap(), [10.0, 20.0, 300.0, 400.0]);
    }

    #[test]
    fn a_vector_that_no_layer_takes_is_a_pixel() {
        let nodes = vec![node("relu", Op::Relu, &["x"]), node("scale", Op::Mul, &["relu.out", "s"])];
        let alone = folded(&graph(&[2], nodes, &[("s", vector([10.0, 100.0]))]));
        let pixel = rewrite(&alone, &[into_depthwise]);
        let expected = [("relu", "Relu"), ("scale.pixel", "Reshape"), ("scale.scaled", "Conv"), ("scale", "Flatten")];
        assert_eq!(listing(&pixel), expected);
    }

    #[test]
    fn a_difference_is_a_sum() {
        let nodes = vec![
            conv(&["x", "conv.weight"]),
            node("relu", Op::Relu, &["conv.out"]),
            Node { name: "b".into(), outputs: vec!["b.out".into()], ..conv(&["x", "conv.weight"]) },
            node("sub", other("Sub"), &["relu.out", "b.out"]),
        ];
        let sum = folded(&graph(&[1, 1, 2], nodes, &constants()));
        assert_eq!(listing(&sum), [("conv", "Conv"), ("relu", "Relu"), ("b", "Conv"), ("sub", "Add")]);
        assert_eq!(sum.initializers["conv.weight.folded"].as_f32().unwrap(), [-1.0, 2.0, -3.0, -4.0]);
    }
}

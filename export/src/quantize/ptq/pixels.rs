//! A network's own normalization of pixels, folded in: what the int8 network takes is bytes, stored as pixel − 128.
//!
//! A network that takes x = (pixel − mean) / deviation, channel by channel, is one that takes the pixel and has x's factor in the
//! weights of its first layer and x's offset in the biases. That is exact but for padding, which is x = 0 and would become pixel 0:
//!
//! - where the first layer has no padding, or the means are zero, both are folded;
//! - where all means are within half a level of one level z, pixels are stored about z, whose step is the zero point: padding is off by
//!   less than half a level, all else is exact;
//! - else (a mean a channel, and padding) a 1×1 convolution of each channel by itself stands before the network.

use crate::{
    graph::{Data, Graph, Node, Op, Tensor, Window, shape},
    inputs::Normalization,
    quantize::{QuantizeError, Range},
};

/// A network that takes bytes.
#[derive(Debug, Clone)]
pub struct Folded {
    /// It computes what it did, of another input.
    pub graph: Graph,
    /// What its input is made of pixels.
    pub normalization: Normalization,
    /// From what to what its input goes: 255 steps of a level each.
    pub range: Range,
}

/// x = factor · (pixel / 255) + offset.
#[derive(Debug, Clone, Copy)]
struct Affine {
    factor: f64,
    offset: f64,
}

/// Folds a normalization into a network of one input.
///
/// # Errors
/// Not as many means or deviations as the input has channels, or a network that reads vectors otherwise than by a linear layer.
pub fn fold(graph: &Graph, normalization: &Normalization) -> Result<Folded, QuantizeError> {
    let refuse = |reason: String| QuantizeError::interface(reason);
    let [input] = &graph.inputs[..] else { return Err(refuse(format!("found {} inputs", graph.inputs.len()))) };
    let dims = shape::sample_dims(input).ok_or_else(|| refuse("its input has no fixed size".into()))?;
    let channels = if dims.len() == 1 { 1 } else { dims[0] };
    normalization.check(channels).map_err(|error| refuse(error.to_string()))?;
    let affine = |channel: usize| {
        let (mean, std) = normalization.of(channel);
        Affine {
            factor: f64::from(normalization.brightest) / f64::from(std),
            offset: -f64::from(mean) / f64::from(std),
        }
    };
    let of: Vec<Affine> = (0..channels).map(affine).collect();
    let readers = graph.readers(&input.name);
    let foldable = readers.iter().all(|&reader| is_foldable(graph, &graph.nodes[reader], &input.name, dims.len()));
    let is_padded = readers.iter().any(|&reader| is_padded(&graph.nodes[reader]));
    let level = if is_padded && of.iter().any(|of| of.offset != 0.0) { common_level(&of) } else { Some(0.0) };
    match level.filter(|_| foldable) {
        Some(level) => Ok(folded(graph, &readers, &of, level)),
        None if dims.len() == 3 => Ok(with_layer(graph, &of)),
        None => Err(refuse("its normalization cannot be folded, as the first operator is no linear layer; leave --input-mean, --input-std and --input-range off".into())),
    }
}

fn is_foldable(graph: &Graph, node: &Node, input: &str, rank: usize) -> bool {
    let owned = |position: usize| node.input(position).is_none_or(|c| graph.readers(c).len() == 1);
    let is_linear = match node.op {
        Op::Conv { .. } => rank == 3,
        Op::Gemm { .. } | Op::MatMul => rank == 1,
        _ => false,
    };
    let reads_once = node.inputs.iter().filter(|i| *i == input).count() == 1 && node.input(0) == Some(input);
    is_linear && reads_once && owned(1) && owned(2) && graph.constant(node, 1).is_some_and(|w| w.as_f32().is_some())
}

fn is_padded(node: &Node) -> bool {
    matches!(node.op, Op::Conv { window, .. } if window.pads != [0; 4])
}

/// The level of 0…255 that is zero to the network in every channel, to half a level.
fn common_level(of: &[Affine]) -> Option<f64> {
    let zeros = || of.iter().map(|of| -of.offset / of.factor * 255.0);
    let level = zeros().next()?.round_ties_even();
    (zeros().all(|zero| (zero - level).abs() <= 0.5) && (0.0..=255.0).contains(&level)).then_some(level)
}

/// The input is pixel / 255 − level / 255.
fn folded(graph: &Graph, readers: &[usize], of: &[Affine], level: f64) -> Folded {
    let mut graph = graph.clone();
    let at_level: Vec<Affine> =
        of.iter().map(|of| Affine { offset: of.offset + of.factor * level / 255.0, ..*of }).collect();
    for &reader in readers {
        fold_into(&mut graph, reader, &at_level);
    }
    Folded {
        normalization: Normalization { mean: vec![(level / 255.0) as f32], ..Normalization::default() },
        range: Range { min: (-level / 255.0) as f32, max: ((255.0 - level) / 255.0) as f32 },
        graph,
    }
}

/// Multiplies a layer's weights and adds to its biases.
fn fold_into(graph: &mut Graph, node: usize, of: &[Affine]) {
    let Node { op, inputs, name, .. } = graph.nodes[node].clone();
    let Some(Tensor { dims, data: Data::F32(values) }) = graph.initializers.get_mut(&inputs[1]) else { return };
    let per_channel: usize = dims.get(2..).map_or(1, |kernel| kernel.iter().product());
    // [O, C/groups, KH, KW], [O, K], or [K, O].
    let (outputs, per_output) = match op {
        Op::Conv { .. } | Op::Gemm { transposed: true } => (dims[0], dims[1..].iter().product()),
        _ => (dims[1], dims[0]),
    };
    let groups = if let Op::Conv { groups, .. } = op { groups } else { 1 };
    let mut shifts = vec![0f64; outputs];
    for (i, value) in values.iter_mut().enumerate() {
        let (output, within) = match op {
            Op::Conv { .. } | Op::Gemm { transposed: true } => (i / per_output, i % per_output),
            _ => (i % outputs, i / outputs),
        };
        let channel = match op {
            Op::Conv { .. } => output / (outputs / groups).max(1) * dims[1] + within / per_channel,
            _ => 0,
        };
        let of = of.get(channel).or(of.first()).copied().unwrap_or(Affine { factor: 1.0, offset: 0.0 });
        shifts[output] += f64::from(*value) * of.offset;
        *value = (f64::from(*value) * of.factor) as f32;
    }
    let bias = inputs.get(2).filter(|bias| !bias.is_empty());
    let before = bias.and_then(|bias| graph.initializers.get(bias)).and_then(Tensor::as_f32);
    let sum = |(output, shift): (usize, &f64)| {
        (shift + before.and_then(|b| b.get(output)).map_or(0.0, |&b| f64::from(b))) as f32
    };
    let biases = shifts.iter().enumerate().map(sum).collect();
    let bias = bias.cloned().unwrap_or_else(|| format!("{name}.bias"));
    graph.initializers.insert(bias.clone(), Tensor::f32(&[outputs], biases));
    let op = if op == Op::MatMul { Op::Gemm { transposed: false } } else { op };
    graph.nodes[node].op = op;
    graph.nodes[node].inputs.truncate(2);
    graph.nodes[node].inputs.push(bias);
}

/// A 1×1 convolution of each channel by itself before the network; the input is pixel / 255.
fn with_layer(graph: &Graph, of: &[Affine]) -> Folded {
    let mut graph = graph.clone();
    let name = graph.inputs[0].name.clone();
    let normalized = format!("{name}.normalized");
    graph.redirect(&name, &normalized);
    let channels = of.len();
    let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
    let node = format!("{name}.normalize");
    let [weight, bias] = ["weight", "bias"].map(|what| format!("{node}.{what}"));
    let reals = |real: fn(&Affine) -> f64| of.iter().map(|of| real(of) as f32).collect::<Vec<f32>>();
    graph.initializers.insert(weight.clone(), Tensor::f32(&[channels, 1, 1, 1], reals(|of| of.factor)));
    graph.initializers.insert(bias.clone(), Tensor::f32(&[channels], reals(|of| of.offset)));
    let op = Op::Conv { window, groups: channels };
    graph.nodes.insert(0, Node { name: node, op, inputs: vec![name, weight, bias], outputs: vec![normalized] });
    Folded { graph, normalization: Normalization::default(), range: Range::UNIT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::{DType, Dim, ValueInfo},
        validate::tract::Runner,
    };

    /// Two channels of 3×3 under a 2×2 convolution to 2 channels in `groups`, then a graph's end.
    fn graph(pads: [usize; 4], groups: usize) -> Graph {
        let window = Window { kernel: [2; 2], strides: [1; 2], dilations: [1; 2], pads };
        let value = |name: &str, [c, h, w]: [usize; 3]| ValueInfo {
            name: name.into(),
            dtype: DType::F32,
            shape: [vec![Dim::Symbol("batch".into())], [c, h, w].map(Dim::Fixed).to_vec()].concat(),
        };
        let inputs = ["x", "w"].map(String::from).into();
        let weights = (0..16 / groups).map(|i| i as f32 - 5.5).collect();
        let size = [2 + pads[0] + pads[2], 2 + pads[1] + pads[3]];
        Graph {
            name: "first".into(),
            nodes: vec![Node {
                name: "conv".into(),
                op: Op::Conv { window, groups },
                inputs,
                outputs: vec!["y".into()],
            }],
            inputs: vec![value("x", [2, 3, 3])],
            outputs: vec![value("y", [2, size[0], size[1]])],
            initializers: [("w".to_string(), Tensor::f32(&[2, 2 / groups, 2, 2], weights))].into(),
            ..Graph::default()
        }
    }

    fn normalization(mean: &[f32], std: &[f32]) -> Normalization {
        Normalization { mean: mean.into(), std: std.into(), ..Normalization::default() }
    }

    /// Largest difference of what the two networks say to the same pixels, and the folded one.
    fn difference(graph: &Graph, normalization: &Normalization) -> (f32, Folded) {
        let folded = fold(graph, normalization).unwrap();
        let pixels: Vec<f32> = (0..18).map(|i| (i * 53 % 256) as f32).collect();
        let input = |normalization: &Normalization| {
            let real = |(i, pixel): (usize, &f32)| {
                let (mean, std) = normalization.of(i / 9);
                (pixel * normalization.brightest / 255.0 - mean) / std
            };
            pixels.iter().enumerate().map(real).collect::<Vec<f32>>()
        };
        let (x, u) = (input(normalization), input(&folded.normalization));
        let again = normalization.into_other(&folded.normalization, 2);
        let again = x.iter().enumerate().map(|(i, x)| again.get(i / 9).map_or(*x, |[a, b]| x * a + b));
        assert!(again.zip(&u).all(|(a, b)| (a - b).abs() < 1e-5), "numbers that were normalized already");
        let run = |graph: &Graph, x: &[f32]| Runner::new(graph, 1).unwrap().run(x).unwrap().remove(0);
        let (before, after) = (run(graph, &x), run(&folded.graph, &u));
        let largest = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        (largest, folded)
    }

    const EXACT: f32 = 1e-4; // of results of about 100, in float32

    #[test]
    fn without_padding_all_is_folded() {
        for groups in [1, 2] {
            let (error, folded) = difference(&graph([0; 4], groups), &normalization(&[0.485, 0.406], &[0.229, 0.225]));
            assert!(error < EXACT, "{error}");
            assert_eq!((folded.graph.nodes.len(), folded.range), (1, Range::UNIT));
        }
    }

    #[test]
    fn padding_is_zero_where_zero_is_a_level() {
        let bytes = Normalization::bytes();
        let (error, folded) = difference(&graph([1; 4], 1), &bytes);
        assert!(error < 255.0 * EXACT && folded.range == Range::UNIT, "{error}");
        // 0.5 is 127.5 levels: padding is half a level off, which these weights make up to 40 times as much.
        let (error, folded) = difference(&graph([1; 4], 1), &normalization(&[0.5], &[0.5]));
        assert!(error < 40.0 * 0.5 / 255.0 * 2.0, "{error}");
        assert_eq!(folded.range.affine().zero_point, 0);
        assert_eq!(folded.range.affine().scale, 1.0 / 255.0);
        assert_eq!(folded.graph.nodes.len(), 1);
    }

    #[test]
    fn a_mean_a_channel_and_padding_make_a_layer() {
        let (error, folded) = difference(&graph([1; 4], 1), &normalization(&[0.485, 0.406], &[0.229, 0.225]));
        assert!(error < EXACT, "{error}");
        assert_eq!(
            folded.graph.nodes[0].op,
            Op::Conv { window: Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] }, groups: 2 }
        );
        assert_eq!(folded.graph.nodes[1].inputs[0], "x.normalized");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let three = normalization(&[0.1, 0.2, 0.3], &[1.0]);
        let error = fold(&graph([0; 4], 1), &three).unwrap_err().to_string();
        assert!(error.contains("mean: expected 1 or 2 finite numbers"), "{error}");
    }
}

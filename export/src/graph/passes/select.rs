//! A part of the channels (Slice, Split) is a convolution of one pixel whose weights are ones and zeros: the same values in floats, and in int8 up to
//! the steps of the result.

use super::arrays;
use super::rewriter::Rewriter;
use super::window::plain;
use crate::graph::attributes::positions;
use crate::graph::{Attribute, Data, Node, Op, Tensor};

/// Weight of a channel that is taken from a quantized value, and its scale: a power of two, so that the product is one.
const STEP: (i8, f32) = (64, 1.0 / 64.0);

/// The channels from a start to an end.
pub(super) fn slice(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    node.op.other("Slice")?;
    let channels = channels(rw, node)?;
    let one = |position| match rw.constant(node, position)?.as_i64()? {
        [value] => Some(*value),
        _ => None,
    };
    (positions(&[one(3)?], 4)? == [1]).then_some(())?;
    let step = if node.input(4).is_some() { one(4)? } else { 1 };
    let step = usize::try_from(step).ok().filter(|&step| step > 0)?;
    let place = |position: i64| {
        let from_front = if position < 0 { position.saturating_add(channels as i64) } else { position };
        from_front.clamp(0, channels as i64) as usize
    };
    let taken: Vec<usize> = (place(one(1)?)..place(one(2)?)).step_by(step).collect();
    if taken.len() == channels {
        return rw.bypass(node);
    }
    take(rw, node, &taken, channels, node.outputs.first()?)
}

/// The channels in parts, one an output.
pub(super) fn split(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let attributes = node.op.other("Split")?;
    let (channels, parts) = (channels(rw, node)?, node.outputs.len());
    (positions(&[attributes.int("axis", 0)?], 4)? == [1] && (1..=channels).contains(&parts)).then_some(())?;
    // Since opset 13 the sizes are an input; left out, all are the same but perhaps the last.
    let sizes = match (node.input(1), attributes.0.get("split")) {
        (Some(_), _) => rw.constant(node, 1)?.as_i64()?.to_vec(),
        (None, Some(Attribute::Ints(sizes))) => sizes.clone(),
        _ => {
            let most = channels.div_ceil(parts);
            (0..parts).map(|part| most.min(channels.saturating_sub(part * most)) as i64).collect()
        }
    };
    let sizes: Vec<usize> = sizes.into_iter().map(|size| usize::try_from(size).ok()).collect::<Option<_>>()?;
    let sum = sizes.iter().try_fold(0usize, |sum, &size| sum.checked_add(size));
    (sizes.len() == parts && sum == Some(channels)).then_some(())?;
    let mut nodes = Vec::new();
    let mut start = 0;
    for (output, size) in node.outputs.iter().zip(sizes) {
        if rw.readers(output) > 0 {
            let taken: Vec<usize> = (start..start + size).collect();
            nodes.extend(take(rw, node, &taken, channels, output)?);
        }
        start += size;
    }
    (!nodes.is_empty()).then_some(nodes)
}

/// The channels of the map that a node reads.
fn channels(rw: &Rewriter, node: &Node) -> Option<usize> {
    match rw.sample(node, 0)?[..] {
        [channels, _, _] => Some(channels),
        _ => None,
    }
}

/// `output`, made of some channels of what `node` reads.
pub(super) fn take(
    rw: &mut Rewriter,
    node: &Node,
    taken: &[usize],
    channels: usize,
    output: &str,
) -> Option<Vec<Node>> {
    let dims = [taken.len(), channels, 1, 1];
    (arrays::len(&dims, 0)? > 0).then_some(())?;
    let is_taken = taken.iter().flat_map(|&channel| (0..channels).map(move |c| c == channel));
    let x = node.input(0)?.to_string();
    let name = rw.fresh(&format!("{}.{output}", node.name));
    let op = Op::Conv { window: plain([1, 1]), groups: 1 };
    if !is_quantized(rw, &x) {
        let weights = Tensor::f32(&dims, is_taken.map(|taken| f32::from(u8::from(taken))).collect());
        let weights = rw.add_constant(&format!("{name}.weight"), weights);
        return Some(vec![Node::new(&name, op, &[&x, &weights], output)]);
    }
    let steps = Data::I8(is_taken.map(|taken| if taken { STEP.0 } else { 0 }).collect());
    let steps = rw.add_constant(&format!("{name}.steps"), Tensor::new(&dims, steps));
    let scale = rw.add_constant(&format!("{name}.scale"), Tensor::f32(&[], vec![STEP.1]));
    let zero = rw.add_constant(&format!("{name}.zero"), Tensor::new(&[], Data::I8(vec![0])));
    let weights = rw.part(node, "weight", Op::Dequantize { axis: 0 }, &[&steps, &scale, &zero]);
    let conv = Node::new(&name, op, &[&x, &weights.outputs[0]], output);
    Some(vec![weights, conv])
}

/// Whether a value is on a quantized tensor's steps: a DequantizeLinear makes it, or a choice of such channels.
fn is_quantized(rw: &Rewriter, value: &str) -> bool {
    let dequantizes = |node: &Node| matches!(node.op, Op::Dequantize { .. });
    let of_steps = |node: &Node| {
        let weights = node.input(1).and_then(|weights| rw.maker(weights));
        weights.is_some_and(dequantizes) && taken(rw, node).is_some()
    };
    rw.maker(value).is_some_and(|maker| dequantizes(maker) || of_steps(maker))
}

/// A convolution that alone reads a part of the channels reads them all, with zeros for the others, where that costs no more than taking them. One
/// that reads all of them in another order always does.
pub(super) fn absorb(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let Op::Conv { window, groups: 1 } = node.op else { return None };
    let maker = rw.maker(node.input(0)?)?.clone();
    let (taken, channels) = taken(rw, &maker)?;
    let Kernel { weights, zero, dequantize } = Kernel::of(rw, node)?;
    let &[outputs, inputs, height, width] = weights.dims.as_slice() else { return None };
    let taps = height.checked_mul(width)?;
    let more = outputs.checked_mul(taps)?.checked_mul(channels.checked_sub(inputs)?)?;
    let is_sole = rw.readers(node.input(0)?) == 1 && more <= inputs * channels;
    (inputs == taken.len() && window.kernel == [height, width] && (more == 0 || is_sole)).then_some(())?;
    // The place of a weight for each channel; behind the last one stands a zero.
    let mut places = vec![weights.data.len(); arrays::len(&[outputs, channels, height, width], 0)?];
    for i in 0..weights.data.len() {
        let (output, input, tap) = (i / (inputs * taps), i / taps % inputs, i % taps);
        let place = &mut places[(output * channels + taken[input]) * taps + tap];
        (*place == weights.data.len()).then_some(())?;
        *place = i;
    }
    let wide = Tensor {
        dims: vec![outputs, channels, height, width],
        data: arrays::pick(&with(&weights.data, zero), &places),
    };
    let mut inputs = node.inputs.clone();
    inputs[0] = maker.input(0)?.to_string();
    let Some(dequantize) = dequantize else {
        inputs[1] = rw.change_constant(&inputs[1], wide);
        return Some(vec![Node { inputs, ..node.clone() }]);
    };
    let mut stored = dequantize.inputs.clone();
    stored[0] = rw.add_constant(&format!("{}.wide", stored[0]), wide);
    let stored: Vec<&str> = stored.iter().map(String::as_str).collect();
    let weights = rw.part(node, "weight", dequantize.op, &stored);
    inputs[1] = weights.outputs[0].clone();
    Some(vec![weights, Node { inputs, ..node.clone() }])
}

/// The values and one more.
fn with(data: &Data, zero: i8) -> Data {
    fn more<T: Copy>(values: &[T], zero: T) -> Vec<T> {
        [values, &[zero]].concat()
    }
    match data {
        Data::F32(values) => Data::F32(more(values, zero.into())),
        Data::I8(values) => Data::I8(more(values, zero)),
        Data::U8(values) => Data::U8(more(values, zero as u8)),
        Data::I32(values) => Data::I32(more(values, zero.into())),
        Data::I64(values) => Data::I64(more(values, zero.into())),
    }
}

/// The weights of a convolution: a constant, or one behind a DequantizeLinear that does not scale its input channels.
struct Kernel {
    weights: Tensor,
    /// The stored value of zero, as the bits of a byte.
    zero: i8,
    dequantize: Option<Node>,
}

impl Kernel {
    fn of(rw: &Rewriter, node: &Node) -> Option<Self> {
        if let Some(weights) = rw.constant(node, 1) {
            weights.as_f32()?;
            return Some(Self { weights: weights.clone(), zero: 0, dequantize: None });
        }
        let maker = rw.maker(node.input(1)?)?;
        let Op::Dequantize { axis } = maker.op else { return None };
        let weights = rw.constant(maker, 0)?.clone();
        (rw.constant(maker, 1)?.data.len() == 1 || positions(&[axis], weights.dims.len())? == [0]).then_some(())?;
        let zero = match maker.input(2).map(|_| rw.constant(maker, 2).map(|zero| &zero.data)) {
            None => 0,
            Some(Some(Data::I8(zeros))) => alike(zeros)?,
            Some(Some(Data::U8(zeros))) => alike(zeros)? as i8,
            Some(_) => return None,
        };
        Some(Self { weights, zero, dequantize: Some(maker.clone()) })
    }
}

/// The one value that all are.
fn alike<T: Copy + PartialEq>(values: &[T]) -> Option<T> {
    let first = *values.first()?;
    values.iter().all(|&value| value == first).then_some(first)
}

/// Which channels a convolution takes, and of how many, if that is all it does.
fn taken(rw: &Rewriter, node: &Node) -> Option<(Vec<usize>, usize)> {
    (node.op == Op::Conv { window: plain([1, 1]), groups: 1 } && node.input(2).is_none()).then_some(())?;
    let (dims, weights, one) = match rw.constant(node, 1) {
        Some(weights) => (&weights.dims, weights.as_f32()?.to_vec(), 1.0),
        None => {
            let maker = rw.maker(node.input(1)?).filter(|maker| matches!(maker.op, Op::Dequantize { .. }))?;
            let is_step = rw.constant(maker, 1)?.as_f32()? == [STEP.1];
            let stored = rw.constant(maker, 0).filter(|_| is_step)?;
            let Data::I8(steps) = &stored.data else { return None };
            (&stored.dims, steps.iter().map(|&step| step.into()).collect(), f32::from(STEP.0))
        }
    };
    let channels = *dims.get(1).filter(|&&channels| channels > 0)?;
    let chosen = |row: &[f32]| {
        let taken = row.iter().position(|&w| w == one)?;
        let others = row.iter().enumerate().all(|(channel, &w)| channel == taken || w == 0.0);
        others.then_some(taken)
    };
    Some((weights.chunks(channels).map(chosen).collect::<Option<_>>()?, channels))
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::{Rule, rewrite};
    use super::super::testing::{graph, listing, node, other};
    use super::*;
    use crate::graph::Graph;

    const RULES: [Rule; 3] = [slice, split, absorb];

    fn sliced(bounds: [i64; 4]) -> Graph {
        let constants = ["s", "e", "a", "t"].into_iter().zip(bounds).map(|(n, v)| (n, Tensor::i64(&[1], vec![v])));
        let nodes =
            vec![node("part", other("Slice"), &["x", "s", "e", "a", "t"]), node("relu", Op::Relu, &["part.out"])];
        rewrite(&graph(&[4, 2, 3], nodes, &constants.collect::<Vec<_>>()), &RULES)
    }

    #[test]
    fn a_slice_of_channels_is_a_convolution_of_ones() {
        let rows = |bounds| {
            let graph = sliced(bounds);
            assert_eq!(listing(&graph), [("part.part.out", "Conv"), ("relu", "Relu")]);
            graph.constant(&graph.nodes[0], 1).unwrap().as_f32().unwrap().to_vec()
        };
        assert_eq!(rows([1, 3, 1, 1]), [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(rows([-4, i64::MAX, -3, 2]), [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!(listing(&sliced([0, 9, 1, 1])), [("relu", "Relu")], "all of them");
        for other in [[1, 3, 2, 1], [1, 1, 1, 1], [3, 1, 1, -1]] {
            assert_eq!(sliced(other).nodes[0].op.name(), "Slice", "{other:?}");
        }
    }

    /// Two of four channels into a convolution to one: it reads all four instead.
    #[test]
    fn parts_go_into_the_convolution_that_reads_them() {
        let mut both = node("parts", other("Split"), &["x"]);
        both.op = Op::Other { op_type: "Split".into(), attributes: [("axis".to_string(), Attribute::Int(1))].into() };
        both.outputs = ["a", "b"].map(String::from).into();
        let conv = Op::Conv { window: plain([1, 1]), groups: 1 };
        let nodes =
            vec![both, node("conv", conv, &["b", "w"]), node("join", Op::Concat { axis: 1 }, &["a", "conv.out"])];
        let w = Tensor::f32(&[1, 2, 1, 1], vec![5.0, 7.0]);
        let graph = rewrite(&graph(&[4, 2, 3], nodes, &[("w", w)]), &RULES);
        assert_eq!(listing(&graph), [("parts.a", "Conv"), ("conv", "Conv"), ("join", "Concat")]);
        assert_eq!(graph.nodes[1].inputs[0], "x");
        assert_eq!(graph.constant(&graph.nodes[1], 1), Some(&Tensor::f32(&[1, 4, 1, 1], vec![0.0, 0.0, 5.0, 7.0])));
    }
}

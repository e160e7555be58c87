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
fn take(rw: &mut Rewriter, node: &Node, taken: &[usize], channels: usize, output: &str) -> Option<Vec<Node>> {
    let dims = [taken.len(), channels, 1, 1];
    (arrays::len(&dims, 0)? > 0).then_some(())?;
    let is_taken = taken.iter().flat_map(|&channel| (0..channels).map(move |c| c == channel));
    let x = node.input(0)?.to_string();
    let name = rw.fresh(&format!("{}.{output}", node.name));
    let op = Op::Conv { window: plain([1, 1]), groups: 1 };
    if !rw.maker(&x).is_some_and(|maker| matches!(maker.op, Op::Dequantize { .. })) {
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

/// A convolution that alone reads a part of the channels reads them all, with zeros for the others, where that costs no more than taking them.
pub(super) fn absorb(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let Op::Conv { window, groups: 1 } = node.op else { return None };
    let maker = rw.sole_maker(node, 0)?.clone();
    let (taken, channels) = taken(rw, &maker)?;
    let weights = rw.constant(node, 1)?;
    let &[outputs, inputs, height, width] = weights.dims.as_slice() else { return None };
    let (values, taps) = (weights.as_f32()?, height.checked_mul(width)?);
    let more = outputs.checked_mul(taps)?.checked_mul(channels.checked_sub(inputs)?)?;
    (inputs == taken.len() && window.kernel == [height, width] && more <= inputs * channels).then_some(())?;
    let mut wide = vec![0.0; arrays::len(&[outputs, channels, height, width], 0)?];
    for (i, &value) in values.iter().enumerate() {
        let (output, input, tap) = (i / (inputs * taps), i / taps % inputs, i % taps);
        wide[(output * channels + taken[input]) * taps + tap] += value;
    }
    let mut inputs = node.inputs.clone();
    inputs[0] = maker.input(0)?.to_string();
    inputs[1] = rw.change_constant(&inputs[1], Tensor::f32(&[outputs, channels, height, width], wide));
    Some(vec![Node { inputs, ..node.clone() }])
}

/// Which channels a convolution takes, and of how many, if that is all it does.
fn taken(rw: &Rewriter, node: &Node) -> Option<(Vec<usize>, usize)> {
    (node.op == Op::Conv { window: plain([1, 1]), groups: 1 } && node.input(2).is_none()).then_some(())?;
    let weights = rw.constant(node, 1)?;
    let channels = *weights.dims.get(1).filter(|&&channels| channels > 0)?;
    let one = |row: &[f32]| {
        let taken = row.iter().position(|&w| w == 1.0)?;
        let others = row.iter().enumerate().all(|(channel, &w)| channel == taken || w == 0.0);
        others.then_some(taken)
    };
    Some((weights.as_f32()?.chunks(channels).map(one).collect::<Option<_>>()?, channels))
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

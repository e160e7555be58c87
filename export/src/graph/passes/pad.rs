//! A Pad goes into the window that reads it, or is a convolution that copies.

use super::reshape::{is_reshape, reshaped};
use super::rewriter::Rewriter;
use super::transpose::{self, permutation};
use super::window::plain;
use crate::graph::attributes::positions;
use crate::graph::{Activation, Attribute, Node, Op, Tensor};

/// A padding by whole rows and columns.
struct Padding {
    /// Added before each axis, then after each.
    amounts: Vec<usize>,
    /// What is added; copies of the edge where there is none.
    value: Option<f32>,
}

impl Padding {
    /// What a Pad adds; none where it is of another kind, cuts, or is not constant.
    fn of(rw: &Rewriter, node: &Node) -> Option<Self> {
        let attributes = node.op.other("Pad")?;
        let mode = attributes.text("mode", "constant")?;
        matches!(mode, "constant" | "edge").then_some(())?;
        let rank = rw.info(node.input(0)?)?.shape.len();
        let given = rw.constant(node, 1)?.as_i64()?;
        let axes = match node.input(3) {
            Some(_) => positions(rw.constant(node, 3)?.as_i64()?, rank)?,
            None => (0..rank).collect(),
        };
        (given.len() == 2 * axes.len()).then_some(())?;
        let mut amounts = vec![0; 2 * rank];
        for (i, &axis) in axes.iter().enumerate() {
            for (to, from) in [(axis, i), (axis + rank, i + axes.len())] {
                amounts[to] = usize::try_from(given[from]).ok().filter(|&v| v <= crate::graph::MAX_DIM)?;
            }
        }
        let value = match node.input(2) {
            _ if mode == "edge" => None,
            Some(_) => Some(*rw.constant(node, 2)?.as_f32()?.first()?),
            None => Some(0.0),
        };
        Some(Self { amounts, value })
    }

    /// Top, left, bottom, right, where nothing else is added.
    fn edges(&self) -> Option<[usize; 4]> {
        match self.amounts[..] {
            [0, 0, top, left, 0, 0, bottom, right] => Some([top, left, bottom, right]),
            _ => None,
        }
    }
}

/// A Pad of nothing is none; one of some axes is one of all.
pub(super) fn simplify(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let padding = Padding::of(rw, node)?;
    if padding.amounts.iter().all(|&amount| amount == 0) {
        return rw.bypass(node);
    }
    node.input(3)?;
    Some(vec![pad(rw, node, node.input(0)?, &padding)])
}

/// A Transpose, or a Reshape that only adds and drops dimensions of one, goes before the Pad whose only reader it is: so the Pad comes nearer to a window.
pub(super) fn behind_move(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let maker = rw.sole_maker(node, 0)?.clone();
    let padding = Padding::of(rw, &maker)?;
    let (x, padded) = (maker.input(0)?, rw.sample(node, 0)?);
    let rank = padded.len() + 1;
    let to = crate::graph::shape::sample_dims(&rw.info_of(node)?)?;
    let mut amounts = vec![0; 2 * (to.len() + 1)];
    if let Some(perm) = permutation(rw, node) {
        for (place, &axis) in perm.iter().enumerate() {
            amounts[place] = padding.amounts[axis];
            amounts[place + rank] = padding.amounts[axis + rank];
        }
        let first = rw.part(node, "before", node.op.clone(), &[x]);
        return Some(vec![first.clone(), pad(rw, node, &first.outputs[0], &Padding { amounts, ..padding })]);
    }
    is_reshape(&node.op).then_some(())?;
    let (pairs, from) = (transpose::same_axes(&padded, &to)?, rw.sample_of(x)?);
    let is_padded = |axis: usize| padding.amounts[axis] + padding.amounts[axis + rank] != 0;
    let covered = (0..rank).filter(|&axis| is_padded(axis)).all(|axis| pairs.iter().any(|&(real, _)| real + 1 == axis));
    covered.then_some(())?;
    let mut dims = to.clone();
    for &(axis, place) in &pairs {
        dims[place] = from[axis];
        amounts[place + 1] = padding.amounts[axis + 1];
        amounts[place + 1 + to.len() + 1] = padding.amounts[axis + 1 + rank];
    }
    let name = rw.fresh(&format!("{}.before", node.name));
    let first = reshaped(rw, &name, x, &name, &dims);
    Some(vec![first, pad(rw, node, &name, &Padding { amounts, ..padding })])
}

/// A Pad of `x` on all axes, that makes what `node` made.
fn pad(rw: &mut Rewriter, node: &Node, x: &str, padding: &Padding) -> Node {
    let amounts: Vec<i64> = padding.amounts.iter().map(|&amount| amount as i64).collect();
    let pads = rw.add_constant(&format!("{}.pads", node.name), Tensor::i64(&[amounts.len()], amounts));
    let mut inputs = vec![x.into(), pads];
    let mode = if padding.value.is_some() { "constant" } else { "edge" };
    if let Some(value) = padding.value {
        inputs.push(rw.add_constant(&format!("{}.value", node.name), Tensor::f32(&[], vec![value])));
    }
    let attributes = [("mode".to_string(), Attribute::Text(mode.into()))].into();
    Node { op: Op::Other { op_type: "Pad".into(), attributes }, inputs, ..node.clone() }
}

/// A window after a Pad whose value is what its own padding means has that padding too.
pub(super) fn absorb(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let pad = rw.maker(node.input(0)?)?;
    let padding = Padding::of(rw, pad)?;
    let (edges, source) = (padding.edges()?, pad.input(0)?.to_string());
    let mut op = node.op.clone();
    let window = match &mut op {
        Op::Conv { window, .. } if padding.value == Some(0.0) => window,
        Op::AveragePool { window, count_include_pad } if padding.value == Some(0.0) => {
            // What was padded before counted as values.
            (*count_include_pad || window.pads == [0; 4]).then_some(())?;
            window.reaches_beyond(edges).then_some(())?;
            *count_include_pad = true;
            window
        }
        Op::MaxPool { window } => {
            let is_dense = window.dilations == [1; 2];
            let changes_nothing = match padding.value {
                Some(value) if value < -1e38 => true,
                // Zero under values of which none is below it wins only where they are zero as well.
                Some(value) => value == 0.0 && is_dense && is_not_negative(rw, &source),
                // A window that reaches a copy of the edge reaches the edge.
                None => is_dense,
            };
            (window.reaches_beyond(edges) && changes_nothing).then_some(())?;
            window
        }
        _ => return None,
    };
    window.pads.iter_mut().zip(edges).for_each(|(pad, edge)| *pad += edge);
    let mut inputs = node.inputs.clone();
    inputs[0] = source;
    Some(vec![Node { op, inputs, ..node.clone() }])
}

/// Whether a value is zero or more by what makes it.
fn is_not_negative(rw: &Rewriter, value: &str) -> bool {
    let mut value = value;
    while let Some(maker) = rw.maker(value) {
        match maker.op {
            Op::Relu => return true,
            Op::Clip { min, .. } => return min >= 0.0,
            Op::Activation(ref function) => {
                return matches!(function, Activation::Sigmoid | Activation::HardSigmoid { .. } | Activation::Softplus);
            }
            Op::MaxPool { .. } | Op::AveragePool { .. } | Op::GlobalAveragePool => {}
            ref op if is_reshape(op) => {}
            _ => return false,
        }
        let Some(before) = maker.input(0) else { return false };
        value = before;
    }
    false
}

/// A Pad that no window took: a convolution of one pixel whose padding it is.
pub(super) fn into_copy(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let padding = Padding::of(rw, node).filter(|p| p.value == Some(0.0))?;
    let [channels, _, _] = rw.sample(node, 0)?[..] else { return None };
    let window = crate::graph::Window { pads: padding.edges()?, ..plain([1, 1]) };
    let weights = Tensor::f32(&[channels, 1, 1, 1], vec![1.0; super::arrays::len(&[channels], 0)?]);
    let weights = rw.add_constant(&format!("{}.weight", node.name), weights);
    let inputs = vec![node.input(0)?.to_string(), weights];
    Some(vec![Node { op: Op::Conv { window, groups: channels }, inputs, ..node.clone() }])
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node, other};
    use super::*;
    use crate::graph::{Graph, Window};

    /// A Pad of 1 row above and 2 columns on the right, with `value`, between `before` and a window of 3×3.
    fn padded(before: Op, value: f32, op: Op) -> Graph {
        let constants = [
            ("pads", Tensor::i64(&[8], vec![0, 0, 1, 0, 0, 0, 0, 2])),
            ("value", Tensor::f32(&[], vec![value])),
            ("w", Tensor::f32(&[1, 2, 3, 3], vec![0.0; 18])),
        ];
        let inputs: &[&str] = if matches!(op, Op::Conv { .. }) { &["pad.out", "w"] } else { &["pad.out"] };
        let nodes = vec![
            node("before", before, &["x"]),
            node("pad", other("Pad"), &["before.out", "pads", "value"]),
            node("window", op, inputs),
        ];
        rewrite(&graph(&[2, 5, 5], nodes, &constants), &[simplify, absorb])
    }

    fn window(pads: [usize; 4]) -> Window {
        Window { pads, ..plain([3, 3]) }
    }

    #[test]
    fn windows_take_the_padding_that_they_mean() {
        let conv = padded(Op::Relu, 0.0, Op::Conv { window: window([1; 4]), groups: 1 });
        assert_eq!(conv.nodes[1].op, Op::Conv { window: window([2, 1, 1, 3]), groups: 1 });
        let mean = |pads, count_include_pad| {
            padded(Op::Relu, 0.0, Op::AveragePool { window: window(pads), count_include_pad }).nodes[1].op.clone()
        };
        let counted = |pads| Op::AveragePool { window: window(pads), count_include_pad: true };
        assert_eq!(mean([0; 4], false), counted([1, 0, 0, 2]));
        assert_eq!(mean([1, 1, 0, 0], true), counted([2, 1, 0, 2]));
        assert_eq!(mean([1, 1, 0, 0], false).name(), "Pad");
        let max = |before, value| padded(before, value, Op::MaxPool { window: window([0; 4]) });
        let taken = [("before", "Relu"), ("window", "MaxPool")];
        assert_eq!(listing(&max(Op::Relu, 0.0)), taken);
        assert_eq!(max(Op::Activation(Activation::Tanh), 0.0).nodes.len(), 3);
        assert_eq!(max(Op::Activation(Activation::Tanh), f32::NEG_INFINITY).nodes.len(), 2);
        assert_eq!(padded(Op::Relu, 1.0, Op::Conv { window: window([0; 4]), groups: 1 }).nodes.len(), 3);
    }

    #[test]
    fn a_pool_does_not_take_padding_as_large_as_itself() {
        let with = |value: f32, op: Op| {
            let pads = ("pads", Tensor::i64(&[8], vec![0, 0, 2, 2, 0, 0, 2, 2]));
            let nodes = vec![node("pad", other("Pad"), &["x", "pads", "value"]), node("pool", op, &["pad.out"])];
            rewrite(&graph(&[3, 6, 6], nodes, &[pads, ("value", Tensor::f32(&[], vec![value]))]), &[absorb])
        };
        let mean = |kernel| Op::AveragePool { window: plain(kernel), count_include_pad: false };
        assert_eq!(listing(&with(0.0, mean([2, 2]))), [("pad", "Pad"), ("pool", "AveragePool")]);
        assert_eq!(listing(&with(0.0, mean([3, 2]))), [("pad", "Pad"), ("pool", "AveragePool")]);
        assert_eq!(listing(&with(0.0, mean([3, 3]))), [("pool", "AveragePool")]);
        let max = |kernel| with(f32::NEG_INFINITY, Op::MaxPool { window: plain(kernel) }).nodes.len();
        assert_eq!([max([2, 2]), max([3, 3])], [2, 1]);
    }

    #[test]
    fn copies_of_the_edge_go_into_a_maximum() {
        let with = |pads: [i64; 4], dilations, op: fn(Window) -> Op| {
            let [top, left, bottom, right] = pads;
            let pads = ("pads", Tensor::i64(&[8], vec![0, 0, top, left, 0, 0, bottom, right]));
            let edge = [("mode".to_string(), Attribute::Text("edge".into()))].into();
            let pad = Op::Other { op_type: "Pad".into(), attributes: edge };
            let pool = op(Window { dilations, ..plain([2, 2]) });
            let nodes = vec![node("pad", pad, &["x", "pads"]), node("pool", pool, &["pad.out"])];
            rewrite(&graph(&[3, 6, 6], nodes, &[pads]), &[simplify, absorb, into_copy]).nodes
        };
        let max = |window| Op::MaxPool { window };
        let taken = with([0, 0, 1, 1], [1; 2], max);
        assert_eq!(taken.len(), 1);
        assert_eq!(taken[0].op, Op::MaxPool { window: Window { pads: [0, 0, 1, 1], ..plain([2, 2]) } });
        assert_eq!(with([0, 0, 2, 0], [1; 2], max).len(), 2, "a window of copies alone");
        assert_eq!(with([0, 0, 1, 1], [2; 2], max).len(), 2, "a window that steps over the edge");
        let mean = |window| Op::AveragePool { window, count_include_pad: false };
        assert_eq!(with([0, 0, 1, 1], [1; 2], mean)[0].op.name(), "Pad");
    }

    /// Rows above, channels last; and time before, in one dimension.
    #[test]
    fn what_moves_goes_before_a_pad() {
        let behind = |dims: &[usize], pads: &[i64], op: Op, shape: &[i64]| {
            let nodes = vec![node("pad", other("Pad"), &["x", "pads"]), node("move", op, &["pad.out", "s"])];
            let nodes = [nodes, vec![node("relu", Op::Relu, &["move.out"])]].concat();
            let constants = [("pads", pads), ("s", shape)].map(|(n, v)| (n, Tensor::i64(&[v.len()], v.to_vec())));
            let graph = rewrite(&graph(dims, nodes, &constants), &[behind_move]);
            let pads = graph.constant(&graph.nodes[1], 1).unwrap().as_i64().unwrap().to_vec();
            (graph.nodes[0].op.name().to_string(), graph.nodes[1].op.name().to_string(), pads)
        };
        let turn = transpose::op(&[0, 3, 1, 2]);
        let expected = |name: &str, pads: &[i64]| (name.to_string(), "Pad".to_string(), pads.to_vec());
        assert_eq!(
            behind(&[4, 5, 2], &[0, 1, 0, 0, 0, 0, 2, 0], turn, &[]),
            expected("Transpose", &[0, 0, 1, 0, 0, 0, 0, 2])
        );
        let row = behind(&[4, 2], &[0, 3, 0, 0, 0, 0], Op::Reshape, &[0, 1, 7, 2]);
        assert_eq!(row, expected("Reshape", &[0, 0, 3, 0, 0, 0, 0, 0]));
    }

    #[test]
    fn a_pad_that_nobody_takes_is_a_copy() {
        let nodes = vec![node("pad", other("Pad"), &["x", "pads"]), node("relu", Op::Relu, &["pad.out"])];
        let pads = Tensor::i64(&[4], vec![1, 0, 0, 2]);
        let mut copied = graph(&[2, 5, 5], nodes, &[("pads", pads), ("axes", Tensor::i64(&[2], vec![2, -1]))]);
        copied.nodes[0].inputs.extend([String::new(), "axes".to_string()]);
        let copied = rewrite(&copied, &[into_copy]);
        assert_eq!(copied.nodes[0].op, Op::Conv { window: Window { pads: [1, 0, 0, 2], ..plain([1, 1]) }, groups: 2 });
        assert_eq!(copied.initializers["pad.weight"].as_f32().unwrap(), [1.0, 1.0]);
    }

    #[test]
    fn cutting_and_mirroring_stay() {
        let with = |pads: Vec<i64>, op: Op| {
            let nodes = vec![node("pad", op, &["x", "pads"])];
            let graph = graph(&[2, 5, 5], nodes, &[("pads", Tensor::i64(&[8], pads))]);
            rewrite(&graph, &[simplify, into_copy]).nodes[0].op.name().to_string()
        };
        assert_eq!(with(vec![0, 0, -1, 0, 0, 0, 0, 0], other("Pad")), "Pad");
        assert_eq!(with(vec![0, 1, 0, 0, 0, 0, 0, 0], other("Pad")), "Pad");
        let mode = [("mode".to_string(), crate::graph::Attribute::Text("reflect".into()))].into();
        assert_eq!(with(vec![0, 0, 1, 0, 0, 0, 0, 0], Op::Other { op_type: "Pad".into(), attributes: mode }), "Pad");
    }
}

//! A Reshape, a Transpose and a Reshape back that only change the order of channels, as ShuffleNet mixes its groups: a choice of all channels in another
//! order, which the weights of the convolution behind take over.

use super::arrays::{self, transpose as transposed};
use super::reshape::is_reshape;
use super::rewriter::Rewriter;
use super::select::take;
use super::transpose::permutation;
use crate::graph::{Node, Tensor};

/// The Reshape that ends such a run.
pub(super) fn recognize(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    is_reshape(&node.op).then_some(())?;
    let turn = rw.maker(node.input(0)?)?;
    let perm = permutation(rw, turn)?;
    let split = rw.maker(turn.input(0)?).filter(|maker| is_reshape(&maker.op))?;
    let (source, parts) = (split.input(0)?.to_string(), rw.sample_of(turn.input(0)?)?);
    let map = rw.sample_of(&source)?;
    let back = crate::graph::shape::sample_dims(&rw.info_of(node)?)?;
    let [channels, _, _] = map[..] else { return None };
    let order = order(&parts, &perm, channels).filter(|_| back == map)?;
    take(rw, &Node { inputs: vec![source], ..node.clone() }, &order, channels, node.outputs.first()?)
}

/// Which channel comes where, if the axes of `parts` that hold channels are permuted among themselves and the others stay.
fn order(parts: &[usize], perm: &[usize], channels: usize) -> Option<Vec<usize>> {
    let product = |axes: usize| arrays::len(&parts[..axes], 0);
    let axes = (1..=parts.len()).find(|&axes| product(axes) == Some(channels))?;
    let stays = |(place, &axis): (usize, &usize)| place < axes || place == axis - 1;
    let (of_channels, all_stay) = (perm.get(1..=axes)?, perm[1..].iter().enumerate().all(stays));
    let among = of_channels.iter().all(|&axis| axis <= axes);
    (among && all_stay).then_some(())?;
    let numbered = Tensor::i64(&parts[..axes], (0..channels as i64).collect());
    let axes: Vec<usize> = of_channels.iter().map(|&axis| axis - 1).collect();
    Some(transposed(&numbered, &axes)?.as_i64()?.iter().map(|&channel| channel as usize).collect())
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::{Rule, rewrite};
    use super::super::testing::{graph, listing, node, other};
    use super::super::{reshape, select, transpose, window::plain};
    use super::*;
    use crate::graph::{Attribute, Graph, Op};

    const RULES: [Rule; 5] = [reshape::recognize, transpose::simplify, recognize, select::split, select::absorb];

    /// Six channels in two groups, mixed through `parts`, and what comes after.
    fn shuffled(parts: &[i64], perm: &[usize], after: Vec<Node>, constants: &[(&str, Tensor)]) -> Graph {
        let list = |values: &[i64]| Tensor::i64(&[values.len()], values.to_vec());
        let nodes = vec![
            node("relu", Op::Relu, &["x"]),
            node("groups", Op::Reshape, &["relu.out", "parts"]),
            node("turn", transpose::op(perm), &["groups.out"]),
            node("back", Op::Reshape, &["turn.out", "map"]),
        ];
        let constants = [&[("parts", list(parts)), ("map", list(&[0, 6, 2, 2]))], constants].concat();
        rewrite(&graph(&[6, 2, 2], [nodes, after].concat(), &constants), &RULES)
    }

    #[test]
    fn groups_are_mixed_by_a_choice_of_channels() {
        let ones = |graph: &Graph| {
            assert_eq!(listing(graph), [("relu", "Relu"), ("back.back.out", "Conv")]);
            let rows = graph.constant(&graph.nodes[1], 1).unwrap().as_f32().unwrap().chunks(6);
            rows.map(|row| row.iter().position(|&w| w == 1.0).unwrap()).collect::<Vec<_>>()
        };
        let maps = shuffled(&[0, 2, 3, 2, 2], &[0, 2, 1, 3, 4], vec![], &[]);
        assert_eq!(ones(&maps), [0, 3, 1, 4, 2, 5]);
        let flat = shuffled(&[0, 3, 2, 4], &[0, 2, 1, 3], vec![], &[]);
        assert_eq!(ones(&flat), [0, 2, 4, 1, 3, 5]);
        // Rows among the channels, and pixels that move.
        for (parts, perm) in [([0, 6, 2, 2, 1], [0, 2, 1, 3, 4]), ([0, 2, 3, 2, 2], [0, 2, 1, 4, 3])] {
            let nodes = shuffled(&parts, &perm, vec![], &[]).nodes;
            assert!(nodes.iter().all(|node| node.op.name() != "Conv"), "{parts:?}");
        }
    }

    /// As ShuffleNetV2 has it: one half goes on, the other into a convolution. The one is a choice from what was mixed, the other reads that itself.
    #[test]
    fn halves_of_a_shuffle_read_what_was_before_it() {
        let mut halves = node("halves", other("Split"), &["back.out"]);
        halves.op = Op::Other { op_type: "Split".into(), attributes: [("axis".to_string(), Attribute::Int(1))].into() };
        halves.outputs = ["a", "b"].map(String::from).into();
        let conv = Op::Conv { window: plain([1, 1]), groups: 1 };
        let after =
            vec![halves, node("conv", conv, &["b", "w"]), node("join", Op::Concat { axis: 1 }, &["a", "conv.out"])];
        let w = Tensor::f32(&[1, 3, 1, 1], vec![5.0, 7.0, 9.0]);
        let graph = shuffled(&[0, 2, 3, 2, 2], &[0, 2, 1, 3, 4], after, &[("w", w)]);
        assert_eq!(listing(&graph), [("relu", "Relu"), ("halves.a", "Conv"), ("conv", "Conv"), ("join", "Concat")]);
        assert_eq!([1, 2].map(|i| graph.nodes[i].inputs[0].as_str()), ["relu.out"; 2]);
        // b is channels 4, 2 and 5.
        let weights = graph.constant(&graph.nodes[2], 1).unwrap();
        assert_eq!(weights, &Tensor::f32(&[1, 6, 1, 1], vec![0.0, 0.0, 7.0, 0.0, 5.0, 9.0]));
    }

    /// The same of bytes: the convolution behind a shuffle keeps its own scale, and reads what was shuffled.
    #[test]
    fn stored_weights_take_the_order_too() {
        let byte = |dims: &[usize], values: Vec<i8>| Tensor::new(dims, crate::graph::Data::I8(values));
        let list = |values: &[i64]| Tensor::i64(&[values.len()], values.to_vec());
        let constants = [
            ("s", Tensor::f32(&[], vec![0.5])),
            ("z", byte(&[], vec![0])),
            ("parts", list(&[0, 2, 2, 2, 2])),
            ("map", list(&[0, 4, 2, 2])),
            ("w", byte(&[1, 4, 1, 1], vec![1, 2, 3, 4])),
        ];
        let conv = Op::Conv { window: plain([1, 1]), groups: 1 };
        let nodes = vec![
            node("q", Op::Quantize { axis: 1 }, &["x", "s", "z"]),
            node("dq", Op::Dequantize { axis: 1 }, &["q.out", "s", "z"]),
            node("groups", Op::Reshape, &["dq.out", "parts"]),
            node("turn", transpose::op(&[0, 2, 1, 3, 4]), &["groups.out"]),
            node("back", Op::Reshape, &["turn.out", "map"]),
            node("weight", Op::Dequantize { axis: 0 }, &["w", "s", "z"]),
            node("conv", conv, &["back.out", "weight.out"]),
        ];
        let graph = rewrite(&graph(&[4, 2, 2], nodes, &constants), &RULES);
        let last = graph.nodes.last().unwrap();
        assert_eq!((last.name.as_str(), last.inputs[0].as_str()), ("conv", "dq.out"));
        let weight = &graph.nodes[graph.producer(&last.inputs[1]).unwrap()];
        assert_eq!(graph.constant(weight, 0), Some(&byte(&[1, 4, 1, 1], vec![1, 3, 2, 4])));
        assert_eq!(graph.nodes.len(), 4, "{:?}", listing(&graph));
    }
}

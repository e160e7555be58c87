//! Cross-layer equalization: channels of one tensor brought to one range.
//!
//! A tensor has one scale, and a channel whose values are small beside another's gets few steps. Where a convolution's
//! result goes through nothing but a ReLU into one other convolution, channel i may be f times as large in between:
//! the first layer's weights and bias of channel i times f, the second's weights over it divided by f (Nagel et al.,
//! "Data-Free Quantization Through Weight Equalization and Bias Correction", arXiv:1906.04721).

use super::sites::sites;
use crate::graph::{Data, Graph, Node, Op};
use crate::quantize::activation::Bounds;

/// Channels grow no more than this: what lies so far below the largest says nothing.
const LARGEST_FACTOR: f32 = 64.0;

/// Two convolutions with nothing but a ReLU between.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pair {
    /// The node that makes the value.
    pub first: String,
    /// What may be scaled.
    pub value: String,
    /// The node that reads it.
    pub second: String,
    /// Whether the second has a weight scale for each channel of the value, so that equalizing costs it nothing.
    pub is_depthwise: bool,
}

/// All pairs, in the graph's order.
pub(super) fn pairs(graph: &Graph) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for site in sites(graph) {
        let is_homogeneous = site.bounds == Bounds::NONE || site.bounds == Bounds { low: 0.0, ..Bounds::NONE };
        let [reader] = graph.readers(site.output)[..] else { continue };
        let second = &graph.nodes[reader];
        let owned = |node: &Node| {
            matches!(node.op, Op::Conv { .. }) && node.inputs.iter().skip(1).all(|c| graph.readers(c).len() == 1)
        };
        if is_homogeneous
            && !graph.is_output(site.output)
            && owned(site.node)
            && owned(second)
            && second.inputs[0] == site.output
        {
            let is_depthwise = weights(graph, second).is_some_and(|(dims, _)| dims[1] == 1);
            let (first, second) = (site.node.name.clone(), second.name.clone());
            pairs.push(Pair { first, value: site.output.into(), second, is_depthwise });
        }
    }
    pairs
}

impl Pair {
    /// What each channel may be multiplied by, from the largest magnitude that it has shown; none where they are even already.
    pub fn factors(&self, peaks: &[f32]) -> Option<Vec<f32>> {
        let largest = peaks.iter().copied().fold(0f32, f32::max);
        // Half the way where the second layer's weights of one scale would be driven apart by what the channels are brought together.
        let share = if self.is_depthwise { 1.0 } else { 0.5 };
        let factor = |&peak: &f32| if peak > 0.0 { (largest / peak).powf(share).min(LARGEST_FACTOR) } else { 1.0 };
        let factors: Vec<f32> = peaks.iter().map(factor).collect();
        factors.iter().any(|&factor| factor > 1.1).then_some(factors)
    }

    /// The graph with the value's channels multiplied; it computes what it did. None where shapes do not fit.
    pub fn apply(&self, graph: &Graph, factors: &[f32]) -> Option<Graph> {
        let node = |name: &str| graph.nodes.iter().find(|node| node.name == name);
        let (first, second) = (node(&self.first)?, node(&self.second)?);
        let Op::Conv { groups, .. } = second.op else { return None };
        let ((first_dims, _), (second_dims, _)) = (weights(graph, first)?, weights(graph, second)?);
        let (outputs, taps) = (second_dims[0], second_dims[2] * second_dims[3]);
        if first_dims[0] != factors.len() || second_dims[1] * groups != factors.len() || outputs % groups != 0 {
            return None;
        }
        let per_output = first_dims[1] * first_dims[2] * first_dims[3];
        let mut scaled = graph.clone();
        multiply(&mut scaled, &first.inputs[1], |i| factors[i / per_output])?;
        if let Some(bias) = first.input(2) {
            multiply(&mut scaled, bias, |i| factors[i])?;
        }
        let channel = |i: usize| {
            let (output, within) = (i / (taps * second_dims[1]), i / taps % second_dims[1]);
            output / (outputs / groups) * second_dims[1] + within
        };
        multiply(&mut scaled, &second.inputs[1], |i| 1.0 / factors[channel(i)])?;
        Some(scaled)
    }
}

/// A convolution's weights of rank 4.
fn weights<'g>(graph: &'g Graph, node: &Node) -> Option<([usize; 4], &'g [f32])> {
    let tensor = graph.constant(node, 1)?;
    let dims: [usize; 4] = tensor.dims[..].try_into().ok()?;
    (!dims.contains(&0)).then_some((dims, tensor.as_f32()?))
}

fn multiply(graph: &mut Graph, name: &str, factor: impl Fn(usize) -> f32) -> Option<()> {
    let Data::F32(values) = &mut graph.initializers.get_mut(name)?.data else { return None };
    values.iter_mut().enumerate().for_each(|(i, value)| *value *= factor(i));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{DType, Dim, Tensor, ValueInfo, Window};

    /// x (1×1×1) → conv to 2 channels → `between` → convolution of `groups` → y
    fn graph(between: Op, groups: usize) -> Graph {
        let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        let node = |name: &str, op, inputs: &[&str], output: &str| Node {
            name: name.into(),
            op,
            inputs: inputs.iter().map(|i| i.to_string()).collect(),
            outputs: vec![output.into()],
        };
        let value = |name: &str, channels| ValueInfo {
            name: name.into(),
            dtype: DType::F32,
            shape: vec![Dim::Symbol("batch".into()), Dim::Fixed(channels), Dim::Fixed(1), Dim::Fixed(1)],
        };
        let constants = [
            ("w", Tensor::f32(&[2, 1, 1, 1], vec![1.0, 0.25])),
            ("b", Tensor::f32(&[2], vec![0.5, 0.125])),
            ("v", Tensor::f32(&[2, 2 / groups, 1, 1], vec![2.0; 4 / groups])),
        ];
        Graph {
            name: "pair".into(),
            nodes: vec![
                node("first", Op::Conv { window, groups: 1 }, &["x", "w", "b"], "c"),
                node("act", between, &["c"], "r"),
                node("second", Op::Conv { window, groups }, &["r", "v"], "y"),
            ],
            inputs: vec![value("x", 1)],
            outputs: vec![value("y", 2)],
            initializers: constants.map(|(name, tensor)| (name.to_string(), tensor)).into(),
            ..Graph::default()
        }
    }

    #[test]
    fn channels_are_brought_together_and_taken_apart() {
        for (groups, share) in [(2, 1.0f32), (1, 0.5)] {
            let graph = graph(Op::Relu, groups);
            let [pair] = &pairs(&graph)[..] else { panic!("one pair") };
            assert_eq!((pair.value.as_str(), pair.is_depthwise), ("r", groups == 2));
            let factors = pair.factors(&[1.0, 0.25]).unwrap();
            assert_eq!(factors, [1.0, 4f32.powf(share)]);
            let scaled = pair.apply(&graph, &factors).unwrap();
            let values = |name: &str| scaled.initializers[name].as_f32().unwrap().to_vec();
            assert_eq!(values("w"), [1.0, 0.25 * factors[1]]);
            assert_eq!(values("b"), [0.5, 0.125 * factors[1]]);
            let second = 2.0 / factors[1];
            assert_eq!(values("v"), if groups == 2 { vec![2.0, second] } else { vec![2.0, second, 2.0, second] });
        }
    }

    #[test]
    fn what_is_not_homogeneous_or_even_already_stays() {
        assert_eq!(pairs(&graph(Op::Clip { min: 0.0, max: 6.0 }, 2)), []);
        let pair = &pairs(&graph(Op::Relu, 2))[0];
        assert_eq!(pair.factors(&[1.0, 1.0]), None);
        assert_eq!(pair.factors(&[1.0, 0.0]), None, "a dead channel");
        assert_eq!(pair.apply(&graph(Op::Relu, 2), &[1.0; 3]), None);
        let mut shared = graph(Op::Relu, 2);
        shared.nodes[2].inputs[1] = "w".into();
        assert_eq!(pairs(&shared), []);
    }
}

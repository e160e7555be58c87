//! BatchNormalization after a convolution or a linear layer is folded into its weights and bias.
//!
//! With s = gamma / sqrt(variance + epsilon), for each output channel:
//!
//! ```text
//! s · (w·x + b − mean) + beta  =  (s·w)·x + (s·(b − mean) + beta)
//! ```
//!
//! Computed in f64 and rounded to f32 once, so each weight is within half a unit in the last place of the exact one.

use super::prune_initializers;
use crate::graph::{Graph, Op, Tensor};

/// The graph with every BatchNormalization gone whose input comes from a Conv or Gemm that nobody else reads.
pub fn fold(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    let mut i = 0;
    while i < graph.nodes.len() {
        if fold_one(&mut graph, i).is_none() {
            i += 1;
        }
    }
    prune_initializers(&mut graph);
    graph
}

/// Folds node `norm` into the layer before it; none where there is nothing to fold.
fn fold_one(graph: &mut Graph, norm: usize) -> Option<()> {
    let affine = Affine::of(graph, norm)?;
    let between = graph.nodes[norm].input(0)?.to_string();
    let conv = graph.producer(&between)?;
    // Both keep their output channels in the first dimension of the weights.
    let layer = matches!(graph.nodes[conv].op, Op::Conv { .. } | Op::Gemm { transposed: true });
    let foldable = layer && graph.readers(&between) == [norm];
    if !foldable || graph.is_output(&between) {
        return None;
    }
    let (weights, bias) = affine.apply(graph, conv)?;
    let weights_name = graph.nodes[conv].input(1)?.to_string();
    let bias_name = graph.nodes[conv].input(2).map_or_else(|| bias_name(&weights_name), String::from);
    graph.nodes[conv].outputs = graph.nodes.remove(norm).outputs;
    let inputs = &mut graph.nodes[conv].inputs;
    inputs.truncate(2);
    inputs.push(bias_name);
    set_constant(graph, conv, 1, weights);
    set_constant(graph, conv, 2, bias);
    Some(())
}

/// `conv1.weight` → `conv1.bias`.
fn bias_name(weights: &str) -> String {
    format!("{}.bias", weights.strip_suffix(".weight").unwrap_or(weights))
}

/// Gives input `position` of a node another constant, under another name where somebody else reads the old one.
fn set_constant(graph: &mut Graph, node: usize, position: usize, tensor: Tensor) {
    let mut name = graph.nodes[node].inputs[position].clone();
    let is_taken = |graph: &Graph, name: &str| {
        graph.readers(name) != [node] || graph.producer(name).is_some() || graph.inputs.iter().any(|i| i.name == name)
    };
    while is_taken(graph, &name) {
        name.push_str(".folded");
        graph.nodes[node].inputs[position] = name.clone();
    }
    graph.initializers.insert(name, tensor);
}

/// y = scale · x + shift, a channel.
struct Affine {
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl Affine {
    fn of(graph: &Graph, node: usize) -> Option<Self> {
        let node = &graph.nodes[node];
        let Op::BatchNorm { epsilon } = node.op else { return None };
        let parameter = |position| graph.constant(node, position).and_then(Tensor::as_f32);
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

    /// Weights and bias of the convolution with this after it.
    fn apply(&self, graph: &Graph, conv: usize) -> Option<(Tensor, Tensor)> {
        let node = &graph.nodes[conv];
        let weights = graph.constant(node, 1)?;
        let (values, channels) = (weights.as_f32()?, self.scale.len());
        if weights.dims.first() != Some(&channels) || channels == 0 {
            return None;
        }
        let zeros = vec![0.0; channels];
        let old = if node.input(2).is_some() { graph.constant(node, 2)?.as_f32()? } else { zeros.as_slice() };
        (old.len() == channels).then_some(())?;
        let channel = values.chunks((values.len() / channels).max(1)).zip(&self.scale);
        let scaled = channel.flat_map(|(w, s)| w.iter().map(move |&w| (f64::from(w) * s) as f32)).collect();
        let bias = old.iter().zip(self.scale.iter().zip(&self.shift)).map(|(&b, (s, t))| (s * f64::from(b) + t) as f32);
        Some((Tensor::f32(&weights.dims, scaled), Tensor::f32(&[channels], bias.collect())))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::{Node, Window};

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
        let folded = fold(&graph(&[1, 1, 2], vec![conv(&["x", "conv.weight", "conv.bias"]), norm()], &constants()));
        assert_eq!(listing(&folded), [("conv", "Conv")]);
        assert_eq!(folded.nodes[0].outputs, ["norm.out"]);
        assert_eq!(folded.initializers["conv.weight"].as_f32().unwrap(), [3.0, -6.0, -1.5, -2.0]);
        assert_eq!(folded.initializers["conv.bias"].as_f32().unwrap(), [18.5, -1.0]);
        assert_eq!(folded.initializers.len(), 2);
    }

    #[test]
    fn a_convolution_without_bias_gets_one() {
        let folded = fold(&graph(&[1, 1, 2], vec![conv(&["x", "conv.weight"]), norm()], &constants()));
        assert_eq!(folded.nodes[0].inputs, ["x", "conv.weight", "conv.bias"]);
        assert_eq!(folded.initializers["conv.bias"].as_f32().unwrap(), [-11.5, 9.0]);
    }

    #[test]
    fn weights_that_another_layer_shares_are_copied() {
        let mut other = conv(&["x", "conv.weight", "conv.bias"]);
        (other.name, other.outputs) = ("other".into(), vec!["other.out".into()]);
        let sum = node("sum", Op::Add, &["norm.out", "other.out"]);
        let nodes = vec![conv(&["x", "conv.weight", "conv.bias"]), norm(), other, sum];
        let folded = fold(&graph(&[1, 1, 2], nodes, &constants()));
        assert_eq!(folded.initializers["conv.weight"].as_f32().unwrap(), [1.0, -2.0, 3.0, 4.0]);
        assert_eq!(folded.initializers["conv.weight.folded"].as_f32().unwrap(), [3.0, -6.0, -1.5, -2.0]);
        assert_eq!(folded.nodes[0].inputs, ["x", "conv.weight.folded", "conv.bias.folded"]);
    }

    #[test]
    fn a_value_that_somebody_else_reads_is_left() {
        let sum = node("sum", Op::Add, &["norm.out", "conv.out"]);
        let graph = graph(&[1, 1, 2], vec![conv(&["x", "conv.weight"]), norm(), sum], &constants());
        assert_eq!(fold(&graph).nodes, graph.nodes);
    }
}

//! Readable names: nodes after the module whose weights they use, values after their nodes.
//!
//! `conv1` makes `conv1.out`, the ReLU after it is `conv1.relu`; what has no weights and is no activation is called
//! after what it does, with a number where there are several: `pool1`, `add2`, `flatten`.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::graph::{Activation, Graph, Node, Op};

/// The graph with its one input called `input`, its one output `output`, and every node and value in between renamed.
/// Weights keep their names; other constants are called after the node that reads them.
pub fn tidy(graph: &Graph, input: &str, output: &str) -> Graph {
    let names = node_names(graph);
    let mut renamed: HashMap<String, String> = HashMap::new();
    for (node, name) in graph.nodes.iter().zip(&names) {
        rename_constants(graph, node, name, &mut renamed);
        for (i, value) in node.outputs.iter().enumerate() {
            let number = if i == 0 { String::new() } else { (i + 1).to_string() };
            renamed.insert(value.clone(), format!("{name}.out{number}"));
        }
    }
    if let [only] = graph.inputs.as_slice() {
        renamed.insert(only.name.clone(), input.into());
    }
    if let [only] = graph.outputs.as_slice() {
        renamed.insert(only.name.clone(), output.into());
    }
    apply(graph, &names, &renamed)
}

fn apply(graph: &Graph, names: &[String], renamed: &HashMap<String, String>) -> Graph {
    let new = |old: &String| renamed.get(old).unwrap_or(old).clone();
    let mut tidy = graph.clone();
    for (node, name) in tidy.nodes.iter_mut().zip(names) {
        node.name = name.clone();
        node.inputs.iter_mut().chain(&mut node.outputs).for_each(|value| *value = new(value));
    }
    tidy.inputs.iter_mut().chain(&mut tidy.outputs).for_each(|value| value.name = new(&value.name));
    tidy.initializers = graph.initializers.iter().map(|(name, tensor)| (new(name), tensor.clone())).collect();
    tidy
}

/// Constants that are no parameters (shapes, axes, scalars) are called after their first reader.
fn rename_constants(graph: &Graph, node: &Node, name: &str, renamed: &mut HashMap<String, String>) {
    let is_constant = |value: &&String| graph.initializers.contains_key(*value) && module_path(value).is_none();
    let role = if matches!(node.op, Op::Reshape) { "shape" } else { "constant" };
    for (i, constant) in node.inputs.iter().filter(is_constant).enumerate() {
        let number = if i == 0 { String::new() } else { (i + 1).to_string() };
        renamed.entry(constant.clone()).or_insert_with(|| format!("{name}.{role}{number}"));
    }
}

fn node_names(graph: &Graph) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for node in graph.nodes.iter().filter(|node| own_path(graph, node).is_none()) {
        *counts.entry(word(&node.op)).or_default() += 1;
    }
    let (mut numbers, mut taken): (BTreeMap<&str, usize>, HashSet<String>) = Default::default();
    let mut names: Vec<String> = Vec::new();
    for node in &graph.nodes {
        let followed = || graph.producer(node.input(0)?).map(|i| names[i].clone());
        let word = word(&node.op);
        let name = match own_path(graph, node) {
            Some(path) => path.to_string(),
            None if is_activation(&node.op) => followed().map_or(word.into(), |before| format!("{before}.{word}")),
            None => {
                let number = numbers.entry(word).or_default();
                *number += 1;
                if counts[word] == 1 { word.into() } else { format!("{word}{number}") }
            }
        };
        let mut candidates = std::iter::once(name.clone()).chain((2..).map(|i| format!("{name}_{i}")));
        let unique = candidates.find(|n| !taken.contains(n)).unwrap_or(name);
        taken.insert(unique.clone());
        names.push(unique);
    }
    names
}

/// The module whose parameters a node reads: `conv1` for `conv1.weight`.
fn own_path<'a>(graph: &Graph, node: &'a Node) -> Option<&'a str> {
    let parameters = node.inputs.iter().filter(|value| graph.initializers.contains_key(*value));
    parameters.filter_map(|value| module_path(value)).next()
}

fn module_path(parameter: &str) -> Option<&str> {
    parameter.rsplit_once('.').map(|(path, _)| path)
}

fn is_activation(op: &Op) -> bool {
    matches!(op, Op::Relu | Op::Clip { .. } | Op::Activation(_) | Op::Softmax { .. } | Op::LogSoftmax { .. })
}

/// What an operator does, in a word.
fn word(op: &Op) -> &str {
    match op {
        Op::Conv { .. } => "conv",
        Op::Gemm { .. } | Op::MatMul => "linear",
        Op::BatchNorm { .. } => "norm",
        Op::Relu => "relu",
        Op::Clip { min: 0.0, max: 6.0 } => "relu6",
        Op::Clip { .. } => "clip",
        Op::MaxPool { .. } => "pool",
        Op::AveragePool { .. } | Op::GlobalAveragePool => "average",
        Op::Add => "add",
        Op::Mul => "mul",
        Op::Resize { .. } => "resize",
        Op::Concat { .. } => "concat",
        Op::Activation(function) => match function {
            Activation::Sigmoid => "sigmoid",
            Activation::Tanh => "tanh",
            Activation::HardSigmoid { .. } => "hard_sigmoid",
            Activation::HardSwish => "hard_swish",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Elu { .. } => "elu",
            Activation::Silu => "silu",
            Activation::Softplus => "softplus",
            Activation::Gelu => "gelu",
            Activation::Formula(_) => "function",
        },
        Op::Flatten { .. } => "flatten",
        Op::Reshape => "reshape",
        Op::Softmax { .. } => "softmax",
        Op::LogSoftmax { .. } => "log_softmax",
        Op::ArgMax { .. } => "arg_max",
        Op::Quantize { .. } => "quantize",
        Op::Dequantize { .. } => "dequantize",
        Op::Other { op_type, .. } => op_type,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, node};
    use super::*;
    use crate::graph::{Tensor, Window};

    #[test]
    fn nodes_values_and_constants_get_readable_names() {
        let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        let conv = || Op::Conv { window, groups: 1 };
        let nodes = vec![
            node("n0", conv(), &["x", "block1.conv.weight"]),
            node("n1", Op::Relu, &["n0.out"]),
            node("n2", Op::MaxPool { window }, &["n1.out"]),
            node("n3", conv(), &["n2.out", "block1.conv.weight"]),
            node("n4", Op::Clip { min: 0.0, max: 6.0 }, &["n3.out"]),
            node("n5", Op::MaxPool { window }, &["n4.out"]),
            node("n6", Op::Reshape, &["n5.out", "n6_shape"]),
        ];
        let constants = [
            ("block1.conv.weight", Tensor::f32(&[1, 1, 1, 1], vec![1.0])),
            ("n6_shape", Tensor::i64(&[2], vec![0, -1])),
        ];
        let tidy = tidy(&graph(&[1, 2, 2], nodes, &constants), "image", "logits");
        let names: Vec<_> = tidy.nodes.iter().map(|n| n.name.as_str()).collect();
        let expected =
            ["block1.conv", "block1.conv.relu", "pool1", "block1.conv_2", "block1.conv_2.relu6", "pool2", "reshape"];
        assert_eq!(names, expected);
        assert_eq!(tidy.nodes[0].inputs, ["image", "block1.conv.weight"]);
        assert_eq!(tidy.nodes[6].inputs, ["pool2.out", "reshape.shape"]);
        assert_eq!((tidy.inputs[0].name.as_str(), tidy.outputs[0].name.as_str()), ("image", "logits"));
        assert_eq!(tidy.nodes[6].outputs, ["logits"]);
        assert_eq!(tidy.initializers.keys().collect::<Vec<_>>(), ["block1.conv.weight", "reshape.shape"]);
    }
}

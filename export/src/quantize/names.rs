//! Names of tensors and operators that a file can bear: what the writer derives from one is no other's.
//!
//! The names of a file from elsewhere may be anything: two values that differ by a suffix which is left off here, or one that is called as the
//! writer calls the scale of another.

use super::{QuantGraph, TensorId};
use std::collections::HashSet;

/// What the writer appends to the names of tensors.
const OF_TENSORS: [&str; 7] = ["", ".float", ".linear", ".quantized", ".dequantized", ".scale", ".zero_point"];
/// What it appends to the names of operators, for their constants and for what they flatten.
const OF_OPERATORS: [&str; 4] = [".weight", ".bias", ".shape", ".flat"];

/// The network with a number behind each name that clashes with another: with an earlier one, or with the one that it could be derived from. The
/// input keeps its name, by which metadata knows it.
pub(super) fn distinct(mut network: QuantGraph) -> QuantGraph {
    let names: HashSet<&str> = network.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let stem_of = |name: &str, suffix: &str| name.strip_suffix(suffix).is_some_and(|stem| names.contains(stem));
    let is_derived = |name: &str| OF_TENSORS[1..].iter().any(|suffix| stem_of(name, suffix));
    let mut order: Vec<TensorId> = (0..network.tensors.len()).collect();
    order.sort_by_key(|&id| (id != network.input, is_derived(&network.tensors[id].name)));
    let mut values = HashSet::new();
    for id in order {
        let tensor = &mut network.tensors[id];
        let is_taken = |name: &str| OF_TENSORS.iter().any(|suffix| is_near(&values, name, suffix));
        tensor.name = free(&tensor.name, is_taken);
        values.insert(tensor.name.clone());
    }
    let mut operators = HashSet::new();
    for node in &mut network.nodes {
        let makes = |name: &str, suffix: &str| values.contains(&format!("{name}{suffix}"));
        let is_taken = |name: &str| operators.contains(name) || OF_OPERATORS.iter().any(|suffix| makes(name, suffix));
        node.name = free(&node.name, is_taken);
        operators.insert(node.name.clone());
    }
    network
}

/// Whether `name` is one of `names` with the suffix, or one of them is it with the suffix.
fn is_near(names: &HashSet<String>, name: &str, suffix: &str) -> bool {
    names.contains(&format!("{name}{suffix}")) || name.strip_suffix(suffix).is_some_and(|stem| names.contains(stem))
}

/// `name`, or the first of `name_2`, `name_3`, … that is not taken.
fn free(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut candidates = std::iter::once(name.to_string()).chain((2..).map(|number| format!("{name}_{number}")));
    candidates.find(|candidate| !is_taken(candidate)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::{Clamp, QuantNode, QuantOp, QuantTensor, qdq};

    fn network(tensors: &[&str], nodes: &[&str]) -> QuantGraph {
        let tensor = |name: &&str| QuantTensor { name: (*name).into(), shape: [1, 2, 2], scale: 0.5, zero_point: 0 };
        let node = |(index, name): (usize, &&str)| QuantNode {
            name: (*name).into(),
            op: QuantOp::Add { clamp: Clamp { min: 0, max: 127 } },
            inputs: vec![index, 0],
            output: index + 1,
        };
        QuantGraph {
            name: "names".into(),
            tensors: tensors.iter().map(tensor).collect(),
            nodes: nodes.iter().enumerate().map(node).collect(),
            input: 0,
            output: nodes.len(),
            metadata: Default::default(),
        }
    }

    fn names(network: &QuantGraph) -> (Vec<&str>, Vec<&str>) {
        let tensors = network.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
        (tensors, network.nodes.iter().map(|node| node.name.as_str()).collect())
    }

    #[test]
    fn names_without_a_clash_stay() {
        let plain = network(&["image", "conv", "conv.out", "image.2"], &["conv", "add", "conv.relu"]);
        assert_eq!(distinct(plain.clone()), plain);
    }

    #[test]
    fn a_name_that_clashes_gets_a_number_and_the_file_is_read_as_it_was_written() {
        let tensors = ["a", "a", "a.float", "b.scale", "b", "conv.weight"];
        let hostile = distinct(network(&tensors, &["conv", "conv", "", "", "conv_2"]));
        let expected = (
            vec!["a", "a_2", "a.float_2", "b.scale_2", "b", "conv.weight"],
            vec!["conv_2", "conv_3", "", "_2", "conv_2_2"],
        );
        assert_eq!(names(&hostile), expected);
        let graph = qdq::to_graph(&hostile);
        let made: Vec<_> = graph.nodes.iter().flat_map(|node| &node.outputs).collect();
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), made.len());
        assert_eq!(distinct(hostile.clone()), hostile);
    }
}

//! Rewrites that make a graph smaller without changing what it computes: one a file.
//!
//! Each takes a graph by reference and gives another. [`normalize`] runs them in the order in which one makes work for
//! the next; [`supported`] then lists every node that is still not understood.

pub mod dead;
pub mod flatten;
pub mod fold_batchnorm;
pub mod fuse_activation;
pub mod identity;
pub mod names;
pub mod to_gemm;
pub mod to_global_pool;

use super::{Graph, Node, Op};

/// The graph in the fewest forms: no Identity or Dropout, one kind of linear layer, one of global average, one of
/// flattening, BatchNormalization folded where it follows a convolution, nothing that nobody reads.
pub fn normalize(graph: &Graph) -> Graph {
    let passes = [
        identity::remove,
        to_global_pool::recognize,
        flatten::recognize,
        to_gemm::recognize,
        fold_batchnorm::fold,
        dead::remove,
    ];
    passes.iter().fold(graph.clone(), |graph, pass| pass(&graph))
}

/// [`normalize`], then [`supported`]: what every stage after reading a file starts from.
///
/// # Errors
/// All the nodes that are not supported, at once.
pub fn run(graph: Graph) -> Result<Graph, Unsupported> {
    let graph = normalize(&graph);
    supported(&graph).map(|()| graph)
}

/// Nodes that the road cannot carry, all of them.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "{} of the graph's nodes are not supported: {}. Rewrite these layers, or leave them to the code around the network",
    nodes.len(), nodes.join("; ")
)]
pub struct Unsupported {
    /// Each node's name, operator, attributes, and the nearest thing that works.
    pub nodes: Vec<String>,
}

/// Whether every node of a float or QDQ graph is understood.
///
/// # Errors
/// All the nodes that are not, at once.
pub fn supported(graph: &Graph) -> Result<(), Unsupported> {
    let nodes: Vec<String> = graph.nodes.iter().filter_map(|node| complaint(graph, node)).collect();
    if nodes.is_empty() { Ok(()) } else { Err(Unsupported { nodes }) }
}

fn complaint(graph: &Graph, node: &Node) -> Option<String> {
    match &node.op {
        Op::Other { op_type, attributes } => {
            let attributes: Vec<String> =
                attributes.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
            Some(format!(
                "`{}` ({op_type}{}{}): {}",
                node.name,
                if attributes.is_empty() { "" } else { " with " },
                attributes.join(", "),
                nearest(op_type)
            ))
        }
        Op::Conv { .. } | Op::Gemm { .. } | Op::MatMul if !constant_weights(graph, node) => Some(format!(
            "`{}` ({}): its weights are computed, and constant ones are expected",
            node.name,
            node.op.name()
        )),
        _ => None,
    }
}

/// Weights that are a constant, or a constant behind DequantizeLinear.
fn constant_weights(graph: &Graph, node: &Node) -> bool {
    let Some(weights) = node.input(1) else { return false };
    let behind = || graph.producer(weights).map(|i| &graph.nodes[i]);
    let dequantized = |n: &Node| matches!(n.op, Op::Dequantize { .. }) && graph.constant(n, 0).is_some();
    graph.initializers.contains_key(weights) || behind().is_some_and(dequantized)
}

/// What to use instead of an operator.
fn nearest(op_type: &str) -> &'static str {
    match op_type {
        "Conv" | "MaxPool" | "AveragePool" => "expected two spatial dimensions, explicit pads, ceil_mode = 0",
        "Gemm" => "expected alpha = beta = 1 and transA = 0",
        "BatchNormalization" => "expected the inference form (training_mode = 0)",
        "Clip" => "expected constant bounds",
        "Sigmoid" | "Tanh" | "LeakyRelu" | "HardSwish" | "HardSigmoid" | "Elu" | "Gelu" | "PRelu" | "Erf" => {
            "use Relu, or Clip for ReLU6"
        }
        "Mul" | "Sub" | "Div" => "fold constant factors into the layer before; sums of two values are Add",
        "ReduceMean" => "use GlobalAveragePool, or a mean over height and width",
        "Concat" => "use Add, or one wider convolution",
        "Resize" | "Upsample" | "ConvTranspose" => "the road is for classifiers: end the network before it",
        _ => "no near form is supported",
    }
}

/// Drops the constants that nothing reads.
pub(crate) fn prune_initializers(graph: &mut Graph) {
    let read: std::collections::HashSet<String> = graph.nodes.iter().flat_map(|n| n.inputs.clone()).collect();
    let outputs: Vec<String> = graph.outputs.iter().map(|o| o.name.clone()).collect();
    graph.initializers.retain(|name, _| read.contains(name) || outputs.contains(name));
}

/// Makes every reader of `from` read `to`.
pub(crate) fn redirect(graph: &mut Graph, from: &str, to: &str) {
    for input in graph.nodes.iter_mut().flat_map(|n| &mut n.inputs).filter(|i| *i == from) {
        *input = to.into();
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Small graphs for the passes' tests.

    use crate::graph::{DType, Dim, Graph, Node, Op, Tensor, ValueInfo};

    /// A node with one output, called after it.
    pub fn node(name: &str, op: Op, inputs: &[&str]) -> Node {
        let inputs = inputs.iter().map(|i| i.to_string()).collect();
        Node { name: name.into(), op, inputs, outputs: vec![format!("{name}.out")] }
    }

    /// An operator without a variant or attributes.
    pub fn other(op_type: &str) -> Op {
        Op::Other { op_type: op_type.into(), attributes: Default::default() }
    }

    /// A graph from `x` of N × `dims` to the last node's output.
    pub fn graph(dims: &[usize], nodes: Vec<Node>, constants: &[(&str, Tensor)]) -> Graph {
        let shape = [Dim::Symbol("batch".into())].into_iter().chain(dims.iter().map(|&d| Dim::Fixed(d)));
        let input = ValueInfo { name: "x".into(), dtype: DType::F32, shape: shape.collect() };
        let mut graph = Graph { name: "test".into(), inputs: vec![input.clone()], nodes, ..Graph::default() };
        graph.initializers = constants.iter().map(|(name, t)| (name.to_string(), t.clone())).collect();
        let last = graph.nodes[graph.nodes.len() - 1].outputs[0].clone();
        let info = crate::graph::shape::infer(&graph).ok().and_then(|s| s.get(&last).cloned());
        graph.outputs = vec![info.unwrap_or(ValueInfo { name: last, ..input })];
        graph
    }

    /// Names and operators, in order.
    pub fn listing(graph: &Graph) -> Vec<(&str, &str)> {
        graph.nodes.iter().map(|n| (n.name.as_str(), n.op.name())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{graph, node, other};
    use super::*;

    #[test]
    fn all_unsupported_nodes_are_listed_at_once() {
        let nodes = vec![
            node("a", other("Resize"), &["x"]),
            node("b", Op::Relu, &["a.out"]),
            node("c", other("com.microsoft.FusedConv"), &["b.out"]),
            node("d", Op::MatMul, &["c.out", "b.out"]),
        ];
        let error = supported(&graph(&[4], nodes, &[])).unwrap_err();
        assert_eq!(error.nodes.len(), 3);
        assert!(error.nodes[0].starts_with("`a` (Resize): the road"), "{error}");
        assert!(error.nodes[1].starts_with("`c` (com.microsoft.FusedConv)"), "{error}");
        assert!(error.nodes[2].starts_with("`d` (MatMul): its weights"), "{error}");
    }

    #[test]
    fn the_order_lets_one_pass_work_for_the_next() {
        // A Dropout between convolution and BatchNormalization hides the pair until it is gone.
        let window = crate::graph::Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        let one = crate::graph::Tensor::f32(&[1], vec![1.0]);
        let nodes = vec![
            node("conv", Op::Conv { window, groups: 1 }, &["x", "w"]),
            node("dropout", other("Dropout"), &["conv.out"]),
            node("norm", Op::BatchNorm { epsilon: 0.0 }, &["dropout.out", "g", "b", "m", "v"]),
        ];
        let w = crate::graph::Tensor::f32(&[1, 1, 1, 1], vec![2.0]);
        let constants = [("w", w), ("g", one.clone()), ("b", one.clone()), ("m", one.clone()), ("v", one)];
        let normal = normalize(&graph(&[1, 2, 2], nodes, &constants));
        assert_eq!(testing::listing(&normal), [("conv", "Conv")]);
        assert_eq!(normal.nodes[0].outputs, ["norm.out"]);
    }
}

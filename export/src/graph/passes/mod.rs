//! Rewrites that make a graph smaller without changing what it computes: one a file.
//!
//! Most are rules that see one node and all before it ([`rewriter`]); [`normalize`] offers every node to all of them, so that one works for the next.
//! [`supported`](supported()) then lists every node that is still not understood.

mod affine;
mod arrays;
mod bounds;
pub mod compose;
mod concat;
mod constants;
pub(crate) mod dead;
pub mod fuse_activation;
pub mod gemm;
mod identity;
mod lift;
pub mod names;
mod pad;
mod reduce;
mod reshape;
mod resize;
mod rewriter;
mod scikit;
mod select;
mod shuffle;
mod sink;
mod softmax;
mod supported;
mod transpose;
mod window;

use super::{Dim, Graph, shape};
pub(crate) use arrays::transpose as transpose_constant;
use rewriter::{Rule, rewrite_of_batch};
use std::collections::BTreeMap;
pub use supported::{Unsupported, supported};

/// What can be known before anything else, so that spelled-out activations show their constants.
const KNOWN: [Rule; 3] = [identity::remove, constants::fold, bounds::into_clip];

/// Towards the fewest forms.
const FORMS: [Rule; 34] = [
    identity::remove,
    constants::fold,
    bounds::into_clip,
    bounds::prelu,
    bounds::of_several,
    bounds::larger_or_smaller,
    scikit::scaler,
    concat::from_front,
    softmax::from_flattening,
    softmax::behind_flatten,
    reshape::recognize,
    lift::share_reshape,
    lift::declare_input,
    lift::declare_turned_input,
    pad::simplify,
    pad::behind_move,
    transpose::simplify,
    shuffle::recognize,
    sink::sink,
    sink::pool_before_reshape,
    resize::recognize,
    lift::lift,
    window::resolve,
    select::slice,
    select::split,
    select::absorb,
    lift::upright,
    pad::absorb,
    reduce::into_pool,
    gemm::from_matmul,
    gemm::plain_form,
    gemm::absorb_bias,
    gemm::absorb_transpose,
    affine::fold,
];

/// What is known only when everything has moved to its place: which inputs over one dimension no Transpose turns, and which arithmetic with
/// constants no layer before it takes.
const PLACED: [Rule; 4] = [lift::lift_at_input, affine::collect, affine::absorb, affine::difference];

/// What no layer took.
const LEFT: [Rule; 4] =
    [pad::into_copy, affine::into_depthwise, transpose::leave_off_the_output, reshape::leave_off_the_output];

/// Metadata of an input or output that had its channels last in the file.
const CHANNELS_LAST: &str = "channels first here; the imported file has them last";
/// Metadata of an input or output whose axes were in some other order in the file.
const OTHER_ORDER: &str = "channels first here; the axes of the imported file are in another order";
/// Metadata of an input or output that had other dimensions in the file.
const SAME_ORDER: &str = "other dimensions here than in the imported file; the values are in the same order";

/// Key of the metadata that says how an input or output was declared in the file that was imported.
fn layout_key(value: &str) -> String {
    format!("{value}.layout")
}

/// Whether a graph's metadata says of an input or output that the file that was imported has its channels last.
pub fn had_channels_last(metadata: &BTreeMap<String, String>, value: &str) -> bool {
    metadata.get(&layout_key(value)).is_some_and(|note| note == CHANNELS_LAST)
}

/// Whether it says that the axes were in an order that cannot be told.
pub fn had_other_order(metadata: &BTreeMap<String, String>, value: &str) -> bool {
    metadata.get(&layout_key(value)).is_some_and(|note| note == OTHER_ORDER)
}

/// The graph without what its metadata says of files that it was imported from.
pub fn as_imported(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for end in graph.inputs.iter().chain(&graph.outputs) {
        graph.metadata.remove(&layout_key(&end.name));
    }
    graph
}

/// What a batch is called that a file had fixed.
const BATCH: &str = "batch";

/// The graph in the fewest forms: two-dimensional windows with everything written out, one kind of linear layer, one of flattening, constants computed,
/// normalization and arithmetic with constants in the layers' weights, nothing that nobody reads. Any batch, where the file allows it.
pub fn normalize(graph: &Graph) -> Graph {
    let graph = &scikit::without_labels(graph);
    let fixed = match graph.inputs.first().and_then(|input| input.shape.first()) {
        Some(Dim::Fixed(batch)) => Some(*batch),
        _ => None,
    };
    if let Some(batch) = fixed {
        let freed = forms(&with_batch(graph), Some(batch));
        let is_whole = shape::infer(&freed).is_ok() && freed.outputs.iter().all(|o| o.shape.first() == Some(&symbol()));
        if is_whole {
            return freed;
        }
    }
    forms(graph, None)
}

fn symbol() -> Dim {
    Dim::Symbol(BATCH.into())
}

/// The graph with any number of samples going in.
fn with_batch(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for value in graph.inputs.iter_mut().chain(&mut graph.outputs) {
        value.shape.first_mut().into_iter().for_each(|dim| *dim = symbol());
    }
    graph
}

fn forms(graph: &Graph, file_batch: Option<usize>) -> Graph {
    let known = rewrite_of_batch(&dead::remove(graph), &KNOWN, file_batch);
    let formed = rewrite_of_batch(&compose::compose(&fuse_activation::fuse(&known)), &FORMS, file_batch);
    // Once more for what is behind layers that had no shape before, such as those over one dimension.
    let placed = rewrite_of_batch(&compose::compose(&formed), &[FORMS.as_slice(), &PLACED].concat(), file_batch);
    dead::remove(&rewrite_of_batch(&placed, &LEFT, file_batch))
}

/// [`normalize`], then [`supported`]: what every stage after reading a file starts from.
///
/// # Errors
/// All the nodes that are not supported, at once.
pub fn run(graph: Graph) -> Result<Graph, Unsupported> {
    let graph = normalize(&graph);
    supported(&graph).map(|()| graph)
}

/// Drops the constants that nothing reads.
pub(crate) fn prune_initializers(graph: &mut Graph) {
    let read: std::collections::HashSet<String> = graph.nodes.iter().flat_map(|n| n.inputs.clone()).collect();
    let outputs: Vec<String> = graph.outputs.iter().map(|o| o.name.clone()).collect();
    graph.initializers.retain(|name, _| read.contains(name) || outputs.contains(name));
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
    use crate::graph::{Node, Op};

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

    /// A normalization over C×L that no layer takes is lifted, and stays so where others read what is before it.
    #[test]
    fn what_is_lifted_does_not_sink_again() {
        let constants = ["g", "b", "m", "v"].map(|name| (name, crate::graph::Tensor::f32(&[3], vec![2.0; 3])));
        let constants = [&constants[..], &[("w", crate::graph::Tensor::f32(&[3, 3, 1], vec![1.0; 9]))]].concat();
        let network = |first: Op, inputs: &[&str]| {
            let nodes = vec![
                node("first", first, inputs),
                node("relu", Op::Relu, &["first.out"]),
                node("norm", Op::BatchNorm { epsilon: 0.0 }, &["relu.out", "g", "b", "m", "v"]),
                node("sum", Op::Add, &["norm.out", "relu.out"]),
            ];
            normalize(&graph(&[3, 8], nodes, &constants))
        };
        let convolutional = network(other("Conv"), &["x", "w"]);
        let expected = [("first", "Conv"), ("relu", "Relu"), ("norm", "Conv"), ("sum", "Add")];
        assert_eq!(testing::listing(&convolutional), expected);
        assert_eq!(network(Op::Softmax { axis: 2 }, &["x"]).nodes.len(), 6, "with a Reshape before it and one behind");
    }

    /// Arithmetic at an input of C×L, channels first or last, goes into the first layer.
    #[test]
    fn one_dimension_behind_arithmetic() {
        let three = |dims: &[usize]| crate::graph::Tensor::f32(dims, vec![2.0, 3.0, 4.0]);
        let w = crate::graph::Tensor::f32(&[4, 3, 3], vec![1.0; 36]);
        let perm = [("perm".to_string(), crate::graph::Attribute::Ints(vec![0, 2, 1]))].into();
        let turn = node("turn", Op::Other { op_type: "Transpose".into(), attributes: perm }, &["scale.out"]);
        for (input, factors, turn) in [([3, 8], three(&[3, 1]), None), ([8, 3], three(&[3]), Some(turn))] {
            let before_conv = if turn.is_some() { "turn.out" } else { "scale.out" };
            let first = [Some(node("scale", Op::Mul, &["x", "c"])), turn].into_iter().flatten();
            let rest = [
                node("conv", other("Conv"), &[before_conv, "w"]),
                node("mean", Op::GlobalAveragePool, &["conv.out"]),
                node("flat", Op::Flatten { axis: 1 }, &["mean.out"]),
            ];
            let nodes: Vec<Node> = first.chain(rest).collect();
            let normal = normalize(&graph(&input, nodes, &[("c", factors), ("w", w.clone())]));
            let expected = [("conv", "Conv"), ("mean", "GlobalAveragePool"), ("flat", "Flatten")];
            assert_eq!(testing::listing(&normal), expected, "{input:?}");
            assert_eq!(shape::display(&normal.inputs[0].shape), "batch×3×8×1", "{input:?}");
            let weights = normal.initializers[&normal.nodes[0].inputs[1]].as_f32().unwrap();
            assert_eq!(weights[..9], [2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0], "{input:?}");
        }
    }

    /// So is a mean over the length, kept or dropped.
    #[test]
    fn a_reduction_that_is_lifted_stays() {
        for (op_type, keepdims, last) in
            [("ReduceMean", 0, "Flatten"), ("ReduceMean", 1, "Reshape"), ("ReduceMax", 0, "Flatten")]
        {
            let attributes = [("keepdims".to_string(), crate::graph::Attribute::Int(keepdims))].into();
            let reduce = Op::Other { op_type: op_type.into(), attributes };
            let nodes =
                vec![node("soft", Op::Softmax { axis: 2 }, &["x"]), node("mean", reduce, &["soft.out", "axes"])];
            let axes = crate::graph::Tensor::i64(&[1], vec![2]);
            let normal = normalize(&graph(&[4, 11], nodes, &[("axes", axes)]));
            let names: Vec<&str> = normal.nodes.iter().map(|node| node.op.name()).collect();
            let pool = if op_type == "ReduceMax" { "MaxPool" } else { "GlobalAveragePool" };
            assert_eq!(names, ["Softmax", "Reshape", pool, last], "{op_type} {keepdims}");
        }
    }
}

//! Graph → bytes: the same bytes for the same graph.

use std::f32::consts::SQRT_2;

use prost::Message;

use super::attributes::write_attribute;
use super::operators::write_op;
use super::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, ValueInfoProto,
};
use super::tensors::{write_tensor, write_value_info};
use super::{IR_WRITTEN, OPSET_WRITTEN};
use crate::graph::formula::{Formula, Operand};
use crate::graph::{Activation, Graph, Node, Op, Tensor, shape};

/// Metadata key whose value is also the file's doc_string.
pub const DESCRIPTION: &str = "description";

/// The graph as an ONNX model of operator set [`OPSET_WRITTEN`].
///
/// Deterministic: constants and metadata in order of their names. Types of values in between are written where
/// [`shape::infer`] finds them all.
pub fn to_bytes(graph: &Graph) -> Vec<u8> {
    let model = ModelProto {
        ir_version: IR_WRITTEN,
        producer_name: env!("CARGO_PKG_NAME").into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        doc_string: graph.metadata.get(DESCRIPTION).cloned().unwrap_or_default(),
        graph: Some(write_graph(graph)),
        opset_import: opsets(graph),
        metadata_props: graph.metadata.iter().map(entry).collect(),
        functions: Vec::new(),
    };
    model.encode_to_vec()
}

fn entry((key, value): (&String, &String)) -> StringStringEntryProto {
    StringStringEntryProto { key: key.clone(), value: value.clone() }
}

/// ONNX's own set, and version 1 of every domain that a node names.
fn opsets(graph: &Graph) -> Vec<OperatorSetIdProto> {
    let domains: std::collections::BTreeSet<_> = graph.nodes.iter().map(|n| split_domain(n.op.name()).0).collect();
    let version = |domain: &str| if domain.is_empty() { OPSET_WRITTEN } else { 1 };
    let own = [""].into_iter().chain(domains.into_iter().filter(|d| !d.is_empty()));
    own.map(|domain| OperatorSetIdProto { domain: domain.into(), version: version(domain) }).collect()
}

/// `com.microsoft.QLinearAdd` → (`com.microsoft`, `QLinearAdd`).
fn split_domain(op_type: &str) -> (&str, &str) {
    op_type.rsplit_once('.').unwrap_or(("", op_type))
}

fn write_graph(graph: &Graph) -> GraphProto {
    let mut initializer: Vec<TensorProto> = graph.initializers.iter().map(|(name, t)| write_tensor(t, name)).collect();
    initializer.extend(graph.nodes.iter().flat_map(|node| clip_bounds(node).into_iter().chain(scales(node))));
    let (nodes, constants): (Vec<_>, Vec<_>) = graph.nodes.iter().map(spelled_out).unzip();
    initializer.extend(constants.into_iter().flatten());
    GraphProto {
        node: nodes.into_iter().flatten().collect(),
        name: graph.name.clone(),
        initializer,
        input: graph.inputs.iter().map(write_value_info).collect(),
        output: graph.outputs.iter().map(write_value_info).collect(),
        value_info: value_info(graph),
        ..GraphProto::default()
    }
}

fn value_info(graph: &Graph) -> Vec<ValueInfoProto> {
    let Ok(shapes) = shape::infer(graph) else { return Vec::new() };
    let made = graph.nodes.iter().flat_map(|n| &n.outputs).filter(|v| !graph.is_output(v));
    made.filter_map(|v| shapes.get(v)).map(write_value_info).collect()
}

fn write_node(node: &Node) -> NodeProto {
    let (domain, op_type) = split_domain(node.op.name());
    let bounds = clip_bounds(node);
    let mut input = node.inputs.clone();
    if let Op::Clip { min, .. } = node.op {
        let absent = (min == f32::NEG_INFINITY && !bounds.is_empty()).then(String::new);
        input.extend(absent);
    }
    input.extend(bounds.into_iter().map(|b| b.name));
    if let Some(scales) = scales(node) {
        input.extend([String::new(), scales.name]);
    }
    NodeProto {
        input,
        output: node.outputs.clone(),
        name: node.name.clone(),
        op_type: op_type.into(),
        domain: domain.into(),
        attribute: write_op(&node.op).iter().map(|(name, value)| write_attribute(name, value)).collect(),
    }
}

/// A node as opset 18 spells it: most as one, some activations as several, with their constants. The last one has the node's name and
/// output, and [`fuse_activation`](crate::graph::passes::fuse_activation) and [`compose`](crate::graph::passes::compose) make them one again.
fn spelled_out(node: &Node) -> (Vec<NodeProto>, Vec<TensorProto>) {
    let (Some(x), Some(y)) = (node.inputs.first(), node.outputs.first()) else {
        return (vec![write_node(node)], Vec::new());
    };
    let part = |suffix: &str, op: Op, inputs: &[&str]| {
        let inputs = inputs.iter().map(|i| i.to_string()).collect();
        let (name, outputs) = (format!("{}.{suffix}", node.name), vec![format!("{y}.{suffix}")]);
        write_node(&Node { name, op, inputs, outputs })
    };
    let last = |a: &str, b: &str| write_node(&Node { op: Op::Mul, inputs: vec![a.into(), b.into()], ..node.clone() });
    let other = |op_type: &str| Op::Other { op_type: op_type.into(), attributes: Default::default() };
    let of = |suffix: &str| format!("{y}.{suffix}");
    match &node.op {
        Op::Activation(Activation::Formula(formula)) => steps(node, formula, x, y),
        Op::Activation(Activation::Silu) => {
            (vec![part("sigmoid", Op::Activation(Activation::Sigmoid), &[x]), last(x, &of("sigmoid"))], Vec::new())
        }
        Op::Activation(Activation::Gelu) => {
            let name = |constant: &str| format!("{}.{constant}", node.name);
            let constants = [("root", SQRT_2), ("one", 1.0), ("half", 0.5)]
                .map(|(suffix, value)| write_tensor(&Tensor::f32(&[], vec![value]), &name(suffix)));
            let nodes = vec![
                part("scaled", other("Div"), &[x, &name("root")]),
                part("erf", other("Erf"), &[&of("scaled")]),
                part("double", Op::Add, &[&of("erf"), &name("one")]),
                part("product", Op::Mul, &[x, &of("double")]),
                last(&of("product"), &name("half")),
            ];
            (nodes, constants.to_vec())
        }
        _ => (vec![write_node(node)], Vec::new()),
    }
}

/// A function's steps, each a node with its constants.
fn steps(node: &Node, formula: &Formula, x: &str, y: &str) -> (Vec<NodeProto>, Vec<TensorProto>) {
    let (mut nodes, mut constants) = (Vec::new(), Vec::new());
    let last = formula.steps().len() - 1;
    let made = |index: usize| if index == last { y.to_string() } else { format!("{y}.{index}") };
    for (index, step) in formula.steps().iter().enumerate() {
        let name = if index == last { node.name.clone() } else { format!("{}.{index}", node.name) };
        let mut operand = |(position, operand): (usize, &Operand)| match *operand {
            Operand::X => x.to_string(),
            Operand::Step(earlier) => made(earlier),
            Operand::Constant(value) => {
                let constant = format!("{}.{index}.constant_{position}", node.name);
                constants.push(write_tensor(&Tensor::f32(&[], vec![value]), &constant));
                constant
            }
        };
        let inputs = step.operands.iter().enumerate().map(&mut operand).collect();
        let part = Node { name, op: step.op.clone(), inputs, outputs: vec![made(index)] };
        let (spelled, more) = spelled_out(&part);
        nodes.extend(spelled);
        constants.extend(clip_bounds(&part).into_iter().chain(more));
    }
    (nodes, constants)
}

/// The factors of a Resize as an input called after the node.
fn scales(node: &Node) -> Option<TensorProto> {
    let Op::Resize { factors: [down, across] } = node.op else { return None };
    let scales = Tensor::f32(&[4], vec![1.0, 1.0, down as f32, across as f32]);
    Some(write_tensor(&scales, &format!("{}.scales", node.name)))
}

/// The finite bounds of a Clip as scalars called after the node.
fn clip_bounds(node: &Node) -> Vec<TensorProto> {
    let Op::Clip { min, max } = node.op else { return Vec::new() };
    let bounds = [("min", min), ("max", max)].into_iter().filter(|(_, bound)| bound.is_finite());
    bounds.map(|(key, bound)| write_tensor(&Tensor::f32(&[], vec![bound]), &format!("{}.{key}", node.name))).collect()
}

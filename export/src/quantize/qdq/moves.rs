//! What only moves values from a DequantizeLinear to a QuantizeLinear of the same scale gives the same values: the pair behind it goes where a Transpose
//! is among the moves, or another move follows, so that those meet which cancel, as in a network of floats.

use crate::graph::{Graph, Node, Op, Tensor};
use std::collections::BTreeMap;

/// A float value on the steps of a tensor.
#[derive(Clone)]
struct Moved<'g> {
    scale: &'g Tensor,
    zero_point: Option<&'g Tensor>,
    /// Whether a Transpose is among the moves since its DequantizeLinear.
    is_turned: bool,
}

/// The graph without such pairs.
pub(super) fn unwrap(graph: &Graph) -> Graph {
    if !graph.nodes.iter().any(|node| node.op.other("Transpose").is_some()) {
        return graph.clone();
    }
    let mut walk = Walk { graph, readers: readers(graph), moved: BTreeMap::new(), same: BTreeMap::new() };
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    let mut renamed: BTreeMap<&str, String> = BTreeMap::new();
    for node in &graph.nodes {
        if let Some((made, value)) = walk.known(node) {
            let value = renamed.get(value).cloned().unwrap_or(value.into());
            renamed.insert(made, value);
            continue;
        }
        let inputs = node.inputs.iter().map(|input| renamed.get(input.as_str()).unwrap_or(input).clone()).collect();
        nodes.push(Node { inputs, ..node.clone() });
    }
    Graph { nodes, ..graph.clone() }
}

fn readers(graph: &Graph) -> BTreeMap<&str, Vec<&Node>> {
    let mut readers: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
    for node in &graph.nodes {
        node.inputs.iter().for_each(|input| readers.entry(input).or_default().push(node));
    }
    readers
}

struct Walk<'g> {
    graph: &'g Graph,
    readers: BTreeMap<&'g str, Vec<&'g Node>>,
    /// By float values.
    moved: BTreeMap<&'g str, Moved<'g>>,
    /// By stored values that a QuantizeLinear makes of floats on its own steps: those floats.
    same: BTreeMap<&'g str, &'g str>,
}

impl<'g> Walk<'g> {
    /// What a node makes and the value that is the same, where it is a DequantizeLinear that changes nothing.
    fn known(&mut self, node: &'g Node) -> Option<(&'g str, &'g str)> {
        let (x, made) = (node.input(0)?, node.outputs.first()?.as_str());
        match node.op {
            Op::Dequantize { .. } => {
                let (scale, zero_point) = self.step(node)?;
                let same = self.same.get(x).copied().filter(|value| {
                    let before = &self.moved[value];
                    (before.scale, before.zero_point) == (scale, zero_point) && !self.graph.is_output(made)
                });
                let is_turned = same.is_some_and(|value| self.moved[value].is_turned);
                self.moved.insert(made, Moved { scale, zero_point, is_turned });
                return same.map(|value| (made, value));
            }
            Op::Quantize { .. } => {
                let (scale, zero_point) = self.step(node)?;
                let before = self.moved.get(x)?;
                let is_same = (before.scale, before.zero_point) == (scale, zero_point);
                if is_same && !self.is_dequantized(x) && (before.is_turned || self.moves_on(made)) {
                    self.same.insert(made, x);
                }
            }
            ref op => {
                let before = self.moved.get(x).filter(|_| moves(op))?.clone();
                let is_turned = before.is_turned || op.other("Transpose").is_some();
                for output in &node.outputs {
                    self.moved.insert(output, Moved { is_turned, ..before.clone() });
                }
            }
        }
        None
    }

    /// One scale and its zero point, which may be absent.
    fn step(&self, node: &Node) -> Option<(&'g Tensor, Option<&'g Tensor>)> {
        let constant = |position: usize| self.graph.initializers.get(node.input(position)?);
        let scale = constant(1).filter(|scale| scale.data.len() == 1)?;
        let zero_point = constant(2);
        (zero_point.is_some() || node.input(2).is_none()).then_some((scale, zero_point))
    }

    /// Whether a value comes from a DequantizeLinear with no move in between.
    fn is_dequantized(&self, value: &str) -> bool {
        let maker = self.graph.producer(value).map(|index| &self.graph.nodes[index].op);
        maker.is_some_and(|op| matches!(op, Op::Dequantize { .. }))
    }

    /// Whether all that read a stored value dequantize it and move it on.
    fn moves_on(&self, stored: &str) -> bool {
        let of = |value: &str| self.readers.get(value).map_or(&[][..], Vec::as_slice);
        let moves_it = |node: &&&Node| {
            let made = node.outputs.first().map_or("", String::as_str);
            matches!(node.op, Op::Dequantize { .. })
                && !of(made).is_empty()
                && of(made).iter().all(|next| moves(&next.op))
        };
        !of(stored).is_empty() && of(stored).iter().filter(moves_it).count() == of(stored).len()
    }
}

/// Whether an operator gives some of the values that it takes.
fn moves(op: &Op) -> bool {
    match op {
        Op::Reshape | Op::Flatten { .. } => true,
        Op::Other { op_type, .. } => {
            matches!(
                op_type.as_str(),
                "Identity" | "Reshape" | "Slice" | "Split" | "Squeeze" | "Transpose" | "Unsqueeze"
            )
        }
        _ => false,
    }
}

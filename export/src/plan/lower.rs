//! Nodes → operators in the engine's terms, not packed yet.

use super::{Draft, Network, Place, PlanError, pack};
use crate::graph::Window;
use crate::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, TensorId, Weights};
use infer_nostd::plan::{Kernel, Kind, Operator};
use std::collections::BTreeMap;

/// Operators with their tables, in an order that ends with the network's output.
pub fn lower(graph: &QuantGraph) -> Result<Network, PlanError> {
    let mut places = vec![place(&graph.tensors[graph.input])];
    let mut drafts = Vec::new();
    // Where each of the graph's tensors lives: a reshape lives where its input does.
    let mut homes = BTreeMap::from([(graph.input, 0)]);
    for node in needed(graph) {
        if matches!(node.op, QuantOp::Reshape) {
            reshape(graph, node)?;
            homes.insert(node.output, homes[&node.inputs[0]]);
            continue;
        }
        let mut inputs: Vec<usize> = node.inputs.iter().map(|id| homes[id]).collect();
        let output = &graph.tensors[node.output];
        if matches!(node.op, QuantOp::Mul { .. }) && places[inputs[0]].shape != output.shape {
            inputs.reverse(); // what is spread comes second
        }
        for (inputs, y) in steps(node, &inputs, &places, place(output), drafts.len()) {
            let lowering = Lowering { node, inputs: &inputs, x: &places[inputs[0]], y: y.clone() };
            drafts.push(lowering.draft(inputs.get(1).map(|&id| &places[id]))?);
            places.push(y);
        }
        homes.insert(node.output, drafts.len());
    }
    if drafts.is_empty() || homes.get(&graph.output) != Some(&drafts.len()) {
        return Err(PlanError::NoOperators { output: graph.tensors[graph.output].name.clone() });
    }
    Ok(Network { name: graph.name.clone(), places, drafts })
}

/// The operators that a node takes, each with what it reads and makes: one, but for a row of more than two tensors, which grows by one of them at a time.
/// `made` operators come before.
fn steps(node: &QuantNode, inputs: &[usize], places: &[Place], y: Place, made: usize) -> Vec<(Vec<usize>, Place)> {
    if !matches!(node.op, QuantOp::Concat) || inputs.len() < 3 {
        return vec![(inputs.to_vec(), y)];
    }
    let mut channels = places[inputs[0]].shape[0];
    let step = |(i, &input): (usize, &usize)| {
        channels += places[input].shape[0];
        let [_, height, width] = y.shape;
        let first = if i == 0 { inputs[0] } else { made + i };
        (vec![first, input], Place { shape: [channels, height, width], ..y.clone() })
    };
    inputs[1..].iter().enumerate().map(step).collect()
}

/// The nodes that the output depends on, in order, the one that makes it last.
fn needed(graph: &QuantGraph) -> Vec<&QuantNode> {
    let mut wanted: Vec<TensorId> = vec![graph.output];
    let mut nodes: Vec<&QuantNode> = Vec::new();
    for node in graph.nodes.iter().rev() {
        if wanted.contains(&node.output) {
            wanted.extend(&node.inputs);
            nodes.push(node);
        }
    }
    nodes.reverse();
    nodes
}

/// A reshape costs nothing where order does not change: a vector to a vector, or a map on its way to a dense layer.
fn reshape(graph: &QuantGraph, node: &QuantNode) -> Result<(), PlanError> {
    let shape = graph.tensors[node.inputs[0]].shape;
    let is_vector = shape[1..] == [1, 1];
    let readers = graph.nodes.iter().filter(|n| n.inputs.contains(&node.output));
    let only_dense = readers.clone().all(|n| matches!(n.op, QuantOp::Dense { .. }));
    let to_vector = graph.tensors[node.output].shape[1..] == [1, 1];
    if to_vector && (is_vector || (only_dense && node.output != graph.output)) {
        Ok(())
    } else {
        Err(PlanError::Reshape { node: node.name.clone(), shape })
    }
}

fn place(tensor: &QuantTensor) -> Place {
    Place { name: tensor.name.clone(), shape: tensor.shape, scale: tensor.scale, zero_point: tensor.zero_point }
}

/// A window of one pixel, for operators that have none.
const POINT: Window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };

/// One node on its way.
struct Lowering<'a> {
    node: &'a QuantNode,
    inputs: &'a [usize],
    x: &'a Place,
    y: Place,
}

impl Lowering<'_> {
    fn draft(&self, second: Option<&Place>) -> Result<Draft, PlanError> {
        let (name, x, y) = (&self.node.name, self.x, &self.y);
        match &self.node.op {
            QuantOp::Conv2d { window, groups, weights, clamp } => {
                // Of one channel to one it is both, and kernels of convolutions waste less on it.
                let depthwise = *groups > 1 && *groups == x.shape[0] && *groups == y.shape[0];
                let kind = if depthwise { Kind::Depthwise } else { Kind::Conv2d };
                let table = pack::channel_table(name, x, weights, y)?;
                self.finish(kind, *window, *groups, *clamp, Some(weights), table)
            }
            QuantOp::Dense { weights, clamp } => {
                let table = pack::channel_table(name, x, weights, y)?;
                self.finish(Kind::Dense, POINT, 1, *clamp, Some(weights), table)
            }
            QuantOp::MaxPool { window } => {
                self.keeps_scale()?;
                self.finish(Kind::MaxPool, *window, 1, Clamp::NONE, None, pack::Table::default())
            }
            QuantOp::AveragePool { window, .. } if covers(window, x, y) => {
                let table = pack::mean_table(name, x, y, x.shape[1] * x.shape[2]..=x.shape[1] * x.shape[2])?;
                self.finish(Kind::GlobalAveragePool, POINT, 1, Clamp::NONE, None, table)
            }
            QuantOp::AveragePool { window, count_include_pad } => {
                let taps = window.kernel[0] * window.kernel[1];
                let counts = if *count_include_pad { taps..=taps } else { 1..=taps };
                let table = pack::mean_table(name, x, y, counts)?;
                let mut draft = self.finish(Kind::AveragePool, *window, 1, Clamp::NONE, None, table)?;
                draft.operator.count_include_pad = *count_include_pad;
                Ok(draft)
            }
            QuantOp::Add { clamp } => {
                let table = pack::sum_table(name, x, second.unwrap_or(x), y)?;
                self.finish(Kind::Add, POINT, 1, *clamp, None, table)
            }
            QuantOp::Mul { clamp } => {
                let table = pack::product_table(name, x, second.unwrap_or(x), y)?;
                self.finish(Kind::Mul, POINT, 1, *clamp, None, table)
            }
            QuantOp::Resize { factors } => {
                self.keeps_scale()?;
                let copies = Window { strides: *factors, ..POINT };
                self.finish(Kind::Resize, copies, 1, Clamp::NONE, None, pack::Table::default())
            }
            QuantOp::Requantize { clamp } => {
                let table = pack::requantize_table(name, x, y)?;
                self.finish(Kind::Requantize, POINT, 1, *clamp, None, table)
            }
            QuantOp::Activation { function } => {
                self.finish(Kind::Lookup, POINT, 1, Clamp::NONE, None, pack::lookup_table(function, x, y))
            }
            QuantOp::Concat => match second {
                Some(second) => {
                    let table = pack::concat_table(name, x, second, y)?;
                    self.finish(Kind::Concat, POINT, 1, Clamp::NONE, None, table)
                }
                None => {
                    let table = pack::requantize_table(name, x, y)?;
                    self.finish(Kind::Requantize, POINT, 1, Clamp::NONE, None, table)
                }
            },
            QuantOp::Reshape => unreachable!("a reshape lives where its input does"),
        }
    }

    /// Whether values can be moved as they are stored.
    fn keeps_scale(&self) -> Result<(), PlanError> {
        let is_kept = (self.x.scale, self.x.zero_point) == (self.y.scale, self.y.zero_point);
        if is_kept { Ok(()) } else { Err(PlanError::Rescales { node: self.node.name.clone() }) }
    }

    fn finish(
        &self,
        kind: Kind,
        window: Window,
        groups: usize,
        clamp: Clamp,
        source: Option<&Weights>,
        table: pack::Table,
    ) -> Result<Draft, PlanError> {
        let bytes = |what, values: [usize; 2]| -> Result<[u8; 2], PlanError> {
            Ok([self.narrow(what, values[0])?, self.narrow(what, values[1])?])
        };
        let [top, left, bottom, right] = window.pads;
        let ([top, left], [bottom, right]) = (bytes("padding", [top, left])?, bytes("padding", [bottom, right])?);
        let first: u16 = self.narrow("tensor number", self.inputs[0])?;
        let second = self.narrow("tensor number", *self.inputs.get(1).unwrap_or(&self.inputs[0]))?;
        let operator = Operator {
            kind,
            kernel: Kernel::Portable,
            shift_bits: table.shift_bits,
            count_include_pad: false,
            inputs: [first, second],
            groups: self.narrow("groups", groups)?,
            clamp: [clamp.min, clamp.max],
            window: bytes("kernel", window.kernel)?,
            strides: bytes("stride", window.strides)?,
            pads: [top, left, bottom, right],
            dilations: bytes("dilation", window.dilations)?,
            block: 0,
            advance: 0,
            weights: 0,
            table: 0,
            state: 0,
            reach: 0,
            end: 0,
            blocks: 0,
            shorter: 0,
            rows_each: 0,
            merges: false,
            reserved: 0,
        };
        let (name, source) = (self.node.name.clone(), source.cloned());
        let (fits_24_bits, table) = (table.fits_24_bits, table.words);
        Ok(Draft { name, operator, source, weights: Vec::new(), table, fits_24_bits })
    }

    fn narrow<T: TryFrom<usize> + Limit>(&self, what: &'static str, found: usize) -> Result<T, PlanError> {
        T::try_from(found).map_err(|_| PlanError::TooLarge {
            node: self.node.name.clone(),
            what,
            found,
            limit: T::LIMIT,
        })
    }
}

/// The largest value of a field of the format.
pub trait Limit {
    /// That value.
    const LIMIT: usize;
}

impl Limit for u8 {
    const LIMIT: usize = u8::MAX as usize;
}

impl Limit for u16 {
    const LIMIT: usize = u16::MAX as usize;
}

/// Whether one window takes in the whole map and no padding.
fn covers(window: &Window, x: &Place, y: &Place) -> bool {
    window.kernel == x.shape[1..] && window.dilations == [1, 1] && window.pads == [0; 4] && y.shape[1..] == [1, 1]
}

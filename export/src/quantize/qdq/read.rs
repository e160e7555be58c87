//! QDQ graph → [`QuantGraph`].
//!
//! The nodes are gone through once, in order. A float value is known as an int8 tensor from its DequantizeLinear on; an
//! operator's result waits until a QuantizeLinear says its scale. What lies between an operator and its QuantizeLinear
//! may only be what commutes with rounding: Relu and Clip, which become bounds, and operators that move values or choose
//! among them (MaxPool, Resize, Flatten, Reshape), which then work on the rounded values.

use super::super::{
    Affine, Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, QuantizeError, TensorId,
    activation::Bounds,
    flatten::fold_flattening,
    interface::interface,
    names, operator,
    shape::{self, Shapes},
};
use super::constant_operand::with_constant;
use super::constants::Constants;
use super::float::{complaint, reason_against};
use super::fold::fold_bounds;
use super::value::{Maker, Value, Waiting, commutes};
use super::{bias, gates, moves, narrow, operator_form, pads, tail, turn};
use crate::graph::{Graph, Node, Op, passes};
use std::collections::BTreeMap;

pub(super) type Result<T> = std::result::Result<T, QuantizeError>;

/// Reads a quantized graph of one of the forms that this module describes.
///
/// # Errors
/// [`QuantizeError::Form`] with the node, what the form asks for, and what is there; [`QuantizeError::Float`] with all
/// the operators that work on floats.
pub fn from_graph(graph: &Graph) -> Result<QuantGraph> {
    let graph = &moves::unwrap(&narrow::absorb(&operator_form::to_qdq(graph)));
    let graph = &gates::fuse(&pads::absorb(&bias::absorb(&turn::absorb(graph))));
    let graph = &tail::cut(&passes::normalize(graph));
    let (input, output) = interface(graph)?;
    let mut reader = Reader::new(graph)?;
    reader.values.insert(&input.name, Value::Waiting(Waiting { maker: Maker::Caller, commuting: vec![] }));
    for node in &graph.nodes {
        reader.node(node)?;
    }
    let output = reader.output(output)?;
    let quantized = QuantGraph {
        name: graph.name.clone(),
        tensors: reader.tensors,
        nodes: reader.nodes,
        input: 0,
        output,
        metadata: graph.metadata.clone(),
    };
    Ok(names::distinct(fold_flattening(fold_bounds(quantized))))
}

pub(super) struct Reader<'g> {
    graph: &'g Graph,
    pub constants: Constants<'g>,
    shapes: Shapes,
    /// What is known of each float value.
    values: BTreeMap<&'g str, Value<'g>>,
    /// Tensors by the name of their int8 value; none where it is made of floats.
    stored: BTreeMap<&'g str, Option<TensorId>>,
    pub tensors: Vec<QuantTensor>,
    pub nodes: Vec<QuantNode>,
    /// Tensors with channels twice, by what they were made of.
    pub twice: BTreeMap<TensorId, TensorId>,
    /// Operators that work on floats, each with the reason.
    floats: Vec<String>,
}

impl<'g> Reader<'g> {
    fn new(graph: &'g Graph) -> Result<Self> {
        let constants = Constants { graph };
        let shapes = Shapes::infer(graph).map_err(|error| match floats(constants) {
            nodes if nodes.is_empty() => error,
            nodes => QuantizeError::Float { nodes },
        })?;
        Ok(Self {
            graph,
            constants,
            shapes,
            values: BTreeMap::new(),
            stored: BTreeMap::new(),
            tensors: Vec::new(),
            nodes: Vec::new(),
            twice: BTreeMap::new(),
            floats: Vec::new(),
        })
    }

    fn node(&mut self, node: &'g Node) -> Result<()> {
        let Some(made) = node.outputs.first() else { return Ok(()) };
        if self.constants.is_stored(made) {
            return Ok(());
        }
        match &node.op {
            Op::Quantize { .. } => return self.quantize(node),
            Op::Dequantize { .. } => return self.dequantize(node),
            op => {
                let value = match commutes(op) {
                    true => self.commuting(node)?,
                    false => self.operator(node)?,
                };
                self.values.insert(made, value);
            }
        }
        Ok(())
    }

    /// A QuantizeLinear gives a waiting result its scale, changes a tensor's, or says again what is known.
    fn quantize(&mut self, quantize: &'g Node) -> Result<()> {
        let (real, made) = (quantize.input(0).unwrap_or_default(), quantize.outputs[0].as_str());
        let affine = self.constants.affine(quantize)?;
        let id = match self.values.get(real).cloned() {
            Some(Value::Tensor(id) | Value::Rounded(id)) if self.tensors[id].affine() == affine => {
                self.rename(id, real, made);
                Some(id)
            }
            Some(Value::Tensor(id)) => {
                let op = QuantOp::Requantize { clamp: Clamp::NONE };
                Some(self.push(quantize, op, vec![id], made, affine)?)
            }
            Some(Value::Rounded(_)) => {
                let found = format!("a second one of `{real}` with {affine:?}");
                return Err(QuantizeError::form(&quantize.name, "one scale and zero point for each value", found));
            }
            Some(Value::Waiting(waiting)) => {
                let exact = self.on_its_inputs_grid(&waiting) == Some(affine);
                let id = self.give_scale(waiting, affine, made)?;
                self.values.insert(real, if exact { Value::Tensor(id) } else { Value::Rounded(id) });
                Some(id)
            }
            Some(Value::Float) => None,
            None => {
                let found = format!("`{real}`, which is none");
                return Err(QuantizeError::form(&quantize.name, "a float value to quantize", found));
            }
        };
        self.stored.insert(made, id);
        Ok(())
    }

    fn dequantize(&mut self, dequantize: &'g Node) -> Result<()> {
        let quantized = dequantize.input(0).unwrap_or_default();
        let is_float = matches!(self.values.get(quantized), Some(Value::Float));
        let stored = self.stored.get(quantized).copied().or(is_float.then_some(None));
        let unknown = || {
            let expected = "a value that a QuantizeLinear before it makes";
            QuantizeError::form(&dequantize.name, expected, dequantize.inputs.join(", "))
        };
        let value = match stored.ok_or_else(unknown)? {
            None => Value::Float,
            Some(id) => {
                let (written, found) = (self.tensors[id].affine(), self.constants.affine(dequantize)?);
                if written != found {
                    let (expected, found) = (format!("{written:?}, as quantized"), format!("{found:?}"));
                    return Err(QuantizeError::form(&dequantize.name, expected, found));
                }
                Value::Tensor(id)
            }
        };
        self.values.insert(&dequantize.outputs[0], value);
        Ok(())
    }

    /// An operator that commutes with rounding: at once where its input is known, else together with it.
    fn commuting(&mut self, node: &'g Node) -> Result<Value<'g>> {
        let real = node.input(0).unwrap_or_default();
        if let Some(Value::Waiting(waiting)) = self.values.get(real).cloned()
            && self.is_only_reader(real)
        {
            self.values.remove(real);
            return Ok(Value::Waiting(waiting.then(node)));
        }
        Ok(match (self.operand(real, node)?, Bounds::of(&node.op)) {
            (None, _) => Value::Float,
            // Its QuantizeLinear may set another scale.
            (Some(id), Some(bounds)) => {
                let maker = Maker::Operator { node, inputs: vec![id], bounds };
                Value::Waiting(Waiting { maker, commuting: vec![] })
            }
            (Some(id), None) => Value::Tensor(self.commute(node, id, &node.outputs[0])?),
        })
    }

    /// Emits a commuting operator, whose result has its input's scale.
    fn commute(&mut self, node: &'g Node, input: TensorId, made: &str) -> Result<TensorId> {
        let affine = self.tensors[input].affine();
        let clamp = Bounds::of(&node.op).unwrap_or(Bounds::NONE).clamp(affine);
        let op = self.int8_form(node, &[input], clamp)?;
        self.push(node, op, vec![input], made, affine)
    }

    fn operator(&mut self, node: &'g Node) -> Result<Value<'g>> {
        if let Some(reason) = reason_against(self.constants, node) {
            self.floats.push(reason);
            return Ok(Value::Float);
        }
        let mut inputs = Vec::new();
        for value in node.inputs.iter().filter(|value| !value.is_empty()) {
            if !self.constants.is_stored(value) {
                inputs.push(self.operand(value, node)?);
            }
        }
        let inputs: Option<Vec<TensorId>> = inputs.into_iter().collect();
        Ok(inputs.map_or(Value::Float, |inputs| {
            let maker = Maker::Operator { node, inputs, bounds: Bounds::NONE };
            Value::Waiting(Waiting { maker, commuting: vec![] })
        }))
    }

    /// The tensor that `reader` reads as `real`; where there is none, it works on floats.
    fn operand(&mut self, real: &'g str, reader: &'g Node) -> Result<Option<TensorId>> {
        let reason = match self.values.get(real).cloned() {
            Some(Value::Tensor(id)) => return Ok(Some(id)),
            Some(Value::Float) => return Ok(None),
            Some(Value::Waiting(waiting)) => match self.on_its_inputs_grid(&waiting) {
                Some(affine) => {
                    let id = self.give_scale(waiting, affine, real)?;
                    self.values.insert(real, Value::Tensor(id));
                    return Ok(Some(id));
                }
                None => format!("it reads `{real}`, which is not quantized"),
            },
            Some(Value::Rounded(_)) => format!("it reads `{real}` as it was before its QuantizeLinear"),
            None => format!("it reads `{real}`, which is no activation"),
        };
        self.floats.push(complaint(reader, &reason));
        Ok(None)
    }

    /// The scale of a lone Relu or Clip whose bounds are steps of its input, or of a copy with padding: so is then its every result.
    fn on_its_inputs_grid(&self, waiting: &Waiting) -> Option<Affine> {
        let Maker::Operator { node, inputs, bounds } = &waiting.maker else { return None };
        let affine = self.tensors[inputs[0]].affine();
        let is_step = |bound: f32| bound.is_infinite() || affine.dequantize(affine.quantize(bound)) == bound;
        let chooses = Bounds::of(&node.op).is_some() || self.constants.is_copy(node);
        let on_grid = chooses && is_step(bounds.low) && is_step(bounds.high);
        on_grid.then_some(affine)
    }

    /// Emits a waiting result now that its scale is known.
    fn give_scale(&mut self, waiting: Waiting<'g>, affine: Affine, made: &str) -> Result<TensorId> {
        let Waiting { maker, commuting } = waiting;
        let name = |last: bool, value: &'g str| if last { made.to_string() } else { value.to_string() };
        let mut id = match maker {
            // Under the file's own name: the metadata says by it what the network takes.
            Maker::Caller => self.tensor(&self.graph.inputs[0].name, affine)?,
            Maker::Operator { node, inputs, bounds } => {
                let inputs = self.twice_where_needed(node, inputs)?;
                let op = self.int8_form(node, &inputs, bounds.clamp(affine))?;
                self.push(node, op, inputs, &name(commuting.is_empty(), &node.outputs[0]), affine)?
            }
        };
        for (index, node) in commuting.iter().enumerate() {
            id = self.commute(node, id, &name(index + 1 == commuting.len(), &node.outputs[0]))?;
        }
        Ok(id)
    }

    fn int8_form(&self, node: &'g Node, inputs: &[TensorId], clamp: Clamp) -> Result<QuantOp> {
        let input = &self.tensors[inputs[0]];
        match with_constant(self.constants, node, input, clamp)? {
            Some(op) if self.shapes.of(&node.outputs[0])? == input.shape => Ok(op),
            Some(_) => {
                Err(QuantizeError::form(&node.name, "a constant that does not widen its result", "one that does"))
            }
            None => operator::op(node, input, clamp, |scale| self.weights(node, inputs[0], scale)),
        }
    }

    fn push(
        &mut self,
        node: &Node,
        op: QuantOp,
        inputs: Vec<TensorId>,
        made: &str,
        affine: Affine,
    ) -> Result<TensorId> {
        let shapes: Vec<_> = inputs.iter().map(|&id| self.tensors[id].shape).collect();
        shape::check(node, &op, &shapes, self.shapes.of(made)?)?;
        let output = self.tensor(made, affine)?;
        self.nodes.push(QuantNode { name: node.name.clone(), op, inputs, output });
        Ok(output)
    }

    /// A tensor for the value `made`.
    fn tensor(&mut self, made: &str, Affine { scale, zero_point }: Affine) -> Result<TensorId> {
        let shape = self.shapes.of(made)?;
        self.tensors.push(QuantTensor { name: tensor_name(made).into(), shape, scale, zero_point });
        Ok(self.tensors.len() - 1)
    }

    /// Names a tensor after its int8 value, where it was named after the float one and is not the input.
    fn rename(&mut self, id: TensorId, real: &str, made: &str) {
        if self.tensors[id].name == real && real != self.graph.inputs[0].name {
            self.tensors[id].name = tensor_name(made).into();
        }
    }

    fn is_only_reader(&self, value: &str) -> bool {
        self.graph.readers(value).len() == 1 && !self.graph.is_output(value)
    }

    /// The network's output, once all nodes are read.
    fn output(&mut self, real: &'g str) -> Result<TensorId> {
        let Some(maker) = self.graph.producer(real).map(|index| &self.graph.nodes[index]) else {
            return Err(QuantizeError::interface("its output is its input"));
        };
        if !self.graph.nodes.iter().any(|node| matches!(node.op, Op::Quantize { .. })) {
            let expected = "a quantized network (QuantizeLinear and DequantizeLinear, or QLinear operators)";
            return Err(QuantizeError::form(&self.graph.name, expected, "a float one"));
        }
        let id = match self.values.get(real) {
            Some(Value::Waiting(waiting)) if self.on_its_inputs_grid(waiting).is_none() => {
                self.floats.push(complaint(maker, &format!("its result `{real}` is not quantized")));
                None
            }
            _ => self.operand(real, maker)?,
        };
        match id {
            Some(id) if self.floats.is_empty() => Ok(id),
            _ => Err(QuantizeError::Float { nodes: std::mem::take(&mut self.floats) }),
        }
    }
}

/// The operators without an int8 form wherever they stand.
fn floats(constants: Constants) -> Vec<String> {
    let operators =
        constants.graph.nodes.iter().filter(|n| !matches!(n.op, Op::Quantize { .. } | Op::Dequantize { .. }));
    operators.filter_map(|node| reason_against(constants, node)).collect()
}

/// What a tensor is called: its int8 value, without what quantizers append.
fn tensor_name(value: &str) -> &str {
    let suffixes = [".quantized", "_QuantizeLinear_Output", "_quantized"];
    suffixes.iter().find_map(|suffix| value.strip_suffix(suffix)).unwrap_or(value)
}

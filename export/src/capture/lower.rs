//! burn's record of operations → [`Graph`].
//!
//! What [`Op`] has no words for becomes [`Op::Other`] in ONNX's: any network whose operations ONNX has can leave burn, whether or not it
//! can become int8.

mod advice;
mod base;
mod module;
mod numeric;

use std::collections::BTreeMap;

use burn::backend::DType as BurnDType;
use burn::backend::capture::TensorId;
use burn::backend::ir::{
    ActivationOperationIr, BinaryOpIr, BoolOperationIr, FloatOperationIr, OperationIr, ScalarIr, ScalarOpIr, TensorIr,
    UnaryOpIr,
};
use burn::tensor::TensorData;

use super::{BATCH_SYMBOL, CaptureError, Recorded};
use crate::graph::{Activation, Attribute, DType, Dim, Graph, Node, Op, Tensor, ValueInfo};

/// The graph that `recorded` describes, with names as burn numbers its tensors.
pub(super) fn lower(network: &str, recorded: &Recorded) -> Result<Graph, CaptureError> {
    let mut lowering = Lowering {
        recorded,
        nodes: Vec::new(),
        constants: BTreeMap::new(),
        aliases: BTreeMap::new(),
        unsupported: Vec::new(),
    };
    for operation in &recorded.captured.graph.operations {
        if lowering.operation(operation).is_none() {
            lowering.unsupported.push(advice::describe(operation));
        }
    }
    if !lowering.unsupported.is_empty() {
        return Err(CaptureError::Unsupported { network: network.into(), operations: lowering.unsupported });
    }
    let ends = |ids: &[TensorId]| ids.iter().filter_map(|id| lowering.value_info(*id)).collect::<Vec<_>>();
    let (inputs, outputs) = (ends(&recorded.captured.graph.inputs), ends(&recorded.captured.graph.outputs));
    let Lowering { nodes, constants: initializers, .. } = lowering;
    let mut graph = Graph { name: network.into(), nodes, inputs, outputs, initializers, ..Graph::default() };
    let constants = recorded.captured.values.iter().filter(|(id, _)| !recorded.captured.graph.inputs.contains(id));
    for (id, data) in constants {
        let name = value_name(recorded, *id);
        if !graph.readers(&name).is_empty() && !graph.initializers.contains_key(&name) {
            let tensor = constant(network, &name, data)?;
            graph.initializers.insert(name, tensor);
        }
    }
    Ok(graph)
}

/// A parameter, or a tensor that the forward pass made.
fn constant(network: &str, name: &str, data: &TensorData) -> Result<Tensor, CaptureError> {
    let dims = data.shape().to_vec();
    if let Ok(values) = data.try_to_vec::<f32>() {
        return Ok(Tensor::f32(&dims, values));
    }
    if let Ok(values) = data.try_to_vec::<i64>() {
        return Ok(Tensor::i64(&dims, values));
    }
    if let Ok(values) = data.try_to_vec::<i32>() {
        return Ok(Tensor::i64(&dims, values.into_iter().map(i64::from).collect()));
    }
    let found = format!("{:?}", data.dtype());
    Err(CaptureError::ElementType { network: network.into(), tensor: name.into(), found })
}

fn value_name(recorded: &Recorded, id: TensorId) -> String {
    recorded.paths.get(&id).cloned().unwrap_or_else(|| format!("tensor_{}", id.value()))
}

struct Lowering<'a> {
    recorded: &'a Recorded,
    nodes: Vec<Node>,
    constants: BTreeMap<String, Tensor>,
    /// Tensors that stand for another one.
    aliases: BTreeMap<TensorId, TensorId>,
    unsupported: Vec<String>,
}

impl Lowering<'_> {
    /// Adds the nodes of one operation; none where it has no counterpart.
    fn operation(&mut self, operation: &OperationIr) -> Option<()> {
        match operation {
            OperationIr::Init(_) | OperationIr::Drop(_) => Some(()),
            OperationIr::Module(module) => self.module(module),
            OperationIr::Activation(activation) => self.activation(activation),
            OperationIr::NumericFloat(BurnDType::F32, numeric) => self.numeric(numeric),
            OperationIr::Float(BurnDType::F32, float) => self.float(float),
            OperationIr::Bool(operation) => self.truth(operation),
            OperationIr::BaseFloat(base) => self.base(base),
            _ => None,
        }
    }

    fn activation(&mut self, operation: &ActivationOperationIr) -> Option<()> {
        match operation {
            ActivationOperationIr::Relu(UnaryOpIr { input, out }) => self.node(Op::Relu, &[input], out),
            ActivationOperationIr::Sigmoid(UnaryOpIr { input, out }) => {
                self.node(Op::Activation(Activation::Sigmoid), &[input], out)
            }
            ActivationOperationIr::LeakyRelu(ScalarOpIr { lhs, rhs, out }) => {
                self.node(Op::Activation(Activation::LeakyRelu { alpha: rhs.elem() }), &[lhs], out)
            }
            ActivationOperationIr::HardSigmoid(hard) => {
                let function = Activation::HardSigmoid { alpha: hard.alpha.elem(), beta: hard.beta.elem() };
                self.node(Op::Activation(function), &[&hard.tensor], &hard.out)
            }
            ActivationOperationIr::Gelu(UnaryOpIr { input, out }) => {
                self.node(Op::Activation(Activation::Gelu), &[input], out)
            }
            // ONNX has no LogSigmoid: it is −Softplus(−x).
            ActivationOperationIr::LogSigmoid(UnaryOpIr { input, out }) => {
                self.chain([other("Neg", []), Op::Activation(Activation::Softplus), other("Neg", [])], input, out)
            }
            ActivationOperationIr::PRelu(BinaryOpIr { lhs, rhs, out }) => {
                self.node(other("PRelu", []), &[lhs, rhs], out)
            }
            ActivationOperationIr::LogSoftmax(softmax) => {
                self.node(Op::LogSoftmax { axis: softmax.axis as i64 }, &[&softmax.input], &softmax.out)
            }
            ActivationOperationIr::Softmax(softmax) => {
                self.node(Op::Softmax { axis: softmax.axis as i64 }, &[&softmax.input], &softmax.out)
            }
            _ => None,
        }
    }

    fn float(&mut self, operation: &FloatOperationIr) -> Option<()> {
        match operation {
            FloatOperationIr::Matmul(matmul) => self.node(Op::MatMul, &[&matmul.lhs, &matmul.rhs], &matmul.out),
            FloatOperationIr::Tanh(UnaryOpIr { input, out }) => {
                self.node(Op::Activation(Activation::Tanh), &[input], out)
            }
            FloatOperationIr::Exp(UnaryOpIr { input, out }) => self.other("Exp", [], input, out),
            FloatOperationIr::Log(UnaryOpIr { input, out }) => self.other("Log", [], input, out),
            FloatOperationIr::Log1p(UnaryOpIr { input, out }) => self.log_of_one_more(input, out),
            FloatOperationIr::Erf(UnaryOpIr { input, out }) => self.other("Erf", [], input, out),
            FloatOperationIr::Recip(UnaryOpIr { input, out }) => self.other("Reciprocal", [], input, out),
            FloatOperationIr::PowfScalar(scalar) => self.scalar(other("Pow", []), scalar),
            FloatOperationIr::Sqrt(UnaryOpIr { input, out }) => self.other("Sqrt", [], input, out),
            FloatOperationIr::Sin(UnaryOpIr { input, out }) => self.other("Sin", [], input, out),
            FloatOperationIr::Sinh(UnaryOpIr { input, out }) => self.other("Sinh", [], input, out),
            FloatOperationIr::Cos(UnaryOpIr { input, out }) => self.other("Cos", [], input, out),
            FloatOperationIr::Cosh(UnaryOpIr { input, out }) => self.other("Cosh", [], input, out),
            FloatOperationIr::Tan(UnaryOpIr { input, out }) => self.other("Tan", [], input, out),
            FloatOperationIr::ArcSin(UnaryOpIr { input, out }) => self.other("Asin", [], input, out),
            FloatOperationIr::ArcCos(UnaryOpIr { input, out }) => self.other("Acos", [], input, out),
            FloatOperationIr::ArcTan(UnaryOpIr { input, out }) => self.other("Atan", [], input, out),
            FloatOperationIr::Round(UnaryOpIr { input, out }) => self.other("Round", [], input, out),
            FloatOperationIr::Floor(UnaryOpIr { input, out }) => self.other("Floor", [], input, out),
            FloatOperationIr::Ceil(UnaryOpIr { input, out }) => self.other("Ceil", [], input, out),
            _ => None,
        }
    }

    /// What masks are made of; a mask itself is made by a comparison.
    fn truth(&mut self, operation: &BoolOperationIr) -> Option<()> {
        match operation {
            BoolOperationIr::Not(UnaryOpIr { input, out }) => self.other("Not", [], input, out),
            BoolOperationIr::And(BinaryOpIr { lhs, rhs, out }) => self.node(other("And", []), &[lhs, rhs], out),
            BoolOperationIr::Or(BinaryOpIr { lhs, rhs, out }) => self.node(other("Or", []), &[lhs, rhs], out),
            BoolOperationIr::Xor(BinaryOpIr { lhs, rhs, out }) => self.node(other("Xor", []), &[lhs, rhs], out),
            _ => None,
        }
    }

    /// ln(1 + x), which ONNX has in two operators.
    fn log_of_one_more(&mut self, x: &TensorIr, out: &TensorIr) -> Option<()> {
        self.chain([Op::Add, other("Log", [])], x, out)?;
        let add = self.nodes.len().checked_sub(2)?;
        let one = format!("{}_one", self.nodes[add].name);
        self.nodes[add].inputs.push(one.clone());
        self.constants.insert(one, Tensor::f32(&[], vec![1.0]));
        Some(())
    }

    /// Nodes of which each reads the one before.
    fn chain<const N: usize>(&mut self, ops: [Op; N], x: &TensorIr, out: &TensorIr) -> Option<()> {
        let (mut value, last) = (self.name(x), N.checked_sub(1)?);
        for (index, op) in ops.into_iter().enumerate() {
            let name = format!("node_{}", self.nodes.len());
            let output = if index == last { self.name(out) } else { format!("{name}_part") };
            self.nodes.push(Node { name, op, inputs: vec![value], outputs: vec![output.clone()] });
            value = output;
        }
        Some(())
    }

    fn scalar(&mut self, op: Op, scalar: &ScalarOpIr) -> Option<()> {
        let value: f32 = ScalarIr::elem(scalar.rhs);
        self.with_constant(op, &scalar.lhs, Tensor::f32(&[], vec![value]), "scalar", &scalar.out)
    }

    fn other<const N: usize>(
        &mut self,
        op_type: &str,
        attributes: [(&str, Attribute); N],
        x: &TensorIr,
        out: &TensorIr,
    ) -> Option<()> {
        self.node(other(op_type, attributes), &[x], out)
    }

    fn with_constant(&mut self, op: Op, x: &TensorIr, constant: Tensor, role: &str, out: &TensorIr) -> Option<()> {
        self.with_constants(op, x, [(role, constant)], out)
    }

    /// A node of one value and constants after it.
    fn with_constants<const N: usize>(
        &mut self,
        op: Op,
        x: &TensorIr,
        constants: [(&str, Tensor); N],
        out: &TensorIr,
    ) -> Option<()> {
        self.node(op, &[x], out)?;
        let node = self.nodes.last_mut()?;
        for (role, constant) in constants {
            let name = format!("{}_{role}", node.name);
            node.inputs.push(name.clone());
            self.constants.insert(name, constant);
        }
        Some(())
    }

    fn node(&mut self, op: Op, inputs: &[&TensorIr], out: &TensorIr) -> Option<()> {
        let inputs = inputs.iter().map(|input| self.name(input)).collect();
        let output = self.name(out);
        self.nodes.push(Node { name: format!("node_{}", self.nodes.len()), op, inputs, outputs: vec![output] });
        Some(())
    }

    /// What a tensor is called, or the one that it stands for.
    fn name(&self, tensor: &TensorIr) -> String {
        value_name(self.recorded, self.aliases.get(&tensor.id).copied().unwrap_or(tensor.id))
    }

    fn is_parameter(&self, id: TensorId) -> bool {
        let captured = &self.recorded.captured;
        captured.values.contains_key(&id) && !captured.graph.inputs.contains(&id)
    }

    /// Name and shape of a tensor that some operation mentions.
    fn value_info(&self, id: TensorId) -> Option<ValueInfo> {
        let operations = &self.recorded.captured.graph.operations;
        let tensor = operations.iter().flat_map(|o| o.inputs().chain(o.outputs())).find(|t| t.id == id)?;
        let dim = |(axis, &extent): (usize, &usize)| match axis {
            0 => Dim::Symbol(BATCH_SYMBOL.into()),
            _ => Dim::Fixed(extent),
        };
        let shape = tensor.shape.iter().enumerate().map(dim).collect();
        Some(ValueInfo { name: value_name(self.recorded, id), dtype: DType::F32, shape })
    }
}

fn other<'a>(op_type: &str, attributes: impl IntoIterator<Item = (&'a str, Attribute)>) -> Op {
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    Op::Other { op_type: op_type.into(), attributes }
}

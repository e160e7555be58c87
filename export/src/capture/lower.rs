//! burn's record of operations → [`Graph`].

use std::collections::BTreeMap;

use burn::backend::DType as BurnDType;
use burn::backend::capture::TensorId;
use burn::backend::ir::{
    ActivationOperationIr, BaseOperationIr, BinaryOpIr, FloatOperationIr, ModuleOperationIr, NumericOperationIr,
    OperationIr, ReduceDimOpIr, ScalarIr, ScalarOpIr, ShapeOpIr, TensorIr, UnaryOpIr,
};

use super::{BATCH, BATCH_SYMBOL, CaptureError, Recorded};
use crate::graph::{Activation, Attribute, DType, Dim, Graph, Node, Op, Tensor, ValueInfo, Window};

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
            lowering.unsupported.push(describe(operation));
        }
    }
    if !lowering.unsupported.is_empty() {
        return Err(CaptureError::Unsupported { network: network.into(), operations: lowering.unsupported });
    }
    let ends = |ids: &[TensorId]| ids.iter().filter_map(|id| lowering.value_info(*id)).collect::<Vec<_>>();
    let (inputs, outputs) = (ends(&recorded.captured.graph.inputs), ends(&recorded.captured.graph.outputs));
    let Lowering { nodes, constants: initializers, .. } = lowering;
    let mut graph = Graph { name: network.into(), nodes, inputs, outputs, initializers, ..Graph::default() };
    for (name, tensor) in parameters(network, recorded)? {
        if !graph.readers(&name).is_empty() {
            graph.initializers.insert(name, tensor);
        }
    }
    Ok(graph)
}

/// Every constant of the record but the input, by name.
fn parameters(network: &str, recorded: &Recorded) -> Result<Vec<(String, Tensor)>, CaptureError> {
    let constants = recorded.captured.values.iter().filter(|(id, _)| !recorded.captured.graph.inputs.contains(id));
    let read = |(id, data): (&TensorId, &burn::tensor::TensorData)| {
        let tensor = value_name(recorded, *id);
        match data.try_to_vec::<f32>() {
            Ok(values) => Ok((tensor, Tensor::f32(&data.shape().to_vec(), values))),
            Err(_) => {
                let found = format!("{:?}", data.dtype());
                Err(CaptureError::ElementType { network: network.into(), tensor, found })
            }
        }
    };
    constants.map(read).collect()
}

fn value_name(recorded: &Recorded, id: TensorId) -> String {
    recorded.paths.get(&id).cloned().unwrap_or_else(|| format!("tensor_{}", id.value()))
}

/// An operation for an error message: its kind, and the shapes it reads and makes.
fn describe(operation: &OperationIr) -> String {
    let debug = format!("{operation:?}");
    let kind: Vec<&str> = debug.split(['(', ' ', '{']).filter(|w| !w.is_empty()).take(3).collect();
    let shapes =
        |tensors: Vec<&TensorIr>| tensors.iter().map(|t| format!("{:?}", &t.shape[..])).collect::<Vec<_>>().join(", ");
    format!(
        "{} of {} → {}",
        kind.join(" "),
        shapes(operation.inputs().collect()),
        shapes(operation.outputs().collect())
    )
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
            OperationIr::BaseFloat(base) => self.base(base),
            _ => None,
        }
    }

    fn module(&mut self, operation: &ModuleOperationIr) -> Option<()> {
        match operation {
            ModuleOperationIr::Conv2d(conv) => {
                let [top_bottom, left_right] = conv.options.padding;
                let window = Window {
                    kernel: [conv.weight.shape[2], conv.weight.shape[3]],
                    strides: conv.options.stride,
                    dilations: conv.options.dilation,
                    pads: [top_bottom.0, left_right.0, top_bottom.1, left_right.1],
                };
                let inputs: Vec<_> = [&conv.x, &conv.weight].into_iter().chain(&conv.bias).collect();
                self.node(Op::Conv { window, groups: conv.options.groups }, &inputs, &conv.out)
            }
            ModuleOperationIr::BatchNorm(norm) => {
                let op = Op::BatchNorm { epsilon: norm.epsilon.elem() };
                self.node(op, &[&norm.x, &norm.gamma, &norm.beta, &norm.mean, &norm.variance], &norm.out)
            }
            ModuleOperationIr::MaxPool2d(pool) if !pool.ceil_mode => {
                let window = window(pool.kernel_size, pool.stride, pool.dilation, pool.padding);
                self.node(Op::MaxPool { window }, &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AvgPool2d(pool) if !pool.ceil_mode => {
                let window = window(pool.kernel_size, pool.stride, [1, 1], pool.padding);
                let op = Op::AveragePool { window, count_include_pad: pool.count_include_pad };
                self.node(op, &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AdaptiveAvgPool2d(pool) if pool.output_size == [1, 1] => {
                self.node(Op::GlobalAveragePool, &[&pool.x], &pool.out)
            }
            ModuleOperationIr::Linear(linear) if linear.x.shape.num_dims() == 2 => {
                // burn keeps the weights as [inputs, outputs].
                let inputs: Vec<_> = [&linear.x, &linear.weight].into_iter().chain(&linear.bias).collect();
                self.node(Op::Gemm { transposed: false }, &inputs, &linear.out)
            }
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
            ActivationOperationIr::Softmax(softmax) => {
                self.node(Op::Softmax { axis: softmax.axis as i64 }, &[&softmax.input], &softmax.out)
            }
            _ => None,
        }
    }

    fn numeric(&mut self, operation: &NumericOperationIr) -> Option<()> {
        match operation {
            NumericOperationIr::Add(BinaryOpIr { lhs, rhs, out }) => self.node(Op::Add, &[lhs, rhs], out),
            NumericOperationIr::Sub(binary) => self.binary("Sub", binary),
            NumericOperationIr::Mul(BinaryOpIr { lhs, rhs, out }) => self.node(Op::Mul, &[lhs, rhs], out),
            NumericOperationIr::Div(binary) => self.binary("Div", binary),
            NumericOperationIr::AddScalar(scalar) => self.scalar(Op::Add, scalar),
            NumericOperationIr::SubScalar(scalar) => self.scalar(other("Sub", []), scalar),
            NumericOperationIr::MulScalar(scalar) => self.scalar(Op::Mul, scalar),
            NumericOperationIr::DivScalar(scalar) => self.scalar(other("Div", []), scalar),
            NumericOperationIr::Clamp(clamp) => {
                let op = Op::Clip { min: clamp.min.elem(), max: clamp.max.elem() };
                self.node(op, &[&clamp.tensor], &clamp.out)
            }
            NumericOperationIr::MeanDim(mean) => self.mean(mean),
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
            FloatOperationIr::Sqrt(UnaryOpIr { input, out }) => self.other("Sqrt", [], input, out),
            _ => None,
        }
    }

    fn base(&mut self, operation: &BaseOperationIr) -> Option<()> {
        match operation {
            BaseOperationIr::Reshape(reshape) => self.reshape(reshape),
            BaseOperationIr::Permute(permute) => {
                let axes = permute.axes.iter().map(|&a| a as i64).collect();
                self.other("Transpose", [("perm", Attribute::Ints(axes))], &permute.input, &permute.out)
            }
            BaseOperationIr::Cat(cat) => {
                let inputs: Vec<_> = cat.tensors.iter().collect();
                self.node(Op::Concat { axis: cat.dim as i64 }, &inputs, &cat.out)
            }
            _ => None,
        }
    }

    /// A reshape of each sample: the batch stays the first dimension, or it is refused.
    fn reshape(&mut self, reshape: &ShapeOpIr) -> Option<()> {
        let (from, to) = (&reshape.input.shape, &reshape.out.shape);
        if self.is_parameter(reshape.input.id) && to.ends_with(from) {
            // Leading ones of a bias: operators broadcast without them.
            self.aliases.insert(reshape.out.id, reshape.input.id);
            return Some(());
        }
        if from.first() != Some(&BATCH) || to.first() != Some(&BATCH) {
            return None;
        }
        // 0 copies the batch, whatever it is.
        let target: Vec<i64> = [0].into_iter().chain(to[1..].iter().map(|&d| d as i64)).collect();
        self.with_constant(Op::Reshape, &reshape.input, Tensor::i64(&[target.len()], target), "shape", &reshape.out)
    }

    fn mean(&mut self, mean: &ReduceDimOpIr) -> Option<()> {
        let kept = mean.input.shape.num_dims() == mean.out.shape.num_dims();
        let op = other("ReduceMean", [("keepdims", Attribute::Int(i64::from(kept)))]);
        self.with_constant(op, &mean.input, Tensor::i64(&[1], vec![mean.axis as i64]), "axes", &mean.out)
    }

    fn scalar(&mut self, op: Op, scalar: &ScalarOpIr) -> Option<()> {
        let value: f32 = ScalarIr::elem(scalar.rhs);
        self.with_constant(op, &scalar.lhs, Tensor::f32(&[], vec![value]), "scalar", &scalar.out)
    }

    fn binary(&mut self, op_type: &str, binary: &BinaryOpIr) -> Option<()> {
        self.node(other(op_type, []), &[&binary.lhs, &binary.rhs], &binary.out)
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
        self.node(op, &[x], out)?;
        let node = self.nodes.last_mut()?;
        let name = format!("{}_{role}", node.name);
        node.inputs.push(name.clone());
        self.constants.insert(name, constant);
        Some(())
    }

    fn node(&mut self, op: Op, inputs: &[&TensorIr], out: &TensorIr) -> Option<()> {
        let original = |id: TensorId| self.aliases.get(&id).copied().unwrap_or(id);
        let name = |t: &&TensorIr| value_name(self.recorded, original(t.id));
        let inputs = inputs.iter().map(name).collect();
        let output = name(&out);
        self.nodes.push(Node { name: format!("node_{}", self.nodes.len()), op, inputs, outputs: vec![output] });
        Some(())
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

/// The same padding on both sides.
fn window(kernel: [usize; 2], strides: [usize; 2], dilations: [usize; 2], padding: [usize; 2]) -> Window {
    Window { kernel, strides, dilations, pads: [padding[0], padding[1], padding[0], padding[1]] }
}

fn other<const N: usize>(op_type: &str, attributes: [(&str, Attribute); N]) -> Op {
    let attributes = attributes.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    Op::Other { op_type: op_type.into(), attributes }
}

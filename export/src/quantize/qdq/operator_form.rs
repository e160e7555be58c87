//! Operator form → QDQ form: QLinearConv and its kin, each as a float operator between DequantizeLinear and
//! QuantizeLinear, which is how their definitions read.
//!
//! ```text
//! QLinearAdd(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero)  =  Q(Add(DQ(a), DQ(b)))
//! ```
//!
//! Operators that move bytes as they are (MaxPool, Reshape, …) get the scale of what they read. A network that takes or
//! gives bytes takes and gives floats after this: the reader knows int8 tensors by their QuantizeLinear.

use crate::graph::{Attribute, Attributes, DType, Data, Graph, Node, Op, Tensor, ValueInfo};
use crate::onnx;
use std::collections::{BTreeMap, HashSet};

/// The graph without operators of the operator form, as far as they are known.
pub(super) fn to_qdq(graph: &Graph) -> Graph {
    let mut rewriter = Rewriter { new: graph.clone(), steps: BTreeMap::new(), names: names(graph) };
    rewriter.new.nodes.clear();
    let renamed = rewriter.inputs(graph);
    for node in &graph.nodes {
        let mut node = node.clone();
        for input in &mut node.inputs {
            *input = renamed.get(input).unwrap_or(input).clone();
        }
        rewriter.node(node);
    }
    rewriter.outputs();
    rewriter.new
}

/// Every name of the graph, of values and nodes alike.
fn names(graph: &Graph) -> HashSet<String> {
    let nodes = graph.nodes.iter().flat_map(|node| [&node.outputs[..], std::slice::from_ref(&node.name)].concat());
    let inputs = graph.inputs.iter().map(|input| input.name.clone());
    nodes.chain(inputs).chain(graph.initializers.keys().cloned()).collect()
}

/// The names of a scale and a zero point; the latter may be empty for none.
type Step = [String; 2];

struct Rewriter {
    new: Graph,
    /// Scale and zero point of each stored activation.
    steps: BTreeMap<String, Step>,
    names: HashSet<String>,
}

impl Rewriter {
    /// Quantizes inputs that are bytes; gives the names of those by what they were called.
    fn inputs(&mut self, graph: &Graph) -> BTreeMap<String, String> {
        let mut renamed = BTreeMap::new();
        for (index, input) in graph.inputs.iter().enumerate().filter(|(_, input)| is_byte(input)) {
            if let Some(step) = stated_step(graph, &input.name) {
                self.new.inputs[index].dtype = DType::F32;
                let stored = self.fresh(format!("{}.quantized", input.name));
                self.quantize(&format!("{}.quantize", input.name), &input.name, &step, &stored);
                renamed.insert(input.name.clone(), stored);
            }
        }
        renamed
    }

    /// Dequantizes outputs that are bytes.
    fn outputs(&mut self) {
        for index in 0..self.new.outputs.len() {
            let stored = self.new.outputs[index].name.clone();
            if let Some(step) = self.steps.get(&stored).cloned() {
                let name = self.dequantize(&stored, &step, 0);
                self.new.outputs[index] = ValueInfo { name, dtype: DType::F32, ..self.new.outputs[index].clone() };
            }
        }
    }

    fn node(&mut self, node: Node) {
        match (quantization(&node), form(&self.new, &node)) {
            (Some(op), _) => {
                if let (Op::Quantize { .. }, Some(made)) = (&op, node.outputs.first()) {
                    self.steps.insert(made.clone(), step(&node, [1, 2]));
                }
                self.new.nodes.push(Node { op, ..node });
            }
            (None, Some(form)) => self.expand(node, form),
            (None, None) => match self.moved_step(&node) {
                Some(step) => self.wrap(node, &step),
                None => self.new.nodes.push(node),
            },
        }
    }

    /// The one step of all that an operator reads, where it moves bytes as they are.
    fn moved_step(&self, node: &Node) -> Option<Step> {
        // What other operators read beside their first input says where to, not what.
        let operands = if matches!(node.op, Op::Concat { .. }) { node.inputs.len() } else { 1 };
        let activations = node.inputs.iter().take(operands).filter(|v| !self.new.initializers.contains_key(*v));
        let mut steps = activations.map(|value| self.steps.get(value));
        let first = steps.next()??;
        let pads_zero = || {
            let [value, zero] = [node.input(2)?, &first[1]].map(|name| self.new.initializers.get(name));
            Some(node.op.name() == "Pad" && value?.data == zero?.data)
        };
        let moves = moves(&node.op) || pads_zero() == Some(true);
        (moves && steps.all(|step| step == Some(first))).then(|| first.clone())
    }

    fn wrap(&mut self, mut node: Node, step: &Step) {
        for input in &mut node.inputs {
            if self.steps.contains_key(input) {
                *input = self.dequantize(input, step, 0);
            }
        }
        if node.op.name() == "Pad" {
            // Its value is the zero point: zero, which it is by itself.
            node.inputs.truncate(2);
        }
        self.between(node, step);
    }

    fn expand(&mut self, node: Node, form: Form) {
        let mut inputs = Vec::new();
        for &[value, scale, zero_point] in &form.inputs {
            let step = step(&node, [scale, zero_point]);
            inputs.push(self.dequantize(&node.inputs[value], &step, form.axis));
        }
        if let Some((bias, scales)) = form.bias {
            let name = self.fresh(format!("{}.scale", node.inputs[bias]));
            self.new.initializers.insert(name.clone(), scales);
            inputs.push(self.dequantize(&node.inputs[bias], &[name, String::new()], 0));
        }
        let made = form.output.map(|output| step(&node, output));
        let node = Node { op: form.op, inputs, ..node };
        match made {
            Some(step) => self.between(node, &step),
            None => self.new.nodes.push(node),
        }
    }

    /// A float operator whose result is quantized to what it used to make.
    fn between(&mut self, mut node: Node, step: &Step) {
        let Some(stored) = node.outputs.first().cloned() else { return };
        node.outputs = vec![self.fresh(format!("{stored}.float"))];
        let (name, real) = (format!("{}.quantize", node.name), node.outputs[0].clone());
        self.new.nodes.push(node);
        self.quantize(&name, &real, step, &stored);
    }

    fn quantize(&mut self, name: &str, real: &str, step: &Step, stored: &str) {
        self.steps.insert(stored.into(), step.clone());
        let name = self.fresh(name.into());
        self.push(name, Op::Quantize { axis: 0 }, real, step, stored.into());
    }

    fn dequantize(&mut self, stored: &str, step: &Step, axis: i64) -> String {
        let name = self.fresh(format!("{stored}.dequantize"));
        let real = self.fresh(format!("{stored}.dequantized"));
        self.push(name, Op::Dequantize { axis }, stored, step, real.clone());
        real
    }

    fn push(&mut self, name: String, op: Op, input: &str, [scale, zero_point]: &Step, output: String) {
        let inputs = [input, scale, zero_point].into_iter().filter(|name| !name.is_empty());
        let inputs = inputs.map(String::from).collect();
        self.new.nodes.push(Node { name, op, inputs, outputs: vec![output] });
    }

    /// `stem`, or `stem_2` and so on where that is taken.
    fn fresh(&mut self, stem: String) -> String {
        let mut candidates = std::iter::once(stem.clone()).chain((2..).map(|i| format!("{stem}_{i}")));
        let name = candidates.find(|name| !self.names.contains(name)).unwrap_or(stem);
        self.names.insert(name.clone());
        name
    }
}

/// Where an operator of the operator form keeps what.
struct Form {
    /// The float operator.
    op: Op,
    /// Positions of value, scale and zero point of each operand.
    inputs: Vec<[usize; 3]>,
    /// Position of the int32 biases, and their scales.
    bias: Option<(usize, Tensor)>,
    /// Positions of the result's scale and zero point; none for a float result.
    output: Option<[usize; 2]>,
    /// The axis of the weights' output channels.
    axis: i64,
}

/// The form of a node, by the definitions of onnx (QLinearConv, QLinearMatMul) and of ONNX Runtime's operators.
fn form(graph: &Graph, node: &Node) -> Option<Form> {
    let Op::Other { op_type, attributes } = &node.op else { return None };
    let weight_dims = node.input(3).and_then(|w| graph.initializers.get(w)).map(|w| w.dims.as_slice());
    let float = |name| onnx::operator(name, attributes, weight_dims);
    let channels_first = !matches!(attributes.get("channels_last"), Some(Attribute::Int(last)) if *last != 0);
    let unary = |op| Form { op, inputs: vec![[0, 1, 2]], bias: None, output: Some([3, 4]), axis: 0 };
    let binary = |op, axis| Form { op, inputs: vec![[0, 1, 2], [3, 4, 5]], bias: None, output: Some([6, 7]), axis };
    let form = match op_type.rsplit('.').next().unwrap_or(op_type) {
        "QLinearConv" => Form { bias: bias(graph, node, 8)?, ..binary(float("Conv"), 0) },
        "QLinearMatMul" => binary(Op::MatMul, 1),
        "QGemm" => {
            let op = float("Gemm");
            let axis = i64::from(op != Op::Gemm { transposed: true });
            let output = node.input(7).map(|_| [7, 8]);
            Form { bias: bias(graph, node, 6)?, output, ..binary(op, axis) }
        }
        "QLinearAdd" => binary(Op::Add, 0),
        "QLinearMul" => binary(Op::Mul, 0),
        "QLinearGlobalAveragePool" if channels_first => unary(Op::GlobalAveragePool),
        "QLinearAveragePool" if channels_first => unary(float("AveragePool")),
        "QLinearSigmoid" => unary(float("Sigmoid")),
        "QLinearLeakyRelu" => unary(float("LeakyRelu")),
        "QLinearSoftmax" => unary(float("Softmax")),
        "QLinearConcat" => {
            let inputs = (2..node.inputs.len()).step_by(3).map(|first| [first, first + 1, first + 2]);
            Form { op: float("Concat"), inputs: inputs.collect(), bias: None, output: Some([0, 1]), axis: 0 }
        }
        _ => return None,
    };
    let positions = form.inputs.iter().flatten().chain(form.output.iter().flatten());
    positions.copied().all(|position| position < node.inputs.len()).then_some(form)
}

/// The biases at `position` and their scales x·w, where there are biases; none where the scales are no constants.
fn bias(graph: &Graph, node: &Node, position: usize) -> Option<Option<(usize, Tensor)>> {
    if node.input(position).is_none() {
        return Some(None);
    }
    let (x, w) = (graph.constant(node, 1)?.as_f32()?, graph.constant(node, 4)?);
    let scales: Vec<f32> = w.as_f32()?.iter().map(|w| x.first().unwrap_or(&f32::NAN) * w).collect();
    Some(Some((position, Tensor { dims: w.dims.clone(), data: Data::F32(scales) })))
}

fn step(node: &Node, [scale, zero_point]: [usize; 2]) -> Step {
    [scale, zero_point].map(|position| node.input(position).unwrap_or_default().to_string())
}

/// QuantizeLinear or DequantizeLinear, of ONNX or of ONNX Runtime's own domain.
fn quantization(node: &Node) -> Option<Op> {
    match &node.op {
        Op::Quantize { .. } | Op::Dequantize { .. } => Some(node.op.clone()),
        Op::Other { op_type, attributes } => {
            let op = onnx::operator(op_type.strip_prefix("com.microsoft.")?, attributes, None);
            matches!(op, Op::Quantize { .. } | Op::Dequantize { .. }).then_some(op)
        }
        _ => None,
    }
}

/// Whether an operator gives the bytes that it takes, or the largest of them, where it stands on bytes.
fn moves(op: &Op) -> bool {
    match op {
        Op::MaxPool { .. } | Op::Resize { .. } | Op::Reshape | Op::Flatten { .. } | Op::Concat { .. } => true,
        Op::Other { op_type, attributes } if op_type == "Resize" || op_type == "Upsample" => {
            Attributes(attributes).text("mode", "nearest") == Some("nearest")
        }
        Op::Other { op_type, .. } => {
            matches!(op_type.as_str(), "Identity" | "Dropout" | "Squeeze" | "Unsqueeze" | "Transpose")
        }
        _ => false,
    }
}

fn is_byte(input: &ValueInfo) -> bool {
    matches!(input.dtype, DType::I8 | DType::U8)
}

/// The scale and zero point that the readers of a stored value state, however far it has been moved.
fn stated_step(graph: &Graph, value: &str) -> Option<Step> {
    let mut moved = HashSet::from([value]);
    for node in &graph.nodes {
        let Some(position) = node.inputs.iter().position(|input| moved.contains(input.as_str())) else { continue };
        if matches!(quantization(node), Some(Op::Dequantize { .. })) {
            return Some(step(node, [1, 2]));
        }
        if let Some(form) = form(graph, node) {
            let operand = form.inputs.iter().find(|operand| operand[0] == position)?;
            return Some(step(node, [operand[1], operand[2]]));
        }
        if moves(&node.op) {
            moved.extend(node.outputs.first().map(String::as_str));
        }
    }
    None
}

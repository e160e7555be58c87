//! What a network has that cannot be carried, all of it at once, each with what to do instead.

use super::arrays::MOST_GROWN;
use crate::graph::formula::is_pointwise;
use crate::graph::shape::{self, Shapes, sample_dims};
use crate::graph::{Attribute, Attributes, BEFORE_OPSET_13, Graph, Node, Op, ValueInfo};

/// What the road cannot carry, all of it.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("{} of the network cannot be carried:{}", things(nodes.len()), lines(nodes))]
pub struct Unsupported {
    /// Each node's name, operator, attributes, and what to do instead; or what is wrong at the network's ends.
    pub nodes: Vec<String>,
}

/// One behind the colon, several each on a line of its own.
fn lines(nodes: &[String]) -> String {
    let before = if nodes.len() == 1 { " " } else { "\n  " };
    nodes.iter().map(|node| format!("{before}{node}")).collect()
}

fn things(count: usize) -> String {
    if count == 1 { "one thing".into() } else { format!("{count} things") }
}

/// Whether every node of a normalized graph is understood, and its ends are one input and one output of fixed size.
///
/// # Errors
/// All that is not, at once.
pub fn supported(graph: &Graph) -> Result<(), Unsupported> {
    let shapes = shape::known(graph);
    let look = Look { graph, shapes: &shapes };
    let mut complaints: Vec<String> = look.ends();
    complaints.extend(
        graph.nodes.iter().filter_map(|node| Some(format!("{}: {}", look.describe(node), look.complaint(node)?))),
    );
    if complaints.is_empty() {
        complaints.extend(shape::infer(graph).err().map(|error| error.to_string()));
    }
    if complaints.is_empty() { Ok(()) } else { Err(Unsupported { nodes: complaints }) }
}

struct Look<'a> {
    graph: &'a Graph,
    shapes: &'a Shapes,
}

impl Look<'_> {
    /// What is wrong with inputs and outputs.
    fn ends(&self) -> Vec<String> {
        let list = |values: &[ValueInfo]| {
            let one = |v: &ValueInfo| format!("`{}` {}", v.name, shape::display(&v.shape));
            values.iter().map(one).collect::<Vec<_>>().join(", ")
        };
        let cut = "cut the network down with onnx.utils.extract_model(file, cut, [input], [output])";
        let mut complaints = Vec::new();
        if self.graph.inputs.len() != 1 {
            complaints.push(format!(
                "expected one input, found {}: {}; {cut}",
                self.graph.inputs.len(),
                list(&self.graph.inputs)
            ));
        }
        if self.graph.outputs.len() != 1 {
            complaints.push(format!(
                "expected one output, found {}: {}; {cut}",
                self.graph.outputs.len(),
                list(&self.graph.outputs)
            ));
        }
        let is_open = |v: &&ValueInfo| v.shape.len() < 2 || sample_dims(v).is_none();
        complaints.extend(self.graph.inputs.iter().filter(is_open).map(|v| {
            format!(
                "input `{}` is {}; expected a batch and then fixed numbers. Export the model with a fixed size, or fix it with `export \
                 normalize FILE --input-shape 3x224x224`",
                v.name,
                shape::display(&v.shape)
            )
        }));
        complaints
    }

    /// A node's name, operator, attributes and the shapes that it reads.
    fn describe(&self, node: &Node) -> String {
        let attributes = match &node.op {
            Op::Other { attributes, .. } => {
                attributes.iter().filter_map(|(name, value)| Some(format!("{name} = {}", show(value)?))).collect()
            }
            Op::Concat { axis } => vec![format!("axis = {axis}")],
            Op::Softmax { axis } | Op::LogSoftmax { axis } | Op::ArgMax { axis, .. } => vec![format!("axis = {axis}")],
            _ => Vec::new(),
        };
        let shapes = node.inputs.iter().filter_map(|i| self.shapes.get(i)).map(|v| shape::display(&v.shape));
        let (shapes, with) = (shapes.collect::<Vec<_>>().join(" and "), attributes.join(", "));
        let part = |word: &str, text: String| if text.is_empty() { text } else { format!(" {word} {text}") };
        format!("`{}` ({}{}{})", node.name, node.op.name(), part("of", shapes), part("with", with))
    }

    fn is_quantized(&self) -> bool {
        self.graph.nodes.iter().any(|node| matches!(node.op, Op::Quantize { .. }))
    }

    /// Whether nothing is known of what a node reads.
    fn is_behind_unknown(&self, node: &Node) -> bool {
        let is_known = |value: &str| self.shapes.contains_key(value) || self.graph.initializers.contains_key(value);
        node.input(0).is_some_and(|value| !is_known(value))
    }

    fn is_constant(&self, value: &str) -> bool {
        value.is_empty() || self.graph.initializers.contains_key(value)
    }

    fn complaint(&self, node: &Node) -> Option<String> {
        // A Softmax may stand before the ArgMax that ends the network.
        let is_last = || match self.graph.readers(node.outputs.first().map_or("", String::as_str))[..] {
            [] => true,
            [reader] => matches!(self.graph.nodes[reader].op, Op::ArgMax { .. }),
            _ => false,
        };
        let is_constant = |position| self.graph.constant(node, position).is_some();
        let sample = |value: &String| sample_dims(self.shapes.get(value)?);
        match &node.op {
            // What it would be in another place cannot be said behind a node without a shape: that one is named.
            Op::Other { .. } if self.is_behind_unknown(node) && may_have_a_form(node) => None,
            Op::Other { op_type, .. } if op_type.starts_with("qonnx.") || op_type.starts_with("onnx.brevitas") => Some(instead(op_type).into()),
            Op::Other { op_type, .. } if !matches!(op_type.as_str(), "If" | "Loop" | "Scan") && !node.inputs.is_empty() && node.inputs.iter().all(|i| self.is_constant(i)) => Some(format!(
                "it computes a constant that is not computed here, or one of more than {MOST_GROWN} values: compute it in the exporter (onnxsim does)"
            )),
            Op::Other { op_type, .. } => Some(instead(op_type).into()),
            Op::Conv { .. } | Op::Gemm { .. } | Op::MatMul if !constant_weights(self.graph, node) => {
                Some("its weights are computed, and constant ones are expected".into())
            }
            Op::MatMul | Op::Gemm { .. } | Op::Add | Op::Mul | Op::BatchNorm { .. } if self.is_behind_unknown(node) => None,
            // Of a quantized network the reader of its form says more.
            _ if self.is_quantized() => None,
            Op::Gemm { .. } if self.graph.constant(node, 2).is_some_and(|bias| bias.dims.len() != 1) => {
                Some("its bias has more than one value an output".into())
            }
            Op::MatMul => Some("expected rows N×K by constant weights K×O".into()),
            Op::Mul if !is_constant(0) && !is_constant(1) => {
                let [a, b] = [0, 1].map(|position| node.inputs.get(position).and_then(sample));
                let (a, b, whole) = (a?, b?, sample(node.outputs.first()?)?);
                let spreads = |dims: &[usize]| dims.len() == whole.len() && dims.iter().zip(&whole).all(|(&from, &to)| from == to || from == 1);
                let fits = (a == whole || b == whole) && spreads(&a) && spreads(&b);
                (!fits).then(|| "one of two activations must have the shape of their product, and the other the same or 1 in place of some of its \
                                 dimensions (a gate C×1×1, a mask 1×H×W)".into())
            }
            Op::Mul | Op::Add if is_constant(0) || is_constant(1) => {
                Some("its constant has other dimensions than one value, or one a channel: make it one a channel, or end the network before it".into())
            }
            Op::BatchNorm { .. } => Some("it stands where no layer can take it: expected N×C, N×C×L or N×C×H×W before it".into()),
            Op::Concat { axis } if *axis != 1 => Some("only channels (axis = 1) can be joined".into()),
            Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::ArgMax { .. } if !is_last() => {
                Some("it can only be the network's last layer (and is left off there): end the network before it".into())
            }
            Op::Reshape | Op::Flatten { .. } => {
                let (from, to) = (sample(node.inputs.first()?)?, sample(node.outputs.first()?)?);
                let is_vector = |dims: &[usize]| dims.iter().skip(1).all(|&d| d == 1);
                let layers = self.graph.readers(&node.outputs[0]);
                let only_dense = layers.iter().all(|&i| matches!(self.graph.nodes[i].op, Op::Gemm { .. } | Op::MatMul));
                let flattens = to.len() == 1 && only_dense && !self.graph.is_output(&node.outputs[0]);
                let fits = is_vector(&to) && is_vector(&from) || flattens;
                let to = to.iter().map(usize::to_string).collect::<Vec<_>>().join("×");
                (!fits).then(|| format!("maps may change shape only on their way into a dense layer, not to {to} here; use a stride, a pool, or a convolution instead"))
            }
            _ => None,
        }
    }
}

/// Whether the passes rewrite a node where they know the shape before it.
fn may_have_a_form(node: &Node) -> bool {
    let Op::Other { op_type, attributes } = &node.op else { return false };
    let interpolates = || Attributes(attributes).text("mode", "nearest").is_none_or(|mode| mode != "nearest");
    match op_type.as_str() {
        "Resize" | "Upsample" => !interpolates(),
        known => HAS_FORMS.contains(&known) || is_pointwise(&node.op, node.inputs.len()),
    }
}

/// Operators that have forms.
const HAS_FORMS: [&str; 20] = [
    "AveragePool",
    "Cast",
    "Clip",
    "Conv",
    "Div",
    "Gather",
    "Gemm",
    "GlobalMaxPool",
    "MaxPool",
    "PRelu",
    "Pad",
    "ReduceMax",
    "ReduceMean",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
];

/// Most numbers of a list that an error shows.
const MOST_SHOWN: usize = 8;

fn show(value: &Attribute) -> Option<String> {
    Some(match value {
        Attribute::Ints(values) if values.len() > MOST_SHOWN => format!("{} numbers", values.len()),
        Attribute::Floats(values) if values.len() > MOST_SHOWN => format!("{} numbers", values.len()),
        Attribute::Int(value) => value.to_string(),
        Attribute::Float(value) => value.to_string(),
        Attribute::Text(value) => value.clone(),
        Attribute::Ints(values) => format!("{values:?}"),
        Attribute::Floats(values) => format!("{values:?}"),
        Attribute::Tensor(_) | Attribute::Unread(_) => return None,
    })
}

/// Weights that are a constant, or a constant behind DequantizeLinear.
fn constant_weights(graph: &Graph, node: &Node) -> bool {
    let Some(weights) = node.input(1) else { return false };
    let behind = || graph.producer(weights).map(|i| &graph.nodes[i]);
    let dequantized = |n: &Node| matches!(n.op, Op::Dequantize { .. }) && graph.constant(n, 0).is_some();
    graph.initializers.contains_key(weights) || behind().is_some_and(dequantized)
}

/// What to do instead of an operator, or of the form of one that no pass understood.
fn instead(op_type: &str) -> &'static str {
    if op_type.ends_with(BEFORE_OPSET_13) {
        return "it spans several dimensions: export again with opset 13 or later";
    }
    if op_type.starts_with("qonnx.") || op_type.starts_with("onnx.brevitas") {
        return "QONNX has operators of its own: export with brevitas.export.export_onnx_qcdq, which writes QuantizeLinear and DequantizeLinear";
    }
    match op_type {
        "ai.onnx.ml.Scaler" => "expected rows N×K, with one offset and scale or K of them",
        "ai.onnx.ml.ZipMap" | "ai.onnx.ml.ArrayFeatureExtractor" => {
            "labels are left off only beside the probabilities that they are found from: convert the classifier with its probabilities"
        }
        "Conv" => "expected one or two spatial dimensions of fixed size and constant weights",
        "MaxPool" => "expected one or two spatial dimensions of fixed size, and no second output",
        "AveragePool" => {
            "expected one or two spatial dimensions of fixed size; dilated means are padded only where padding counts (count_include_pad = 1, \
             ceil_mode = 0)"
        }
        "LpPool" | "GlobalLpPool" | "MaxRoiPool" | "RoiAlign" => "use MaxPool or AveragePool",
        "Gemm" => "expected rows N×K, constant weights, transA = 0",
        "BatchNormalization" => "expected the inference form: export in evaluation mode (model.eval())",
        "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "LpNormalization"
        | "MeanVarianceNormalization"
        | "LRN" => "statistics of the input cannot be folded into weights: train with BatchNormalization",
        "Clip" => "expected constant bounds",
        "Dropout" => "expected inference, with the mask unread: export in evaluation mode (model.eval())",
        "Gelu" => "expected approximate = none or tanh",
        "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" | "And" | "Or" | "Xor" | "Not" => {
            "values can be compared only within a function of one activation and constants: use Max, Min or a product with a gate"
        }
        "PRelu" => "expected one constant slope, or one a channel",
        "Div" => "expected a constant divisor, one value or one a channel",
        "Pow" => "expected a constant exponent of one value, or one function of one activation",
        "Mod" => "no near form is supported: rewrite the layer, or leave it to the code around the network",
        "Max" | "Min" => {
            "expected a constant of one value, which bounds an activation, or two activations of one shape"
        }
        "Sub" | "Sum" | "Mean" => "expected values of one shape, or a constant of one value or one a channel",
        "Pad" => {
            "expected constant zeros by whole rows and columns (mode = constant, no negative pads), or copies of the edge before a MaxPool"
        }
        "Transpose" => "only the channels' place may change, and only up to a dense layer or an end of the network",
        "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => {
            "expected a constant shape that keeps the batch first; check that the input's size is fixed"
        }
        "ReduceMean" | "ReduceMax" => "expected a reduction over height and width (axes 2 and 3)",
        "ReduceSum" | "ReduceMin" | "ReduceL2" | "ReduceProd" => "use a mean or a maximum over height and width",
        "Split" | "Slice" => {
            "parts can be taken of a map's channels: axis 1 of N×C×H×W, constant bounds, steps forward; crop in the code before the network"
        }
        "Gather" | "GatherElements" => {
            "expected constants to pick from: take channels by Slice or Split, or by a 1×1 convolution of ones and zeros"
        }
        "Resize" | "Upsample" => {
            "maps grow to their nearest neighbours by whole factors of up to 255: mode = nearest, scales (or sizes) that are constant and whole, coordinates \
             that repeat each pixel (asymmetric with floor, half_pixel with round_prefer_floor, and their like)"
        }
        "ConvTranspose" | "DepthToSpace" | "MaxUnpool" => {
            "maps grow by Resize to the nearest neighbour (mode = nearest, whole factors) alone: enlarge so, and let a convolution follow"
        }
        "LSTM" | "GRU" | "RNN" | "Scan" | "Loop" | "If" => {
            "there is no state and no control flow: use convolutions over time"
        }
        "Attention" | "Einsum" | "TopK" | "NonMaxSuppression" | "OneHot" | "Where" | "Tile" | "Expand" => {
            "leave it to the code around the network: end the network before it"
        }
        "Cast" => "expected float32 throughout: export the model in float32",
        _ => "no near form is supported: rewrite the layer, or leave it to the code around the network",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, node, other};
    use super::super::window::plain;
    use super::*;
    use crate::graph::{Dim, Tensor};

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
        assert!(error.nodes[0].starts_with("`a` (Resize of batch×4): maps grow to their nearest"), "{error}");
        assert!(error.nodes[1].starts_with("`c` (com.microsoft.FusedConv): no near form"), "{error}");
        assert!(error.nodes[2].starts_with("`d` (MatMul): its weights are computed"), "{error}");
    }

    /// Behind a node without a shape only that is named which no shape would help.
    #[test]
    fn behind_what_has_no_shape() {
        let resize = |mode: &str| {
            let attributes = [("mode".to_string(), Attribute::Text(mode.into()))].into();
            Op::Other { op_type: "Resize".into(), attributes }
        };
        let nodes = vec![
            node("a", other("ConvTranspose"), &["x"]),
            node("b", other("Softsign"), &["a.out"]),
            node("c", resize("linear"), &["b.out"]),
            node("d", resize("nearest"), &["c.out"]),
        ];
        let error = supported(&graph(&[4, 3, 3], nodes, &[])).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines[0], "2 things of the network cannot be carried:");
        assert!(lines[1].starts_with("  `a` (ConvTranspose of batch×4×3×3)"), "{error}");
        assert!(lines[2].starts_with("  `c` (Resize with mode = linear)") && lines.len() == 3, "{error}");
    }

    /// One complaint each, by the words that it must have.
    #[test]
    fn complaints_say_what_to_do() {
        let one = |nodes: Vec<Node>, constants: &[(&str, Tensor)]| {
            let error = supported(&graph(&[4, 3, 3], nodes, constants)).unwrap_err();
            assert_eq!(error.nodes.len(), 1, "{error}");
            error.nodes[0].clone()
        };
        let pixels = ("c", Tensor::f32(&[3, 3], vec![0.0; 9]));
        let mean = Op::AveragePool { window: plain([1, 3]), count_include_pad: false };
        let means = [
            node("m", mean, &["x"]),
            node("n", Op::AveragePool { window: plain([3, 1]), count_include_pad: false }, &["x"]),
        ];
        let gate = one([&means[..], &[node("g", Op::Mul, &["m.out", "n.out"])]].concat(), &[]);
        assert!(
            gate.starts_with("`g` (Mul of batch×4×3×1 and batch×4×1×3): one of two activations must have"),
            "{gate}"
        );
        assert_eq!(
            supported(&graph(&[4, 3, 3], [&means[..1], &[node("g", Op::Mul, &["m.out", "x"])]].concat(), &[])),
            Ok(())
        );
        assert!(one(vec![node("a", Op::Add, &["x", "c"])], &[pixels]).contains("one a channel"));
        assert!(one(vec![node("c", Op::Concat { axis: 2 }, &["x", "x"])], &[]).contains("(axis = 1)"));
        let early = vec![node("s", Op::Softmax { axis: 1 }, &["x"]), node("r", Op::Relu, &["s.out"])];
        assert!(one(early, &[]).contains("last layer"));
        let shape = ("s", Tensor::i64(&[4], vec![0, 2, 6, 3]));
        let between = vec![node("r", Op::Reshape, &["x", "s"]), node("relu", Op::Relu, &["r.out"])];
        assert!(one(between, &[shape]).contains("not to 2×6×3 here"));
    }

    #[test]
    fn the_ends_are_one_of_each_and_fixed() {
        let mut open = graph(&[3, 3, 3], vec![node("r", Op::Relu, &["x"])], &[]);
        open.inputs[0].shape[2] = Dim::Symbol("height".into());
        let error = supported(&open).unwrap_err();
        assert!(error.nodes[0].starts_with("input `x` is batch×3×height×3; expected"), "{error}");
        assert!(error.nodes[0].contains("--input-shape"), "{error}");
        open.outputs.push(open.outputs[0].clone());
        assert!(supported(&open).unwrap_err().nodes[0].starts_with("expected one output, found 2: `r.out`"));
    }
}

//! Bytes → graph: checked once here, trusted afterwards.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use infer_nostd::plan::MAGIC;
use prost::Message;

use super::attributes::read_attributes;
use super::error::{FileError, OnnxError};
use super::external::with_external_data;
use super::operators::{Form, read_op};
use super::proto::{GraphProto, ModelProto, NodeProto, ValueInfoProto};
use super::tensors::{read_tensor, read_value_info};
use super::upgrade::upgrade;
use super::{MAX_FILE_BYTES, MAX_NODES, OPSETS_READ};
use crate::graph::passes::{compose, fuse_activation};
use crate::graph::shape::{self, Shapes};
use crate::graph::{Attribute, Attributes, DType, Graph, Node, Op, Tensor, ValueInfo};

/// Reads an ONNX file, with the weights that it keeps in files beside it.
///
/// # Errors
/// The file cannot be read, is too large, or [`from_bytes`] refuses it; the message begins with the path.
pub fn from_file(path: impl AsRef<Path>) -> Result<Graph, FileError> {
    let path = path.as_ref();
    let open = |cause| FileError::Open { path: path.into(), cause };
    let file = File::open(path).map_err(open)?;
    let len_bytes = file.metadata().map_err(open)?.len();
    if len_bytes > MAX_FILE_BYTES {
        return Err(FileError::TooLarge { path: path.into(), len_bytes });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(open)?;
    let whole = with_external_data(bytes, path.parent().unwrap_or(Path::new("")));
    whole.and_then(|bytes| from_bytes(&bytes)).map_err(|cause| FileError::Invalid { path: path.into(), cause })
}

/// Reads an ONNX model.
///
/// `Constant` nodes become initializers, names are kept, unnamed nodes are called after their first output. Operators
/// without a variant in [`Op`] become [`Op::Other`]. Shapes of values in between are not kept: [`crate::graph::shape`]
/// finds them again.
///
/// # Errors
/// One [`OnnxError`] a cause.
pub fn from_bytes(bytes: &[u8]) -> Result<Graph, OnnxError> {
    let model = decode(bytes)?;
    let opset = opset(&model);
    if !OPSETS_READ.contains(&opset) {
        return Err(OnnxError::Opset { found: opset });
    }
    let proto = model.graph.as_ref().ok_or(OnnxError::NoGraph { len_bytes: bytes.len(), found: "no graph" })?;
    if proto.node.len() > MAX_NODES {
        return Err(OnnxError::TooManyNodes { found: proto.node.len() });
    }
    let mut reader = Reader::new(proto, opset)?;
    proto.node.iter().try_for_each(|node| reader.node(node))?;
    let mut graph = reader.graph;
    let shapes = shape::known(&graph);
    graph.outputs = proto.output.iter().map(|output| read_output(output, &shapes)).collect::<Result<_, _>>()?;
    graph.metadata = model.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect();
    check_outputs(&graph, &reader.made)?;
    drop_bounds_and_factors(&mut graph);
    Ok(compose::compose(&fuse_activation::fuse(&graph)))
}

/// First bytes that no ONNX model has, and what begins with them.
const OTHER_KINDS: [(&[u8], &str); 3] = [
    (
        &MAGIC.to_le_bytes(),
        "a plan. `export run`, `inspect`, `validate` and `bench` read it; what it was made from is an int8 ONNX file",
    ),
    (b"NRUB", "a checkpoint of burn. `export onnx --checkpoint` makes a float ONNX file of it"),
    (b"{", "JSON or other text. Name the .onnx file"),
];

fn decode(bytes: &[u8]) -> Result<ModelProto, OnnxError> {
    if let Some(&(_, found)) = OTHER_KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(OnnxError::OtherKind { found });
    }
    let model =
        ModelProto::decode(bytes).map_err(|e| OnnxError::NotOnnx { len_bytes: bytes.len(), reason: e.to_string() })?;
    let found = match &model.graph {
        None => "no graph",
        Some(graph) if graph.node.is_empty() => "no nodes",
        Some(_) => return Ok(model),
    };
    Err(OnnxError::NoGraph { len_bytes: bytes.len(), found })
}

fn opset(model: &ModelProto) -> i64 {
    let default_domain = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    model.opset_import.iter().find(|o| default_domain(&o.domain)).map_or(0, |o| o.version)
}

struct Reader {
    graph: Graph,
    opset: i64,
    /// Every value made so far: inputs, constants, outputs of nodes.
    made: HashSet<String>,
    /// Every value that some node makes.
    later: HashSet<String>,
    names: HashSet<String>,
}

impl Reader {
    fn new(proto: &GraphProto, opset: i64) -> Result<Self, OnnxError> {
        if !proto.sparse_initializer.is_empty() {
            return Err(OnnxError::Sparse { count: proto.sparse_initializer.len() });
        }
        let mut reader = Self {
            graph: Graph { name: proto.name.clone(), ..Graph::default() },
            opset,
            made: HashSet::new(),
            later: proto.node.iter().flat_map(|n| n.output.clone()).collect(),
            names: HashSet::new(),
        };
        for tensor in &proto.initializer {
            reader.constant(&tensor.name, read_tensor(tensor, &tensor.name)?)?;
        }
        // Before IR 4 initializers were inputs too; the caller does not supply those.
        let supplied = proto.input.iter().filter(|i| !reader.graph.initializers.contains_key(&i.name));
        reader.graph.inputs = supplied.map(read_value_info).collect::<Result<_, _>>()?;
        for input in reader.graph.inputs.clone() {
            reader.make(&input.name)?;
        }
        Ok(reader)
    }

    fn make(&mut self, value: &str) -> Result<(), OnnxError> {
        if self.made.insert(value.into()) { Ok(()) } else { Err(OnnxError::Duplicate { value: value.into() }) }
    }

    fn constant(&mut self, name: &str, tensor: Tensor) -> Result<(), OnnxError> {
        self.make(name)?;
        self.graph.initializers.insert(name.into(), tensor);
        Ok(())
    }

    fn node(&mut self, proto: &NodeProto) -> Result<(), OnnxError> {
        let name = self.unique_name(proto);
        let attributes = read_attributes(proto)?;
        if proto.op_type == "Constant" && proto.domain.is_empty() {
            let tensor = constant_value(&attributes, &name)?;
            return proto.output.first().map_or(Ok(()), |output| self.constant(output, tensor));
        }
        self.check_inputs(proto, &name)?;
        let node = self.known_node(proto, name, attributes);
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            self.make(output)?;
        }
        self.graph.nodes.push(node);
        Ok(())
    }

    fn check_inputs(&self, proto: &NodeProto, name: &str) -> Result<(), OnnxError> {
        match proto.input.iter().find(|i| !i.is_empty() && !self.made.contains(*i)) {
            Some(value) => Err(OnnxError::Unordered { node: name.into(), value: value.clone() }),
            None => Ok(()),
        }
    }

    fn known_node(&mut self, proto: &NodeProto, name: String, mut attributes: BTreeMap<String, Attribute>) -> Node {
        let op_type = match proto.domain.as_str() {
            "" | "ai.onnx" => proto.op_type.clone(),
            // ONNX Runtime's own, from before ONNX had 16 bits in its own: the same for bytes.
            "com.microsoft" if ["QuantizeLinear", "DequantizeLinear"].contains(&proto.op_type.as_str()) => {
                proto.op_type.clone()
            }
            domain => format!("{domain}.{}", proto.op_type),
        };
        let mut inputs = without_trailing_empty(&proto.input);
        let (op_type, axes) = upgrade(op_type, self.opset, &mut attributes);
        if let (Some(axes), [_]) = (axes, inputs.as_slice()) {
            inputs.push(self.unmade(&format!("{name}.axes")));
            self.made.insert(inputs[1].clone());
            self.graph.initializers.insert(inputs[1].clone(), axes);
        }
        let op = read_op(&Form {
            op_type: &op_type,
            opset: self.opset,
            attributes: Attributes(&attributes),
            constants: inputs.iter().map(|i| self.graph.initializers.get(i)).collect(),
            present: inputs.iter().map(|i| !i.is_empty()).collect(),
            weight_dims: inputs.get(1).and_then(|i| self.constant_dims(i)),
        });
        Node { name, op, inputs, outputs: without_trailing_empty(&proto.output) }
    }

    /// A name for a value that the file does not have.
    fn unmade(&self, stem: &str) -> String {
        let numbered = (2..).map(|i| format!("{stem}_{i}"));
        let in_file = |name: &String| self.made.contains(name) || self.later.contains(name);
        let mut candidates = std::iter::once(stem.to_string()).chain(numbered);
        candidates.find(|name| !in_file(name)).unwrap_or_default()
    }

    /// Dimensions of a constant, or of the constant behind a DequantizeLinear.
    fn constant_dims(&self, value: &str) -> Option<&[usize]> {
        if let Some(tensor) = self.graph.initializers.get(value) {
            return Some(&tensor.dims);
        }
        let node = &self.graph.nodes[self.graph.producer(value)?];
        matches!(node.op, Op::Dequantize { .. }).then(|| self.graph.constant(node, 0))?.map(|t| t.dims.as_slice())
    }

    /// The node's own name; else its first output; else its operator, all made unique.
    fn unique_name(&mut self, proto: &NodeProto) -> String {
        let stem = [&proto.name].into_iter().chain(&proto.output).find(|n| !n.is_empty()).unwrap_or(&proto.op_type);
        let numbered = (2..).map(|i| format!("{stem}_{i}"));
        let mut candidates = std::iter::once(stem.clone()).chain(numbered);
        let name = candidates.find(|n| !self.names.contains(n)).unwrap_or_default();
        self.names.insert(name.clone());
        name
    }
}

fn without_trailing_empty(names: &[String]) -> Vec<String> {
    let len = names.iter().rposition(|n| !n.is_empty()).map_or(0, |last| last + 1);
    names[..len].to_vec()
}

fn constant_value(attributes: &BTreeMap<String, Attribute>, node: &str) -> Result<Tensor, OnnxError> {
    let mut values = attributes.iter();
    Ok(match (values.next(), values.next()) {
        (Some((_, Attribute::Tensor(tensor))), None) => tensor.clone(),
        (Some((_, Attribute::Float(value))), None) => Tensor::f32(&[], vec![*value]),
        (Some((_, Attribute::Int(value))), None) => Tensor::i64(&[], vec![*value]),
        (Some((_, Attribute::Floats(values))), None) => Tensor::f32(&[values.len()], values.clone()),
        (Some((_, Attribute::Ints(values))), None) => Tensor::i64(&[values.len()], values.clone()),
        _ => {
            let found = attributes.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(OnnxError::Constant { node: node.into(), found });
        }
    })
}

/// An output may leave its type to what makes it; what only the passes have a shape for gets it there.
fn read_output(proto: &ValueInfoProto, shapes: &Shapes) -> Result<ValueInfo, OnnxError> {
    match read_value_info(proto) {
        Err(OnnxError::Untyped { value }) => {
            Ok(shapes.get(&value).cloned().unwrap_or(ValueInfo { name: value, dtype: DType::F32, shape: Vec::new() }))
        }
        read => read,
    }
}

fn check_outputs(graph: &Graph, made: &HashSet<String>) -> Result<(), OnnxError> {
    match graph.outputs.iter().find(|o: &&ValueInfo| !made.contains(&o.name)) {
        Some(output) => Err(OnnxError::Unordered { node: "graph output".into(), value: output.name.clone() }),
        None => Ok(()),
    }
}

/// The bounds of a Clip and the factors of a Resize are in their [`Op`]: their constant inputs go, with the constants that nothing else reads.
fn drop_bounds_and_factors(graph: &mut Graph) {
    let mut dropped = Vec::new();
    for node in &mut graph.nodes {
        if matches!(node.op, Op::Clip { .. } | Op::Resize { .. }) {
            dropped.extend(node.inputs.drain(1.min(node.inputs.len())..));
        }
    }
    for name in dropped {
        if graph.readers(&name).is_empty() && !graph.is_output(&name) {
            graph.initializers.remove(&name);
        }
    }
}

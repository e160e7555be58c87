//! ONNX files with many things wrong at once: the importer and every pass answer or refuse, in little memory.

use export::graph::{passes, shape};
use export::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, data_type};
use export::quantize::{self, qdq};
use export::{onnx, plan};
use prost::Message;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use tests::networks;
use tests::zoo::read;

/// Files that are tried.
const FILES: u64 = 6000;
/// Most memory of the whole run, in MiB: half a dozen of the largest arrays that are computed of a file of some kilobytes.
const MOST_MIB: u64 = 64;

/// What extents, counts and axes go wrong by.
const NUMBERS: [i64; 20] = [
    0,
    1,
    -1,
    2,
    3,
    4,
    -2,
    7,
    64,
    255,
    1 << 12,
    1 << 16,
    1 << 20,
    (1 << 24) - 1,
    1 << 24,
    1 << 31,
    1 << 40,
    1 << 62,
    i64::MAX,
    i64::MIN,
];

/// What nodes become: what passes rewrite, and what is computed over constants.
const OPERATORS: [&str; 48] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvTranspose",
    "DequantizeLinear",
    "Div",
    "Expand",
    "Flatten",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "PRelu",
    "Pad",
    "Pow",
    "QLinearConv",
    "QuantizeLinear",
    "Range",
    "ReduceMax",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Resize",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Split",
    "Squeeze",
    "Sub",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

struct Fuzz(Pcg32);

impl Fuzz {
    fn below(&mut self, count: usize) -> usize {
        self.0.next_u32() as usize % count.max(1)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    fn number(&mut self) -> i64 {
        NUMBERS[self.below(NUMBERS.len())]
    }

    /// The name of some value of the graph.
    fn value(&mut self, graph: &GraphProto) -> String {
        let names: Vec<&String> = (graph.node.iter().flat_map(|n| &n.output))
            .chain(graph.initializer.iter().map(|t| &t.name))
            .chain(graph.input.iter().map(|i| &i.name))
            .collect();
        self.pick(&names).map_or_else(String::new, |name| name.to_string())
    }

    /// A constant of whole numbers, in a new initializer.
    fn numbers(&mut self, graph: &mut GraphProto) -> String {
        let name = format!("fuzz_{}", graph.initializer.len());
        let values: Vec<i64> = (0..self.below(5)).map(|_| self.number()).collect();
        let dims = if values.len() == 1 && self.below(2) == 0 { vec![] } else { vec![values.len() as i64] };
        graph.initializer.push(TensorProto {
            name: name.clone(),
            dims,
            data_type: data_type::INT64,
            int64_data: values,
            ..Default::default()
        });
        name
    }

    fn change(&mut self, graph: &mut GraphProto) {
        let (node, tensor) = (self.below(graph.node.len()), self.below(graph.initializer.len()));
        match self.below(12) {
            0 => graph.node[node].op_type = OPERATORS[self.below(OPERATORS.len())].into(),
            1 | 2 => {
                let attribute = self.below(graph.node[node].attribute.len());
                if let Some(attribute) = graph.node[node].attribute.get_mut(attribute) {
                    attribute.i = attribute.i.map(|_| self.number());
                    let at = self.below(attribute.ints.len());
                    attribute.ints.get_mut(at).into_iter().for_each(|value| *value = self.number());
                }
            }
            3 => {
                let input = self.below(graph.node[node].input.len());
                let value = self.value(graph);
                graph.node[node].input.get_mut(input).into_iter().for_each(|input| input.clone_from(&value));
            }
            4 => {
                let input = self.below(graph.node[node].input.len() + 1);
                let numbers = self.numbers(graph);
                match graph.node[node].input.get_mut(input) {
                    Some(input) => *input = numbers,
                    None => graph.node[node].input.push(numbers),
                }
            }
            5 | 6 => {
                if let Some(tensor) = graph.initializer.get_mut(tensor) {
                    let at = self.below(tensor.int64_data.len());
                    tensor.int64_data.get_mut(at).into_iter().for_each(|value| *value = self.number());
                }
            }
            7 => {
                if let Some(tensor) = graph.initializer.get_mut(tensor) {
                    // As many values in another shape.
                    let len: i64 = tensor.dims.iter().product();
                    tensor.dims = vec![vec![len], vec![len, 1, 1, 1], vec![1, len], vec![1, len, 1, 1]]
                        .swap_remove(self.below(4));
                }
            }
            8 => {
                let dims =
                    graph.input.first_mut().and_then(|i| i.r#type.as_mut()?.tensor_type.as_mut()?.shape.as_mut());
                if let Some(shape) = dims {
                    let at = self.below(shape.dim.len());
                    let number = self.number();
                    let dim = shape.dim.get_mut(at);
                    dim.into_iter()
                        .for_each(|dim| dim.value = Some(export::onnx::proto::DimensionValue::Value(number)));
                }
            }
            9 => drop(graph.node.remove(node)),
            _ => self.insert(graph, node),
        }
    }

    /// A node over constants and values before it, which what follows reads.
    fn insert(&mut self, graph: &mut GraphProto, before: usize) {
        let op_type = OPERATORS[self.below(OPERATORS.len())].to_string();
        let mut input = Vec::new();
        for _ in 0..1 + self.below(3) {
            input.push(if self.below(2) == 0 { self.numbers(graph) } else { self.value(graph) });
        }
        let output = format!("fuzz_out_{}", graph.node.len());
        let attribute = |name: &str, i, ints| AttributeProto {
            name: name.into(),
            i,
            ints,
            r#type: export::onnx::proto::attribute_type::INT,
            ..Default::default()
        };
        let attribute = if self.below(3) == 0 { vec![attribute("axis", Some(self.number()), vec![])] } else { vec![] };
        let reader = before + self.below(graph.node.len() - before);
        let at = self.below(graph.node[reader].input.len());
        graph.node[reader].input.get_mut(at).into_iter().for_each(|value| *value = output.clone());
        graph.node.insert(before, NodeProto { op_type, input, output: vec![output], attribute, ..Default::default() });
    }
}

/// Most memory that this process has held so far, in MiB; none where the system does not say.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// Takes the file down the road as far as it goes; whether it was read.
fn walk(model: &ModelProto) -> bool {
    let Ok(graph) = onnx::from_bytes(&model.encode_to_vec()) else { return false };
    let _ = shape::infer(&graph);
    if let Ok(normal) = passes::run(graph.clone()) {
        let _ = quantize::supported(&normal);
        let _ = shape::infer(&normal);
    }
    if let Ok(quantized) = qdq::from_graph(&graph) {
        let _ = plan::plan(&quantized);
    }
    true
}

#[test]
fn files_with_many_faults_take_little_memory() {
    let shipped = [("mnist-cnn", "float.onnx"), ("mnist-dsres", "float.onnx"), ("mnist-dsres", "int8.onnx")];
    let shipped = shipped.map(|(network, file)| ModelProto::decode(&*read(network, file)).unwrap());
    let bases: Vec<ModelProto> = shipped.into_iter().chain(networks::all().into_iter().map(|n| n.model)).collect();
    let mut was_read = 0;
    for seed in 0..FILES {
        let mut fuzz = Fuzz(Pcg32::new(seed, 1));
        let mut model = bases[fuzz.below(bases.len())].clone();
        let graph = model.graph.as_mut().expect("a graph");
        for _ in 0..1 + fuzz.below(6) {
            if !graph.node.is_empty() {
                fuzz.change(graph);
            }
        }
        was_read += usize::from(walk(&model));
    }
    let peak = peak_mib();
    assert!(was_read > 1000, "{was_read}: the test has lost its object");
    assert!(peak.is_none_or(|peak| peak <= MOST_MIB), "{peak:?} MiB, and each file has some kilobytes");
}

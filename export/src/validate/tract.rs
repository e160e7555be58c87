//! Runs an ONNX model in tract: the independent judge of what our files mean. The only place that knows tract.
//!
//! A [`Runner`] is loaded once, with a fixed batch, and then run over any number of images; the last batch is filled up
//! with zeros and cut again. Every value of the graph can be asked for, which is how calibration sees activations.
//! DequantizeLinear–Conv–QuantizeLinear runs in float here, so it measures accuracy, not bits.

use std::sync::Arc;

use tract_onnx::{pb, prelude::*};

use crate::graph::{DType, Dim, Graph, ValueInfo, shape};
use crate::onnx;

/// Why tract did not run a model.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The bytes are no model that we read.
    #[error("the model cannot be read: {0}")]
    Onnx(#[from] onnx::OnnxError),
    /// The model has more or fewer than one input, or an input whose dimensions after the batch are not numbers.
    #[error(
        "expected one input of N×C×H×W with numbers for C, H and W, found {found}. Export the model with a fixed image size"
    )]
    Input {
        /// The inputs.
        found: String,
    },
    /// A value was asked for that the graph does not make.
    #[error("there is no value `{value}` in the graph; `export inspect` lists them")]
    NoValue {
        /// What was asked for.
        value: String,
    },
    /// As many numbers as whole images have are not there.
    #[error(
        "expected a whole number of images of {per_image} values ({shape}), found {found} values. Check the input's shape"
    )]
    Images {
        /// Values in one image.
        per_image: usize,
        /// The input's shape.
        shape: String,
        /// Values given.
        found: usize,
    },
    /// tract's own refusal.
    #[error(
        "tract refuses the model: {0:#}. Check it with `export inspect`; an operator that tract lacks is a limit of this verification, not of the file"
    )]
    Tract(TractError),
}

/// A model loaded for batches of one size.
pub struct Runner {
    plan: Arc<TypedRunnableModel>,
    outputs: Vec<String>,
    input_shapes: Vec<Vec<usize>>,
}

impl Runner {
    /// Loads `graph`, to give its outputs for `batch` images at a time.
    ///
    /// # Errors
    /// tract refuses the model, or its input is not one image.
    pub fn new(graph: &Graph, batch: usize) -> Result<Self, RunError> {
        Self::load(&onnx::to_bytes(graph), graph, batch)
    }

    /// Loads `graph`, to give `values` (inputs and outputs of nodes, by name) instead of its outputs.
    ///
    /// # Errors
    /// As [`Runner::new`], or a value is not in the graph.
    pub fn with_values(graph: &Graph, values: &[impl AsRef<str>], batch: usize) -> Result<Self, RunError> {
        // A file from elsewhere may hold what has a shape only in its normal form; tract finds it by itself.
        let shapes = shape::known(graph);
        let unknown = |v: &str| ValueInfo { name: v.into(), dtype: DType::F32, shape: vec![] };
        let made = |v: &str| graph.producer(v).is_some().then(|| unknown(v));
        let info =
            |v: &str| shapes.get(v).cloned().or_else(|| made(v)).ok_or_else(|| RunError::NoValue { value: v.into() });
        let outputs = values.iter().map(|v| info(v.as_ref())).collect::<Result<_, _>>()?;
        Self::new(&Graph { outputs, ..graph.clone() }, batch)
    }

    /// Loads a graph of any number of inputs, for one image at a time: see [`Runner::run_values`].
    ///
    /// # Errors
    /// tract refuses the model, or an input's dimensions after the batch are not numbers.
    pub fn of_values(graph: &Graph) -> Result<Self, RunError> {
        let shape = |input| batched_shape(input, 1).ok_or_else(|| described(graph));
        Self::load_shapes(&onnx::to_bytes(graph), graph, graph.inputs.iter().map(shape).collect::<Result<_, _>>()?)
    }

    /// Loads a file's bytes as they are. A batch fixed in the file wins over `batch`.
    ///
    /// # Errors
    /// As [`Runner::new`], or the bytes are no ONNX model.
    pub fn from_bytes(bytes: &[u8], batch: usize) -> Result<Self, RunError> {
        Self::load(bytes, &onnx::from_bytes(bytes)?, batch)
    }

    fn load(bytes: &[u8], graph: &Graph, batch: usize) -> Result<Self, RunError> {
        let [input] = graph.inputs.as_slice() else { return Err(described(graph)) };
        let shape = batched_shape(input, batch).ok_or_else(|| described(graph))?;
        Self::load_shapes(bytes, graph, vec![shape])
    }

    fn load_shapes(mut bytes: &[u8], graph: &Graph, input_shapes: Vec<Vec<usize>>) -> Result<Self, RunError> {
        // Types of values in between are symbolic in the batch and would contradict the fixed one.
        let onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
        let plan = (|| {
            let mut proto = onnx.proto_model_for_read(&mut bytes)?;
            distinguish_nodes(&mut proto);
            let mut model = onnx.model_for_proto_model(&proto)?;
            for (input, shape) in input_shapes.iter().enumerate() {
                model.set_input_fact(input, InferenceFact::dt_shape(f32::datum_type(), shape.as_slice()))?;
            }
            model.into_optimized()?.into_runnable()
        })();
        let outputs = graph.outputs.iter().map(|o| o.name.clone()).collect();
        Ok(Self { plan: plan.map_err(RunError::Tract)?, outputs, input_shapes })
    }

    /// Names of what [`Runner::run`] returns, in order.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Channels, height and width of one image; dimensions that the model does not have are 1.
    pub fn input_shape(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.input_shapes[0].get(axis + 1).copied().unwrap_or(1))
    }

    /// Values in one image.
    pub fn image_len(&self) -> usize {
        self.input_shapes[0][1..].iter().product()
    }

    /// Runs any number of images, N×C×H×W row-major, and returns each output for all of them, N×… row-major, as reals.
    ///
    /// # Errors
    /// The images are not whole, or tract fails.
    pub fn run(&self, images: &[f32]) -> Result<Vec<Vec<f32>>, RunError> {
        let per_image = self.image_len();
        if per_image == 0 || !images.len().is_multiple_of(per_image) {
            let shape = format!("{:?}", &self.input_shapes[0][1..]);
            return Err(RunError::Images { per_image, shape, found: images.len() });
        }
        let mut outputs = vec![Vec::new(); self.outputs.len()];
        for batch in images.chunks(self.input_shapes[0][0] * per_image) {
            let results = self.run_batch(batch).map_err(RunError::Tract)?;
            for (output, result) in outputs.iter_mut().zip(results) {
                output.extend(result);
            }
        }
        Ok(outputs)
    }

    /// At most one batch; the missing images are zeros, and their results are cut.
    fn run_batch(&self, images: &[f32]) -> TractResult<Vec<Vec<f32>>> {
        let (batch, count) = (self.input_shapes[0][0], images.len() / self.image_len());
        let mut filled = images.to_vec();
        filled.resize(batch * self.image_len(), 0.0);
        let results = self.run_once(&[filled])?;
        Ok(results.into_iter().map(|v| v[..v.len() / batch * count].to_vec()).collect())
    }

    /// Runs a model of [`Runner::of_values`] once: each input's values, row-major, to each output's.
    ///
    /// # Errors
    /// An input of another size, or tract fails.
    pub fn run_values(&self, inputs: &[Vec<f32>]) -> Result<Vec<Vec<f32>>, RunError> {
        self.run_once(inputs).map_err(RunError::Tract)
    }

    fn run_once(&self, inputs: &[Vec<f32>]) -> TractResult<Vec<Vec<f32>>> {
        let tensor = |(shape, values): (&Vec<usize>, &Vec<f32>)| Tensor::from_shape(shape, values).map(Into::into);
        let inputs = self.input_shapes.iter().zip(inputs).map(tensor).collect::<TractResult<_>>()?;
        self.plan.run(inputs)?.iter().map(|value| reals(value)).collect()
    }
}

/// Numbers the names of a model's nodes. tract wants nodes, inputs and constants to have names of their own, those of nodes that it makes of others included;
/// a file may name two nodes alike, or a node after a value, which is an input where a graph was cut.
fn distinguish_nodes(model: &mut pb::ModelProto) {
    let Some(graph) = &mut model.graph else { return };
    let values = graph.input.iter().map(|input| &input.name).chain(graph.initializer.iter().map(|tensor| &tensor.name));
    let longest = values.map(|name| name.bytes().take_while(|&byte| byte == b'#').count()).max();
    // No value begins with as many of these.
    let mark = "#".repeat(longest.unwrap_or(0) + 1);
    for (number, node) in graph.node.iter_mut().enumerate() {
        node.name = format!("{mark}{number} {}", node.name);
    }
}

fn reals(value: &Tensor) -> TractResult<Vec<f32>> {
    Ok(value.cast_to::<f32>()?.to_plain_array_view::<f32>()?.iter().copied().collect())
}

/// The dimensions of an input with `batch` images where the file leaves their number open.
fn batched_shape(input: &ValueInfo, batch: usize) -> Option<Vec<usize>> {
    let first = match input.shape.first()? {
        Dim::Fixed(0) => return None,
        Dim::Fixed(fixed) => *fixed,
        Dim::Symbol(_) => batch,
    };
    Some([&[first][..], &shape::sample_dims(input)?].concat())
}

/// The refusal of a graph for its inputs.
fn described(graph: &Graph) -> RunError {
    let inputs = graph.inputs.iter().map(|i| format!("{} {}", i.name, shape::display(&i.shape)));
    RunError::Input { found: inputs.collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{DType, Node, Op, Window};

    /// 1×2×2 → conv of one 2×2 kernel with bias → ReLU.
    fn graph() -> Graph {
        let value = |name: &str, dims: [usize; 3]| ValueInfo {
            name: name.into(),
            dtype: DType::F32,
            shape: [vec![Dim::Symbol("batch".into())], dims.map(Dim::Fixed).to_vec()].concat(),
        };
        let node = |name: &str, op, inputs: &[&str], output: &str| Node {
            name: name.into(),
            op,
            inputs: inputs.iter().map(|i| i.to_string()).collect(),
            outputs: vec![output.into()],
        };
        let window = Window { kernel: [2; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
        Graph {
            name: "tiny".into(),
            nodes: vec![
                node("conv", Op::Conv { window, groups: 1 }, &["image", "w", "b"], "conv.out"),
                node("relu", Op::Relu, &["conv.out"], "y"),
            ],
            inputs: vec![value("image", [1, 2, 2])],
            outputs: vec![value("y", [1, 1, 1])],
            initializers: [
                ("w".to_string(), crate::graph::Tensor::f32(&[1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0])),
                ("b".to_string(), crate::graph::Tensor::f32(&[1], vec![-20.0])),
            ]
            .into(),
            ..Graph::default()
        }
    }

    #[test]
    fn a_batch_that_is_not_full_is_filled_and_cut() {
        let runner = Runner::new(&graph(), 2).unwrap();
        let images = [[1.0; 4], [2.0; 4], [3.0; 4]].concat();
        assert_eq!(runner.run(&images).unwrap(), [vec![0.0, 0.0, 10.0]]);
    }

    #[test]
    fn values_in_between_are_given_by_name() {
        let runner = Runner::with_values(&graph(), &["conv.out", "y", "image"], 4).unwrap();
        assert_eq!(runner.outputs(), ["conv.out", "y", "image"]);
        assert_eq!(runner.run(&[1.0; 4]).unwrap(), [vec![-10.0], vec![0.0], vec![1.0; 4]]);
    }

    #[test]
    fn nodes_may_be_called_as_anything_else() {
        for names in [["same", "same"], ["image", "w"], ["y", "b"], ["", ""], ["#1 ", "##1 "]] {
            for input in ["image", "#0 conv", "conv.cast"] {
                let mut graph = graph();
                graph.inputs[0].name = input.into();
                graph.nodes[0].inputs[0] = input.into();
                graph.nodes.iter_mut().zip(names).for_each(|(node, name)| node.name = name.into());
                let found = Runner::new(&graph, 1).map(|runner| runner.run(&[3.0; 4]).unwrap());
                assert_eq!(found.map_err(|error| error.to_string()), Ok(vec![vec![10.0]]), "{names:?} of {input}");
            }
        }
    }

    #[test]
    fn a_missing_value_and_half_an_image_are_named() {
        let missing = Runner::with_values(&graph(), &["conv9.out"], 1).err().unwrap();
        assert!(missing.to_string().contains("`conv9.out`"), "{missing}");
        let half = Runner::new(&graph(), 1).unwrap().run(&[0.0; 6]).unwrap_err();
        assert!(half.to_string().contains("images of 4 values ([1, 2, 2]), found 6"), "{half}");
    }
}

//! Every layer of an int8 network by itself, in tract: each is given the engine's own inputs, so that what differs is its own doing.
//!
//! The graph is cut wherever an activation is dequantized: the value becomes an input. One run then computes each QuantizeLinear from what the
//! engine had before that layer. A difference of a step is rounding (tract works in float, the engine in integers); since it cannot
//! travel to the next layer, one tolerance serves networks of any depth.

use super::trace::{self, Map};
use super::tract::{RunError, Runner};
use super::values;
use crate::graph::{DType, Dim, Graph, Op, ValueInfo, passes, shape};
use crate::plan;
use crate::quantize::{Affine, QuantGraph, QuantizeError, TensorId, qdq};
use infer_nostd::Plan;
use infer_nostd::plan::Kind;

/// Why a plan's layers cannot be held against an int8 network.
#[derive(Debug, thiserror::Error)]
pub enum IsolateError {
    /// The int8 form is not understood.
    #[error(transparent)]
    Quantized(#[from] QuantizeError),
    /// tract refuses the cut graph.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The two are not of one network.
    #[error("{found}, so the plan and the int8 file are not of one network; make the plan again with `export plan`")]
    Unlike {
        /// What the plan has that the file has not.
        found: String,
    },
}

/// A tensor of the plan in the int8 graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// What the float network calls the value.
    pub name: String,
    /// Channels, height, width before the planner left off what nobody reads.
    pub shape: [usize; 3],
    /// Its scale and zero point in the graph.
    pub affine: Affine,
}

/// An int8 network cut into its layers.
pub struct Isolated {
    tensors: Vec<Tensor>,
    runner: Runner,
    /// Which tensor each of the runner's inputs is.
    fed: Vec<usize>,
    /// Which of the runner's outputs is each operator's tensor, and what tells int8 from what it stores: 128 for unsigned bytes.
    made: Vec<(usize, f32)>,
}

impl Isolated {
    /// Cuts `graph`, of which `plan` was made.
    ///
    /// # Errors
    /// The graph has no int8 form that is understood, the plan is of another network, or tract refuses what is cut.
    pub fn new(graph: &Graph, plan: &Plan) -> Result<Self, IsolateError> {
        let quantized = qdq::from_graph(graph)?;
        let ids = ids(plan, &quantized)?;
        let tensors = ids.iter().map(|&id| &quantized.tensors[id]);
        let tensors: Vec<Tensor> =
            tensors.map(|t| Tensor { name: t.name.clone(), shape: t.shape, affine: t.affine() }).collect();
        let written = qdq::to_graph(&quantized);
        // The file's own nodes where they are Q/DQ pairs; other forms are compared as they were understood.
        let values =
            |graph: &Graph| tensors.iter().map(|t| values::quantized(graph, &t.name)).collect::<Option<Vec<_>>>();
        let (graph, values) = match values(graph) {
            Some(values) => (graph, values),
            None => (&written, values(&written).unwrap_or_default()),
        };
        let (cut, fed) = cut(graph, &values)?;
        let types = shape::infer(graph).map_err(QuantizeError::from)?;
        let offset = |value: &str| match types.get(value).map(|info| info.dtype) {
            Some(DType::U8) => 128.0,
            _ => 0.0,
        };
        let output = |value: &String| cut.outputs.iter().position(|output| output.name == *value);
        let made = values[1..].iter().filter_map(|value| Some((output(value)?, offset(value))));
        let made = made.collect();
        Ok(Self { tensors, runner: Runner::of_values(&cut)?, fed, made })
    }

    /// The plan's tensors, in its order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// What each operator should have made of the tensors it read in `maps` (all of the plan's), in the shapes of `maps`.
    ///
    /// # Errors
    /// tract fails.
    pub fn expected(&self, maps: &[Map]) -> Result<Vec<Map>, IsolateError> {
        let inputs: Vec<Vec<f32>> = self.fed.iter().map(|&id| self.reals(id, &maps[id])).collect();
        let outputs = self.runner.run_values(&inputs)?;
        let made = self.made.iter().zip(self.tensors.iter().zip(maps).skip(1));
        Ok(made
            .map(|(&(output, offset), (tensor, map))| {
                let steps: Vec<i8> = outputs[output].iter().map(|q| (q - offset) as i8).collect();
                Map { shape: map.shape, steps: crop(&steps, tensor.shape, map.shape) }
            })
            .collect())
    }

    /// What the engine made, in reals and in the graph's shape. Where the plan leaves off rows or pixels nobody reads them: zeros.
    fn reals(&self, id: usize, map: &Map) -> Vec<f32> {
        let Tensor { shape, affine, .. } = &self.tensors[id];
        let mut reals = vec![0.0; shape.iter().product()];
        for (at, &step) in places(*shape, map.shape).zip(&map.steps) {
            reals[at] = affine.dequantize(step);
        }
        reals
    }
}

/// The part of a map that lies in a smaller one.
pub fn crop<T: Copy>(values: &[T], from: [usize; 3], to: [usize; 3]) -> Vec<T> {
    places(from, to).map(|at| values[at]).collect()
}

/// Where the values of a map of shape `part` lie in one of shape `whole`, both C×H×W.
fn places([_, height, width]: [usize; 3], [channels, rows, columns]: [usize; 3]) -> impl Iterator<Item = usize> {
    let row = move |c: usize| (0..rows).map(move |y| (c * height + y) * width);
    (0..channels).flat_map(row).flat_map(move |at| at..at + columns)
}

/// The graph's tensor for each of the plan's: the input, then what the node of each operator's name makes.
fn ids(plan: &Plan, quantized: &QuantGraph) -> Result<Vec<TensorId>, IsolateError> {
    let unlike = |found: String| IsolateError::Unlike { found };
    let names = plan::names(plan);
    let output = |name: &String| {
        let node = quantized.nodes.iter().find(|node| node.name == *name);
        node.map(|node| node.output).ok_or_else(|| unlike(format!("the int8 file has no layer `{name}`")))
    };
    let made = names.iter().skip(2).map(output);
    let ids: Vec<TensorId> = std::iter::once(Ok(quantized.input)).chain(made).collect::<Result<_, _>>()?;
    for (id, &tensor) in ids.iter().enumerate() {
        let (made, shape) = (trace::shape(plan, id), quantized.tensors[tensor].shape);
        // Several tensors side by side are put there one after the other.
        let grows = id > 0 && plan.operator(id - 1).kind == Kind::Concat && made[0] < shape[0];
        if (made[0] != shape[0] && !grows) || made[1] > shape[1] || made[2] > shape[2] {
            let name = names.get(id + 1).cloned().unwrap_or_default();
            return Err(unlike(format!("`{name}` makes {made:?} in the plan and {shape:?} in the int8 file")));
        }
    }
    Ok(ids)
}

/// The graph whose inputs are the dequantized `values` that layers read, and whose outputs are `values` from the second on; with the index of
/// the value behind each input.
fn cut(graph: &Graph, values: &[String]) -> Result<(Graph, Vec<usize>), IsolateError> {
    let shapes = shape::infer(graph).map_err(QuantizeError::from)?;
    let (mut cut, mut fed) = (Graph { inputs: Vec::new(), ..graph.clone() }, Vec::new());
    // The last of those that are one value in the file has all of its channels.
    let source = |value: &str| values.iter().rposition(|v| v == value);
    for node in &graph.nodes {
        let Some(id) = node.input(0).filter(|_| matches!(node.op, Op::Dequantize { .. })).and_then(source) else {
            continue;
        };
        let real = &node.outputs[0];
        cut.nodes.retain(|other| other.outputs.first() != Some(real));
        if let Some(info) = shapes.get(real).filter(|_| !graph.readers(real).is_empty()) {
            cut.inputs.push(one_image(info));
            fed.push(id);
        }
    }
    let unique = values[1..].iter().enumerate().filter(|(i, value)| !values[1..][..*i].contains(value));
    cut.outputs = unique.filter_map(|(_, value)| shapes.get(value).cloned()).collect();
    Ok((passes::dead::remove(&cut), fed))
}

fn one_image(info: &ValueInfo) -> ValueInfo {
    let mut info = info.clone();
    if let Some(batch) = info.shape.first_mut() {
        *batch = Dim::Symbol("batch".into());
    }
    info
}

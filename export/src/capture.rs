//! burn module → [`Graph`]. The only place that knows burn.
//!
//! The module's forward pass is run once on burn's capture device, which records operations instead of computing them.
//! The record becomes a graph in which weights keep their module paths (`conv1.weight`) and the first
//! dimension of the input is the symbol `batch`.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor, activation::relu};
//!
//! #[derive(Module, Debug)]
//! struct Mlp {
//!     hidden: Linear,
//!     head: Linear,
//! }
//!
//! impl Mlp {
//!     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
//!         self.head.forward(relu(self.hidden.forward(x)))
//!     }
//! }
//!
//! let device = Device::flex();
//! let mlp = Mlp { hidden: LinearConfig::new(4, 8).init(&device), head: LinearConfig::new(8, 2).init(&device) };
//! let graph = export::capture::capture("mlp", &mlp, [4], Mlp::forward).unwrap();
//! let names: Vec<_> = graph.nodes.iter().map(|n| n.name.as_str()).collect();
//! assert_eq!(names, ["hidden", "hidden.relu", "head"]);
//! ```

mod lower;

use std::collections::BTreeMap;

use burn::backend::capture::{CaptureBackend, CapturedGraph, TensorId};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::graph::{Graph, passes};

/// The batch of the recorded pass. A prime that no layer's extent is likely to be, so that it can be told from one.
const BATCH: usize = 7;
/// Images that burn answers at a time.
const ANSWERS_BATCH: usize = 64;
/// What the first dimension is called in the graph.
pub const BATCH_SYMBOL: &str = "batch";
/// The name of the graph's input.
pub const INPUT: &str = "image";
/// The name of the graph's output.
pub const OUTPUT: &str = "logits";

/// Why a module did not become a graph.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// burn could not record the pass.
    #[error(
        "the forward pass of `{network}` cannot be recorded: {reason}. It must use only the tensor it is given and the \
         module's own parameters, and nothing of another device"
    )]
    Record {
        /// The network.
        network: String,
        /// burn's words.
        reason: String,
    },
    /// Operations without a counterpart in the graph.
    #[error(
        "the forward pass of `{network}` uses operations that are not exported: {}. Write the layer with convolutions, \
         pools, linear layers, batch normalization, sums, reshapes and activations",
        operations.join("; ")
    )]
    Unsupported {
        /// The network.
        network: String,
        /// Each operation with its shapes.
        operations: Vec<String>,
    },
    /// A weight that is not a float.
    #[error("tensor `{tensor}` of `{network}` is {found}, expected f32. Convert the module with float weights")]
    ElementType {
        /// The network.
        network: String,
        /// The parameter's path.
        tensor: String,
        /// Its type.
        found: String,
    },
}

/// The graph of `forward`, for inputs of dimensions N × `sample`.
///
/// Nothing is folded: BatchNormalization is a node of its own, as in burn. Names are tidy: nodes are called after the
/// module whose weights they use, other nodes after what they follow or what they do, values after their nodes.
///
/// # Errors
/// The pass cannot be recorded, or uses operations without a counterpart; all of them are listed.
pub fn capture<M, F, const S: usize, const D: usize, const E: usize>(
    name: &str,
    module: &M,
    sample: [usize; S],
    forward: F,
) -> Result<Graph, CaptureError>
where
    M: Module,
    F: FnOnce(&M, Tensor<D>) -> Tensor<E>,
{
    const { assert!(D == S + 1, "the forward pass takes the batch and the sample's dimensions") };
    let dims: Vec<usize> = [BATCH].into_iter().chain(sample).collect();
    let recorded = record(name, module, dims, forward)?;
    let graph = lower::lower(name, &recorded)?;
    // burn records a linear layer as a product and a sum.
    let graph = passes::gemm::recognize(&graph);
    Ok(passes::names::tidy(&graph, INPUT, OUTPUT))
}

/// What burn itself answers to `images` (N × `sample`, row-major): each answer's values, row-major.
///
/// # Errors
/// burn cannot give the answers as f32.
pub fn answers<M, F, const S: usize, const D: usize, const E: usize>(
    name: &str,
    module: &M,
    sample: [usize; S],
    forward: F,
    images: &[f32],
) -> Result<Vec<f32>, CaptureError>
where
    M: Module,
    F: Fn(&M, Tensor<D>) -> Tensor<E>,
{
    const { assert!(D == S + 1, "the forward pass takes the batch and the sample's dimensions") };
    let device = Device::flex();
    let module = own_copy(module, &device);
    let mut answers = Vec::new();
    for batch in images.chunks(ANSWERS_BATCH * sample.iter().product::<usize>()) {
        let count = batch.len() / sample.iter().product::<usize>();
        let dims: Vec<usize> = [count].into_iter().chain(sample).collect();
        let output = forward(&module, Tensor::from_data(TensorData::new(batch.to_vec(), dims), &device));
        let values = output.into_data().try_to_vec::<f32>();
        answers.extend(values.map_err(|e| CaptureError::Record { network: name.into(), reason: format!("{e:?}") })?);
    }
    Ok(answers)
}

/// A copy for inference on `device` that shares nothing with `module`: clones of a BatchNorm share its running
/// statistics, and moving one clone moves them all.
fn own_copy<M: Module>(module: &M, device: &Device) -> M {
    module.valid().to_device(device)
}

/// What burn recorded, with the paths of the parameters.
struct Recorded {
    captured: CapturedGraph,
    paths: BTreeMap<TensorId, String>,
}

fn record<M, F, const D: usize, const E: usize>(
    network: &str,
    module: &M,
    dims: Vec<usize>,
    forward: F,
) -> Result<Recorded, CaptureError>
where
    M: Module,
    F: FnOnce(&M, Tensor<D>) -> Tensor<E>,
{
    let error = |reason: String| CaptureError::Record { network: network.into(), reason };
    let device = Device::capture();
    // The input comes from outside the scope; what is made inside is recorded as a constant.
    let input = Tensor::<D>::zeros(dims, &Device::flex());
    let mut paths = Ok(BTreeMap::new());
    let captured = device.capture_scope(|scope| {
        let module = own_copy(module, &device);
        let mut visitor = Paths::default();
        module.visit(&mut visitor);
        let input = input.to_device(&device);
        let ends = id(&input).and_then(|start| Ok((start, id(&forward(&module, input))?)));
        paths = ends.as_ref().map(|_| visitor.found).map_err(Clone::clone);
        match ends {
            Ok((start, end)) => scope.complete([start], [end]),
            Err(_) => scope.complete([], []),
        }
    });
    Ok(Recorded { paths: paths.map_err(error)?, captured: captured.map_err(|e| error(e.to_string()))? })
}

fn id<const D: usize>(tensor: &Tensor<D>) -> Result<TensorId, String> {
    let primitive = tensor.clone().try_into_primitive::<CaptureBackend>();
    primitive.map(|p| p.id()).map_err(|e| format!("{e:?}"))
}

/// Collects the module path of each float parameter.
#[derive(Default)]
struct Paths {
    path: Vec<String>,
    found: BTreeMap<TensorId, String>,
}

impl ModuleVisitor for Paths {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Ok(id) = id(&param.val()) {
            self.found.entry(id).or_insert_with(|| self.path.join("."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::conv::{Conv2d, Conv2dConfig};
    use burn::nn::{BatchNorm, BatchNormConfig};
    use burn::tensor::activation::relu;

    #[derive(Module, Debug)]
    struct Block {
        conv: Conv2d,
        norm: BatchNorm,
    }

    impl Block {
        fn new() -> Self {
            let device = Device::flex();
            let norm = BatchNormConfig::new(3).init(&device);
            Self { conv: Conv2dConfig::new([2, 3], [3, 3]).init(&device), norm }
        }

        fn forward(&self, x: Tensor<4>) -> Tensor<4> {
            relu(self.norm.forward(self.conv.forward(x))).clamp(0.0, 6.0)
        }
    }

    #[test]
    fn a_block_is_captured_as_it_is_written() {
        let graph = capture("block", &Block::new(), [2, 5, 5], Block::forward).unwrap();
        let nodes: Vec<_> = graph.nodes.iter().map(|n| (n.name.as_str(), n.op.name())).collect();
        let expected =
            [("conv", "Conv"), ("norm", "BatchNormalization"), ("norm.relu", "Relu"), ("norm.relu.relu6", "Clip")];
        assert_eq!(nodes, expected);
        assert_eq!(crate::graph::shape::display(&graph.inputs[0].shape), "batch×2×5×5");
        assert_eq!(crate::graph::shape::display(&graph.outputs[0].shape), "batch×3×3×3");
        assert_eq!(passes::normalize(&graph).nodes.len(), 3);
    }

    #[test]
    fn the_module_answers_after_capture_as_before() {
        let (block, image) = (Block::new(), [0.5; 2 * 5 * 5]);
        let ask = || answers("block", &block, [2, 5, 5], Block::forward, &image).unwrap();
        let before = ask();
        capture("block", &block, [2, 5, 5], Block::forward).unwrap();
        assert_eq!(ask(), before);
        assert_eq!(block.forward(Tensor::zeros([1, 2, 5, 5], &Device::flex())).dims(), [1, 3, 3, 3]);
    }

    #[test]
    fn all_operations_without_a_counterpart_are_listed() {
        let forward = |block: &Block, x: Tensor<4>| block.forward(x).cumsum(1).cumprod(2);
        let error = capture("block", &Block::new(), [2, 5, 5], forward).unwrap_err();
        let CaptureError::Unsupported { network, operations } = error else { panic!("{error}") };
        assert_eq!((network.as_str(), operations.len()), ("block", 2));
        assert!(
            operations[0].starts_with("CumSum of") && operations[0].ends_with("[7, 3, 3, 3] → [7, 3, 3, 3]"),
            "{operations:?}"
        );
        assert!(operations[1].contains("CumProd"), "{operations:?}");
    }
}

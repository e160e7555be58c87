//! burn module → float ONNX that tract has agreed with: capture, fold, write, verify.
//!
//! Any module with one input and one output, whose forward pass uses operations that ONNX has; `examples/own_network.rs` takes one
//! down the whole road.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::tensor::{Device, Tensor, activation::relu};
//! use export::float::{BatchNorms, onnx_from_module};
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
//! let images = [0.5, -0.25, 1.0, 0.0, 2.0, 0.125, -1.0, 0.75]; // two inputs that burn and tract must answer alike
//! let model = onnx_from_module("mlp", &mlp, [4], Mlp::forward, BatchNorms::Folded, [], &images)?;
//! assert!(model.agreement.holds());
//! std::fs::write(std::env::temp_dir().join("mlp.onnx"), &model.bytes)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use burn::module::Module;
use burn::tensor::Tensor as BurnTensor;

use crate::capture::{self, CaptureError};
use crate::graph::{Graph, passes};
use crate::onnx;
use crate::validate::class;
use crate::validate::tract::{RunError, Runner};

/// Largest difference between burn's answers and tract's, as a share of the largest answer where that is above 1. Both add the same f32
/// products in another order, and folding rounds each weight once more; on logits of magnitude 10 that is a few units of 1e-6.
pub const TOLERANCE: f32 = 1e-4;

/// Images that tract is given at a time: another number than burn's, so that a batch size left in the graph shows.
const BATCH: usize = 50;

/// What becomes of BatchNormalization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BatchNorms {
    /// It is folded into the layer before it, and the graph is in the fewest forms: what `export quantize` starts from.
    #[default]
    Folded,
    /// The graph is as burn has it, with its BatchNormalization: for training on elsewhere.
    Kept,
}

/// An ONNX model that was held against burn.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// What was written.
    pub graph: Graph,
    /// As a file.
    pub bytes: Vec<u8>,
    /// How it was verified.
    pub agreement: Agreement,
}

/// How two runtimes' answers to the same images differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Images asked.
    pub images: usize,
    /// Largest absolute difference of a value of an answer.
    pub largest_difference: f32,
    /// Largest absolute value of the expected answers, at least 1.
    pub magnitude: f32,
    /// Images of which the largest value is the same one, or one that is as large within the tolerance.
    pub same_class: usize,
}

impl Agreement {
    /// Whether the model may be called the module's: within the tolerance, and the same class on every image.
    pub fn holds(&self) -> bool {
        self.largest_difference <= self.tolerance() && self.same_class == self.images
    }

    /// The largest difference that may be.
    pub fn tolerance(&self) -> f32 {
        TOLERANCE * self.magnitude
    }
}

/// Why a module has no verified model.
#[derive(Debug, thiserror::Error)]
pub enum FloatError {
    /// The forward pass is not exported.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// tract does not run the model.
    #[error("`{network}` was exported, but cannot be verified: {cause}")]
    Run {
        /// The network.
        network: String,
        /// tract's refusal.
        cause: RunError,
    },
    /// tract answers otherwise than burn.
    #[error(
        "the ONNX model of `{network}` does not answer as burn does: over {} images the logits differ by up to {} \
         (expected at most {}) and {} classes agree. Nothing is written; this is a fault of the export, so please \
         report it with the network",
        agreement.images, agreement.largest_difference, agreement.tolerance(), agreement.same_class
    )]
    Differs {
        /// The network.
        network: String,
        /// What was found.
        agreement: Agreement,
    },
}

/// A module's ONNX model, with readable names and a batch of any size, verified: `images` (N × `sample`, row-major) through burn and through
/// tract.
///
/// `metadata` goes into the file's `metadata_props`; its `description` becomes the doc_string as well. The file may hold operators that
/// have no int8 form: it is [`crate::quantize`] that refuses those.
///
/// # Errors
/// The module cannot be exported, or tract does not agree with burn.
pub fn onnx_from_module<M, F, const S: usize, const D: usize, const E: usize>(
    name: &str,
    module: &M,
    sample: [usize; S],
    forward: F,
    batch_norms: BatchNorms,
    metadata: impl IntoIterator<Item = (String, String)>,
    images: &[f32],
) -> Result<Verified, FloatError>
where
    M: Module,
    F: Fn(&M, BurnTensor<D>) -> BurnTensor<E>,
{
    let captured = capture::capture(name, module, sample, &forward)?;
    let mut graph = match batch_norms {
        // Folding moves activations to the convolutions: they are named after those now.
        BatchNorms::Folded => passes::names::tidy(&passes::normalize(&captured), capture::INPUT, capture::OUTPUT),
        BatchNorms::Kept => captured,
    };
    graph.metadata = metadata.into_iter().collect();
    let bytes = onnx::to_bytes(&graph);
    let expected = capture::answers(name, module, sample, &forward, images)?;
    let agreement =
        agreement(&bytes, images, &expected).map_err(|cause| FloatError::Run { network: name.into(), cause })?;
    if !agreement.holds() {
        return Err(FloatError::Differs { network: name.into(), agreement });
    }
    Ok(Verified { graph, bytes, agreement })
}

/// How tract's answers to `images` differ from the `expected` ones.
///
/// # Errors
/// tract refuses the model or the images.
pub fn agreement(model: &[u8], images: &[f32], expected: &[f32]) -> Result<Agreement, RunError> {
    let runner = Runner::from_bytes(model, BATCH)?;
    let found = runner.run(images)?.swap_remove(0);
    let count = images.len() / runner.image_len();
    let classes = (expected.len() / count.max(1)).max(1);
    let magnitude = expected.iter().fold(1.0, |most: f32, value| most.max(value.abs()));
    // A class that was as likely within the tolerance is no other class.
    let is_same = |(e, f): &(&[f32], &[f32])| e[class(e)] - e[class(f)] <= TOLERANCE * magnitude;
    let same = expected.chunks(classes).zip(found.chunks(classes)).filter(is_same).count();
    let difference = |(e, f): (&f32, &f32)| (e - f).abs();
    // A NaN is no number that f32::max would keep: it counts as infinite.
    let differences = expected.iter().zip(&found).map(difference).map(|d| if d.is_nan() { f32::INFINITY } else { d });
    let largest = if expected.len() == found.len() { differences.fold(0.0, f32::max) } else { f32::INFINITY };
    Ok(Agreement { images: count, largest_difference: largest, magnitude, same_class: same })
}

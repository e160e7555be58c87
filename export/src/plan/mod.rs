//! Quantized graph → plan: the order of work, the memory, and weights packed for the engine.
//!
//! [`plan_for`] is the whole of it: [`lower`](lower()) turns nodes into operators with tables, [`crop`](crop()) leaves out what nobody
//! reads, [`choose`](choose()) finds each convolution's kernel, [`pack`] packs for it, and [`layout`] gives every row a
//! place in RAM and writes the words that `infer_nostd::Plan` checks and runs.

mod choose;
mod code;
mod crop;
mod error;
mod file;
mod inspect;
mod layout;
mod lower;
mod pack;
mod target;

pub use choose::Options;
pub use error::PlanError;
pub use file::{to_bytes, words};
pub use inspect::{Alternative, LayerRow, code_bytes, layers, names, target};
pub use target::Target;

use crate::quantize::{QuantGraph, Weights};
use infer_nostd::plan::{Kernel, Kind, Operator};

/// An operator before it has a place in the file.
#[derive(Debug, Clone)]
struct Draft {
    name: String,
    /// Offsets are still zero, the kernel is the portable one.
    operator: Operator,
    /// As the graph has them.
    source: Option<Weights>,
    /// Packed for the kernel.
    weights: Vec<u32>,
    table: Vec<u32>,
    /// Whether accumulators fit 24 bits, which `Kernel::Long` wants.
    fits_24_bits: bool,
}

/// An activation before it has a place in the arena: what the graph says of it.
#[derive(Debug, Clone)]
struct Place {
    name: String,
    /// Channels, height, width.
    shape: [usize; 3],
    scale: f32,
    zero_point: i8,
}

/// Operators in order and the tensors between them: tensor 0 is the input, tensor i + 1 is made by operator i.
#[derive(Debug, Clone)]
struct Network {
    name: String,
    places: Vec<Place>,
    drafts: Vec<Draft>,
}

/// Makes the words of a plan for plain Rust on any core.
///
/// # Errors
/// As [`plan_for`].
pub fn plan(graph: &QuantGraph) -> Result<Vec<u32>, PlanError> {
    plan_for(graph, &Options::default())
}

/// Makes the words of a plan.
///
/// # Errors
/// [`PlanError`], naming the node that does not fit the engine, or the budget that does not hold the smallest plan. The words have passed
/// the engine's own check.
pub fn plan_for(graph: &QuantGraph, options: &Options) -> Result<Vec<u32>, PlanError> {
    let mut network = lower::lower(graph)?;
    crop::crop(&mut network);
    let mut activations = layout::activations(&network)?;
    let choice = choose::choose(&network, &activations, options)?;
    let mut operators: Vec<Operator> = network.drafts.iter().map(|draft| draft.operator).collect();
    choice.apply(&mut activations, &mut operators);
    for (draft, operator) in network.drafts.iter_mut().zip(operators) {
        draft.operator = operator;
    }
    for draft in &mut network.drafts {
        pack(draft, &activations.tensors);
    }
    layout::words(&network, activations, options.target)
}

/// Packs an operator's weights for its kernel and its input's layout.
fn pack(draft: &mut Draft, tensors: &[infer_nostd::plan::Tensor]) {
    let input = &tensors[usize::from(draft.operator.inputs[0])];
    let Some(weights) = &draft.source else { return };
    draft.weights = match draft.operator.kind {
        Kind::Conv2d if draft.operator.kernel != Kernel::Portable => {
            let table = std::mem::take(&mut draft.table); // the stream has it
            pack::stream(&draft.operator, weights, &table, input)
        }
        Kind::Depthwise if draft.operator.kernel != Kernel::Portable => {
            let table = std::mem::take(&mut draft.table);
            pack::depthwise_stream(&draft.operator, weights, &table, input)
        }
        Kind::Dense if draft.operator.kernel.is_dense() => {
            draft.table = pack::dense_table(&draft.operator, &draft.table);
            pack::dense_groups(&draft.operator, weights, input)
        }
        Kind::Conv2d => file::packed_i8(&pack::conv2d(weights)),
        Kind::Depthwise => file::packed_i8(&pack::depthwise(weights)),
        _ => file::packed_i8(&pack::dense(weights, input)),
    };
}

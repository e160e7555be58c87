//! Quantized graph → plan: the order of work, the memory, and weights packed for the engine.
//!
//! [`plan`](plan()) is the whole of it: [`lower`](lower()) turns nodes into operators with packed weights and tables,
//! [`layout`] gives every row a place in RAM and writes the words that `infer_nostd::Plan` checks and runs.

mod error;
mod file;
mod inspect;
mod layout;
mod lower;
mod pack;

pub use error::PlanError;
pub use file::{to_bytes, words};
pub use inspect::{LayerRow, layers, names};

use crate::quantize::QuantGraph;
use infer_nostd::plan::Operator;

/// An operator before it has a place in the file.
#[derive(Debug, Clone)]
struct Draft {
    name: String,
    /// Offsets are still zero.
    operator: Operator,
    weights: Vec<i8>,
    table: Vec<u32>,
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

/// Makes the words of a plan for the portable engine.
///
/// # Errors
/// [`PlanError`], naming the node that does not fit the engine. The words have passed the engine's own check.
pub fn plan(graph: &QuantGraph) -> Result<Vec<u32>, PlanError> {
    layout::words(lower::lower(graph)?)
}

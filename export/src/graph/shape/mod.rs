//! Shapes of all values, from the inputs' shapes and the constants.
//!
//! The batch stays a symbol: what is computed are the dimensions of one sample. Products are checked, so that a file
//! with absurd dimensions ends in an error and not in a wrapped number.

mod operators;
mod reshape;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{Dim, Graph, MAX_RANK, MAX_VALUES, Node, Tensor, ValueInfo, Window};
use operators::Known;

/// Type and shape of every input and every node's output, by name.
pub type Shapes = BTreeMap<String, ValueInfo>;

/// A node whose output has no shape.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("node `{node}` ({op}): {cause}. Check the layer before it, or export the model again")]
pub struct ShapeError {
    /// The node.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// What is wrong there.
    pub cause: Cause,
}

/// Why a node has no output shape.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Cause {
    /// An input is absent or its shape is not known.
    #[error("input {0} is missing or has no known shape")]
    Missing(usize),
    /// An input has the wrong number of dimensions.
    #[error("input {position} has shape {found}, expected {expected} dimensions")]
    Rank {
        /// Which input.
        position: usize,
        /// Dimensions expected.
        expected: usize,
        /// The shape.
        found: String,
    },
    /// Two inputs do not fit each other.
    #[error("inputs of shapes {left} and {right} do not fit each other ({expected})")]
    Mismatch {
        /// Shape of the first.
        left: String,
        /// Shape of the second.
        right: String,
        /// The rule.
        expected: &'static str,
    },
    /// The window is larger than the padded input.
    #[error(
        "a window of {kernel:?} taps (dilation {dilations:?}) does not fit the input {found} with padding {pads:?}"
    )]
    Window {
        /// Kernel extent.
        kernel: [usize; 2],
        /// Distance between taps.
        dilations: [usize; 2],
        /// Padding.
        pads: [usize; 4],
        /// The input's shape.
        found: String,
    },
    /// A Reshape or Flatten that does not keep the number of values.
    #[error("shape {found} cannot become {wanted:?} for every batch size")]
    Reshape {
        /// The input's shape.
        found: String,
        /// The shape asked for.
        wanted: Vec<i64>,
    },
    /// An axis that the input does not have.
    #[error("axis {axis} is none of the input's shape {found}")]
    Axis {
        /// The axis, as the file has it.
        axis: i64,
        /// The input's shape.
        found: String,
    },
    /// A dimension that must be a number is a symbol, or a product overflows.
    #[error("shape {0} has a symbol where a number is needed, or more values than fit in memory")]
    NotFixed(String),
    /// More dimensions, or more values a sample, than any network for a microcontroller has.
    #[error("it makes {found}, and at most {MAX_RANK} dimensions and {MAX_VALUES} values a sample are expected")]
    Large {
        /// The output's shape, or how many dimensions it has.
        found: String,
    },
    /// The operator is not known.
    #[error("the operator is not supported, so its output's shape is unknown")]
    UnknownOperator,
}

/// Shapes of all values of `graph`.
///
/// # Errors
/// The first node whose output has no shape.
pub fn infer(graph: &Graph) -> Result<Shapes, ShapeError> {
    let mut shapes: Shapes = graph.inputs.iter().map(|i| (i.name.clone(), i.clone())).collect();
    for node in &graph.nodes {
        let error = |cause| ShapeError { node: node.name.clone(), op: node.op.name().into(), cause };
        let info = of_output(&graph.initializers, &shapes, node).map_err(error)?;
        if !info.name.is_empty() {
            shapes.insert(info.name.clone(), info);
        }
    }
    Ok(shapes)
}

/// Shapes of the values of `graph`, as far as they are known.
pub fn known(graph: &Graph) -> Shapes {
    let mut shapes: Shapes = graph.inputs.iter().map(|i| (i.name.clone(), i.clone())).collect();
    for node in &graph.nodes {
        if let Ok(info) = of_output(&graph.initializers, &shapes, node) {
            shapes.insert(info.name.clone(), info);
        }
    }
    shapes
}

/// Type and shape of the first output of `node`, from the constants and the shapes before it.
///
/// # Errors
/// Why it has none.
pub fn of_output(constants: &BTreeMap<String, Tensor>, shapes: &Shapes, node: &Node) -> Result<ValueInfo, Cause> {
    let (dtype, shape) = Known { constants, shapes, node }.output()?;
    if shape.len() > MAX_RANK {
        return Err(Cause::Large { found: format!("a value of {} dimensions", shape.len()) });
    }
    if product(shape.iter().filter_map(fixed)).is_none_or(|values| values > MAX_VALUES) {
        return Err(Cause::Large { found: display(&shape) });
    }
    Ok(ValueInfo { name: node.outputs.first().cloned().unwrap_or_default(), dtype, shape })
}

/// Dimensions of one sample of `value`: those after the batch. None where one of them is a symbol.
pub fn sample_dims(value: &ValueInfo) -> Option<Vec<usize>> {
    value.shape.iter().skip(1).map(fixed).collect()
}

/// Values in one sample.
pub fn sample_len(value: &ValueInfo) -> Option<usize> {
    product(sample_dims(value)?)
}

/// Height and width of what a window makes of an input of `height` × `width`; none where it does not fit.
pub fn window_output(window: &Window, input: [usize; 2]) -> Option<[usize; 2]> {
    let axis = |i: usize| {
        let padded = input[i].checked_add(window.pads[i])?.checked_add(window.pads[i + 2])?;
        let reach = (window.kernel[i].checked_sub(1)?).checked_mul(window.dilations[i])?.checked_add(1)?;
        Some(padded.checked_sub(reach)?.checked_div(window.strides[i])? + 1)
    };
    Some([axis(0)?, axis(1)?])
}

/// A shape for people: `batch×1×28×28`.
pub fn display(shape: &[Dim]) -> String {
    let dim = |d: &Dim| match d {
        Dim::Fixed(extent) => extent.to_string(),
        Dim::Symbol(symbol) => symbol.clone(),
    };
    shape.iter().map(dim).collect::<Vec<_>>().join("×")
}

fn fixed(dim: &Dim) -> Option<usize> {
    match dim {
        Dim::Fixed(extent) => Some(*extent),
        Dim::Symbol(_) => None,
    }
}

fn product(dims: impl IntoIterator<Item = usize>) -> Option<usize> {
    dims.into_iter().try_fold(1usize, |product, d| product.checked_mul(d))
}

/// The position that `axis` names, counted from the end where it is negative.
fn axis_of(axis: i64, shape: &[Dim]) -> Result<usize, Cause> {
    let rank = shape.len() as i64;
    let at = if axis < 0 { axis.saturating_add(rank) } else { axis };
    if (0..rank).contains(&at) { Ok(at as usize) } else { Err(Cause::Axis { axis, found: display(shape) }) }
}

//! Why a quantized graph does not become a plan.

use thiserror::Error;

/// One cause each, with the node it was found at.
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum PlanError {
    /// A dimension, kernel, stride or padding is larger than the plan's format holds.
    #[error(
        "node `{node}`: {what} is {found}, the plan's format holds at most {limit}: use a smaller one or split the layer"
    )]
    TooLarge {
        /// The node.
        node: String,
        /// Which quantity.
        what: &'static str,
        /// Its value.
        found: usize,
        /// The most that fits.
        limit: usize,
    },
    /// An accumulator may leave 32 bits.
    #[error(
        "node `{node}`, output channel {channel}: the accumulator can reach {bound}, the limit is {limit}: \
         quantize again with a larger weight scale for this channel"
    )]
    AccumulatorOverflow {
        /// The node.
        node: String,
        /// Output channel.
        channel: usize,
        /// |bias| + Σ|w|·128.
        bound: i64,
        /// 2^(31 − shift).
        limit: i64,
    },
    /// The ratio of input to output scale cannot be expressed.
    #[error(
        "node `{node}`: its output's scale is {ratio:e} of its accumulator's, expected one below 2^14 (2^20 for a sum): the output's calibrated range is far too small, calibrate with other images"
    )]
    ScaleRatio {
        /// The node.
        node: String,
        /// Accumulator scale over output scale.
        ratio: f64,
    },
    /// A MaxPool or a Resize that changes scale or zero point.
    #[error(
        "node `{node}`: the output of a MaxPool or a Resize must have its input's scale and zero point: quantize again"
    )]
    Rescales {
        /// The node.
        node: String,
    },
    /// A reshape of a map that is read by something other than a dense layer.
    #[error(
        "node `{node}`: only a dense layer may read a map flattened from {shape:?} (C, H, W), since the engine keeps channels last: \
         pool to 1×1 first, or end the network in a dense layer"
    )]
    Reshape {
        /// The node.
        node: String,
        /// What it flattens.
        shape: [usize; 3],
    },
    /// The network has nothing to run, or its output is not made by its last operator.
    #[error("the graph's output `{output}` is not made by an operator: expected a network of at least one layer")]
    NoOperators {
        /// The output's name.
        output: String,
    },
    /// The smallest plan is larger than the user allows.
    #[error(
        "the smallest plan takes {needed} bytes of {what}, the budget is {budget}: allow more, or make the network smaller"
    )]
    Budget {
        /// Flash or RAM.
        what: &'static str,
        /// Bytes allowed.
        budget: usize,
        /// Bytes that the smallest plan takes.
        needed: usize,
    },
    /// The planner's own words do not pass the engine's check: a defect of the planner or an impossible shape.
    #[error("the plan does not pass the engine's check: {0}")]
    Check(infer_nostd::PlanError),
}

/// By hand, as the message has the cause in it: it is not to be printed again as what stands behind it.
impl From<infer_nostd::PlanError> for PlanError {
    fn from(cause: infer_nostd::PlanError) -> Self {
        Self::Check(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    #[test]
    fn a_cause_is_printed_once() {
        let cause = infer_nostd::Plan::parse(&[0; 4]).unwrap_err();
        let error = PlanError::from(cause);
        assert!(error.to_string().contains(&cause.to_string()), "{error}");
        assert!(error.source().is_none());
    }
}

//! Older spellings → that of the opset that is written, so that the rest of the road knows one.
//!
//! Since opset 13 (Squeeze, Unsqueeze) and 18 (the reductions) axes are an input and no attribute. Before opset 13 Softmax and LogSoftmax worked
//! on everything from their axis on, flattened: another operator, which gets a name of its own here.

use std::collections::BTreeMap;

use crate::graph::{Attribute, BEFORE_OPSET_13, Tensor};

const WITH_AXES: [&str; 6] = ["Squeeze", "Unsqueeze", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum"];

/// The operator's name today; its axes, where they are to become its second input.
pub(super) fn upgrade(
    op_type: String,
    opset: i64,
    attributes: &mut BTreeMap<String, Attribute>,
) -> (String, Option<Tensor>) {
    if WITH_AXES.contains(&op_type.as_str()) {
        if let Some(Attribute::Ints(axes)) = attributes.get("axes") {
            let axes = Tensor::i64(&[axes.len()], axes.clone());
            attributes.remove("axes");
            return (op_type, Some(axes));
        }
    } else if opset < 13 && matches!(op_type.as_str(), "Softmax" | "LogSoftmax") {
        attributes.entry("axis".into()).or_insert(Attribute::Int(1));
        return (op_type + BEFORE_OPSET_13, None);
    }
    (op_type, None)
}

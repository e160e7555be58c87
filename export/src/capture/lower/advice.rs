//! What is said of an operation without a counterpart.

use burn::backend::ir::{OperationIr, TensorIr};

/// An operation for an error message: its kind, the shapes it reads and makes, and what to use instead.
pub(super) fn describe(operation: &OperationIr) -> String {
    let debug = format!("{operation:?}");
    let words: Vec<&str> = debug.split(['(', ' ', '{', ')']).filter(|word| !word.is_empty()).collect();
    // `Float(F32, Cos(UnaryOpIr { …`: the family, its type where it has one, then the kind.
    let kind = words.iter().skip(1).find(|word| !word.ends_with(',')).unwrap_or(&"operation");
    let shapes =
        |tensors: Vec<&TensorIr>| tensors.iter().map(|t| format!("{:?}", &t.shape[..])).collect::<Vec<_>>().join(", ");
    let (inputs, outputs) = (shapes(operation.inputs().collect()), shapes(operation.outputs().collect()));
    let advice = advice(kind).map_or(String::new(), |advice| format!(" ({advice})"));
    format!("{kind} of {inputs} → {outputs}{advice}")
}

/// The nearest thing that works, or why there is none.
fn advice(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ConvTranspose3d" => "two dimensions besides the channels are expected at most",
        "Conv3d" | "AdaptiveAvgPool3d" => "one or two dimensions besides the channels are expected",
        "Interpolate" => "the modes Nearest, NearestExact and Linear are expected",
        "AdaptiveAvgPool1d" | "AdaptiveAvgPool2d" => "an output size that divides the input's is expected",
        "Random" => "noise is for training: give the exporter what `valid()` gives",
        "Embedding" | "Attention" | "Unfold4d" => "the road is for convolutional and dense networks",
        "Reshape" => "the batch must stay the first dimension",
        "ArgMax" => "the class is the largest answer: leave it to the code around the network",
        _ => return None,
    })
}

//! Operators that have no int8 form, and what to do about them.

use super::constants::Constants;
use crate::graph::{Node, Op};

/// Why `node` has no int8 form wherever it stands, if it has none.
pub(super) fn reason_against(constants: Constants, node: &Node) -> Option<String> {
    let stored = |position| node.input(position).is_some_and(|value| constants.is_stored(value));
    let activations = node.inputs.iter().filter(|value| !value.is_empty() && !constants.is_stored(value)).count();
    let reason = match &node.op {
        Op::Other { op_type, .. } => remedy(op_type),
        _ if activations == 0 => "it reads constants only: fold it",
        Op::Conv { .. } | Op::Gemm { .. } | Op::MatMul if !stored(1) => "its weights are computed, not constant",
        Op::BatchNorm { .. } => remedy(node.op.name()),
        Op::Softmax { .. } | Op::LogSoftmax { .. } | Op::ArgMax { .. } => {
            "it has no int8 form but at the network's end, where it is left off"
        }
        _ => return None,
    };
    Some(complaint(node, reason))
}

/// A node with what is against it.
pub(super) fn complaint(node: &Node, reason: &str) -> String {
    format!("`{}` ({}): {reason}", node.name, node.op.name())
}

fn remedy(op_type: &str) -> &'static str {
    match op_type.rsplit('.').next().unwrap_or(op_type) {
        "DynamicQuantizeLinear"
        | "DynamicQuantizeMatMul"
        | "MatMulInteger"
        | "MatMulIntegerToFloat"
        | "ConvInteger" => {
            "dynamic quantization finds a new scale for every input; quantize statically, with calibration inputs"
        }
        "BatchNormalization" => "fold it into the layer before it, before quantizing",
        "Conv" | "QLinearConv" | "AveragePool" | "MaxPool" => "expected two spatial dimensions and explicit padding",
        "Transpose" => "export the network with channels first, so that nothing is turned",
        "QuantizeLinear" | "DequantizeLinear" => {
            "expected one scale, or one a channel (no block_size), between float32 and int8 or uint8 (no other output_dtype or precision)"
        }
        "Pad" => "give the padding to the layer after it",
        _ => "it has no int8 form",
    }
}

//! Padding that stands apart before a layer is the layer's own: what it pads with is zero, and zero is a step. A
//! QuantizeLinear and DequantizeLinear between the two change nothing where their scale is that of what is padded.

use super::constants::Constants;
use crate::graph::{Attribute, Graph, Node, Op, Tensor};

/// The graph with convolutions, and means that count padding, that pad by themselves.
pub(super) fn absorb(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    for index in 0..graph.nodes.len() {
        if let Some((value, pads)) = padded(&graph, &graph.nodes[index]) {
            let node = &mut graph.nodes[index];
            if let Op::Conv { window, .. } | Op::AveragePool { window, .. } = &mut node.op {
                window.pads = [0, 1, 2, 3].map(|side| window.pads[side] + pads[side]);
                node.inputs[0] = value;
            }
        }
    }
    graph
}

/// What is padded before `node` reads it, and by how much: top, left, bottom, right.
fn padded(graph: &Graph, node: &Node) -> Option<(String, [usize; 4])> {
    let constants = Constants { graph };
    let read = constants.maker(node.input(0)?)?;
    let quantize = match read.op {
        Op::Dequantize { .. } => Some(constants.maker(read.input(0)?)?),
        _ => None,
    };
    let pad = quantize.map_or(Some(read), |quantize| constants.maker(quantize.input(0)?))?;
    let (value, pads) = (pad.input(0)?, zeros(constants, pad)?);
    let takes = match &node.op {
        Op::Conv { .. } => true,
        Op::AveragePool { window, count_include_pad } => *count_include_pad && window.reaches_beyond(pads),
        _ => false,
    };
    takes.then_some(())?;
    if let Some(quantize) = quantize {
        let before = constants.maker(value).filter(|before| matches!(before.op, Op::Dequantize { .. }))?;
        let same = constants.affine(before).ok()? == constants.affine(quantize).ok()?;
        same.then_some(())?;
    }
    Some((value.into(), pads))
}

/// How many zeros a Pad puts around each image.
fn zeros(constants: Constants, pad: &Node) -> Option<[usize; 4]> {
    let Op::Other { op_type, attributes } = &pad.op else { return None };
    let is_constant = match attributes.get("mode") {
        None => true,
        Some(Attribute::Text(mode)) => mode == "constant",
        Some(_) => false,
    };
    let is_zero = pad.input(2).is_none_or(|value| match constants.graph.initializers.get(value) {
        Some(constant) => constant.as_f32() == Some(&[0.0]),
        None => constants.steps(value, &pad.name).is_ok_and(|steps| steps.values == [0]),
    });
    let sizes = constants.graph.constant(pad, 1).and_then(Tensor::as_i64);
    let Some(&[0, 0, top, left, 0, 0, bottom, right]) = sizes else { return None };
    if op_type != "Pad" || !is_constant || !is_zero || pad.input(3).is_some() {
        return None;
    }
    let size = |size: i64| usize::try_from(size).ok().filter(|&size| size <= crate::onnx::MAX_DIM);
    Some([size(top)?, size(left)?, size(bottom)?, size(right)?])
}

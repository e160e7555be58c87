//! Where accuracy goes: each layer's error, and what each costs the network by itself.

use super::{CalibrateError, score::sqnr_db};
use crate::{
    graph::{Data, Graph, Node, Op, Tensor},
    quantize::{Affine, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights, logits, qdq},
    validate::{stage::BATCH, tract::Runner},
};

/// One tensor of the int8 network, over the same images as the float one.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LayerError {
    /// The node that makes the tensor; the input's own name for the input.
    pub layer: String,
    /// The tensor.
    pub tensor: String,
    /// Its values in the int8 network against those in the float one, in dB: what this layer and all before it lose.
    pub sqnr_db: f64,
    /// The logits of a float network in which this layer alone is int8, against the float ones, in dB: what it costs by itself.
    pub alone_db: f64,
}

/// The errors of the input and of every layer, for images N×C×H×W. `graph` is the float network that `network` was made from, `done`
/// hears of each layer.
///
/// # Errors
/// tract cannot run a network.
pub fn explain(
    graph: &Graph,
    network: &QuantGraph,
    images: &[f32],
    done: &dyn Fn(&str),
) -> Result<Vec<LayerError>, CalibrateError> {
    let names: Vec<&str> = network.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let float = Runner::with_values(graph, &names, BATCH)?.run(images)?;
    let int8 =
        |(id, name): (usize, &&str)| if id == network.input { format!("{name}.dequantized") } else { name.to_string() };
    let int8: Vec<String> = names.iter().enumerate().map(int8).collect();
    let int8 = Runner::with_values(&qdq::to_graph(network), &int8, BATCH)?.run(images)?;
    let before = Runner::with_values(graph, &[logits(graph)?], BATCH)?.run(images)?.remove(0);
    let mut errors = Vec::new();
    for (id, tensor) in network.tensors.iter().enumerate() {
        let node = network.nodes.iter().find(|node| node.output == id);
        let (graph, logits) = alone(graph, tensor, node)?;
        let after = Runner::with_values(&graph, &[logits], BATCH)?.run(images)?.remove(0);
        let layer = node.map_or(&tensor.name, |node| &node.name);
        errors.push(LayerError {
            layer: layer.clone(),
            tensor: tensor.name.clone(),
            sqnr_db: sqnr_db(&float[id], &int8[id]),
            alone_db: sqnr_db(&before, &after),
        });
        done(layer);
    }
    Ok(errors)
}

/// The float network with one tensor and the weights that make it as int8 has them, and the name of its logits.
fn alone(graph: &Graph, tensor: &QuantTensor, node: Option<&QuantNode>) -> Result<(Graph, String), CalibrateError> {
    let mut logits = logits(graph)?.to_string();
    let mut alone = graph.clone();
    if let Some(QuantNode { name, op: QuantOp::Conv2d { weights, .. } | QuantOp::Dense { weights, .. }, .. }) = node {
        replace_weights(&mut alone, name, weights);
    }
    let rounded = format!("{}.alone", tensor.name);
    alone.redirect(&tensor.name, &rounded);
    if logits == tensor.name {
        logits.clone_from(&rounded);
    }
    let at = alone.producer(&tensor.name).map_or(0, |producer| producer + 1);
    let Affine { scale, zero_point } = tensor.affine();
    let [scale_name, zero_name, steps] = ["scale", "zero_point", "steps"].map(|what| format!("{rounded}.{what}"));
    alone.initializers.insert(scale_name.clone(), Tensor::f32(&[], vec![scale]));
    alone.initializers.insert(zero_name.clone(), Tensor::new(&[], Data::I8(vec![zero_point])));
    let pair =
        [(Op::Quantize { axis: 0 }, tensor.name.clone(), steps.clone()), (Op::Dequantize { axis: 0 }, steps, rounded)];
    let nodes = pair.map(|(op, input, output)| Node {
        name: format!("{output}.made"),
        op,
        inputs: vec![input, scale_name.clone(), zero_name.clone()],
        outputs: vec![output],
    });
    alone.nodes.splice(at..at, nodes);
    Ok((alone, logits))
}

/// Gives a layer the reals that its int8 weights and biases stand for; biases keep their float values, which are as good.
fn replace_weights(graph: &mut Graph, name: &str, weights: &Weights) {
    let Some(node) = graph.nodes.iter_mut().find(|node| node.name == name) else { return };
    let is_matrix = !matches!(node.op, Op::Conv { .. });
    if is_matrix {
        node.op = Op::Gemm { transposed: true };
    }
    let taps = weights.shape[1..].iter().product::<usize>().max(1);
    let real = |(i, &w): (usize, &i8)| f32::from(w) * weights.scales[i / taps];
    let reals: Vec<f32> = weights.values.iter().enumerate().map(real).collect();
    let dims = if is_matrix { &weights.shape[..2] } else { &weights.shape[..] };
    let constant = format!("{name}.weight.alone");
    node.inputs[1].clone_from(&constant);
    graph.initializers.insert(constant, Tensor::f32(dims, reals));
}

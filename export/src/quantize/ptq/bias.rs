//! Bias correction: the mean error of each output channel goes into its bias.
//!
//! Clipping and rounding shift what a layer reads and its weights, so that its results are off by the same on average,
//! image after image. With the mean of every tap in the float network and in the int8 one, the shift of a channel is
//! Σ w·(mean) − Σ q·(mean of int8), whatever comes after the sum.

use super::{
    CalibrateError,
    constants::Constants,
    moments::{Moments, View},
};
use crate::{
    graph::Graph,
    quantize::{QuantGraph, QuantNode, QuantOp, Weights, qdq, shape},
    validate::{stage::BATCH, tract::Runner},
};
use std::collections::BTreeMap;

/// Windows of each image that are looked at.
const WINDOWS: usize = 256;

/// What to add to each layer's biases, by node, in reals: for images N×C×H×W of the float network `graph` and its int8 form.
pub(super) fn corrections(
    graph: &Graph,
    network: &QuantGraph,
    images: &[f32],
) -> Result<BTreeMap<String, Vec<f32>>, CalibrateError> {
    let layers: Vec<&QuantNode> = network.nodes.iter().filter(|node| weights(node).is_some()).collect();
    let mut read: Vec<usize> = layers.iter().map(|node| node.inputs[0]).collect();
    read.sort_unstable();
    read.dedup();
    let name = |id: usize| network.tensors[id].name.clone();
    let float = means(
        &Runner::with_values(graph, &read.iter().map(|&id| name(id)).collect::<Vec<_>>(), BATCH)?,
        &layers,
        &read,
        network,
        images,
    )?;
    let int8 = |id: usize| if id == network.input { format!("{}.dequantized", name(id)) } else { name(id) };
    let quantized = qdq::to_graph(network);
    let int8 = means(
        &Runner::with_values(&quantized, &read.iter().map(|&id| int8(id)).collect::<Vec<_>>(), BATCH)?,
        &layers,
        &read,
        network,
        images,
    )?;
    let mut corrections = BTreeMap::new();
    for ((node, float), int8) in layers.iter().zip(float).zip(int8) {
        let Some(source) = graph.nodes.iter().find(|source| source.name == node.name) else { continue };
        let real = Constants { graph, node: source }.weights()?;
        let Some(weights) = weights(node) else { continue };
        let taps = real.taps();
        let per_group = (weights.shape[0] / float.view.groups.max(1)).max(1);
        let shift = |channel: usize| {
            let (group, span) = (channel / per_group, channel * taps..(channel + 1) * taps);
            let real: f64 =
                real.values[span.clone()].iter().zip(float.means(group)).map(|(w, m)| f64::from(*w) * m).sum();
            let steps: f64 = weights.values[span].iter().zip(int8.means(group)).map(|(w, m)| f64::from(*w) * m).sum();
            (real - steps * f64::from(weights.scales[channel])) as f32
        };
        corrections.insert(node.name.clone(), (0..weights.shape[0]).map(shift).collect());
    }
    Ok(corrections)
}

fn weights(node: &QuantNode) -> Option<&Weights> {
    match &node.op {
        QuantOp::Conv2d { weights, .. } | QuantOp::Dense { weights, .. } => Some(weights),
        _ => None,
    }
}

/// The mean of every tap of every layer, over images; the runner gives the tensors `read`.
fn means(
    runner: &Runner,
    layers: &[&QuantNode],
    read: &[usize],
    network: &QuantGraph,
    images: &[f32],
) -> Result<Vec<Moments>, CalibrateError> {
    let mut moments: Vec<Moments> = layers.iter().map(|node| Moments::new(view(network, node), false)).collect();
    for (turn, batch) in images.chunks((BATCH * runner.image_len()).max(1)).enumerate() {
        let results = runner.run(batch)?;
        for (node, moments) in layers.iter().zip(&mut moments) {
            let Ok(position) = read.binary_search(&node.inputs[0]) else { continue };
            let len = moments.view.input.iter().product::<usize>().max(1);
            for (image, values) in results[position].chunks_exact(len).enumerate() {
                moments.observe(values, WINDOWS, turn * BATCH + image);
            }
        }
    }
    Ok(moments)
}

fn view(network: &QuantGraph, node: &QuantNode) -> View {
    let (input, output) = (network.tensors[node.inputs[0]].shape, network.tensors[node.output].shape);
    let (window, groups) = match node.op {
        QuantOp::Conv2d { window, groups, .. } => (window, groups),
        _ => (shape::whole(input), 1),
    };
    View { input, output: [output[1], output[2]], window, groups }
}

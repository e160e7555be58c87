//! A float graph's operators, each with the activations that become its bounds.

use crate::graph::{Graph, Node};
use crate::quantize::activation::{Bounds, carries_activation};

/// An operator with the activation that follows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site<'g> {
    /// The operator; the activation itself where it stands alone.
    pub node: &'g Node,
    /// What the activation does to the result.
    pub bounds: Bounds,
    /// The value after the activation.
    pub output: &'g str,
}

/// The graph's operators in order, each with the activations that only it feeds.
pub(super) fn sites(graph: &Graph) -> Vec<Site<'_>> {
    let mut absorbed = vec![false; graph.nodes.len()];
    let mut sites = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        if !absorbed[index] && !node.outputs.is_empty() {
            sites.push(site(graph, node, &mut absorbed));
        }
    }
    sites
}

fn site<'g>(graph: &'g Graph, node: &'g Node, absorbed: &mut [bool]) -> Site<'g> {
    let mut site = Site { node, bounds: Bounds::of(&node.op).unwrap_or(Bounds::NONE), output: &node.outputs[0] };
    while let Some((index, bounds)) = following_activation(graph, &site) {
        absorbed[index] = true;
        site.bounds = site.bounds.then(bounds);
        site.output = &graph.nodes[index].outputs[0];
    }
    site
}

fn following_activation(graph: &Graph, site: &Site) -> Option<(usize, Bounds)> {
    if !carries_activation(&site.node.op) || graph.is_output(site.output) {
        return None;
    }
    let [reader] = graph.readers(site.output)[..] else { return None };
    Some((reader, Bounds::of(&graph.nodes[reader].op)?))
}

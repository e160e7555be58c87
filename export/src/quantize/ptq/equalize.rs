//! Equalization: channels that share a scale brought to one range.
//!
//! A tensor has one scale, and a channel whose values are small beside another's gets few steps. Channel i may be f times as large on its
//! way from the layers that make it to those that read it: the makers' weights and biases of channel i times f, the readers' weights over
//! it divided by f (Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", arXiv:1906.04721). A sum, a
//! pool or a ReLU takes f along, so that all values of a residual branch go together.

use crate::{
    graph::{Activation, Data, Graph, Node, Op},
    quantize::{QuantizeError, Range, activation::Bounds, shape::Shapes},
};
use std::collections::BTreeMap;

/// Channels grow no more than this: more would leave the readers' weights of that channel few steps.
const LARGEST_FACTOR: f32 = 64.0;
/// Channels that are so near to each other are even.
const LEAST_FACTOR: f32 = 1.1;

/// Before the name of a value, in an int8 file's metadata: what its channels were multiplied by, with blanks between.
pub const EQUALIZED: &str = "quantization.equalized.";

/// Values whose channels go together from the layers that make them to those that read them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// In the graph's order.
    pub values: Vec<String>,
    /// Nodes with weights.
    pub makers: Vec<String>,
    /// Nodes with weights; a depthwise convolution in a residual branch may be both.
    pub readers: Vec<String>,
    /// What there is a factor for; the channels of a flattened map are several to one of these.
    pub channels: usize,
}

/// All groups of two channels or more, in the graph's order.
pub(super) fn groups(graph: &Graph) -> Result<Vec<Group>, QuantizeError> {
    let shapes = Shapes::infer(graph)?;
    let mut ties = Ties::default();
    for value in graph.inputs.iter().chain(&graph.outputs) {
        ties.fix(&value.name);
    }
    for node in &graph.nodes {
        let reads = node.inputs.iter().filter(|name| !name.is_empty() && !graph.initializers.contains_key(*name));
        let values: Vec<&str> = reads.chain(&node.outputs).map(String::as_str).collect();
        if layer(graph, node).is_some() {
            values.iter().for_each(|value| ties.add(value));
        } else if takes_along(graph, node) {
            values.windows(2).for_each(|pair| ties.tie(pair[0], pair[1]));
        } else {
            values.iter().for_each(|value| ties.fix(value));
        }
    }
    let layers: Vec<Layer> = graph.nodes.iter().filter_map(|node| layer(graph, node)).collect();
    let mut groups = Vec::new();
    for values in ties.free() {
        let (mut makers, mut readers, mut channels) = (Vec::new(), Vec::new(), 0);
        for layer in &layers {
            if values.contains(&layer.node.outputs[0]) {
                makers.push(layer.node.name.clone());
                channels = common(channels, layer.outputs);
            }
            if values.contains(&layer.node.inputs[0]) {
                readers.push(layer.node.name.clone());
                channels = common(channels, layer.inputs);
            }
        }
        for value in &values {
            channels = common(channels, shapes.of(value)?[0]);
        }
        if channels > 1 && !makers.is_empty() && !readers.is_empty() {
            groups.push(Group { values, makers, readers, channels });
        }
    }
    Ok(groups)
}

impl Group {
    /// What each channel may be multiplied by so that it uses as much of its values' ranges as the largest does, or by a part of that: the
    /// factor to the power of `share`. From each value's channels as they were seen; none where they are even already.
    pub fn factors(&self, seen: &BTreeMap<String, Vec<Range>>, share: f32) -> Option<Vec<f32>> {
        let mut used = vec![0f32; self.channels];
        for channels in self.values.iter().filter_map(|value| seen.get(value)) {
            let low = channels.iter().fold(0f32, |low, channel| low.min(channel.min));
            let high = channels.iter().fold(0f32, |high, channel| high.max(channel.max));
            let part = |of: f32, whole: f32| if whole == 0.0 { 0.0 } else { (of / whole).max(0.0) };
            for (i, channel) in channels.iter().enumerate() {
                let most = &mut used[i * self.channels / channels.len()];
                *most = most.max(part(channel.min, low)).max(part(channel.max, high));
            }
        }
        // A dead channel has nothing to gain.
        let factor = |&used: &f32| if used > 0.0 { used.recip().powf(share).min(LARGEST_FACTOR) } else { 1.0 };
        let factors: Vec<f32> = used.iter().map(factor).collect();
        factors.iter().any(|&factor| factor > LEAST_FACTOR).then_some(factors)
    }

    /// Multiplies the values' channels; the graph computes what it did.
    pub fn apply(&self, graph: &mut Graph, factors: &[f32]) {
        let concerned = |node: &&Node| self.makers.contains(&node.name) || self.readers.contains(&node.name);
        for node in graph.nodes.iter().filter(concerned).cloned().collect::<Vec<_>>() {
            let Some(Layer { outputs, inputs, ends, .. }) = layer(graph, &node) else { continue };
            if self.makers.contains(&node.name) {
                multiply(graph, &node.inputs[1], |i| factor_of(factors, ends(i)[0], outputs));
                if let Some(bias) = node.input(2) {
                    multiply(graph, bias, |i| factor_of(factors, i % outputs, outputs));
                }
            }
            if self.readers.contains(&node.name) {
                multiply(graph, &node.inputs[1], |i| factor_of(factors, ends(i)[1], inputs).recip());
            }
        }
    }
}

/// The factor for a channel of `channels`, of which several may have one in common.
pub(super) fn factor_of(factors: &[f32], channel: usize, channels: usize) -> f32 {
    factors[channel * factors.len() / channels]
}

/// A node with weights and biases of its own.
struct Layer<'g> {
    node: &'g Node,
    outputs: usize,
    inputs: usize,
    /// The output and the input channel of each weight.
    ends: Box<dyn Fn(usize) -> [usize; 2]>,
}

fn layer<'g>(graph: &Graph, node: &'g Node) -> Option<Layer<'g>> {
    let constants = node.inputs.iter().skip(1).filter(|name| !name.is_empty());
    let is_own = |name: &String| {
        graph.initializers.get(name).is_some_and(|c| c.as_f32().is_some()) && graph.readers(name).len() == 1
    };
    if graph.initializers.contains_key(node.inputs.first()?) || !constants.into_iter().all(is_own) {
        return None;
    }
    let dims = &graph.constant(node, 1)?.dims[..];
    if dims.contains(&0) {
        return None;
    }
    let (outputs, inputs, ends): (_, _, Box<dyn Fn(usize) -> [usize; 2]>) = match (&node.op, dims) {
        (Op::Conv { groups, .. }, &[outputs, inputs, height, width]) if *groups > 0 && outputs % groups == 0 => {
            let (taps, per_group) = (height * width, outputs / groups);
            let ends = move |i| {
                let output = i / (inputs * taps);
                [output, output / per_group * inputs + i / taps % inputs]
            };
            (outputs, inputs * groups, Box::new(ends))
        }
        (Op::Gemm { transposed: true }, &[outputs, inputs]) => {
            (outputs, inputs, Box::new(move |i| [i / inputs, i % inputs]))
        }
        (Op::Gemm { .. } | Op::MatMul, &[inputs, outputs]) => {
            (outputs, inputs, Box::new(move |i| [i % outputs, i / outputs]))
        }
        _ => return None,
    };
    Some(Layer { node, outputs, inputs, ends })
}

/// Whether a node's result has its inputs' channels, each f times as large where they are so; f is positive.
fn takes_along(graph: &Graph, node: &Node) -> bool {
    match node.op {
        Op::Add => node.inputs.iter().all(|input| !graph.initializers.contains_key(input)),
        Op::MaxPool { .. } | Op::AveragePool { .. } | Op::GlobalAveragePool | Op::Resize { .. } => true,
        Op::Flatten { .. } | Op::Reshape | Op::Activation(Activation::LeakyRelu { .. }) => true,
        _ => Bounds::of(&node.op).is_some_and(|Bounds { low, high }| {
            [0.0, f32::NEG_INFINITY].contains(&low) && [0.0, f32::INFINITY].contains(&high)
        }),
    }
}

fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}

fn multiply(graph: &mut Graph, name: &str, factor: impl Fn(usize) -> f32) {
    let Some(Data::F32(values)) = graph.initializers.get_mut(name).map(|constant| &mut constant.data) else { return };
    values.iter_mut().enumerate().for_each(|(i, value)| *value *= factor(i));
}

/// Which values go together.
#[derive(Default)]
struct Ties {
    /// In the graph's order.
    values: Vec<Tied>,
}

struct Tied {
    name: String,
    /// Whether it may be multiplied.
    is_free: bool,
    /// The same for values that go together.
    number: usize,
}

impl Ties {
    fn add(&mut self, value: &str) {
        self.entry(value);
    }

    fn fix(&mut self, value: &str) {
        self.entry(value).is_free = false;
    }

    fn tie(&mut self, one: &str, other: &str) {
        let (to, from) = (self.entry(one).number, self.entry(other).number);
        self.values.iter_mut().filter(|value| value.number == from).for_each(|value| value.number = to);
    }

    fn entry(&mut self, value: &str) -> &mut Tied {
        let number = self.values.len();
        let known = self.values.iter().position(|tied| tied.name == value);
        if known.is_none() {
            self.values.push(Tied { name: value.into(), is_free: true, number });
        }
        &mut self.values[known.unwrap_or(number)]
    }

    /// Those that may be multiplied, with those that go with them.
    fn free(self) -> Vec<Vec<String>> {
        let mut together: BTreeMap<usize, Vec<Tied>> = BTreeMap::new();
        for value in self.values {
            together.entry(value.number).or_default().push(value);
        }
        let free = together.into_values().filter(|values| values.iter().all(|value| value.is_free));
        free.map(|values| values.into_iter().map(|value| value.name).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::{DType, Dim, Tensor, ValueInfo, Window},
        validate::tract::Runner,
    };

    const POINT: Window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };

    fn conv(name: &str, groups: usize, input: &str, weights: &str) -> Node {
        Node::new(name, Op::Conv { window: POINT, groups }, &[input, weights], &format!("{name}.out"))
    }

    /// x (2×1×2) → `nodes`.
    fn graph(nodes: Vec<Node>, constants: &[(&str, &[usize], &[f32])]) -> Graph {
        let constant =
            |&(name, dims, values): &(&str, &[usize], &[f32])| (name.into(), Tensor::f32(dims, values.to_vec()));
        let value = |name: &str, extents: &[usize]| ValueInfo {
            name: name.into(),
            dtype: DType::F32,
            shape: [Dim::Symbol("batch".into())].into_iter().chain(extents.iter().map(|&e| Dim::Fixed(e))).collect(),
        };
        let last = nodes[nodes.len() - 1].outputs[0].clone();
        Graph {
            name: "tiny".into(),
            nodes,
            inputs: vec![value("x", &[2, 1, 2])],
            outputs: vec![value(&last, &[])],
            initializers: constants.iter().map(constant).collect(),
            ..Graph::default()
        }
    }

    /// conv a → relu → depthwise b, whose results are added and flattened for a linear layer.
    fn residual() -> Graph {
        graph(
            vec![
                conv("a", 1, "x", "a.w"),
                Node::new("relu", Op::Relu, &["a.out"], "r"),
                conv("b", 2, "r", "b.w"),
                Node::new("sum", Op::Add, &["b.out", "r"], "s"),
                Node::new("flatten", Op::Flatten { axis: 1 }, &["s"], "f"),
                Node::new("fc", Op::Gemm { transposed: true }, &["f", "fc.w"], "y"),
            ],
            &[
                ("a.w", &[2, 2, 1, 1], &[1.0, 2.0, 0.25, 0.5]),
                ("b.w", &[2, 1, 1, 1], &[3.0, 5.0]),
                ("fc.w", &[1, 4], &[1.0, -1.0, 2.0, 4.0]),
            ],
        )
    }

    fn weights(graph: &Graph, name: &str) -> Vec<f32> {
        graph.initializers[name].as_f32().unwrap().to_vec()
    }

    #[test]
    fn a_residual_branch_goes_together() {
        let mut graph = residual();
        let [group] = &groups(&graph).unwrap()[..] else { panic!("one group") };
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert_eq!(group.values, names(&["a.out", "r", "b.out", "s", "f"]));
        assert_eq!((&group.makers, &group.readers), (&names(&["a", "b"]), &names(&["b", "fc"])));
        assert_eq!(group.channels, 2, "of a flattened map two values each");

        let answers =
            |graph: &Graph| Runner::with_values(graph, &["y"], 1).unwrap().run(&[0.5, -1.0, 2.0, 3.0]).unwrap();
        let before = answers(&graph);
        group.apply(&mut graph, &[1.0, 4.0]);
        assert_eq!(answers(&graph), before);
        assert_eq!(weights(&graph, "a.w"), [1.0, 2.0, 1.0, 2.0]);
        assert_eq!(weights(&graph, "b.w"), [3.0, 5.0], "read and made four times as large");
        assert_eq!(weights(&graph, "fc.w"), [1.0, -1.0, 0.5, 1.0]);
    }

    #[test]
    fn linear_layers_stored_either_way() {
        for op in [Op::Gemm { transposed: false }, Op::MatMul] {
            let mut graph = graph(
                vec![
                    Node::new("flatten", Op::Flatten { axis: 1 }, &["x"], "f"),
                    Node::new("first", Op::Gemm { transposed: false }, &["f", "w", "b"], "h"),
                    Node::new("second", op, &["h", "v"], "y"),
                ],
                &[("w", &[4, 2], &[1.0; 8]), ("b", &[1, 2], &[1.0, 0.5]), ("v", &[2, 2], &[1.0, 2.0, 3.0, 4.0])],
            );
            let [group] = &groups(&graph).unwrap()[..] else { panic!("one group") };
            group.apply(&mut graph, &[1.0, 2.0]);
            assert_eq!(weights(&graph, "w"), [1.0, 2.0].repeat(4));
            assert_eq!(weights(&graph, "b"), [1.0, 1.0]);
            assert_eq!(weights(&graph, "v"), [1.0, 2.0, 1.5, 2.0]);
        }
    }

    #[test]
    fn what_cannot_be_multiplied_holds_all_that_goes_with_it() {
        let none = |graph: &Graph| assert_eq!(groups(graph).unwrap(), []);
        let mut clipped = residual();
        clipped.nodes[1].op = Op::Clip { min: 0.0, max: 6.0 };
        none(&clipped);
        let mut negative = residual();
        negative.nodes[1].op = Op::Clip { min: f32::NEG_INFINITY, max: 0.0 };
        assert_eq!(groups(&negative).unwrap().len(), 1);
        let mut shared = residual();
        shared.initializers.insert("bias".into(), Tensor::f32(&[2], vec![1.0; 2]));
        for layer in [0, 2] {
            shared.nodes[layer].inputs.push("bias".into());
        }
        none(&shared);
        // The sum is with the input, whose values are as they are.
        let mut fixed = residual();
        fixed.nodes[3].inputs[1] = "x".into();
        let [group] = &groups(&fixed).unwrap()[..] else { panic!("one group") };
        assert_eq!(
            (&group.values[..], &group.makers[..], &group.readers[..]),
            (&["a.out".into(), "r".into()][..], &["a".into()][..], &["b".into()][..])
        );
        // An output is what it is.
        let mut seen = residual();
        seen.outputs.push(ValueInfo { name: "s".into(), ..seen.outputs[0].clone() });
        none(&seen);
    }

    #[test]
    fn factors_fill_the_range_in_which_a_channel_uses_most() {
        let [group] = &groups(&residual()).unwrap()[..] else { panic!("one group") };
        let range = |min, max| Range { min, max };
        let seen = |r: [Range; 2], s: [Range; 2]| {
            BTreeMap::from([("r".to_string(), r.to_vec()), ("s".to_string(), s.to_vec())])
        };
        // 1/16 of the one, 1/4 of the other's negative side.
        let uneven = seen([range(0.0, 8.0), range(0.0, 0.5)], [range(-2.0, 8.0), range(-0.5, 1.0)]);
        assert_eq!(group.factors(&uneven, 1.0).unwrap(), [1.0, 4.0]);
        assert_eq!(group.factors(&uneven, 0.5).unwrap(), [1.0, 2.0]);
        let even = seen([range(0.0, 8.0), range(0.0, 7.5)], [range(0.0, 1.0); 2]);
        assert_eq!(group.factors(&even, 1.0), None);
        let dead = seen([range(0.0, 8.0), range(0.0, 0.0)], [range(0.0, 1.0), range(0.0, 0.0)]);
        assert_eq!(group.factors(&dead, 1.0), None);
    }
}

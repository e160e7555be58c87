//! Functions of one value that a file spells in several operators, or in one that has no other form, become one.
//!
//! ```text
//! Softsign    x / (1 + Abs(x))
//! Shrink      Where(Abs(x) ≤ λ, 0, x)
//! GELU        x/2 · (1 + Tanh(√(2/π)·(x + 0.044715·x³)))
//! ```
//!
//! No pattern is looked for: whatever leads from one value to another through functions of single values and numbers is a function, and an int8
//! network looks its 256 values up. It begins as late as it can, so that what a layer takes into its weights or bounds stays before it. The reader
//! runs this too, because the writer spells the functions out again.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::graph::formula::{Formula, Operand, Step, is_pointwise};
use crate::graph::shape::{self, Shapes};
use crate::graph::{Activation, DType, Data, Graph, Node, Op, Tensor, ValueInfo};

/// Most operators of a function.
const MOST_OPERATORS: usize = 32;

/// The graph with every such function as one [`Op::Activation`], under the name of its last operator.
pub fn compose(graph: &Graph) -> Graph {
    let search = Search::new(graph);
    let (mut gone, mut functions) = (BTreeSet::new(), BTreeMap::new());
    // From the end: the whole function is seen before its parts.
    for end in (0..graph.nodes.len()).rev() {
        if gone.contains(&end) {
            continue;
        }
        let Some(Cone { x, nodes }) = search.cone(end) else { continue };
        let Some(formula) = search.formula(x, &nodes) else { continue };
        gone.extend(nodes.into_iter().filter(|&node| node != end));
        functions.insert(end, (formula, x.to_string()));
    }
    if functions.is_empty() {
        return graph.clone();
    }
    let kept = graph.nodes.iter().enumerate().filter(|(index, _)| !gone.contains(index));
    let nodes = kept.map(|(index, node)| match functions.remove(&index) {
        Some((formula, x)) => {
            Node { op: Op::Activation(Activation::Formula(formula)), inputs: vec![x], ..node.clone() }
        }
        None => node.clone(),
    });
    let mut composed = Graph { nodes: nodes.collect(), ..graph.clone() };
    super::prune_initializers(&mut composed);
    composed
}

/// What leads from a value to the last of some nodes.
struct Cone<'g> {
    x: &'g str,
    nodes: BTreeSet<usize>,
}

/// What a layer takes in of what follows it.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    /// Factors and terms into its weights, and then bounds.
    Arithmetic,
    /// Bounds of its result.
    Bounds,
    Nothing,
}

struct Search<'g> {
    graph: &'g Graph,
    shapes: Shapes,
    makers: HashMap<&'g str, usize>,
    readers: HashMap<&'g str, Vec<usize>>,
}

impl<'g> Search<'g> {
    fn new(graph: &'g Graph) -> Self {
        let mut search = Self { graph, shapes: shapes(graph), makers: HashMap::new(), readers: HashMap::new() };
        for (index, node) in graph.nodes.iter().enumerate() {
            search.makers.extend(node.outputs.iter().map(|output| (output.as_str(), index)));
            for input in &node.inputs {
                search.readers.entry(input).or_default().push(index);
            }
        }
        search
    }

    /// The function that ends at a node; none where it is better left as it is.
    fn cone(&self, end: usize) -> Option<Cone<'g>> {
        let before = self.before(end)?;
        let is_worth_it = |nodes: &BTreeSet<usize>| nodes.iter().any(|&node| self.needs_a_table(node));
        if !is_worth_it(&before) {
            return None;
        }
        let starts: BTreeSet<&str> = before.iter().flat_map(|&node| self.values(node)).collect();
        let cones = starts.into_iter().filter_map(|x| Some(Cone { x, nodes: self.between(x, end)? }));
        let mut cone = cones.max_by_key(|cone| cone.nodes.len())?;
        let mut takes = self.taken_behind(cone.x);
        while let Some((node, output)) = self.first_alone(&cone).filter(|(node, _)| *node != end) {
            takes = match self.graph.nodes[node].op {
                Op::Relu | Op::Clip { .. } if takes != Takes::Nothing => Takes::Bounds,
                _ if takes == Takes::Arithmetic && self.is_arithmetic(node) => takes,
                _ => break,
            };
            cone.nodes.remove(&node);
            cone.x = output;
        }
        is_worth_it(&cone.nodes).then_some(cone)
    }

    /// All that leads to a node through functions of single values.
    fn before(&self, end: usize) -> Option<BTreeSet<usize>> {
        let (mut found, mut open, mut operators) = (BTreeSet::new(), vec![end], 0);
        while let Some(node) = open.pop().filter(|_| operators < MOST_OPERATORS) {
            if self.is_pointwise(node) && found.insert(node) {
                operators += self.operators(node);
                open.extend(self.values(node).filter_map(|value| self.makers.get(value)));
            }
        }
        found.contains(&end).then_some(found)
    }

    /// The nodes from `x` to `end`, where they read nothing else and nobody else reads what they make on the way.
    fn between(&self, x: &str, end: usize) -> Option<BTreeSet<usize>> {
        let (mut found, mut open, mut operators) = (BTreeSet::new(), vec![end], 0);
        while let Some(node) = open.pop() {
            if !self.is_pointwise(node) || operators > MOST_OPERATORS {
                return None;
            }
            if found.insert(node) {
                operators += self.operators(node);
                for value in self.values(node).filter(|value| *value != x) {
                    open.push(*self.makers.get(value)?);
                }
            }
        }
        let is_inside = |&node: &usize| {
            let output = &self.graph.nodes[node].outputs[0];
            let readers = self.readers.get(output.as_str()).map_or(&[][..], Vec::as_slice);
            node == end || !self.graph.is_output(output) && readers.iter().all(|reader| found.contains(reader))
        };
        let is_real = self.shapes.get(x).is_some_and(|info| info.dtype == DType::F32);
        (is_real && operators <= MOST_OPERATORS && found.iter().all(is_inside)).then_some(found)
    }

    /// The first node and its output, where all else follows from that.
    fn first_alone(&self, cone: &Cone<'g>) -> Option<(usize, &'g str)> {
        let mut first = cone.nodes.iter().copied().filter(|&node| self.values(node).any(|value| value == cone.x));
        let (node, None) = (first.next()?, first.next()) else { return None };
        Some((node, self.graph.nodes[node].outputs[0].as_str()))
    }

    /// What becomes part of the layer that makes `x`, where nobody else reads that.
    fn taken_behind(&self, x: &str) -> Takes {
        let is_alone = self.readers.get(x).is_some_and(|readers| readers.len() == 1) && !self.graph.is_output(x);
        match self.makers.get(x).filter(|_| is_alone).map(|&maker| &self.graph.nodes[maker].op) {
            Some(Op::Conv { .. } | Op::Gemm { .. } | Op::MatMul | Op::BatchNorm { .. }) => Takes::Arithmetic,
            Some(Op::Other { op_type, .. }) if matches!(op_type.as_str(), "Conv" | "Gemm") => Takes::Arithmetic,
            Some(Op::Add | Op::Mul) => Takes::Bounds,
            _ => Takes::Nothing,
        }
    }

    /// Whether a node adds a number to one value, or multiplies it by one.
    fn is_arithmetic(&self, node: usize) -> bool {
        let op = &self.graph.nodes[node].op;
        let is_one_of = |names: [&str; 5]| names.contains(&op.name());
        is_one_of(["Add", "Mul", "Sub", "Div", "Neg"]) && self.values(node).count() == 1 && !self.needs_a_table(node)
    }

    /// How many operators a node is.
    fn operators(&self, node: usize) -> usize {
        match &self.graph.nodes[node].op {
            Op::Activation(Activation::Formula(formula)) => formula.steps().len(),
            _ => 1,
        }
    }

    /// What a node reads that is no constant.
    fn values(&self, node: usize) -> impl Iterator<Item = &'g str> + use<'_, 'g> {
        let inputs = self.graph.nodes[node].inputs.iter().map(String::as_str);
        inputs.filter(|input| !self.graph.initializers.contains_key(*input))
    }

    fn is_pointwise(&self, node: usize) -> bool {
        let node = &self.graph.nodes[node];
        let rank = || self.shapes.get(node.outputs.first()?).map(|info| info.shape.len());
        let is_operand = |input: &String| match self.graph.initializers.get(input) {
            Some(constant) => number(constant).is_some() && constant.dims.len() <= rank().unwrap_or(1).max(1),
            None => !input.is_empty(),
        };
        node.outputs.len() == 1 && node.inputs.iter().all(is_operand) && is_pointwise(&node.op, node.inputs.len())
    }

    /// Whether a node can be nothing but a table, or part of one: it has no form among layers and bounds, or reads two results of one value.
    fn needs_a_table(&self, node: usize) -> bool {
        let read = &self.graph.nodes[node];
        let is_constant = |position: usize| self.graph.constant(read, position).is_some();
        let has_a_form = match &read.op {
            Op::Add | Op::Mul | Op::Relu | Op::Clip { .. } => true,
            Op::Activation(function) => !matches!(function, Activation::Formula(_)),
            Op::Other { op_type, .. } => match op_type.as_str() {
                "Sub" | "Max" | "Min" | "Neg" | "Cast" => true,
                "Div" => is_constant(1),
                _ => false,
            },
            _ => true,
        };
        !has_a_form || self.values(node).collect::<BTreeSet<_>>().len() > 1
    }

    /// The nodes' steps, in their order.
    fn formula(&self, x: &str, nodes: &BTreeSet<usize>) -> Option<Formula> {
        let (mut steps, mut made) = (Vec::new(), HashMap::from([(x, Operand::X)]));
        for &index in nodes {
            let node = &self.graph.nodes[index];
            let operand = |input: &String| match self.graph.initializers.get(input) {
                Some(constant) => number(constant).map(Operand::Constant),
                None => made.get(input.as_str()).copied(),
            };
            let operands: Vec<Operand> = node.inputs.iter().map(operand).collect::<Option<_>>()?;
            match &node.op {
                Op::Activation(Activation::Formula(formula)) => append(&mut steps, formula, *operands.first()?),
                op => steps.push(Step { op: op.clone(), operands }),
            }
            made.insert(&node.outputs[0], Operand::Step(steps.len() - 1));
        }
        Formula::new(steps)
    }
}

/// The shapes that are known, with those behind functions of single values, which keep the shape of what they read.
fn shapes(graph: &Graph) -> Shapes {
    let mut shapes: Shapes = graph.inputs.iter().map(|input| (input.name.clone(), input.clone())).collect();
    for node in &graph.nodes {
        let known = shape::of_output(&graph.initializers, &shapes, node).ok();
        if let Some(info) = known.or_else(|| as_read(graph, &shapes, node)) {
            shapes.insert(info.name.clone(), info);
        }
    }
    shapes
}

fn as_read(graph: &Graph, shapes: &Shapes, node: &Node) -> Option<ValueInfo> {
    is_pointwise(&node.op, node.inputs.len()).then_some(())?;
    let mut read = node.inputs.iter().filter(|input| !graph.initializers.contains_key(*input)).map(|x| shapes.get(x));
    let first = read.next()??;
    let are_alike = read.all(|other| other.is_some_and(|other| other.shape == first.shape));
    are_alike.then_some(())?;
    Some(ValueInfo { name: node.outputs.first()?.clone(), ..first.clone() })
}

/// Adds the steps of a function of `x`.
fn append(steps: &mut Vec<Step>, formula: &Formula, x: Operand) {
    let before = steps.len();
    let moved = |operand: &Operand| match *operand {
        Operand::X => x,
        Operand::Step(index) => Operand::Step(before + index),
        constant @ Operand::Constant(_) => constant,
    };
    let step = |step: &Step| Step { op: step.op.clone(), operands: step.operands.iter().map(moved).collect() };
    steps.extend(formula.steps().iter().map(step));
}

/// A constant of one value. Exponents may be whole.
fn number(constant: &Tensor) -> Option<f32> {
    match constant.data {
        Data::F32(ref values) if values.len() == 1 => Some(values[0]),
        Data::I64(ref values) if values.len() == 1 => Some(values[0] as f32),
        Data::I32(ref values) if values.len() == 1 => Some(values[0] as f32),
        _ => None,
    }
}

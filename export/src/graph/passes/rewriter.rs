//! Walks a graph from its inputs to its outputs and rewrites node after node.
//!
//! A [`Rule`] sees one node and everything before it, in its final form and with shapes, and may answer with other nodes in
//! its place. Those are offered to the rules again; a node that no rule wants is settled. Nodes that lose their last reader
//! on the way go, so a rule that moves work past a node leaves nothing behind.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::arrays::MOST_GROWN;
use super::constants::Extents;
use super::prune_initializers;
use crate::graph::shape::{self, Shapes};
use crate::graph::{Dim, Graph, Node, Op, Tensor, ValueInfo};

/// What may stand in a node's place: nodes of which one makes the node's outputs, or none where the rule has seen to them itself.
pub(super) type Rule = fn(&mut Rewriter, &Node) -> Option<Vec<Node>>;

/// Most rewrites for each node of the graph before the rest of it is left as it is.
const MOST_REWRITES: usize = 64;
/// Most values of new constants, beside four times those of the file, before the rest of the graph is left as it is.
const MOST_NEW_VALUES: usize = 16 * MOST_GROWN;
/// Nodes among which one is looked for that reads an input of the network before all others.
const EARLY_NODES: usize = 64;
/// Longest beginning of a new name, in bytes: each is made from another.
const LONGEST_STEM: usize = 160;

/// The graph after the rules.
pub(super) fn rewrite(graph: &Graph, rules: &[Rule]) -> Graph {
    rewrite_of_batch(graph, rules, None)
}

/// The graph after the rules, where the batch that is a symbol now was `file_batch` when its constants were written.
pub(super) fn rewrite_of_batch(graph: &Graph, rules: &[Rule], file_batch: Option<usize>) -> Graph {
    let mut rewriter = Rewriter { file_batch, ..Rewriter::new(graph) };
    let mut queue: VecDeque<Node> = graph.nodes.iter().cloned().collect();
    let mut left = graph.nodes.len().saturating_mul(MOST_REWRITES);
    while let Some(mut node) = queue.pop_front() {
        rewriter.follow_aliases(&mut node);
        let wanted = if left > 0 && rewriter.has_room() {
            rules.iter().find_map(|rule| rule(&mut rewriter, &node))
        } else {
            None
        };
        match wanted {
            Some(nodes) => {
                left -= 1;
                nodes.iter().for_each(|new| rewriter.count(new));
                rewriter.forget(&node.inputs);
                nodes.into_iter().rev().for_each(|new| queue.push_front(new));
            }
            None => rewriter.settle(node),
        }
    }
    rewriter.finish(graph)
}

/// The graph as far as it has been rewritten, and what is known of it.
pub(super) struct Rewriter {
    settled: Vec<Option<Node>>,
    makers: HashMap<String, usize>,
    /// How many inputs, and outputs of the graph, name a value.
    readers: HashMap<String, usize>,
    shapes: Shapes,
    constants: BTreeMap<String, Tensor>,
    inputs: Vec<ValueInfo>,
    outputs: HashSet<String>,
    metadata: BTreeMap<String, String>,
    aliases: HashMap<String, String>,
    taken: HashSet<String>,
    /// The batch that shapes in the graph's constants were written for, where it is a symbol by now.
    pub(super) file_batch: Option<usize>,
    /// Shape arithmetic with the batch in it.
    pub(super) extents: HashMap<String, Extents>,
    /// How many names begin with a stem.
    numbers: HashMap<String, usize>,
    /// Values of all constants, and how many there may be.
    values: usize,
    most_values: usize,
}

impl Rewriter {
    fn new(graph: &Graph) -> Self {
        let nodes = graph.nodes.iter().flat_map(|n| n.inputs.iter().chain(&n.outputs).chain([&n.name]));
        let ends = graph.inputs.iter().chain(&graph.outputs).map(|v| &v.name);
        let values = graph.initializers.values().map(|tensor| tensor.data.len()).sum::<usize>();
        let mut rewriter = Self {
            settled: Vec::new(),
            makers: HashMap::new(),
            readers: HashMap::new(),
            shapes: graph.inputs.iter().map(|i| (i.name.clone(), i.clone())).collect(),
            constants: graph.initializers.clone(),
            inputs: graph.inputs.clone(),
            outputs: graph.outputs.iter().map(|o| o.name.clone()).collect(),
            metadata: graph.metadata.clone(),
            aliases: HashMap::new(),
            taken: nodes.chain(ends).chain(graph.initializers.keys()).cloned().collect(),
            file_batch: None,
            extents: HashMap::new(),
            numbers: HashMap::new(),
            values,
            most_values: values.saturating_mul(5).saturating_add(MOST_NEW_VALUES),
        };
        graph.nodes.iter().for_each(|node| rewriter.count(node));
        for output in &graph.outputs {
            *rewriter.readers.entry(output.name.clone()).or_default() += 1;
        }
        rewriter
    }

    fn count(&mut self, node: &Node) {
        for input in node.inputs.iter().filter(|i| !i.is_empty()) {
            *self.readers.entry(self.alias(input)).or_default() += 1;
        }
    }

    /// Whether constants may be added.
    fn has_room(&self) -> bool {
        self.values <= self.most_values
    }

    /// Takes one reader from each value, and removes the nodes and the constants that nobody reads any more.
    fn forget(&mut self, values: &[String]) {
        let mut open = values.to_vec();
        while let Some(value) = open.pop() {
            let Some(count) = self.readers.get_mut(&value) else { continue };
            *count = count.saturating_sub(1);
            if *count > 0 {
                continue;
            }
            let Some(&maker) = self.makers.get(&value) else {
                self.drop_constant(&value);
                continue;
            };
            let readers = &self.readers;
            let unread = |o: &String| readers.get(o).is_none_or(|&count| count == 0);
            if let Some(node) = self.settled[maker].take_if(|n| n.outputs.iter().all(unread)) {
                node.outputs.iter().for_each(|output| _ = self.makers.remove(output));
                open.extend(node.inputs);
            }
        }
    }

    fn drop_constant(&mut self, value: &str) {
        let dropped = if self.is_output(value) { None } else { self.constants.remove(value) };
        self.values -= dropped.map_or(0, |tensor| tensor.data.len());
    }

    fn set_constant(&mut self, value: &str, tensor: Tensor) {
        self.values += tensor.data.len();
        let before = self.constants.insert(value.into(), tensor);
        self.values -= before.map_or(0, |tensor| tensor.data.len());
    }

    fn alias(&self, value: &str) -> String {
        self.aliases.get(value).cloned().unwrap_or_else(|| value.into())
    }

    fn follow_aliases(&self, node: &mut Node) {
        node.inputs.iter_mut().for_each(|input| *input = self.alias(input));
    }

    fn settle(&mut self, node: Node) {
        if let Some(info) = self.info_of(&node) {
            self.shapes.insert(info.name.clone(), info);
        }
        for output in &node.outputs {
            self.makers.insert(output.clone(), self.settled.len());
        }
        self.settled.push(Some(node));
    }

    fn finish(self, graph: &Graph) -> Graph {
        let known = |o: &ValueInfo| self.shapes.get(&o.name).cloned().unwrap_or_else(|| o.clone());
        let outputs = graph.outputs.iter().map(known).collect();
        let mut graph = Graph {
            name: graph.name.clone(),
            nodes: self.settled.into_iter().flatten().collect(),
            inputs: self.inputs,
            outputs,
            initializers: self.constants,
            metadata: self.metadata,
        };
        prune_initializers(&mut graph);
        graph
    }
}

/// What rules ask.
impl Rewriter {
    /// The constant at an input.
    pub(super) fn constant(&self, node: &Node, position: usize) -> Option<&Tensor> {
        self.constants.get(node.input(position)?)
    }

    /// The constant of a name.
    pub(super) fn tensor(&self, value: &str) -> Option<&Tensor> {
        self.constants.get(value)
    }

    /// The node that makes a value.
    pub(super) fn maker(&self, value: &str) -> Option<&Node> {
        self.settled[*self.makers.get(value)?].as_ref()
    }

    /// The node that makes an input, where nobody else reads what it makes.
    pub(super) fn sole_maker(&self, node: &Node, position: usize) -> Option<&Node> {
        let value = node.input(position)?;
        self.maker(value).filter(|_| self.readers(value) == 1)
    }

    /// The first node that reads a value first of all and is such, where it is among the first of all nodes.
    pub(super) fn early_reader(&self, value: &str, is_such: impl Fn(&Node) -> bool) -> Option<&Node> {
        let mut early = self.settled.iter().take(EARLY_NODES).flatten();
        early.find(|node| node.input(0) == Some(value) && is_such(node))
    }

    /// How many inputs, and outputs of the graph, name a value.
    pub(super) fn readers(&self, value: &str) -> usize {
        self.readers.get(value).copied().unwrap_or_default()
    }

    pub(super) fn is_output(&self, value: &str) -> bool {
        self.outputs.contains(value)
    }

    pub(super) fn is_input(&self, value: &str) -> bool {
        self.inputs.iter().any(|i| i.name == value)
    }

    /// Type and shape of a value.
    pub(super) fn info(&self, value: &str) -> Option<&ValueInfo> {
        self.shapes.get(value)
    }

    /// Type and shape of what a node would make.
    pub(super) fn info_of(&self, node: &Node) -> Option<ValueInfo> {
        shape::of_output(&self.constants, &self.shapes, node).ok()
    }

    /// The dimensions of one sample of an input, where the batch comes first and the rest is fixed.
    pub(super) fn sample(&self, node: &Node, position: usize) -> Option<Vec<usize>> {
        self.sample_of(node.input(position)?)
    }

    /// The dimensions of one sample of a value, where the batch comes first and the rest is fixed.
    pub(super) fn sample_of(&self, value: &str) -> Option<Vec<usize>> {
        let info = self.shapes.get(value)?;
        (info.shape.first() == Some(self.batch()?)).then(|| shape::sample_dims(info))?
    }

    /// The first dimension of the graph's first input.
    pub(super) fn batch(&self) -> Option<&Dim> {
        self.inputs.first()?.shape.first()
    }
}

/// What rules do.
impl Rewriter {
    /// A name that nothing has.
    pub(super) fn fresh(&mut self, stem: &str) -> String {
        let stem = &stem[..stem.floor_char_boundary(LONGEST_STEM)];
        let numbers = self.numbers.entry(stem.into()).or_default();
        loop {
            *numbers += 1;
            let name = if *numbers == 1 { stem.to_string() } else { format!("{stem}_{numbers}") };
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// A new constant; its name begins with `stem`.
    pub(super) fn add_constant(&mut self, stem: &str, tensor: Tensor) -> String {
        let name = self.fresh(stem);
        self.set_constant(&name, tensor);
        name
    }

    /// A constant in place of one that `node` reads: under the same name where nobody else reads it.
    pub(super) fn change_constant(&mut self, name: &str, tensor: Tensor) -> String {
        if self.readers(name) > 1 {
            return self.add_constant(&format!("{name}.folded"), tensor);
        }
        self.set_constant(name, tensor);
        self.taken.insert(name.into());
        name.into()
    }

    /// A node of one output, with a new name after `node` that is its output's as well.
    pub(super) fn part(&mut self, node: &Node, suffix: &str, op: Op, inputs: &[&str]) -> Node {
        let name = self.fresh(&format!("{}.{suffix}", node.name));
        let inputs = inputs.iter().map(|i| i.to_string()).collect();
        Node { outputs: vec![name.clone()], name, op, inputs }
    }

    /// Makes the output of `node` a constant.
    pub(super) fn become_constant(&mut self, node: &Node, tensor: Tensor) -> Option<Vec<Node>> {
        let [output] = node.outputs.as_slice() else { return None };
        if self.is_output(output) || self.values + tensor.data.len() > self.most_values {
            return None;
        }
        self.set_constant(output, tensor);
        Some(Vec::new())
    }

    /// Lets everybody who reads the output of `node` read its first input instead; none where the graph's own ends forbid it.
    pub(super) fn bypass(&mut self, node: &Node) -> Option<Vec<Node>> {
        let (from, to) = (node.input(0)?.to_string(), node.outputs.first()?.clone());
        if self.is_output(&to) {
            return self.rename(&from, &to);
        }
        let readers = self.readers(&to);
        *self.readers.entry(from.clone()).or_default() += readers;
        self.aliases.values_mut().filter(|v| **v == to).for_each(|v| *v = from.clone());
        self.aliases.insert(to, from);
        Some(Vec::new())
    }

    /// Gives the value `from` the name `to` of an output of the graph.
    fn rename(&mut self, from: &str, to: &str) -> Option<Vec<Node>> {
        if self.is_output(from) || self.constants.contains_key(from) {
            return None;
        }
        let maker = self.makers.remove(from)?;
        for node in self.settled.iter_mut().flatten() {
            node.inputs.iter_mut().chain(&mut node.outputs).filter(|v| *v == from).for_each(|v| *v = to.into());
        }
        self.makers.insert(to.into(), maker);
        if let Some(info) = self.shapes.remove(from) {
            self.shapes.insert(to.into(), ValueInfo { name: to.into(), ..info });
        }
        // The bypassed node is one of the readers of `from`, and is about to be forgotten under that name.
        let others = self.readers(from).saturating_sub(1);
        *self.readers.entry(to.into()).or_default() += others;
        self.aliases.values_mut().filter(|v| *v == from).for_each(|v| *v = to.into());
        self.aliases.insert(from.into(), to.into());
        Some(Vec::new())
    }

    /// Declares an input of the graph, read by one node alone, with other dimensions.
    pub(super) fn declare_input(&mut self, value: &str, sample: &[usize], note: &str) -> Option<()> {
        let input = self.inputs.iter_mut().find(|i| i.name == value)?;
        input.shape.truncate(1);
        input.shape.extend(sample.iter().map(|&d| Dim::Fixed(d)));
        self.shapes.insert(value.into(), input.clone());
        self.note_layout(value, note);
        Some(())
    }

    /// Notes how an input or output is declared in the file; that its axes were in another order says more than that it had others.
    pub(super) fn note_layout(&mut self, value: &str, note: &str) {
        let noted = self.metadata.entry(super::layout_key(value)).or_insert_with(|| note.into());
        *noted = match noted.as_str() {
            super::SAME_ORDER => note.into(),
            _ if note == super::SAME_ORDER => return,
            // Turned twice.
            before if before != note => super::OTHER_ORDER.into(),
            _ => return,
        };
    }
}

//! QDQ graph → [`QuantGraph`].

use super::super::{
    Affine, Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, QuantizeError, TensorId,
    activation::{Site, sites},
    apply::{interface, is_trailing_softmax},
    calibrate::keeps_scale,
    flatten::fold_flattening,
    operator,
    shape::{self, Shapes},
};
use super::constants::Constants;
use crate::graph::{Graph, Node, Op};
use std::collections::BTreeMap;

pub(super) type Result<T> = std::result::Result<T, QuantizeError>;

/// Reads a QDQ graph of the form this module describes.
///
/// # Errors
/// [`QuantizeError::Form`] with the node, what the form asks for, and what is there.
pub fn from_graph(graph: &Graph) -> Result<QuantGraph> {
    let (_, output) = interface(graph)?;
    let mut reader = Reader::new(graph)?;
    for node in graph.nodes.iter().filter(|node| matches!(node.op, Op::Quantize { .. })) {
        reader.tensor(node)?;
    }
    reader.refuse_leftovers()?;
    let output = reader.dequantized(output, "the network's output")?;
    Ok(fold_flattening(QuantGraph {
        name: graph.name.clone(),
        tensors: reader.tensors,
        nodes: reader.nodes,
        input: 0,
        output,
        metadata: graph.metadata.clone(),
    }))
}

struct Reader<'g> {
    graph: &'g Graph,
    constants: Constants<'g>,
    /// Float operators with their activations, by the value they make; each leaves when its QuantizeLinear is read.
    sites: BTreeMap<&'g str, Site<'g>>,
    shapes: Shapes,
    /// Tensors by the name of their int8 value.
    ids: BTreeMap<&'g str, TensorId>,
    tensors: Vec<QuantTensor>,
    nodes: Vec<QuantNode>,
}

impl<'g> Reader<'g> {
    fn new(graph: &'g Graph) -> Result<Self> {
        let is_float = |site: &Site| {
            !matches!(site.node.op, Op::Quantize { .. } | Op::Dequantize { .. })
                && !is_trailing_softmax(graph, site.node)
        };
        let sites = sites(graph).into_iter().filter(is_float).map(|site| (site.output, site)).collect();
        let shapes = Shapes::infer(graph)?;
        let constants = Constants { graph };
        Ok(Self { graph, constants, sites, shapes, ids: BTreeMap::new(), tensors: Vec::new(), nodes: Vec::new() })
    }

    /// One QuantizeLinear is one tensor: the input, an operator's result, or a change of scale.
    fn tensor(&mut self, quantize: &'g Node) -> Result<()> {
        let real = quantize.input(0).unwrap_or_default();
        let affine = self.constants.affine(quantize)?;
        if self.graph.inputs.iter().any(|input| input.name == real) {
            return self.network_input(quantize, affine);
        }
        let (node, op, inputs) = match self.sites.remove(real) {
            Some(site) => self.operator(&site, affine)?,
            None => self.change_of_scale(quantize, real)?,
        };
        let shapes: Vec<_> = inputs.iter().map(|&id| self.tensors[id].shape).collect();
        shape::check(node, &op, &shapes, self.shapes.of(real)?)?;
        let output = self.push(quantize, affine)?;
        self.nodes.push(QuantNode { name: node.name.clone(), op, inputs, output });
        Ok(())
    }

    fn network_input(&mut self, quantize: &'g Node, affine: Affine) -> Result<()> {
        if self.tensors.is_empty() {
            return self.push(quantize, affine).map(drop);
        }
        let found = "a second QuantizeLinear of it, or one after other operators";
        Err(QuantizeError::form(&quantize.name, "one QuantizeLinear of the network's input, before all others", found))
    }

    fn change_of_scale(&self, quantize: &'g Node, real: &str) -> Result<(&'g Node, QuantOp, Vec<TensorId>)> {
        let input = self.dequantized(real, &quantize.name)?;
        Ok((quantize, QuantOp::Requantize { clamp: Clamp::NONE }, vec![input]))
    }

    fn operator(&self, site: &Site<'g>, output: Affine) -> Result<(&'g Node, QuantOp, Vec<TensorId>)> {
        self.check_only_reader(site)?;
        let node = site.node;
        let operand = |position| self.dequantized(node.input(position).unwrap_or_default(), &node.name);
        let inputs: Vec<TensorId> = (0..shape::operand_count(&node.op)).map(operand).collect::<Result<_>>()?;
        let input = &self.tensors[inputs[0]];
        if keeps_scale(&node.op) && input.affine() != output {
            let expected = format!("scale and zero point of its input, {:?}", input.affine());
            return Err(QuantizeError::form(&node.name, expected, format!("{output:?}")));
        }
        let op = operator::op(node, input, site.bounds.clamp(output), |scale| self.constants.weights(node, scale))?;
        Ok((node, op, inputs))
    }

    fn check_only_reader(&self, site: &Site) -> Result<()> {
        let readers = self.graph.readers(site.output).len() + usize::from(self.graph.is_output(site.output));
        if readers == 1 {
            return Ok(());
        }
        let found = format!("{readers} readers (the network's outputs among them)");
        let expected = format!("one QuantizeLinear as the only reader of `{}`", site.output);
        Err(QuantizeError::form(&site.node.name, expected, found))
    }

    fn push(&mut self, quantize: &'g Node, Affine { scale, zero_point }: Affine) -> Result<TensorId> {
        let value = quantize.outputs[0].as_str();
        let name = [".quantized", "_QuantizeLinear_Output"].iter().find_map(|suffix| value.strip_suffix(suffix));
        let shape = self.shapes.of(value)?;
        self.tensors.push(QuantTensor { name: name.unwrap_or(value).into(), shape, scale, zero_point });
        self.ids.insert(value, self.tensors.len() - 1);
        Ok(self.tensors.len() - 1)
    }

    /// The tensor that a DequantizeLinear turned into `value`, with the scale it was quantized with.
    fn dequantized(&self, value: &str, reader: &str) -> Result<TensorId> {
        let dequantize = self.constants.dequantize(value, reader)?;
        let id = dequantize.input(0).and_then(|quantized| self.ids.get(quantized)).copied().ok_or_else(|| {
            QuantizeError::form(
                &dequantize.name,
                "a value that a QuantizeLinear before it makes",
                dequantize.inputs.join(", "),
            )
        })?;
        let (written, found) = (self.tensors[id].affine(), self.constants.affine(dequantize)?);
        if written == found {
            return Ok(id);
        }
        Err(QuantizeError::form(&dequantize.name, format!("{written:?}, as quantized"), format!("{found:?}")))
    }

    fn refuse_leftovers(&self) -> Result<()> {
        let Some(site) = self.sites.values().next() else { return Ok(()) };
        let expected = format!("a QuantizeLinear after its result `{}`", site.output);
        Err(QuantizeError::form(&site.node.name, expected, "none"))
    }
}

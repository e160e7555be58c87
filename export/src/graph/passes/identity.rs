//! Nodes that pass their input on are removed.

use super::rewriter::Rewriter;
use crate::graph::{DType, Node, Op};

/// Identity, Dropout in inference, a Cast to the type that is there, and sums or joins of one value; one from an input straight to an
/// output stays.
pub(super) fn remove(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    if passes_on(rw, node) { rw.bypass(node) } else { None }
}

/// Dropout's second output is a mask: where somebody reads it, the node is no identity.
fn passes_on(rw: &Rewriter, node: &Node) -> bool {
    let is = |op_type: &str| node.op.other(op_type).is_some();
    let alone = node.inputs.len() == 1;
    let plain = is("Identity")
        || (is("Dropout") && !is_training(rw, node))
        || (alone && (is("Sum") || is("Max") || is("Min") || is("Mean") || matches!(node.op, Op::Concat { .. })))
        || keeps_type(rw, node).unwrap_or(false);
    plain && node.outputs.iter().skip(1).all(|o| rw.readers(o) == 0)
}

/// Whether Dropout's third input may be other than false.
fn is_training(rw: &Rewriter, node: &Node) -> bool {
    let off = |data: &crate::graph::Data| *data == crate::graph::Data::U8(vec![0]);
    node.input(2).is_some() && !rw.constant(node, 2).is_some_and(|mode| off(&mode.data))
}

/// A Cast to float32 (ONNX's type 1) of floats, or one to the type of a float.
fn keeps_type(rw: &Rewriter, node: &Node) -> Option<bool> {
    let is_float = |position: usize| {
        let name = node.input(position)?;
        let constant = rw.tensor(name).map(|t| t.data.dtype());
        Some(constant.or_else(|| rw.info(name).map(|info| info.dtype))? == DType::F32)
    };
    match node.op.other("Cast") {
        Some(cast) => Some(cast.int("to", 0)? == 1 && is_float(0)?),
        None => Some(node.op.other("CastLike").is_some() && is_float(0)? && is_float(1)?),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node, other};
    use super::*;
    use crate::graph::Graph;

    fn removed(graph: &Graph) -> Graph {
        rewrite(graph, &[remove])
    }

    #[test]
    fn readers_and_outputs_are_linked_past_it() {
        let nodes = vec![
            node("first", other("Identity"), &["x"]),
            node("relu", Op::Relu, &["first.out"]),
            node("last", other("Dropout"), &["relu.out"]),
        ];
        let removed = removed(&graph(&[1], nodes, &[]));
        assert_eq!(listing(&removed), [("relu", "Relu")]);
        assert_eq!(
            (removed.nodes[0].inputs.clone(), removed.nodes[0].outputs.clone()),
            (vec!["x".into()], vec!["last.out".into()])
        );
    }

    #[test]
    fn readers_of_a_renamed_output_follow() {
        let nodes = vec![
            node("relu", Op::Relu, &["x"]),
            node("side", Op::Relu, &["relu.out"]),
            node("sum", Op::Add, &["relu.out", "side.out"]),
            node("last", other("Identity"), &["relu.out"]),
        ];
        let mut graph = graph(&[1], nodes, &[]);
        graph.outputs.push(crate::graph::ValueInfo { name: "sum.out".into(), ..graph.outputs[0].clone() });
        let removed = removed(&graph);
        assert_eq!(removed.nodes[0].outputs, ["last.out"]);
        assert_eq!(removed.nodes[1].inputs, ["last.out"]);
        assert_eq!(removed.nodes[2].inputs, ["last.out", "side.out"]);
    }

    #[test]
    fn an_input_that_is_an_output_keeps_its_identity() {
        let kept = removed(&graph(&[1], vec![node("only", other("Identity"), &["x"])], &[]));
        assert_eq!(listing(&kept), [("only", "Identity")]);
    }

    #[test]
    fn a_dropout_whose_mask_is_read_stays() {
        let mut dropout = node("drop", other("Dropout"), &["x"]);
        dropout.outputs.push("mask".into());
        let kept = removed(&graph(&[1], vec![dropout, node("add", Op::Add, &["drop.out", "mask"])], &[]));
        assert_eq!(kept.nodes.len(), 2);
    }
}

//! Softmax and LogSoftmax of old files, and flattenings behind them.

use super::reshape::is_reshape;
use super::rewriter::Rewriter;
use crate::graph::attributes::positions;
use crate::graph::{BEFORE_OPSET_13, Node, Op};

/// Before opset 13 everything from the axis on was one vector: the same as today's where all but one of those dimensions are one.
pub(super) fn from_flattening(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let today = node.op.name().strip_suffix(BEFORE_OPSET_13)?.to_string();
    let Op::Other { attributes, .. } = &node.op else { return None };
    let sample = rw.sample(node, 0)?;
    let start = crate::graph::Attributes(attributes).int("axis", 1)?;
    let start = positions(&[start], sample.len() + 1)?[0];
    let mut real = (start..=sample.len()).filter(|&axis| axis == 0 || sample[axis - 1] != 1);
    let axis = real.next().unwrap_or(start) as i64;
    (start > 0 && real.next().is_none()).then_some(())?;
    let op = if today == "Softmax" { Op::Softmax { axis } } else { Op::LogSoftmax { axis } };
    Some(vec![Node { op, ..node.clone() }])
}

/// Flatten(Softmax(x)) over all that a sample has is Softmax(Flatten(x)), so that the Softmax comes last.
pub(super) fn behind_flatten(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    is_reshape(&node.op).then_some(())?;
    let softmax = rw.sole_maker(node, 0)?.clone();
    let axis = match softmax.op {
        Op::Softmax { axis } | Op::LogSoftmax { axis } => axis,
        _ => return None,
    };
    let sample = rw.sample(&softmax, 0)?;
    let axis = positions(&[axis], sample.len() + 1)?[0].checked_sub(1)?;
    let others_are_one = (0..sample.len()).all(|i| i == axis || sample[i] == 1);
    let flat = rw.info_of(node).is_some_and(|info| info.shape.len() == 2);
    (others_are_one && flat).then_some(())?;
    let part = rw.part(node, "flat", node.op.clone(), &[]);
    let inputs = [&softmax.inputs[..1], &node.inputs[1..]].concat();
    let flat = Node { inputs, ..part };
    let op =
        if matches!(softmax.op, Op::Softmax { .. }) { Op::Softmax { axis: 1 } } else { Op::LogSoftmax { axis: 1 } };
    Some(vec![flat.clone(), Node { op, inputs: flat.outputs, outputs: node.outputs.clone(), name: softmax.name }])
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::Attribute;

    #[test]
    fn an_old_softmax_is_todays_where_it_is_the_same() {
        let of = |op_type: &str, axis, dims: &[usize]| {
            let op_type = format!("{op_type}{BEFORE_OPSET_13}");
            let op = Op::Other { op_type, attributes: [("axis".to_string(), Attribute::Int(axis))].into() };
            rewrite(&graph(dims, vec![node("s", op, &["x"])], &[]), &[from_flattening]).nodes[0].op.clone()
        };
        assert_eq!(of("Softmax", 1, &[10]), Op::Softmax { axis: 1 });
        assert_eq!(of("LogSoftmax", -1, &[1, 10]), Op::LogSoftmax { axis: 2 });
        assert_eq!(of("Softmax", 1, &[1, 1, 10]), Op::Softmax { axis: 3 });
        assert!(matches!(of("Softmax", 1, &[2, 10]), Op::Other { .. }));
        assert!(matches!(of("Softmax", 0, &[10]), Op::Other { .. }));
    }

    #[test]
    fn a_softmax_over_pooled_channels_comes_last() {
        let nodes = vec![
            node("pool", Op::GlobalAveragePool, &["x"]),
            node("s", Op::Softmax { axis: 1 }, &["pool.out"]),
            node("f", Op::Flatten { axis: 1 }, &["s.out"]),
        ];
        let last = rewrite(&graph(&[4, 3, 3], nodes, &[]), &[behind_flatten]);
        assert_eq!(listing(&last), [("pool", "GlobalAveragePool"), ("f.flat", "Flatten"), ("s", "Softmax")]);
        assert_eq!(last.nodes[2].outputs, ["f.out"]);
    }
}

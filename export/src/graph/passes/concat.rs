//! A Concat counts its axis from the first one.

use super::rewriter::Rewriter;
use crate::graph::attributes::positions;
use crate::graph::{Node, Op};

/// A Concat whose axis is counted from the last one, as `torch.cat(…, dim=-1)` and Keras write it.
pub(super) fn from_front(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let Op::Concat { axis: axis @ ..0 } = node.op else { return None };
    let rank = node.inputs.iter().find_map(|input| rw.info(input))?.shape.len();
    let axis = *positions(&[axis], rank)?.first()? as i64;
    Some(vec![Node { op: Op::Concat { axis }, ..node.clone() }])
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, node};
    use super::super::{run, supported};
    use super::*;

    #[test]
    fn channels_are_channels_from_either_end() {
        for (dims, axis) in [(&[5][..], -1), (&[5, 3], -2), (&[5, 3, 2], -3)] {
            let nodes = vec![
                node("a", Op::Relu, &["x"]),
                node("b", Op::Clip { min: -1.0, max: 1.0 }, &["x"]),
                node("both", Op::Concat { axis }, &["a.out", "b.out"]),
            ];
            let joined = run(graph(dims, nodes, &[])).unwrap();
            assert_eq!(joined.nodes[2].op, Op::Concat { axis: 1 }, "{dims:?}");
        }
        let width = graph(&[5, 3, 2], vec![node("both", Op::Concat { axis: -1 }, &["x", "x"])], &[]);
        assert!(supported(&super::super::normalize(&width)).is_err());
    }
}

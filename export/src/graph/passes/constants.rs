//! What can be computed now is: nodes over constants, and the shape arithmetic that exporters leave before a Reshape.

mod evaluate;
mod extents;

use super::rewriter::Rewriter;
use crate::graph::{DType, Node, Op, Tensor};

/// A node whose inputs are all known becomes a constant.
pub(super) fn fold(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    if let Some(extents) = extents::of(rw, node) {
        return match extents.known() {
            Some(tensor) => rw.become_constant(node, tensor),
            None => {
                rw.extents.insert(node.outputs.first()?.clone(), extents);
                None
            }
        };
    }
    // A quantized weight is kept in its steps.
    if matches!(node.op, Op::Quantize { .. } | Op::Dequantize { .. }) || node.inputs.is_empty() {
        return None;
    }
    if node.op.other("CastLike").is_some() && rw.info(node.input(1)?)?.dtype == DType::F32 {
        let cast = evaluate::cast(rw.constant(node, 0)?, evaluate::FLOAT)?;
        return rw.become_constant(node, cast);
    }
    let known = |input: &String| if input.is_empty() { Some(None) } else { rw.tensor(input).map(Some) };
    let inputs: Vec<Option<&Tensor>> = node.inputs.iter().map(known).collect::<Option<_>>()?;
    let value = evaluate::evaluate(&node.op, &inputs)?;
    rw.become_constant(node, value)
}

pub(super) use extents::Extents;

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node, other};
    use super::*;
    use crate::graph::{Attribute, Op};

    fn with(op_type: &str, attributes: &[(&str, Attribute)]) -> Op {
        let attributes = attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Op::Other { op_type: op_type.into(), attributes }
    }

    fn axis(axis: i64) -> [(&'static str, Attribute); 1] {
        [("axis", Attribute::Int(axis))]
    }

    /// What `last.out` is, a constant or the shape arithmetic with a batch in it.
    fn result(nodes: Vec<Node>, constants: &[(&str, Tensor)]) -> Option<Tensor> {
        let keep = node("keep", Op::Reshape, &["x", "last.out"]);
        let nodes = [nodes, vec![keep]].concat();
        rewrite(&graph(&[3, 4, 5], nodes, constants), &[fold]).initializers.get("last.out").cloned()
    }

    #[test]
    fn operators_over_constants() {
        let a = || ("a", Tensor::f32(&[2], vec![6.0, 8.0]));
        let b = || ("b", Tensor::f32(&[2, 1], vec![2.0, 4.0]));
        let two = |op| result(vec![node("last", op, &["a", "b"])], &[a(), b()]);
        let square = |values: [f32; 4]| Some(Tensor::f32(&[2, 2], values.to_vec()));
        assert_eq!(two(Op::Add), square([8.0, 10.0, 10.0, 12.0]));
        assert_eq!(two(Op::Mul), square([12.0, 16.0, 24.0, 32.0]));
        assert_eq!(two(other("Sub")), square([4.0, 6.0, 2.0, 4.0]));
        assert_eq!(two(other("Div")), square([3.0, 4.0, 1.5, 2.0]));
        assert_eq!(two(other("Max")), square([6.0, 8.0, 6.0, 8.0]));
        assert_eq!(result(vec![node("last", other("Max"), &["a", "b", "a"])], &[a(), b()]), None);
        let one = |op| result(vec![node("last", op, &["b"])], &[b()]);
        let perm = with("Transpose", &[("perm", Attribute::Ints(vec![1, 0]))]);
        assert_eq!(one(perm), Some(Tensor::f32(&[1, 2], vec![2.0, 4.0])));
        assert_eq!(one(other("Sqrt")), Some(Tensor::f32(&[2, 1], vec![2f32.sqrt(), 2.0])));
        assert_eq!(one(with("Cast", &[("to", Attribute::Int(7))])), Some(Tensor::i64(&[2, 1], vec![2, 4])));
        assert_eq!(one(with("Cast", &[("to", Attribute::Int(10))])), None);
        let cast = |to, values: &[i64]| {
            let values = ("v", Tensor::i64(&[values.len()], values.to_vec()));
            result(vec![node("last", with("Cast", &[("to", Attribute::Int(to))]), &["v"])], &[values])
        };
        let bytes = |data| Some(Tensor::new(&[2], data));
        assert_eq!(cast(3, &[-128, 127]), bytes(crate::graph::Data::I8(vec![-128, 127])));
        assert_eq!(cast(2, &[0, 255]), bytes(crate::graph::Data::U8(vec![0, 255])));
        assert_eq!([cast(3, &[-129]), cast(3, &[128]), cast(2, &[-1]), cast(2, &[256])], [const { None }; 4]);
    }

    #[test]
    fn integers_are_cut_to_bounds_of_their_type() {
        let bytes = |dims: &[usize], values: &[i8]| Tensor::new(dims, crate::graph::Data::I8(values.to_vec()));
        let w = || ("w", bytes(&[3], &[-128, 3, 127]));
        let cut = |inputs: &[&str], bounds: &[(&str, Tensor)]| {
            result(vec![node("last", other("Clip"), inputs)], &[&[w()], bounds].concat())
        };
        let both = [("low", bytes(&[], &[-7])), ("high", bytes(&[], &[7]))];
        assert_eq!(cut(&["w", "low", "high"], &both), Some(bytes(&[3], &[-7, 3, 7])));
        assert_eq!(cut(&["w", "", "high"], &both), Some(bytes(&[3], &[-128, 3, 7])));
        assert_eq!(cut(&["w", "low"], &both), Some(bytes(&[3], &[-7, 3, 127])));
        assert_eq!(cut(&["w", "high", "low"], &both), Some(bytes(&[3], &[-7; 3])), "crossed bounds give the upper one");
        assert_eq!(cut(&["w", "low"], &[("low", Tensor::i64(&[], vec![-7]))]), None);
    }

    #[test]
    fn arrays_over_constants() {
        let m = || ("m", Tensor::i64(&[2, 3], vec![1, 2, 3, 4, 5, 6]));
        let i = |name, values: &[i64]| (name, Tensor::i64(&[values.len()], values.to_vec()));
        let picked = result(vec![node("last", with("Gather", &axis(1)), &["m", "i"])], &[m(), i("i", &[-1, 0])]);
        assert_eq!(picked, Some(Tensor::i64(&[2, 2], vec![3, 1, 6, 4])));
        let outside = result(vec![node("last", with("Gather", &axis(1)), &["m", "i"])], &[m(), i("i", &[3])]);
        assert_eq!(outside, None);
        let slice = node("last", other("Slice"), &["m", "s", "e", "a", "t"]);
        let backwards = [m(), i("s", &[-1]), i("e", &[i64::MIN]), i("a", &[1]), i("t", &[-2])];
        assert_eq!(result(vec![slice], &backwards), Some(Tensor::i64(&[2, 2], vec![3, 1, 6, 4])));
        let filled = with("ConstantOfShape", &[("value", Attribute::Tensor(Tensor::f32(&[1], vec![0.5])))]);
        let filled = result(vec![node("last", filled, &["d"])], &[i("d", &[1, 2])]);
        assert_eq!(filled, Some(Tensor::f32(&[1, 2], vec![0.5; 2])));
        let huge = result(vec![node("last", other("ConstantOfShape"), &["d"])], &[i("d", &[1 << 40, 2])]);
        assert_eq!(huge, None);
        // Each list of shape arithmetic is the one before it twice.
        let double = |n: usize| match n {
            0 => node("shape", other("Shape"), &["x"]),
            n => {
                let before = if n == 1 { "shape.out".to_string() } else { format!("double{}.out", n - 1) };
                node(&format!("double{n}"), Op::Concat { axis: 0 }, &[&before, &before])
            }
        };
        let doubled = rewrite(&graph(&[3, 4, 5], (0..60).map(double).collect(), &[]), &[fold]);
        assert_eq!(listing(&doubled).last(), Some(&("double59", "Concat")));
        let range = [("s", 1), ("e", 6), ("t", 2)].map(|(n, v)| (n, Tensor::i64(&[], vec![v])));
        let range = result(vec![node("last", other("Range"), &["s", "e", "t"])], &range);
        assert_eq!(range, Some(Tensor::i64(&[3], vec![1, 3, 5])));
        let beside = result(vec![node("last", Op::Concat { axis: 0 }, &["m", "m"])], &[m()]);
        assert_eq!(beside.map(|t| t.dims), Some(vec![4, 3]));
    }

    /// Shape → Gather → Mul → Unsqueeze → Concat, as exporters flatten.
    #[test]
    fn arithmetic_on_shapes() {
        let at = |name, value| (name, Tensor::i64(&[], vec![value]));
        let constants = [at("one", 1), at("two", 2), ("zero", Tensor::i64(&[1], vec![0]))];
        let nodes = vec![
            node("shape", other("Shape"), &["x"]),
            node("c", with("Gather", &axis(0)), &["shape.out", "one"]),
            node("h", with("Gather", &axis(0)), &["shape.out", "two"]),
            node("product", Op::Mul, &["c.out", "h.out"]),
            node("last", other("Unsqueeze"), &["product.out", "zero"]),
        ];
        assert_eq!(result(nodes, &constants), Some(Tensor::i64(&[1], vec![12])));
    }

    #[test]
    fn quantized_weights_stay_in_steps() {
        let w = Tensor::new(&[1], crate::graph::Data::I8(vec![3]));
        let nodes = vec![node("dq", Op::Dequantize { axis: 0 }, &["w", "s"]), node("add", Op::Add, &["x", "dq.out"])];
        let folded = rewrite(&graph(&[1], nodes, &[("w", w), ("s", Tensor::f32(&[], vec![0.5]))]), &[fold]);
        assert_eq!(listing(&folded)[0], ("dq", "DequantizeLinear"));
    }
}

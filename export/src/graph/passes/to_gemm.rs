//! MatMul of rows by constant weights, with or without an Add of a bias, is Gemm: one kind of linear layer.

use crate::graph::{Graph, Node, Op, shape};

/// The graph with every such MatMul (and its Add) as Gemm.
pub fn recognize(graph: &Graph) -> Graph {
    let Ok(shapes) = shape::infer(graph) else { return graph.clone() };
    let rows = |node: &Node| node.input(0).and_then(|x| shapes.get(x)).is_some_and(|x| x.shape.len() == 2);
    let mut graph = graph.clone();
    for i in (0..graph.nodes.len()).rev() {
        let node = &graph.nodes[i];
        let outputs = graph.constant(node, 1).and_then(|w| w.dims.get(1).copied());
        if let (Op::MatMul, Some(outputs), true) = (&node.op, outputs, rows(node)) {
            graph.nodes[i].op = Op::Gemm { transposed: false };
            absorb_bias(&mut graph, i, outputs);
        }
    }
    graph
}

/// Takes over an Add of one constant an output, where it is the product's only reader.
fn absorb_bias(graph: &mut Graph, i: usize, outputs: usize) {
    let product = graph.nodes[i].outputs[0].clone();
    let &[reader] = graph.readers(&product).as_slice() else { return };
    let add = graph.nodes[reader].clone();
    let bias = add.inputs.iter().find(|input| **input != product);
    let fits = |name: &String| graph.initializers.get(name).is_some_and(|b| b.dims == [outputs]);
    if let (Op::Add, Some(bias), false) = (&add.op, bias.filter(|b| fits(b)), graph.is_output(&product)) {
        graph.nodes[i].inputs.push(bias.clone());
        graph.nodes[i].outputs = add.outputs;
        graph.nodes.remove(reader);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::Tensor;

    #[test]
    fn a_product_and_its_bias_become_one_layer() {
        let w = Tensor::f32(&[3, 2], vec![0.0; 6]);
        let b = Tensor::f32(&[2], vec![0.0; 2]);
        let nodes = vec![node("product", Op::MatMul, &["x", "w"]), node("sum", Op::Add, &["b", "product.out"])];
        let gemm = recognize(&graph(&[3], nodes, &[("w", w), ("b", b)]));
        assert_eq!(listing(&gemm), [("product", "Gemm")]);
        assert_eq!(gemm.nodes[0].inputs, ["x", "w", "b"]);
        assert_eq!(gemm.nodes[0].outputs, ["sum.out"]);
    }

    #[test]
    fn a_sum_with_something_else_stays() {
        let w = Tensor::f32(&[3, 3], vec![0.0; 9]);
        let nodes = vec![node("product", Op::MatMul, &["x", "w"]), node("sum", Op::Add, &["product.out", "x"])];
        let gemm = recognize(&graph(&[3], nodes, &[("w", w)]));
        assert_eq!(listing(&gemm), [("product", "Gemm"), ("sum", "Add")]);
    }
}

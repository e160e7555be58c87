//! What skl2onnx writes beside layers: a scaler before them, and labels behind the probabilities.

use super::rewriter::Rewriter;
use crate::graph::{Attribute, DType, Graph, Node, Op, Tensor, ValueInfo};

/// `ai.onnx.ml.Scaler`: (x − offset) · scale, one value or one an input.
pub(super) fn scaler(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let attributes = node.op.other("ai.onnx.ml.Scaler")?;
    let [inputs] = rw.sample(node, 0)?[..] else { return None };
    let list = |name: &str| match attributes.0.get(name) {
        Some(Attribute::Floats(values)) if values.len() == inputs || values.len() == 1 => Some(values.clone()),
        _ => None,
    };
    let (offset, scale) = (list("offset")?, list("scale")?);
    let constant = |rw: &mut Rewriter, name: &str, values: Vec<f32>| {
        rw.add_constant(&format!("{}.{name}", node.name), Tensor::f32(&[values.len()], values))
    };
    let (offset, scale) = (constant(rw, "offset", offset), constant(rw, "scale", scale));
    let sub = Op::Other { op_type: "Sub".into(), attributes: Default::default() };
    let centred = rw.part(node, "centred", sub, &[node.input(0)?, &offset]);
    let scaled = Node { op: Op::Mul, inputs: vec![centred.outputs[0].clone(), scale], ..node.clone() };
    Some(vec![centred, scaled])
}

/// A classifier without the labels that it finds from the scores that it gives as well, and with the scores as a tensor.
pub(super) fn without_labels(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    if graph.outputs.len() < 2 {
        return graph;
    }
    let outputs = graph.outputs.iter().map(|output| match made_by(&graph, &output.name) {
        Some(map) if map.op.other("ai.onnx.ml.ZipMap").is_some() => {
            let name = map.input(0).unwrap_or_default().to_string();
            ValueInfo { name, dtype: DType::F32, shape: Vec::new() }
        }
        _ => output.clone(),
    });
    let outputs: Vec<ValueInfo> = outputs.collect();
    let scores: Vec<&str> = outputs.iter().map(|output| behind(&graph, &output.name)).collect();
    let is_label = |output: &&ValueInfo| labelled(&graph, &output.name).is_some_and(|of| scores.contains(&of));
    let kept: Vec<ValueInfo> = outputs.iter().filter(|output| !is_label(output)).cloned().collect();
    if kept.len() == 1 {
        graph.outputs = kept;
    }
    graph
}

fn made_by<'g>(graph: &'g Graph, value: &str) -> Option<&'g Node> {
    graph.producer(value).map(|index| &graph.nodes[index])
}

/// A value before the Identities that make it another one.
fn behind<'g>(graph: &'g Graph, mut value: &'g str) -> &'g str {
    while let Some(before) =
        made_by(graph, value).filter(|node| node.op.other("Identity").is_some()).and_then(|node| node.input(0))
    {
        value = before;
    }
    value
}

/// The scores of which a value is the best one's place or name.
fn labelled<'g>(graph: &'g Graph, mut value: &'g str) -> Option<&'g str> {
    loop {
        let node = made_by(graph, value)?;
        value = match node.op.name() {
            "ArgMax" => return Some(behind(graph, node.input(0)?)),
            "Identity" | "Cast" | "Reshape" | "Flatten" | "Squeeze" => node.input(0)?,
            "ai.onnx.ml.ArrayFeatureExtractor" => node.input(1)?,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node, other};
    use super::*;

    #[test]
    fn a_scaler_is_a_difference_and_a_product() {
        let floats = |values: &[f32]| Attribute::Floats(values.to_vec());
        let with = |offset: &[f32]| {
            let attributes = [("offset", floats(offset)), ("scale", floats(&[2.0]))];
            let attributes = attributes.map(|(name, value)| (name.to_string(), value)).into();
            let scaler = Op::Other { op_type: "ai.onnx.ml.Scaler".into(), attributes };
            rewrite(&graph(&[3], vec![node("s", scaler, &["x"])], &[]), &[super::scaler])
        };
        let scaled = with(&[1.0, 2.0, 3.0]);
        assert_eq!(listing(&scaled), [("s.centred", "Sub"), ("s", "Mul")]);
        assert_eq!(scaled.initializers["s.offset"], Tensor::f32(&[3], vec![1.0, 2.0, 3.0]));
        assert_eq!(scaled.initializers["s.scale"], Tensor::f32(&[1], vec![2.0]));
        assert_eq!(listing(&with(&[1.0, 2.0])), [("s", "ai.onnx.ml.Scaler")]);
    }

    #[test]
    fn labels_beside_their_scores_are_left_off() {
        let nodes = || {
            vec![
                node("softmax", Op::Softmax { axis: 1 }, &["x"]),
                node("scores", other("Identity"), &["softmax.out"]),
                node("best", Op::ArgMax { axis: 1, keepdims: true }, &["scores.out"]),
                node("name", other("ai.onnx.ml.ArrayFeatureExtractor"), &["names", "best.out"]),
                node("label", other("Cast"), &["name.out"]),
                node("map", other("ai.onnx.ml.ZipMap"), &["softmax.out"]),
            ]
        };
        let outputs = |names: [&str; 2]| {
            let mut graph = graph(&[3], nodes(), &[("names", Tensor::i64(&[3], vec![0, 1, 2]))]);
            let output = |name: &str| ValueInfo { name: name.into(), ..graph.outputs[0].clone() };
            graph.outputs = names.map(output).into();
            without_labels(&graph).outputs.into_iter().map(|output| output.name).collect::<Vec<_>>()
        };
        assert_eq!(outputs(["label.out", "scores.out"]), ["scores.out"]);
        assert_eq!(outputs(["label.out", "map.out"]), ["softmax.out"]);
        assert_eq!(outputs(["label.out", "x"]), ["label.out", "x"], "of other scores");
    }
}

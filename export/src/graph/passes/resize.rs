//! Enlarging by whole factors to the nearest neighbour, however its coordinates are spelled: each pixel several times.

use super::rewriter::Rewriter;
use crate::graph::{Attributes, Dim, MAX_DIM, Node, Op};

/// Largest factor.
const MOST_COPIES: usize = 255;

/// A Resize or Upsample that repeats every pixel of a map, or every value of C×L, equally often. One that changes nothing goes.
pub(super) fn recognize(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let attributes = node.op.other("Resize").or(node.op.other("Upsample"))?;
    let factors = match factors(rw, node, attributes)?[..] {
        [1, 1, down, across] => [down, across],
        // It is lifted to C×L×1.
        [1, 1, along] => [along, 1],
        _ => return None,
    };
    if factors == [1, 1] {
        return rw.bypass(node);
    }
    Some(vec![Node { op: Op::Resize { factors }, inputs: node.inputs[..1].to_vec(), ..node.clone() }])
}

/// How often each axis is repeated, the batch first; none where one is not repeated, or is not known.
fn factors(rw: &Rewriter, node: &Node, attributes: Attributes) -> Option<Vec<usize>> {
    (attributes.text("mode", "nearest")? == "nearest").then_some(())?;
    let shape = &rw.info(node.input(0)?)?.shape;
    let batch = match shape.first()? {
        Dim::Fixed(batch) => Some(*batch),
        Dim::Symbol(_) => rw.file_batch,
    };
    let lengths: Vec<Option<usize>> = std::iter::once(batch).chain(rw.sample(node, 0)?.into_iter().map(Some)).collect();
    let axes = attributes.positions("axes", lengths.len(), (0..lengths.len()).collect())?;
    let mut factors = vec![1; lengths.len()];
    for (i, &axis) in axes.iter().enumerate() {
        factors[axis] = match (scales(rw, node), sizes(rw, node)) {
            (Some(scales), _) => whole(*scales.get(i).filter(|_| scales.len() == axes.len())?)?,
            (None, Some(sizes)) => {
                (attributes.text("keep_aspect_ratio_policy", "stretch")? == "stretch").then_some(())?;
                match sizes.get(i).filter(|_| sizes.len() == axes.len())? {
                    // As many images as there are.
                    None => (axis == 0).then_some(1)?,
                    Some(size) => times(usize::try_from(*size).ok()?, lengths[axis]?)?,
                }
            }
            (None, None) => return None,
        };
    }
    let spelling = Spelling::of(node, &attributes)?;
    let repeats = |(&factor, length): (&usize, &Option<usize>)| {
        factor == 1 || length.is_some_and(|l| spelling.repeats(factor, l))
    };
    factors.iter().zip(&lengths).all(repeats).then_some(factors)
}

/// The second input before opset 11, and the third since.
fn scales<'a>(rw: &'a Rewriter, node: &Node) -> Option<&'a [f32]> {
    let position = if node.inputs.len() == 2 { 1 } else { 2 };
    rw.constant(node, position)?.as_f32().filter(|scales| !scales.is_empty())
}

/// The fourth input: a constant, or shape arithmetic with the batch in it, which is none.
fn sizes(rw: &Rewriter, node: &Node) -> Option<Vec<Option<i64>>> {
    let value = node.input(3)?;
    match rw.extents.get(value) {
        Some(extents) => Some(extents.values.clone()),
        None => Some(rw.tensor(value)?.as_i64()?.iter().map(|&size| Some(size)).collect()),
    }
}

/// How many times `length` is `size`.
fn times(size: usize, length: usize) -> Option<usize> {
    size.checked_div(length).filter(|factor| factor * length == size && (1..=MOST_COPIES).contains(factor))
}

fn whole(scale: f32) -> Option<usize> {
    (scale.fract() == 0.0 && (1.0..=MOST_COPIES as f32).contains(&scale)).then_some(scale as usize)
}

/// How a place of the output becomes one of the input.
struct Spelling<'a> {
    coordinates: &'a str,
    rounding: &'a str,
}

impl<'a> Spelling<'a> {
    fn of(node: &Node, attributes: &'a Attributes) -> Option<Self> {
        // Before opset 11 there was one.
        let first = node.op.name() == "Upsample" || node.inputs.len() == 2;
        let [coordinates, rounding] =
            if first { ["asymmetric", "floor"] } else { ["half_pixel", "round_prefer_floor"] };
        Some(Self {
            coordinates: attributes.text("coordinate_transformation_mode", coordinates)?,
            rounding: attributes.text("nearest_mode", rounding)?,
        })
    }

    /// Whether each of `length` places becomes `factor` places side by side.
    fn repeats(&self, factor: usize, length: usize) -> bool {
        let is_small = factor <= MOST_COPIES && length <= MAX_DIM / MOST_COPIES;
        is_small && (0..factor * length).all(|place| self.nearest(place, factor, length) == Some(place / factor))
    }

    /// ONNX's definition.
    fn nearest(&self, place: usize, factor: usize, length: usize) -> Option<usize> {
        let (x, scale, count) = (place as f64, factor as f64, factor * length);
        let at = match self.coordinates {
            "asymmetric" => x / scale,
            "half_pixel" | "half_pixel_symmetric" | "pytorch_half_pixel" => (x + 0.5) / scale - 0.5,
            "tf_half_pixel_for_nn" => (x + 0.5) / scale,
            "align_corners" => x * (length as f64 - 1.0) / (count as f64 - 1.0),
            _ => return None,
        };
        let nearest = match self.rounding {
            "floor" => at.floor(),
            "ceil" => at.ceil(),
            "round_prefer_floor" => (at - 0.5).ceil(),
            "round_prefer_ceil" => (at + 0.5).floor(),
            _ => return None,
        };
        Some(nearest.clamp(0.0, length as f64 - 1.0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, listing, node};
    use super::*;
    use crate::graph::{Attribute, Tensor};

    fn resize(texts: &[(&str, &str)]) -> Op {
        let attributes = texts.iter().map(|(name, text)| (name.to_string(), Attribute::Text(text.to_string())));
        Op::Other { op_type: "Resize".into(), attributes: attributes.collect() }
    }

    fn found(texts: &[(&str, &str)], scales: &[f32]) -> Op {
        let constants = [("s", Tensor::f32(&[scales.len()], scales.to_vec()))];
        let resized =
            rewrite(&graph(&[2, 3, 5], vec![node("r", resize(texts), &["x", "", "s"])], &constants), &[recognize]);
        resized.nodes[0].op.clone()
    }

    const COORDINATES: &str = "coordinate_transformation_mode";

    #[test]
    fn spellings_that_repeat_pixels_are_one() {
        let twice = Op::Resize { factors: [2, 3] };
        let scales = [1.0, 1.0, 2.0, 3.0];
        assert_eq!(found(&[], &scales), twice, "half_pixel, round_prefer_floor");
        for (coordinates, rounding) in [
            ("asymmetric", "floor"),
            ("half_pixel", "round_prefer_ceil"),
            ("half_pixel_symmetric", "round_prefer_floor"),
            ("pytorch_half_pixel", "round_prefer_floor"),
            ("tf_half_pixel_for_nn", "floor"),
        ] {
            assert_eq!(
                found(&[(COORDINATES, coordinates), ("nearest_mode", rounding)], &scales),
                twice,
                "{coordinates}"
            );
        }
    }

    #[test]
    fn others_are_left_for_an_error() {
        let scales = [1.0, 1.0, 2.0, 3.0];
        for (coordinates, rounding) in [
            ("asymmetric", "ceil"),
            ("asymmetric", "round_prefer_floor"),
            ("half_pixel", "floor"),
            ("align_corners", "round_prefer_floor"),
            ("tf_crop_and_resize", "floor"),
        ] {
            let texts = [(COORDINATES, coordinates), ("nearest_mode", rounding)];
            assert_eq!(found(&texts, &scales).name(), "Resize");
            assert!(found(&texts, &scales).other("Resize").is_some(), "{coordinates}, {rounding}");
        }
        assert!(found(&[("mode", "linear")], &scales).other("Resize").is_some());
        for scales in [
            [1.0, 1.0, 1.5, 2.0],
            [1.0, 1.0, 0.5, 1.0],
            [1.0, 2.0, 2.0, 2.0],
            [1.0, 1.0, 256.0, 1.0],
            [1.0, 1.0, f32::NAN, 1.0],
        ] {
            assert!(found(&[], &scales).other("Resize").is_some(), "{scales:?}");
        }
    }

    #[test]
    fn sizes_and_axes_say_the_same() {
        let axes =
            Op::Other { op_type: "Resize".into(), attributes: [("axes".into(), Attribute::Ints(vec![3, -2]))].into() };
        let constants = [("s", Tensor::i64(&[2], vec![10, 9]))];
        let resized = |nodes| rewrite(&graph(&[2, 3, 5], nodes, &constants), &[recognize]);
        let by_size = resized(vec![node("r", axes, &["x", "", "", "s"])]);
        assert_eq!(by_size.nodes[0].op, Op::Resize { factors: [3, 2] });
        assert_eq!((by_size.nodes[0].inputs.len(), by_size.initializers.len()), (1, 0));
    }

    #[test]
    fn one_that_changes_nothing_goes() {
        let constants = [("s", Tensor::f32(&[4], vec![1.0; 4]))];
        let nodes = vec![node("r", resize(&[]), &["x", "", "s"]), node("relu", Op::Relu, &["r.out"])];
        assert_eq!(listing(&rewrite(&graph(&[2, 3, 5], nodes, &constants), &[recognize])), [("relu", "Relu")]);
    }
}

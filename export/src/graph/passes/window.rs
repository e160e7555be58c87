//! Windows whose size or padding follows from the input's shape: `auto_pad`, `ceil_mode`, kernels left to the weights, global pools,
//! dilated means.

use super::rewriter::Rewriter;
use crate::graph::{Attributes, Node, Op, Tensor, Window, shape};

/// Such a window with everything written out.
pub(super) fn resolve(rw: &mut Rewriter, node: &Node) -> Option<Vec<Node>> {
    let Op::Other { op_type, attributes } = &node.op else { return None };
    let [channels, height, width] = rw.sample(node, 0)?[..] else { return None };
    let (input, attributes) = ([height, width], Attributes(attributes));
    // A second output of MaxPool, positions, has no counterpart.
    node.outputs.iter().skip(1).all(|o| rw.readers(o) == 0).then_some(())?;
    let new = |op| Some(vec![Node { op, outputs: node.outputs[..1].to_vec(), ..node.clone() }]);
    match op_type.as_str() {
        "Conv" => {
            let kernel = attributes.sizes("kernel_shape", kernel_of(rw, node.input(1)?)?)?;
            let groups = usize::try_from(attributes.int("group", 1)?).ok()?;
            new(Op::Conv { window: Resolver { attributes, kernel, input }.window()?.window, groups })
        }
        "GlobalMaxPool" => new(Op::MaxPool { window: plain(input) }),
        "MaxPool" => {
            let kernel = attributes.sizes("kernel_shape", [0, 0])?;
            new(Op::MaxPool { window: Resolver { attributes, kernel, input }.window()?.rounded_up() })
        }
        "AveragePool" => {
            let kernel = attributes.sizes("kernel_shape", [0, 0])?;
            let resolved = Resolver { attributes, kernel, input }.window()?;
            // Padding counts in the mean, but not what rounding up adds to it.
            let count_include_pad = attributes.int("count_include_pad", 0)? != 0 && resolved.window.pads != [0; 4];
            let is_dense = resolved.window.dilations == [1, 1];
            if resolved.surplus != [0, 0] && count_include_pad {
                // The padding that counts is made of zeros that are there.
                let zeros = zeros_around(rw, node, resolved.window.pads)?;
                let window = Resolved { window: Window { pads: [0; 4], ..resolved.window }, ..resolved }.rounded_up();
                is_dense.then_some(())?;
                let op = Op::AveragePool { window, count_include_pad: false };
                let inputs = zeros.outputs.clone();
                return Some(vec![zeros, Node { op, inputs, outputs: node.outputs[..1].to_vec(), ..node.clone() }]);
            }
            let window = resolved.rounded_up();
            if is_dense {
                return new(Op::AveragePool { window, count_include_pad });
            }
            (window.pads == [0; 4] || count_include_pad).then_some(())?;
            mean_of_taps(rw, node, window, channels)
        }
        _ => None,
    }
}

/// A Pad with zeros of what a node reads: top, left, bottom, right.
fn zeros_around(rw: &mut Rewriter, node: &Node, [top, left, bottom, right]: [usize; 4]) -> Option<Node> {
    let amounts = [0, 0, top, left, 0, 0, bottom, right].map(|amount| amount as i64).to_vec();
    let pads = rw.add_constant(&format!("{}.pads", node.name), Tensor::i64(&[8], amounts));
    Some(rw.part(
        node,
        "padded",
        Op::Other { op_type: "Pad".into(), attributes: Default::default() },
        &[node.input(0)?, &pads],
    ))
}

/// Height and width of weights, constant or behind a DequantizeLinear.
fn kernel_of(rw: &Rewriter, weights: &str) -> Option<[usize; 2]> {
    let quantized = || rw.maker(weights).filter(|maker| matches!(maker.op, Op::Dequantize { .. }));
    let constant = rw.tensor(weights).or_else(|| rw.constant(quantized()?, 0))?;
    match constant.dims[..] {
        [_, _, height, width] => Some([height, width]),
        _ => None,
    }
}

/// A window over the whole input.
pub(super) fn plain(kernel: [usize; 2]) -> Window {
    Window { kernel, strides: [1, 1], dilations: [1, 1], pads: [0; 4] }
}

/// A mean of taps that are apart: a depthwise convolution with equal weights.
fn mean_of_taps(rw: &mut Rewriter, node: &Node, window: Window, channels: usize) -> Option<Vec<Node>> {
    let taps = window.kernel[0].checked_mul(window.kernel[1])?;
    let len = super::arrays::len(&[channels, taps], 0)?;
    let weights = Tensor::f32(&[channels, 1, window.kernel[0], window.kernel[1]], vec![1.0 / taps as f32; len]);
    let weights = rw.add_constant(&format!("{}.weight", node.name), weights);
    let inputs = vec![node.input(0)?.to_string(), weights];
    Some(vec![Node { op: Op::Conv { window, groups: channels }, inputs, ..node.clone() }])
}

/// What a window is resolved from.
struct Resolver<'a> {
    attributes: Attributes<'a>,
    kernel: [usize; 2],
    input: [usize; 2],
}

/// A window, and the rows and columns that rounding up adds below and right.
struct Resolved {
    window: Window,
    surplus: [usize; 2],
}

impl Resolved {
    fn rounded_up(mut self) -> Window {
        self.window.pads[2] += self.surplus[0];
        self.window.pads[3] += self.surplus[1];
        self.window
    }
}

impl Resolver<'_> {
    fn window(&self) -> Option<Resolved> {
        let a = self.attributes;
        let (strides, dilations) = (a.sizes("strides", [1, 1])?, a.sizes("dilations", [1, 1])?);
        let mut window = Window { kernel: self.kernel, strides, dilations, pads: [0; 4] };
        let positive = [window.kernel, window.strides, window.dilations].concat().iter().all(|&v| v > 0);
        positive.then_some(())?;
        let ceil = a.int("ceil_mode", 0)? != 0;
        match a.text("auto_pad", "NOTSET")? {
            "NOTSET" => window.pads = a.sizes("pads", [0; 4])?,
            "VALID" => {}
            mode @ ("SAME_UPPER" | "SAME_LOWER") => self.same(&mut window, mode == "SAME_LOWER")?,
            _ => return None,
        }
        let surplus = if ceil { self.surplus(&window)? } else { [0, 0] };
        Some(Resolved { window, surplus })
    }

    /// Padding for an output of ⌈input / stride⌉, the odd row or column below and right, or above and left.
    fn same(&self, window: &mut Window, odd_first: bool) -> Option<()> {
        for axis in 0..2 {
            let (input, stride) = (self.input[axis], window.strides[axis]);
            let steps = input.div_ceil(stride).checked_sub(1)?.checked_mul(stride)?;
            let total = steps.checked_add(reach(window, axis)?)?.saturating_sub(input);
            let (less, more) = (total / 2, total - total / 2);
            (window.pads[axis], window.pads[axis + 2]) = if odd_first { (more, less) } else { (less, more) };
        }
        Some(())
    }

    /// Rows and columns that are missing for the last window, where it begins within the input.
    fn surplus(&self, window: &Window) -> Option<[usize; 2]> {
        let down = shape::window_output(window, self.input)?;
        let one = |axis: usize| {
            let (stride, start) = (window.strides[axis], window.pads[axis]);
            let padded = self.input[axis].checked_add(start)?.checked_add(window.pads[axis + 2])?;
            let next = down[axis].checked_mul(stride)?;
            let fits = next < self.input[axis] + start && next < padded;
            let missing = next.checked_add(reach(window, axis)?)?.saturating_sub(padded);
            // A step further only where rounding up makes one: less than a stride is missing.
            Some(if fits && missing < stride { missing } else { 0 })
        };
        Some([one(0)?, one(1)?])
    }
}

/// From a window's first tap to its last, both counted.
fn reach(window: &Window, axis: usize) -> Option<usize> {
    (window.kernel[axis].checked_sub(1)?).checked_mul(window.dilations[axis])?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::super::rewriter::rewrite;
    use super::super::testing::{graph, node};
    use super::*;
    use crate::graph::Attribute;

    fn ints(values: &[i64]) -> Attribute {
        Attribute::Ints(values.to_vec())
    }

    fn text(value: &str) -> Attribute {
        Attribute::Text(value.into())
    }

    /// The operator that a 2-channel input of these dimensions gives.
    fn resolved(op_type: &str, attributes: &[(&str, Attribute)], input: [usize; 2]) -> Op {
        let attributes = attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let op = Op::Other { op_type: op_type.into(), attributes };
        let w = Tensor::f32(&[3, 2, 3, 2], vec![0.0; 36]);
        let inputs: &[&str] = if op_type == "Conv" { &["x", "w"] } else { &["x"] };
        let graph = graph(&[2, input[0], input[1]], vec![node("n", op, inputs)], &[("w", w)]);
        rewrite(&graph, &[resolve]).nodes[0].op.clone()
    }

    fn pads(op: Op) -> [usize; 4] {
        match op {
            Op::Conv { window, .. } | Op::MaxPool { window } | Op::AveragePool { window, .. } => window.pads,
            other => panic!("{other:?}"),
        }
    }

    /// Steps of 2 over 7×7 and 8×8 by hand: 4 outputs, so 3 steps of 2 and a reach of 3 (down) and 2 (across).
    #[test]
    fn same_padding_by_hand() {
        let conv = |mode, input| pads(resolved("Conv", &[("auto_pad", text(mode)), ("strides", ints(&[2, 2]))], input));
        assert_eq!(conv("SAME_UPPER", [7, 7]), [1, 0, 1, 1]);
        assert_eq!(conv("SAME_LOWER", [7, 7]), [1, 1, 1, 0]);
        assert_eq!(conv("SAME_UPPER", [8, 8]), [0, 0, 1, 0]);
        assert_eq!(conv("SAME_LOWER", [8, 8]), [1, 0, 0, 0]);
        assert_eq!(conv("VALID", [8, 8]), [0; 4]);
        let dilated = [("auto_pad", text("SAME_UPPER")), ("dilations", ints(&[2, 1]))];
        assert_eq!(pads(resolved("Conv", &dilated, [8, 8])), [2, 0, 2, 1]);
        assert_eq!(conv("SAME_UPPER", [1, 1]), [1, 0, 1, 1]);
    }

    /// 3×3 by steps of 2: 6 rows hold 2 windows and half of a third, 7 hold 3.
    #[test]
    fn rounding_up_pads_below_and_right() {
        let pool = |op_type, more: &[(&str, Attribute)], input| {
            let shared =
                [("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 2])), ("ceil_mode", Attribute::Int(1))];
            resolved(op_type, &[&shared, more].concat(), input)
        };
        assert_eq!(pads(pool("MaxPool", &[], [6, 7])), [0, 0, 1, 0]);
        assert_eq!(pads(pool("AveragePool", &[], [6, 8])), [0, 0, 1, 1]);
        // The third window down would begin in the padding below: it is dropped.
        assert_eq!(pads(pool("MaxPool", &[("pads", ints(&[1, 1, 2, 0]))], [3, 5])), [1, 1, 2, 1]);
        let counted = [("count_include_pad", Attribute::Int(1)), ("pads", ints(&[1, 1, 1, 1]))];
        assert_eq!(
            pool("AveragePool", &counted, [6, 7]).name(),
            "Pad",
            "zeros that count, and a row below that does not"
        );
        assert!(matches!(pool("AveragePool", &counted, [7, 7]), Op::AveragePool { count_include_pad: true, .. }));
    }

    #[test]
    fn a_mean_of_taps_apart_is_a_convolution() {
        let apart = [("kernel_shape", ints(&[2, 2])), ("dilations", ints(&[2, 1]))];
        let op = resolved("AveragePool", &apart, [5, 5]);
        let window = Window { kernel: [2, 2], strides: [1, 1], dilations: [2, 1], pads: [0; 4] };
        assert_eq!(op, Op::Conv { window, groups: 2 });
        let padded = [("kernel_shape", ints(&[2, 2])), ("dilations", ints(&[2, 1])), ("pads", ints(&[1; 4]))];
        assert!(matches!(resolved("AveragePool", &padded, [5, 5]), Op::Other { .. }));
    }

    #[test]
    fn the_largest_of_a_map() {
        assert_eq!(resolved("GlobalMaxPool", &[], [5, 4]), Op::MaxPool { window: plain([5, 4]) });
    }

    #[test]
    fn absurd_windows_stay() {
        for (name, values) in [("strides", [0, 1]), ("kernel_shape", [i64::MAX, 1]), ("dilations", [-1, 1])] {
            let op = resolved("MaxPool", &[("kernel_shape", ints(&[2, 2])), (name, ints(&values))], [5, 5]);
            assert!(matches!(op, Op::Other { .. }), "{name}");
        }
    }
}

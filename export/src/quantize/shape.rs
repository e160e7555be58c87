//! Shapes of int8 tensors: channels, height, width of one image.

use super::{QuantOp, QuantizeError};
use crate::graph::{Graph, Node, ValueInfo, Window, shape};

type Shape = [usize; 3];

/// Shapes of a graph's values, one image of each.
pub(super) struct Shapes(shape::Shapes);

impl Shapes {
    pub fn infer(graph: &Graph) -> Result<Self, QuantizeError> {
        Ok(Self(shape::infer(graph)?))
    }

    pub fn of(&self, value: &str) -> Result<Shape, QuantizeError> {
        let info = self.0.get(value);
        info.and_then(image).ok_or_else(|| QuantizeError::Rank {
            value: value.into(),
            found: info.map_or("nothing".into(), |info| shape::display(&info.shape)),
        })
    }
}

/// \[N,C,H,W\] or \[N,K\] without the batch.
fn image(info: &ValueInfo) -> Option<Shape> {
    match shape::sample_dims(info)?[..] {
        [values] => Some([values, 1, 1]),
        [channels, height, width] => Some([channels, height, width]),
        _ => None,
    }
}

/// What ONNX allows and an int8 operator does not: sums that broadcast, maps set side by side by rows, matrices applied to rows of images, reshapes
/// across the batch.
pub(super) fn check(node: &Node, op: &QuantOp, inputs: &[Shape], output: Shape) -> Result<(), QuantizeError> {
    let values = |shape: Shape| shape.iter().product::<usize>();
    let fits = match op {
        QuantOp::Add { .. } => inputs.iter().all(|&input| input == output),
        QuantOp::Mul { .. } => inputs.contains(&output) && inputs.iter().all(|&input| spreads(input, output)),
        QuantOp::Dense { weights, .. } => weights.shape[1] == values(inputs[0]) && output == [weights.shape[0], 1, 1],
        QuantOp::Concat => {
            inputs.iter().all(|input| input[1..] == output[1..])
                && inputs.iter().map(|input| input[0]).sum::<usize>() == output[0]
        }
        QuantOp::Reshape => values(inputs[0]) == values(output),
        _ => true,
    };
    if fits {
        return Ok(());
    }
    Err(QuantizeError::Mismatch { node: node.name.clone(), op: node.op.name().into(), inputs: inputs.to_vec(), output })
}

/// Whether a tensor has the dimensions of `output`, or 1 in place of some of them.
pub(crate) fn spreads(input: Shape, output: Shape) -> bool {
    input.iter().zip(output).all(|(&from, to)| from == to || from == 1)
}

/// The window that covers a whole input once.
pub(super) fn whole(input: Shape) -> Window {
    Window { kernel: [input[1], input[2]], strides: [1, 1], dilations: [1, 1], pads: [0; 4] }
}

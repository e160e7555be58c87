//! Rows and pixels that nobody reads are not made: where a pool floors, the convolution before it stops short.

use super::Network;
use infer_nostd::plan::{Kind, Operator};

/// Makes every tensor between input and output as high and as wide as its readers read.
pub fn crop(network: &mut Network) {
    for id in (1..network.places.len() - 1).rev() {
        for axis in [0, 1] {
            let readers = network.drafts.iter().enumerate().filter(|(_, d)| d.operator.inputs.contains(&(id as u16)));
            let needed = readers.map(|(reader, draft)| {
                let output = network.places[reader + 1].shape[1 + axis];
                needed(&draft.operator, axis, output).unwrap_or(usize::MAX)
            });
            let needed = needed.max().unwrap_or(usize::MAX);
            let copies = copies(&network.drafts[id - 1].operator, axis);
            let len = &mut network.places[id].shape[1 + axis];
            *len = needed.min(*len).next_multiple_of(copies);
        }
    }
}

/// How often a resize repeats a row (axis 0) or a pixel (axis 1): all of its copies are made, or none.
fn copies(operator: &Operator, axis: usize) -> usize {
    if operator.kind == Kind::Resize { operator.strides[axis].into() } else { 1 }
}

/// Rows (axis 0) or pixels (axis 1) from the first to the last that `operator` reads for `output` of them; `None` for all.
fn needed(operator: &Operator, axis: usize, output: usize) -> Option<usize> {
    match operator.kind {
        Kind::Dense | Kind::GlobalAveragePool => None,
        Kind::Add | Kind::Requantize | Kind::Lookup | Kind::Concat | Kind::Mul => Some(output),
        Kind::Resize => Some(output.div_ceil(operator.strides[axis].into())),
        Kind::Conv2d | Kind::Depthwise | Kind::MaxPool | Kind::AveragePool => {
            let last = (output - 1) * operator.strides[axis] as usize + operator.extent(axis);
            Some(last.saturating_sub(operator.pads[axis] as usize).max(1))
        }
    }
}

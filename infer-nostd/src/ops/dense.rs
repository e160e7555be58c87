//! Fully connected over the whole input, a row at a time: the map itself is never held.
//!
//! Weights: int8 \[H\]\[O\], then a row in the input's own order, \[plane\]\[W\]\[lane\]; those of lanes beyond the last channel are 0.
//! Table: bias and multiplier by output.

use super::Step;
use crate::arch;
use crate::ring::{RowMut, Rows};

/// Takes one row of the input; after the last, writes the outputs.
pub fn take(step: &Step, rows: &Rows, accs: &mut [i32], out: &mut RowMut) {
    let row_len = step.input.dense_row_len();
    let weights = &arch::as_i8(step.weights())[step.at as usize * accs.len() * row_len..];
    for (channel, (acc, weights)) in accs.iter_mut().zip(weights.chunks_exact(row_len)).enumerate() {
        let before = if step.at == 0 { step.bias_and_multiplier(channel).0 } else { *acc };
        *acc = dot_row(step, rows, weights, before);
    }
    if step.at + 1 == step.operator.end {
        for (channel, &acc) in accs.iter().enumerate() {
            out.channel(channel).put(0, step.requant().apply(acc, step.bias_and_multiplier(channel).1));
        }
    }
}

/// acc + Σ weight·input over one row, plane by plane.
#[inline(always)]
fn dot_row(step: &Step, rows: &Rows, weights: &[i8], mut acc: i32) -> i32 {
    let (input, slot) = (step.input, rows.slot(0));
    let (flip, run_len) = (input.layout.flip(), input.width as usize * input.lanes());
    let left = input.pads[1] as usize * input.lanes();
    for (plane, weights) in slot.chunks_exact(input.plane_len()).zip(weights.chunks_exact(run_len)) {
        let values = &plane[left..left + run_len];
        acc = match flip {
            0 => arch::dot(acc, arch::bytes_as_i8(values), weights),
            _ => {
                let values = values.iter().map(|&v| (v ^ flip) as i8 as i32);
                values.zip(weights).map(|(v, &w)| v * w as i32).fold(acc, i32::wrapping_add)
            }
        };
    }
    acc
}

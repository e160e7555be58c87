//! Fully connected over the whole input, a row at a time: the map itself is never held, and where it is one row, no accumulators are either.
//!
//! Weights: int8 \[H\]\[O\], then a row in the input's own order, \[plane\]\[W\]\[lane\]; those of lanes beyond the last channel are 0.
//! Table: bias and multiplier by output.

use super::Step;
use crate::arch;
use crate::ring::{RowMut, Rows};

/// Outputs that are worked on at once, so that each activation is loaded once for all of them.
const AT_ONCE: usize = 4;

/// Takes one row of the input; after the last, writes the outputs.
#[inline(never)]
pub fn take(step: &Step, rows: &Rows, accs: &mut [i32], out: &mut RowMut) {
    let (outputs, row_len) = (step.output.channels as usize, step.input.dense_row_len());
    let weights = &arch::as_i8(step.weights())[step.at as usize * outputs * row_len..];
    for first in (0..outputs).step_by(AT_ONCE) {
        let count = AT_ONCE.min(outputs - first);
        // Where fewer are left, the last stands in for those that are missing.
        let numbers = [0, 1, 2, 3].map(|i| first + i.min(count - 1));
        let before = numbers.map(|output| match step.at {
            0 => step.bias_and_multiplier(output).0,
            _ => accs[output],
        });
        let sums = dot_row(step, rows, numbers.map(|output| &weights[output * row_len..][..row_len]), before);
        for (output, &sum) in (first..first + count).zip(&sums) {
            if step.at + 1 == step.operator.end {
                out.channel(output).put(0, step.requant().apply(sum, step.bias_and_multiplier(output).1));
            } else {
                accs[output] = sum;
            }
        }
    }
}

/// acc + Σ weight·input over one row, plane by plane, for each of some outputs.
#[inline(always)]
fn dot_row(step: &Step, rows: &Rows, weights: [&[i8]; AT_ONCE], mut accs: [i32; AT_ONCE]) -> [i32; AT_ONCE] {
    let (input, flip) = (step.input, step.input.layout.flip());
    let (mut done, run_len) = (0, input.width as usize * input.lanes());
    for plane in 0..input.planes() {
        let run = rows.run(0, plane);
        let weights = weights.map(|weights| &weights[done..done + run_len]);
        if flip == 0 {
            accs = arch::dot4(accs, arch::bytes_as_i8(run), weights);
        } else {
            for (i, &byte) in run.iter().enumerate() {
                let value = (byte ^ flip) as i8 as i32;
                accs.iter_mut().zip(weights).for_each(|(acc, w)| *acc = acc.wrapping_add(value * w[i] as i32));
            }
        }
        done += run_len;
    }
    accs
}

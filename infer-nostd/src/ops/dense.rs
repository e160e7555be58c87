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
    let weights = &arch::as_i8(step.weights())[step.at as usize * outputs * row_len..][..outputs * row_len];
    let (table, requant) = (step.table(), step.requant());
    let (is_first, is_last) = (step.at == 0, step.at + 1 == step.operator.end);
    let mut first = 0;
    while first < outputs {
        // Where fewer are left, the last stands in for those that are missing.
        let number = |i: usize| (first + i).min(outputs - 1);
        let numbers = [number(0), number(1), number(2), number(3)];
        let before = |output: usize| if is_first { table[2 * output] as i32 } else { accs[output] };
        let before = [before(numbers[0]), before(numbers[1]), before(numbers[2]), before(numbers[3])];
        let row = |output: usize| &weights[output * row_len..][..row_len];
        let rows_of = [row(numbers[0]), row(numbers[1]), row(numbers[2]), row(numbers[3])];
        let sums = dot_row(step, rows, rows_of, before);
        for (output, &sum) in numbers.iter().zip(&sums) {
            if is_last {
                out.channel(*output).put(0, requant.apply(sum, table[2 * output + 1] as i32));
            } else {
                accs[*output] = sum;
            }
        }
        first += AT_ONCE;
    }
}

/// acc + Σ weight·input over one row, in one run where no padding parts its planes, for each of some outputs.
#[inline(always)]
fn dot_row(step: &Step, rows: &Rows, weights: [&[i8]; AT_ONCE], mut accs: [i32; AT_ONCE]) -> [i32; AT_ONCE] {
    let (input, flip) = (step.input, step.input.layout.flip());
    if flip == 0 && input.pads[1] == 0 && input.pads[3] == 0 {
        return arch::dot4(accs, &arch::bytes_as_i8(rows.slot(0))[..input.dense_row_len()], weights);
    }
    let (mut done, run_len) = (0, input.width as usize * input.lanes());
    for plane in 0..input.planes() {
        let run = rows.run(0, plane);
        let [w0, w1, w2, w3] = weights;
        let weights = [&w0[done..], &w1[done..], &w2[done..], &w3[done..]];
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

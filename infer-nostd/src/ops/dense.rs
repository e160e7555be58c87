//! Fully connected over the whole input, a row at a time: the map itself is never held.
//!
//! Weights: \[H\]\[O\]\[W·C\]. Table: bias and multiplier by output.

use super::Step;
use crate::arch;

/// Takes one row of the input; after the last, writes the outputs.
pub fn take(step: &Step, row: &[i8], accs: &mut [i32], out: &mut [i8]) {
    let weights = &step.weights[step.number * accs.len() * row.len()..];
    for (channel, (acc, weights)) in accs.iter_mut().zip(weights.chunks_exact(row.len())).enumerate() {
        let before = if step.number == 0 { step.bias_and_multiplier(channel).0 } else { *acc };
        *acc = arch::dot(before, row, weights);
    }
    if step.number + 1 == step.input.height as usize {
        for (channel, (y, &acc)) in out.iter_mut().zip(accs.iter()).enumerate() {
            *y = step.requant().apply(acc, step.bias_and_multiplier(channel).1);
        }
    }
}

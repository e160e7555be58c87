//! Dense layers by a kernel for one core, and by definition where this machine has another.
//!
//! Weights: \[H\], then groups of outputs, then steps of four inputs; FORMAT.md draws a step and `Kernel::weight` reads it. Table: for each
//! group its biases, its multipliers; a group that is not full is filled up with weights 0, biases 0 and multipliers 1.

use super::Step;
use crate::arch::dense::{Groups, MAX_GROUP, Results};
use crate::fixed::Requant;
use crate::plan::{Kernel, Place, Taps, Uses};
use crate::ring::{RowMut, Rows};

/// Takes one row of the input; after the last, writes the outputs. `USES` is what the plan uses, for the compiler to leave out the rest.
#[inline(never)]
pub fn take<const USES: u128>(step: &Step, rows: &Rows, sums: &mut [i32], out: &mut RowMut) {
    let (kernel, outputs) = (step.operator.kernel, step.output.channels as usize);
    let group = kernel.group(TAPS);
    let steps = step.operator.dense_steps(step.input);
    let (count, len) = (outputs.div_ceil(group), group * steps);
    let all = Groups {
        group,
        row: &rows.slot(0)[..4 * steps],
        weights: &step.weights()[step.at as usize * count * len..][..count * len],
        tables: &step.table()[..count * 2 * group],
        is_first: step.at == 0,
        zero_point: step.output.zero_point,
        shift_bits: step.operator.shift_bits,
    };
    let compute = compute::<USES>;
    if step.at + 1 < step.operator.end {
        return compute(kernel, &all, sums, Results::Sums);
    }
    // Whole groups go where they stay, if outputs lie side by side there; of the others the first values.
    let whole = if let Some(row) = out.vector() {
        let whole = outputs / group;
        let (weights, tables) = (&all.weights[..whole * len], &all.tables[..whole * 2 * group]);
        compute(kernel, &Groups { weights, tables, ..all }, sums, Results::Values(row));
        whole
    } else {
        0
    };
    for number in whole..count {
        let mut values = [0; MAX_GROUP];
        let (weights, tables) = (&all.weights[number * len..][..len], &all.tables[number * 2 * group..][..2 * group]);
        let sums = if sums.is_empty() { &mut [] } else { &mut sums[number * group..][..group] };
        compute(kernel, &Groups { weights, tables, ..all }, sums, Results::Values(&mut values[..group]));
        for (output, &value) in (number * group..outputs).zip(&values) {
            out.channel(output).put(0, value as i8);
        }
    }
    out.clamp(step.operator.clamp);
}

/// What a dense layer's steps are to `Kernel`: they have no taps.
const TAPS: Taps = Taps::One { stride: 1 };

fn compute<const USES: u128>(kernel: Kernel, groups: &Groups, sums: &mut [i32], results: Results) {
    #[cfg(not(kernels = "portable"))]
    if const { Uses(USES).dense_kernels() }
        && (const { !Uses(USES).dense_definitions() } || crate::arch::has(kernel, TAPS))
    {
        return crate::arch::dense::compute(groups, sums, results);
    }
    if const { Uses(USES).dense_definitions() } {
        by_definition(kernel, groups, sums, results);
    }
}

/// What a kernel does, by plain loops over the same words.
fn by_definition(kernel: Kernel, groups: &Groups, sums: &mut [i32], mut results: Results) {
    let requant = Requant { shift_bits: groups.shift_bits, zero_point: groups.zero_point, min: i8::MIN, max: i8::MAX };
    let group = groups.group;
    let words_and_tables =
        groups.weights.chunks_exact(group * groups.row.len() / 4).zip(groups.tables.chunks_exact(2 * group));
    for (number, (weights, table)) in words_and_tables.enumerate() {
        for member in 0..group {
            let output = number * group + member;
            let weight = |i: usize| {
                let place = Place { step: i / 4, tap: 0, lane: i % 4, planes: 1 };
                kernel.weight(weights, TAPS, place, member)
            };
            let before = if groups.is_first { table[member] as i32 } else { sums[output] };
            let products = groups.row.iter().enumerate().map(|(i, &byte)| weight(i) * (byte as i8) as i32);
            let sum = products.fold(before, i32::wrapping_add);
            match &mut results {
                Results::Sums => sums[output] = sum,
                Results::Values(values) => values[output] = requant.apply(sum, table[group + member] as i32) as u8,
            }
        }
    }
}

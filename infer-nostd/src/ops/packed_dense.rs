//! Dense layers by a kernel for one core, and by definition where this machine has another.
//!
//! Weights: \[H\], then groups of eight outputs, then steps of four inputs; FORMAT.md draws a step and `Kernel::weight` reads it. Table: for each
//! group eight biases, eight multipliers; a group that is not full is filled up with weights 0, biases 0 and multipliers 1.

use super::Step;
use crate::arch::dense::{GROUP, Octets, Results};
use crate::fixed::Requant;
use crate::plan::{Kernel, Place, Taps, Uses};
use crate::ring::{RowMut, Rows};

/// Takes one row of the input; after the last, writes the outputs. `USES` is what the plan uses, for the compiler to leave out the rest.
#[inline(never)]
pub fn take<const USES: u128>(step: &Step, rows: &Rows, sums: &mut [i32], out: &mut RowMut) {
    let outputs = step.output.channels as usize;
    let steps = step.operator.dense_steps(step.input);
    let (groups, len) = (outputs.div_ceil(GROUP), GROUP * steps);
    let (tables, _) = step.table().as_chunks();
    let octets = Octets {
        row: &rows.slot(0)[..4 * steps],
        weights: &step.weights()[step.at as usize * groups * len..][..groups * len],
        tables: &tables[..groups],
        is_first: step.at == 0,
        zero_point: step.output.zero_point,
        shift_bits: step.operator.shift_bits,
    };
    if step.at + 1 < step.operator.end {
        return compute::<USES>(&octets, sums, Results::Sums);
    }
    // Whole groups go where they stay, if outputs lie side by side there; of the others the first values.
    let whole = if let Some(row) = out.vector() {
        let whole = outputs / GROUP;
        let (weights, tables) = (&octets.weights[..whole * len], &octets.tables[..whole]);
        compute::<USES>(&Octets { weights, tables, ..octets }, sums, Results::Values(row));
        whole
    } else {
        0
    };
    for group in whole..groups {
        let mut values = [0; GROUP];
        let (weights, tables) = (&octets.weights[group * len..][..len], &octets.tables[group..=group]);
        let sums = if sums.is_empty() { &mut [] } else { &mut sums[group * GROUP..][..GROUP] };
        compute::<USES>(&Octets { weights, tables, ..octets }, sums, Results::Values(&mut values));
        for (output, &value) in (group * GROUP..outputs).zip(&values) {
            out.channel(output).put(0, value as i8);
        }
    }
    out.clamp(step.operator.clamp);
}

fn compute<const USES: u128>(octets: &Octets, sums: &mut [i32], results: Results) {
    #[cfg(kernels = "dsp")]
    if const { Uses(USES).dense_kernels() } {
        return crate::arch::dense::octets(octets, sums, results);
    }
    if const { Uses(USES).dense_definitions() } {
        by_definition(octets, sums, results);
    }
}

/// What a kernel does, by plain loops over the same words.
fn by_definition(octets: &Octets, sums: &mut [i32], mut results: Results) {
    let requant = Requant { shift_bits: octets.shift_bits, zero_point: octets.zero_point, min: i8::MIN, max: i8::MAX };
    let groups = octets.weights.chunks_exact(2 * octets.row.len()).zip(octets.tables);
    for (group, (weights, table)) in groups.enumerate() {
        for member in 0..GROUP {
            let output = group * GROUP + member;
            let weight = |i: usize| {
                let place = Place { step: i / 4, tap: 0, lane: i % 4, planes: 1 };
                Kernel::DenseOctets.weight(weights, Taps::One { stride: 1 }, place, member)
            };
            let before = if octets.is_first { table[member] as i32 } else { sums[output] };
            let products = octets.row.iter().enumerate().map(|(i, &byte)| weight(i) * (byte as i8) as i32);
            let sum = products.fold(before, i32::wrapping_add);
            match &mut results {
                Results::Sums => sums[output] = sum,
                Results::Values(values) => values[output] = requant.apply(sum, table[GROUP + member] as i32) as u8,
            }
        }
    }
}

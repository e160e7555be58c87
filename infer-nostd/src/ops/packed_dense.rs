//! Dense layers by a kernel for one core, and by definition where this machine has another.
//!
//! Weights: \[H\], then groups of eight outputs, then steps of four inputs; FORMAT.md draws a step and `Kernel::weight` reads it. Table: for each
//! group eight biases, eight multipliers; a group that is not full is filled up with weights 0, biases 0 and multipliers 1.

use super::Step;
use crate::arch;
use crate::arch::dense::{GROUP, Octet};
use crate::fixed::Requant;
use crate::plan::{Kernel, Taps, Uses};
use crate::ring::{RowMut, Rows};

/// Takes one row of the input; after the last, writes the outputs. `USES` is what the plan uses, for the compiler to leave out the rest.
#[inline(never)]
pub fn take<const USES: u128>(step: &Step, rows: &Rows, accs: &mut [i32], out: &mut RowMut) {
    let outputs = step.output.channels as usize;
    let steps = step.operator.dense_steps(step.input);
    let (groups, len) = (outputs.div_ceil(GROUP), GROUP * steps);
    let row = &rows.slot(0)[..4 * steps];
    let weights = &step.weights()[step.at as usize * groups * len..][..groups * len];
    let (is_first, is_last) = (step.at == 0, step.at + 1 == step.operator.end);
    let (tables, _) = step.table().as_chunks::<{ 2 * GROUP }>();
    let mut accs = accs.chunks_exact_mut(GROUP);
    let mut values = [0; GROUP];
    for (group, table) in tables[..groups].iter().enumerate() {
        let (biases, multipliers) = table.split_at(GROUP);
        let octet = Octet {
            row,
            weights: &weights[group * len..][..len],
            biases: is_first.then_some(biases),
            multipliers: is_last.then_some(multipliers),
            zero_point: step.output.zero_point,
            shift_bits: step.operator.shift_bits,
        };
        let sums = accs.next().unwrap_or_default();
        if const { Uses(USES).dense_kernels() } && arch::dense::HAS_OCTETS {
            arch::dense::octet(&octet, sums, &mut values);
        } else if const { Uses(USES).dense_definitions() } {
            by_definition(&octet, sums, &mut values);
        }
        if is_last {
            store(group * GROUP, &values, outputs, out);
        }
    }
    if is_last {
        out.clamp(step.operator.clamp);
    }
}

/// Stores outputs `first` and following. They lie side by side where there is no padding and no sign to change.
#[inline(always)]
fn store(first: usize, values: &[i8; GROUP], outputs: usize, out: &mut RowMut) {
    for (i, &value) in values.iter().take(outputs - first).enumerate() {
        out.channel(first + i).put(0, value);
    }
}

/// What a kernel does, by plain loops over the same words.
fn by_definition(octet: &Octet, sums: &mut [i32], values: &mut [i8; GROUP]) {
    let requant = Requant { shift_bits: octet.shift_bits, zero_point: octet.zero_point, min: i8::MIN, max: i8::MAX };
    for member in 0..GROUP {
        let weight =
            |i: usize| Kernel::DenseOctets.weight(octet.weights, Taps::One { stride: 1 }, i / 4, 0, i % 4, member);
        let before = octet.biases.map_or_else(|| sums[member], |biases| biases[member] as i32);
        let products = octet.row.iter().enumerate().map(|(i, &byte)| weight(i) * (byte as i8) as i32);
        let sum = products.fold(before, i32::wrapping_add);
        match octet.multipliers {
            Some(multipliers) => values[member] = requant.apply(sum, multipliers[member] as i32),
            None => sums[member] = sum,
        }
    }
}

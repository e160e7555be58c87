//! Dense layers by a kernel for one core: groups of outputs over one row of the input.

/// Outputs that a kernel computes at once, at most.
pub(crate) const MAX_GROUP: usize = 8;

/// Some groups' work on one row.
#[derive(Debug)]
pub(crate) struct Groups<'a> {
    /// Outputs of each.
    pub group: usize,
    /// The row as it is stored, in whole words.
    pub row: &'a [u8],
    /// For each group as many words as it has outputs for each word of the row.
    pub weights: &'a [u32],
    /// For each group its biases, its multipliers.
    pub tables: &'a [u32],
    /// Whether to begin with the biases; else with the sums.
    pub is_first: bool,
    /// The output's zero point.
    pub zero_point: i8,
    /// Left shift of the sums.
    pub shift_bits: u8,
}

/// Where groups' results go.
#[derive(Debug)]
pub(crate) enum Results<'a> {
    /// Sums, as there are rows to come: one an output.
    Sums,
    /// Values, saturated to int8: a byte an output.
    Values(&'a mut [u8]),
}

/// Takes the row; `sums` has one for each output, or none where the row is the first and the last.
#[cfg(not(kernels = "portable"))]
pub(crate) fn compute(groups: &Groups, sums: &mut [i32], results: Results) {
    let (group, steps) = (const { kernel_group() }, groups.row.len() / 4);
    let outputs = groups.tables.len() / 2;
    if outputs == 0 {
        return;
    }
    assert!(groups.group == group && outputs.is_multiple_of(group));
    assert!(steps > 0 && groups.row.len().is_multiple_of(4) && groups.weights.len() == outputs * steps);
    let (before, before_len) = if groups.is_first {
        (groups.tables.as_ptr().cast(), 8 * group)
    } else {
        (sums[..outputs].as_ptr(), 4 * group)
    };
    let (after, multipliers) = match results {
        Results::Values(values) => (values[..outputs].as_mut_ptr().cast(), groups.tables[group..].as_ptr()),
        Results::Sums => (sums[..outputs].as_mut_ptr(), core::ptr::null()),
    };
    let mut args = Args {
        row: groups.row.as_ptr(),
        weights: groups.weights.as_ptr(),
        steps: steps as u32,
        before,
        after,
        multipliers,
        zero_point: groups.zero_point.into(),
        shift_bits: groups.shift_bits.into(),
        before_len: before_len as u32,
        groups: (outputs / group) as u32,
    };
    // SAFETY: the kernel reads the row's words and for each group as many words of weights a step as it has outputs, which the assertions have
    // counted, a word an output each of `before` and, where it is not null, `multipliers`, and writes a byte an output to `after` where it rounds,
    // else a word: the slices above are as long for all groups. The row begins at a word, as slots do.
    unsafe {
        #[cfg(kernels = "dsp")]
        super::dsp::dsp_dense_octets(&mut args);
        #[cfg(kernels = "armv7m")]
        super::armv7m::armv7m_dense_duals(&mut args);
        #[cfg(kernels = "armv6m")]
        super::armv6m::infer_m0_dense_duals(&mut args);
    }
}

/// Outputs of a group of this core's kernel.
#[cfg(not(kernels = "portable"))]
const fn kernel_group() -> usize {
    use crate::plan::{Kernel, Taps};
    let kernel = if cfg!(kernels = "dsp") { Kernel::DenseOctets } else { Kernel::DenseDuals };
    kernel.group(Taps::One { stride: 1 })
}

/// What the kernel is told. It uses the fields up.
#[cfg(not(kernels = "portable"))]
#[derive(Debug)]
#[repr(C)]
pub(super) struct Args {
    /// The row.
    pub row: *const u8,
    /// The weights.
    pub weights: *const u32,
    /// Words of the row, at least 1.
    pub steps: u32,
    /// The first group's sums to begin with.
    pub before: *const i32,
    /// Where its sums, or a byte for each, go; the next group's follow.
    pub after: *mut i32,
    /// Its multipliers, the next group's behind its biases; null to leave sums as they are.
    pub multipliers: *const u32,
    /// The output's zero point.
    pub zero_point: i32,
    /// Left shift of the sums.
    pub shift_bits: u32,
    /// Bytes from a group's sums to begin with to the next one's.
    pub before_len: u32,
    /// Groups, at least 1.
    pub groups: u32,
}

//! Dense layers by a kernel for one core: eights of outputs over one row of the input.

/// Outputs that a kernel computes at once.
pub(crate) const GROUP: usize = 8;

/// Some groups' work on one row.
#[derive(Debug)]
pub(crate) struct Octets<'a> {
    /// The row as it is stored, in whole words.
    pub row: &'a [u8],
    /// For each group eight words for each word of the row.
    pub weights: &'a [u32],
    /// For each group eight biases, eight multipliers.
    pub tables: &'a [[u32; 2 * GROUP]],
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
    /// Sums, as there are rows to come: eight a group.
    Sums,
    /// Values, saturated to int8: eight bytes a group.
    Values(&'a mut [u8]),
}

/// Takes the row; `sums` has eight a group, or none where the row is the first and the last.
#[cfg(kernels = "dsp")]
pub(crate) fn octets(octets: &Octets, sums: &mut [i32], results: Results) {
    let (groups, steps) = (octets.tables.len(), octets.row.len() / 4);
    if groups == 0 {
        return;
    }
    assert!(octets.row.len().is_multiple_of(4) && octets.weights.len() == groups * steps * GROUP);
    let (before, before_len) = if octets.is_first {
        (octets.tables.as_ptr().cast(), 8 * GROUP)
    } else {
        (sums[..groups * GROUP].as_ptr(), 4 * GROUP)
    };
    let (after, multipliers) = match results {
        Results::Values(values) => {
            (values[..groups * GROUP].as_mut_ptr().cast(), octets.tables.as_flattened()[GROUP..].as_ptr())
        }
        Results::Sums => (sums[..groups * GROUP].as_mut_ptr(), core::ptr::null()),
    };
    let mut args = Args {
        row: octets.row.as_ptr(),
        weights: octets.weights.as_ptr(),
        steps: steps as u32,
        before,
        after,
        multipliers,
        zero_point: octets.zero_point.into(),
        shift_bits: octets.shift_bits.into(),
        before_len: before_len as u32,
        groups: groups as u32,
    };
    // SAFETY: the kernel reads the row's words and for each group eight words of weights a step, which the assertion has counted, eight words each
    // of `before` and, where it is not null, `multipliers`, and writes eight bytes to `after` where it rounds, else eight words: the slices above are
    // as long for all groups. The row begins at a word, as slots do.
    unsafe { super::dsp::dsp_dense_octets(&mut args) };
}

/// What the kernel is told. It uses the fields up.
#[cfg(kernels = "dsp")]
#[derive(Debug)]
#[repr(C)]
pub(super) struct Args {
    /// The row.
    pub row: *const u8,
    /// The weights.
    pub weights: *const u32,
    /// Words of the row, at least 1.
    pub steps: u32,
    /// The first group's eight sums to begin with.
    pub before: *const i32,
    /// Where its eight sums, or eight bytes, go; the next group's follow.
    pub after: *mut i32,
    /// Its eight multipliers, the next group's 64 bytes behind; null to leave sums as they are.
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

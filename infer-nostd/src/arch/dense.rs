//! Dense layers by a kernel for one core: eight outputs over one row of the input.

/// Outputs that a kernel computes at once.
pub(crate) const GROUP: usize = 8;

/// Whether this target has the kernel.
pub(crate) const HAS_OCTETS: bool = cfg!(kernels = "dsp");

/// Eight outputs' work on one row.
#[derive(Debug)]
pub(crate) struct Octet<'a> {
    /// The row as it is stored, in whole words.
    pub row: &'a [u8],
    /// Eight words for each word of the row.
    pub weights: &'a [u32],
    /// What to begin with; none where sums of earlier rows are there.
    pub biases: Option<&'a [u32]>,
    /// What to round by; none where there are rows to come.
    pub multipliers: Option<&'a [u32]>,
    /// The output's zero point.
    pub zero_point: i8,
    /// Left shift of the sums.
    pub shift_bits: u8,
}

/// Sums to sums, or to values that saturate to int8.
#[cfg(not(kernels = "dsp"))]
pub(crate) fn octet(_: &Octet, _: &mut [i32], _: &mut [i8; GROUP]) {}

/// Sums to sums, or to values that saturate to int8.
#[cfg(kernels = "dsp")]
#[inline(always)]
pub(crate) fn octet(octet: &Octet, sums: &mut [i32], values: &mut [i8; GROUP]) {
    let before = match octet.biases {
        Some(biases) => biases[..GROUP].as_ptr().cast(),
        None => sums[..GROUP].as_ptr(),
    };
    let (multipliers, after) = match octet.multipliers {
        Some(multipliers) => (multipliers[..GROUP].as_ptr(), values.as_mut_ptr().cast()),
        None => (core::ptr::null(), sums[..GROUP].as_mut_ptr()),
    };
    assert!(octet.weights.len() == 2 * octet.row.len() && octet.row.len().is_multiple_of(4));
    let args = Args {
        row: octet.row.as_ptr(),
        weights: octet.weights.as_ptr(),
        steps: (octet.row.len() / 4) as u32,
        before,
        after,
        multipliers,
        zero_point: octet.zero_point.into(),
        shift_bits: octet.shift_bits.into(),
    };
    // SAFETY: the kernel reads four bytes of the row and eight words of the weights a step, which the assertion has counted, eight words
    // each of `before` and, where it is not null, `multipliers`, and writes eight bytes to `after` where it rounds, else eight words: the
    // slices above are as long. The row begins at a word, as slots do.
    unsafe { super::dsp::dsp_dense_octet(&args) };
}

/// What the kernel is told.
#[cfg(kernels = "dsp")]
#[derive(Debug)]
#[repr(C)]
pub(super) struct Args {
    /// The row.
    pub row: *const u8,
    /// The weights.
    pub weights: *const u32,
    /// Words of the row.
    pub steps: u32,
    /// Eight sums to begin with.
    pub before: *const i32,
    /// Where eight sums, or eight bytes, go.
    pub after: *mut i32,
    /// Eight multipliers; null to leave sums as they are.
    pub multipliers: *const u32,
    /// The output's zero point.
    pub zero_point: i32,
    /// Left shift of the sums.
    pub shift_bits: u32,
}

//! The records of a plan, read where they lie: in flash, in the file's own words.

use crate::plan::{HEADER_WORDS, Kernel, Kind, Layout, OPERATOR_WORDS, Operator, PlanError, TENSOR_WORDS, Tensor};
use core::mem::offset_of;
use core::slice;

/// Tensors and operators of a plan: every byte is a value of its field's type, and operators read tensors that are made before.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// Of the whole file.
    words: &'a [u32],
    operators: usize,
}

impl<'a> Records<'a> {
    /// Looks at the bytes that do not take every value (layouts, kinds, kernels and flags) and at the operators' inputs.
    ///
    /// # Errors
    /// [`PlanError::Records`] where the file ends before the records do; [`PlanError::UnknownLayout`], [`PlanError::UnknownKind`],
    /// [`PlanError::BadInput`].
    pub const fn new(words: &'a [u32], operators: usize) -> Result<Self, PlanError> {
        if words.len() < Self::end(operators) {
            return Err(PlanError::Records);
        }
        let mut id = 0;
        while id <= operators {
            let at = HEADER_WORDS + id * TENSOR_WORDS;
            let layout = Layout::from_u8(byte(words, at, offset_of!(Tensor, layout)));
            if layout.is_none() || byte(words, at, offset_of!(Tensor, stacked)) > 1 {
                return Err(PlanError::UnknownLayout(id as u16));
            }
            id += 1;
        }
        let mut id = 0;
        while id < operators {
            let at = Self::operators_at(operators) + id * OPERATOR_WORDS;
            let kind = Kind::from_u8(byte(words, at, offset_of!(Operator, kind)));
            let kernel = Kernel::from_u8(byte(words, at, offset_of!(Operator, kernel)));
            let flags = [offset_of!(Operator, count_include_pad), offset_of!(Operator, merges)];
            let are_flags = byte(words, at, flags[0]) <= 1 && byte(words, at, flags[1]) <= 1;
            if kind.is_none() || kernel.is_none() || !are_flags {
                return Err(PlanError::UnknownKind(id as u16));
            }
            id += 1;
        }
        let records = Self { words, operators };
        let mut id = 0;
        while id < operators {
            let [a, b] = records.operators()[id].inputs;
            if a as usize > id || b as usize > id {
                return Err(PlanError::BadInput(id as u16));
            }
            id += 1;
        }
        Ok(records)
    }

    /// Where the records end in the file.
    pub const fn end(operators: usize) -> usize {
        Self::operators_at(operators) + operators * OPERATOR_WORDS
    }

    const fn operators_at(operators: usize) -> usize {
        HEADER_WORDS + (operators + 1) * TENSOR_WORDS
    }

    /// The whole file.
    #[inline(always)]
    pub const fn words(&self) -> &'a [u32] {
        self.words
    }

    /// The input, then what each operator makes.
    #[inline(always)]
    pub const fn tensors(&self) -> &'a [Tensor] {
        // SAFETY: `new` has found the words of `operators + 1` records behind the header, and that those of their bytes which do not take
        // every value are values of their types. A `Tensor` is `TENSOR_WORDS` words without padding and no more aligned than they are.
        unsafe { slice::from_raw_parts(self.words.as_ptr().add(HEADER_WORDS).cast(), self.operators + 1) }
    }

    /// The operators in order.
    #[inline(always)]
    pub const fn operators(&self) -> &'a [Operator] {
        let at = Self::operators_at(self.operators);
        // SAFETY: as in `tensors`, behind whose records these are.
        unsafe { slice::from_raw_parts(self.words.as_ptr().add(at).cast(), self.operators) }
    }

    /// Operator `id` with its first input and its output.
    #[inline(always)]
    pub const fn around(&self, id: usize) -> (&'a Operator, &'a Tensor, &'a Tensor) {
        let operator = &self.operators()[id];
        let tensors = self.tensors().as_ptr();
        // SAFETY: `new` has found the input among the tensors, and there is one more of them than operators.
        unsafe { (operator, &*tensors.add(operator.inputs[0] as usize), &*tensors.add(id + 1)) }
    }
}

/// Byte `offset` of the record at word `at`.
const fn byte(words: &[u32], at: usize, offset: usize) -> u8 {
    words[at + offset / 4].to_le_bytes()[offset % 4]
}

/// The words of a tensor's record.
pub const fn tensor_words(tensor: &Tensor) -> &[u32; TENSOR_WORDS] {
    // SAFETY: a `Tensor` is so many words without padding; as its fields are, it lies at a multiple of four.
    unsafe { &*core::ptr::from_ref(tensor).cast() }
}

/// The words of an operator's record.
pub const fn operator_words(operator: &Operator) -> &[u32; OPERATOR_WORDS] {
    // SAFETY: as in `tensor_words`.
    unsafe { &*core::ptr::from_ref(operator).cast() }
}

//! The rows of a tensor that are alive: a ring of slots, each one padded row, channels last.

use crate::plan::Tensor;

/// The rows that one step of an operator reads.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    ring: &'a [i8],
    slot_len: usize,
    first_slot: usize,
    slots: usize,
}

impl<'a> Rows<'a> {
    /// Rows of `tensor` from row `first` on, padding counted.
    pub fn new(tensor: &Tensor, ring: &'a [i8], first: usize) -> Self {
        let slots = tensor.slots as usize;
        Self { ring, slot_len: tensor.slot_len(), first_slot: first % slots, slots }
    }

    /// The padded row `i` rows below the first. `i` is less than the number of slots.
    #[inline(always)]
    pub fn row(&self, i: usize) -> &'a [i8] {
        let slot = self.first_slot + i;
        let slot = if slot >= self.slots { slot - self.slots } else { slot };
        let at = slot * self.slot_len;
        &self.ring[at..at + self.slot_len]
    }
}

impl<'a> Rows<'a> {
    /// The first row without the padding left and right of it.
    pub fn map_row(&self, tensor: &Tensor) -> &'a [i8] {
        &self.row(0)[tensor.left_len()..][..tensor.row_len()]
    }
}

/// The place in the ring of `tensor`'s row `row` (padding counted), without the padding left and right of it.
pub fn interior<'a>(tensor: &Tensor, ring: &'a mut [i8], row: usize) -> &'a mut [i8] {
    let at = (row % tensor.slots as usize) * tensor.slot_len() + tensor.left_len();
    &mut ring[at..at + tensor.row_len()]
}

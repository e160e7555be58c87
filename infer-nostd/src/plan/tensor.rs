//! A tensor's record, as it lies in the file. FORMAT.md is the same page in prose.

use super::Layout;
use core::ops::Range;

/// One activation: its shape, its quantization, and the ring of rows that holds it.
///
/// Tensor 0 is the network's input; tensor i + 1 is made by operator i; the last is the network's output. The fields from
/// `plane_len` on follow from the others: [`complete`](Self::complete) works them out.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Tensor {
    /// Rows of the feature map.
    pub height: u16,
    /// Pixels of a row.
    pub width: u16,
    /// Values of a pixel.
    pub channels: u16,
    /// The step that stands for zero; padding holds it.
    pub zero_point: i8,
    /// How its rows lie in memory.
    pub layout: Layout,
    /// Padding stored round the map: top, left, bottom, right, in rows and pixels.
    pub pads: [u8; 4],
    /// Rows that the ring holds.
    pub slots: u16,
    /// The last operator that reads this tensor; `NO_READER` for the output.
    pub last_reader: u16,
    /// Where the ring begins in the arena, in words.
    pub ring: u32,
    /// Where new rows land in the arena, in words; `NOWHERE` for rows that are written where they stay. A row that lands moves into the ring
    /// once it has been read: the ring is then a row shorter, and the place can be other tensors' as well.
    pub landing: u32,
    /// Real value of one step.
    pub scale: f32,
    /// Bytes from one plane of a row to the next.
    pub plane_len: u32,
    /// Bytes from one ring slot to the next: the padded row, rounded up to words unless it is the output's.
    pub slot_len: u32,
    /// Channels of a plane, and bytes from one of its pixels to the next.
    pub lanes: u16,
    /// Planes of a row.
    pub planes: u16,
    /// ⌈2^`reciprocal_shift` / slots⌉, for [`slot_of`](Self::slot_of).
    pub reciprocal: u16,
    /// 15 + ⌈log₂ slots⌉.
    pub reciprocal_shift: u8,
    /// Whether lane i of a row holds the row i below, of an input of one channel: a kernel then takes several rows in one step.
    pub stacked: bool,
}

/// [`Tensor::last_reader`] of the network's output.
pub const NO_READER: u16 = u16::MAX;

/// [`Tensor::landing`] of a tensor whose rows do not land.
pub const NOWHERE: u32 = u32::MAX;

/// Words of a [`Tensor`] in the file.
pub const TENSOR_WORDS: usize = 11;

const _: () = assert!(size_of::<Tensor>() == 4 * TENSOR_WORDS && align_of::<Tensor>() == align_of::<u32>());

/// Most rows of a tensor, padding counted, so that [`Tensor::slot_of`] is exact: 15 bits.
pub(super) const MAX_PADDED_HEIGHT: usize = (1 << 15) - 1;

impl Tensor {
    /// A tensor of that shape (height, width, channels), channels last, without padding, with a ring of one row at the arena's beginning, read by
    /// operator 0. To be [`complete`](Self::complete)d.
    pub const fn new([height, width, channels]: [u16; 3], scale: f32, zero_point: i8) -> Self {
        Self {
            height,
            width,
            channels,
            zero_point,
            layout: Layout::ChannelsLast,
            pads: [0; 4],
            slots: 1,
            last_reader: 0,
            ring: 0,
            landing: NOWHERE,
            scale,
            plane_len: 0,
            slot_len: 0,
            lanes: 0,
            planes: 0,
            reciprocal: 0,
            reciprocal_shift: 0,
            stacked: false,
        }
    }

    /// With the fields that follow from the others.
    pub const fn complete(self) -> Self {
        let (lanes, planes) = match self.layout {
            Layout::ChannelsLast => (self.channels, 1),
            Layout::Quads => (4, self.channels.div_ceil(4)),
            Layout::Pairs | Layout::UnsignedPairs => (2, self.channels.div_ceil(2)),
        };
        let pixels = self.pads[1] as u64 + self.width as u64 + self.pads[3] as u64;
        let plane_len = pixels * lanes as u64;
        let row_len = planes as u64 * plane_len;
        let slot_len = if self.is_output() { row_len } else { row_len.next_multiple_of(4) };
        let slots = if self.slots == 0 { 1 } else { self.slots as u32 };
        let reciprocal_shift = 15 + slots.next_power_of_two().trailing_zeros();
        Self {
            plane_len: saturate(plane_len),
            slot_len: saturate(slot_len),
            lanes,
            planes,
            reciprocal: (1u64 << reciprocal_shift).div_ceil(slots as u64) as u16,
            reciprocal_shift: reciprocal_shift as u8,
            ..self
        }
    }

    /// Rows with the stored padding.
    pub const fn padded_height(&self) -> usize {
        self.pads[0] as usize + self.height as usize + self.pads[2] as usize
    }

    /// Values of a row without padding.
    pub const fn row_len(&self) -> usize {
        self.width as usize * self.channels as usize
    }

    /// Channels of a plane, and bytes from one of its pixels to the next.
    #[inline(always)]
    pub const fn lanes(&self) -> usize {
        self.lanes as usize
    }

    /// Planes of a row.
    #[inline(always)]
    pub const fn planes(&self) -> usize {
        self.planes as usize
    }

    /// Bytes from one plane of a row to the next.
    #[inline(always)]
    pub const fn plane_len(&self) -> usize {
        self.plane_len as usize
    }

    /// Bytes from one step of a convolution's kernel to the next: a plane, or the rows that a step takes where each is one plane.
    #[inline(always)]
    pub const fn step_len(&self) -> usize {
        if self.planes == 1 { self.rows_a_step() * self.slot_len() } else { self.plane_len() }
    }

    /// Where the pixels of a plane lie in a row, in bytes, without the padding left and right.
    #[inline(always)]
    pub const fn run_range(&self, plane: usize) -> Range<usize> {
        let at = plane * self.plane_len() + self.pads[1] as usize * self.lanes();
        at..at + self.width as usize * self.lanes()
    }

    /// Bytes from one ring slot to the next.
    #[inline(always)]
    pub const fn slot_len(&self) -> usize {
        self.slot_len as usize
    }

    /// The slot of row `row`, padding counted: `row` mod `slots`, without a division, which small cores do not have.
    ///
    /// Of rows up to 2^15 − 1, which are all there are. With s = `reciprocal_shift`, the reciprocal is (2^s + e) / slots with e < slots ≤ 2^(s − 15), so that row·e < 2^s: the quotient is exact.
    #[inline(always)]
    pub const fn slot_of(&self, row: usize) -> usize {
        let row = row as u32 & MAX_PADDED_HEIGHT as u32;
        let quotient = row.wrapping_mul(self.reciprocal as u32) >> (self.reciprocal_shift & 31);
        (row - quotient * self.slots as u32) as usize
    }

    /// Four stored zeros.
    #[inline(always)]
    pub const fn zero_word(&self) -> u32 {
        u32::from_le_bytes([self.zero_byte(); 4])
    }

    /// A stored zero.
    #[inline(always)]
    pub const fn zero_byte(&self) -> u8 {
        self.zero_point as u8 ^ self.layout.flip()
    }

    /// Whether this is the network's output, which is kept whole and without gaps.
    pub const fn is_output(&self) -> bool {
        self.last_reader == NO_READER
    }

    /// Whether new rows have a place of their own.
    #[inline(always)]
    pub const fn lands(&self) -> bool {
        self.landing != NOWHERE
    }

    /// Rows of a window that a kernel takes in one step.
    #[inline(always)]
    pub const fn rows_a_step(&self) -> usize {
        if self.stacked { self.lanes() } else { 1 }
    }

    /// Values that a dense layer reads of a row: all lanes, padding left out.
    pub const fn dense_row_len(&self) -> usize {
        self.planes() * self.width as usize * self.lanes()
    }

    /// Rows that there is room for, the one that lands among them.
    pub const fn capacity(&self) -> u16 {
        self.slots.saturating_add(self.lands() as u16)
    }

    /// Where new rows land, in words of the arena; nothing where they do not.
    #[inline(always)]
    pub const fn landing_range(&self) -> Range<usize> {
        if !self.lands() {
            return 0..0;
        }
        let at = self.landing as usize;
        at..at.saturating_add(self.slot_len() / 4)
    }

    /// Where the ring lies, in words of the arena.
    #[inline(always)]
    pub const fn ring_range(&self) -> Range<usize> {
        let at = self.ring as usize;
        at..at.saturating_add(self.ring_words())
    }

    /// Words of the place where rows land.
    pub const fn landing_words(&self) -> usize {
        if self.lands() { self.slot_len() / 4 } else { 0 }
    }

    /// Words of the whole ring.
    #[inline(always)]
    pub const fn ring_words(&self) -> usize {
        // At most 2^15 slots of 2^20 bytes; `check` has seen that they lie in the arena.
        (self.slots as usize).saturating_mul(self.slot_len()).div_ceil(4)
    }
}

const fn saturate(len: u64) -> u32 {
    if len > u32::MAX as u64 { u32::MAX } else { len as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENSOR: Tensor = Tensor { pads: [0, 1, 0, 0], slots: 2, ..Tensor::new([3, 3, 3], 1.0, 0) };

    #[test]
    fn slots_are_whole_words() {
        let tensor = TENSOR.complete();
        assert_eq!((tensor.row_len(), tensor.slot_len(), tensor.ring_words()), (9, 12, 6));
        let pairs = Tensor { layout: Layout::Pairs, ..TENSOR }.complete();
        assert_eq!((pairs.planes(), pairs.plane_len(), pairs.slot_len()), (2, 8, 16));
        let output = Tensor { last_reader: NO_READER, pads: [0; 4], slots: 3, ..TENSOR }.complete();
        assert_eq!((output.slot_len(), output.ring_words()), (9, 7));
    }

    #[test]
    fn a_row_has_the_slot_that_a_division_gives() {
        for slots in (1..200).chain([255, 256, 257, 4095, 8191, 16_385, 32_767]) {
            let tensor = Tensor { slots, ..TENSOR }.complete();
            for row in 0..=MAX_PADDED_HEIGHT {
                assert_eq!(tensor.slot_of(row), row % slots as usize, "row {row} of {slots} slots");
            }
        }
    }
}

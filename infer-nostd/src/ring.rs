//! The rows of a tensor that are alive: a ring of slots, each one padded row in the tensor's layout.

use crate::plan::{Layout, Tensor};
use crate::schedule::Span;

/// Values of one row that an operator writes: a channel, from the left edge of the map.
#[derive(Debug)]
pub struct ChannelMut<'a> {
    bytes: &'a mut [u8],
    pixel_len: usize,
    flip: u8,
}

/// The rows that one step of an operator reads.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    tensor: &'a Tensor,
    ring: &'a [u8],
    /// Where the last row is, if it has landed; empty if it is in the ring.
    landing: &'a [u8],
    /// Where the first row begins in the ring.
    first: usize,
    /// Which row is the last, counted from the first.
    last: usize,
}

/// One row that an operator writes.
#[derive(Debug)]
pub struct RowMut<'a> {
    tensor: &'a Tensor,
    slot: &'a mut [u8],
}

/// Values of one row at even distances: a channel, from the left edge of the padding.
#[derive(Debug, Clone, Copy)]
pub struct Channel<'a> {
    bytes: &'a [u8],
    pixel_len: usize,
    flip: u8,
}

impl<'a> Rows<'a> {
    /// Rows `span` of `tensor`, padding counted. The last of them is in `landing`, where the tensor's rows land.
    #[inline(always)]
    pub fn new(tensor: &'a Tensor, ring: &'a [u8], landing: &'a [u8], span: Span) -> Self {
        let first = tensor.slot_of(span.first) * tensor.slot_len();
        Self { tensor, ring, landing, first, last: span.last - span.first }
    }

    /// The tensor whose rows these are.
    #[inline(always)]
    pub fn tensor(&self) -> &'a Tensor {
        self.tensor
    }

    /// The padded row `i` rows below the first, as it is stored. `i` is less than the rows there is room for.
    #[inline(always)]
    pub fn slot(&self, i: usize) -> &'a [u8] {
        if i == self.last && !self.landing.is_empty() {
            return self.landing;
        }
        let mut at = self.first + i * self.tensor.slot_len();
        if at >= self.ring.len() {
            at -= self.ring.len();
        }
        &self.ring[at..at + self.tensor.slot_len()]
    }

    /// The pixels of a plane of the row `i` rows below the first, without the padding left and right.
    #[inline(always)]
    pub fn run(&self, i: usize, plane: usize) -> &'a [u8] {
        &self.slot(i)[self.tensor.run_range(plane)]
    }

    /// The row `i` rows below the first from a channel's first value on, from the left edge of the map.
    #[inline(always)]
    pub fn pixels_from(&self, i: usize, channel: usize) -> &'a [u8] {
        let tensor = self.tensor;
        &self.slot(i)[channel_at(tensor, channel) + tensor.pads[1] as usize * tensor.lanes()..]
    }

    /// Where that row begins, for kernels. Some tensor's rows land if `lands`.
    #[cfg(not(kernels = "portable"))]
    #[inline(always)]
    pub fn start(&self, i: usize, lands: bool) -> *const u8 {
        if lands && i == self.last && !self.landing.is_empty() {
            return self.landing.as_ptr();
        }
        let at = self.first + i * self.tensor.slot_len();
        self.ring.as_ptr().wrapping_add(if at >= self.ring.len() { at - self.ring.len() } else { at })
    }

    /// Where the last row begins, if it has landed: for kernels.
    #[cfg(not(kernels = "portable"))]
    #[inline(always)]
    pub fn landed(&self) -> Option<*const u8> {
        (!self.landing.is_empty()).then_some(self.landing.as_ptr())
    }

    /// For kernels, of the first row and those `distance` bytes further on in the ring: where the first begins, how many follow down to the ring's
    /// end, the first counted, but no more than `most`; and where the next one begins, at the ring's other end.
    #[cfg(not(kernels = "portable"))]
    #[inline(always)]
    pub fn run_of_rows(&self, distance: usize, most: usize) -> (*const u8, usize, *const u8) {
        let (mut count, mut at) = (0, self.first);
        while count < most && at < self.ring.len() {
            count += 1;
            at += distance;
        }
        let ring = self.ring.as_ptr();
        (ring.wrapping_add(self.first), count, ring.wrapping_add(at.wrapping_sub(self.ring.len())))
    }

    /// A channel of the row `i` rows below the first.
    #[inline(always)]
    pub fn channel(&self, i: usize, channel: usize) -> Channel<'a> {
        let tensor = self.tensor;
        let bytes = &self.slot(i)[channel_at(tensor, channel)..];
        Channel { bytes, pixel_len: tensor.lanes(), flip: tensor.layout.flip() }
    }
}

impl Channel<'_> {
    /// The value of pixel `x`, padding counted.
    #[inline(always)]
    pub fn get(&self, x: usize) -> i8 {
        (self.bytes[x * self.pixel_len] ^ self.flip) as i8
    }
}

impl ChannelMut<'_> {
    /// Stores the value of pixel `x` of the map.
    #[inline(always)]
    pub fn put(&mut self, x: usize, value: i8) {
        self.bytes[x * self.pixel_len] = value as u8 ^ self.flip;
    }

    /// Stores every `step`th of `values` from the first on, pixel by pixel.
    #[inline(always)]
    pub fn put_each(&mut self, values: &[i8], step: usize) {
        let (mut from, mut to) = (0, 0);
        while let (Some(&value), Some(byte)) = (values.get(from), self.bytes.get_mut(to)) {
            *byte = value as u8 ^ self.flip;
            from += step;
            to += self.pixel_len;
        }
    }
}

impl<'a> RowMut<'a> {
    /// A row of `tensor` in its slot.
    #[inline(always)]
    pub fn new(tensor: &'a Tensor, slot: &'a mut [u8]) -> Self {
        Self { tensor, slot }
    }

    /// A channel of the row, from the left edge of the map.
    #[inline(always)]
    pub fn channel(&mut self, channel: usize) -> ChannelMut<'_> {
        let tensor = self.tensor;
        let at = channel_at(tensor, channel) + tensor.pads[1] as usize * tensor.lanes();
        ChannelMut { bytes: &mut self.slot[at..], pixel_len: tensor.lanes(), flip: tensor.layout.flip() }
    }

    /// The pixels of a plane, without the padding left and right.
    #[inline(always)]
    pub fn run(&mut self, plane: usize) -> &mut [u8] {
        &mut self.slot[self.tensor.run_range(plane)]
    }

    /// The row as it is stored, where it is one pixel without padding and no sign to change: its channels in order.
    #[inline(always)]
    pub fn vector(&mut self) -> Option<&mut [u8]> {
        let tensor = self.tensor;
        let is_vector = tensor.plane_len() == tensor.lanes() && tensor.layout.flip() == 0;
        is_vector.then_some(&mut *self.slot)
    }

    /// The row as it is stored.
    #[inline(always)]
    pub fn slot(&mut self) -> &mut [u8] {
        self.slot
    }

    /// Clamps every value of the row that is no padding.
    #[inline(never)]
    pub fn clamp(&mut self, [min, max]: [i8; 2]) {
        if [min, max] == [i8::MIN, i8::MAX] {
            return;
        }
        let flip = self.tensor.layout.flip();
        for plane in 0..self.tensor.planes() {
            for byte in self.run(plane) {
                *byte = ((*byte ^ flip) as i8).clamp(min, max) as u8 ^ flip;
            }
        }
    }

    /// Makes the padding left and right of the map the tensor's zero, where rows land: other tensors' rows have been there.
    #[inline(always)]
    pub fn renew_edges(&mut self) {
        if self.tensor.lands() {
            self.fill_edges();
        }
    }

    #[inline(never)]
    fn fill_edges(&mut self) {
        let tensor = self.tensor;
        let [_, left, _, right] = tensor.pads.map(|pad| pad as usize * tensor.lanes());
        let mut rest = &mut *self.slot;
        for _ in 0..tensor.planes() {
            let (plane, next) = rest.split_at_mut(tensor.plane_len());
            plane[..left].fill(tensor.zero_byte());
            plane[tensor.plane_len() - right..].fill(tensor.zero_byte());
            rest = next;
        }
    }

    /// Makes the whole row, padding and all, the tensor's zero. A row that is padding is whole words.
    pub fn fill_zero(&mut self) {
        let (words, _) = self.slot.as_chunks_mut::<4>();
        words.iter_mut().for_each(|word| *word = self.tensor.zero_word().to_le_bytes());
    }
}

/// Where a channel's first value lies in a slot, padding counted.
#[inline(always)]
fn channel_at(tensor: &Tensor, channel: usize) -> usize {
    match tensor.layout {
        Layout::ChannelsLast => channel,
        Layout::Pairs | Layout::UnsignedPairs => channel / 2 * tensor.plane_len() + channel % 2,
        Layout::Quads => channel / 4 * tensor.plane_len() + channel % 4,
    }
}

//! The rows of a tensor that are alive: a ring of slots, each one padded row in the tensor's layout.

use crate::arch;
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
    landing: &'a [u8],
    first_slot: usize,
    /// Which row, counted from the first, has landed and is not in the ring.
    landed: usize,
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
    pub fn new(tensor: &'a Tensor, ring: &'a [u32], landing: &'a [u32], span: Span) -> Self {
        let landed = if tensor.lands() { span.last - span.first } else { usize::MAX };
        let (ring, landing) = (arch::as_bytes(ring), arch::as_bytes(landing));
        Self { tensor, ring, landing, first_slot: tensor.slot_of(span.first), landed }
    }

    /// The padded row `i` rows below the first, as it is stored. `i` is less than the rows there is room for.
    #[inline(always)]
    pub fn slot(&self, i: usize) -> &'a [u8] {
        if i == self.landed {
            return &self.landing[..self.tensor.slot_len()];
        }
        let (mut slot, slots) = (self.first_slot + i, self.tensor.slots as usize);
        if slot >= slots {
            slot -= slots;
        }
        let at = slot * self.tensor.slot_len();
        &self.ring[at..at + self.tensor.slot_len()]
    }

    /// The pixels of a plane of the row `i` rows below the first, without the padding left and right.
    #[inline(always)]
    pub fn run(&self, i: usize, plane: usize) -> &'a [u8] {
        &self.slot(i)[self.tensor.run_range(plane)]
    }

    /// The row `i` rows below the first from a channel's first value on, from the left edge of the map.
    #[inline(always)]
    pub fn from_channel(&self, i: usize, channel: usize) -> &'a [u8] {
        let tensor = self.tensor;
        &self.slot(i)[channel_at(tensor, channel) + tensor.pads[1] as usize * tensor.lanes()..]
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
}

impl<'a> RowMut<'a> {
    /// The place of `tensor`'s new row `row`, padding counted, in the words of [`Tensor::write_range`].
    #[inline(always)]
    pub fn new(tensor: &'a Tensor, ring: &'a mut [u32], row: usize) -> Self {
        let at = if tensor.lands() { 0 } else { tensor.slot_of(row) * tensor.slot_len() };
        Self { tensor, slot: &mut arch::as_bytes_mut(ring)[at..at + tensor.slot_len()] }
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
        let tensor = self.tensor;
        if !tensor.lands() {
            return;
        }
        let zero = tensor.zero_byte();
        let [_, left, _, right] = tensor.pads.map(|pad| pad as usize * tensor.lanes());
        for plane in self.slot.chunks_exact_mut(tensor.plane_len()) {
            plane[..left].fill(zero);
            plane[tensor.plane_len() - right..].fill(zero);
        }
    }

    /// Makes the whole row, padding and all, the tensor's zero.
    pub fn fill_zero(&mut self) {
        self.slot.fill(self.tensor.zero_byte());
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

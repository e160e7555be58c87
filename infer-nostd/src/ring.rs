//! The rows of a tensor that are alive: a ring of slots, each one padded row in the tensor's layout.

use crate::arch;
use crate::plan::Tensor;
use crate::schedule::Span;
use core::ops::{Deref, Range};

/// A tensor with the lengths that follow from its record, worked out once a step.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    tensor: Tensor,
    /// Channels of a plane.
    pub lanes: usize,
    /// Planes of a row.
    pub planes: usize,
    /// Bytes from one pixel of a plane to the next.
    pub pixel_len: usize,
    /// Bytes from one plane to the next.
    pub plane_len: usize,
    /// Bytes from one slot to the next.
    pub slot_len: usize,
}

/// Values of one row that an operator writes: a channel, from the left edge of the map.
#[derive(Debug)]
pub struct ChannelMut<'a> {
    bytes: &'a mut [u8],
    pixel_len: usize,
    flip: u8,
}

impl Map {
    /// Works the lengths out.
    #[inline(always)]
    pub const fn of(tensor: Tensor) -> Self {
        Self {
            lanes: tensor.lanes(),
            planes: tensor.planes(),
            pixel_len: tensor.pixel_len(),
            plane_len: tensor.plane_len(),
            slot_len: tensor.slot_len(),
            tensor,
        }
    }

    /// Where a new row is written, in words of the arena: in the ring, or where rows land.
    #[inline(always)]
    pub fn write_words(&self) -> Range<usize> {
        if self.lands { self.landing_range() } else { self.words() }
    }

    /// Where rows land, in words of the arena; nothing where they do not.
    #[inline(always)]
    pub fn landing_range(&self) -> Range<usize> {
        let at = self.tensor.landing as usize;
        at..at + if self.lands { self.slot_len / 4 } else { 0 }
    }

    /// Where the ring lies in the arena, in words.
    #[inline(always)]
    pub fn words(&self) -> Range<usize> {
        let at = self.tensor.ring as usize;
        at..at + (self.tensor.slots as usize * self.slot_len).div_ceil(4)
    }
}

impl Deref for Map {
    type Target = Tensor;

    #[inline(always)]
    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

/// The rows that one step of an operator reads.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    map: &'a Map,
    ring: &'a [u8],
    landing: &'a [u8],
    first_slot: usize,
    /// Which row, counted from the first, has landed and is not in the ring.
    landed: usize,
}

/// One row that an operator writes.
#[derive(Debug)]
pub struct RowMut<'a> {
    map: &'a Map,
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
    /// Rows `span` of `map`, padding counted. The last of them is in `landing`, where the map's rows land.
    #[inline(always)]
    pub fn new(map: &'a Map, ring: &'a [u32], landing: &'a [u32], span: Span) -> Self {
        let landed = if map.lands { span.last - span.first } else { usize::MAX };
        let (ring, landing) = (arch::as_bytes(ring), arch::as_bytes(landing));
        Self { map, ring, landing, first_slot: span.first % map.slots as usize, landed }
    }

    /// The padded row `i` rows below the first, as it is stored. `i` is less than the rows there is room for.
    #[inline(always)]
    pub fn slot(&self, i: usize) -> &'a [u8] {
        if i == self.landed {
            return &self.landing[..self.map.slot_len];
        }
        let (mut slot, slots) = (self.first_slot + i, self.map.slots as usize);
        if slot >= slots {
            slot -= slots;
        }
        let at = slot * self.map.slot_len;
        &self.ring[at..at + self.map.slot_len]
    }

    /// A channel of the row `i` rows below the first.
    #[inline(always)]
    pub fn channel(&self, i: usize, channel: usize) -> Channel<'a> {
        let map = self.map;
        let bytes = &self.slot(i)[channel_at(map, channel)..];
        Channel { bytes, pixel_len: map.pixel_len, flip: map.layout.flip() }
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
    /// The value of pixel `x` of the map.
    #[inline(always)]
    pub fn get(&self, x: usize) -> i8 {
        (self.bytes[x * self.pixel_len] ^ self.flip) as i8
    }

    /// Stores the value of pixel `x` of the map.
    #[inline(always)]
    pub fn put(&mut self, x: usize, value: i8) {
        self.bytes[x * self.pixel_len] = value as u8 ^ self.flip;
    }
}

impl<'a> RowMut<'a> {
    /// The place of `map`'s new row `row`, padding counted, in the words of [`Map::write_words`].
    #[inline(always)]
    pub fn new(map: &'a Map, ring: &'a mut [u32], row: usize) -> Self {
        let at = if map.lands { 0 } else { (row % map.slots as usize) * map.slot_len };
        Self { map, slot: &mut arch::as_bytes_mut(ring)[at..at + map.slot_len] }
    }

    /// A channel of the row, from the left edge of the map.
    #[inline(always)]
    pub fn channel(&mut self, channel: usize) -> ChannelMut<'_> {
        let map = self.map;
        let at = channel_at(map, channel) + map.pads[1] as usize * map.pixel_len;
        ChannelMut { bytes: &mut self.slot[at..], pixel_len: map.pixel_len, flip: map.layout.flip() }
    }

    /// The row as it is stored.
    #[inline(always)]
    pub fn slot(&mut self) -> &mut [u8] {
        self.slot
    }

    /// Clamps every value of the row that is no padding.
    pub fn clamp(&mut self, [min, max]: [i8; 2]) {
        let (channels, width) = (self.map.channels as usize, self.map.width as usize);
        for channel in 0..channels {
            let mut values = self.channel(channel);
            for x in 0..width {
                values.put(x, values.get(x).clamp(min, max));
            }
        }
    }

    /// Makes the padding left and right of the map the tensor's zero, where rows land: other tensors' rows have been there.
    #[inline(always)]
    pub fn renew_edges(&mut self) {
        let map = self.map;
        if !map.lands {
            return;
        }
        let zero = map.zero_point as u8 ^ map.layout.flip();
        let [_, left, _, right] = map.pads.map(|pad| pad as usize * map.pixel_len);
        for plane in self.slot.chunks_exact_mut(map.plane_len) {
            plane[..left].fill(zero);
            plane[map.plane_len - right..].fill(zero);
        }
    }

    /// Makes the whole row, padding and all, the tensor's zero.
    pub fn fill_zero(&mut self) {
        self.slot.fill(self.map.zero_point as u8 ^ self.map.layout.flip());
    }
}

/// Where a channel's first value lies in a slot, padding counted.
#[inline(always)]
fn channel_at(map: &Map, channel: usize) -> usize {
    match map.lanes {
        2 => channel / 2 * map.plane_len + channel % 2,
        4 => channel / 4 * map.plane_len + channel % 4,
        _ => channel,
    }
}

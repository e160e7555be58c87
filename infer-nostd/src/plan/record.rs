//! The plan's records: what a word of the file holds, both ways. FORMAT.md is the same page in prose.

use super::{Kernel, Layout, Taps};
use crate::fixed::Requant;

/// One activation: its shape, its quantization, and the ring of rows that holds it.
///
/// Tensor 0 is the network's input; tensor i + 1 is made by operator i; the last is the network's output.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    /// Whether lane i of a row holds the row i below, of an input of one channel: a kernel then takes several rows in one step.
    pub stacked: bool,
    /// Whether a new row lands in a place of its own and moves into the ring once it has been read: the ring is then a row shorter, and the
    /// place can be other tensors' as well.
    pub lands: bool,
    /// Real value of one step.
    pub scale: f32,
    /// Padding stored round the map: top, left, bottom, right, in rows and pixels.
    pub pads: [u8; 4],
    /// Rows that the ring holds.
    pub slots: u16,
    /// The last operator that reads this tensor; `NO_READER` for the output.
    pub last_reader: u16,
    /// Where the ring begins in the arena, in words.
    pub ring: u32,
    /// Where new rows land in the arena, in words; 0 where they do not.
    pub landing: u32,
}

/// [`Tensor::last_reader`] of the network's output.
pub const NO_READER: u16 = u16::MAX;

/// Words of a [`Tensor`] in the file.
pub const TENSOR_WORDS: usize = 7;
/// Words of an [`Operator`] in the file.
pub const OPERATOR_WORDS: usize = 9;

impl Tensor {
    /// Rows with the stored padding.
    pub const fn padded_height(&self) -> usize {
        self.pads[0] as usize + self.height as usize + self.pads[2] as usize
    }

    /// Values of a row without padding.
    pub const fn row_len(&self) -> usize {
        self.width as usize * self.channels as usize
    }

    /// Channels of a plane.
    pub const fn lanes(&self) -> usize {
        self.layout.lanes(self.channels as usize)
    }

    /// Planes of a row.
    #[inline(always)]
    pub const fn planes(&self) -> usize {
        let channels = self.channels as usize;
        match self.layout {
            Layout::ChannelsLast => 1,
            Layout::Quads => channels.div_ceil(4),
            Layout::Pairs | Layout::UnsignedPairs => channels.div_ceil(2),
        }
    }

    /// Bytes from one pixel of a plane to the next.
    pub const fn pixel_len(&self) -> usize {
        self.lanes()
    }

    /// Bytes from one plane of a row to the next.
    pub const fn plane_len(&self) -> usize {
        (self.pads[1] as usize + self.width as usize + self.pads[3] as usize) * self.pixel_len()
    }

    /// A word of stored zeros.
    pub const fn zero_word(&self) -> u32 {
        u32::from_le_bytes([self.zero_point as u8 ^ self.layout.flip(); 4])
    }

    /// Whether this is the network's output, which is kept whole and without gaps.
    pub const fn is_output(&self) -> bool {
        self.last_reader == NO_READER
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

    /// Bytes from one ring slot to the next: the padded row, rounded up to words unless it is the output's.
    pub const fn slot_len(&self) -> usize {
        let len = self.planes() * self.plane_len();
        if self.is_output() { len } else { len.next_multiple_of(4) }
    }

    /// Rows that there is room for, the one that lands among them.
    pub const fn capacity(&self) -> u16 {
        self.slots.saturating_add(self.lands as u16)
    }

    /// Words of the place where rows land.
    pub const fn landing_words(&self) -> usize {
        if self.lands { self.slot_len().div_ceil(4) } else { 0 }
    }

    /// Words of the whole ring.
    #[inline(always)]
    pub const fn ring_words(&self) -> usize {
        // At most 2^16 slots of 2^20 bytes; `check` has seen that they lie in the arena.
        (self.slots as usize).saturating_mul(self.slot_len()).div_ceil(4)
    }

    /// The record as words of the file.
    pub const fn encode(&self) -> [u32; TENSOR_WORDS] {
        let flags = (self.stacked as u8) << 7 | (self.lands as u8) << 6;
        [
            halves(self.height, self.width),
            halves(self.channels, u16::from_le_bytes([self.zero_point as u8, self.layout as u8 | flags])),
            u32::from_le_bytes(self.pads),
            halves(self.slots, self.last_reader),
            self.ring,
            self.scale.to_bits(),
            self.landing,
        ]
    }

    /// `None` for a layout that this version does not know.
    #[inline(always)]
    pub(super) const fn decode(words: &[u32], at: usize) -> Option<Self> {
        let (words, at) = (record::<TENSOR_WORDS>(words, at), 0);
        let [zero_point, layout] = high(words[at + 1]).to_le_bytes();
        let (stacked, lands) = (layout & 0x80 != 0, layout & 0x40 != 0);
        let Some(layout) = Layout::from_u8(layout & 0x3F) else { return None };
        Some(Self {
            height: low(words[at]),
            width: high(words[at]),
            channels: low(words[at + 1]),
            zero_point: zero_point as i8,
            layout,
            stacked,
            lands,
            pads: words[at + 2].to_le_bytes(),
            slots: low(words[at + 3]),
            last_reader: high(words[at + 3]),
            ring: words[at + 4],
            scale: f32::from_bits(words[at + 5]),
            landing: words[at + 6],
        })
    }
}

/// What an operator computes; the number is the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Convolution, any kernel, stride, dilation and groups.
    Conv2d = 0,
    /// Convolution of each channel by itself.
    Depthwise = 1,
    /// Fully connected, over the whole input.
    Dense = 2,
    /// Largest of each window.
    MaxPool = 3,
    /// Mean of each window.
    AveragePool = 4,
    /// Mean of the whole map.
    GlobalAveragePool = 5,
    /// Sum of two tensors.
    Add = 6,
    /// Another scale or a standalone clamp.
    Requantize = 7,
}

impl Kind {
    const fn from_u8(kind: u8) -> Option<Self> {
        Some(match kind {
            0 => Self::Conv2d,
            1 => Self::Depthwise,
            2 => Self::Dense,
            3 => Self::MaxPool,
            4 => Self::AveragePool,
            5 => Self::GlobalAveragePool,
            6 => Self::Add,
            7 => Self::Requantize,
            _ => return None,
        })
    }

    /// Whether the operator takes its input a row at a time into accumulators and answers once, after the last.
    pub const fn accumulates(self) -> bool {
        matches!(self, Self::Dense | Self::GlobalAveragePool)
    }

    /// Whether padding is part of the stored rows; pools clip their windows to the map instead.
    pub const fn reads_padding(self) -> bool {
        matches!(self, Self::Conv2d | Self::Depthwise)
    }
}

/// One operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operator {
    /// What it computes.
    pub kind: Kind,
    /// Which inner loop and packing of weights.
    pub kernel: Kernel,
    /// The tensors it reads; an operator of one input names it twice.
    pub inputs: [u16; 2],
    /// Channel groups of a convolution.
    pub groups: u16,
    /// Kernel height and width.
    pub window: [u8; 2],
    /// Step down and across.
    pub strides: [u8; 2],
    /// Distance between taps.
    pub dilations: [u8; 2],
    /// Padding: top, left, bottom, right.
    pub pads: [u8; 4],
    /// Whether an average counts padding in its divisor.
    pub count_include_pad: bool,
    /// Most pixels of a kernel's block; 0 for one that has no blocks.
    pub block: u8,
    /// Shift of the accumulators.
    pub shift_bits: u8,
    /// Smallest and largest stored result.
    pub clamp: [i8; 2],
    /// Where the weights begin in the file, in words.
    pub weights: u32,
    /// Where the table of biases and multipliers begins in the file, in words.
    pub table: u32,
    /// Where the accumulators begin in the arena, in words.
    pub state: u32,
}

impl Operator {
    /// How accumulators become the output's int8.
    pub const fn requant(&self, output: &Tensor) -> Requant {
        Requant { shift_bits: self.shift_bits, zero_point: output.zero_point, min: self.clamp[0], max: self.clamp[1] }
    }

    /// How many different tensors it reads.
    pub const fn input_count(&self) -> usize {
        if self.inputs[0] == self.inputs[1] { 1 } else { 2 }
    }

    /// Whether the operator takes a row at a time into a row of its output: a max pool whose windows do not overlap.
    pub const fn merges(&self) -> bool {
        matches!(self.kind, Kind::MaxPool)
            && self.window[0] == self.strides[0]
            && self.dilations[0] == 1
            && self.dilations[1] == 1
            && u32::from_le_bytes(self.pads) == 0
    }

    /// Whether a step takes one row, each in its turn.
    #[inline(always)]
    pub const fn takes_rows(&self) -> bool {
        self.kind.accumulates() || self.merges()
    }

    /// Steps to a row of the output, of an operator that does not accumulate.
    #[inline(always)]
    pub const fn steps_a_row(&self) -> usize {
        if self.merges() { self.window[0] as usize } else { 1 }
    }

    /// Rows (axis 0) or pixels (axis 1) from the first tap to the last, both counted.
    pub const fn extent(&self, axis: usize) -> usize {
        (self.window[axis] as usize - 1) * self.dilations[axis] as usize + 1
    }

    /// Words of weights in the file.
    pub const fn weights_words(&self, input: &Tensor, output: &Tensor) -> usize {
        let window = self.window[0] as u64 * self.window[1] as u64;
        let outputs = output.channels as u64;
        saturate(match self.kind {
            Kind::Conv2d | Kind::Depthwise if !matches!(self.kernel, Kernel::Portable) => {
                self.stream_words(input, output)
            }
            Kind::Conv2d => (outputs * window * (input.channels / self.groups) as u64).div_ceil(4),
            Kind::Depthwise => (window * input.channels as u64).div_ceil(4),
            Kind::Dense => (outputs * input.height as u64 * input.dense_row_len() as u64).div_ceil(4),
            _ => 0,
        })
    }

    /// Words of the stream that a kernel reads: for each group of channels its biases, its weights, its
    /// multipliers.
    const fn stream_words(&self, input: &Tensor, output: &Tensor) -> u64 {
        let taps = Taps::of(self);
        let group = self.kernel.group(taps);
        let words = self.kernel.group_words(taps, self.steps(input)) + 2 * group;
        (output.channels as usize).div_ceil(group) as u64 * words as u64
    }

    /// Steps of a kernel over one window.
    #[inline(always)]
    pub const fn steps(&self, input: &Tensor) -> usize {
        if matches!(self.kind, Kind::Depthwise) {
            return self.window[0] as usize * self.window[1] as usize;
        }
        self.segments(input) * input.planes()
    }

    /// The most runs of steps that a kernel has over one window: as many as there are where no two of them adjoin in memory.
    pub const fn segments(&self, input: &Tensor) -> usize {
        let rows = (self.window[0] as usize).div_ceil(input.rows_a_step());
        rows * (self.window[1] as usize / Taps::of(self).count())
    }

    /// Bytes of stack that the operator's kernel takes.
    pub const fn stack_bytes(&self, input: &Tensor) -> usize {
        let taps = Taps::of(self);
        self.kernel.stack_bytes(taps, self.block as usize, self.steps(input), self.segments(input))
    }

    /// Words of the table of biases and multipliers.
    pub const fn table_words(&self, output: &Tensor) -> usize {
        match self.kind {
            Kind::Conv2d | Kind::Depthwise if !matches!(self.kernel, Kernel::Portable) => 0,
            Kind::Conv2d | Kind::Depthwise | Kind::Dense => 2 * output.channels as usize,
            Kind::MaxPool => 0,
            Kind::AveragePool if self.count_include_pad => 1,
            Kind::AveragePool => self.window[0] as usize * self.window[1] as usize,
            Kind::GlobalAveragePool => 1,
            Kind::Add => 4,
            Kind::Requantize => 3,
        }
    }

    /// Words of accumulators in the arena.
    pub const fn state_words(&self, output: &Tensor) -> usize {
        if self.kind.accumulates() { output.channels as usize } else { 0 }
    }

    /// Multiply-accumulates of one inference.
    pub const fn macs(&self, input: &Tensor, output: &Tensor) -> u64 {
        let window = self.window[0] as u64 * self.window[1] as u64;
        let results = output.height as u64 * output.row_len() as u64;
        match self.kind {
            Kind::Conv2d => results * window * (input.channels / self.groups) as u64,
            Kind::Depthwise => results * window,
            Kind::Dense => output.channels as u64 * input.height as u64 * input.row_len() as u64,
            _ => 0,
        }
    }

    /// The record as words of the file.
    pub const fn encode(&self) -> [u32; OPERATOR_WORDS] {
        let [min, max] = [self.clamp[0] as u8, self.clamp[1] as u8];
        let [top, left, bottom, right] = self.pads;
        [
            u32::from_le_bytes([self.kind as u8, self.kernel as u8, self.shift_bits, self.count_include_pad as u8]),
            halves(self.inputs[0], self.inputs[1]),
            halves(self.groups, u16::from_le_bytes([min, max])),
            u32::from_le_bytes([self.window[0], self.window[1], self.strides[0], self.strides[1]]),
            u32::from_le_bytes([self.dilations[0], self.dilations[1], top, left]),
            u32::from_le_bytes([bottom, right, self.block, 0]),
            self.weights,
            self.table,
            self.state,
        ]
    }

    /// `None` for a kind or a kernel that this version does not know.
    #[inline(always)]
    pub(super) const fn decode(words: &[u32], at: usize) -> Option<Self> {
        let (words, at) = (record::<OPERATOR_WORDS>(words, at), 0);
        let [kind, kernel, shift_bits, flags] = words[at].to_le_bytes();
        let (Some(kind), Some(kernel)) = (Kind::from_u8(kind), Kernel::from_u8(kernel)) else { return None };
        let [min, max] = high(words[at + 2]).to_le_bytes();
        let [window_h, window_w, stride_h, stride_w] = words[at + 3].to_le_bytes();
        let [dilation_h, dilation_w, top, left] = words[at + 4].to_le_bytes();
        let [bottom, right, block, _] = words[at + 5].to_le_bytes();
        Some(Self {
            kind,
            kernel,
            inputs: [low(words[at + 1]), high(words[at + 1])],
            groups: low(words[at + 2]),
            window: [window_h, window_w],
            strides: [stride_h, stride_w],
            dilations: [dilation_h, dilation_w],
            pads: [top, left, bottom, right],
            count_include_pad: flags & 1 == 1,
            block,
            shift_bits,
            clamp: [min as i8, max as i8],
            weights: words[at + 6],
            table: words[at + 7],
            state: words[at + 8],
        })
    }
}

/// The words of a record: one look at the length instead of one a word.
#[inline(always)]
const fn record<const N: usize>(words: &[u32], at: usize) -> &[u32; N] {
    match words.split_at(at).1.first_chunk() {
        Some(record) => record,
        None => unreachable!(), // `check` has seen that all records are there
    }
}

/// A length that no file or arena has, where it does not fit the target's `usize`: the check then refuses it.
const fn saturate(len: u64) -> usize {
    if len > u32::MAX as u64 { u32::MAX as usize } else { len as usize }
}

const fn halves(low: u16, high: u16) -> u32 {
    low as u32 | (high as u32) << 16
}

const fn low(word: u32) -> u16 {
    word as u16
}

const fn high(word: u32) -> u16 {
    (word >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_file() {
        let tensor = Tensor {
            height: 28,
            width: 300,
            channels: 7,
            zero_point: -128,
            layout: Layout::Quads,
            stacked: true,
            lands: true,
            scale: 0.25,
            pads: [1, 2, 3, 4],
            slots: 5,
            last_reader: 9,
            ring: 1000,
            landing: 900,
        };
        assert_eq!(Tensor::decode(&tensor.encode(), 0), Some(tensor));
        let operator = Operator {
            kind: Kind::AveragePool,
            kernel: Kernel::Portable,
            inputs: [3, 3],
            groups: 1,
            window: [2, 3],
            strides: [4, 5],
            dilations: [6, 7],
            pads: [8, 9, 10, 11],
            count_include_pad: true,
            block: 7,
            shift_bits: 12,
            clamp: [-5, 100],
            weights: 13,
            table: 14,
            state: 15,
        };
        assert_eq!(Operator::decode(&operator.encode(), 0), Some(operator));
    }

    #[test]
    fn slots_are_whole_words() {
        let tensor = Tensor {
            height: 3,
            width: 3,
            channels: 3,
            zero_point: 0,
            layout: Layout::ChannelsLast,
            stacked: false,
            lands: false,
            scale: 1.0,
            pads: [0, 1, 0, 0],
            slots: 2,
            last_reader: 0,
            ring: 0,
            landing: 0,
        };
        assert_eq!((tensor.row_len(), tensor.slot_len(), tensor.ring_words()), (9, 12, 6));
        let pairs = Tensor { layout: Layout::Pairs, ..tensor };
        assert_eq!((pairs.planes(), pairs.plane_len(), pairs.slot_len()), (2, 8, 16));
    }
}

//! The plan's records: what a word of the file holds, both ways. FORMAT.md is the same page in prose.

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
}

/// [`Tensor::last_reader`] of the network's output.
pub const NO_READER: u16 = u16::MAX;

/// Words of a [`Tensor`] in the file.
pub const TENSOR_WORDS: usize = 6;
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

    /// Values of the padding left of a row.
    pub const fn left_len(&self) -> usize {
        self.pads[1] as usize * self.channels as usize
    }

    /// Whether this is the network's output, which is kept whole and without gaps.
    pub const fn is_output(&self) -> bool {
        self.last_reader == NO_READER
    }

    /// Bytes from one ring slot to the next: the padded row, rounded up to words unless it is the output's.
    pub const fn slot_len(&self) -> usize {
        let pixels = self.pads[1] as usize + self.width as usize + self.pads[3] as usize;
        let len = pixels * self.channels as usize;
        if self.is_output() { len } else { len.next_multiple_of(4) }
    }

    /// Words of the whole ring.
    pub const fn ring_words(&self) -> usize {
        saturate((self.slots as u64 * self.slot_len() as u64).div_ceil(4))
    }

    /// The record as words of the file.
    pub const fn encode(&self) -> [u32; TENSOR_WORDS] {
        [
            halves(self.height, self.width),
            halves(self.channels, self.zero_point as u8 as u16),
            u32::from_le_bytes(self.pads),
            halves(self.slots, self.last_reader),
            self.ring,
            self.scale.to_bits(),
        ]
    }

    pub(super) const fn decode(words: &[u32], at: usize) -> Self {
        Self {
            height: low(words[at]),
            width: high(words[at]),
            channels: low(words[at + 1]),
            zero_point: high(words[at + 1]) as i8,
            pads: words[at + 2].to_le_bytes(),
            slots: low(words[at + 3]),
            last_reader: high(words[at + 3]),
            ring: words[at + 4],
            scale: f32::from_bits(words[at + 5]),
        }
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
    /// Which inner loop and weight packing: 0 is the portable one.
    pub kernel: u8,
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

    /// Rows (axis 0) or pixels (axis 1) from the first tap to the last, both counted.
    pub const fn extent(&self, axis: usize) -> usize {
        (self.window[axis] as usize - 1) * self.dilations[axis] as usize + 1
    }

    /// Int8 weights in the file.
    pub const fn weights_len(&self, input: &Tensor, output: &Tensor) -> usize {
        let window = self.window[0] as u64 * self.window[1] as u64;
        saturate(match self.kind {
            Kind::Conv2d => output.channels as u64 * window * (input.channels / self.groups) as u64,
            Kind::Depthwise => window * input.channels as u64,
            Kind::Dense => output.channels as u64 * input.height as u64 * input.row_len() as u64,
            _ => 0,
        })
    }

    /// Words of the table of biases and multipliers.
    pub const fn table_words(&self, output: &Tensor) -> usize {
        match self.kind {
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
            Kind::Dense => self.weights_len(input, output) as u64,
            _ => 0,
        }
    }

    /// The record as words of the file.
    pub const fn encode(&self) -> [u32; OPERATOR_WORDS] {
        let [min, max] = [self.clamp[0] as u8, self.clamp[1] as u8];
        let [top, left, bottom, right] = self.pads;
        [
            u32::from_le_bytes([self.kind as u8, self.kernel, self.shift_bits, self.count_include_pad as u8]),
            halves(self.inputs[0], self.inputs[1]),
            halves(self.groups, u16::from_le_bytes([min, max])),
            u32::from_le_bytes([self.window[0], self.window[1], self.strides[0], self.strides[1]]),
            u32::from_le_bytes([self.dilations[0], self.dilations[1], top, left]),
            u32::from_le_bytes([bottom, right, 0, 0]),
            self.weights,
            self.table,
            self.state,
        ]
    }

    /// `None` for a kind that this version does not know.
    pub(super) const fn decode(words: &[u32], at: usize) -> Option<Self> {
        let [kind, kernel, shift_bits, flags] = words[at].to_le_bytes();
        let Some(kind) = Kind::from_u8(kind) else { return None };
        let [min, max] = high(words[at + 2]).to_le_bytes();
        let [window_h, window_w, stride_h, stride_w] = words[at + 3].to_le_bytes();
        let [dilation_h, dilation_w, top, left] = words[at + 4].to_le_bytes();
        let [bottom, right, ..] = words[at + 5].to_le_bytes();
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
            shift_bits,
            clamp: [min as i8, max as i8],
            weights: words[at + 6],
            table: words[at + 7],
            state: words[at + 8],
        })
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
            scale: 0.25,
            pads: [1, 2, 3, 4],
            slots: 5,
            last_reader: 9,
            ring: 1000,
        };
        assert_eq!(Tensor::decode(&tensor.encode(), 0), tensor);
        let operator = Operator {
            kind: Kind::AveragePool,
            kernel: 0,
            inputs: [3, 3],
            groups: 1,
            window: [2, 3],
            strides: [4, 5],
            dilations: [6, 7],
            pads: [8, 9, 10, 11],
            count_include_pad: true,
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
            scale: 1.0,
            pads: [0, 1, 0, 0],
            slots: 2,
            last_reader: 0,
            ring: 0,
        };
        assert_eq!((tensor.row_len(), tensor.left_len(), tensor.slot_len(), tensor.ring_words()), (9, 3, 12, 6));
    }
}

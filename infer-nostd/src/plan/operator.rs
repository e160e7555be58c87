//! An operator's record, as it lies in the file. FORMAT.md is the same page in prose.

use super::{Kernel, Layout, Run, Taps, Tensor};
use crate::fixed::Requant;

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
    /// A table's entry for each value.
    Lookup = 8,
    /// The channels of one tensor, then those of another.
    Concat = 9,
    /// Product of two tensors, the second of which may have one row, one column or one channel for all of the first's.
    Mul = 10,
    /// Each pixel several times, down and across: the nearest neighbour in a larger map.
    Resize = 11,
}

impl Kind {
    /// The kind of that number.
    pub(crate) const fn from_u8(kind: u8) -> Option<Self> {
        Some(match kind {
            0 => Self::Conv2d,
            1 => Self::Depthwise,
            2 => Self::Dense,
            3 => Self::MaxPool,
            4 => Self::AveragePool,
            5 => Self::GlobalAveragePool,
            6 => Self::Add,
            7 => Self::Requantize,
            8 => Self::Lookup,
            9 => Self::Concat,
            10 => Self::Mul,
            11 => Self::Resize,
            _ => return None,
        })
    }

    /// Whether the operator takes its input a row at a time into accumulators and answers once, after the last.
    #[inline(always)]
    pub const fn accumulates(self) -> bool {
        matches!(self, Self::Dense | Self::GlobalAveragePool)
    }

    /// Whether padding is part of the stored rows; pools clip their windows to the map instead.
    #[inline(always)]
    pub const fn reads_padding(self) -> bool {
        matches!(self, Self::Conv2d | Self::Depthwise)
    }

    /// Whether it may read two tensors.
    pub const fn has_two_inputs(self) -> bool {
        matches!(self, Self::Add | Self::Concat | Self::Mul)
    }

    /// Whether windows of several pixels are read.
    pub const fn has_window(self) -> bool {
        matches!(self, Self::Conv2d | Self::Depthwise | Self::MaxPool | Self::AveragePool)
    }
}

/// One operator.
///
/// The fields from `reach` on, `block` and `advance` follow from the others: [`complete`](Self::complete) works them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Operator {
    /// What it computes.
    pub kind: Kind,
    /// Which inner loop and packing of weights.
    pub kernel: Kernel,
    /// Shift of the accumulators.
    pub shift_bits: u8,
    /// Whether an average counts padding in its divisor.
    pub count_include_pad: bool,
    /// The tensors it reads; an operator of one input names it twice.
    pub inputs: [u16; 2],
    /// Channel groups of a convolution.
    pub groups: u16,
    /// Smallest and largest stored result.
    pub clamp: [i8; 2],
    /// Kernel height and width.
    pub window: [u8; 2],
    /// Step down and across; of a resize, how many rows and pixels each becomes.
    pub strides: [u8; 2],
    /// Padding: top, left, bottom, right.
    pub pads: [u8; 4],
    /// Distance between taps.
    pub dilations: [u8; 2],
    /// Pixels of a kernel's longest block; 0 for one that has no blocks.
    pub block: u8,
    /// Rows from one step to the next; 0 of a resize, which advances after the last copy of a row.
    pub advance: u8,
    /// Where the weights begin in the file, in words.
    pub weights: u32,
    /// Where the table of biases and multipliers begins in the file, in words.
    pub table: u32,
    /// Where the accumulators begin in the arena, in words.
    pub state: u32,
    /// Rows that a step reads, from the first to the last, padding counted.
    pub reach: u16,
    /// Rows that all steps of an image advance.
    pub end: u16,
    /// Blocks that a kernel cuts a row into.
    pub blocks: u16,
    /// How many of them, the last ones, are one pixel shorter.
    pub shorter: u16,
    /// Rows that it advances for each row of its output; 0 of a resize.
    pub rows_each: u16,
    /// Whether it takes a row at a time into a row of its output: a max pool whose windows do not overlap.
    pub merges: bool,
    /// 0.
    pub reserved: u8,
}

/// Words of an [`Operator`] in the file.
pub const OPERATOR_WORDS: usize = 12;

const _: () = assert!(size_of::<Operator>() == 4 * OPERATOR_WORDS && align_of::<Operator>() == align_of::<u32>());

impl Operator {
    /// With the fields that follow from the others and from the tensors it reads and makes.
    pub const fn complete(self, input: &Tensor, output: &Tensor) -> Self {
        let merges = self.is_merging();
        let resizes = matches!(self.kind, Kind::Resize);
        let rows_each = match () {
            () if resizes => 0,
            () if self.kind.accumulates() => input.height,
            () if merges => self.window[0] as u16,
            () => self.strides[0] as u16,
        };
        let width = output.width;
        let blocks = if self.block == 0 { 0 } else { width.div_ceil(self.block as u16) };
        let block = if blocks == 0 { 0 } else { width.div_ceil(blocks) };
        Self {
            reach: if merges { 1 } else { self.extent(0) as u16 },
            advance: match () {
                () if merges => 1,
                () if resizes => 0,
                () => self.strides[0],
            },
            end: match self.strides[0] {
                copies if resizes && copies > 0 => output.height / copies as u16,
                _ => (output.height as u32 * rows_each as u32) as u16,
            },
            block: block as u8,
            blocks,
            shorter: (blocks as u32 * block as u32 - if blocks == 0 { 0 } else { width as u32 }) as u16,
            rows_each,
            merges,
            reserved: 0,
            ..self
        }
    }

    /// How accumulators become the output's int8.
    pub const fn requant(&self, output: &Tensor) -> Requant {
        Requant { shift_bits: self.shift_bits, zero_point: output.zero_point, min: self.clamp[0], max: self.clamp[1] }
    }

    /// How many different tensors it reads.
    pub const fn input_count(&self) -> usize {
        if self.inputs[0] == self.inputs[1] { 1 } else { 2 }
    }

    /// What [`merges`](Self::merges) says, from the window.
    const fn is_merging(&self) -> bool {
        matches!(self.kind, Kind::MaxPool)
            && self.window[0] == self.strides[0]
            && self.dilations[0] == 1
            && self.dilations[1] == 1
            && u32::from_le_bytes(self.pads) == 0
    }

    /// Whether, of a max pool that merges rows, windows are two pixels wide and side by side, in a layout of planes.
    #[inline(always)]
    pub const fn merges_twos(&self, output: &Tensor) -> bool {
        self.window[1] == 2 && self.strides[1] == 2 && !matches!(output.layout, Layout::ChannelsLast)
    }

    /// Whether a step takes one row, each in its turn.
    #[inline(always)]
    pub const fn takes_rows(&self) -> bool {
        self.kind.accumulates() || self.merges
    }

    /// Whether its kernel may walk over more than three runs of steps, or rows.
    pub const fn is_long(&self) -> bool {
        match (self.kind, Taps::of(self)) {
            (Kind::Depthwise, _) | (_, Taps::Three) => self.window[0] > 3,
            _ => self.window[0] as usize * self.window[1] as usize > 3,
        }
    }

    /// Whether its kernel walks over more runs of steps than whole rows side by side make.
    #[inline(always)]
    pub const fn is_parted(&self, input: &Tensor) -> bool {
        let has_whole_rows = input.planes() == 1 || input.slot_len() == input.planes() * input.plane_len();
        let is_whole = matches!(Taps::of(self), Taps::Three) || matches!(self.window, [1, 1]);
        let leaves_out = matches!(self.kernel, Kernel::WidenedOdd16); // the end of each row
        matches!(self.kind, Kind::Depthwise) || leaves_out || self.walks_by_runs() || !(has_whole_rows && is_whole)
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
            Kind::Dense if self.kernel.is_dense() => {
                let group = self.kernel.group(Taps::of(self));
                let words = self.kernel.group_words(Taps::of(self), self.dense_steps(input), 1);
                outputs.div_ceil(group as u64) * input.height as u64 * words as u64
            }
            Kind::Dense => (outputs * input.height as u64 * input.dense_row_len() as u64).div_ceil(4),
            _ => 0,
        })
    }

    /// Words of the stream that a kernel reads: for each group of channels its biases, its weights, its
    /// multipliers.
    const fn stream_words(&self, input: &Tensor, output: &Tensor) -> u64 {
        let taps = Taps::of(self);
        let group = self.kernel.group(taps);
        let words = self.group_words(input) + 2 * group;
        (output.channels as usize).div_ceil(group) as u64 * words as u64
    }

    /// Words of a kernel's weights, for a group of output channels.
    #[inline(always)]
    pub const fn group_words(&self, input: &Tensor) -> usize {
        self.kernel.group_words(Taps::of(self), self.steps(input), self.row_steps(input))
    }

    /// Steps of a dense kernel over one row: words of it.
    #[inline(always)]
    pub const fn dense_steps(&self, input: &Tensor) -> usize {
        input.dense_row_len().div_ceil(4)
    }

    /// Whether its kernel takes each row of a window as a [`Run`].
    #[inline(always)]
    pub const fn walks_by_runs(&self) -> bool {
        matches!(self.kernel, Kernel::Image16) && matches!(Taps::of(self), Taps::One { .. })
    }

    /// Steps of a kernel over one window.
    #[inline(always)]
    pub const fn steps(&self, input: &Tensor) -> usize {
        if matches!(self.kind, Kind::Depthwise) {
            return self.window[0] as usize * self.window[1] as usize;
        }
        if self.walks_by_runs() {
            return self.window[0] as usize * Run::of(self, input).steps();
        }
        self.segments(input) * input.planes()
    }

    /// How often a kernel of no depthwise convolution goes to another row of a window, the first counted.
    #[inline(always)]
    pub const fn row_steps(&self, input: &Tensor) -> usize {
        let (rows, at_once) = (self.window[0] as usize, input.rows_a_step());
        // ⌈rows / at once⌉: that is 1, 2 or 4, and the smallest cores cannot divide.
        (rows + at_once - 1) >> (at_once / 2)
    }

    /// The most runs of steps that a kernel has over one window: as many as there are where no two of them adjoin in memory. A depthwise
    /// one has a run for each row.
    pub const fn segments(&self, input: &Tensor) -> usize {
        if matches!(self.kind, Kind::Depthwise) || self.walks_by_runs() {
            return self.window[0] as usize;
        }
        self.row_steps(input) * (self.window[1] as usize / Taps::of(self).count())
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
            Kind::Dense if self.kernel.is_dense() => {
                2 * (output.channels as usize).next_multiple_of(self.kernel.group(Taps::of(self)))
            }
            Kind::Conv2d | Kind::Depthwise | Kind::Dense => 2 * output.channels as usize,
            Kind::MaxPool | Kind::Resize => 0,
            Kind::AveragePool if self.count_include_pad => 1,
            Kind::AveragePool => self.window[0] as usize * self.window[1] as usize,
            Kind::GlobalAveragePool => 1,
            Kind::Add => 4,
            Kind::Requantize => 3,
            Kind::Lookup => 64,
            Kind::Concat => 6,
            Kind::Mul => 1,
        }
    }

    /// Words of accumulators in the arena. A dense layer over one row needs none.
    pub const fn state_words(&self, input: &Tensor, output: &Tensor) -> usize {
        match self.kind {
            Kind::Dense if input.height == 1 => 0,
            Kind::Dense if self.kernel.is_dense() => {
                (output.channels as usize).next_multiple_of(self.kernel.group(Taps::of(self)))
            }
            Kind::Dense | Kind::GlobalAveragePool => output.channels as usize,
            _ => 0,
        }
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
}

/// A length that no file or arena has, where it does not fit the target's `usize`: the check then refuses it.
const fn saturate(len: u64) -> usize {
    if len > u32::MAX as u64 { u32::MAX as usize } else { len as usize }
}

//! Which inner loop an operator has, and how its weights are packed for it. FORMAT.md draws the streams.

use super::{Kind, Layout, Operator, Tensor};

/// An inner loop and the packing of weights that goes with it; the number is the file's.
///
/// Any target runs any kernel, by the portable definition where it has no faster one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kernel {
    /// Plain Rust, any layout.
    Portable = 0,
    /// DSP: int16 weights; a block's activations are widened on the stack.
    Widened16 = 1,
    /// DSP: int8 weights; a block's activations are widened on the stack.
    Widened8 = 2,
    /// DSP: int8 weights, activations as they lie in the ring.
    Narrow8 = 3,
    /// DSP: int16 weights, an input whose channels are last: of one channel under three taps, else any whose windows have rows that are one run of
    /// bytes.
    Image16 = 4,
    /// ARMv7-M: two channels' weights in a word, their sums in one accumulator of 64 bits.
    Long = 5,
    /// ARMv7-M: int8 weights.
    Plain = 6,
    /// ARMv6-M: both lanes' weights in a word; a block's activations are spread on the stack.
    Spread16 = 7,
    /// ARMv6-M: int8 weights; a block's activations are spread on the stack.
    Spread8 = 8,
    /// DSP, depthwise: int8 weights, any window but that of [`DepthwiseThree`](Self::DepthwiseThree).
    DepthwiseQuads = 9,
    /// ARMv7-M, depthwise: int8 weights.
    DepthwisePairs = 10,
    /// ARMv6-M, depthwise: a word a weight; the bias makes up for activations that are 128 more.
    DepthwiseUnsigned32 = 11,
    /// ARMv6-M, depthwise: int8 weights; the bias as before.
    DepthwiseUnsigned8 = 12,
    /// DSP, dense: eight outputs at once, the int8 weights of two of them in 16 bits. Accumulators fit 24 bits.
    DenseOctets = 13,
    /// DSP, depthwise 3×3, not dilated across, of stride 1 or 2: int8 weights, two rows of the window at once.
    DepthwiseThree = 14,
    /// DSP: [`Widened16`](Self::Widened16) for inputs whose last plane holds one channel: half as much work on that plane.
    WidenedOdd16 = 15,
    /// ARMv7-M and ARMv6-M, dense: four outputs at once, two products by each multiplication; int8 weights.
    DenseDuals = 16,
    /// DSP, one tap: four output channels at once, the int8 weights of two of them in 16 bits; a block's activations are widened on the stack.
    /// Accumulators fit 24 bits and are not shifted.
    WidenedDuals = 17,
}

/// Most segments (runs of steps at one distance) that a kernel takes: an 8×8 window, strided.
pub const MAX_SEGMENTS: usize = 64;

/// Segments of a 5×5 window, strided.
pub(crate) const MANY_SEGMENTS: usize = 25;

/// Most rows of a window that a depthwise kernel takes.
pub const MAX_WINDOW_ROWS: usize = 11;

/// The taps that one step of a kernel covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taps {
    /// A row of three, side by side: output pixels share the activations that they have in common.
    Three,
    /// One; output pixels are `stride` apart.
    One {
        /// Pixels from one output's tap to the next's.
        stride: u8,
    },
}

impl Taps {
    /// How the kernels walk over a window.
    #[inline(always)]
    pub const fn of(operator: &Operator) -> Self {
        let stride = operator.strides[1];
        if operator.window[1] == 3 && operator.dilations[1] == 1 && stride == 1 && operator.dilations[0] == 1 {
            Self::Three
        } else {
            Self::One { stride }
        }
    }

    /// Taps in a step.
    #[inline(always)]
    pub const fn count(self) -> usize {
        if matches!(self, Self::Three) { 3 } else { 1 }
    }
}

/// The windows that depthwise kernels tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Window {
    /// 3×3, not dilated across, stride 1 across.
    Three = 0,
    /// The same, stride 2 across.
    ThreeStride2 = 1,
    /// Any other, stride 1 across.
    Any = 2,
    /// Any other.
    AnyStrided = 3,
}

impl Window {
    /// Which of them the operator has.
    #[inline(always)]
    pub const fn of(operator: &Operator) -> Self {
        let is_three = matches!((operator.window, operator.dilations[1]), ([3, 3], 1));
        match operator.strides[1] {
            1 if is_three => Self::Three,
            2 if is_three => Self::ThreeStride2,
            1 => Self::Any,
            _ => Self::AnyStrided,
        }
    }
}

/// The ways through a window that kernels are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Of a convolution, over all its channels.
    Conv(Taps),
    /// Of a depthwise one.
    Depthwise(Window),
}

impl Walk {
    /// Which of them the operator has.
    #[inline(always)]
    pub const fn of(operator: &Operator) -> Self {
        match operator.kind {
            Kind::Depthwise => Self::Depthwise(Window::of(operator)),
            _ => Self::Conv(Taps::of(operator)),
        }
    }
}

/// Where in a kernel's walk over a window a weight is met.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The step; depthwise kernels have one for each pixel of the window, and no lanes or taps in it.
    pub step: usize,
    /// Which of its taps.
    pub tap: usize,
    /// Which of its plane's lanes.
    pub lane: usize,
    /// Planes of the input, at least 1.
    pub planes: usize,
}

impl Kernel {
    /// The kernel of that number.
    pub(crate) const fn from_u8(kernel: u8) -> Option<Self> {
        Some(match kernel {
            0 => Self::Portable,
            1 => Self::Widened16,
            2 => Self::Widened8,
            3 => Self::Narrow8,
            4 => Self::Image16,
            5 => Self::Long,
            6 => Self::Plain,
            7 => Self::Spread16,
            8 => Self::Spread8,
            9 => Self::DepthwiseQuads,
            10 => Self::DepthwisePairs,
            11 => Self::DepthwiseUnsigned32,
            12 => Self::DepthwiseUnsigned8,
            13 => Self::DenseOctets,
            14 => Self::DepthwiseThree,
            15 => Self::WidenedOdd16,
            16 => Self::DenseDuals,
            17 => Self::WidenedDuals,
            _ => return None,
        })
    }

    /// Whether it is for dense layers.
    #[inline(always)]
    pub const fn is_dense(self) -> bool {
        matches!(self, Self::DenseOctets | Self::DenseDuals)
    }

    /// Whether its sums are to fit 24 bits, as two of them share a word or two.
    pub const fn sums_fit_24_bits(self) -> bool {
        matches!(self, Self::Long | Self::DenseOctets | Self::WidenedDuals)
    }

    /// Whether it goes from block to block by itself.
    #[inline(always)]
    pub const fn walks_rows(self) -> bool {
        matches!(self, Self::WidenedDuals)
    }

    /// The layout of the input; any where there is none.
    pub const fn input_layout(self) -> Option<Layout> {
        match self {
            Self::Portable | Self::DenseOctets | Self::DenseDuals => None,
            Self::Widened16
            | Self::WidenedOdd16
            | Self::WidenedDuals
            | Self::Widened8
            | Self::Narrow8
            | Self::DepthwiseQuads
            | Self::DepthwiseThree => Some(Layout::Quads),
            Self::Image16 => Some(Layout::ChannelsLast),
            Self::Long | Self::Plain | Self::DepthwisePairs => Some(Layout::Pairs),
            Self::Spread16 | Self::Spread8 | Self::DepthwiseUnsigned32 | Self::DepthwiseUnsigned8 => {
                Some(Layout::UnsignedPairs)
            }
        }
    }

    /// Whether the kernel can write that layout.
    pub const fn writes(self, layout: Layout) -> bool {
        match self {
            Self::Portable | Self::DenseOctets | Self::DenseDuals => true,
            Self::Widened16
            | Self::WidenedOdd16
            | Self::WidenedDuals
            | Self::Widened8
            | Self::Narrow8
            | Self::Image16
            | Self::DepthwiseQuads
            | Self::DepthwiseThree => matches!(layout, Layout::Quads),
            Self::Long | Self::Plain | Self::DepthwisePairs => matches!(layout, Layout::Pairs),
            Self::Spread16 | Self::Spread8 | Self::DepthwiseUnsigned32 | Self::DepthwiseUnsigned8 => {
                matches!(layout, Layout::Pairs | Layout::UnsignedPairs)
            }
        }
    }

    /// Whether the kernel takes an operator of this kind and geometry.
    pub const fn takes(self, operator: &Operator, input: &Tensor) -> bool {
        // Where the DSP kernels count steps, and bytes between them, in halves of a register.
        let countable = input.step_len() < 1 << 16 && operator.steps(input) < 1 << 15;
        match self {
            Self::Portable => true,
            // A row is one run of bytes.
            Self::DenseOctets | Self::DenseDuals => {
                matches!(operator.kind, Kind::Dense)
                    && input.pads[1] == 0
                    && input.pads[3] == 0
                    && input.layout.flip() == 0
                    && !input.stacked
            }
            _ if !countable => false,
            Self::DepthwiseThree
            | Self::DepthwiseQuads
            | Self::DepthwisePairs
            | Self::DepthwiseUnsigned32
            | Self::DepthwiseUnsigned8 => {
                let is_three = matches!(Window::of(operator), Window::Three | Window::ThreeStride2);
                let takes_window = match self {
                    Self::DepthwiseThree => is_three,
                    Self::DepthwiseQuads => !is_three,
                    _ => true,
                };
                let dilates = matches!(self, Self::DepthwiseThree | Self::DepthwiseQuads | Self::DepthwisePairs);
                matches!(operator.kind, Kind::Depthwise)
                    && !input.stacked
                    && operator.window[0] as usize <= MAX_WINDOW_ROWS
                    && (dilates || operator.dilations[1] == 1)
                    && takes_window
            }
            _ => {
                let three = matches!(Taps::of(operator), Taps::Three);
                matches!(operator.kind, Kind::Conv2d)
                    && operator.groups == 1
                    && (!input.stacked || operator.dilations[0] == 1)
                    && operator.segments(input) <= MAX_SEGMENTS
                    && (!matches!(self, Self::Image16) || takes_image(operator, input))
                    && (!matches!(self, Self::WidenedOdd16) || three && !input.stacked && input.channels % 4 == 1)
                    && (!matches!(self, Self::WidenedDuals) || !three && operator.shift_bits == 0)
                    // It has room for three segments: a ring, where it begins again, and a row that has landed.
                    && !(matches!(self, Self::Narrow8) && three && input.stacked && operator.segments(input) > 3)
                    && !(matches!(self, Self::Narrow8) && three && operator.steps(input) >= 1 << 14)
            }
        }
    }

    /// The most pixels of a block.
    pub const fn most_pixels(self, operator: &Operator) -> usize {
        let three = matches!(Taps::of(operator), Taps::Three);
        let far = operator.strides[1] > 2; // only the DSP's kernel takes two pixels at once that are so far apart
        match self {
            Self::Portable | Self::DenseOctets | Self::DenseDuals => 0,
            Self::Widened16 | Self::WidenedOdd16 | Self::Widened8 | Self::Image16 if three => 7,
            Self::Narrow8 if three => 6,
            Self::Plain if three => 8,
            Self::Long | Self::Spread16 | Self::Spread8 if three => 4,
            Self::Widened16 | Self::Plain | Self::Spread8 => 4,
            Self::Widened8 | Self::Narrow8 => 3,
            Self::Image16 => 4,
            Self::WidenedOdd16 => 0,
            Self::Long | Self::Spread16 | Self::WidenedDuals => 2,
            Self::DepthwiseThree => 6,
            Self::DepthwiseQuads => 3,
            Self::DepthwisePairs | Self::DepthwiseUnsigned32 | Self::DepthwiseUnsigned8 if far => 1,
            Self::DepthwisePairs => match Window::of(operator) {
                Window::Three | Window::ThreeStride2 => 8,
                Window::Any | Window::AnyStrided => 4,
            },
            Self::DepthwiseUnsigned32 | Self::DepthwiseUnsigned8 => 2,
        }
    }

    /// Bytes of stack that a block of `pixels` takes, registers included, for a window of `steps` steps in `segments` segments.
    pub const fn stack_bytes(self, taps: Taps, pixels: usize, steps: usize, segments: usize) -> usize {
        let read = if matches!(taps, Taps::Three) { pixels + 2 } else { pixels };
        let spread = 4 * (steps * taps.count()).next_multiple_of(2);
        match self {
            Self::Portable => 0,
            Self::DenseOctets => 48,
            Self::DenseDuals => 104,
            Self::Widened16 | Self::Widened8 if matches!(taps, Taps::One { .. }) => 88 + 8 * read * steps,
            Self::Widened16 | Self::WidenedOdd16 | Self::Widened8 => 80 + 8 * read * steps,
            Self::WidenedDuals => 80 + 8 * read * steps,
            Self::Image16 if matches!(taps, Taps::One { .. }) => 88 + (4 * read * steps).next_multiple_of(8),
            Self::Image16 => 80 + (4 * read * steps.div_ceil(2)).next_multiple_of(8),
            Self::Narrow8 if matches!(taps, Taps::One { .. }) => 72 + (12 * segments).next_multiple_of(8),
            Self::Narrow8 => 96,
            Self::Long | Self::Plain => 88,
            Self::DepthwiseThree => 80,
            Self::DepthwiseQuads | Self::DepthwisePairs | Self::DepthwiseUnsigned32 | Self::DepthwiseUnsigned8 => 96,
            Self::Spread16 => 88 + spread * pixels,
            Self::Spread8 if pixels == 1 => 88 + 4 * (steps * taps.count()).next_multiple_of(4),
            Self::Spread8 if pixels == 2 => 88 + spread * 2,
            Self::Spread8 => 88 + spread * 4,
        }
    }

    /// Output channels whose weights are interleaved.
    #[inline(always)]
    pub const fn group(self, taps: Taps) -> usize {
        let three = matches!(taps, Taps::Three);
        match self {
            Self::Widened16 | Self::Widened8 | Self::Narrow8 | Self::Image16 if three => 1,
            Self::WidenedOdd16 => 1,
            Self::Portable | Self::Plain | Self::Spread8 | Self::DepthwisePairs => 1,
            Self::DenseOctets => 8,
            Self::Long if !three => 4,
            Self::WidenedDuals | Self::DepthwiseThree | Self::DepthwiseQuads | Self::DenseDuals => 4,
            _ => 2,
        }
    }

    /// Words of the weights of `steps` steps, over `rows` rows of a window, for a group of output channels.
    #[inline(always)]
    pub(super) const fn group_words(self, taps: Taps, steps: usize, rows: usize) -> usize {
        let members = if matches!(taps, Taps::Three) { 3 } else { 2 }; // three taps of one channel, or one of two
        match self {
            Self::Widened16 => steps * 2 * members,
            Self::WidenedOdd16 => (steps * 2).saturating_sub(rows) * members,
            Self::Widened8 | Self::Narrow8 => steps * members,
            Self::Image16 if members == 3 => steps.div_ceil(2) * 3,
            Self::Image16 => steps * 2,
            Self::Long if members == 3 => steps * 6,
            Self::Long => steps * 4,
            Self::Plain => (steps * 2 * taps.count()).div_ceil(4),
            Self::Spread16 => (steps * taps.count()).div_ceil(2) * 4,
            Self::Spread8 => (steps * taps.count()).div_ceil(2),
            Self::DenseOctets => 8 * steps,
            Self::WidenedDuals | Self::DenseDuals => 4 * steps,
            Self::DepthwiseThree | Self::DepthwiseQuads => steps,
            Self::DepthwisePairs => steps.div_ceil(4),
            Self::DepthwiseUnsigned32 => 2 * steps,
            Self::DepthwiseUnsigned8 => steps.div_ceil(2),
            Self::Portable => 0,
        }
    }

    /// The bias of a member of the group whose biases these words are.
    #[inline(always)]
    pub const fn bias(self, words: &[u32], member: usize) -> i32 {
        let pair = member / 2 * 2;
        if matches!(self, Self::WidenedDuals) && member > pair {
            return (words[member].wrapping_sub(words[pair]) as i32) >> 8;
        }
        if !matches!(self, Self::Long) {
            return words[member] as i32;
        }
        let sum = words[pair] as u64 | (words[pair + 1] as u64) << 32;
        long(sum as i64, member)
    }

    /// The weight that is to be met at `place`, of output channel `member` of the group whose words these are.
    #[inline(always)]
    pub const fn weight(self, words: &[u32], taps: Taps, place: Place, member: usize) -> i32 {
        let Place { step, tap, lane, planes } = place;
        let three = matches!(taps, Taps::Three);
        match self {
            Self::Widened16 => half(words[word_of(three, 2 * step + lane % 2, tap, member)], lane / 2),
            Self::WidenedOdd16 if lane > 0 && (step + 1).is_multiple_of(planes) => 0,
            Self::WidenedOdd16 => {
                half(words[word_of(three, 2 * step + lane % 2 - step / planes, tap, member)], lane / 2)
            }
            Self::WidenedDuals => dual8(half(words[4 * step + lane % 2 * 2 + member / 2], lane / 2), member),
            Self::Widened8 | Self::Narrow8 => byte(words[word_of(three, step, tap, member)], lane),
            Self::Image16 if three => half(words[3 * (step / 2) + tap], step % 2),
            Self::Image16 => half(words[2 * step + member], lane),
            Self::Long if three => long(words[6 * step + 3 * lane + tap] as i32 as i64, member),
            Self::Long => long(words[4 * step + 2 * lane + member / 2] as i32 as i64, member),
            Self::Plain => {
                let at = (2 * step + lane) * taps.count() + tap;
                byte(words[at / 4], at % 4)
            }
            Self::Spread16 => {
                let at = step * taps.count() + tap;
                dual(words[at / 2 * 4 + 2 * member + at % 2], 1 - lane)
            }
            Self::Spread8 => {
                let at = step * taps.count() + tap;
                byte(words[at / 2], at % 2 * 2 + lane)
            }
            Self::DepthwiseThree if step == 8 => byte(words[8], member),
            Self::DepthwiseThree => byte(words[2 * member + THREE[step] / 4], THREE[step] % 4),
            Self::DepthwiseQuads => byte(words[step], member),
            Self::DepthwisePairs => byte(words[step / 4], step % 4),
            Self::DepthwiseUnsigned32 => words[2 * step + member] as i32,
            Self::DepthwiseUnsigned8 => byte(words[step / 2], step % 2 * 2 + member),
            Self::DenseOctets => dual8(half(words[8 * step + lane % 2 * 4 + member / 2], lane / 2), member),
            Self::DenseDuals => byte(words[4 * step + member] ^ 0x8080_8080, lane),
            Self::Portable => 0,
        }
    }
}

/// Whether [`Kernel::Image16`] takes the window.
const fn takes_image(operator: &Operator, input: &Tensor) -> bool {
    match Taps::of(operator) {
        Taps::Three => input.channels == 1,
        Taps::One { .. } => {
            matches!(input.layout, Layout::ChannelsLast)
                && operator.dilations[1] == 1
                && Run::of(operator, input).len >= Run::SHORTEST
        }
    }
}

/// A row of a window over an input whose channels are last, as [`Kernel::Image16`] reads it where it takes no three taps at once: words of four
/// bytes, the last of which ends where the run does, a step each for its bytes 0 and 2 and for 1 and 3. Of a last word with one new byte, which is
/// its byte 3, the second step alone.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Bytes.
    pub len: usize,
}

impl Run {
    /// Shorter ones are less than a word.
    const SHORTEST: usize = 4;

    /// The rows of the operator's window.
    #[inline(always)]
    pub const fn of(operator: &Operator, input: &Tensor) -> Self {
        Self { len: operator.window[1] as usize * input.channels as usize }
    }

    /// Its steps.
    #[inline(always)]
    pub const fn steps(self) -> usize {
        2 * self.len.div_ceil(4) - (self.len % 4 == 1) as usize
    }

    /// The byte that the low half (lane 0) or the high half (lane 1) of a step takes, and whether it is its turn: what the word before has had has no
    /// weight again.
    pub const fn byte(self, step: usize, lane: usize) -> (usize, bool) {
        let word = step / 2 * 4;
        let is_second = step % 2 == 1 || word + 1 == self.len;
        let start = if word + 4 > self.len { self.len - 4 } else { word };
        let at = start + is_second as usize + 2 * lane;
        (at, at >= word)
    }
}

/// Which of a channel's eight bytes is the weight of each pixel of the window but the last: SXTB16 leaves the weights of rows 0 and 1 side by side.
const THREE: [usize; 8] = [0, 1, 4, 2, 3, 6, 5, 7];

const fn half(word: u32, i: usize) -> i32 {
    (word >> (16 * i)) as i16 as i32
}

const fn byte(word: u32, i: usize) -> i32 {
    (word >> (8 * i)) as i8 as i32
}

/// Where the DSP kernels have three taps of one channel, or one of two.
const fn word_of(three: bool, step: usize, tap: usize, member: usize) -> usize {
    if three { 3 * step + tap } else { 2 * step + member }
}

/// One of two values as v₀ + v₁·2^16.
const fn dual(word: u32, member: usize) -> i32 {
    let low = word as i16 as i32;
    if member == 0 { low } else { (word as i32).wrapping_sub(low) >> 16 }
}

/// One of two values as v₀ + v₁·2^8.
const fn dual8(sum: i32, member: usize) -> i32 {
    let low = sum as i8 as i32;
    if member.is_multiple_of(2) { low } else { (sum - low) >> 8 }
}

/// One of two values as v₀ + v₁·2^24.
const fn long(sum: i64, member: usize) -> i32 {
    let low = ((sum as i32) << 8) >> 8;
    if member.is_multiple_of(2) { low } else { (sum.wrapping_sub(low as i64) >> 24) as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_two_values_makes_up_for_the_firsts_sign_and_wraps() {
        let bias = |sum: i64| Kernel::Long.bias(&[sum as u32, (sum >> 32) as u32], 1);
        assert_eq!(bias((5 << 24) - 3), 5);
        assert_eq!(bias((-5 << 24) + 3), -5);
        assert_eq!(bias(i64::MAX), 0); // no plan that is true has it
    }
}

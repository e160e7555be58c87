//! What a plan uses of the engine, so that the compiler can leave out the rest.

use super::{Kernel, Kind, Layout, MANY_SEGMENTS, Plan, Taps, Walk, Window};
use crate::arch;

/// A set of operators and kernels, as the bits of [`Plan::uses`].
///
/// The engine's methods are generic over the bits: what is not in the set is not in the firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses(pub u128);

impl Uses {
    /// Everything: what an engine is built with whose plan comes at run time.
    pub const ALL: Self = Self(u128::MAX);

    /// Operators in plain Rust: a bit for each kind, up to 15 of them.
    const KINDS: u32 = 0;
    const RENEWS: u32 = Self::KINDS + 15;
    /// Max pools that take rows: a bit for each layout.
    const MERGING_POOL: u32 = Self::KINDS + 16;
    const KERNELS: u32 = Self::MERGING_POOL + 4;
    const DEFINITIONS: u32 = Self::KERNELS + 1;
    const LONG_WALKS: u32 = Self::DEFINITIONS + 1;
    const LONGEST_WALKS: u32 = Self::LONG_WALKS + 1;
    const PARTED_WALKS: u32 = Self::LONGEST_WALKS + 1;
    const LANDS: u32 = Self::PARTED_WALKS + 1;
    const STACKS: u32 = Self::LANDS + 1;
    const PLAIN_INPUT: u32 = Self::STACKS + 1;
    const MERGING_WINDOWS: u32 = Self::PLAIN_INPUT + 1;
    /// Convolutions by kernels: 3 families of kernels in blocks of up to 8 pixels under three taps, and up to 4 under one, of stride 1 and of 2; two
    /// in blocks of up to 7 under three taps alone; and one in blocks of up to 4 whatever the stride, of which 1 and 2 share a bit. One in blocks of up
    /// to 2 has the bits of the sizes that [`Kernel::Narrow8`] does not have.
    const CONV: u32 = Self::MERGING_WINDOWS + 1;
    /// Depthwise convolutions by a kernel: 4 windows in 8 sizes of blocks.
    const DEPTHWISE: u32 = Self::CONV + 3 * 16 + 2 * 7 + 3;
    const DENSE: u32 = Self::DEPTHWISE + 4 * 8;
    /// The last bit.
    const DENSE_DEFINITIONS: u32 = Self::DENSE + 1;

    /// What the operators of a plan use.
    pub const fn of(plan: &Plan) -> Self {
        let mut bits = 0;
        let mut id = 0;
        while id < plan.operator_count() {
            let operator = plan.operator(id);
            bits |= if operator.merges {
                let windows = (!operator.merges_twos(plan.tensor(id + 1)) as u128) << Self::MERGING_WINDOWS;
                windows | 1 << (Self::MERGING_POOL + plan.tensor(id + 1).layout as u32)
            } else if matches!(operator.kernel, Kernel::Portable) {
                1 << (Self::KINDS + operator.kind as u32)
            } else {
                Self::kernel(plan, id)
            };
            id += 1;
        }
        let mut id = 0;
        while id < plan.tensor_count() {
            let tensor = plan.tensor(id);
            bits |= (tensor.lands() as u128) << Self::LANDS | (tensor.stacked as u128) << Self::STACKS;
            bits |= (shares_padding(plan, id) as u128) << Self::RENEWS;
            id += 1;
        }
        Self(bits | (!plan.tensor(0).stacked as u128) << Self::PLAIN_INPUT)
    }

    /// The functions that an operator with a kernel needs on this target.
    const fn kernel(plan: &Plan, id: usize) -> u128 {
        let operator = plan.operator(id);
        let taps = Taps::of(operator);
        if operator.kernel.is_dense() {
            return 1 << if arch::has(operator.kernel, taps) { Self::DENSE } else { Self::DENSE_DEFINITIONS };
        }
        if !arch::has(operator.kernel, taps) {
            return 1 << Self::DEFINITIONS;
        }
        let (kernel, walk, longest) = (operator.kernel, Walk::of(operator), operator.block as usize);
        let shortest = if operator.shorter > 0 { longest - 1 } else { longest };
        let input = plan.tensor(operator.inputs[0] as usize);
        let walks = (operator.is_long() as u128) << Self::LONG_WALKS
            | ((operator.segments(input) > MANY_SEGMENTS) as u128) << Self::LONGEST_WALKS
            | (operator.is_parted(input) as u128) << Self::PARTED_WALKS;
        walks
            | 1 << Self::KERNELS
            | Self::function_bit(kernel, walk, shortest)
            | Self::function_bit(kernel, walk, longest)
    }

    const fn function_bit(kernel: Kernel, walk: Walk, pixels: usize) -> u128 {
        match walk {
            Walk::Conv(taps) => Self::conv_bit(kernel, taps, pixels),
            Walk::Depthwise(window) => Self::depthwise_bit(kernel, window, pixels),
        }
    }

    /// Whether a convolution in blocks of `pixels` is in the set, by this target's kernel.
    #[inline(always)]
    pub const fn function(self, kernel: Kernel, walk: Walk, pixels: usize) -> bool {
        self.0 & Self::function_bit(kernel, walk, pixels) != 0
    }

    /// Where two kernels take the same window, their blocks are of up to four pixels.
    const fn depthwise_bit(kernel: Kernel, window: Window, pixels: usize) -> u128 {
        let size = if matches!(kernel, Kernel::DepthwiseUnsigned8) { pixels + 4 } else { pixels };
        assert!(size <= 8);
        1 << (Self::DEPTHWISE + window as u32 * 8 + size as u32 - 1)
    }

    /// Whether a depthwise convolution is, by this target's kernel.
    #[inline(always)]
    pub const fn depthwise_kernels(self) -> bool {
        self.0 >> Self::DEPTHWISE & 0xFFFF_FFFF != 0
    }

    /// Whether a convolution is, by this target's kernel, whose walk may be of more than three segments.
    #[inline(always)]
    pub const fn long_walks(self) -> bool {
        self.0 & 1 << Self::LONG_WALKS != 0
    }

    /// Whether one is whose walk may be of more than [`MANY_SEGMENTS`].
    #[inline(always)]
    pub const fn longest_walks(self) -> bool {
        self.0 & 1 << Self::LONGEST_WALKS != 0
    }

    const fn conv_bit(kernel: Kernel, taps: Taps, pixels: usize) -> u128 {
        let family = match kernel {
            Kernel::Widened16 | Kernel::Long | Kernel::Spread16 => 0,
            Kernel::Widened8 | Kernel::Plain | Kernel::Spread8 => 16,
            Kernel::Narrow8 => 32,
            Kernel::Image16 if matches!(taps, Taps::One { .. }) => {
                let size = if pixels == 1 { 2 } else { pixels };
                assert!(size <= 4);
                return 1 << (Self::CONV + 62 + size as u32 - 2);
            }
            Kernel::WidenedDuals => {
                assert!(pixels <= 2);
                return Self::dual_bit(pixels);
            }
            Kernel::WidenedOdd16 => 55,
            _ => 48,
        };
        let (walk, most) = match taps {
            Taps::Three => (0, 8),
            Taps::One { stride: 1 } => (8, 4),
            Taps::One { .. } => (12, 4),
        };
        assert!(pixels <= most && (family < 48 || pixels <= 7));
        1 << (Self::CONV + family + walk + pixels as u32 - 1)
    }

    const fn dual_bit(pixels: usize) -> u128 {
        1 << (Self::CONV + 32 + 5 + pixels as u32)
    }

    /// Whether a convolution is whose kernel goes from block to block by itself.
    #[inline(always)]
    pub const fn walks_rows(self) -> bool {
        self.0 & (Self::dual_bit(1) | Self::dual_bit(2)) != 0
    }

    /// Whether a dense layer is in the set, by this target's kernel.
    #[inline(always)]
    pub const fn dense_kernels(self) -> bool {
        self.0 & 1 << Self::DENSE != 0
    }

    /// Whether a dense layer is in the set, by a kernel that this target does not have.
    #[inline(always)]
    pub const fn dense_definitions(self) -> bool {
        self.0 & 1 << Self::DENSE_DEFINITIONS != 0
    }

    /// Whether a dense layer with a kernel is in the set, this target's or another's.
    pub const fn any_dense_kernels(self) -> bool {
        self.dense_kernels() || self.dense_definitions()
    }

    /// Whether a dense layer is in the set.
    #[inline(always)]
    pub const fn dense(self) -> bool {
        self.portable(Kind::Dense) || self.any_dense_kernels()
    }

    /// Whether an operator of the kind is in the set, in plain Rust.
    #[inline(always)]
    pub const fn portable(self, kind: Kind) -> bool {
        self.0 & 1 << (Self::KINDS + kind as u32) != 0
    }

    /// Whether a convolution without a kernel is.
    pub const fn portable_convs(self) -> bool {
        self.portable(Kind::Conv2d) || self.portable(Kind::Depthwise)
    }

    /// Whether an operator is that may wait for one row of its second input with every row of its first.
    pub const fn spreads(self) -> bool {
        self.portable(Kind::Mul)
    }

    /// Whether an operator is that makes several rows of one.
    pub const fn repeats(self) -> bool {
        self.portable(Kind::Resize)
    }

    /// Whether a max pool is that takes rows of some layout.
    #[inline(always)]
    pub const fn merging_pools(self) -> bool {
        self.0 >> Self::MERGING_POOL & 0xF != 0
    }

    /// Whether a max pool is that takes rows of `layout`.
    #[inline(always)]
    pub const fn merging_pool(self, layout: Layout) -> bool {
        self.0 & 1 << (Self::MERGING_POOL + layout as u32) != 0
    }

    /// Whether a max pool is that takes rows and whose windows are not two pixels wide.
    #[inline(always)]
    pub const fn merging_windows(self) -> bool {
        self.0 & 1 << Self::MERGING_WINDOWS != 0
    }

    /// Whether a convolution is, by this target's kernel, whose steps do not lie in whole rows side by side.
    #[inline(always)]
    pub const fn parted_walks(self) -> bool {
        self.0 & 1 << Self::PARTED_WALKS != 0
    }

    /// Whether a tensor's rows land.
    #[inline(always)]
    pub const fn lands(self) -> bool {
        self.0 & 1 << Self::LANDS != 0
    }

    /// Whether padding is made anew with a tensor's first row, as other rows may have lain there before in the same image.
    #[inline(always)]
    pub const fn renews(self) -> bool {
        self.0 & 1 << Self::RENEWS != 0
    }

    /// Whether the input's rows are stacked.
    #[inline(always)]
    pub const fn stacks(self) -> bool {
        self.0 & 1 << Self::STACKS != 0
    }

    /// Whether an input is whose rows are not stacked.
    #[inline(always)]
    pub const fn plain_inputs(self) -> bool {
        self.0 & 1 << Self::PLAIN_INPUT != 0
    }

    /// Whether a convolution with a kernel is, this target's or another's.
    pub const fn conv_kernels(self) -> bool {
        self.kernels() || self.definitions()
    }

    /// Whether a convolution is, by this target's kernel.
    #[inline(always)]
    pub const fn kernels(self) -> bool {
        self.0 & 1 << Self::KERNELS != 0
    }

    /// Whether a convolution is, by a kernel that this target does not have.
    #[inline(always)]
    pub const fn definitions(self) -> bool {
        self.0 & 1 << Self::DEFINITIONS != 0
    }
}

/// Whether a tensor has padding where another tensor's rows, in their ring or as they land, or an operator's accumulators lie at another time.
const fn shares_padding(plan: &Plan, id: usize) -> bool {
    let tensor = plan.tensor(id);
    if u32::from_le_bytes(tensor.pads) == 0 {
        return false;
    }
    let [start, end] = [tensor.ring as usize, tensor.ring as usize + tensor.ring_words()];
    let mut other = 0;
    while other < plan.tensor_count() {
        let rows = plan.tensor(other);
        let mut shares = other != id && start < rows.ring as usize + rows.ring_words() && (rows.ring as usize) < end;
        let landing = rows.landing_range();
        shares |= landing.start < landing.end && start < landing.end && landing.start < end;
        if other > 0 {
            let operator = plan.operator(other - 1);
            let words = operator.state_words(plan.tensor(operator.inputs[0] as usize), rows);
            let at = operator.state as usize;
            shares |= words > 0 && start < at + words && at < end;
        }
        if shares {
            return true;
        }
        other += 1;
    }
    false
}

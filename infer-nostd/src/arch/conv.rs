//! Convolutions by kernels for one core: cuts a row into blocks of pixels and hands each to assembly.
//!
//! A kernel computes all output channels of a block. It walks over the window in steps, each one plane of one row, and over the
//! stream of weights in the same order.

use super::args::Args;
use crate::ops::Step;
use crate::plan::{MAX_SEGMENTS, Taps, Uses};
use crate::ring::{RowMut, Rows};
use core::mem::MaybeUninit;
use core::{ptr, slice};

#[cfg(kernels = "armv6m")]
use super::armv6m::function;
#[cfg(kernels = "armv7m")]
use super::armv7m::function;
#[cfg(kernels = "dsp")]
use super::dsp::function;

/// A run of steps that are `Args::plane_len` apart. A kernel walks over an array of them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Segment {
    /// What the first step reads for the block's first pixel.
    pub start: *const u8,
    /// How many steps, at least 1.
    pub steps: u32,
}

/// A kernel for blocks of one size.
pub type Function = unsafe extern "C" fn(*const Args);

/// Three taps a step, as [`functions`] names it.
pub(super) const THREE: Taps = Taps::Three;
/// One tap a step.
pub(super) const ONE: Taps = Taps::One { stride: 1 };
/// One tap a step, output pixels two input pixels apart.
pub(super) const ONE_STRIDE_2: Taps = Taps::One { stride: 2 };

/// A core's kernels, a line each: kernel, taps, pixels of a block, the name of the function. Makes `function`, which
/// finds one; what is not in `USES` is not even mentioned there, so that the linker drops it, and what is alone is not looked for.
macro_rules! functions {
    ($($kernel:ident $($taps:ident)|+ $pixels:literal => $name:ident,)*) => {
        unsafe extern "C" {
            $(fn $name(args: *const $crate::arch::args::Args);)*
        }

        /// The function for blocks of `pixels`.
        ///
        /// # Safety
        /// `USES` has it.
        #[inline(always)]
        pub unsafe fn function<const USES: u128>(
            kernel: Kernel,
            taps: Taps,
            pixels: usize,
        ) -> $crate::arch::conv::Function {
            use $crate::arch::conv::*;
            $($(
                if const { $crate::plan::Uses(USES).conv(Kernel::$kernel, $taps, $pixels) }
                    && (kernel, taps, pixels) == (Kernel::$kernel, $taps, $pixels)
                {
                    return $name;
                }
            )+)*
            // SAFETY: the caller's.
            unsafe { core::hint::unreachable_unchecked() }
        }
    };
}
pub(super) use functions;

/// Segments of the windows that nearly all convolutions have: of three rows under three taps, of one pixel.
const FEW: usize = 3;
/// Those of a 5×5 window, strided.
const MANY: usize = 25;

/// One output row. This target has the kernel, and `USES` its functions.
#[inline(always)]
pub(crate) fn row<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    if const { !Uses(USES).long_convs() } {
        blocks::<USES, FEW>(step, rows, out);
    } else if step.operator.segments(step.input) > MANY {
        blocks_apart::<USES, MAX_SEGMENTS>(step, rows, out);
    } else if step.operator.is_long() {
        blocks_apart::<USES, MANY>(step, rows, out);
    } else {
        blocks_apart::<USES, FEW>(step, rows, out);
    }
}

/// A frame of its own for `N` segments: the stack is what small chips run out of.
#[inline(never)]
fn blocks_apart<const USES: u128, const N: usize>(step: &Step, rows: &Rows, out: &mut RowMut) {
    blocks::<USES, N>(step, rows, out);
}

#[inline(always)]
fn blocks<const USES: u128, const N: usize>(step: &Step, rows: &Rows, out: &mut RowMut) {
    let operator = step.operator;
    let (kernel, taps) = (operator.kernel, Taps::of(operator));
    let mut segments = MaybeUninit::<[Segment; N]>::uninit();
    let first: *mut Segment = segments.as_mut_ptr().cast();
    // SAFETY: `row` has asked whether there is room, and so many are written then.
    let segments = unsafe { slice::from_raw_parts_mut(first, segments_of(step, rows, taps, first)) };
    let walk = segments.as_ptr_range();
    let mut args = Args::new(step, out, walk.start.cast(), walk.end.cast());
    let stride_len = operator.strides[1] as usize * step.input.lanes();
    let mut pixels = operator.block as usize;
    for left in (1..=operator.blocks).rev() {
        if left == operator.shorter {
            pixels -= 1;
        }
        // SAFETY: `Engine::sized` has found all functions that the plan needs in `USES`. The kernel reads `steps` times the block's pixels
        // (two more for three taps) from each segment's start, `plane_len` apart, which lie in the row: the plan's check has found that the
        // padded rows are as wide as the windows reach. It reads a stream as long as kernel, window and channels make it, which the check has
        // found in the file, and it writes the block's pixels of every plane of the output's row.
        unsafe { function::<USES>(kernel, taps, pixels)(&args) };
        args.out = args.out.wrapping_add(pixels * step.output.lanes());
        for segment in segments.iter_mut() {
            segment.start = segment.start.wrapping_add(pixels * stride_len);
        }
    }
    args.clamp(step, out);
}

/// Writes the steps of the row's first block, in as few segments as there can be; how many those are.
///
/// # Safety
/// There is room for a segment for each row of the window under three taps, for each of its pixels under one, but for no more than
/// [`MAX_SEGMENTS`].
#[inline(never)] // what it holds is off the stack when the kernel works
unsafe fn segments_of(step: &Step, rows: &Rows, taps: Taps, first: *mut Segment) -> usize {
    let (operator, input) = (step.operator, step.input);
    let (walks, tap_len) = match taps {
        Taps::Three => (1, 0),
        Taps::One { .. } => (operator.window[1], operator.dilations[1] as usize * input.lanes()),
    };
    let left = step.padded_start(0) * input.lanes();
    let (steps, planes_len) = (input.planes as u32, input.planes() * input.plane_len());
    let (mut segment, mut end, mut ky) = (first.wrapping_sub(1), ptr::null(), 0);
    while ky < operator.window[0] as usize {
        let mut start = rows.start(ky * operator.dilations[0] as usize).wrapping_add(left);
        for _ in 0..walks {
            // SAFETY: the caller's; the first segment is written before any is added to.
            unsafe {
                if start == end {
                    (*segment).steps += steps;
                } else {
                    segment = segment.wrapping_add(1);
                    segment.write(Segment { start, steps });
                }
            }
            end = start.wrapping_add(planes_len);
            start = start.wrapping_add(tap_len);
        }
        ky += input.rows_a_step();
    }
    (segment.addr() + size_of::<Segment>() - first.addr()) / size_of::<Segment>()
}

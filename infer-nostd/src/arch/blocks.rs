//! Convolutions by kernels for one core, depthwise ones among them: cuts a row into blocks of pixels and hands each to assembly.
//!
//! A kernel computes all output channels of a block. It walks over the window in steps, and over the stream of weights in the same
//! order: of a convolution a step is a plane of a row, under one tap or three; of a depthwise one it is a tap, once for each plane.

use super::args::Args;
use crate::ops::Step;
use crate::plan::{Kernel, Kind, MANY_SEGMENTS, MAX_SEGMENTS, Operator, Run, Taps, Uses, Walk, Window};
use crate::ring::{RowMut, Rows};
use core::mem::MaybeUninit;
use core::{ptr, slice};

#[cfg(kernels = "armv6m")]
use super::armv6m::function;
#[cfg(kernels = "armv7m")]
use super::armv7m::function;
#[cfg(kernels = "dsp")]
use super::dsp::function;

/// A run of steps. A kernel walks over an array of them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Segment {
    /// What the first step reads for the block's first pixel; of a depthwise convolution in channel 0.
    pub start: *const u8,
    /// How many steps, at least 1: [`Args::plane_len`] apart, or [`Args::tap_len`] if depthwise, which has a run for each row; or how many bytes where
    /// a window's rows are runs of bytes.
    pub steps: u32,
}

/// A kernel for blocks of one size.
pub type Function = unsafe extern "C" fn(*mut Args);

/// Three taps a step, as [`functions`] names it.
pub(super) const THREE: Walk = Walk::Conv(Taps::Three);
/// One tap a step.
pub(super) const ONE: Walk = Walk::Conv(Taps::One { stride: 1 });
/// One tap a step, output pixels two input pixels apart.
pub(super) const ONE_STRIDE_2: Walk = Walk::Conv(Taps::One { stride: 2 });
/// Depthwise, 3×3.
pub(super) const DEPTHWISE_3: Walk = Walk::Depthwise(Window::Three);
/// Depthwise, 3×3, output pixels two input pixels apart.
pub(super) const DEPTHWISE_3_STRIDE_2: Walk = Walk::Depthwise(Window::ThreeStride2);
/// Depthwise, any window.
pub(super) const DEPTHWISE: Walk = Walk::Depthwise(Window::Any);
/// Depthwise, any window and stride.
pub(super) const DEPTHWISE_STRIDED: Walk = Walk::Depthwise(Window::AnyStrided);

/// A core's kernels, a line each: kernel, walks, pixels of a block, the name of the function. Makes `function`, which
/// finds one; what is not in `USES` is not even mentioned there, so that the linker drops it, and what is alone is not looked for.
macro_rules! functions {
    ($($kernel:ident $($walk:ident)|+ $pixels:literal => $name:ident,)*) => {
        unsafe extern "C" {
            $(fn $name(args: *mut $crate::arch::args::Args);)*
        }

        /// The function for blocks of `pixels`.
        ///
        /// # Safety
        /// `USES` has it.
        #[inline(always)]
        pub unsafe fn function<const USES: u128>(
            kernel: Kernel,
            walk: $crate::plan::Walk,
            pixels: usize,
        ) -> $crate::arch::blocks::Function {
            use $crate::arch::blocks::*;
            $($(
                if const { $crate::plan::Uses(USES).function(Kernel::$kernel, $walk, $pixels) }
                    && (kernel, walk, pixels) == (Kernel::$kernel, $walk, $pixels)
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

/// Segments of the windows that nearly all convolutions have: of three rows under three taps or depthwise, of one pixel.
const FEW: usize = 3;

/// One output row. This target has the kernel, and `USES` its functions.
#[inline(always)]
pub(crate) fn row<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    if const { !Uses(USES).long_walks() } {
        blocks::<USES, FEW>(step, rows, out);
    } else if const { Uses(USES).longest_walks() } && step.operator.segments(step.input) > MANY_SEGMENTS {
        blocks_apart::<USES, MAX_SEGMENTS>(step, rows, out);
    } else if step.operator.is_long() {
        blocks_apart::<USES, MANY_SEGMENTS>(step, rows, out);
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
    let mut segments = MaybeUninit::<[Segment; N]>::uninit();
    let first: *mut Segment = segments.as_mut_ptr().cast();
    // SAFETY: `row` has asked whether there is room, and so many are written then.
    let segments = unsafe { slice::from_raw_parts_mut(first, segments_of::<USES>(step, rows, first)) };
    let mut args = Args::new::<USES>(step, out, segments);
    let (mut left, shorter) = (operator.blocks as usize, operator.shorter as usize);
    while left > 0 {
        // The last ones are a pixel shorter.
        let (pixels, until) = match left > shorter {
            true => (operator.block as usize, shorter),
            false => (operator.block as usize - 1, 0),
        };
        let (block_len, out_len) = (pixels * args.stride_len as usize, pixels * step.output.lanes());
        // SAFETY: `Engine::sized` has found all functions that the plan needs in `USES`.
        let function = unsafe { function::<USES>(operator.kernel, walk_of::<USES>(operator), pixels) };
        #[cfg(kernels = "dsp")]
        if const { Uses(USES).walks_rows() } && operator.kernel.walks_rows() {
            args.blocks = (left - until) as u32;
            // SAFETY: as below, for so many blocks side by side: it moves `out` and the segments' starts by itself, from each block to the next.
            unsafe { function(&mut args) };
            left = until;
        }
        while left > until {
            // SAFETY: of a convolution the kernel reads `steps` times the block's pixels (two more for three taps) from each segment's start,
            // `plane_len` apart; of a depthwise one the windows of these pixels in every plane of the rows that begin there. Both lie in the rows:
            // the plan's check has found that they are as wide as the windows reach. It reads a stream as long as kernel, window and channels
            // make it, which the check has found in the file, and it writes the block's pixels of every plane of the output's row.
            unsafe { function(&mut args) };
            args.out = args.out.wrapping_add(out_len);
            for segment in segments.iter_mut() {
                segment.start = segment.start.wrapping_add(block_len);
            }
            left -= 1;
        }
    }
    args.clamp(step, out);
}

/// How the operator's kernel walks.
#[inline(always)]
fn walk_of<const USES: u128>(operator: &Operator) -> Walk {
    if const { Uses(USES).depthwise_kernels() } { Walk::of(operator) } else { Walk::Conv(Taps::of(operator)) }
}

/// Writes the steps of the row's first block, in as few segments as there can be; how many those are.
///
/// # Safety
/// There is room for a segment for each row of the window under three taps or depthwise, for each of its pixels under one, but for no more than
/// [`MAX_SEGMENTS`].
#[inline(never)] // what it holds is off the stack when the kernel works
unsafe fn segments_of<const USES: u128>(step: &Step, rows: &Rows, first: *mut Segment) -> usize {
    if const { Uses(USES).parted_walks() } && step.operator.is_parted(step.input) {
        // SAFETY: the caller's.
        return unsafe { parted_segments::<USES>(step, rows, first) };
    }
    let input = step.input;
    let landed = if const { Uses(USES).lands() } { rows.landed() } else { None };
    // Rows of a window of one row do not land.
    let (rows_a_step, row_steps) = match const { Uses(USES).stacks() } {
        true => (input.rows_a_step(), step.operator.row_steps(input)),
        false => (1, step.operator.window[0] as usize),
    };
    let walks = row_steps - landed.is_some() as usize;
    let (start, count, next) = rows.run_of_rows(rows_a_step * input.slot_len(), walks);
    let left = step.padded_start(0) * input.lanes();
    let segment = |start: *const u8, walks| Segment {
        start: start.wrapping_add(left),
        steps: walks as u32 * input.planes as u32,
    };
    let mut written = 1;
    // SAFETY: the caller's. A window that is one pixel wide and more than one high is parted, and what is written beside the first segment is of other
    // rows of the window.
    unsafe {
        first.write(segment(start, count));
        if count < walks {
            first.wrapping_add(1).write(segment(next, walks - count));
            written = 2;
        }
        if let Some(landed) = landed {
            first.wrapping_add(written).write(segment(landed, 1));
            written += 1;
        }
    }
    written
}

/// The same where rows, or the taps of one, are apart.
///
/// # Safety
/// As before.
#[inline(always)]
unsafe fn parted_segments<const USES: u128>(step: &Step, rows: &Rows, first: *mut Segment) -> usize {
    let (operator, input) = (step.operator, step.input);
    let planes_len = input.planes() * input.step_len();
    // Runs in a row, bytes from one to the next, steps of each, and bytes from a run's start to where another would go on.
    let (walks, tap_len, steps, len) = match (operator.kind, Taps::of(operator)) {
        (Kind::Depthwise, _) => (1, 0, operator.window[1] as u32, 1), // rows begin at words: none goes on a byte later
        // It leaves out the end of each run.
        (_, Taps::Three) if matches!(operator.kernel, Kernel::WidenedOdd16) => (1, 0, input.planes as u32, 1),
        _ if cfg!(kernels = "dsp") && operator.walks_by_runs() => (1, 0, Run::of(operator, input).len as u32, 1), // it is told the bytes of a run
        (_, Taps::Three) => (1, 0, input.planes as u32, planes_len),
        _ => (operator.window[1], operator.dilations[1] as usize * input.lanes(), input.planes as u32, planes_len),
    };
    let left = step.padded_start(0) * input.lanes();
    let (mut segment, mut end, mut ky) = (first.wrapping_sub(1), ptr::null(), 0);
    while ky < operator.window[0] as usize {
        let row = rows.start(ky * operator.dilations[0] as usize, const { Uses(USES).lands() });
        let mut start = row.wrapping_add(left);
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
            end = start.wrapping_add(len);
            start = start.wrapping_add(tap_len);
        }
        ky += if const { Uses(USES).stacks() } { input.rows_a_step() } else { 1 };
    }
    (segment.addr() + size_of::<Segment>() - first.addr()) / size_of::<Segment>()
}

//! Convolutions by kernels for one core: cuts a row into blocks of pixels and hands each to assembly.
//!
//! A kernel computes all output channels of a block. It walks over the window in steps, each one plane of one row, and over the
//! stream of weights in the same order.

use crate::ops::Step;
use crate::plan::{Kernel, MAX_SEGMENTS, Taps};
use crate::ring::{RowMut, Rows};
use heapless::{Vec, VecView};

/// A run of steps that are `Args::plane_len` apart.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Segment {
    /// What the first step reads for the block's first pixel.
    pub start: *const u8,
    /// How many steps, at least 1.
    pub steps: u32,
}

/// What a kernel is told of a block.
#[derive(Debug)]
#[repr(C)]
pub struct Args {
    /// The steps, in the order of the stream.
    pub segments: *const Segment,
    /// Behind the last segment.
    pub segments_end: *const Segment,
    /// Bytes from one plane of the input to the next.
    pub plane_len: u32,
    /// For each group of output channels its biases, weights, multipliers.
    pub stream: *const u32,
    /// The block's first pixel in the output's channel 0.
    pub out: *mut u8,
    /// Bytes from one plane of the output to the next.
    pub out_plane_len: u32,
    /// Output channels.
    pub channels: u32,
    /// The output's zero point, 128 more where it is stored unsigned.
    pub zero_point: i32,
    /// Left shift of the accumulators.
    pub shift_bits: u32,
    /// Smallest result, 128 more where it is stored unsigned. Kernels that saturate to int8 do not look.
    pub min: i32,
    /// Largest result.
    pub max: i32,
}

/// A kernel for blocks of one size.
pub type Function = unsafe extern "C" fn(*const Args);

/// Three taps a step, as [`functions`] names it.
#[allow(dead_code, reason = "for the cores that have kernels")]
pub(super) const THREE: Taps = Taps::Three;
/// One tap a step.
#[allow(dead_code, reason = "for the cores that have kernels")]
pub(super) const ONE: Taps = Taps::One { stride: 1 };
/// One tap a step, output pixels two input pixels apart.
#[allow(dead_code, reason = "for the cores that have kernels")]
pub(super) const ONE_STRIDE_2: Taps = Taps::One { stride: 2 };

/// A core's kernels, a line each: kernel, taps, pixels of a block, the name of the function. Makes `function`, which
/// finds one; what is not in `USES` is not even mentioned there, so that the linker drops it.
#[allow(unused_macros, reason = "for the cores that have kernels")]
macro_rules! functions {
    ($($kernel:ident $($taps:ident)|+ $pixels:literal => $name:ident,)*) => {
        unsafe extern "C" {
            $(fn $name(args: *const $crate::arch::conv::Args);)*
        }

        /// The function for blocks of `pixels`; `None` where there is none, or `USES` has none.
        pub fn function<const USES: u128>(
            kernel: Kernel,
            taps: Taps,
            pixels: usize,
        ) -> Option<$crate::arch::conv::Function> {
            use $crate::arch::conv::*;
            $($(
                if const { $crate::plan::Uses(USES).conv(Kernel::$kernel, $taps, $pixels) }
                    && (kernel, taps, pixels) == (Kernel::$kernel, $taps, $pixels)
                {
                    return Some($name);
                }
            )+)*
            None
        }
    };
}
#[allow(unused_imports, reason = "for the cores that have kernels")]
pub(super) use functions;

/// Whether this target has the kernel.
#[inline(always)]
pub const fn has(kernel: Kernel, taps: Taps) -> bool {
    let ours = match kernel {
        Kernel::Widened16 | Kernel::Widened8 | Kernel::Narrow8 | Kernel::Image16 => cfg!(kernels = "dsp"),
        Kernel::Long | Kernel::Plain => cfg!(kernels = "armv7m"),
        Kernel::Spread16 | Kernel::Spread8 => cfg!(kernels = "armv6m"),
        _ => false,
    };
    ours && matches!(taps, Taps::Three | Taps::One { stride: 1 | 2 })
}

#[cfg(kernels = "portable")]
fn function<const USES: u128>(_: Kernel, _: Taps, _: usize) -> Option<Function> {
    None
}

#[cfg(kernels = "armv6m")]
use super::armv6m::function;
#[cfg(kernels = "armv7m")]
use super::armv7m::function;
#[cfg(kernels = "dsp")]
use super::dsp::function;

/// Whether the kernels saturate to int8 and leave other clamps to be made afterwards.
pub(super) const SATURATES: bool = !cfg!(kernels = "armv6m");

/// One output row. [`has`] has been asked.
#[inline(always)]
pub(crate) fn row<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    match step.operator.window {
        [1, 1] => with_segments::<USES, 1>(step, rows, out),
        [..=3, _] if Taps::of(step.operator) == Taps::Three => with_segments::<USES, 3>(step, rows, out),
        [..=7, _] if Taps::of(step.operator) == Taps::Three => with_segments::<USES, 7>(step, rows, out),
        _ if step.operator.segments(step.input) <= 25 => with_segments::<USES, 25>(step, rows, out),
        _ => with_segments::<USES, MAX_SEGMENTS>(step, rows, out),
    }
    if SATURATES {
        out.clamp(step.operator.clamp);
    }
}

/// A frame for `N` segments, as large as the window needs and no larger: the stack is what small chips run out of.
#[inline(never)]
fn with_segments<const USES: u128, const N: usize>(step: &Step, rows: &Rows, out: &mut RowMut) {
    blocks::<USES>(step, rows, out, &mut Vec::<_, N>::new());
}

#[inline(never)]
fn blocks<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut, segments: &mut VecView<Segment>) {
    let (operator, input, output) = (step.operator, step.input, step.output);
    let (kernel, taps) = (operator.kernel, Taps::of(operator));
    segments_of(step, rows, segments);
    let offset = output.layout.flip() as i32;
    let [min, max] = operator.clamp.map(|bound| bound as i32 + offset);
    let pixel_len = output.lanes();
    let row = &mut out.slot()[output.pads[1] as usize * pixel_len..];
    assert!(row.len() >= (output.planes() - 1) * output.plane_len() + output.width as usize * pixel_len);
    let mut args = Args {
        segments: segments.as_ptr(),
        segments_end: segments.as_ptr_range().end,
        plane_len: input.plane_len() as u32,
        stream: step.weights().as_ptr(),
        out: row.as_mut_ptr(),
        out_plane_len: output.plane_len() as u32,
        channels: output.channels as u32,
        zero_point: output.zero_point as i32 + offset,
        shift_bits: operator.shift_bits as u32,
        min,
        max,
    };
    let len = operator.block as usize;
    for (count, len) in [(operator.blocks - operator.shorter, len), (operator.shorter, len - 1)] {
        if count == 0 {
            continue;
        }
        let Some(function) = function::<USES>(kernel, taps, len) else { unreachable!() };
        let moved = len * operator.strides[1] as usize * input.lanes();
        for _ in 0..count {
            // SAFETY: the kernel reads `steps` times the block's pixels (two more for three taps) from each segment's start, `plane_len`
            // apart, which `segments_of` has found to lie in the ring for the whole row; it reads a stream as long as kernel,
            // window and channels make it, which the plan's check has found in the file; and it writes the block's pixels of
            // every plane, which the assertion above has found in the row.
            unsafe { function(&args) };
            args.out = args.out.wrapping_add(len * pixel_len);
            for segment in segments.iter_mut() {
                segment.start = segment.start.wrapping_add(moved);
            }
        }
    }
}

/// The steps of the row's first block, in as few segments as there can be.
#[inline(always)]
fn segments_of(step: &Step, rows: &Rows, segments: &mut VecView<Segment>) {
    let (operator, input) = (step.operator, step.input);
    let (window_w, taps) = (operator.window[1] as usize, Taps::of(operator).count());
    let (planes_len, pixel_len) = (input.planes() * input.plane_len(), input.lanes());
    let planes = input.planes() as u32;
    // What the last pixel of the row reads of a plane, beyond the first one's first byte.
    let reach = ((step.output.width as usize - 1) * operator.strides[1] as usize + taps) * pixel_len;
    let first = step.padded_start(0) * pixel_len;
    let tap_len = operator.dilations[1] as usize * pixel_len;
    let last_plane = planes_len - input.plane_len();
    assert!(first + (window_w - taps) * tap_len + last_plane + reach <= input.slot_len());
    let mut end = core::ptr::null();
    for ky in (0..operator.window[0] as usize).step_by(input.rows_a_step()) {
        let mut start = rows.slot(ky * operator.dilations[0] as usize).as_ptr().wrapping_add(first);
        for _ in 0..window_w / taps {
            match segments.last_mut() {
                Some(last) if start == end => last.steps += planes,
                _ => {
                    let Ok(()) = segments.push(Segment { start, steps: planes }) else { unreachable!() };
                }
            }
            end = start.wrapping_add(planes_len);
            start = start.wrapping_add(taps * tap_len);
        }
    }
}

//! Depthwise convolutions by kernels for one core: cuts a row into blocks of pixels and hands each to assembly.
//!
//! A kernel computes all channels of a block. It finds the rows of the window one by one, so that strides and dilations down are no
//! business of its own.

use super::args::Args;
use crate::ops::Step;
use crate::plan::{MAX_WINDOW_ROWS, Uses, Window};
use crate::ring::{RowMut, Rows};
use core::ptr;

#[cfg(kernels = "armv6m")]
use super::armv6m::depthwise;
#[cfg(kernels = "armv7m")]
use super::armv7m::depthwise;
#[cfg(kernels = "dsp")]
use super::dsp::depthwise;

/// What a kernel is told of a block.
#[derive(Debug)]
#[repr(C)]
pub struct DepthwiseArgs {
    /// It walks over an array of pointers: for each row of the window the pixel, in channel 0, that is the first tap of the row's first
    /// output pixel.
    pub args: Args,
    /// Bytes from each of them to the first tap of the block's first output pixel.
    pub offset: u32,
    /// Taps of a row of the window. This and what follows is for kernels of any window.
    pub taps: u32,
    /// Bytes from one tap to the next.
    pub tap_len: u32,
    /// Bytes from one output pixel's first tap to the next one's.
    pub stride_len: u32,
}

/// A kernel for blocks of one size.
pub type Function = unsafe extern "C" fn(*const DepthwiseArgs);

/// A core's kernels, a line each: kernel, windows, pixels of a block, the name of the function. Makes `depthwise`, which
/// finds one; what is not in `USES` is not even mentioned there, so that the linker drops it, and what is alone is not looked for.
macro_rules! functions {
    ($($kernel:ident $($window:ident)|+ $pixels:literal => $name:ident,)*) => {
        unsafe extern "C" {
            $(fn $name(args: *const $crate::arch::depthwise::DepthwiseArgs);)*
        }

        /// The function for blocks of `pixels`.
        ///
        /// # Safety
        /// `USES` has it.
        #[inline(always)]
        pub unsafe fn depthwise<const USES: u128>(
            kernel: Kernel,
            window: $crate::plan::Window,
            pixels: usize,
        ) -> $crate::arch::depthwise::Function {
            use $crate::plan::{Uses, Window};
            $($(
                if const { Uses(USES).depthwise(Kernel::$kernel, Window::$window, $pixels) }
                    && (kernel, window, pixels) == (Kernel::$kernel, Window::$window, $pixels)
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

/// Rows of the windows that nearly all have.
const FEW: usize = 3;

/// One output row. This target has the kernel, and `USES` its functions.
#[inline(always)]
pub(crate) fn row<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    if const { !Uses(USES).long_depthwise() } {
        blocks::<USES, FEW>(step, rows, out);
    } else if step.operator.is_long() {
        blocks_apart::<USES, MAX_WINDOW_ROWS>(step, rows, out);
    } else {
        blocks_apart::<USES, FEW>(step, rows, out);
    }
}

/// A frame of its own for `N` rows.
#[inline(never)]
fn blocks_apart<const USES: u128, const N: usize>(step: &Step, rows: &Rows, out: &mut RowMut) {
    blocks::<USES, N>(step, rows, out);
}

#[inline(always)]
fn blocks<const USES: u128, const N: usize>(step: &Step, rows: &Rows, out: &mut RowMut) {
    let (operator, input) = (step.operator, step.input);
    let mut starts = [ptr::null(); N];
    let starts = &mut starts[..operator.window[0] as usize];
    let first = step.padded_start(0) * input.lanes();
    for (ky, start) in starts.iter_mut().enumerate() {
        *start = rows.slot(ky * operator.dilations[0] as usize).as_ptr().wrapping_add(first);
    }
    let walk = starts.as_ptr_range();
    let stride_len = operator.strides[1] as usize * input.lanes();
    let mut args = DepthwiseArgs {
        args: Args::new(step, out, walk.start.cast(), walk.end.cast()),
        offset: 0,
        taps: operator.window[1] as u32,
        tap_len: operator.dilations[1] as u32 * input.lanes as u32,
        stride_len: stride_len as u32,
    };
    let window = Window::of(operator);
    let mut pixels = operator.block as usize;
    for left in (1..=operator.blocks).rev() {
        if left == operator.shorter {
            pixels -= 1;
        }
        // SAFETY: `Engine::sized` has found all functions that the plan needs in `USES`. The kernel reads the windows of the block's pixels in
        // every plane of the rows, which are as wide as the windows reach; a stream as long as kernel, window and channels make it, which is in
        // the file: both the plan's check has found. It writes the block's pixels of every plane of the output's row.
        unsafe { depthwise::<USES>(operator.kernel, window, pixels)(&args) };
        args.args.out = args.args.out.wrapping_add(pixels * step.output.lanes());
        args.offset += (pixels * stride_len) as u32;
    }
    args.args.clamp(step, out);
}

//! Depthwise convolutions by kernels for one core: cuts a row into blocks of pixels and hands each to assembly.
//!
//! A kernel computes all channels of a block. It finds the rows of the window one by one, so that strides and dilations down are no
//! business of its own.

use super::conv::SATURATES;
use crate::ops::Step;
use crate::plan::{Kernel, MAX_WINDOW_ROWS, Window};
use crate::ring::{RowMut, Rows};
use heapless::{Vec, VecView};

/// What a kernel is told of a block.
#[derive(Debug)]
#[repr(C)]
pub struct Args {
    /// For each row of the window the pixel, in channel 0, that is the first tap of the row's first output pixel.
    pub rows: *const *const u8,
    /// Behind the last of `rows`.
    pub rows_end: *const *const u8,
    /// Bytes from one plane of the input to the next.
    pub plane_len: u32,
    /// For each group of channels its biases, weights, multipliers.
    pub stream: *const u32,
    /// The block's first pixel in the output's channel 0.
    pub out: *mut u8,
    /// Bytes from one plane of the output to the next.
    pub out_plane_len: u32,
    /// Channels.
    pub channels: u32,
    /// The output's zero point, 128 more where it is stored unsigned.
    pub zero_point: i32,
    /// Left shift of the accumulators.
    pub shift_bits: u32,
    /// Smallest result, 128 more where it is stored unsigned. Kernels that saturate to int8 do not look.
    pub min: i32,
    /// Largest result.
    pub max: i32,
    /// Bytes from each of `rows` to the first tap of the block's first output pixel.
    pub offset: u32,
    /// Taps of a row of the window. This and what follows is for kernels of any window.
    pub taps: u32,
    /// Bytes from one tap to the next.
    pub tap_len: u32,
    /// Bytes from one output pixel's first tap to the next one's.
    pub stride_len: u32,
}

/// A kernel for blocks of one size.
pub type Function = unsafe extern "C" fn(*const Args);

/// A core's kernels, a line each: kernel, windows, pixels of a block, the name of the function. Makes `depthwise`, which
/// finds one; what is not in `USES` is not even mentioned there, so that the linker drops it.
#[allow(unused_macros, reason = "for the cores that have kernels")]
macro_rules! functions {
    ($($kernel:ident $($window:ident)|+ $pixels:literal => $name:ident,)*) => {
        unsafe extern "C" {
            $(fn $name(args: *const $crate::arch::depthwise::Args);)*
        }

        /// The function for blocks of `pixels`; `None` where there is none, or `USES` has none.
        pub fn depthwise<const USES: u128>(
            kernel: Kernel,
            window: $crate::plan::Window,
            pixels: usize,
        ) -> Option<$crate::arch::depthwise::Function> {
            use $crate::plan::{Uses, Window};
            $($(
                if const { Uses(USES).depthwise(Kernel::$kernel, Window::$window, $pixels) }
                    && (kernel, window, pixels) == (Kernel::$kernel, Window::$window, $pixels)
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
pub const fn has(kernel: Kernel) -> bool {
    match kernel {
        Kernel::DepthwiseQuads => cfg!(kernels = "dsp"),
        Kernel::DepthwisePairs => cfg!(kernels = "armv7m"),
        Kernel::DepthwiseUnsigned32 | Kernel::DepthwiseUnsigned8 => cfg!(kernels = "armv6m"),
        _ => false,
    }
}

#[cfg(kernels = "portable")]
fn depthwise<const USES: u128>(_: Kernel, _: Window, _: usize) -> Option<Function> {
    None
}

#[cfg(kernels = "armv6m")]
use super::armv6m::depthwise;
#[cfg(kernels = "armv7m")]
use super::armv7m::depthwise;
#[cfg(kernels = "dsp")]
use super::dsp::depthwise;

/// One output row. [`has`] has been asked.
pub(crate) fn row<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut) {
    match step.operator.window[0] {
        ..=3 => with_rows::<USES, 3>(step, rows, out),
        _ => with_rows::<USES, MAX_WINDOW_ROWS>(step, rows, out),
    }
    if SATURATES {
        out.clamp(step.operator.clamp);
    }
}

/// A frame for `N` rows, as large as the window needs and no larger.
#[inline(never)]
fn with_rows<const USES: u128, const N: usize>(step: &Step, rows: &Rows, out: &mut RowMut) {
    blocks::<USES>(step, rows, out, &mut Vec::<_, N>::new());
}

#[inline(never)]
fn blocks<const USES: u128>(step: &Step, rows: &Rows, out: &mut RowMut, starts: &mut VecView<*const u8>) {
    let (operator, input, output) = (step.operator, step.input, step.output);
    starts_of(step, rows, starts);
    let offset = output.layout.flip() as i32;
    let [min, max] = operator.clamp.map(|bound| bound as i32 + offset);
    let stride_len = operator.strides[1] as usize * input.lanes();
    let pixel_len = output.lanes();
    let row = &mut out.slot()[output.pads[1] as usize * pixel_len..];
    assert!(row.len() >= (output.planes() - 1) * output.plane_len() + output.width as usize * pixel_len);
    let mut args = Args {
        rows: starts.as_ptr(),
        rows_end: starts.as_ptr_range().end,
        plane_len: input.plane_len() as u32,
        stream: step.weights().as_ptr(),
        out: row.as_mut_ptr(),
        out_plane_len: output.plane_len() as u32,
        channels: output.channels as u32,
        zero_point: output.zero_point as i32 + offset,
        shift_bits: operator.shift_bits as u32,
        min,
        max,
        offset: 0,
        taps: operator.window[1] as u32,
        tap_len: operator.dilations[1] as u32 * input.lanes() as u32,
        stride_len: stride_len as u32,
    };
    let window = Window::of(operator);
    for i in 0..operator.blocks {
        let len = operator.block as usize - (i >= operator.blocks - operator.shorter) as usize;
        let Some(function) = depthwise::<USES>(operator.kernel, window, len) else { unreachable!() };
        // SAFETY: the kernel reads the windows of the block's pixels in every plane of the rows, which `starts_of` has found
        // to lie in their slots for the whole row; it reads a stream as long as kernel, window and channels make it, which
        // the plan's check has found in the file; and it writes the block's pixels of every plane, which the assertion above
        // has found in the row.
        unsafe { function(&args) };
        args.out = args.out.wrapping_add(len * pixel_len);
        args.offset += (len * stride_len) as u32;
    }
}

/// Where the first window of the row begins in each of its rows.
#[inline(always)]
fn starts_of(step: &Step, rows: &Rows, starts: &mut VecView<*const u8>) {
    let (operator, input) = (step.operator, step.input);
    // What the row reads of a plane, from the first window's first pixel to the last one's last.
    let strides = (step.output.width as usize - 1) * operator.strides[1] as usize;
    let reach = (strides + operator.extent(1)) * input.lanes();
    let first = step.padded_start(0) * input.lanes();
    for ky in 0..operator.window[0] as usize {
        let slot = rows.slot(ky * operator.dilations[0] as usize);
        assert!(first + (input.planes() - 1) * input.plane_len() + reach <= slot.len());
        let Ok(()) = starts.push(slot[first..].as_ptr()) else { unreachable!() };
    }
}

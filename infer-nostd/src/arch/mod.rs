//! What depends on the processor: views of words as bytes, inner products, and kernels for particular cores.
//!
//! [`portable`] and `ops` are the definition; a kernel for one core gives the same bits. Which core this is
//! `build.rs` says as `cfg(kernels = "…")`, because the compiler does not tell whether there is a DSP extension; `INFER_KERNELS=portable`
//! in the environment of the build keeps all of them out.

#![allow(unsafe_code)] // the one place; each block says what makes it sound

pub(crate) mod arena;
pub(crate) mod dense;
pub mod portable;
pub(crate) mod records;

#[cfg(not(kernels = "portable"))]
mod args;
#[cfg(not(kernels = "portable"))]
pub(crate) mod blocks;
#[cfg(not(kernels = "portable"))]
mod dot;

#[cfg(kernels = "armv6m")]
mod armv6m;
#[cfg(kernels = "armv7m")]
mod armv7m;
#[cfg(kernels = "dsp")]
mod dsp;

#[cfg(not(kernels = "portable"))]
pub use dot::dot4;
#[cfg(kernels = "dsp")]
pub use dsp::{max_bytes, merge_two_words};
#[cfg(kernels = "portable")]
pub use portable::dot4;
#[cfg(not(kernels = "dsp"))]
pub use portable::{max_bytes, merge_two_words};

use crate::plan::{Kernel, Taps};

/// Whether this target has the kernel.
#[inline(always)]
pub const fn has(kernel: Kernel, taps: Taps) -> bool {
    let near = matches!(taps, Taps::Three | Taps::One { stride: 1 | 2 });
    match kernel {
        Kernel::Portable => false,
        Kernel::Widened16 | Kernel::WidenedOdd16 | Kernel::Widened8 | Kernel::Narrow8 | Kernel::Image16 => {
            cfg!(kernels = "dsp") && near
        }
        Kernel::WidenedDuals => cfg!(kernels = "dsp") && near,
        Kernel::Long | Kernel::Plain => cfg!(kernels = "armv7m") && near,
        Kernel::Spread16 | Kernel::Spread8 => cfg!(kernels = "armv6m") && near,
        Kernel::DepthwiseThree | Kernel::DepthwiseQuads | Kernel::DenseOctets => cfg!(kernels = "dsp"),
        Kernel::DepthwisePairs => cfg!(kernels = "armv7m"),
        Kernel::DepthwiseUnsigned32 | Kernel::DepthwiseUnsigned8 => cfg!(kernels = "armv6m"),
        Kernel::DenseDuals => cfg!(any(kernels = "armv7m", kernels = "armv6m")),
    }
}

#[cfg(target_endian = "big")]
compile_error!("a plan's words hold bytes low byte first; big-endian targets are not supported");

/// Words as the bytes they hold, low byte first.
pub fn as_bytes(words: &[u32]) -> &[u8] {
    // SAFETY: four u8 fill a u32 exactly, every bit pattern is valid, and the borrow is that of `words`.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 4) }
}

/// Words as the bytes they hold, low byte first.
pub fn as_bytes_mut(words: &mut [u32]) -> &mut [u8] {
    // SAFETY: as in `as_bytes`; the borrow is exclusive.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 4) }
}

/// Words as the int8 values they hold, low byte first.
pub fn as_i8(words: &[u32]) -> &[i8] {
    bytes_as_i8(as_bytes(words))
}

/// Bytes as int8 values.
pub fn bytes_as_i8(bytes: &[u8]) -> &[i8] {
    // SAFETY: u8 and i8 have the same size and alignment and every bit pattern is valid; the borrow is that of `bytes`.
    unsafe { core::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) }
}

/// Copies `len` words.
///
/// # Safety
/// They are there at both places, which lie apart.
#[cfg(kernels = "portable")]
pub unsafe fn copy_words(from: *const u32, to: *mut u32, len: usize) {
    // SAFETY: the caller's.
    unsafe { core::ptr::copy_nonoverlapping(from, to, len) };
}

/// Copies `len` words, three at a time: `memcpy` is for bytes at any place, and longer than all that is done in a step besides.
///
/// # Safety
/// They are there at both places, which lie apart.
#[cfg(not(kernels = "portable"))]
pub unsafe fn copy_words(from: *const u32, to: *mut u32, len: usize) {
    // SAFETY: it reads and writes `len` words, which the caller vouches for, and says what it clobbers.
    unsafe {
        core::arch::asm!(
            "b 2f",
            "1: ldmia r0!, {{r2, r3, r4}}",
            "stmia r1!, {{r2, r3, r4}}",
            "2: subs r5, #3",
            "bhs 1b",
            "adds r5, #3",
            "b 4f",
            "3: ldmia r0!, {{r2}}",
            "stmia r1!, {{r2}}",
            "4: subs r5, #1",
            "bhs 3b",
            inout("r0") from => _,
            inout("r1") to => _,
            inout("r5") len => _,
            out("r2") _,
            out("r3") _,
            out("r4") _,
            options(nostack),
        );
    }
}

//! What depends on the processor: views of words as bytes, inner products, and kernels for particular cores.
//!
//! [`portable`] and `ops` are the definition; a kernel for one core gives the same bits. Which core this is
//! `build.rs` says as `cfg(kernels = "…")`, because the compiler does not tell whether there is a DSP extension; `INFER_KERNELS=portable`
//! in the environment of the build keeps all of them out.

#![allow(unsafe_code)] // the one place; each block says what makes it sound

pub(crate) mod conv;
pub(crate) mod dense;
pub(crate) mod depthwise;
pub mod portable;
pub(crate) mod records;

#[cfg(kernels = "armv6m")]
mod armv6m;
#[cfg(kernels = "armv7m")]
mod armv7m;
#[cfg(kernels = "dsp")]
mod dsp;

#[cfg(kernels = "dsp")]
pub use dsp::max_bytes;
#[cfg(not(kernels = "dsp"))]
pub use portable::max_bytes;
pub use portable::{dot, dot4};

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

/// Words as accumulators.
pub fn as_i32_mut(words: &mut [u32]) -> &mut [i32] {
    // SAFETY: i32 and u32 have the same size and alignment and every bit pattern is valid; the borrow is exclusive.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len()) }
}

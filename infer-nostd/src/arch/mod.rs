//! What depends on the processor: views of words as bytes, and the inner products.
//!
//! [`portable`] is the definition. A kernel for one core must give the same bits.

#![allow(unsafe_code)] // the one place; each block says what makes it sound

pub mod portable;

pub use portable::dot;

#[cfg(target_endian = "big")]
compile_error!("a plan's words hold bytes low byte first; big-endian targets are not supported");

/// Words as the int8 values they hold, low byte first.
pub fn as_i8(words: &[u32]) -> &[i8] {
    // SAFETY: four i8 fill a u32 exactly, every bit pattern is valid, and the borrow is that of `words`.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), words.len() * 4) }
}

/// Words as the int8 values they hold, low byte first.
pub fn as_i8_mut(words: &mut [u32]) -> &mut [i8] {
    // SAFETY: as in `as_i8`; the borrow is exclusive.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 4) }
}

/// Words as accumulators.
pub fn as_i32_mut(words: &mut [u32]) -> &mut [i32] {
    // SAFETY: i32 and u32 have the same size and alignment and every bit pattern is valid; the borrow is exclusive.
    unsafe { core::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len()) }
}

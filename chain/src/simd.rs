//! Which vectors the CPU has.

use pulp::{Arch, Simd, WithSimd};

/// Runs `work` with the widest vectors that both the CPU and this crate know: AVX2 with FMA, NEON, or plain numbers.
pub fn dispatch<W: WithSimd>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, work);
    }
    Arch::new().dispatch(work)
}

/// A slice as vectors. Its length is a multiple of their lanes.
#[inline(always)]
pub fn vectors<S: Simd>(values: &[f32]) -> &[S::f32s] {
    S::as_simd_f32s(values).0
}

/// A slice as vectors to be written.
#[inline(always)]
pub fn vectors_mut<S: Simd>(values: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(values).0
}

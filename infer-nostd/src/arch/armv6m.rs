//! Kernels for ARMv6-M (Cortex-M0, M0+): eight low registers, one 32-bit multiply, no signed byte load with an offset.
//!
//! Input is U8 (a + 128), two lanes a plane; output is bytes, two lanes a plane, of either sign: the zero point and the
//! clamp say which. All of it is exact for every plan, |acc << shift| < 2^31.
//!
//! # Convolution: spread the windows once, then run every channel over the list
//!
//! A call first spreads the windows of its pixels out on the stack, one entry a *tap* (a step and a kx), and runs all output channels
//! over that list. Segments, strides and widths are the business of a short front end for each shape; one
//! loop over channels serves them all. The stack needs four bytes a tap and pixel, and 88; an odd tap counts as two, and in blocks of one
//! pixel of `Spread8` taps count by fours. Pixels lie at even addresses.
//!
//! There are two packings of the weights. In both, bias and multiplier are words, taps come in the order of the steps, kx innermost,
//! and an odd number of taps is filled up with one tap of zero weights.
//!
//! **[`Kernel::Spread16`]**, 2 bytes a weight: groups of two channels (an odd last one filled up with zeros and multiplier 1)
//!
//! ```text
//! [bias o0] [bias o1]   for each two taps a, b: [W(o0, a)] [W(o0, b)] [W(o1, a)] [W(o1, b)]   [m o0] [m o1]
//! W = w(lane 1) + (w(lane 0) << 16), wrapping
//! ```
//!
//! An entry of the list is X = a0 + (a1 << 16), so one multiply makes two products of one output: modulo 2^32
//! X·W = a0·w1 + ((a0·w0 + a1·w1) << 16). The sum wanted is the high half, |a0·w0 + a1·w1| ≤ 2·128·127 < 2^15; the low half is
//! |a0·w1| < 2^15, and rounding to the nearest multiple of 2^16 removes it: ASRS #16 leaves the half bit in the carry, ADCS adds
//! both to the accumulator. 8 multiply-accumulates are 15 instructions, loads included. Each pixel has a list of its own.
//!
//! **[`Kernel::Spread8`]**, 1 byte a weight: channel by channel
//!
//! ```text
//! [bias]   for each tap: [w(lane 0), w(lane 1)] as int8, two taps a word   [m]
//! ```
//!
//! Widening a weight costs as much as using it, so each is used for four pixels: an entry of the list is two words (one a lane)
//! that hold two pixels each, X = a(p) + (a(q) << 16). P = X(lane 0)·w0 + X(lane 1)·w1 holds the sums of both pixels, |low| < 2^15. T += P, and
//! S += P rounded to its high half; in the end q's accumulator is S and p's is T - (S << 16). 16 multiply-accumulates are 36 instructions.
//! Pixels pair up as 0 2 | 1 3, or 0 1 in blocks of two; blocks of three are blocks of four with one output too many.
//!
//! A block of one pixel pairs up taps instead: an entry is two words (one a lane) of two taps each, X = a(tap 1) + (a(tap 0) << 16), and
//! a word of the stream makes two W = w(tap 0) + (w(tap 1) << 16), which are multiplied and rounded as in `Spread16`.
//! 8 multiply-accumulates are 28 instructions: a quarter more a pixel than in blocks of two, with half their list.
//!
//! # Depthwise
//!
//! No trick pays there: load, multiply, add. Weights are words ([`Kernel::DepthwiseUnsigned32`]) or int8, two taps a word
//! ([`Kernel::DepthwiseUnsigned8`]), and since activations come as u = a + 128, the bias is less 128·Σw:
//!
//! ```text
//! [bias lane 0] [bias lane 1]   for each ky, kx: [w lane 0] [w lane 1]   [m lane 0] [m lane 1]
//! ```
//!
//! A lane without a channel has zero weights and multiplier 1.
//!
//! # Dense
//!
//! Four outputs at once, a row of any layout as it lies there: X of inputs 0 and 2, then of 1 and 3, meets the weights of each output as in
//! `Spread8` with one pixel, except that a weight is stored as w + 128, so that no sign has to be flipped. No list: 64 weights are worth more than
//! spreading four inputs anew for every group. 16 multiply-accumulates are 63 instructions.

use super::blocks;
use crate::plan::Kernel;
use core::arch::global_asm;

blocks::functions! {
    Spread16 THREE 1 => infer_m0_words_t3_n1,
    Spread16 THREE 2 => infer_m0_words_t3_n2,
    Spread16 THREE 3 => infer_m0_words_t3_n3,
    Spread16 THREE 4 => infer_m0_words_t3_n4,
    Spread16 ONE|ONE_STRIDE_2 1 => infer_m0_words_t1_n1,
    Spread16 ONE 2 => infer_m0_words_t1s1_n2,
    Spread16 ONE_STRIDE_2 2 => infer_m0_words_t1s2_n2,
    Spread8 THREE 1 => infer_m0_bytes_t3_n1,
    Spread8 THREE 2 => infer_m0_bytes_t3_n2,
    Spread8 THREE 3 => infer_m0_bytes_t3_n3,
    Spread8 THREE 4 => infer_m0_bytes_t3_n4,
    Spread8 ONE|ONE_STRIDE_2 1 => infer_m0_bytes_t1_n1,
    Spread8 ONE 2 => infer_m0_bytes_t1s1_n2,
    Spread8 ONE 3 => infer_m0_bytes_t1s1_n3,
    Spread8 ONE 4 => infer_m0_bytes_t1s1_n4,
    Spread8 ONE_STRIDE_2 2 => infer_m0_bytes_t1s2_n2,
    Spread8 ONE_STRIDE_2 3 => infer_m0_bytes_t1s2_n3,
    Spread8 ONE_STRIDE_2 4 => infer_m0_bytes_t1s2_n4,
    DepthwiseUnsigned32 DEPTHWISE_3|DEPTHWISE_3_STRIDE_2 1 => infer_m0_depthwise3_n1,
    DepthwiseUnsigned32 DEPTHWISE_3 2 => infer_m0_depthwise3_s1_n2,
    DepthwiseUnsigned32 DEPTHWISE_3_STRIDE_2 2 => infer_m0_depthwise3_s2_n2,
    DepthwiseUnsigned32 DEPTHWISE|DEPTHWISE_STRIDED 1 => infer_m0_depthwise_n1,
    DepthwiseUnsigned32 DEPTHWISE 2 => infer_m0_depthwise_s1_n2,
    DepthwiseUnsigned32 DEPTHWISE_STRIDED 2 => infer_m0_depthwise_s2_n2,
    DepthwiseUnsigned8 DEPTHWISE_3|DEPTHWISE_3_STRIDE_2 1 => infer_m0_depthwise3_bytes_n1,
    DepthwiseUnsigned8 DEPTHWISE_3 2 => infer_m0_depthwise3_bytes_s1_n2,
    DepthwiseUnsigned8 DEPTHWISE_3_STRIDE_2 2 => infer_m0_depthwise3_bytes_s2_n2,
    DepthwiseUnsigned8 DEPTHWISE|DEPTHWISE_STRIDED 1 => infer_m0_depthwise_bytes_n1,
    DepthwiseUnsigned8 DEPTHWISE 2 => infer_m0_depthwise_bytes_s1_n2,
    DepthwiseUnsigned8 DEPTHWISE_STRIDED 2 => infer_m0_depthwise_bytes_s2_n2,
}

global_asm!(
    // What all kernels share: registers, arguments, rounding.
    r#"
    .syntax unified

// The frame, from sp upwards; the lists follow it.
    .equ M0_LIST, 0             // bytes of one pixel's list of words
    .equ M0_END, 4              // Words: behind the last list
    .equ M0_LAST, 4             // Bytes: where the last pixel is stored
    .equ M0_RAW, 4              // Bytes, one pixel: bytes of the window as it came, filled up to two taps
    .equ M0_STREAM, 8           // Words: of the present group. Bytes: of the next channel
    .equ M0_OUT, 12             // where the next output goes
    .equ M0_NEXT, 16            // Words: from behind the last pixel to the first of the next plane. Bytes: to the next channel
    .equ M0_CHANNELS, 20        // left to do
    .equ M0_SHIFT, 24
    .equ M0_SIZE, 28            // of frame and lists
    .equ M0_ARGS, 32
    .equ M0_MIN, 36
    .equ M0_PLANE, 40           // out_plane_len
    .equ M0_ENTRY, 44           // into the unrolled loop
    .equ M0_SKIP, 48            // bytes of weights that the entry leaves out
    .equ M0_LISTS, 52           // with the nine saved registers a multiple of 8

    .macro m0_function name
    .section .text.\name, "ax", %progbits
    .global \name
    .hidden \name
    .type   \name, %function
    .thumb_func
\name:
    .endm

    .macro m0_save
    push    {r4-r7, lr}
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    push    {r4-r7}
    .endm

    .macro m0_restore
    pop     {r4-r7}
    mov     r8, r4
    mov     r9, r5
    mov     r10, r6
    mov     r11, r7
    pop     {r4-r7, pc}
    .endm

// From the arguments at r0: SHIFT, MIN, and in registers
// r11 = the least accumulator worth rounding, r12 = zero point - min, lr = max - min.
    .macro m0_bounds
    ldr     r4, [r0, #32]
    str     r4, [sp, #M0_SHIFT]
    ldr     r4, [r0, #28]
    ldr     r5, [r0, #36]
    ldr     r6, [r0, #40]
    str     r5, [sp, #M0_MIN]
    subs    r6, r6, r5
    mov     lr, r6
    movs    r6, #0
    subs    r4, r4, r5
    mov     r12, r4
    ble     1f              // zero point <= min (ReLU): whatever is below 0 becomes min
    movs    r6, #1
    lsls    r6, r6, #31
1:  mov     r11, r6
    .endm

// Accumulator \a to an output. With a = ah·2^16 + al (ah signed) and m = mh·2^16 + ml,
//   (a·m + 2^31) >> 32 = ah·mh + (u >> 16) + ((u mod 2^16 + al·mh + 2^15) >> 16),   u = ah·ml + (al·ml >> 16)
// -2^31 < u < 2^31 since |ah| <= 2^15 and ml < 2^16; u mod 2^16 + al·mh < 2^32 since mh < 2^15; the 2^15 is the carry of the last shift.
// r2 = mh, r4 = ml, or they come from [r1, #\m]. Clobbers r3, r5 and \t; where \t is r0, r2 and r4 are kept.
    .macro m0_output a, t, m
    cmp     \a, r11
    blt     8f
    .ifnb \m
    ldrh    r4, [r1, #\m]
    ldrh    r2, [r1, #\m + 2]
    .endif
    ldr     r3, [sp, #M0_SHIFT]
    lsls    \a, \a, r3
    asrs    r5, \a, #16
    uxth    \a, \a
    mov     r3, \a
    muls    r3, r4, r3
    lsrs    r3, r3, #16
    .ifc \t, r4
    muls    r4, r5, r4
    .else
    mov     \t, r5
    muls    \t, r4, \t
    .endif
    adds    r3, r3, \t
    muls    \a, r2, \a
    muls    r5, r2, r5
    asrs    \t, r3, #16
    adds    r5, r5, \t
    uxth    r3, r3
    adds    \a, \a, r3
    lsrs    \a, \a, #16
    adcs    \a, r5
    add     \a, r12
    cmp     \a, lr          // unsigned: below 0 is beyond max - min as well
    bhi     6f
7:  ldr     r3, [sp, #M0_MIN]
    adds    \a, \a, r3
5:
    .subsection 1           // what is rare, behind the function's end
8:  ldr     \a, [sp, #M0_MIN]
    b       5b
6:  asrs    \a, \a, #31
    mvns    \a, \a
    mov     r3, lr
    ands    \a, r3          // 0 or max - min
    b       7b
    .previous
    .endm
"#,
    // The front ends of the convolutions.
    r#"
// Makes the frame, with room for \n words a tap. Leaves r2 = the first list, r3 = LIST, r8 = -0x00800080, r9 = plane_len,
// r11, r12 = segments. With \raw the list is filled up to four taps, RAW is set, and r2 = that far from the list's end.
    .macro m0_enter taps, n, raw
    m0_save
    ldr     r1, [r0, #0]
    ldr     r2, [r0, #4]
    mov     r11, r1
    mov     r12, r2
    movs    r3, #0
1:  ldr     r4, [r1, #4]
    adds    r3, r3, r4
    adds    r1, #8
    cmp     r1, r2
    bne     1b
    .if \taps == 3
    lsls    r4, r3, #1
    adds    r3, r3, r4
    .endif
    adds    r3, #1          // to an even number of taps; what is never written meets a zero weight
    lsrs    r3, r3, #1
    .ifnb \raw
    lsls    r7, r3, #2
    adds    r3, #1
    lsrs    r3, r3, #1
    lsls    r3, r3, #4
    .else
    lsls    r3, r3, #3
    .endif
    movs    r4, #\n
    muls    r4, r3, r4
    mov     r5, r4
    adds    r4, #M0_LISTS
    mov     r6, sp
    subs    r6, r6, r4
    mov     sp, r6          // before anything is written: an interrupt may come any time
    str     r3, [sp, #M0_LIST]
    str     r4, [sp, #M0_SIZE]
    str     r0, [sp, #M0_ARGS]
    add     r2, sp, #M0_LISTS
    adds    r5, r5, r2
    .ifnb \raw
    str     r7, [sp, #M0_RAW]
    subs    r2, r5, r7
    .else
    str     r5, [sp, #M0_END]
    .endif
    ldr     r4, =0xff7fff80
    mov     r8, r4
    ldr     r4, [r0, #8]
    mov     r9, r4
    .endm

// Takes the next segment: r0 = its first step, r10 = behind its last.
    .macro m0_segment
    mov     r4, r11
    ldmia   r4!, {r0, r5}
    mov     r11, r4
    mov     r6, r9
    muls    r6, r5, r6
    adds    r6, r6, r0
    mov     r10, r6
    .endm

// Back to 3 for the next step, to 2 for the next segment; then on to the channels with r3 = \argument.
    .macro m0_steps channels, argument
    add     r0, r9
    cmp     r0, r10
    bne     3b
    cmp     r11, r12
    bne     2b
    movs    r3, #\argument
    bl      \channels       // which returns to our caller
    .pool
    .endm

// \x = (u[low] - 128) + ((u[high] - 128) << 16). Clobbers r1.
    .macro m0_spread x, low, high
    ldrb    \x, [r0, #\low]
    ldrb    r1, [r0, #\high]
    lsls    r1, r1, #16
    adds    \x, \x, r1
    add     \x, r8
    .endm

// Words: the two lanes of a pixel.
    .macro m0_pixel x, at
    m0_spread \x, \at, \at + 1
    .endm

    m0_function infer_m0_words_t3_n1
    m0_enter 3, 1
2:  m0_segment
3:  m0_pixel r4, 0
    m0_pixel r5, 2
    m0_pixel r6, 4
    stmia   r2!, {r4, r5, r6}
    m0_steps infer_m0_words, 2
    .size   infer_m0_words_t3_n1, . - infer_m0_words_t3_n1

    m0_function infer_m0_words_t3_n2
    m0_enter 3, 2
    adds    r3, r3, r2      // the second pixel's list
2:  m0_segment
3:  m0_pixel r4, 0
    m0_pixel r5, 2
    m0_pixel r6, 4
    m0_pixel r7, 6
    stmia   r2!, {r4, r5, r6}
    stmia   r3!, {r5, r6, r7}
    m0_steps infer_m0_words, 4
    .size   infer_m0_words_t3_n2, . - infer_m0_words_t3_n2

// More than two pixels: fewer loads a pixel, fewer calls, longer frame. lr = from the end of an entry to the next list,
// r3 = from the last list to the first.
    .macro m0_words_t3 name, n
    m0_function \name
    m0_enter 3, \n
    mov     r4, r3
    subs    r4, #12
    mov     lr, r4
    movs    r4, #(\n - 1)
    muls    r3, r4, r3
2:  m0_segment
3:  m0_pixel r4, 0
    m0_pixel r5, 2
    m0_pixel r6, 4
    m0_pixel r7, 6
    stmia   r2!, {r4, r5, r6}
    add     r2, lr
    stmia   r2!, {r5, r6, r7}
    add     r2, lr
    m0_pixel r4, 8
    stmia   r2!, {r6, r7}
    stmia   r2!, {r4}
    .if \n == 4
    add     r2, lr
    m0_pixel r5, 10
    stmia   r2!, {r7}
    stmia   r2!, {r4, r5}
    .endif
    subs    r2, r2, r3
    m0_steps infer_m0_words, 2*\n
    .size   \name, . - \name
    .endm
    m0_words_t3 infer_m0_words_t3_n3, 3
    m0_words_t3 infer_m0_words_t3_n4, 4

    .macro m0_words_t1 name, stride, n
    m0_function \name
    m0_enter 1, \n
    .if \n == 2
    adds    r3, r3, r2
    .endif
2:  m0_segment
3:  m0_pixel r4, 0
    stmia   r2!, {r4}
    .if \n == 2
    m0_pixel r4, 2*\stride
    stmia   r3!, {r4}
    .endif
    m0_steps infer_m0_words, 2*\n
    .size   \name, . - \name
    .endm
    m0_words_t1 infer_m0_words_t1_n1, 1, 1
    m0_words_t1 infer_m0_words_t1s1_n2, 1, 2
    m0_words_t1 infer_m0_words_t1s2_n2, 2, 2

// Bytes, one pixel: only copies the window, to where the list will end; two taps are a word as in the stream.
    m0_function infer_m0_bytes_t3_n1
    m0_enter 3, 1, raw
2:  m0_segment
3:  ldrh    r4, [r0, #0]
    strh    r4, [r2, #0]
    ldrh    r4, [r0, #2]
    strh    r4, [r2, #2]
    ldrh    r4, [r0, #4]
    strh    r4, [r2, #4]
    adds    r2, #6
    m0_steps infer_m0_bytes_one, 0
    .size   infer_m0_bytes_t3_n1, . - infer_m0_bytes_t3_n1

    m0_function infer_m0_bytes_t1_n1
    m0_enter 1, 1, raw
2:  m0_segment
3:  ldrh    r4, [r0, #0]
    strh    r4, [r2, #0]
    adds    r2, #2
    m0_steps infer_m0_bytes_one, 0
    .size   infer_m0_bytes_t1_n1, . - infer_m0_bytes_t1_n1

// Bytes, more pixels: a word is one lane of two pixels.
    m0_function infer_m0_bytes_t3_n2
    m0_enter 3, 2
2:  m0_segment
3:  m0_spread r4, 0, 2
    m0_spread r5, 1, 3
    m0_spread r6, 2, 4
    m0_spread r7, 3, 5
    stmia   r2!, {r4, r5, r6, r7}
    m0_spread r4, 4, 6
    m0_spread r5, 5, 7
    stmia   r2!, {r4, r5}
    m0_steps infer_m0_bytes_two, 2
    .size   infer_m0_bytes_t3_n2, . - infer_m0_bytes_t3_n2

// Pixels 0 2 | 1 3: the second pair at kx is the first at kx + 1. Blocks of three have no pixel behind the window's fifth:
// \last stands for it, and \out puts pixel 3 where pixel 1 will overwrite it.
    .macro m0_bytes_t3_four name, last, out
    m0_function \name
    m0_enter 3, 4
2:  m0_segment
3:  m0_spread r4, 0, 4
    m0_spread r5, 1, 5
    m0_spread r6, 2, 6
    m0_spread r7, 3, 7
    stmia   r2!, {r4, r5, r6, r7}
    m0_spread r4, 4, 8
    m0_spread r5, 5, 9
    stmia   r2!, {r6, r7}
    stmia   r2!, {r4, r5}
    m0_spread r6, 6, \last
    m0_spread r7, 7, \last + 1
    stmia   r2!, {r4, r5, r6, r7}
    m0_steps infer_m0_bytes_four, \out
    .size   \name, . - \name
    .endm
    m0_bytes_t3_four infer_m0_bytes_t3_n3, 8, 2
    m0_bytes_t3_four infer_m0_bytes_t3_n4, 10, 6

    .macro m0_bytes_t1_two name, stride
    m0_function \name
    m0_enter 1, 2
2:  m0_segment
3:  m0_spread r4, 0, 2*\stride
    m0_spread r5, 1, 2*\stride + 1
    stmia   r2!, {r4, r5}
    m0_steps infer_m0_bytes_two, 2
    .size   \name, . - \name
    .endm
    m0_bytes_t1_two infer_m0_bytes_t1s1_n2, 1
    m0_bytes_t1_two infer_m0_bytes_t1s2_n2, 2

    .macro m0_bytes_t1_four name, stride, last, out
    m0_function \name
    m0_enter 1, 4
2:  m0_segment
3:  m0_spread r4, 0, 4*\stride
    m0_spread r5, 1, 4*\stride + 1
    m0_spread r6, 2*\stride, \last*\stride
    m0_spread r7, 2*\stride + 1, \last*\stride + 1
    stmia   r2!, {r4, r5, r6, r7}
    m0_steps infer_m0_bytes_four, \out
    .size   \name, . - \name
    .endm
    m0_bytes_t1_four infer_m0_bytes_t1s1_n3, 1, 4, 2
    m0_bytes_t1_four infer_m0_bytes_t1s1_n4, 1, 6, 6
    m0_bytes_t1_four infer_m0_bytes_t1s2_n3, 2, 4, 2
    m0_bytes_t1_four infer_m0_bytes_t1s2_n4, 2, 6, 6
"#,
    // All channels, weights as words. r3 = bytes of the block's pixels in the output.
    r#"
// Two taps of two channels: 8 multiply-accumulates, 15 instructions, 21 cycles.
// r0 list, r1 stream, r2 r3 taps, r4 r5 weights, r6 r7 accumulators (low, for ADCS).
    .macro m0_words_taps
    ldmia   r0!, {r2, r3}
    ldmia   r1!, {r4, r5}
    muls    r4, r2, r4
    asrs    r4, r4, #16
    adcs    r6, r4
    muls    r5, r3, r5
    asrs    r5, r5, #16
    adcs    r6, r5
    ldmia   r1!, {r4, r5}
    muls    r4, r2, r4
    asrs    r4, r4, #16
    adcs    r7, r4
    muls    r5, r3, r5
    asrs    r5, r5, #16
    adcs    r7, r5
    .endm

    m0_function infer_m0_words
    ldr     r0, [sp, #M0_ARGS]
    ldr     r1, [r0, #12]
    ldr     r4, [r0, #16]
    str     r4, [sp, #M0_OUT]
    ldr     r4, [r0, #20]
    subs    r4, r4, r3
    str     r4, [sp, #M0_NEXT]
    ldr     r4, [r0, #24]
    subs    r4, #1
    str     r4, [sp, #M0_CHANNELS] // one less: 0 where a last one is left by itself
    m0_bounds
    ldr     r3, [sp, #M0_LIST]
    mov     r10, r3
    ldr     r4, [sp, #M0_CHANNELS]
    cmp     r4, #0
    bne     12f
    b       1f
12: lsrs    r3, r3, #3
    rsbs    r3, r3, #0
    movs    r2, #7
    ands    r3, r2          // how many of the 8 copies the first round leaves out
    movs    r2, #30         // bytes of a copy
    muls    r3, r2, r3
    adr     r2, 4f
    adds    r3, r3, r2
    mov     r8, r3
2:  add     r0, sp, #M0_LISTS  // a group of two channels
    str     r1, [sp, #M0_STREAM]
    mov     r9, r0
3:  add     r9, r10         // a pixel; r9 = end of its list
    ldmia   r1!, {r6, r7}
    mov     pc, r8
    .balign 4
4:  .rept 8
    m0_words_taps
    .endr
    cmp     r0, r9
    bne     4b
    ldr     r0, [sp, #M0_OUT]
    m0_output r6, r4, 0
    strb    r6, [r0, #0]
    m0_output r7, r4, 4
    strb    r7, [r0, #1]
    adds    r0, #2
    str     r0, [sp, #M0_OUT]
    ldr     r2, [sp, #M0_END]
    cmp     r9, r2
    beq     9f
    mov     r0, r9
    ldr     r1, [sp, #M0_STREAM]
    b       3b
9:  adds    r1, #8
    ldr     r2, [sp, #M0_NEXT]
    adds    r0, r0, r2
    str     r0, [sp, #M0_OUT]
    ldr     r2, [sp, #M0_CHANNELS]
    subs    r2, #2
    str     r2, [sp, #M0_CHANNELS]
    ble     1f
    b       2b
1:  bne     16f
    b       15f
16: ldr     r0, [sp, #M0_SIZE]
    add     sp, r0
    m0_restore
// An odd last channel: the words of the other of its group are walked over. r1 at its biases, r10 as above.
    .subsection 2           // what is rare in the rest has to be near it
    .balign 4
15: ldr     r3, [sp, #M0_LIST]
    lsrs    r3, r3, #3
    rsbs    r3, r3, #0
    movs    r2, #3
    ands    r3, r2          // of 4 copies
    movs    r2, #18         // bytes of a copy
    muls    r3, r2, r3
    adr     r2, 14f
    adds    r3, r3, r2
    mov     r8, r3
    add     r0, sp, #M0_LISTS
    str     r1, [sp, #M0_STREAM]
    mov     r9, r0
13: add     r9, r10
    ldmia   r1!, {r6, r7}
    mov     pc, r8
    .balign 4
14: .rept 4
    ldmia   r0!, {r2, r3}
    ldmia   r1!, {r4, r5}
    muls    r4, r2, r4
    asrs    r4, r4, #16
    adcs    r6, r4
    muls    r5, r3, r5
    asrs    r5, r5, #16
    adcs    r6, r5
    adds    r1, #8
    .endr
    cmp     r0, r9
    bne     14b
    ldr     r0, [sp, #M0_OUT]
    m0_output r6, r4, 0
    strb    r6, [r0, #0]
    adds    r0, #2
    str     r0, [sp, #M0_OUT]
    ldr     r2, [sp, #M0_END]
    cmp     r9, r2
    beq     17f
    mov     r0, r9
    ldr     r1, [sp, #M0_STREAM]
    b       13b
17: b       16b
    .size   infer_m0_words, . - infer_m0_words
    .subsection 0
"#,
    // All channels, weights as bytes, one pixel.
    r#"
// Four taps: 8 multiply-accumulates, 28 instructions, 34 cycles. A word of the stream holds both lanes of taps a and b; its even bytes make
// W = w(a) + (w(b) << 16) of lane 0, its odd ones that of lane 1: with their signs flipped they are w + 128, and r8 takes the 128 away.
// r0 list, r1 stream, r2 r3 r5 scratch, r4 the next word of the list (loaded ahead, so that each load is of two), r6 accumulator, r7 mask.
    .macro m0_bytes_one_word v
    lsrs    r5, \v, #8
    ands    \v, r7
    ands    r5, r7
    add     \v, r8
    add     r5, r8
    muls    \v, r4, \v
    asrs    \v, \v, #16
    adcs    r6, \v
    ldmia   r0!, {r2, r4}
    muls    r5, r2, r5
    asrs    r5, r5, #16
    adcs    r6, r5
    .endm

    .macro m0_bytes_one_taps
    ldmia   r1!, {r2, r3}
    mov     r5, r9
    eors    r2, r5
    eors    r3, r5
    m0_bytes_one_word r2
    m0_bytes_one_word r3
    .endm

    m0_function infer_m0_bytes_one
    add     r0, sp, #M0_LISTS
    ldr     r3, [sp, #M0_LIST]
    adds    r2, r0, r3      // end of the list, and of the copy
    ldr     r5, [sp, #M0_RAW]
    subs    r1, r2, r5
    movs    r4, #4
    adds    r6, r2, r4
    mov     r10, r6         // where r0 will be in the end
    lsls    r5, r5, #1
    subs    r5, r3, r5      // 8 where the list starts with two taps of zeros, else 0
    lsrs    r6, r5, #1
    str     r6, [sp, #M0_SKIP] // the weights of such taps: whatever stands there, the bias
    lsrs    r3, r3, #4
    rsbs    r3, r3, #0
    movs    r6, #3
    ands    r3, r6          // how many of the 4 copies the first round leaves out
    movs    r6, #56         // bytes of a copy
    muls    r3, r6, r3
    adr     r6, 4f
    adds    r3, r3, r6
    str     r3, [sp, #M0_ENTRY]
    movs    r6, #0
    movs    r7, #0
    stmia   r0!, {r6, r7}
    subs    r0, #8
    adds    r0, r0, r5
    ldr     r7, =0x00ff00ff
    movs    r3, #16
3:  ldmia   r1!, {r4}       // two taps a, b: a(b) + (a(a) << 16) of either lane. Never overtakes the copy
    rors    r4, r3
    lsrs    r5, r4, #8
    ands    r4, r7
    ands    r5, r7
    add     r4, r8
    add     r5, r8
    stmia   r0!, {r4, r5}
    cmp     r0, r2
    bne     3b
    ldr     r0, [sp, #M0_ARGS]
    ldr     r1, [r0, #12]
    ldr     r4, [r0, #16]
    str     r4, [sp, #M0_OUT]
    ldr     r4, [r0, #20]
    str     r4, [sp, #M0_PLANE]
    movs    r4, #1
    str     r4, [sp, #M0_NEXT]
    ldr     r4, [r0, #24]
    str     r4, [sp, #M0_CHANNELS]
    ldr     r4, =0x80808080
    mov     r9, r4
    m0_bounds
2:  ldmia   r1!, {r6}
    ldr     r2, [sp, #M0_SKIP]
    subs    r1, r1, r2
    add     r0, sp, #M0_LISTS
    ldmia   r0!, {r4}
    ldr     r2, [sp, #M0_ENTRY]
    mov     pc, r2
    .balign 4
4:  .rept   4
    m0_bytes_one_taps
    .endr
    cmp     r0, r10
    bne     4b
    m0_output r6, r4, 0
    adds    r1, #4
    ldr     r0, [sp, #M0_OUT]
    strb    r6, [r0, #0]
    ldr     r2, [sp, #M0_NEXT]
    adds    r0, r0, r2
    str     r0, [sp, #M0_OUT]
    ldr     r3, [sp, #M0_PLANE]
    subs    r3, r3, r2      // 1, plane - 1, 1, ...
    str     r3, [sp, #M0_NEXT]
    ldr     r2, [sp, #M0_CHANNELS]
    subs    r2, #1
    str     r2, [sp, #M0_CHANNELS]
    beq     9f
    b       2b
9:  ldr     r0, [sp, #M0_SIZE]
    add     sp, r0
    m0_restore
    .pool
    .subsection 2
    .size   infer_m0_bytes_one, . - infer_m0_bytes_one
    .previous
"#,
    // All channels, weights as bytes, two or four pixels. r3 = where the last pixel goes.
    r#"
// Two pixels of both lanes. r2 r3 weights.
    .macro m0_bytes_pair t, s
    ldmia   r0!, {r4, r5}
    muls    r4, r2, r4
    muls    r5, r3, r5
    adds    r4, r4, r5
    add     \t, r4
    asrs    r4, r4, #16
    adcs    \s, r4
    .endm

// T in r8 and r9, S in r6 and r7, end of the list in r10.
    .macro m0_bytes name, four, unroll, copy
    m0_function \name
    str     r3, [sp, #M0_LAST]
    ldr     r2, [sp, #M0_LIST]
    lsrs    r3, r2, #2      // taps
    lsls    r2, r2, #(1 + \four)
    add     r0, sp, #M0_LISTS
    adds    r2, r2, r0
    mov     r10, r2
    rsbs    r3, r3, #0
    movs    r2, #(\unroll - 1)
    ands    r3, r2          // how many copies the first round leaves out
    lsls    r2, r3, #1
    str     r2, [sp, #M0_SKIP]
    movs    r2, #\copy
    muls    r3, r2, r3
    adr     r2, 4f
    adds    r3, r3, r2
    str     r3, [sp, #M0_ENTRY]
    ldr     r0, [sp, #M0_ARGS]
    ldr     r1, [r0, #12]
    ldr     r4, [r0, #16]
    str     r4, [sp, #M0_OUT]
    ldr     r4, [r0, #20]
    str     r4, [sp, #M0_PLANE]
    movs    r4, #1
    str     r4, [sp, #M0_NEXT]
    ldr     r4, [r0, #24]
    str     r4, [sp, #M0_CHANNELS]
    m0_bounds
2:  ldmia   r1!, {r6}       // S = bias, T = bias + (S << 16)
    lsls    r4, r6, #16
    adds    r4, r4, r6
    mov     r8, r4
    .if \four
    mov     r9, r4
    mov     r7, r6
    .endif
    ldr     r2, [sp, #M0_SKIP]
    subs    r1, r1, r2
    add     r0, sp, #M0_LISTS
    ldr     r2, [sp, #M0_ENTRY]
    mov     pc, r2
    .balign 4
4:  .set    m0_at, 0
    .rept   \unroll
    ldrh    r3, [r1, #m0_at]
    sxtb    r2, r3
    sxth    r3, r3
    asrs    r3, r3, #8
    m0_bytes_pair r8, r6
    .if \four
    m0_bytes_pair r9, r7
    .endif
    .set    m0_at, m0_at + 2
    .endr
    adds    r1, #(2*\unroll)
    cmp     r0, r10
    bne     4b
    lsls    r2, r6, #16
    mov     r3, r8
    subs    r3, r3, r2
    mov     r8, r3
    .if \four
    lsls    r2, r7, #16
    mov     r3, r9
    subs    r3, r3, r2
    mov     r9, r3
    .endif
    ldrh    r4, [r1, #0]
    ldrh    r2, [r1, #2]
    adds    r1, #4
    str     r1, [sp, #M0_STREAM]
    ldr     r1, [sp, #M0_OUT]
    .if \four
    m0_output r7, r0
    ldr     r0, [sp, #M0_LAST]
    strb    r7, [r1, r0]    // pixel 3, or nothing yet
    m0_output r6, r0
    strb    r6, [r1, #4]
    mov     r6, r8
    m0_output r6, r0
    strb    r6, [r1, #0]
    mov     r6, r9
    m0_output r6, r0
    strb    r6, [r1, #2]
    .else
    m0_output r6, r0
    ldr     r0, [sp, #M0_LAST]
    strb    r6, [r1, r0]
    mov     r6, r8
    m0_output r6, r0
    strb    r6, [r1, #0]
    .endif
    ldr     r2, [sp, #M0_NEXT]
    adds    r1, r1, r2
    str     r1, [sp, #M0_OUT]
    ldr     r3, [sp, #M0_PLANE]
    subs    r3, r3, r2      // 1, plane - 1, 1, ...
    str     r3, [sp, #M0_NEXT]
    ldr     r1, [sp, #M0_STREAM]
    ldr     r2, [sp, #M0_CHANNELS]
    subs    r2, #1
    str     r2, [sp, #M0_CHANNELS]
    beq     9f
    b       2b
    .subsection 2
9:  ldr     r0, [sp, #M0_SIZE]
    add     sp, r0
    m0_restore
    .size   \name, . - \name
    .previous
    .endm

    m0_bytes infer_m0_bytes_two, 0, 8, 22
    m0_bytes infer_m0_bytes_four, 1, 4, 36
"#,
    // Depthwise: 13 instructions a tap for two pixels of two lanes, 16 with int8 weights (5 more where the width is not 3).
    r#"
// The frame, beside SHIFT and MIN; 44 bytes.
    .equ M0D_ROWS, 0
    .equ M0D_ROWS_END, 4
    .equ M0D_STREAM, 8
    .equ M0D_OUT, 12
    .equ M0D_OUT_PLANE, 16
    .equ M0D_PLANES, 20
    .equ M0D_PLANE, 28          // plane_len
    .equ M0D_ROW_LEN, 32
    .equ M0D_ROW_END, 40

// r0 pixel, r1 stream, r5 next segment, r6 r8 lane 0 and 1 of pixel 0, r7 r9 of pixel 1.
    .macro m0_depthwise_tap at, stride, n, bytes
    .if \bytes
    ldrh    r3, [r1, #\at] // a tap's weights take as much as its pixel
    sxtb    r2, r3
    sxth    r3, r3
    asrs    r3, r3, #8
    .else
    ldmia   r1!, {r2, r3}
    .endif
    ldrb    r4, [r0, #\at]
    muls    r4, r2, r4
    adds    r6, r6, r4
    .if \n == 2
    ldrb    r4, [r0, #\at + 2*\stride]
    muls    r4, r2, r4
    adds    r7, r7, r4
    ldrb    r4, [r0, #\at + 2*\stride + 1]
    muls    r4, r3, r4
    add     r9, r4
    .endif
    ldrb    r4, [r0, #\at + 1]
    muls    r4, r3, r4
    add     r8, r4
    .endm

// One lane's outputs: accumulators r6 and r7, multiplier at \m of the stream.
    .macro m0_depthwise_lane lane, n
    ldr     r1, [sp, #M0D_STREAM]
    ldrh    r4, [r1, #4*\lane]
    ldrh    r2, [r1, #4*\lane + 2]
    ldr     r1, [sp, #M0D_OUT]
    m0_output r6, r0
    strb    r6, [r1, #\lane]
    .if \n == 2
    m0_output r7, r0
    strb    r7, [r1, #\lane + 2]
    .endif
    .endm

    .macro m0_depthwise name, width, stride, n, bytes
    m0_function \name
    m0_save
    sub     sp, #44
    ldr     r1, [r0, #0]
    str     r1, [sp, #M0D_ROWS]
    ldr     r1, [r0, #4]
    str     r1, [sp, #M0D_ROWS_END]
    ldr     r1, [r0, #8]
    str     r1, [sp, #M0D_PLANE]
    ldr     r1, [r0, #16]
    str     r1, [sp, #M0D_OUT]
    ldr     r1, [r0, #20]
    str     r1, [sp, #M0D_OUT_PLANE]
    ldr     r1, [r0, #24]
    adds    r1, #1
    lsrs    r1, r1, #1
    str     r1, [sp, #M0D_PLANES]
    .if \width == 0
    ldr     r1, [r0, #0]
    ldr     r1, [r1, #4]    // taps of a row
    lsls    r1, r1, #1      // they lie side by side
    str     r1, [sp, #M0D_ROW_LEN]
    .endif
    m0_bounds
    ldr     r1, [r0, #12]
    movs    r0, #0
    mov     r10, r0         // where the plane lies in a row
2:  ldmia   r1!, {r6, r7}
    mov     r8, r7
    .if \n == 2
    mov     r9, r7
    mov     r7, r6
    .endif
    ldr     r5, [sp, #M0D_ROWS]
3:  ldmia   r5!, {r0, r4}
    add     r0, r10
    .if \width == 3
    m0_depthwise_tap 0, \stride, \n, \bytes
    m0_depthwise_tap 2, \stride, \n, \bytes
    m0_depthwise_tap 4, \stride, \n, \bytes
    .if \bytes
    adds    r1, #6
    .endif
    .else
    ldr     r4, [sp, #M0D_ROW_LEN]
    adds    r4, r4, r0
    str     r4, [sp, #M0D_ROW_END]
4:  m0_depthwise_tap 0, \stride, \n, \bytes
    .if \bytes
    adds    r1, #2
    .endif
    adds    r0, #2
    ldr     r4, [sp, #M0D_ROW_END]
    cmp     r0, r4
    bne     4b
    .endif
    ldr     r4, [sp, #M0D_ROWS_END]
    cmp     r5, r4
    bne     3b
    .if \bytes
    adds    r1, #2          // to whole words
    lsrs    r1, r1, #2
    lsls    r1, r1, #2
    .endif
    str     r1, [sp, #M0D_STREAM]
    m0_depthwise_lane 0, \n
    mov     r6, r8
    .if \n == 2
    mov     r7, r9
    .endif
    m0_depthwise_lane 1, \n
    ldr     r2, [sp, #M0D_OUT_PLANE]
    adds    r1, r1, r2
    str     r1, [sp, #M0D_OUT]
    ldr     r1, [sp, #M0D_STREAM]
    adds    r1, #8
    ldr     r2, [sp, #M0D_PLANE]
    add     r10, r2
    ldr     r2, [sp, #M0D_PLANES]
    subs    r2, #1
    str     r2, [sp, #M0D_PLANES]
    beq     9f
    b       2b
    .subsection 2
9:  add     sp, #44
    m0_restore
    .size   \name, . - \name
    .previous
    .endm

    m0_depthwise infer_m0_depthwise3_n1, 3, 0, 1, 0
    m0_depthwise infer_m0_depthwise3_s1_n2, 3, 1, 2, 0
    m0_depthwise infer_m0_depthwise3_s2_n2, 3, 2, 2, 0
    m0_depthwise infer_m0_depthwise_n1, 0, 0, 1, 0
    m0_depthwise infer_m0_depthwise_s1_n2, 0, 1, 2, 0
    m0_depthwise infer_m0_depthwise_s2_n2, 0, 2, 2, 0
    m0_depthwise infer_m0_depthwise3_bytes_n1, 3, 0, 1, 1
    m0_depthwise infer_m0_depthwise3_bytes_s1_n2, 3, 1, 2, 1
    m0_depthwise infer_m0_depthwise3_bytes_s2_n2, 3, 2, 2, 1
    m0_depthwise infer_m0_depthwise_bytes_n1, 0, 0, 1, 1
    m0_depthwise infer_m0_depthwise_bytes_s1_n2, 0, 1, 2, 1
    m0_depthwise infer_m0_depthwise_bytes_s2_n2, 0, 2, 2, 1
"#,
    // Dense: four outputs over one row.
    r#"
// The frame, beside SHIFT, ARGS and MIN; 68 bytes.
    .equ M0F_SUMS, 52           // four

// Four inputs in r2, r3 and the weights that one output has for them. r4, r5 scratch, r6 = 0, r7 = 0x00ff00ff, r12 = -0x00800080,
// lr = end of the row.
    .macro m0_dense_output acc
    ldmia   r1!, {r4}
    lsrs    r5, r4, #8
    ands    r4, r7
    ands    r5, r7
    add     r4, r12
    add     r5, r12
    muls    r4, r2, r4
    muls    r5, r3, r5
    asrs    r4, r4, #16
    adcs    r4, r6
    asrs    r5, r5, #16
    adcs    r4, r5
    add     \acc, r4
    .endm

// 16 multiply-accumulates in 63 instructions, 68 cycles. r0 row, r1 weights, r8-r11 sums.
    .macro m0_dense_step
    ldmia   r0!, {r4}
    sxtb    r2, r4
    lsls    r2, r2, #16
    lsrs    r5, r4, #16
    sxtb    r5, r5
    adds    r2, r2, r5          // a2 + (a0 << 16)
    lsrs    r3, r4, #8
    sxtb    r3, r3
    lsls    r3, r3, #16
    asrs    r4, r4, #24
    adds    r3, r3, r4          // a3 + (a1 << 16)
    m0_dense_output r8
    m0_dense_output r9
    m0_dense_output r10
    m0_dense_output r11
    .endm

    m0_function infer_m0_dense_duals
    m0_save
    sub     sp, #68
    str     r0, [sp, #M0_ARGS]
    ldr     r4, [r0, #28]
    str     r4, [sp, #M0_SHIFT]
    movs    r4, #127
    mvns    r4, r4
    str     r4, [sp, #M0_MIN]
1:  ldr     r5, [sp, #M0_ARGS]  // a group
    ldr     r4, [r5, #12]       // sums to begin with
    ldmia   r4!, {r0, r1, r2, r3}
    mov     r8, r0
    mov     r9, r1
    mov     r10, r2
    mov     r11, r3
    ldmia   r5!, {r0, r1, r2}   // row, weights, steps
    lsls    r3, r2, #2
    adds    r3, r3, r0
    mov     lr, r3
    ldr     r7, =0x00ff00ff
    ldr     r4, =0xff7fff80
    mov     r12, r4
    movs    r6, #0
2:  m0_dense_step
    cmp     r0, lr
    bne     2b
    mov     r4, r8
    mov     r5, r9
    mov     r6, r10
    mov     r7, r11
    ldr     r3, [sp, #M0_ARGS]
    str     r1, [r3, #4]
    ldr     r0, [r3, #16]       // where to
    ldr     r1, [r3, #20]       // multipliers
    cmp     r1, #0
    beq     4f
    add     r2, sp, #M0F_SUMS
    mov     r8, r2
    stmia   r2!, {r4-r7}
    mov     r9, r2              // their end
    movs    r2, #255            // to int8: see m0_bounds
    mov     lr, r2
    ldr     r2, [r3, #24]
    adds    r2, #128
    mov     r12, r2
    beq     13f
    movs    r2, #1
    lsls    r2, r2, #31
13: mov     r11, r2
    mov     r7, r8
14: ldmia   r7!, {r6}
    m0_output r6, r4, 0
    strb    r6, [r0, #0]
    adds    r0, #1
    adds    r1, #4
    cmp     r7, r9
    bne     14b
    adds    r1, #16             // behind the next group's biases
11: ldr     r5, [sp, #M0_ARGS]
    str     r0, [r5, #16]
    str     r1, [r5, #20]
    ldr     r2, [r5, #12]
    ldr     r3, [r5, #32]       // from a group's first sum to the next one's
    adds    r2, r2, r3
    str     r2, [r5, #12]
    ldr     r2, [r5, #36]       // groups left
    subs    r2, #1
    str     r2, [r5, #36]
    beq     12f
    b       1b
12: add     sp, #68
    m0_restore
4:  stmia   r0!, {r4-r7}
    b       11b
    .pool
    .size   infer_m0_dense_duals, . - infer_m0_dense_duals
"#,
    options(raw)
);

unsafe extern "C" {
    /// Groups of four outputs of a dense layer over one row.
    pub fn infer_m0_dense_duals(args: *mut super::dense::Args);
}

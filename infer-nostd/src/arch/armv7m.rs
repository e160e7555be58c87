//! Convolution and depthwise kernels for ARMv7-M and ARMv8-M Mainline without the DSP extension (Cortex-M3, Cortex-M33 without DSP).
//!
//! Input and output are [`Layout::Pairs`](crate::plan::Layout): a pixel is a halfword. With an odd number of channels Long
//! writes something into the unused lane. `min` and `max` of the arguments are not read: outputs saturate to int8.
//! A segment ends where its input ends, so `plane_len` is not 0.
//!
//! # Long: two output channels in one accumulator of 64 bits
//!
//! `SMLAL` adds a 32×32-bit product to 64 bits. With two weights in one word, W = w₀ + w₁·2^24, one instruction makes two
//! multiply-accumulates, and nothing has to be separated before the end:
//!
//! ```text
//! Σ a·W + (b₀ + b₁·2^24) = acc₀ + acc₁·2^24
//! ```
//!
//! acc₀ is the low 24 bits, sign extended; acc₁ is the rest, plus one where acc₀ is negative. This is exact where
//! −2^23 ≤ acc₀ < 2^23, which the planner proves before it chooses Long: |b₀| + 128·Σ|w₀| < 2^23. Only the last sum counts, since
//! everything before is linear modulo 2^64. |W| ≤ 127·2^24 + 127 < 2^31.
//!
//! # Plain: one output channel, MLA
//!
//! # Which one
//!
//! Inner loops, a multiply-accumulate each (three taps, blocks of 4, of 7 for Plain):
//!
//! | kernel | instructions | cycles of a Cortex-M3, SMLAL taking 4 | 6 | bytes of a weight | condition |
//! |---|---|---|---|---|---|
//! | Long  | 0.88 | 2.8 | 3.8 | 2 | acc₀ in 24 bits |
//! | Plain | 1.67 | 3.0 | 3.0 | 1 | none |
//!
//! The Cortex-M3's manual gives 4 to 7 cycles for SMLAL, depending on the values, and 2 for MLA, so that Plain may be the
//! faster on that core's silicon though it has more instructions.
//!
//! # Dense: two products by one multiplication
//!
//! With X = a₁ + a₀·2^16 and W = w₀ + w₁·2^16, X·W is a₁·w₀ + (a₀·w₀ + a₁·w₁)·2^16 modulo 2^32. The sum wanted is the high half, since
//! |a₀·w₀ + a₁·w₁| ≤ 2·128·127 < 2^15, and with 2^15 added the low half, |a₁·w₀| < 2^15, borrows nothing from it: `ADD …, ASR #16` adds it to the
//! accumulator. A weight is a byte, w + 128: AND with 0x00ff00ff leaves V = W + C, C = 128·(1 + 2^16), of two of the four in a word, and since
//! X·W = X·V − X·C, MLA adds 2^15 − X·C, which all outputs share.

use super::blocks;
use crate::plan::Kernel;

core::arch::global_asm!(
    r#"
    .syntax unified
    .thumb

    .macro  function name
    .section .text.\name, "ax", %progbits
    .global \name
    .type   \name, %function
    .p2align 2
    .thumb_func
\name:
    .endm

@ ---- Long ----------------------------------------------------------------------------------------------
@ r0      stream
@ r1-r3   weights
@ r4-r7   low words of accumulators 0..3; where there are fewer, r7 holds the end of the segment
@ r8-r11  high words;                                             r11 the distance between two steps
@ r12     input
@ lr      one activation
@ Accumulator i: pixel i of the block, or, with two pairs of channels, pixel i % \px of pair i / \px.
@ With four accumulators and three taps all fourteen registers are taken: the loop's constants lie on the stack, and
@ one LDRD fetches both.
    .equ    AT_STRIDE, 0
    .equ    AT_END, 4
    .equ    AT_SEGMENT, 8
    .equ    AT_SEGMENTS_END, 12
    .equ    AT_HALF, 16
    .equ    AT_ZERO_POINT, 20
    .equ    AT_SHIFT, 24
    .equ    AT_OUT, 28
    .equ    AT_OUT_PLANE, 32
    .equ    AT_OUT_END, 36
    .equ    AT_SEGMENTS, 40
    .equ    FRAME, 44

@ accumulator \i += lr * \w
    .macro  long_mac i, w
    .if (\i) == 0
    smlal   r4, r8, lr, \w
    .elseif (\i) == 1
    smlal   r5, r9, lr, \w
    .elseif (\i) == 2
    smlal   r6, r10, lr, \w
    .else
    smlal   r7, r11, lr, \w
    .endif
    .endm

    .macro  long_tap px, stride, d, w
    .if (\d) >= 0 && (\d) % \stride == 0 && (\d) < \px * \stride
    long_mac (\d) / \stride, \w
    .endif
    .endm

@ A row of one lane under three taps. Column x is kx of pixel (x - kx) / stride.
    .macro  long_row px, stride, lane
    .irp    x, 0, 1, 2, 3, 4, 5, 6, 7, 8
    .if \x <= (\px - 1) * \stride + 2
    ldrsb   lr, [r12, #2 * \x + \lane]
    long_tap \px, \stride, \x, r1
    long_tap \px, \stride, (\x - 1), r2
    long_tap \px, \stride, (\x - 2), r3
    .endif
    .endr
    .endm

@ Three taps of two lanes. Four pixels: 48 multiply-accumulates in 42 instructions, the loop's end included.
    .macro  long_t3 px, stride
    ldm     r0!, {r1-r3}
    long_row \px, \stride, 0
    ldm     r0!, {r1-r3}
    long_row \px, \stride, 1
    .endm

@ One tap of one lane, two pairs of channels.
    .macro  long_lane px, stride, lane
    ldrsb   lr, [r12, #\lane]
    long_mac 0, r1
    long_mac \px, r2
    .if \px == 2
    ldrsb   lr, [r12, #2 * \stride + \lane]
    long_mac 1, r1
    long_mac 3, r2
    .endif
    .endm

@ Two pixels: 16 multiply-accumulates in 14 instructions, without the loop's end.
    .macro  long_t1 px, stride
    ldm     r0!, {r1, r2}
    long_lane \px, \stride, 0
    ldm     r0!, {r1, r2}
    long_lane \px, \stride, 1
    .endm

@ acc0 -> \acc0, acc1 -> \hi. LSRS leaves bit 23, the sign of acc0, in the carry: ADC gives it back to acc1.
    .macro  long_split accs, i, acc0, lo, hi
    .if \i < \accs
    sbfx    \acc0, \lo, #0, #24
    lsrs    \lo, \lo, #24
    adc     \hi, \lo, \hi, lsl #8
    .endif
    .endm

    .macro  long_shift accs, i, acc0, acc1
    .if \i < \accs
    lsl     \acc0, \acc0, r1
    lsl     \acc1, \acc1, r1
    .endif
    .endm

@ y = (zero_point * 2^32 + 2^31 + acc * m) >> 32, saturated. One LDRD loads the first two terms, SMLAL adds them.
    .macro  long_output x, lane, acc, m
    ldrd    lr, r1, [sp, #AT_HALF]
    smlal   lr, r1, \acc, \m
    ssat    r1, #8, r1
    strb    r1, [r7, #2 * (\x) + \lane]
    .endm

@ Both channels of accumulator \i, where it is one of the pair's.
    .macro  long_pixel px, pair, i, acc0, acc1
    .if \i >= \px * \pair && \i < \px * \pair + \px
    long_output \i - \px * \pair, 0, \acc0, r2
    long_output \i - \px * \pair, 1, \acc1, r3
    .endif
    .endm

@ The outputs of a pair of channels. r7 then points to the next plane of the output; equal: there is none.
    .macro  long_pair px, pair
    ldm     r0!, {r2, r3}
    long_pixel \px, \pair, 0, r12, r8
    long_pixel \px, \pair, 1, r4, r9
    long_pixel \px, \pair, 2, r5, r10
    long_pixel \px, \pair, 3, r6, r11
    ldrd    r1, r2, [sp, #AT_OUT_PLANE]
    add     r7, r1
    cmp     r7, r2
    .endm

    .macro  long name, px, pairs, step, stride
    function \name
    push    {r4-r11, lr}
    sub     sp, #FRAME
    @ segments, their end, plane_len, stream, out, out_plane_len, channels, zero point, shift
    ldm     r0, {r1-r9}
    adds    r7, #1
    lsrs    r7, r7, #1
    mla     r7, r7, r6, r5                  @ the plane after the last
    mov     r10, #0x80000000
    mov     r0, r4
    str     r1, [sp, #AT_SEGMENTS]
    str     r2, [sp, #AT_SEGMENTS_END]
    strd    r10, r8, [sp, #AT_HALF]
    strd    r9, r5, [sp, #AT_SHIFT]
    strd    r6, r7, [sp, #AT_OUT_PLANE]
    .if \px * \pairs == 4
    str     r3, [sp, #AT_STRIDE]
    .else
    mov     r11, r3
    .endif

1:  @ a group of channels: biases
    .if \pairs == 1
    .if \px >= 4
    ldrd    r7, r11, [r0]
    .endif
    .if \px >= 3
    ldrd    r6, r10, [r0]
    .endif
    .if \px >= 2
    ldrd    r5, r9, [r0]
    .endif
    ldrd    r4, r8, [r0], #8
    .elseif \px == 1
    ldrd    r5, r9, [r0, #8]
    ldrd    r4, r8, [r0], #16
    .else
    ldrd    r7, r11, [r0, #8]
    ldrd    r6, r10, [r0, #8]
    ldrd    r5, r9, [r0]
    ldrd    r4, r8, [r0], #16
    .endif
    ldr     r1, [sp, #AT_SEGMENTS]

    .if \pairs == 2                         @ one tap: two steps a turn, an odd number begins at the second
    .if \px == 2
    ldr     r3, [sp, #AT_STRIDE]
2:  ldrd    r12, r2, [r1], #8
    lsls    lr, r2, #31
    mla     r2, r2, r3, r12
    strd    r2, r1, [sp, #AT_END]
    bne     4f
3:  \step   \px, \stride
    add     r12, r3
4:  \step   \px, \stride
    ldr     lr, [sp, #AT_END]
    add     r12, r3
    cmp     r12, lr
    .else
2:  ldrd    r12, r2, [r1], #8
    lsls    lr, r2, #31
    mla     r7, r2, r11, r12
    str     r1, [sp, #AT_SEGMENT]
    bne     4f
3:  \step   \px, \stride
    add     r12, r11
4:  \step   \px, \stride
    add     r12, r11
    cmp     r12, r7
    .endif
    .elseif \px == 4
    ldr     lr, [sp, #AT_STRIDE]
2:  ldrd    r12, r2, [r1], #8
    mla     r2, r2, lr, r12
    strd    r2, r1, [sp, #AT_END]
3:  \step   \px, \stride
    ldrd    lr, r1, [sp, #AT_STRIDE]
    add     r12, lr
    cmp     r12, r1
    .else
2:  ldrd    r12, r2, [r1], #8
    mla     r7, r2, r11, r12
    str     r1, [sp, #AT_SEGMENT]
3:  \step   \px, \stride
    add     r12, r11
    cmp     r12, r7
    .endif
    bne     3b
    ldrd    r1, r2, [sp, #AT_SEGMENT]
    cmp     r1, r2
    bne     2b

    long_split \px * \pairs, 0, r12, r4, r8
    long_split \px * \pairs, 1, r4, r5, r9
    long_split \px * \pairs, 2, r5, r6, r10
    long_split \px * \pairs, 3, r6, r7, r11
    ldrd    r1, r7, [sp, #AT_SHIFT]
    cbz     r1, 5f
    long_shift \px * \pairs, 0, r12, r8
    long_shift \px * \pairs, 1, r4, r9
    long_shift \px * \pairs, 2, r5, r10
    long_shift \px * \pairs, 3, r6, r11
5:  long_pair \px, 0
    .if \pairs == 2
    beq     6f
    long_pair \px, 1
    .endif
    str     r7, [sp, #AT_OUT]
    bne     1b
6:  add     sp, #FRAME
    pop     {r4-r11, pc}
    .size   \name, . - \name
    .endm

    long    armv7m_long_t3_n4, 4, 1, long_t3, 1
    long    armv7m_long_t3_n3, 3, 1, long_t3, 1
    long    armv7m_long_t3_n2, 2, 1, long_t3, 1
    long    armv7m_long_t3_n1, 1, 1, long_t3, 1
    long    armv7m_long_t1_n2, 2, 2, long_t1, 1
    long    armv7m_long_t1s2_n2, 2, 2, long_t1, 2
    long    armv7m_long_t1_n1, 1, 2, long_t1, 1

@ ---- Plain and depthwise -----------------------------------------------------------------------------------------
@ r0      stream
@ r1-r3   weights
@ r4-r11  accumulators of pixel 0..7
@ r12     input
@ lr      one activation; with fewer than eight pixels r11 is a second one, since two loads in a row take three cycles
@ Channels lie in lane 0 and lane 1 of a plane in turn, so a pointer moves by 1 and by plane_len - 1 in turn.
    .equ    AT_PLAIN_HALF, 20               @ below: the loop's constants as above, or the rows
    .equ    AT_PLAIN_ZERO_POINT, 24
    .equ    AT_PLAIN_SHIFT, 28
    .equ    AT_PLAIN_OUT, 32
    .equ    AT_PLAIN_OUT_STEP, 36
    .equ    AT_PLAIN_OUT_PLANE, 40
    .equ    AT_PLAIN_OUT_END, 44
    .equ    AT_PLAIN_SEGMENTS, 48
    .equ    PLAIN_FRAME, 52

@ accumulator \i += \a * \w
    .macro  plain_mac i, a, w
    .if (\i) == 0
    mla     r4, \a, \w, r4
    .elseif (\i) == 1
    mla     r5, \a, \w, r5
    .elseif (\i) == 2
    mla     r6, \a, \w, r6
    .elseif (\i) == 3
    mla     r7, \a, \w, r7
    .elseif (\i) == 4
    mla     r8, \a, \w, r8
    .elseif (\i) == 5
    mla     r9, \a, \w, r9
    .elseif (\i) == 6
    mla     r10, \a, \w, r10
    .else
    mla     r11, \a, \w, r11
    .endif
    .endm

@ The first product of a pixel. The bias comes from \bias, the register of the last pixel: it is needed until that
@ pixel's own first product, which is the last of them.
    .macro  plain_first i, a, w, bias
    .if (\i) == 0
    mla     r4, \a, \w, \bias
    .elseif (\i) == 1
    mla     r5, \a, \w, \bias
    .elseif (\i) == 2
    mla     r6, \a, \w, \bias
    .elseif (\i) == 3
    mla     r7, \a, \w, \bias
    .elseif (\i) == 4
    mla     r8, \a, \w, \bias
    .elseif (\i) == 5
    mla     r9, \a, \w, \bias
    .elseif (\i) == 6
    mla     r10, \a, \w, \bias
    .else
    mla     r11, \a, \w, \bias
    .endif
    .endm

    .macro  plain_tap px, stride, d, a, w, bias
    .if (\d) >= 0 && (\d) % \stride == 0 && (\d) < \px * \stride
    .ifc    \bias, none
    plain_mac (\d) / \stride, \a, \w
    .else
    plain_first (\d) / \stride, \a, \w, \bias
    .endif
    .endif
    .endm

    .macro  plain_load px, stride, lane, x, a
    .if \x <= (\px - 1) * \stride + 2
    ldrsb   \a, [r12, #2 * (\x) + \lane]
    .endif
    .endm

    .macro  plain_column px, stride, x, a, bias
    plain_tap \px, \stride, \x, \a, r1, \bias
    plain_tap \px, \stride, (\x - 1), \a, r2, none
    plain_tap \px, \stride, (\x - 2), \a, r3, none
    .endm

@ A row under three taps, as above.
    .macro  plain_row3 px, stride, lane, bias
    .irp    x, 0, 2, 4, 6, 8, 10, 12, 14, 16
    .if \px == 8
    plain_load \px, \stride, \lane, \x, lr
    plain_column \px, \stride, \x, lr, \bias
    plain_load \px, \stride, \lane, \x + 1, lr
    plain_column \px, \stride, \x + 1, lr, \bias
    .else
    plain_load \px, \stride, \lane, \x, lr
    plain_load \px, \stride, \lane, \x + 1, r11
    plain_column \px, \stride, \x, lr, \bias
    plain_column \px, \stride, \x + 1, r11, \bias
    .endif
    .endr
    .endm

@ One tap.
    .macro  plain_row1 px, stride, lane
    .irp    x, 0, 1, 2, 3
    .if \x < \px
    ldrsb   lr, [r12, #2 * \stride * \x + \lane]
    plain_mac \x, lr, r1
    .endif
    .endr
    .endm

    .macro  plain_t3 px, stride
    .irp    lane, 0, 1
    ldrsb   r3, [r0, #2]
    ldrsb   r2, [r0, #1]
    ldrsb   r1, [r0], #3
    plain_row3 \px, \stride, \lane, none
    .endr
    .endm

    .macro  plain_t1 px, stride
    .irp    lane, 0, 1
    ldrsb   r1, [r0], #1
    plain_row1 \px, \stride, \lane
    .endr
    .endm

    .macro  plain_shift i
    .if (\i) == 0
    lsl     r4, r1
    .elseif (\i) == 1
    lsl     r5, r1
    .elseif (\i) == 2
    lsl     r6, r1
    .elseif (\i) == 3
    lsl     r7, r1
    .elseif (\i) == 4
    lsl     r8, r1
    .elseif (\i) == 5
    lsl     r9, r1
    .elseif (\i) == 6
    lsl     r10, r1
    .else
    lsl     r11, r1
    .endif
    .endm

    .macro  plain_copy i
    .if (\i) == 0
    mov     r4, r4
    .elseif (\i) == 1
    mov     r5, r4
    .elseif (\i) == 2
    mov     r6, r4
    .elseif (\i) == 3
    mov     r7, r4
    .elseif (\i) == 4
    mov     r8, r4
    .elseif (\i) == 5
    mov     r9, r4
    .elseif (\i) == 6
    mov     r10, r4
    .else
    mov     r11, r4
    .endif
    .endm

@ r2 the multiplier, r3 the output
    .macro  plain_output px, x, acc
    .if \x < \px
    ldrd    lr, r1, [sp, #AT_PLAIN_HALF]
    smlal   lr, r1, \acc, r2
    ssat    r1, #8, r1
    strb    r1, [r3, #2 * \x]
    .endif
    .endm

@ The outputs of a channel. Equal: there are no more channels.
    .macro  plain_outputs px
    ldrd    r1, r3, [sp, #AT_PLAIN_SHIFT]
    cbz     r1, 4f
    .irp    x, 0, 1, 2, 3, 4, 5, 6, 7
    .if \x < \px
    plain_shift \x
    .endif
    .endr
4:  plain_output \px, 0, r4
    plain_output \px, 1, r5
    plain_output \px, 2, r6
    plain_output \px, 3, r7
    plain_output \px, 4, r8
    plain_output \px, 5, r9
    plain_output \px, 6, r10
    plain_output \px, 7, r11
    ldrd    r1, r2, [sp, #AT_PLAIN_OUT_STEP]
    add     r3, r1
    subs    r1, r2, r1
    strd    r3, r1, [sp, #AT_PLAIN_OUT]
    ldr     r1, [sp, #AT_PLAIN_OUT_END]
    cmp     r3, r1
    .endm

    .macro  plain_bias px
    ldr     r4, [r0], #4
    .irp    x, 1, 2, 3, 4, 5, 6, 7
    .if \x < \px
    plain_copy \x
    .endif
    .endr
    .endm

@ The weights fill whole words; then comes the multiplier.
    .macro  plain_multiplier
    adds    r0, #3
    bic     r0, r0, #3
    ldr     r2, [r0], #4
    .endm

@ AT_PLAIN_OUT_END = \out + channels / 2 * plane + channels % 2
    .macro  plain_out_end out, plane, channels, t
    lsrs    \t, \channels, #1
    mla     \out, \t, \plane, \out
    and     \channels, \channels, #1
    add     \out, \channels
    str     \out, [sp, #AT_PLAIN_OUT_END]
    .endm

    .macro  plain name, px, step, stride
    function \name
    push    {r4-r11, lr}
    sub     sp, #PLAIN_FRAME
    @ segments, their end, plane_len, stream, out, out_plane_len, channels, zero point, shift
    ldm     r0, {r1-r9}
    mov     r10, #0x80000000
    mov     r0, r4
    movs    r4, #1
    strd    r10, r8, [sp, #AT_PLAIN_HALF]
    strd    r9, r5, [sp, #AT_PLAIN_SHIFT]
    strd    r4, r6, [sp, #AT_PLAIN_OUT_STEP]
    str     r1, [sp, #AT_PLAIN_SEGMENTS]
    str     r2, [sp, #AT_SEGMENTS_END]
    str     r3, [sp, #AT_STRIDE]
    plain_out_end r5, r6, r7, r4
1:  @ a channel
    plain_bias \px
    ldr     r1, [sp, #AT_PLAIN_SEGMENTS]
    ldr     lr, [sp, #AT_STRIDE]
2:  @ a segment
    ldrd    r12, r2, [r1], #8
    mla     r2, r2, lr, r12
    strd    r2, r1, [sp, #AT_END]
3:  \step   \px, \stride
    ldrd    lr, r1, [sp, #AT_STRIDE]
    add     r12, lr
    cmp     r12, r1
    bne     3b
    ldrd    r1, r2, [sp, #AT_SEGMENT]
    cmp     r1, r2
    bne     2b
    plain_multiplier
    plain_outputs \px
    bne     1b
    add     sp, #PLAIN_FRAME
    pop     {r4-r11, pc}
    .size   \name, . - \name
    .endm

    plain   armv7m_plain_t3_n8, 8, plain_t3, 1
    plain   armv7m_plain_t3_n7, 7, plain_t3, 1
    plain   armv7m_plain_t3_n6, 6, plain_t3, 1
    plain   armv7m_plain_t3_n5, 5, plain_t3, 1
    plain   armv7m_plain_t3_n4, 4, plain_t3, 1
    plain   armv7m_plain_t3_n3, 3, plain_t3, 1
    plain   armv7m_plain_t3_n2, 2, plain_t3, 1
    plain   armv7m_plain_t3_n1, 1, plain_t3, 1
    plain   armv7m_plain_t1_n4, 4, plain_t1, 1
    plain   armv7m_plain_t1_n3, 3, plain_t1, 1
    plain   armv7m_plain_t1_n2, 2, plain_t1, 1
    plain   armv7m_plain_t1_n1, 1, plain_t1, 1
    plain   armv7m_plain_t1s2_n4, 4, plain_t1, 2
    plain   armv7m_plain_t1s2_n3, 3, plain_t1, 2
    plain   armv7m_plain_t1s2_n2, 2, plain_t1, 2

@ Depthwise; stream, by channel: bias, int8 weights of each (ky, kx), multiplier.
@ 3x3: the stack begins with the three rows, the step to the next channel and plane_len.
    .macro  depthwise_row px, stride, ky, bias
    ldrsb   r1, [r0, #3 * \ky]
    ldrsb   r2, [r0, #3 * \ky + 1]
    ldrsb   r3, [r0, #3 * \ky + 2]
    ldr     r12, [sp, #4 * \ky]
    plain_row3 \px, \stride, 0, \bias
    .endm

    .macro  depthwise name, px, last, stride
    function \name
    push    {r4-r11, lr}
    sub     sp, #PLAIN_FRAME
    @ segments, their end, plane_len, stream, out, out_plane_len, channels, zero point, shift
    ldm     r0, {r1-r9}
    ldr     r10, [r1]
    ldr     r11, [r1, #8]
    ldr     r12, [r1, #16]
    movs    r1, #1
    mov     r2, #0x80000000
    mov     r0, r4
    stm     sp, {r10-r12}
    strd    r1, r3, [sp, #12]
    strd    r2, r8, [sp, #AT_PLAIN_HALF]
    strd    r9, r5, [sp, #AT_PLAIN_SHIFT]
    strd    r1, r6, [sp, #AT_PLAIN_OUT_STEP]
    plain_out_end r5, r6, r7, r1
1:  @ a channel
    ldr     \last, [r0], #4
    depthwise_row \px, \stride, 0, \last
    depthwise_row \px, \stride, 1, none
    depthwise_row \px, \stride, 2, none
    ldr     r2, [r0, #12]
    adds    r0, #16
    plain_outputs \px
    beq     5f
    ldm     sp, {r1, r2, r4-r6}
    add     r1, r5
    add     r2, r5
    add     r4, r5
    subs    r5, r6, r5
    stm     sp, {r1, r2, r4, r5}
    b       1b
5:  add     sp, #PLAIN_FRAME
    pop     {r4-r11, pc}
    .size   \name, . - \name
    .endm

    depthwise armv7m_depthwise3x3_s1_n8, 8, r11, 1
    depthwise armv7m_depthwise3x3_s1_n7, 7, r10, 1
    depthwise armv7m_depthwise3x3_s1_n6, 6, r9, 1
    depthwise armv7m_depthwise3x3_s1_n5, 5, r8, 1
    depthwise armv7m_depthwise3x3_s1_n4, 4, r7, 1
    depthwise armv7m_depthwise3x3_s1_n3, 3, r6, 1
    depthwise armv7m_depthwise3x3_s1_n2, 2, r5, 1
    depthwise armv7m_depthwise3x3_n1, 1, r4, 1
    depthwise armv7m_depthwise3x3_s2_n8, 8, r11, 2
    depthwise armv7m_depthwise3x3_s2_n7, 7, r10, 2
    depthwise armv7m_depthwise3x3_s2_n6, 6, r9, 2
    depthwise armv7m_depthwise3x3_s2_n5, 5, r8, 2
    depthwise armv7m_depthwise3x3_s2_n4, 4, r7, 2
    depthwise armv7m_depthwise3x3_s2_n3, 3, r6, 2
    depthwise armv7m_depthwise3x3_s2_n2, 2, r5, 2

@ Depthwise, any window
@ r0 stream   r1 weight   r2 taps left in the row   r3 distance between two taps   r4-r7 accumulators
@ r8 segments   r9 their end   r10 where the channel lies in a row   r11 step to the next channel   r12 input   lr activation
    .macro  depthwise_any name, px, stride
    function \name
    push    {r4-r11, lr}
    sub     sp, #PLAIN_FRAME
    ldm     r0, {r1-r9}                     @ as above
    ldr     r10, [r1, #4]                   @ taps of a row
    ldr     r11, [r0, #44]                  @ tap_len
    mov     r0, r4
    strd    r1, r2, [sp, #0]
    strd    r10, r11, [sp, #8]
    str     r3, [sp, #16]
    movs    r1, #1
    mov     r2, #0x80000000
    strd    r2, r8, [sp, #AT_PLAIN_HALF]
    strd    r9, r5, [sp, #AT_PLAIN_SHIFT]
    strd    r1, r6, [sp, #AT_PLAIN_OUT_STEP]
    mov     r11, r1
    plain_out_end r5, r6, r7, r1
    mov     r10, #0
1:  @ a channel
    plain_bias \px
    ldrd    r8, r9, [sp, #0]
    ldr     r3, [sp, #12]
2:  @ a row
    ldr     r12, [r8], #8
    add     r12, r10
    ldr     r2, [sp, #8]
3:  @ a tap
    ldrsb   r1, [r0], #1
    plain_row1 \px, \stride, 0
    add     r12, r3
    subs    r2, #1
    bne     3b
    cmp     r8, r9
    bne     2b
    plain_multiplier
    plain_outputs \px
    beq     5f
    ldr     r1, [sp, #16]
    add     r10, r11
    sub     r11, r1, r11
    b       1b
5:  add     sp, #PLAIN_FRAME
    pop     {r4-r11, pc}
    .size   \name, . - \name
    .endm

    depthwise_any armv7m_depthwise_s1_n4, 4, 1
    depthwise_any armv7m_depthwise_s1_n3, 3, 1
    depthwise_any armv7m_depthwise_s1_n2, 2, 1
    depthwise_any armv7m_depthwise_s2_n4, 4, 2
    depthwise_any armv7m_depthwise_s2_n3, 3, 2
    depthwise_any armv7m_depthwise_s2_n2, 2, 2
    depthwise_any armv7m_depthwise_n1, 1, 1

@ ---- Dense: four outputs over one row ------------------------------------------------------------------------------
@ r0      row
@ r1      weights; a step is four inputs, a word an output
@ r2, r3  X of inputs 2 and 0, of 3 and 1
@ r4-r7   sums
@ r8, r9  what X asks to be added
@ r10-r12 weights, products
@ lr      0x00ff00ff
@ The arguments are used up; their address is on top of the stack, the row's end behind it.
    .macro  dense_output acc, v
    and     r11, lr, \v, lsr #8
    and     \v, \v, lr
    mla     \v, \v, r2, r8
    mla     r11, r11, r3, r9
    add     \acc, \acc, \v, asr #16
    add     \acc, \acc, r11, asr #16
    .endm

@ 16 multiply-accumulates in 40 instructions, 50 cycles.
    .macro  dense_step
    ldrsb   r2, [r0, #2]
    ldrsb   r3, [r0, #3]
    ldrsb   r11, [r0, #1]
    ldrsb   r10, [r0], #4
    mov     r12, #0x00800080
    add     r3, r3, r11, lsl #16
    add     r2, r2, r10, lsl #16
    mul     r8, r2, r12
    mul     r9, r3, r12
    rsb     r8, r8, #0x8000
    rsb     r9, r9, #0x8000
    ldm     r1!, {r10, r12}
    dense_output r4, r10
    dense_output r5, r12
    ldm     r1!, {r10, r12}
    dense_output r6, r10
    dense_output r7, r12
    .endm

@ y = (zero_point * 2^32 + 2^31 + acc * m) >> 32, saturated.
    .macro  dense_round acc, m
    mov     r8, #0x80000000
    mov     r9, r2
    smlal   r8, r9, \acc, \m
    ssat    r9, #8, r9
    strb    r9, [r12], #1
    .endm

    function armv7m_dense_duals
    push    {r0, r1, r4-r11, lr}
    mov     lr, #0x00ff00ff
1:  @ a group
    ldr     r12, [sp]
    ldm     r12, {r0, r1, r2, r3}           @ row, weights, steps, sums to begin with
    add     r8, r0, r2, lsl #2
    str     r8, [sp, #4]
    ldm     r3, {r4-r7}
    lsls    r2, r2, #31
    bne     3f                              @ an odd number of steps begins at the second
2:  dense_step
3:  dense_step
    ldr     r12, [sp, #4]
    cmp     r0, r12
    bne     2b
    ldr     r0, [sp]
    str     r1, [r0, #4]
    ldrd    r12, r1, [r0, #16]              @ where to, multipliers
    cmp     r1, #0
    beq     6f
    ldrd    r2, r3, [r0, #24]               @ zero point, shift
    cbz     r3, 4f
    lsl     r4, r4, r3
    lsl     r5, r5, r3
    lsl     r6, r6, r3
    lsl     r7, r7, r3
4:  ldrd    r10, r11, [r1]
    dense_round r4, r10
    dense_round r5, r11
    ldrd    r10, r11, [r1, #8]
    dense_round r6, r10
    dense_round r7, r11
    adds    r1, #32                         @ behind the next group's biases
5:  strd    r12, r1, [r0, #16]
    ldr     r2, [r0, #12]
    ldrd    r3, r4, [r0, #32]               @ from a group's first sum to the next one's, groups left
    add     r2, r3
    str     r2, [r0, #12]
    subs    r4, #1
    str     r4, [r0, #36]
    bne     1b
    pop     {r0, r1, r4-r11, pc}
6:  stm     r12!, {r4-r7}
    b       5b
    .size   armv7m_dense_duals, . - armv7m_dense_duals

    .text
    "#,
    options(raw)
);

unsafe extern "C" {
    /// Groups of four outputs of a dense layer over one row.
    pub fn armv7m_dense_duals(args: *mut super::dense::Args);
}

// A single pixel has no neighbour: its stride says nothing.
blocks::functions! {
    Long THREE 4 => armv7m_long_t3_n4,
    Long THREE 3 => armv7m_long_t3_n3,
    Long THREE 2 => armv7m_long_t3_n2,
    Long THREE 1 => armv7m_long_t3_n1,
    Long ONE 2 => armv7m_long_t1_n2,
    Long ONE_STRIDE_2 2 => armv7m_long_t1s2_n2,
    Long ONE|ONE_STRIDE_2 1 => armv7m_long_t1_n1,
    Plain THREE 8 => armv7m_plain_t3_n8,
    Plain THREE 7 => armv7m_plain_t3_n7,
    Plain THREE 6 => armv7m_plain_t3_n6,
    Plain THREE 5 => armv7m_plain_t3_n5,
    Plain THREE 4 => armv7m_plain_t3_n4,
    Plain THREE 3 => armv7m_plain_t3_n3,
    Plain THREE 2 => armv7m_plain_t3_n2,
    Plain THREE 1 => armv7m_plain_t3_n1,
    Plain ONE 4 => armv7m_plain_t1_n4,
    Plain ONE 3 => armv7m_plain_t1_n3,
    Plain ONE 2 => armv7m_plain_t1_n2,
    Plain ONE_STRIDE_2 4 => armv7m_plain_t1s2_n4,
    Plain ONE_STRIDE_2 3 => armv7m_plain_t1s2_n3,
    Plain ONE_STRIDE_2 2 => armv7m_plain_t1s2_n2,
    Plain ONE|ONE_STRIDE_2 1 => armv7m_plain_t1_n1,
    DepthwisePairs DEPTHWISE_3 8 => armv7m_depthwise3x3_s1_n8,
    DepthwisePairs DEPTHWISE_3 7 => armv7m_depthwise3x3_s1_n7,
    DepthwisePairs DEPTHWISE_3 6 => armv7m_depthwise3x3_s1_n6,
    DepthwisePairs DEPTHWISE_3 5 => armv7m_depthwise3x3_s1_n5,
    DepthwisePairs DEPTHWISE_3 4 => armv7m_depthwise3x3_s1_n4,
    DepthwisePairs DEPTHWISE_3 3 => armv7m_depthwise3x3_s1_n3,
    DepthwisePairs DEPTHWISE_3 2 => armv7m_depthwise3x3_s1_n2,
    DepthwisePairs DEPTHWISE_3_STRIDE_2 8 => armv7m_depthwise3x3_s2_n8,
    DepthwisePairs DEPTHWISE_3_STRIDE_2 7 => armv7m_depthwise3x3_s2_n7,
    DepthwisePairs DEPTHWISE_3_STRIDE_2 6 => armv7m_depthwise3x3_s2_n6,
    DepthwisePairs DEPTHWISE_3_STRIDE_2 5 => armv7m_depthwise3x3_s2_n5,
    DepthwisePairs DEPTHWISE_3_STRIDE_2 4 => armv7m_depthwise3x3_s2_n4,
    DepthwisePairs DEPTHWISE_3_STRIDE_2 3 => armv7m_depthwise3x3_s2_n3,
    DepthwisePairs DEPTHWISE_3_STRIDE_2 2 => armv7m_depthwise3x3_s2_n2,
    DepthwisePairs DEPTHWISE_3|DEPTHWISE_3_STRIDE_2 1 => armv7m_depthwise3x3_n1,
    DepthwisePairs DEPTHWISE 4 => armv7m_depthwise_s1_n4,
    DepthwisePairs DEPTHWISE 3 => armv7m_depthwise_s1_n3,
    DepthwisePairs DEPTHWISE 2 => armv7m_depthwise_s1_n2,
    DepthwisePairs DEPTHWISE_STRIDED 4 => armv7m_depthwise_s2_n4,
    DepthwisePairs DEPTHWISE_STRIDED 3 => armv7m_depthwise_s2_n3,
    DepthwisePairs DEPTHWISE_STRIDED 2 => armv7m_depthwise_s2_n2,
    DepthwisePairs DEPTHWISE|DEPTHWISE_STRIDED 1 => armv7m_depthwise_n1,
}

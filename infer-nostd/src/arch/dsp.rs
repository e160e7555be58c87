//! Convolutions for cores with the DSP extension (Cortex-M4, M7, M33): SMLAD makes two products in one cycle.
//!
//! Input and output are [`Layout::Quads`](crate::plan::Layout): a pixel of a plane is a word; [`Kernel::Image16`] reads an input whose channels are
//! last, in words at any byte. A kernel computes every output channel of `n` neighbouring pixels of one row. [`Args`](super::args::Args) says where things lie; how the weights follow one another is in the header of each macro.
//! Equal, to the bit, to the plain loops of `ops`.
//!
//! Beyond what the arguments ask for: a plane is shorter than 65,536 bytes and holds all the pixels that a block reads of it; a segment
//! has fewer than 32,768 steps, of `Narrow8` under three taps 16,384; `min` and `max` are not looked at (results saturate to int8); the kernels need
//! [`Kernel::stack_bytes`] of stack. Output lanes beyond the last channel may be written too.
//!
//! The names of the functions: the kernel; `t3` three taps of a stride of 1, `t1` one tap, of a stride of 1 or 2 (`s1`, `s2`); the pixels
//! of a block.

use super::blocks;
use crate::plan::Kernel;
use core::arch::global_asm;

// Registers of a three-tap pass over N pixels (all 14 are in use at N = 6):
//
//   r0  input, walks          r1  stream, walks         lr  high half: four times the steps left, low half: from a step's end to the next
//   r5-r7  the weights of kx = 0, 1, 2                  r4, r8..  accumulators, the last pixel's in r4
//   r2, r3 and what is left over: input pixels
//
// SMLAD takes two int16 of each operand, so SXTB16 widens weights and pixels, bytes 0 and 2 of a word or bytes 1 and 3. A pass is one
// of these halves of N + 2 pixels (two channels) against three weight words: each pixel is loaded once and meets up to three weights.
// N = 6: 18 SMLAD, 11 SXTB16, 4 LDM, 1 LDM of weights, 1 advance: 35 instructions, 46 cycles for 36 products.
//
// * The first pass of a channel adds the bias (which is loaded into r4 together with the weights) as it goes: nothing is copied.
// * The other passes run two to a round, a step. The first round of all is entered in the middle.
// * lr has flags under its counter: bit 16: another segment follows; bit 17: it is the third, or, in the last segment, the operator
//   shifts. Both are looked at once, after the last round, by one shift (LSLS moves bit 16 to N and bit 17 to C).
//
// Frame: 0 from the last lane to the next plane | 4 out | 8 plane of out | 12 zero point | 16 stream's end | 20, 32, 44 segments: input, lr,
// entry | 56 shift
global_asm!(
    r#"
    .syntax unified
    .thumb
    .arch armv7e-m      @ what Armv8-M with DSP has too; the assembler knows no `.arch_extension dsp`

@ ---- the pieces of a pass -----------------------------------------------------------------------------------------------
@ HALF: 1, 2: bytes 0 and 2, bytes 1 and 3, of words of int8

.macro dsp_half HALF, regs:vararg
  .irp r, \regs
    .if \HALF == 1
      sxtb16 \r, \r
    .else
      sxtb16 \r, \r, ror #8
    .endif
  .endr
.endm

.macro dsp_pixels HALF, regs:vararg
  ldm r0!, {\regs}
  dsp_half \HALF, \regs
.endm

@ One input word x in the accumulators of the pixels it is kx = 0, 1, 2 of.
.macro dsp_tap x, k0, k1, k2
  .ifnb \k2
    smlad \k2, r7, \x, \k2
  .endif
  .ifnb \k1
    smlad \k1, r6, \x, \k1
  .endif
  .ifnb \k0
    .if FIRST
      smlad \k0, r5, \x, r4
    .else
      smlad \k0, r5, \x, \k0
    .endif
  .endif
.endm

@ Between the two halves back to the step's beginning, then to the next step.
.macro dsp_advance HALF, N
  .if \HALF == 1
    subs r0, #(4 * \N + 8)
  .else
    uxtah r0, r0, lr
  .endif
.endm

.macro dsp_t3_pixels_6 HALF
  dsp_pixels \HALF, r2, r3
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  dsp_pixels \HALF, r2, r3
  dsp_tap r2, r10, r9, r8
  dsp_tap r3, r11, r10, r9
  dsp_pixels \HALF, r2, r3
  dsp_tap r2, r12, r11, r10
  dsp_tap r3, r4, r12, r11
  dsp_pixels \HALF, r2, r3
  dsp_advance \HALF, 6
  dsp_tap r2, , r4, r12
  dsp_tap r3, , , r4
.endm

.macro dsp_t3_pixels_5 HALF
  dsp_pixels \HALF, r2, r3, r12
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  dsp_tap r12, r10, r9, r8
  dsp_pixels \HALF, r2, r3
  dsp_tap r2, r11, r10, r9
  dsp_tap r3, r4, r11, r10
  dsp_pixels \HALF, r2, r3
  dsp_advance \HALF, 5
  dsp_tap r2, , r4, r11
  dsp_tap r3, , , r4
.endm

.macro dsp_t3_pixels_4 HALF
  dsp_pixels \HALF, r2, r3, r11, r12
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  dsp_tap r11, r10, r9, r8
  dsp_tap r12, r4, r10, r9
  dsp_pixels \HALF, r2, r3
  dsp_advance \HALF, 4
  dsp_tap r2, , r4, r10
  dsp_tap r3, , , r4
.endm

.macro dsp_t3_pixels_3 HALF
  dsp_pixels \HALF, r2, r3, r10, r11, r12
  dsp_advance \HALF, 3
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  dsp_tap r10, r4, r9, r8
  dsp_tap r11, , r4, r9
  dsp_tap r12, , , r4
.endm

.macro dsp_t3_pixels_2 HALF
  dsp_pixels \HALF, r2, r3, r9, r10
  dsp_advance \HALF, 2
  dsp_tap r2, r8
  dsp_tap r3, r4, r8
  dsp_tap r9, , r4, r8
  dsp_tap r10, , , r4
.endm

.macro dsp_t3_pixels_1 HALF
  dsp_pixels \HALF, r2, r3, r8
  dsp_advance \HALF, 1
  dsp_tap r2, r4
  dsp_tap r3, , r4
  dsp_tap r8, , , r4
.endm

@ For each accumulator, in the order of the pixels.
.macro dsp_each_acc N, do
  .if \N == 1
    \do r4
  .elseif \N == 2
    \do r8, r4
  .elseif \N == 3
    \do r8, r9, r4
  .elseif \N == 4
    \do r8, r9, r10, r4
  .elseif \N == 5
    \do r8, r9, r10, r11, r4
  .elseif \N == 7
    \do r8, r9, r10, r11, r12, lr, r4
  .else
    \do r8, r9, r10, r11, r12, r4
  .endif
.endm

.macro dsp_shift_left accs:vararg
  .irp acc, \accs
    lsls \acc, \acc, r2
  .endr
.endm

@ Rounding, zero point, saturation: r7 the multiplier, r5 the zero point.
.macro dsp_round accs:vararg
  .irp acc, \accs
    smmlar \acc, \acc, r7, r5
  .endr
  .irp acc, \accs
    ssat \acc, #8, \acc
  .endr
.endm

.macro dsp_store accs:vararg
  .set AT, 0
  .irp acc, \accs
    strb \acc, [r2, #AT]
    .set AT, AT + 4
  .endr
.endm

@ ---- three taps: kernel width 3, stride 1, dilation 1 ---------------------------------------------------------------------
@ Stream, by channel: bias, steps, multiplier. A step is three words, kx = 0, 1, 2: int8 (lane 0) .. (lane 3).

@ The weights of a step's two passes: one after the other where they are int16, else the halves of the same words.
.macro dsp_t3_weights_a W
  .if FIRST
    ldm r1!, {r4, r5, r6, r7}
  .else
    ldm r1!, {r5, r6, r7}
  .endif
  .if \W == 8
    dsp_half 1, r5, r6, r7
  .endif
.endm

.macro dsp_t3_weights_b W
  .if \W == 8
    ldmdb r1, {r5, r6, r7}
    dsp_half 2, r5, r6, r7
  .else
    ldm r1!, {r5, r6, r7}
  .endif
.endm

.macro dsp_t3_pass_a N
  dsp_t3_weights_a 8
  dsp_t3_pixels_\N 1
.endm

.macro dsp_t3_pass_b N
  dsp_t3_weights_b 8
  dsp_t3_pixels_\N 2
.endm

@ What functions of all sizes share. First they make the frame: r0 the arguments, r10 where the function's table is: where its first round is entered,
@ where later ones, and how far the loads of a pass walk by themselves. Leaves r1 at the stream.
  .section .text.dsp_narrow8_t3_enter, "ax", %progbits
  .type dsp_narrow8_t3_enter, %function
  .p2align 2
dsp_narrow8_t3_enter:
  sub sp, #60
  ldm r0, {r1-r9}             @ segments, their end, plane, stream, out, plane of out, channels, zero point, shift
  mov r0, r10
  str lr, [sp]
  str r9, [sp, #56]
  ldrh r10, [r0, #4]
  add r9, sp, #20
  subs r3, r3, r10
  ldrd r10, r11, [r1], #8
  mov r12, r11                  @ steps in all
  ldrsh lr, [r0]                @ the first pass of all is not in the rounds
  b 2f
1:
  ldrd r10, r11, [r1], #8
  add r12, r12, r11
  ldrsh lr, [r0, #2]
2:
  subs r11, r11, #1
  add r11, r3, r11, lsl #18
  add lr, lr, r0
  cmp r1, r2
  itt ne
  addne r11, r11, #0x10000
  orrne r3, r3, #0x20000        @ of a second segment: a third follows
  stm r9!, {r10, r11, lr}
  bne 1b
  ldr r10, [sp, #56]
  bic r11, r11, #0x20000
  cmp r10, #0
  it ne
  orrne r11, r11, #0x20000
  str r11, [r9, #-8]
  mov r1, r4
  ldr lr, [sp]
  add r12, r12, r12, lsl #1
  adds r12, r12, #2
  mul r12, r12, r7              @ words of the stream
  mov r7, r8
  add r8, r1, r12, lsl #2
  subs r4, r6, #4               @ less the steps that the lanes make
  stm sp, {r4-r8}
  bx lr
dsp_narrow8_t3_next:            @ the second segment, or with the carry the third
  bcs 1f
  ldrd r0, lr, [sp, #32]
  ldr pc, [sp, #40]
1:
  ldrd r0, lr, [sp, #44]
  ldr pc, [sp, #52]
  .size dsp_narrow8_t3_enter, . - dsp_narrow8_t3_enter

.macro dsp_t3 N
  .section .text.dsp_narrow8_t3_\N, "ax", %progbits
  .global dsp_narrow8_t3_\N
  .type dsp_narrow8_t3_\N, %function
  .p2align 2
dsp_narrow8_t3_\N:
  push {r4-r11, lr}
  adr r10, 8f
  bl dsp_narrow8_t3_enter
3:                              @ a channel
  ldrd r0, lr, [sp, #20]
  .set FIRST, 1
  dsp_t3_pass_a \N
  .set FIRST, 0
  ldr pc, [sp, #28]
  .p2align 2
40:
  dsp_t3_pass_a \N
41:
  dsp_t3_pass_b \N
  subs lr, lr, #0x40000
  bhs 40b
  lsls r2, lr, #15
  bmi.w dsp_narrow8_t3_next
  bcs 7f
5:
  ldr r7, [r1], #4
  ldm sp, {r0, r2, r3, r5, r6}
  dsp_each_acc \N, dsp_round
  dsp_each_acc \N, dsp_store
  adds r2, #1
  lsls r5, r2, #30              @ pixels are words: behind lane 3 comes the next plane
  it eq
  addeq r2, r2, r0
  str r2, [sp, #4]
  cmp r1, r6
  bne 3b
  add sp, #60
  pop {r4-r11, pc}
7:
  ldr r2, [sp, #56]
  dsp_each_acc \N, dsp_shift_left
  b 5b
  .p2align 2
8:
  .hword 41b - 8b + 1, 40b - 8b + 1, 4 * \N + 8
  .p2align 2
  .size dsp_narrow8_t3_\N, . - dsp_narrow8_t3_\N
.endm

.irp n, 1, 2, 3, 4, 5, 6
  dsp_t3 \n
.endr

@ ---- one tap: 1x1, strided and dilated kernels -----------------------------------------------------------------------------
@ Two channels by up to three pixels. r4, r8, r9 accumulate the first channel (the last pixel's in r4), r5, r10, r11 the second
@ (likewise r5); r6, r7 weights; r2, r3, r12 pixels; r0, r1 and lr as above, but a pass leaves r0 where it was.
@ N = 3: 6 SMLAD, 5 SXTB16, 2 LDM: 13 instructions, and 1 more for every second pass to advance; 18 cycles for 12 products.
@
@ Stream, by pair of channels: 2 biases, steps, 2 multipliers; a step has one word for each of the two channels, packed as above.
@
@ Frame: 0 step of out | 4 out | 8 plane of out | 12 zero point | 16 stream's end | 20 next segment | 24 shift | 28 frame's length
@ | from 32 on, segments: input, entry, lr

@ Stride 1: words that follow one another; stride 2: every other one.
.macro dsp_t1_load S, N
  .if \S == 1
    .if \N == 3
      ldm r0, {r2, r3, r12}
    .elseif \N == 2
      ldrd r2, r3, [r0]
    .else
      ldr r2, [r0]
    .endif
  .else
    ldr r2, [r0]
    .if \N >= 2
      ldr r3, [r0, #8]
    .endif
    .if \N == 3
      ldr r12, [r0, #16]
    .endif
  .endif
.endm

.macro dsp_t1_mac acc, w, x, bias
  .if FIRST
    smlad \acc, \w, \x, \bias
  .else
    smlad \acc, \w, \x, \acc
  .endif
.endm

.macro dsp_t1_pixels HALF, S, N
  dsp_t1_load \S, \N
  .if \HALF == 2
    uxtah r0, r0, lr
  .endif
  .if \N == 3
    dsp_half \HALF, r2, r3, r12
    dsp_t1_mac r8, r6, r2, r4
    dsp_t1_mac r10, r7, r2, r5
    dsp_t1_mac r9, r6, r3, r4
    dsp_t1_mac r11, r7, r3, r5
    dsp_t1_mac r4, r6, r12, r4
    dsp_t1_mac r5, r7, r12, r5
  .elseif \N == 2
    dsp_half \HALF, r2, r3
    dsp_t1_mac r8, r6, r2, r4
    dsp_t1_mac r10, r7, r2, r5
    dsp_t1_mac r4, r6, r3, r4
    dsp_t1_mac r5, r7, r3, r5
  .else
    dsp_half \HALF, r2
    dsp_t1_mac r4, r6, r2, r4
    dsp_t1_mac r5, r7, r2, r5
  .endif
.endm

.macro dsp_t1_pass_a S, N
  .if FIRST
    ldm r1!, {r4, r5, r6, r7}
  .else
    ldm r1!, {r6, r7}
  .endif
  dsp_half 1, r6, r7
  dsp_t1_pixels 1, \S, \N
.endm

.macro dsp_t1_pass_b S, N
  ldmdb r1, {r6, r7}
  dsp_half 2, r6, r7
  dsp_t1_pixels 2, \S, \N
.endm

@ For the accumulators of the first and of the second channel.
.macro dsp_t1_each_acc N, do
  .if \N == 1
    \do r6, r4
    \do r7, r5
  .elseif \N == 2
    \do r6, r8, r4
    \do r7, r10, r5
  .elseif \N == 4
    \do r6, r8, r9, r12, r4
    \do r7, r10, r11, lr, r5
  .else
    \do r6, r8, r9, r4
    \do r7, r10, r11, r5
  .endif
.endm

.macro dsp_t1_shift_left m, accs:vararg
  .irp acc, \accs
    lsl \acc, \acc, r2
  .endr
.endm

.macro dsp_t1_round m, accs:vararg
  .irp acc, \accs
    smmlar \acc, \acc, \m, r12
  .endr
  .irp acc, \accs
    ssat \acc, #8, \acc
  .endr
.endm

.macro dsp_t1_store_bytes m, accs:vararg
  .irp acc, \accs
    strb \acc, [r2, #AT]
    .set AT, AT + 4
  .endr
  .set AT, 1
.endm

.macro dsp_t1_store N
  .set AT, 0
  dsp_t1_each_acc \N, dsp_t1_store_bytes
.endm

.macro dsp_t1 S, N
  .section .text.dsp_narrow8_t1_s\S\()_\N, "ax", %progbits
  .global dsp_narrow8_t1_s\S\()_\N
  .type dsp_narrow8_t1_s\S\()_\N, %function
  .p2align 2
dsp_narrow8_t1_s\S\()_\N:
  push {r3-r11, lr}             @ r3 keeps sp a multiple of 8
  ldm r0, {r1-r9}               @ segments, their end, plane, stream, out, plane of out, channels, zero point, shift
  sub r10, r2, r1
  add r10, r10, r10, lsr #1     @ 12 bytes a segment
  adds r10, #39
  bic r10, r10, #7
  mov r11, sp
  sub r11, r11, r10
  mov sp, r11
  strd r9, r10, [sp, #24]
  cmp r9, #0
  it ne
  addne r3, r3, #0x20000
  add r9, sp, #32
  adr r0, 8f
  ldrd r10, r11, [r1], #8
  mov r12, r11                  @ steps in all
  lsl r11, r11, #1
  subs r11, r11, #1             @ the first pass of all is not in the rounds
  ite eq
  moveq lr, #8
  andne lr, r11, #7
  b 2f
1:
  ldrd r10, r11, [r1], #8
  add r12, r12, r11
  lsl r11, r11, #1
  and lr, r11, #7
2:
  sub r11, r11, #1
  bic r11, r11, #7
  ldrsh lr, [r0, lr, lsl #1]
  str r10, [r9], #4
  add r11, r3, r11, lsl #16
  add r10, r0, lr
  cmp r1, r2
  it ne
  addne r11, r11, #0x10000
  stm r9!, {r10, r11}
  bne 1b
  mov r1, r4
  add r12, r12, #2
  adds r7, #1
  lsrs r7, r7, #1
  mul r12, r12, r7              @ pairs of words of the stream
  mov r7, r8
  add r8, r1, r12, lsl #3
  movs r4, #2                   @ pair of lanes to pair of lanes: 2, and plane - 2, alternating
  stm sp, {r4-r8}
3:                              @ a pair of channels
  add r2, sp, #32
  ldm r2!, {r0, r3, lr}
  str r2, [sp, #20]
  .set FIRST, 1
  dsp_t1_pass_a \S, \N
  .set FIRST, 0
  ldr pc, [sp, #36]
  .p2align 2
40:
  dsp_t1_pass_a \S, \N
47:
  dsp_t1_pass_b \S, \N
46:
  dsp_t1_pass_a \S, \N
45:
  dsp_t1_pass_b \S, \N
44:
  dsp_t1_pass_a \S, \N
43:
  dsp_t1_pass_b \S, \N
42:
  dsp_t1_pass_a \S, \N
41:
  dsp_t1_pass_b \S, \N
  subs lr, lr, #0x80000
  bhs 40b
48:
  lsls r2, lr, #15
  bmi 6f
  bcs 7f
5:
  ldm r1!, {r6, r7}
  ldm sp, {r0, r2, r3, r12, lr}
  dsp_t1_each_acc \N, dsp_t1_round
  dsp_t1_store \N
  add r2, r2, r0
  subs r0, r3, r0
  strd r0, r2, [sp]
  cmp r1, lr
  bne 3b
  ldr r2, [sp, #28]
  add sp, r2
  pop {r3-r11, pc}
6:
  ldr r2, [sp, #20]
  ldm r2!, {r0, r3, lr}
  str r2, [sp, #20]
  bx r3
7:
  ldr r2, [sp, #24]
  dsp_t1_each_acc \N, dsp_t1_shift_left
  b 5b
  .p2align 2
8:
  .hword 40b - 8b + 1, 41b - 8b + 1, 42b - 8b + 1, 43b - 8b + 1, 44b - 8b + 1, 45b - 8b + 1, 46b - 8b + 1, 47b - 8b + 1
  .hword 48b - 8b + 1
  .p2align 2
  .size dsp_narrow8_t1_s\S\()_\N, . - dsp_narrow8_t1_s\S\()_\N
.endm

.irp n, 1, 2, 3
  dsp_t1 1, \n
  dsp_t1 2, \n
.endr

@ ---- int8 pixels, widened once a block ---------------------------------------------------------------------------------------
@ The block's pixels are widened onto the stack before the first channel, a pass after the other (bytes 0 and 2 of a step, then
@ bytes 1 and 3): 8 bytes a pixel and step, see `stack_bytes`. The passes then walk through memory without gaps: lr is free
@ for a pixel, and a round ends where r0 says so: rounds are of six passes, as most windows have three rows, and of two for images.
@ Three taps, N = 6, int8 weights: 18 SMLAD, 3 SXTB16, 3 LDM, 1 LDM of weights: 25 instructions, 36 cycles for 36 products.
@ Streams: as above; int16 weights: a step's (lanes 0, 2), then its (lanes 1, 3), each for all taps or for both channels.
@
@ Frame: 0 from lane or pair of lanes to the next | 4 out | 8 stream's end | 12 shift | 16 zero point | 24 end of the pixels | 28 entry | 32 stream
@ | 36 frame's length | then the pixels. One tap: 8 plane of out | 20 stream's end | 40 the pixels, as the first round sees them | 44 bytes back to
@ its weights | then the pixels

@ The pixels of one word of a run, r3 bytes apart, to r12: bytes 0 and 2 unless ODD alone is wanted, bytes 1 and 3.
.macro dsp_widen_word N, ODD=0
  ldr r4, [r0]
  .if \N >= 2
    ldr r5, [r0, r3]
  .endif
  .if \N >= 3
    ldr r6, [r0, r3, lsl #1]
  .endif
  .if \N == 4
    add r7, r0, r3
    ldr r7, [r7, r3, lsl #1]
  .endif
  .if \N == 1
    .if \ODD == 0
      sxtb16 r8, r4
      str r8, [r12], #4
    .endif
    dsp_half 2, r4
    str r4, [r12], #4
  .elseif \N == 2
    .if \ODD == 0
      sxtb16 r8, r4
      sxtb16 r9, r5
      stm r12!, {r8, r9}
    .endif
    dsp_half 2, r4, r5
    stm r12!, {r4, r5}
  .elseif \N == 3
    .if \ODD == 0
      sxtb16 r8, r4
      sxtb16 r9, r5
      sxtb16 r10, r6
      stm r12!, {r8, r9, r10}
    .endif
    dsp_half 2, r4, r5, r6
    stm r12!, {r4, r5, r6}
  .else
    .if \ODD == 0
      sxtb16 r8, r4
      sxtb16 r9, r5
      sxtb16 r10, r6
      sxtb16 r11, r7
      stm r12!, {r8, r9, r10, r11}
    .endif
    dsp_half 2, r4, r5, r6, r7
    stm r12!, {r4, r5, r6, r7}
  .endif
.endm

@ The frame with the pixels of windows whose rows are runs of bytes, wherever these begin: a pass for each step of a run (`Run`).
.macro dsp_widened_runs N
  push {r3-r11, lr}             @ r3 keeps sp a multiple of 8
  ldr r3, [r0, #48]             @ from pixel to pixel
  mov r10, r3
  ldm r0, {r1-r9}               @ segments, their end, plane, stream, out, plane of out, channels, zero point, shift
  mov r3, r10
  ldr r11, [r1, #4]             @ bytes of a run
  adds r0, r11, #3
  lsrs r0, r0, #2
  lsls r0, r0, #1
  and r11, r11, #3
  cmp r11, #1
  it eq
  subeq r0, r0, #1              @ passes of a run
  sub r12, r2, r1
  lsr r12, r12, #3              @ runs
  mul r0, r0, r12               @ passes
  mov r12, #(4 * \N)
  mul r12, r12, r0
  add r11, r12, #55
  bic r11, r11, #7
  mov r10, sp
  sub r10, r10, r11
  mov sp, r10
  add r10, r10, #48
  add r12, r12, r10             @ end of the pixels
  strd r5, r6, [sp, #4]
  strd r9, r8, [sp, #12]
  str r12, [sp, #24]
  strd r4, r11, [sp, #32]
  mov r12, r10                  @ the pixels
  adr r10, 8f
  rsb r11, r0, #0
  and r11, r11, #15             @ passes of the first round that are left out
  movs r5, #(4 * \N)
  mul r5, r5, r11
  sub r5, r12, r5
  lsl r8, r11, #3
  adds r8, #8
  strd r5, r8, [sp, #40]
  ldrsh r11, [r10, r11, lsl #1]
  add r11, r11, r10
  str r11, [sp, #28]
  adds r7, #1
  lsrs r7, r7, #1
  adds r0, #2                   @ pair of channels: 2 biases, 2 words a pass, 2 multipliers
  muls r0, r7, r0
  add r0, r4, r0, lsl #3
  movs r7, #2                   @ pair of lanes to pair of lanes: 2, and plane - 2, alternating
  str r0, [sp, #20]
  str r7, [sp]
2:                              @ a run
  ldrd r0, lr, [r1], #8
  subs lr, #4
1:
  dsp_widen_word \N
  adds r0, #4
  subs lr, lr, #4
  bhs 1b
  cmn lr, #4
  beq 3f
  add r0, r0, lr                @ the last word ends where the run does
  cmn lr, #3
  mov lr, #0
  bne 1b
  dsp_widen_word \N, 1
3:
  cmp r1, r2
  bne 2b
  ldr r1, [sp, #32]
.endm

@ From r0 to r12 (bytes 0 and 2) and lr (bytes 1 and 3).
.macro dsp_widen S, COUNT
  .if \S == 1
    .if \COUNT == 4
      ldm r0!, {r4, r5, r6, r7}
    .elseif \COUNT == 3
      ldm r0!, {r4, r5, r6}
    .elseif \COUNT == 2
      ldm r0!, {r4, r5}
    .else
      ldr r4, [r0], #4
    .endif
  .else
    ldr r4, [r0]
    .if \COUNT >= 2
      ldr r5, [r0, #8]
    .endif
    .if \COUNT >= 3
      ldr r6, [r0, #16]
    .endif
    .if \COUNT == 4
      ldr r7, [r0, #24]
    .endif
  .endif
  sxtb16 r8, r4
  sxtb16 r4, r4, ror #8
  .if \COUNT >= 2
    sxtb16 r9, r5
    sxtb16 r5, r5, ror #8
  .endif
  .if \COUNT >= 3
    sxtb16 r10, r6
    sxtb16 r6, r6, ror #8
  .endif
  .if \COUNT == 4
    sxtb16 r11, r7
    sxtb16 r7, r7, ror #8
    stm r12!, {r8, r9, r10, r11}
    stm lr!, {r4, r5, r6, r7}
  .elseif \COUNT == 3
    stm r12!, {r8, r9, r10}
    stm lr!, {r4, r5, r6}
  .elseif \COUNT == 2
    stm r12!, {r8, r9}
    stm lr!, {r4, r5}
  .else
    str r8, [r12], #4
    str r4, [lr], #4
  .endif
.endm

@ The frame with the pixels; leaves r1 at the stream. G: channels that go together. ODD: of each segment, which is a row, the last pass is left out.
.macro dsp_widened W, S, PIXELS, G, ODD=0
  .set FRAME, 32 + 8 * \G
  push {r3-r11, lr}             @ r3 keeps sp a multiple of 8
  ldm r0, {r1-r9}               @ segments, their end, plane, stream, out, plane of out, channels, zero point, shift
  ldr r0, [r0, #52]             @ steps in all
  mov r12, #(8 * \PIXELS)
  mul r12, r12, r0
  add r11, r12, #FRAME
  mov r10, sp
  sub r10, r10, r11
  mov sp, r10
  add r10, r10, #FRAME
  add r12, r12, r10             @ end of the pixels
  strd r5, r6, [sp, #4]         @ of three taps the second is written over below
  strd r9, r8, [sp, #12]
  str r12, [sp, #24]
  strd r4, r11, [sp, #32]
  .if \ODD
    sub r5, r2, r1              @ segments * 8
    movs r8, #\PIXELS
    mul r8, r8, r5
    sub r12, r12, r8, lsr #1
    str r12, [sp, #24]
    lsls r0, r0, #1
    sub r0, r0, r5, lsr #3      @ passes
  .endif
  mov r12, r10                  @ the pixels
  adr r10, 8f
  .if \ODD                       @ all but the first in rounds of 6
    subs r5, r0, #1
    movw r11, #0xaaab
    movt r11, #0x2aaa
    umull lr, r11, r5, r11
    add r11, r11, r11, lsl #1
    sub r11, r5, r11, lsl #1    @ mod 6
    cmp r5, #0
    it eq
    moveq r11, #6
  .elseif \G == 1                @ two passes a step, less one, in rounds of 6
    movw r11, #0x5556
    movt r11, #0x5555
    umull lr, r11, r0, r11
    add r11, r11, r11, lsl #1
    subs r11, r0, r11           @ steps mod 3
  .else
    rsb r11, r0, #0
    .if \W == 16
      and r11, r11, #7          @ steps of the first round that are left out
    .else
      and r11, r11, #3
    .endif
    movs r5, #(8 * \PIXELS)
    mul r5, r5, r11
    sub r5, r12, r5
    lsl r8, r11, #(\W / 8 + 2)
    add r8, r8, #8
    strd r5, r8, [sp, #40]
  .endif
  ldrsh r11, [r10, r11, lsl #1]
  add r11, r11, r10
  str r11, [sp, #28]
  .if \W == 16 && \ODD == 0
    lsls r0, r0, #1
  .endif
  .if \G == 1
    add r0, r0, r0, lsl #1      @ channel: bias, three words a pass, multiplier
    adds r0, #2
    muls r0, r7, r0
    add r0, r4, r0, lsl #2
    subs r7, r6, #4             @ as above
    str r0, [sp, #8]
  .else
    adds r7, #1
    lsrs r7, r7, #1
    adds r0, #2                 @ pair of channels: 2 biases, 2 words a pass, 2 multipliers
    muls r0, r7, r0
    add r0, r4, r0, lsl #3
    movs r7, #2                 @ pair of lanes to pair of lanes: 2, and plane - 2, alternating
    str r0, [sp, #20]
  .endif
  str r7, [sp]
  .if \S == 1
    subs r3, #(4 * \PIXELS)
  .endif
2:                              @ a segment
  ldrd r0, r4, [r1], #8
  subs r4, r4, #1
  add r3, r3, r4, lsl #16       @ steps left, above what leads to the next one
1:
  add lr, r12, #(4 * \PIXELS)
  .if \PIXELS == 9
    dsp_widen \S, 3
    dsp_widen \S, 3
    dsp_widen \S, 3
  .elseif \PIXELS > 4
    dsp_widen \S, (\PIXELS - \PIXELS / 2)
    dsp_widen \S, (\PIXELS / 2)
  .else
    dsp_widen \S, \PIXELS
  .endif
  uxtah r0, r0, r3
  mov r12, lr
  subs r3, r3, #0x10000
  bhs 1b
  .if \ODD
    sub r12, r12, #(4 * \PIXELS)
  .endif
  uxth r3, r3
  cmp r1, r2
  bne 2b
  ldr r1, [sp, #32]
.endm

@ The same for pixels that are a byte: two steps make a pass, one in the low halves, the next in the high halves (where the number of
@ steps is odd, the last high halves are whatever lay there; their weights are 0).
.macro dsp_widen_bytes FROM, COUNT
  ldrsb r4, [r0, #\FROM]
  ldrsb r5, [r0, #\FROM + 1]
  ldrsb r6, [r0, #\FROM + 2]
  .if \COUNT >= 4
    ldrsb r7, [r0, #\FROM + 3]
  .endif
  .if \COUNT == 5
    ldrsb r8, [r0, #\FROM + 4]
  .endif
  strh r4, [r12, #4 * (\FROM)]
  strh r5, [r12, #4 * (\FROM) + 4]
  strh r6, [r12, #4 * (\FROM) + 8]
  .if \COUNT >= 4
    strh r7, [r12, #4 * (\FROM) + 12]
  .endif
  .if \COUNT == 5
    strh r8, [r12, #4 * (\FROM) + 16]
  .endif
.endm

.macro dsp_widened_bytes PIXELS
  push {r3-r11, lr}             @ r3 keeps sp a multiple of 8
  ldm r0, {r1-r9}               @ segments, their end, plane, stream, out, plane of out, channels, zero point, shift
  ldr r0, [r0, #52]             @ steps in all
  adds r0, #1
  lsrs r0, r0, #1               @ passes
  mov r12, #(4 * \PIXELS)
  mul r12, r12, r0
  add r11, r12, #47
  bic r11, r11, #7
  mov r10, sp
  sub r10, r10, r11
  mov sp, r10
  add r10, r10, #40
  add r12, r12, r10             @ end of the pixels
  str r5, [sp, #4]
  strd r9, r8, [sp, #12]
  str r12, [sp, #24]
  strd r4, r11, [sp, #32]
  mov r12, r10                  @ the pixels
  adr r10, 8f
  subs r11, r0, #1              @ passes in the rounds
  ite eq
  moveq r11, #2
  andne r11, r11, #1
  ldrsh r11, [r10, r11, lsl #1]
  add r11, r11, r10
  str r11, [sp, #28]
  add r0, r0, r0, lsl #1        @ channel: bias, three words a pass, multiplier
  adds r0, #2
  muls r0, r7, r0
  add r0, r4, r0, lsl #2
  mov lr, #2                    @ from low halves to high halves: 2, and from there to the next pass, alternating
  subs r7, r6, #4
  str r0, [sp, #8]
  str r7, [sp]
2:                              @ a segment
  ldrd r0, r9, [r1], #8
1:
  .if \PIXELS > 5
    dsp_widen_bytes 0, (\PIXELS / 2)
    dsp_widen_bytes (\PIXELS / 2), (\PIXELS - \PIXELS / 2)
  .else
    dsp_widen_bytes 0, \PIXELS
  .endif
  add r0, r0, r3
  add r12, r12, lr
  rsb lr, lr, #(4 * \PIXELS)
  subs r9, r9, #1
  bne 1b
  cmp r1, r2
  bne 2b
  ldr r1, [sp, #32]
.endm

.macro dsp_t3u_pixels_7
  ldm r0!, {r2, r3}
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  ldm r0!, {r2, r3}
  dsp_tap r2, r10, r9, r8
  dsp_tap r3, r11, r10, r9
  ldm r0!, {r2, r3}
  dsp_tap r2, r12, r11, r10
  dsp_tap r3, lr, r12, r11
  ldm r0!, {r2, r3}
  dsp_tap r2, r4, lr, r12
  dsp_tap r3, , r4, lr
  ldr r2, [r0], #4
  .if LAST
    ldr r3, [sp, #24]           @ behind another load it takes one cycle
  .endif
  dsp_tap r2, , , r4
.endm

.macro dsp_t3u_pixels_6
  ldm r0!, {r2, r3, lr}
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  dsp_tap lr, r10, r9, r8
  ldm r0!, {r2, r3, lr}
  dsp_tap r2, r11, r10, r9
  dsp_tap r3, r12, r11, r10
  dsp_tap lr, r4, r12, r11
  .if LAST
    ldr r2, [r0], #4
    ldr r3, [r0], #4
    ldr lr, [sp, #24]           @ likewise
  .else
    ldm r0!, {r2, r3}
  .endif
  dsp_tap r2, , r4, r12
  dsp_tap r3, , , r4
.endm

.macro dsp_t3u_pixels_5
  ldm r0!, {r2, r3, r12, lr}
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  dsp_tap r12, r10, r9, r8
  dsp_tap lr, r11, r10, r9
  ldm r0!, {r2, r3, lr}
  dsp_tap r2, r4, r11, r10
  dsp_tap r3, , r4, r11
  dsp_tap lr, , , r4
.endm

.macro dsp_t3u_pixels_4
  ldm r0!, {r2, r3, r11, r12}
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  dsp_tap r11, r10, r9, r8
  dsp_tap r12, r4, r10, r9
  ldm r0!, {r2, r3}
  dsp_tap r2, , r4, r10
  dsp_tap r3, , , r4
.endm

.macro dsp_t3u_pixels_3
  ldm r0!, {r2, r3, r10, r11, r12}
  dsp_tap r2, r8
  dsp_tap r3, r9, r8
  dsp_tap r10, r4, r9, r8
  dsp_tap r11, , r4, r9
  dsp_tap r12, , , r4
.endm

.macro dsp_t3u_pixels_2
  ldm r0!, {r2, r3, r9, r10}
  dsp_tap r2, r8
  dsp_tap r3, r4, r8
  dsp_tap r9, , r4, r8
  dsp_tap r10, , , r4
.endm

.macro dsp_t3u_pixels_1
  ldm r0!, {r2, r3, r8}
  dsp_tap r2, r4
  dsp_tap r3, , r4
  dsp_tap r8, , , r4
.endm

.macro dsp_t3u_pass_a W, N
  dsp_t3_weights_a \W
  dsp_t3u_pixels_\N
.endm

.macro dsp_t3u_pass_b W, N
  dsp_t3_weights_b \W
  dsp_t3u_pixels_\N
.endm

.macro dsp_t3u_round accs:vararg
  .irp acc, \accs
    smmlar \acc, \acc, r7, r6
  .endr
  .irp acc, \accs
    ssat \acc, #8, \acc
  .endr
.endm

.macro dsp_t3u_shift_left accs:vararg
  .irp acc, \accs
    lsls \acc, \acc, r5
  .endr
.endm

.macro dsp_t3u name, W, N
  .section .text.\name\()_\N, "ax", %progbits
  .global \name\()_\N
  .type \name\()_\N, %function
  .p2align 2
\name\()_\N:
  .ifc \name, dsp_image16_t3
    dsp_widened_bytes (\N + 2)
  .else
    .ifc \name, dsp_widened_odd16_t3
      dsp_widened \W, 1, (\N + 2), 1, 1
    .else
      dsp_widened \W, 1, (\N + 2), 1
    .endif
  .endif
3:                              @ a channel
  add r0, sp, #40
  .set LAST, 0
  .set FIRST, 1
  dsp_t3u_pass_a \W, \N
  .set FIRST, 0
  ldr pc, [sp, #28]
  .p2align 2
40:
  .ifnc \name, dsp_image16_t3
    dsp_t3u_pass_a \W, \N
45:
    dsp_t3u_pass_b \W, \N
46:
    dsp_t3u_pass_a \W, \N
43:
    dsp_t3u_pass_b \W, \N
42:
  .endif
  dsp_t3u_pass_a \W, \N
41:
  .set LAST, 1
  dsp_t3u_pass_b \W, \N
  .set LAST, 0
  .if \N == 7
    cmp r0, r3
  .elseif \N == 6
    cmp r0, lr
  .else
    ldr r3, [sp, #24]
    cmp r0, r3
  .endif
  bne 40b
44:
  ldr r7, [r1], #4
  ldm sp, {r0, r2, r3, r5, r6}
  cbnz r5, 7f
5:
  dsp_each_acc \N, dsp_t3u_round
  dsp_each_acc \N, dsp_store
  adds r2, #1
  lsls r5, r2, #30
  it eq
  addeq r2, r2, r0
  str r2, [sp, #4]
  cmp r1, r3
  bne 3b
  ldr r2, [sp, #36]
  add sp, r2
  pop {r3-r11, pc}
7:
  dsp_each_acc \N, dsp_t3u_shift_left
  b 5b
  .p2align 2
8:
  .ifc \name, dsp_image16_t3
    .hword 40b - 8b + 1, 41b - 8b + 1, 44b - 8b + 1
    .p2align 2
  .else
    .ifc \name, dsp_widened_odd16_t3
      .hword 40b - 8b + 1, 41b - 8b + 1, 42b - 8b + 1, 43b - 8b + 1, 46b - 8b + 1, 45b - 8b + 1, 44b - 8b + 1
    .else
      .hword 45b - 8b + 1, 41b - 8b + 1, 43b - 8b + 1
    .endif
    .p2align 2
  .endif
  .size \name\()_\N, . - \name\()_\N
.endm

.irp n, 1, 2, 3, 4, 5, 6, 7
  dsp_t3u dsp_widened16_t3, 16, \n
  dsp_t3u dsp_widened_odd16_t3, 16, \n
  dsp_t3u dsp_widened8_t3, 8, \n
  dsp_t3u dsp_image16_t3, 16, \n
.endr

@ One tap: as above, with lr for the half of a weight that r6 and r7 keep the other half of. Loads are single ones at offsets from where the round of
@ eight passes (int8) or sixteen (int16) begins: those behind one another take a cycle each.
@ N = 3, int8 weights, two passes: 12 SMLAD, 4 SXTB16, 8 LDR: 24 instructions, 26 cycles for 24 products.
@ N = 4, int16 weights alone: r12 and lr accumulate the third pixel: 8 SMLAD, 6 LDR: 14 instructions, 16 cycles for 16 products.
.macro dsp_t1u_load P, N
  ldr r2, [r0, #4 * \N * \P]
  .if \N >= 2
    ldr r3, [r0, #4 * \N * \P + 4]
  .endif
  .if \N == 3
    ldr r12, [r0, #4 * \N * \P + 8]
  .endif
.endm

.macro dsp_t1u_channel N, w, p0, p1, last
  .if \N >= 2
    dsp_t1_mac \p0, \w, r2, \last
  .endif
  .if \N == 3
    dsp_t1_mac \p1, \w, r3, \last
    dsp_t1_mac \last, \w, r12, \last
  .elseif \N == 2
    dsp_t1_mac \last, \w, r3, \last
  .else
    dsp_t1_mac \last, \w, r2, \last
  .endif
.endm

.macro dsp_t1u_pixels_4 P
  ldr r2, [r0, #16 * \P]
  ldr r3, [r0, #16 * \P + 4]
  dsp_t1_mac r8, r6, r2, r4
  dsp_t1_mac r10, r7, r2, r5
  dsp_t1_mac r9, r6, r3, r4
  dsp_t1_mac r11, r7, r3, r5
  ldr r2, [r0, #16 * \P + 8]
  ldr r3, [r0, #16 * \P + 12]
  dsp_t1_mac r12, r6, r2, r4
  dsp_t1_mac lr, r7, r2, r5
  dsp_t1_mac r4, r6, r3, r4
  dsp_t1_mac r5, r7, r3, r5
.endm

@ Pass P of a round. Int8 weights are loaded for two: the second takes the other halves of the words.
.macro dsp_t1u_pass P, W, N
  .if FIRST
    ldm r1!, {r4, r5, r6, r7}
  .elseif \W == 16 || \P % 2 == 0
    ldr r6, [r1, #\P / (16 / \W) * 8]
    ldr r7, [r1, #\P / (16 / \W) * 8 + 4]
  .else
    dsp_half 2, r6, r7
  .endif
  .if \N == 4
    dsp_t1u_pixels_4 \P
  .else
    dsp_t1u_load \P, \N
    .if \W == 8 && \P % 2 == 0
      sxtb16 lr, r6
      dsp_t1u_channel \N, lr, r8, r9, r4
      sxtb16 lr, r7
      dsp_t1u_channel \N, lr, r10, r11, r5
    .else
      dsp_t1u_channel \N, r6, r8, r9, r4
      dsp_t1u_channel \N, r7, r10, r11, r5
    .endif
  .endif
.endm

.macro dsp_t1u_shift_left m, accs:vararg
  .irp acc, \accs
    lsl \acc, \acc, r6
  .endr
.endm

.macro dsp_t1u_round m, accs:vararg
  .irp acc, \accs
    smmlar \acc, \acc, \m, r0
  .endr
  .irp acc, \accs
    ssat \acc, #8, \acc
  .endr
.endm

@ S: pixels from one to the next; 0: rows of the window are runs of bytes, and a round may be entered at any pass.
.macro dsp_t1u name, W, S, N
  .section .text.\name\()_\N, "ax", %progbits
  .global \name\()_\N
  .type \name\()_\N, %function
  .p2align 2
\name\()_\N:
  .if \S == 0
    dsp_widened_runs \N
  .else
    dsp_widened \W, \S, \N, 2
  .endif
3:                              @ a pair of channels
  add r0, sp, #48
  .set FIRST, 1
  dsp_t1u_pass 0, \W, \N
  .set FIRST, 0
  ldrd r0, r2, [sp, #40]
  .if \W == 16 && \N < 4
    ldr lr, [sp, #24]
  .endif
  subs r1, r1, r2
  ldr pc, [sp, #28]
  .p2align 2
40:
  dsp_t1u_pass 0, \W, \N
41:
  dsp_t1u_pass 1, \W, \N
42:
  dsp_t1u_pass 2, \W, \N
43:
  dsp_t1u_pass 3, \W, \N
44:
  dsp_t1u_pass 4, \W, \N
45:
  dsp_t1u_pass 5, \W, \N
46:
  dsp_t1u_pass 6, \W, \N
47:
  dsp_t1u_pass 7, \W, \N
  .if \W == 16
48:
  dsp_t1u_pass 8, \W, \N
49:
  dsp_t1u_pass 9, \W, \N
50:
  dsp_t1u_pass 10, \W, \N
51:
  dsp_t1u_pass 11, \W, \N
52:
  dsp_t1u_pass 12, \W, \N
53:
  dsp_t1u_pass 13, \W, \N
54:
  dsp_t1u_pass 14, \W, \N
55:
  dsp_t1u_pass 15, \W, \N
56:
  add r0, r0, #(64 * \N)
  adds r1, #128
  .else
  adds r0, #(32 * \N)
  adds r1, #32
  .endif
  .if \W == 16 && \N < 4
    cmp r0, lr
  .else
    ldr r2, [sp, #24]
    cmp r0, r2
  .endif
  bne 40b
  .if \N == 4
    ldrd r6, r0, [sp, #12]
    cbnz r6, 7f
  .else
    ldm sp, {r0, r2, r3, r6, r12, lr}
    cbnz r6, 7f
  .endif
5:
  ldm r1!, {r6, r7}
  .if \N == 4
    dsp_t1_each_acc 4, dsp_t1u_round
    ldm sp, {r0, r2, r3}
    ldr r7, [sp, #20]
  .else
    dsp_t1_each_acc \N, dsp_t1_round
  .endif
  dsp_t1_store \N
  add r2, r2, r0
  subs r0, r3, r0
  strd r0, r2, [sp]
  .if \N == 4
    cmp r1, r7
  .else
    cmp r1, lr
  .endif
  bne 3b
  ldr r2, [sp, #36]
  add sp, r2
  pop {r3-r11, pc}
7:
  dsp_t1_each_acc \N, dsp_t1u_shift_left
  b 5b
  .p2align 2
8:
  .if \S == 0
    .hword 41b - 8b + 1, 42b - 8b + 1, 43b - 8b + 1, 44b - 8b + 1, 45b - 8b + 1, 46b - 8b + 1, 47b - 8b + 1, 48b - 8b + 1
    .hword 49b - 8b + 1, 50b - 8b + 1, 51b - 8b + 1, 52b - 8b + 1, 53b - 8b + 1, 54b - 8b + 1, 55b - 8b + 1, 56b - 8b + 1
  .else
    .hword 41b - 8b + 1, 43b - 8b + 1, 45b - 8b + 1, 47b - 8b + 1
    .if \W == 16
      .hword 49b - 8b + 1, 51b - 8b + 1, 53b - 8b + 1, 55b - 8b + 1
    .endif
  .endif
  .size \name\()_\N, . - \name\()_\N
.endm

.irp s, 1, 2
  .irp n, 1, 2, 3
    dsp_t1u dsp_widened16_t1_s\s, 16, \s, \n
    dsp_t1u dsp_widened8_t1_s\s, 8, \s, \n
  .endr
  dsp_t1u dsp_widened16_t1_s\s, 16, \s, 4
.endr
.irp n, 1, 2, 3, 4
  dsp_t1u dsp_image16_runs, 16, 0, \n
.endr

@ ---- one tap, the weights of two channels in 16 bits ---------------------------------------------------------------------------
@ Four channels by N pixels. A word of weights holds those of channels 2i and 2i + 1 for two inputs, a + b * 2^8 in each half. As int16 they are
@ what SMLAD takes, for A + B * 2^8; SXTB16 leaves a, for A. At the end B is what is left of the difference, if it fits 24 bits.
@ N = 2: 8 SMLAD, 2 SXTB16, 4 LDR: 14 instructions, 15 cycles for 16 products; a plane of four channels takes about 60 cycles besides.
@ r4, r5 accumulate A and A + B * 2^8 of channels 0 and 1 of the last pixel, r12, lr of its channels 2 and 3; r8-r11 likewise those of the first of
@ two. r6, r7 weights; r2, r3 pixels; r0 pixels and r1 weights of a round of sixteen passes, the first of which may be entered in the middle.
@ A call does a row, block after block.
@
@ Stream, by plane: what a pixel's accumulators begin with; for each pass (bytes 0 and 2 of a step, then bytes 1 and 3) the weights of channels 0
@ and 1, of channels 2 and 3; the multipliers. Lanes beyond the channels have weights 0 and multiplier 1.
@
@ Frame: 0 the pixels as the first round sees them | 4 from the last round's weights to the next plane's | 8 entry | 12 zero point | 16 pixels of the
@ last round | 20 out | 24 plane of out | 28 end of out | 32 arguments | 36 frame's length | 40 the pixels

.macro dsp_duals_macs N
  .if \N == 2
    .if FIRST
      smlad r9, r6, r2, r5
      smlad r11, r7, r2, lr
    .else
      smlad r9, r6, r2, r9
      smlad r11, r7, r2, r11
    .endif
  .endif
  smlad r5, r6, r3, r5
  smlad lr, r7, r3, lr
  dsp_half 1, r6, r7
  .if \N == 2
    .if FIRST
      smlad r8, r6, r2, r4
      smlad r10, r7, r2, r12
    .else
      smlad r8, r6, r2, r8
      smlad r10, r7, r2, r10
    .endif
  .endif
  smlad r4, r6, r3, r4
  smlad r12, r7, r3, r12
.endm

@ Pass P of a round.
.macro dsp_duals_pass N, P
  .if \P == 0
    ldr r6, [r1, #128]!
    ldr r7, [r1, #4]
    .if \N == 2
      ldr r2, [r0, #128]!
      ldr r3, [r0, #4]
    .else
      ldr r3, [r0, #64]!
    .endif
  .else
    ldr r6, [r1, #8 * \P]
    ldr r7, [r1, #8 * \P + 4]
    .if \N == 2
      ldr r2, [r0, #8 * \P]
    .endif
    ldr r3, [r0, #4 * \N * \P + 4 * \N - 4]
  .endif
  dsp_duals_macs \N
.endm

@ A pixel's sums -> rounded, saturated: r0, r3, r6, r7 the multipliers, r2 the zero point.
.macro dsp_duals_finish a, b, c, d
  sub \b, \b, \a
  sub \d, \d, \c
  asr \b, \b, #8
  asr \d, \d, #8
  smmlar \a, \a, r0, r2
  smmlar \b, \b, r3, r2
  smmlar \c, \c, r6, r2
  smmlar \d, \d, r7, r2
  ssat \a, #8, \a
  ssat \b, #8, \b
  ssat \c, #8, \c
  ssat \d, #8, \d
.endm

.macro dsp_duals_store sums:vararg
  .irp sum, \sums
    strb \sum, [r2, #AT]
    .set AT, AT + 1
  .endr
.endm

.macro dsp_duals N
  .section .text.dsp_widened_duals_\N, "ax", %progbits
  .global dsp_widened_duals_\N
  .type dsp_widened_duals_\N, %function
  .p2align 2
dsp_widened_duals_\N:
  push {r3-r11, lr}             @ r3 keeps sp a multiple of 8
  mov lr, r0
  ldm r0, {r1-r9}               @ segments, their end, plane, stream, out, plane of out, channels, zero point
  ldr r0, [r0, #52]             @ steps in all
  lsls r1, r0, #(2 + \N)        @ bytes of the pixels
  add r9, r1, #40
  sub sp, sp, r9
  rsbs r0, r0, #0
  and r0, r0, #7                @ steps of the first round that are left out
  adr r2, 8f
  ldrsh r4, [r2, r0, lsl #1]
  add r4, r4, r2                @ entry
  add r10, sp, #40
  add r1, r1, r10
  subs r1, #(64 * \N)           @ the last round's pixels
  sub r2, r10, r0, lsl #(2 + \N)
  lsls r0, r0, #4
  rsb r3, r0, #160
  adds r7, #3
  lsrs r7, r7, #2               @ planes
  mla r7, r7, r6, r5            @ end of out
  strd r2, r3, [sp]
  strd r4, r8, [sp, #8]
  str r1, [sp, #16]
  strd r6, r7, [sp, #24]
  strd lr, r9, [sp, #32]
1:                              @ a block
  ldm lr, {r1, r2, r4}
  ldr r3, [lr, #48]             @ from pixel to pixel
  add r12, sp, #40
2:                              @ a segment
  ldrd r0, r5, [r1]
  .if \N == 2
    add r6, r0, r3, lsl #1
  .else
    add r6, r0, r3
  .endif
  str r6, [r1], #8              @ where the next block begins
3:                              @ a step
  ldr r6, [r0]
  .if \N == 2
    ldr r7, [r0, r3]
    sxtb16 r8, r6
    sxtb16 r9, r7
    sxtb16 r10, r6, ror #8
    sxtb16 r11, r7, ror #8
    stm r12!, {r8, r9, r10, r11}
  .else
    sxtb16 r8, r6
    sxtb16 r10, r6, ror #8
    stm r12!, {r8, r10}
  .endif
  add r0, r0, r4
  subs r5, #1
  bne 3b
  cmp r1, r2
  bne 2b
  ldr r2, [lr, #16]
  ldr r1, [lr, #12]
  str r2, [sp, #20]
  subs r1, #144
4:                              @ a plane
  ldr r4, [r1, #144]
  ldr r5, [r1, #148]
  ldr r12, [r1, #152]
  ldr lr, [r1, #156]
  ldr r6, [r1, #160]
  ldr r7, [r1, #164]
  .if \N == 2
    ldr r2, [sp, #40]
  .endif
  ldr r3, [sp, #36 + 4 * \N]
  ldr r0, [sp, #4]
  add r1, r1, r0
  .set FIRST, 1
  dsp_duals_macs \N
  .set FIRST, 0
  ldr r0, [sp]
  ldr pc, [sp, #8]
  .p2align 2
40:
  dsp_duals_pass \N, 0
41:
  dsp_duals_pass \N, 1
  dsp_duals_pass \N, 2
43:
  dsp_duals_pass \N, 3
  dsp_duals_pass \N, 4
45:
  dsp_duals_pass \N, 5
  dsp_duals_pass \N, 6
47:
  dsp_duals_pass \N, 7
  dsp_duals_pass \N, 8
49:
  dsp_duals_pass \N, 9
  dsp_duals_pass \N, 10
51:
  dsp_duals_pass \N, 11
  dsp_duals_pass \N, 12
53:
  dsp_duals_pass \N, 13
  dsp_duals_pass \N, 14
55:
  dsp_duals_pass \N, 15
  ldr r2, [sp, #16]
  cmp r0, r2
  bne.w 40b
  ldr r2, [sp, #12]
  ldr r0, [r1, #128]
  ldr r3, [r1, #132]
  ldr r6, [r1, #136]
  ldr r7, [r1, #140]
  .if \N == 2
    dsp_duals_finish r8, r9, r10, r11
  .endif
  dsp_duals_finish r4, r5, r12, lr
  ldr r2, [sp, #20]
  ldr r3, [sp, #24]
  ldr r6, [sp, #28]
  .set AT, 0
  .if \N == 2
    dsp_duals_store r8, r9, r10, r11
  .endif
  dsp_duals_store r4, r5, r12, lr
  add r2, r2, r3
  str r2, [sp, #20]
  cmp r2, r6
  bne.w 4b
  ldr lr, [sp, #32]
  ldr r1, [lr, #16]
  ldr r2, [lr, #36]             @ blocks left
  adds r1, #(4 * \N)
  adds r6, #(4 * \N)
  subs r2, #1
  str r1, [lr, #16]
  str r2, [lr, #36]
  str r6, [sp, #28]
  bne.w 1b
  ldr r2, [sp, #36]
  add sp, r2
  pop {r3-r11, pc}
  .p2align 2
8:
  .hword 41b - 8b + 1, 43b - 8b + 1, 45b - 8b + 1, 47b - 8b + 1, 49b - 8b + 1, 51b - 8b + 1, 53b - 8b + 1, 55b - 8b + 1
  .size dsp_widened_duals_\N, . - dsp_widened_duals_\N
.endm

.irp n, 1, 2
  dsp_duals \n
.endr

@ ---- depthwise, 3x3 -------------------------------------------------------------------------------------------------------------
@ Up to six pixels of one channel: r6-r11 accumulate (pixel i in r(6 + i)); a plane's four lanes are written out, so that every byte lies at a fixed
@ distance from r0, r2 (rows), r1 (stream). Rows 0 and 1 go first: PKHBT puts their bytes of a column side by side, SMLAD takes both; then row 2,
@ a product an instruction. r3-r5 weights of kx = 0, 1, 2, r12, lr and what is left over: input.
@ N = 6, stride 1: 18 SMLAD, 18 SMLABB or SMLABT, 8 PKHBT, 24 LDRSB: 68 instructions, 76 cycles for 54 products; the rest of a channel is
@ about 40 cycles.
@
@ Stream, by plane: the biases of its lanes; for each lane eight int8, w(ky, kx): 00, 01, 10, 11, 02, 20, 12, 21, so that SXTB16 takes out
@ what SMLAD needs; w(2, 2) of each lane in a word; the multipliers of its lanes. Lanes beyond the channels have weights 0 and multiplier 1.
@
@ Frame: 0 out | 4 zero point | 8 shift | 12, 16, 20 rows | 24 plane | 28 plane of out | 32 stream's end

@ Column AT of rows 0 and 1, or of row 2, to the pixels it is kx = 0, 1, 2 of. The bias, in \last, is added with kx = 0, which a pixel meets first.
.macro dsp_dw3_taps ROWS, S, N, last, x
  .irp r, 6, 7, 8, 9, 10, 11
    .if \r - 6 < \N
      .if AT == \S * (\r - 6)
        .if \ROWS == 2
          smlad r\r, r3, \x, \last
        .else
          smlabb r\r, \x, r3, r\r
        .endif
      .elseif AT == \S * (\r - 6) + 1
        .if \ROWS == 2
          smlad r\r, r4, \x, r\r
        .else
          smlabt r\r, \x, r3, r\r
        .endif
      .elseif AT == \S * (\r - 6) + 2
        .if \ROWS == 2
          smlad r\r, r5, \x, r\r
        .else
          smlabb r\r, \x, r4, r\r
        .endif
      .endif
    .endif
  .endr
.endm

@ Columns of rows 0 and 1 from FROM on, as many as there are registers for: x takes row 0, the next register row 1.
.macro dsp_dw3_pairs LANE, S, N, last, FROM, x, xb, y, yb
  .set AT, \FROM
  .if AT < COLUMNS
    ldrsb \x, [r0, #(4 * AT + \LANE)]
    ldrsb \xb, [r2, #(4 * AT + \LANE)]
    .ifnb \y
      .if AT + 1 < COLUMNS
        ldrsb \y, [r0, #(4 * AT + 4 + \LANE)]
        ldrsb \yb, [r2, #(4 * AT + 4 + \LANE)]
      .endif
    .endif
    .if AT == 0
      sxtb16 r4, r3, ror #8
      sxtb16 r3, r3
      sxtb16 r5, r5
    .endif
    pkhbt \x, \x, \xb, lsl #16
    dsp_dw3_taps 2, \S, \N, \last, \x
    .ifnb \y
      .set AT, AT + 1
      .if AT < COLUMNS
        pkhbt \y, \y, \yb, lsl #16
        dsp_dw3_taps 2, \S, \N, \last, \y
      .endif
    .endif
  .endif
.endm

@ Columns of row 2 from FROM on. With the last ones the multiplier is loaded: behind another load it takes one cycle.
.macro dsp_dw3_bytes LANE, S, N, FROM, regs:vararg
  .set AT, \FROM
  .if AT < COLUMNS
    .irp x, \regs
      .if AT < COLUMNS
        ldrsb \x, [r0, #(4 * AT + \LANE)]
        .set AT, AT + 1
      .endif
    .endr
    .if AT == COLUMNS
      ldr r0, [r1, #(52 + 4 * \LANE)]
    .endif
    .set AT, \FROM
    .if AT == 0
      sxtb16 r3, r3, ror #8
    .endif
    .irp x, \regs
      .if AT < COLUMNS
        dsp_dw3_taps 1, \S, \N, , \x
        .set AT, AT + 1
      .endif
    .endr
  .endif
.endm

.macro dsp_dw3_each_acc N, do
  .if \N == 1
    \do r6
  .elseif \N == 2
    \do r6, r7
  .elseif \N == 3
    \do r6, r7, r8
  .elseif \N == 4
    \do r6, r7, r8, r9
  .elseif \N == 5
    \do r6, r7, r8, r9, r10
  .else
    \do r6, r7, r8, r9, r10, r11
  .endif
.endm

.macro dsp_dw3_shift_left accs:vararg
  .irp acc, \accs
    lsl \acc, \acc, r4
  .endr
.endm

@ r0 the multiplier, r3 the zero point.
.macro dsp_dw3_round accs:vararg
  .irp acc, \accs
    smmlar \acc, \acc, r0, r3
  .endr
  .irp acc, \accs
    ssat \acc, #8, \acc
  .endr
.endm

.macro dsp_dw3_lane LANE, S, N, last
  ldr r0, [sp, #12]
  ldr r2, [sp, #16]
  ldr \last, [r1, #(4 * \LANE)]
  ldr r3, [r1, #(16 + 8 * \LANE)]
  ldr r5, [r1, #(20 + 8 * \LANE)]
  .if \N <= 4
    .irp c, 0, 2, 4, 6, 8
      dsp_dw3_pairs \LANE, \S, \N, \last, \c, r12, lr, r10, r11
    .endr
  .else
    dsp_dw3_pairs \LANE, \S, \N, \last, 0, r12, lr, r8, r9          @ pixels 2 and 3 have not begun
    .irp c, 2, 3, 4, 5, 6, 7, 8, 9, 10
      .if \c < COLUMNS - 2
        dsp_dw3_pairs \LANE, \S, \N, \last, \c, r12, lr
      .endif
    .endr
    dsp_dw3_pairs \LANE, \S, \N, \last, COLUMNS - 2, r12, lr, r3, r2 @ nobody needs kx = 0, nor row 1, any more
  .endif
  ldr r0, [sp, #20]
  ldr r3, [r1, #(20 + 8 * \LANE)]
  ldrsb r4, [r1, #(48 + \LANE)]
  .if \N <= 4
    .irp c, 0, 6
      dsp_dw3_bytes \LANE, \S, \N, \c, r2, r5, r12, lr, r10, r11
    .endr
  .else
    .irp c, 0, 4, 8, 12
      dsp_dw3_bytes \LANE, \S, \N, \c, r2, r5, r12, lr
    .endr
  .endif
  ldrd r2, r3, [sp]
  it ne                         @ as compared with 0 where the plane begins
  blne 7f
  dsp_dw3_each_acc \N, dsp_dw3_round
  .set AT, \LANE
  dsp_dw3_each_acc \N, dsp_dw3_store
.endm

.macro dsp_dw3_store accs:vararg
  .irp acc, \accs
    strb \acc, [r2, #AT]
    .set AT, AT + 4
  .endr
.endm

.macro dsp_dw3 S, N, last
  .section .text.dsp_depthwise3_s\S\()_\N, "ax", %progbits
  .global dsp_depthwise3_s\S\()_\N
  .type dsp_depthwise3_s\S\()_\N, %function
  .p2align 2
dsp_depthwise3_s\S\()_\N:
  push {r3-r11, lr}             @ r3 keeps sp a multiple of 8
  sub sp, #40
  ldm r0, {r1-r9}               @ segments, their end, plane, stream, out, plane of out, channels, zero point, shift
  adds r7, #3
  lsrs r7, r7, #2               @ planes
  movs r0, #68
  mla r7, r7, r0, r4
  ldr r10, [r1]                 @ rows
  ldr r11, [r1, #8]
  ldr r12, [r1, #16]
  mov r1, r4
  stm sp, {r5, r8, r9, r10, r11, r12}
  add r0, sp, #24
  stm r0, {r3, r6, r7}
  .set COLUMNS, \S * (\N - 1) + 3
3:                              @ a plane
  ldr r4, [sp, #8]
  cmp r4, #0                    @ nothing in a lane sets flags
  dsp_dw3_lane 0, \S, \N, \last
  dsp_dw3_lane 1, \S, \N, \last
  dsp_dw3_lane 2, \S, \N, \last
  dsp_dw3_lane 3, \S, \N, \last
  add r0, sp, #12
  ldm r0, {r3-r8}               @ rows, plane, plane of out, stream's end
  add r2, r2, r7
  str r2, [sp]
  add r3, r3, r6
  add r4, r4, r6
  add r5, r5, r6
  stm r0, {r3, r4, r5}
  adds r1, #68
  cmp r1, r8
  bne.w 3b
  add sp, #40
  pop {r3-r11, pc}
7:
  ldr r4, [sp, #8]
  dsp_dw3_each_acc \N, dsp_dw3_shift_left
  bx lr
  .size dsp_depthwise3_s\S\()_\N, . - dsp_depthwise3_s\S\()_\N
.endm

.irp s, 1, 2
  .if \s == 1
    dsp_dw3 1, 1, r6            @ a pixel alone has no stride
  .endif
  dsp_dw3 \s, 2, r7
  dsp_dw3 \s, 3, r8
  dsp_dw3 \s, 4, r9
  dsp_dw3 \s, 5, r10
  dsp_dw3 \s, 6, r11
.endr

@ ---- depthwise, any window ------------------------------------------------------------------------------------------------------
@ Up to three pixels of two channels: r4-r6 accumulate the low halves' channel, r7-r9 the high halves' (the last pixel in r6, r9); r2, r3, lr pixels,
@ r0 input, r1 stream. A plane is done in two passes, bytes 0 and 2, then 1 and 3, a product an instruction, a tap at a time:
@ r10 the weight, r11 from pixel to pixel, r12 taps left in its high half, from tap to tap in its low.
@
@ Stream, by plane: the biases of its lanes, a word for each (ky, kx): int8 (lane 0) .. (lane 3), the multipliers of its lanes.
@ Lanes beyond the channels have weights 0 and multiplier 1.
@
@ Frame: 0 out | 4 plane of out | 8 shift | 12 zero point | 16 planes left | 20 where the plane lies in a row | 24 plane | 28 segments | 32 their end
@ | 36 r12 of a row | 40 r11 | 44 bytes of weights | 48 next row

@ Pixel 0, 1 or 2 (the last).
.macro dsp_dw_mac px, w, x
  .if \px == 0
    smlabb r4, \w, \x, r4
    smlatt r7, \w, \x, r7
  .elseif \px == 1
    smlabb r5, \w, \x, r5
    smlatt r8, \w, \x, r8
  .else
    smlabb r6, \w, \x, r6
    smlatt r9, \w, \x, r9
  .endif
.endm

@ For each accumulator in use.
.macro dsp_dw_each_acc N, do
  .if \N == 3
    \do r10, r4, r5, r6
    \do r11, r7, r8, r9
  .elseif \N == 2
    \do r10, r4, r6
    \do r11, r7, r9
  .else
    \do r10, r6
    \do r11, r9
  .endif
.endm

.macro dsp_dw_shift_left m, accs:vararg
  .irp acc, \accs
    lsl \acc, \acc, r3
  .endr
.endm

@ Multipliers in r10, r11 -> shifted, rounded, saturated; r0 out, r2 plane of out, lr planes left.
.macro dsp_dw_finish N
  ldm sp, {r0, r2, r3, r12, lr}
  cbz r3, 1f
  dsp_dw_each_acc \N, dsp_dw_shift_left
1:
  dsp_dw_each_acc \N, dsp_t1_round
.endm

.macro dsp_dw_store_bytes m, accs:vararg
  .irp acc, \accs
    strb \acc, [r0, #AT]
    .set AT, AT + 4
  .endr
  .set AT, LANE + 2
.endm

.macro dsp_dw_next_plane
  ldrd r10, r11, [sp, #20]
  add r0, r0, r2
  add r10, r10, r11
  str r0, [sp]
  str r10, [sp, #20]
  subs lr, lr, #1
  str lr, [sp, #16]
  bne 3b
.endm

.macro dsp_dw_taps HALF, N
  .if \N >= 2
    mov r4, r6
    mov r7, r9
  .endif
  .if \N == 3
    mov r5, r6
    mov r8, r9
  .endif
  ldr r3, [sp, #28]
1:                              @ a row
  ldr r0, [r3], #8
  ldr r2, [sp, #20]
  ldrd r12, r11, [sp, #36]
  str r3, [sp, #48]
  add r0, r0, r2
2:                              @ a tap
  ldr r10, [r1], #4
  ldr r2, [r0]
  .if \N == 2
    ldr lr, [r0, r11]
  .elseif \N == 3
    ldr r3, [r0, r11]
    ldr lr, [r0, r11, lsl #1]
  .endif
  dsp_half \HALF, r10
  uxtah r0, r0, r12
  .if \N == 1
    dsp_half \HALF, r2
    dsp_dw_mac 2, r10, r2
  .else
    dsp_half \HALF, r2, lr
    dsp_dw_mac 0, r10, r2
    .if \N == 3
      dsp_half \HALF, r3
      dsp_dw_mac 1, r10, r3
    .endif
    dsp_dw_mac 2, r10, lr
  .endif
  subs r12, r12, #0x10000
  bhs 2b
  ldr r3, [sp, #48]
  ldr r2, [sp, #32]
  cmp r3, r2
  bne 1b
.endm

.macro dsp_dw_any N
  .section .text.dsp_depthwise_\N, "ax", %progbits
  .global dsp_depthwise_\N
  .type dsp_depthwise_\N, %function
  .p2align 2
dsp_depthwise_\N:
  push {r3-r11, lr}
  sub sp, #56
  mov r10, r0
  ldm r0, {r1-r9}               @ segments, their end, plane, stream, out, plane of out, channels, zero point, shift
  adds r7, #3
  lsrs r7, r7, #2               @ planes
  strd r5, r6, [sp]
  strd r9, r8, [sp, #8]
  movs r0, #0
  strd r7, r0, [sp, #16]
  strd r3, r1, [sp, #24]
  str r2, [sp, #32]
  ldr r5, [r1, #4]              @ taps of a row
  ldrd r6, r7, [r10, #44]       @ from tap to tap, from pixel to pixel
  subs r2, r2, r1
  lsrs r2, r2, #1
  muls r2, r5, r2               @ rows * 4 * taps
  subs r5, #1
  orr r6, r6, r5, lsl #16
  strd r6, r7, [sp, #36]
  str r2, [sp, #44]
  mov r1, r4
3:                              @ a plane
  ldr r6, [r1]
  ldr r9, [r1, #8]
  adds r1, #16
  dsp_dw_taps 1, \N
  ldr r10, [r1]
  ldr r11, [r1, #8]
  dsp_dw_finish \N
  .set LANE, 0
  .set AT, LANE
  dsp_dw_each_acc \N, dsp_dw_store_bytes
  ldr r2, [sp, #44]
  subs r1, r1, r2
  ldr r6, [r1, #-12]
  ldr r9, [r1, #-4]
  dsp_dw_taps 2, \N
  ldr r10, [r1, #4]
  ldr r11, [r1, #12]
  adds r1, #16
  dsp_dw_finish \N
  .set LANE, 1
  .set AT, LANE
  dsp_dw_each_acc \N, dsp_dw_store_bytes
  dsp_dw_next_plane
  add sp, #56
  pop {r3-r11, pc}
  .size dsp_depthwise_\N, . - dsp_depthwise_\N
.endm

.irp n, 1, 2, 3
  dsp_dw_any \n
.endr

@ ---- dense: eight outputs over one row ------------------------------------------------------------------------------------------
@ r0 input, r1 weights, r2 bytes 1 and 3 of a word of input, r3 bytes 0 and 2; r12, lr weights; r4, r6, r8, r10 accumulate the even outputs.
@ The weights of outputs 2i and 2i + 1 share 16 bits as a + b * 2^8. As int16 they are what SMLAD takes: r5, r7, r9, r11 accumulate
@ A + B * 2^8; one SXTB16 leaves a, for A. At the end B is what is left of the difference, if it fits 24 bits: half a load and half a SXTB16 a
@ product less than with weights by themselves.
@ A step, four inputs: 16 SMLAD, 10 SXTB16, 9 LDR in four runs: 39 cycles for 32 products.
@
@ The arguments are used up: row and weights become what a group begins with, as its first round sees them.
@
@ Frame: 0 end of the row | 4 arguments
.macro dsp_dense_pair AT, x, a, ab, c, cd
  ldr r12, [r1, #\AT]
  ldr lr, [r1, #\AT + 4]
  dsp_dense_two \x, \a, \ab, \c, \cd
.endm

.macro dsp_dense_two x, a, ab, c, cd
  smlad \ab, r12, \x, \ab
  sxtb16 r12, r12
  smlad \a, r12, \x, \a
  smlad \cd, lr, \x, \cd
  sxtb16 lr, lr
  smlad \c, lr, \x, \c
.endm

.macro dsp_dense_step I
  ldr r2, [r0, #4 * \I]
  ldr r12, [r1, #32 * \I]
  ldr lr, [r1, #32 * \I + 4]
  sxtb16 r3, r2
  dsp_dense_two r3, r4, r5, r6, r7
  dsp_dense_pair 32 * \I + 8, r3, r8, r9, r10, r11
  sxtb16 r2, r2, ror #8
  dsp_dense_pair 32 * \I + 16, r2, r4, r5, r6, r7
  ldr r12, [r1, #32 * \I + 24]
  ldr lr, [r1, #32 * \I + 28]
  .if \I == 3
    ldr r3, [sp]                @ end of the row
  .endif
  dsp_dense_two r2, r8, r9, r10, r11
.endm

  .section .text.dsp_dense_octets, "ax", %progbits
  .global dsp_dense_octets
  .type dsp_dense_octets, %function
  .p2align 2
dsp_dense_octets:
  push {r4-r11, lr}
  sub sp, #12
  str r0, [sp, #4]
  ldm r0, {r1-r3}               @ row, weights, steps
  rsb r12, r3, #0
  and r12, r12, #3              @ steps of the first round that are left out
  add r3, r3, r12
  sub r4, r1, r12, lsl #2
  add r3, r4, r3, lsl #2
  str r3, [sp]
  mov r1, r2
  lsl r5, r12, #5
  adr r2, 8f
  ldrsh r6, [r2, r12, lsl #1]
  add r6, r6, r2
  stm r0, {r4-r6}               @ the row, bytes back to a group's weights, where to enter
3:                              @ a group
  ldr r12, [sp, #4]
  ldr lr, [r12, #12]            @ sums to begin with
  ldm r12, {r0, r2, r3}
  ldm lr, {r4-r11}
  subs r1, r1, r2
  add r5, r4, r5, lsl #8
  add r7, r6, r7, lsl #8
  add r9, r8, r9, lsl #8
  add r11, r10, r11, lsl #8
  bx r3
  .p2align 2
40:
  dsp_dense_step 0
41:
  dsp_dense_step 1
42:
  dsp_dense_step 2
43:
  dsp_dense_step 3
  adds r0, #16
  adds r1, #128
  cmp r0, r3
  bne 40b
  ldr r3, [sp, #4]
  subs r5, r5, r4
  subs r7, r7, r6
  sub r9, r9, r8
  sub r11, r11, r10
  ldrd r12, lr, [r3, #16]       @ where to, multipliers
  asrs r5, r5, #8
  asrs r7, r7, #8
  asr r9, r9, #8
  asr r11, r11, #8
  cmp lr, #0
  beq 6f
  ldrd r2, r3, [r3, #24]        @ zero point, shift
  cbz r3, 5f
  .irp acc, r4, r5, r6, r7, r8, r9, r10, r11
    lsl \acc, \acc, r3
  .endr
5:
  ldm lr!, {r0, r3}
  smmlar r4, r4, r0, r2
  smmlar r5, r5, r3, r2
  ldm lr!, {r0, r3}
  smmlar r6, r6, r0, r2
  smmlar r7, r7, r3, r2
  ldm lr!, {r0, r3}
  smmlar r8, r8, r0, r2
  smmlar r9, r9, r3, r2
  ldm lr!, {r0, r3}
  smmlar r10, r10, r0, r2
  smmlar r11, r11, r3, r2
  add lr, lr, #32               @ behind the next group's biases
  .irp acc, r4, r5, r6, r7, r8, r9, r10, r11
    ssat \acc, #8, \acc
    strb \acc, [r12], #1
  .endr
4:
  ldr r3, [sp, #4]
  ldr r0, [r3, #12]
  ldrd r2, r4, [r3, #32]        @ from a group's first sum to the next one's, groups left
  add r0, r0, r2
  str r0, [r3, #12]
  strd r12, lr, [r3, #16]
  subs r4, #1
  str r4, [r3, #36]
  bne 3b
  add sp, #12
  pop {r4-r11, pc}
6:
  stm r12!, {r4-r11}
  b 4b
  .p2align 2
8:
  .hword 40b - 8b + 1, 41b - 8b + 1, 42b - 8b + 1, 43b - 8b + 1
  .size dsp_dense_octets, . - dsp_dense_octets

  .text
"#,
    options(raw)
);

unsafe extern "C" {
    /// Eights of outputs of a dense layer over one row.
    pub fn dsp_dense_octets(args: *mut super::dense::Args);
}

blocks::functions! {
    Narrow8 THREE 1 => dsp_narrow8_t3_1,
    Narrow8 THREE 2 => dsp_narrow8_t3_2,
    Narrow8 THREE 3 => dsp_narrow8_t3_3,
    Narrow8 THREE 4 => dsp_narrow8_t3_4,
    Narrow8 THREE 5 => dsp_narrow8_t3_5,
    Narrow8 THREE 6 => dsp_narrow8_t3_6,
    Narrow8 ONE 1 => dsp_narrow8_t1_s1_1,
    Narrow8 ONE 2 => dsp_narrow8_t1_s1_2,
    Narrow8 ONE 3 => dsp_narrow8_t1_s1_3,
    Narrow8 ONE_STRIDE_2 1 => dsp_narrow8_t1_s2_1,
    Narrow8 ONE_STRIDE_2 2 => dsp_narrow8_t1_s2_2,
    Narrow8 ONE_STRIDE_2 3 => dsp_narrow8_t1_s2_3,
    Widened8 THREE 1 => dsp_widened8_t3_1,
    Widened8 THREE 2 => dsp_widened8_t3_2,
    Widened8 THREE 3 => dsp_widened8_t3_3,
    Widened8 THREE 4 => dsp_widened8_t3_4,
    Widened8 THREE 5 => dsp_widened8_t3_5,
    Widened8 THREE 6 => dsp_widened8_t3_6,
    Widened8 THREE 7 => dsp_widened8_t3_7,
    Widened16 THREE 1 => dsp_widened16_t3_1,
    Widened16 THREE 2 => dsp_widened16_t3_2,
    Widened16 THREE 3 => dsp_widened16_t3_3,
    Widened16 THREE 4 => dsp_widened16_t3_4,
    Widened16 THREE 5 => dsp_widened16_t3_5,
    Widened16 THREE 6 => dsp_widened16_t3_6,
    Widened16 THREE 7 => dsp_widened16_t3_7,
    WidenedOdd16 THREE 1 => dsp_widened_odd16_t3_1,
    WidenedOdd16 THREE 2 => dsp_widened_odd16_t3_2,
    WidenedOdd16 THREE 3 => dsp_widened_odd16_t3_3,
    WidenedOdd16 THREE 4 => dsp_widened_odd16_t3_4,
    WidenedOdd16 THREE 5 => dsp_widened_odd16_t3_5,
    WidenedOdd16 THREE 6 => dsp_widened_odd16_t3_6,
    WidenedOdd16 THREE 7 => dsp_widened_odd16_t3_7,
    Image16 THREE 1 => dsp_image16_t3_1,
    Image16 THREE 2 => dsp_image16_t3_2,
    Image16 THREE 3 => dsp_image16_t3_3,
    Image16 THREE 4 => dsp_image16_t3_4,
    Image16 THREE 5 => dsp_image16_t3_5,
    Image16 THREE 6 => dsp_image16_t3_6,
    Image16 THREE 7 => dsp_image16_t3_7,
    Image16 ONE|ONE_STRIDE_2 1 => dsp_image16_runs_1,
    Image16 ONE|ONE_STRIDE_2 2 => dsp_image16_runs_2,
    Image16 ONE|ONE_STRIDE_2 3 => dsp_image16_runs_3,
    Image16 ONE|ONE_STRIDE_2 4 => dsp_image16_runs_4,
    Widened8 ONE 1 => dsp_widened8_t1_s1_1,
    Widened8 ONE 2 => dsp_widened8_t1_s1_2,
    Widened8 ONE 3 => dsp_widened8_t1_s1_3,
    Widened8 ONE_STRIDE_2 1 => dsp_widened8_t1_s2_1,
    Widened8 ONE_STRIDE_2 2 => dsp_widened8_t1_s2_2,
    Widened8 ONE_STRIDE_2 3 => dsp_widened8_t1_s2_3,
    Widened16 ONE 1 => dsp_widened16_t1_s1_1,
    Widened16 ONE 2 => dsp_widened16_t1_s1_2,
    Widened16 ONE 3 => dsp_widened16_t1_s1_3,
    Widened16 ONE 4 => dsp_widened16_t1_s1_4,
    Widened16 ONE_STRIDE_2 1 => dsp_widened16_t1_s2_1,
    Widened16 ONE_STRIDE_2 2 => dsp_widened16_t1_s2_2,
    Widened16 ONE_STRIDE_2 3 => dsp_widened16_t1_s2_3,
    Widened16 ONE_STRIDE_2 4 => dsp_widened16_t1_s2_4,
    WidenedDuals ONE|ONE_STRIDE_2 1 => dsp_widened_duals_1,
    WidenedDuals ONE|ONE_STRIDE_2 2 => dsp_widened_duals_2,
    DepthwiseThree DEPTHWISE_3|DEPTHWISE_3_STRIDE_2 1 => dsp_depthwise3_s1_1,
    DepthwiseThree DEPTHWISE_3 2 => dsp_depthwise3_s1_2,
    DepthwiseThree DEPTHWISE_3 3 => dsp_depthwise3_s1_3,
    DepthwiseThree DEPTHWISE_3 4 => dsp_depthwise3_s1_4,
    DepthwiseThree DEPTHWISE_3 5 => dsp_depthwise3_s1_5,
    DepthwiseThree DEPTHWISE_3 6 => dsp_depthwise3_s1_6,
    DepthwiseThree DEPTHWISE_3_STRIDE_2 2 => dsp_depthwise3_s2_2,
    DepthwiseThree DEPTHWISE_3_STRIDE_2 3 => dsp_depthwise3_s2_3,
    DepthwiseThree DEPTHWISE_3_STRIDE_2 4 => dsp_depthwise3_s2_4,
    DepthwiseThree DEPTHWISE_3_STRIDE_2 5 => dsp_depthwise3_s2_5,
    DepthwiseThree DEPTHWISE_3_STRIDE_2 6 => dsp_depthwise3_s2_6,
    DepthwiseQuads DEPTHWISE|DEPTHWISE_STRIDED 1 => dsp_depthwise_1,
    DepthwiseQuads DEPTHWISE|DEPTHWISE_STRIDED 2 => dsp_depthwise_2,
    DepthwiseQuads DEPTHWISE|DEPTHWISE_STRIDED 3 => dsp_depthwise_3,
}

// Max pools whose windows are two pixels wide, a row at a time: SSUB8 leaves in the GE flags which bytes are not smaller, SEL takes those.
global_asm!(
    r#"
    .syntax unified
    .thumb
    .arch armv7e-m
    .section .text.dsp_merge_two, "ax", %progbits
    .global dsp_merge_two
    .type dsp_merge_two, %function
    .p2align 2
dsp_merge_two:                  @ r0 pixels, r1 outputs, r2 how many of these, r3 whether there are none yet
    push {r4, r5, r6, r7, lr}
    subs r2, #2
    blo 3f
1:  ldm r0!, {r4, r5, r6, r7}
    ssub8 r12, r4, r5
    sel r4, r4, r5
    ssub8 r12, r6, r7
    sel r5, r6, r7
    cbnz r3, 2f
    ldrd r6, r7, [r1]
    ssub8 r12, r4, r6
    sel r4, r4, r6
    ssub8 r12, r5, r7
    sel r5, r5, r7
2:  strd r4, r5, [r1], #8
    subs r2, #2
    bhs 1b
3:  adds r2, #1
    bne 5f
    ldrd r4, r5, [r0]             @ an odd one
    ssub8 r12, r4, r5
    sel r4, r4, r5
    cbnz r3, 4f
    ldr r5, [r1]
    ssub8 r12, r4, r5
    sel r4, r4, r5
4:  str r4, [r1]
5:  pop {r4, r5, r6, r7, pc}
    .size dsp_merge_two, . - dsp_merge_two
"#,
    options(raw)
);

unsafe extern "C" {
    fn dsp_merge_two(from: *const u8, to: *mut u8, pixels: usize, is_first: bool);
}

/// Pixels of four int8, words all of them: the largest of every two, and of what was there unless it `is_first`.
#[inline(always)]
pub fn merge_two_words(from: &[u8], to: &mut [u8], is_first: bool) {
    let pixels = to.len() / 4;
    if pixels > 0 && from.len() >= 8 * pixels {
        // SAFETY: so many pixels are read and written; words of an arena lie at multiples of four.
        unsafe { dsp_merge_two(from.as_ptr(), to.as_mut_ptr(), pixels, is_first) };
    }
}

/// The larger of each of four int8.
#[inline(always)]
pub fn max_bytes(a: u32, b: u32) -> u32 {
    let largest;
    // SAFETY: two instructions on registers. SSUB8 leaves in the GE flags which bytes of `a` are not smaller, SEL takes those.
    // Encoded, because for Armv8-M `asm!` takes neither the extension's mnemonics nor a directive that would let it.
    unsafe {
        core::arch::asm!(
            ".inst.w 0xfac0f201", // ssub8 r2, r0, r1
            ".inst.w 0xfaa0f081", // sel r0, r0, r1
            inout("r0") a => largest,
            in("r1") b,
            out("r2") _,
            options(pure, nomem, nostack),
        );
    }
    largest
}

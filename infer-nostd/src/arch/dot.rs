//! Inner products for the operators that have no kernel of their own: four at a time, equal to the bit to `portable::dot4`.

use super::portable;
use core::arch::global_asm;

/// Shorter runs are not worth a call.
const SHORTEST: usize = 8;

/// What the assembly is told. It leaves the sums in `accs`.
#[repr(C)]
struct Args {
    a: *const i8,
    end: *const i8,
    b: [*const i8; 4],
    accs: [i32; 4],
}

unsafe extern "C" {
    fn dot4_runs(args: *mut Args);
}

/// accₙ + Σ aᵢ·bₙᵢ, wrapping. The `b` are as long as `a`, or longer.
#[inline(always)]
pub fn dot4(accs_i32: [i32; 4], a: &[i8], b: [&[i8]; 4]) -> [i32; 4] {
    if a.len() < SHORTEST {
        return portable::dot4(accs_i32, a, b);
    }
    let [b0, b1, b2, b3] = b;
    let b = [b0[..a.len()].as_ptr(), b1[..a.len()].as_ptr(), b2[..a.len()].as_ptr(), b3[..a.len()].as_ptr()];
    let range = a.as_ptr_range();
    let mut args = Args { a: range.start, end: range.end, b, accs: accs_i32 };
    // SAFETY: it reads from `a` to its end, at least one value, and as many of each `b`, which the slices above have; and it writes `accs`.
    unsafe { dot4_runs(&mut args) };
    args.accs
}

// r0 a, r1-r4 b, r5-r8 sums, r9, r10 weights, r11 a value, r12 the end.
#[cfg(any(kernels = "dsp", kernels = "armv7m"))]
global_asm!(
    r#"
    .syntax unified
    .thumb

.macro dot4_value I
  ldrsb r11, [r0, #\I]
  ldrsb r9, [r1, #\I]
  ldrsb r10, [r2, #\I]
  mla r5, r11, r9, r5
  mla r6, r11, r10, r6
  ldrsb r9, [r3, #\I]
  ldrsb r10, [r4, #\I]
  mla r7, r11, r9, r7
  mla r8, r11, r10, r8
.endm

  .section .text.dot4_runs, "ax", %progbits
  .global dot4_runs
  .type dot4_runs, %function
  .p2align 2
dot4_runs:
  push {r0, r4-r11, lr}
  mov lr, r0
  ldm lr, {r0, r12}
  add lr, lr, #8
  ldm lr, {r1-r8}
  sub r12, r12, #3              @ the last value but three
  b 2f
1:
  dot4_value 0
  dot4_value 1
  dot4_value 2
  dot4_value 3
  adds r0, #4
  adds r1, #4
  adds r2, #4
  adds r3, #4
  adds r4, #4
2:
  cmp r0, r12
  blo 1b
  add r12, r12, #3
  b 4f
3:
  dot4_value 0
  adds r0, #1
  adds r1, #1
  adds r2, #1
  adds r3, #1
  adds r4, #1
4:
  cmp r0, r12
  blo 3b
  pop {r0}
  add r0, r0, #24
  stm r0, {r5-r8}
  pop {r4-r11, pc}
  .size dot4_runs, . - dot4_runs

  .text
"#,
    options(raw)
);

// r0 index, from −length to 0; r1-r4 the ends of the b, r5 that of a; r6 a value, r7 a weight; r8-r11 sums. A value takes 19 cycles for four products.
#[cfg(kernels = "armv6m")]
global_asm!(
    r#"
    .syntax unified
    .thumb

.macro dot4_value
  ldrsb r6, [r5, r0]
  ldrsb r7, [r1, r0]
  muls r7, r6, r7
  add r8, r7
  ldrsb r7, [r2, r0]
  muls r7, r6, r7
  add r9, r7
  ldrsb r7, [r3, r0]
  muls r7, r6, r7
  add r10, r7
  ldrsb r7, [r4, r0]
  muls r7, r6, r7
  add r11, r7
  adds r0, #1
.endm

  .section .text.dot4_runs, "ax", %progbits
  .global dot4_runs
  .type dot4_runs, %function
  .p2align 2
dot4_runs:
  push {r4-r7, lr}
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  push {r0, r4-r7}
  adds r0, #24
  ldm r0!, {r4-r7}
  mov r8, r4
  mov r9, r5
  mov r10, r6
  mov r11, r7
  subs r0, #40
  ldm r0!, {r6, r7}
  ldm r0!, {r1-r4}
  mov r5, r7
  subs r0, r6, r7               @ less the length
  subs r1, r1, r0
  subs r2, r2, r0
  subs r3, r3, r0
  subs r4, r4, r0
  adds r7, r0, #3
  bpl 3f                        @ fewer than four are left
2:
  dot4_value
  dot4_value
  dot4_value
  dot4_value
  adds r7, r0, #3
  bmi 2b
3:
  cmp r0, #0
  beq 9f
4:
  dot4_value
  bne 4b
9:
  pop {r0}
  adds r0, #24
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  stm r0!, {r4-r7}
  pop {r4-r7}
  mov r8, r4
  mov r9, r5
  mov r10, r6
  mov r11, r7
  pop {r4-r7, pc}
  .size dot4_runs, . - dot4_runs

  .text
"#,
    options(raw)
);

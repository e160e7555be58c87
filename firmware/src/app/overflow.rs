//! `overflow`: a function that calls itself until the stack is used up, to see that this ends the program and overwrites nothing.

use core::hint::black_box;

/// Never comes back.
#[inline(never)]
#[expect(unconditional_recursion, reason = "what it is for")]
pub fn run(depth: i32) -> i32 {
    let frame = black_box([depth; 16]);
    run(depth + 1) + frame[0]
}

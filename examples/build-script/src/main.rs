//! Reads a digit by a plan that was made while this was built.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use infer_nostd::fixed::quantize;
use infer_nostd::{Engine, include_plan};
use semihosting::{println, process};

// What build.rs wrote, checked while this compiles.
include_plan!(static WORDS, PLAN = concat!(env!("OUT_DIR"), "/net.plan"));

/// A seven: 28 rows of 28 pixels behind a header of 13 bytes.
static DIGIT: &[u8; 13 + 28 * 28] = include_bytes!("../../seven.pgm");

#[entry]
fn main() -> ! {
    let mut arena = [0; PLAN.arena_words()];
    let Ok(mut engine) = Engine::<{ PLAN.tensor_count() }, { PLAN.uses() }>::sized(PLAN, &mut arena) else {
        unreachable!("arena and engine have the plan's own sizes")
    };
    for pixels in DIGIT[13..].chunks_exact(28) {
        let row: [i8; 28] = core::array::from_fn(|x| to_int8(pixels[x]));
        if let Ok(Some(logits)) = engine.push_row(&row) {
            let class = (0..logits.len()).max_by_key(|&class| logits[class]).unwrap_or_default();
            let (flash_bytes, ram_bytes) = (4 * WORDS.len(), 4 * PLAN.arena_words());
            println!("read {class} with a plan of {flash_bytes} bytes and {ram_bytes} of RAM");
            process::exit(i32::from(class != 7));
        }
    }
    process::exit(1)
}

/// A pixel stands for 0 to 1, which the network takes in steps of its own.
fn to_int8(pixel: u8) -> i8 {
    let input = PLAN.input();
    quantize(f32::from(pixel) / 255.0, input.scale, input.zero_point)
}

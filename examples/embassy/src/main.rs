//! A network in a task of its own: it takes rows as they come, and gives way to the other tasks after each.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
use cortex_m as _; // its critical sections
use embassy_executor::Spawner;
use embassy_futures::yield_now;
use infer_nostd::fixed::quantize;
use infer_nostd::{Engine, include_plan};
use semihosting::{println, process};

// The network, checked while this compiles.
include_plan!(static WORDS, PLAN = "../../../models/mnist-cnn/cortex-m0.plan");

/// A seven: 28 rows of 28 pixels behind a header of 13 bytes.
static DIGIT: &[u8; 13 + 28 * 28] = include_bytes!("../../seven.pgm");

/// How often the other task had its turn.
static TURNS: AtomicU32 = AtomicU32::new(0);

#[embassy_executor::task]
async fn read_digit() {
    let mut arena = [0; PLAN.arena_words()]; // the task's own, which embassy keeps in a static
    let Ok(mut engine) = Engine::<{ PLAN.tensor_count() }, { PLAN.uses() }>::sized(PLAN, &mut arena) else {
        unreachable!("arena and engine have the plan's own sizes")
    };
    for pixels in DIGIT[13..].chunks_exact(28) {
        let row: [i8; 28] = core::array::from_fn(|x| to_int8(pixels[x]));
        if let Ok(Some(logits)) = engine.push_row(&row) {
            let class = (0..logits.len()).max_by_key(|&class| logits[class]);
            println!("read {}; the other task had {} turns", class.unwrap_or_default(), TURNS.load(Relaxed));
            process::exit(i32::from(class != Some(7) || TURNS.load(Relaxed) < 27));
        }
        yield_now().await;
    }
}

/// What else the program does.
#[embassy_executor::task]
async fn blink() {
    loop {
        TURNS.store(TURNS.load(Relaxed) + 1, Relaxed);
        yield_now().await;
    }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    spawner.spawn(read_digit().unwrap());
    spawner.spawn(blink().unwrap());
}

/// A pixel stands for 0 to 1, which the network takes in steps of its own.
fn to_int8(pixel: u8) -> i8 {
    let input = PLAN.input();
    quantize(f32::from(pixel) / 255.0, input.scale, input.zero_point)
}

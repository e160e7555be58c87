//! The program as the chip runs it.

use crate::laps::{INPUT, Laps, OUTSIDE, operator};
use firmware::network::{Engine, ROW_LEN, SAMPLES, Sample};
use firmware::say;

firmware::program!(run);

fn run(engine: &mut Engine) -> i32 {
    let mut laps = Laps::start();
    let equal = infer(engine, &SAMPLES[0], &mut laps);
    laps.print();
    if !equal {
        say!("FAIL: the logits are not the host's");
    }
    i32::from(!equal)
}

/// Whether an image's logits are the host's. Not inlined: the code of an inference is this function and what it calls, and its
/// stack is the engine's but for this frame.
#[inline(never)]
fn infer(engine: &mut Engine, sample: &Sample, laps: &mut Laps) -> bool {
    let mut equal = false;
    laps.switch(INPUT);
    engine.start();
    for row in sample.image.chunks_exact(ROW_LEN) {
        laps.switch(INPUT);
        if let Ok(Some(logits)) = engine.push_row_with(row, &mut |id| laps.switch(operator(id))) {
            laps.switch(OUTSIDE);
            equal = logits == sample.logits;
        }
    }
    laps.switch(OUTSIDE);
    equal
}

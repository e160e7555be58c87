//! `selftest`: the embedded images, every logit held against the host's.

use super::{DONE, FAILED, report};
use firmware::console::Part;
use firmware::network::{BOARD, Engine, ROW_LEN, SAMPLES, Sample, class_of};
use firmware::say;
use firmware::stopwatch::Stopwatch;
use talk::crc32::Crc32;

/// Prints what the README describes; returns the exit status.
#[inline(never)]
pub fn run(engine: &mut Engine) -> i32 {
    say!("selftest on ", BOARD.name, ", ", BOARD.core);
    let mut watch = Stopwatch::start();
    let mut results = Results::default();
    for sample in SAMPLES {
        infer(engine, sample, &mut watch, &mut results);
        results.ticks = results.ticks.max(watch.take());
        match sample.label {
            Some(label) => say!("read ", results.class, ", shown ", usize::from(label)),
            None => say!("read ", results.class),
        }
    }
    let labelled = SAMPLES.iter().filter(|sample| sample.label.is_some()).count();
    say!("accuracy ", results.right, "/", labelled);
    say!("equal ", results.equal, "/", SAMPLES.len());
    say!("checksum ", Part::Hex(results.checksum.value()));
    report::print(SAMPLES.len() as u32, results.ticks);
    let passed = results.equal == SAMPLES.len();
    say!(if passed { "PASS" } else { "FAIL" });
    if passed { DONE } else { FAILED }
}

/// What the images have come to.
#[derive(Default)]
struct Results {
    checksum: Crc32,
    /// The class of the last image.
    class: usize,
    /// Images whose class is their label.
    right: usize,
    /// Images whose logits are the host's.
    equal: usize,
    /// Of the slowest image.
    ticks: u32,
}

/// An image, timed, into the results.
#[inline(never)]
fn infer(engine: &mut Engine, sample: &Sample, watch: &mut Stopwatch, results: &mut Results) {
    engine.start();
    for row in sample.image.chunks_exact(ROW_LEN) {
        if let Some(logits) = watch.push_row(engine, row) {
            logits.iter().for_each(|&logit| results.checksum.update(logit.cast_unsigned()));
            results.class = class_of(logits);
            results.right += usize::from(sample.label.is_some_and(|label| usize::from(label) == results.class));
            results.equal += usize::from(logits == sample.logits);
        }
    }
}

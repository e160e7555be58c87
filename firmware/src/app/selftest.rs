//! `selftest`: the embedded images, every logit held against the host's.

use super::command::{DONE, FAILED};
use super::crc32::Crc32;
use super::report;
use firmware::console::Part;
use firmware::network::{BOARD, Engine, LOGITS, ROW_LEN, SAMPLES, Sample, class_of};
use firmware::say;
use firmware::stopwatch::Stopwatch;

/// Prints what the README describes; returns the exit status.
#[inline(never)]
pub fn run(engine: &mut Engine) -> i32 {
    say!("selftest on ", BOARD.name, ", ", BOARD.core);
    let mut watch = Stopwatch::start();
    let (mut checksum, mut right, mut equal) = (Crc32::default(), 0usize, 0usize);
    for sample in SAMPLES {
        let logits = infer(engine, sample, &mut watch);
        checksum.update(&logits);
        right += usize::from(is_right(sample, &logits));
        equal += usize::from(logits == sample.logits);
        print_answer(sample, &logits);
    }
    let labelled = SAMPLES.iter().filter(|sample| sample.label.is_some()).count();
    say!("accuracy ", right, "/", labelled);
    say!("equal ", equal, "/", SAMPLES.len());
    say!("checksum ", Part::Hex(checksum.value()));
    report::print(SAMPLES.len() as u64, &watch);
    let passed = equal == SAMPLES.len();
    say!(if passed { "PASS" } else { "FAIL" });
    if passed { DONE } else { FAILED }
}

/// The logits of an image, timed.
fn infer(engine: &mut Engine, sample: &Sample, watch: &mut Stopwatch) -> [i8; LOGITS] {
    let mut answer = [0; LOGITS];
    engine.start();
    watch.resume();
    for row in sample.image.chunks_exact(ROW_LEN) {
        if let Ok(Some(logits)) = engine.push_row(row) {
            answer.copy_from_slice(logits);
        }
        watch.lap();
    }
    answer
}

fn is_right(sample: &Sample, logits: &[i8]) -> bool {
    sample.label.is_some_and(|label| usize::from(label) == class_of(logits))
}

fn print_answer(sample: &Sample, logits: &[i8]) {
    let class = class_of(logits);
    match sample.label {
        Some(label) => say!("read ", class, ", shown ", usize::from(label)),
        None => say!("read ", class),
    }
}

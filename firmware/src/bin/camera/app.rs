//! The program as the chip runs it.

use firmware::network::{Engine, ROW_LEN, SAMPLES, Sample, class_of};
use firmware::say;
use firmware::stopwatch::Stopwatch;

firmware::program!(run);

/// Images that the camera sees.
const IMAGES: usize = 4;

fn run(engine: &mut Engine) -> i32 {
    let mut watch = Stopwatch::start();
    let alone = expose(engine, &SAMPLES[0], 0, &mut watch);
    // An eighth more than the slowest line takes, as another image may take a little longer.
    let line_ticks = alone.slowest_ticks + alone.slowest_ticks / 8;
    let (mut late, mut answer_ticks, mut equal) = (0, 0, alone.equal);
    for sample in SAMPLES.iter().take(IMAGES) {
        let seen = expose(engine, sample, line_ticks, &mut watch);
        match sample.label {
            Some(label) => say!("read ", seen.class, ", shown ", usize::from(label)),
            None => say!("read ", seen.class),
        }
        late += seen.late;
        answer_ticks = seen.answer_ticks.max(answer_ticks);
        equal &= seen.equal;
    }
    say!("line_ticks ", line_ticks);
    say!("late ", late);
    say!("answer_ticks ", answer_ticks);
    say!("frame_ticks ", alone.frame_ticks);
    let passed = equal && late == 0;
    say!(if passed { "PASS" } else { "FAIL" });
    i32::from(!passed)
}

/// What became of an image.
#[derive(Default)]
struct Seen {
    class: usize,
    /// Its logits are the host's.
    equal: bool,
    /// Lines that came while the one before was still at work.
    late: u32,
    /// The line that took longest.
    slowest_ticks: u32,
    /// The last line.
    answer_ticks: u32,
    /// All lines.
    frame_ticks: u32,
}

/// Shows the engine an image, a line every `line_ticks`; the next as soon as the one before is done where that is 0.
fn expose(engine: &mut Engine, sample: &Sample, line_ticks: u32, watch: &mut Stopwatch) -> Seen {
    let mut seen = Seen::default();
    engine.start();
    for row in sample.image.chunks_exact(ROW_LEN) {
        watch.resume(); // the line is in
        let answer = engine.push_row(row);
        let ticks = watch.lap();
        if let Ok(Some(logits)) = answer {
            (seen.class, seen.equal, seen.answer_ticks) = (class_of(logits), logits == sample.logits, ticks);
        }
        seen.slowest_ticks = ticks.max(seen.slowest_ticks);
        seen.frame_ticks += ticks;
        seen.late += u32::from(line_ticks > 0 && ticks > line_ticks);
        let mut passed = ticks;
        while passed < line_ticks {
            passed += watch.lap();
        }
    }
    seen
}

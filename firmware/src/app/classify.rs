//! `classify IN OUT`: int8 images in, int8 logits out, a row at a time, so that no image need ever fit in RAM.

use semihosting::fs::File;
use semihosting::io::{Read, Write};

use super::command::{BAD_INPUT, DONE};
use super::report;
use firmware::network::{Engine, LOGITS, ROW_LEN, ROWS};
use firmware::say;
use firmware::stopwatch::Stopwatch;

/// Reads images to the end of the file; returns the exit status.
#[inline(never)]
pub fn run(engine: &mut Engine, mut input: File, mut output: File) -> i32 {
    let mut watch = Stopwatch::start();
    let mut images = 0;
    loop {
        match classify(engine, &mut input, &mut watch) {
            Ok(Some(logits)) if output.write_all(&logits).is_ok() => images += 1,
            Ok(None) => break,
            Ok(Some(_)) => return complain("cannot write the logits of image ", images),
            Err(Truncated) => return complain("IN ends, or cannot be read, within image ", images),
        }
    }
    report::print(images, &watch);
    say!("DONE");
    DONE
}

/// The file ends inside an image.
struct Truncated;

/// The logits of the next image; `None` at the end of the file.
fn classify(engine: &mut Engine, input: &mut File, watch: &mut Stopwatch) -> Result<Option<[u8; LOGITS]>, Truncated> {
    let mut answer = [0; LOGITS];
    let mut bytes = [0; ROW_LEN];
    engine.start();
    for row in 0..ROWS {
        match fill(&mut bytes, input) {
            0 if row == 0 => return Ok(None),
            ROW_LEN => {}
            _ => return Err(Truncated),
        }
        let row = bytes.map(u8::cast_signed);
        watch.resume();
        if let Ok(Some(logits)) = engine.push_row(&row) {
            answer = core::array::from_fn(|i| logits[i].cast_unsigned());
        }
        watch.lap();
    }
    Ok(Some(answer))
}

/// Reads until the row is full or the file ends; returns how many bytes there were.
fn fill(row: &mut [u8], input: &mut File) -> usize {
    let mut len = 0;
    while len < row.len()
        && let Ok(count @ 1..) = input.read(&mut row[len..])
    {
        len += count;
    }
    len
}

fn complain(what: &str, image: u64) -> i32 {
    say!(what, image, " (counted from 0; an image is ", ROWS, " rows of ", ROW_LEN, " bytes)");
    BAD_INPUT
}

//! `classify`: int8 images in, int8 logits out, a row at a time, so that no image need ever fit in RAM.

use core::ffi::CStr;
use infer_nostd::arch::bytes_as_i8;
use semihosting::fs::File;
use semihosting::io::{Read, Write};

use super::{BAD_INPUT, DONE, report};
use firmware::network::{Engine, LOGITS as ANSWER_LEN, ROW_LEN, ROWS};
use firmware::say;
use firmware::stopwatch::Stopwatch;

/// The host's file of images: rows of width × channels int8 values, image after image.
const IMAGES: &CStr = c"images.i8";
/// The host's file of answers: the int8 logits of each image.
const LOGITS: &CStr = c"logits.i8";

/// Reads images to the end of the file; returns the exit status.
#[inline(never)]
pub fn run(engine: &mut Engine) -> i32 {
    let Ok(mut input) = File::open(IMAGES) else {
        say!("cannot read images.i8");
        return BAD_INPUT;
    };
    let Ok(mut output) = File::create(LOGITS) else {
        say!("cannot write logits.i8");
        return BAD_INPUT;
    };
    let mut watch = Stopwatch::start();
    let (mut images, mut ticks) = (0, 0);
    loop {
        match classify(engine, &mut input, &mut output, &mut watch) {
            Outcome::Answered => images += 1,
            Outcome::End => break,
            Outcome::NotWhole => {
                say!(
                    "images.i8 or logits.i8 ends within image ",
                    images,
                    ", of ",
                    ROWS,
                    " rows of ",
                    ROW_LEN,
                    " bytes"
                );
                return BAD_INPUT;
            }
        }
        ticks = watch.take().max(ticks);
    }
    report::print(images, ticks);
    say!("DONE");
    DONE
}

/// What became of an image.
enum Outcome {
    Answered,
    /// There is none left.
    End,
    /// Not all of it could be read, or its logits not be written.
    NotWhole,
}

/// The next image.
fn classify(engine: &mut Engine, input: &mut File, output: &mut File, watch: &mut Stopwatch) -> Outcome {
    engine.start();
    for row in 0..ROWS {
        let mut bytes = [0; ROW_LEN];
        match fill(&mut bytes, input) {
            0 if row == 0 => return Outcome::End,
            ROW_LEN => {}
            _ => return Outcome::NotWhole,
        }
        if let Some(logits) = watch.push_row(engine, bytes_as_i8(&bytes)) {
            let bytes: [u8; ANSWER_LEN] =
                core::array::from_fn(|i| logits.get(i).copied().unwrap_or_default().cast_unsigned());
            if !matches!(output.write(&bytes), Ok(ANSWER_LEN)) {
                return Outcome::NotWhole;
            }
        }
    }
    Outcome::Answered
}

/// Reads until the row is full or the file ends; returns how many bytes there were.
fn fill(row: &mut [u8], input: &mut File) -> usize {
    let mut len = 0;
    while let Some(rest @ [_, ..]) = row.get_mut(len..)
        && let Ok(count @ 1..) = input.read(rest)
    {
        len += count;
    }
    len
}

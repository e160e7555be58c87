//! The figures that end every run.

use super::memory;
use firmware::say;
use firmware::stopwatch::Stopwatch;

/// Prints time and memory, a line each: a name and a number. The README says what they mean.
pub fn print(images: u64, watch: &Stopwatch) {
    let memory::Usage { static_bytes, stack_bytes } = memory::usage();
    say!("images ", images);
    say!("ticks ", watch.ticks());
    say!("ticks_per_image ", watch.ticks() / images.max(1));
    say!("instructions_per_image ", watch.instructions() / images.max(1));
    say!("static_bytes ", static_bytes);
    say!("stack_bytes ", stack_bytes);
    say!("ram_bytes ", static_bytes + stack_bytes);
}

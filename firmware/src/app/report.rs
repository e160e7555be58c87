//! The figures that end every run.

use firmware::{memory, say};

/// Prints time and memory, a line each: a name and a number. The README says what they mean.
#[inline(never)]
pub fn print(images: u32, ticks_per_image: u32) {
    let memory::Usage { static_bytes, stack_bytes } = memory::usage();
    say!("images ", images);
    say!("ticks_per_image ", ticks_per_image);
    say!("static_bytes ", static_bytes);
    say!("stack_bytes ", stack_bytes);
    say!("ram_bytes ", static_bytes + stack_bytes);
}

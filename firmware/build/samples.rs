//! The images that travel inside the ELF, with the logits that the host's engine gives for them.

use crate::boards::Board;
use infer_nostd::fixed::quantize;
use infer_nostd::{Engine, Plan, TensorInfo};
use std::fmt::Write;

/// Enough for an accuracy that means something, few enough to leave the flash to the network.
const MAX_SAMPLES: usize = 20;
/// Flash left for the program itself.
const CODE_BYTES: usize = 32 * 1024;
/// RAM left for the stack, which measures 1 KB at its deepest.
const STACK_BYTES: usize = 3 * 512;
/// Any seed but those that training and the tests use.
const SEED: u64 = 0x5EED;

/// An image in the network's own int8, and the class it shows, where it shows one.
struct Sample {
    image: Vec<i8>,
    label: Option<u8>,
}

/// Rust source: an array expression of `Sample`s, at least one, and as many as fit in the flash beside the plan.
pub fn generate(plan_bytes: &[u8], board: &Board) -> Result<String, String> {
    if !plan_bytes.len().is_multiple_of(4) {
        return Err("the plan is not whole words: the file is cut or padded".into());
    }
    let words: Vec<u32> = plan_bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    let plan = Plan::parse(&words).map_err(|e| e.to_string())?;
    // On the stack as well: a row of the image as bytes and as int8, two answers, the engine's table of progress.
    let frame = 2 * plan.input().row_len() + 2 * plan.output().len() + 4 * plan.tensor_count();
    fits(4 * plan.arena_words() + STACK_BYTES + frame, board)?;
    let mut arena = vec![0; plan.arena_words()];
    let mut engine = Engine::new(plan, &mut arena).map_err(|e| e.to_string())?;
    let input = plan.input();

    let mut source = String::from("[\n");
    for index in 0..count(plan_bytes.len(), board, input.len()) {
        let Sample { image, label } = sample(index as u64, &input);
        let logits = engine.infer(&image).map_err(|e| e.to_string())?;
        writeln!(source, "Sample {{ label: {label:?}, logits: {logits:?}, image: {image:?} }},").unwrap();
    }
    Ok(source + "]")
}

/// The linker would notice statics beyond RAM, but not a stack that grows into them.
fn fits(ram_bytes: usize, board: &Board) -> Result<(), String> {
    let (name, len_bytes) = (board.name, board.ram.len_bytes);
    if ram_bytes > len_bytes as usize {
        return Err(format!("the plan and a stack need {ram_bytes} bytes of RAM, {name} has {len_bytes}"));
    }
    Ok(())
}

fn count(plan_bytes: usize, board: &Board, image_bytes: usize) -> usize {
    ((board.flash.len_bytes as usize).saturating_sub(plan_bytes + CODE_BYTES) / image_bytes).clamp(1, MAX_SAMPLES)
}

/// A digit where the network reads 28×28 in grey, else noise: the bits can be compared, if not the classes.
fn sample(index: u64, input: &TensorInfo) -> Sample {
    if (input.height, input.width, input.channels) != (28, 28, 1) {
        return Sample {
            image: data::noise(SEED ^ index).take(input.len()).map(u8::cast_signed).collect(),
            label: None,
        };
    }
    let (pixels, label) = data::digits::image(SEED, index);
    Sample { image: pixels.iter().map(|&pixel| to_int8(pixel, input)).collect(), label: Some(label) }
}

/// A pixel of 0…255 stands for 0…1, as everywhere in this project.
fn to_int8(pixel: u8, input: &TensorInfo) -> i8 {
    quantize(f32::from(pixel) / 255.0, input.scale, input.zero_point)
}

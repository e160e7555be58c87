//! The images that travel inside the ELF, with the logits that the host's engine gives for them.

use crate::boards::{Board, Frame};
use infer_nostd::fixed::quantize;
use infer_nostd::{Engine, Plan, TensorInfo};
use std::fmt::Write;

/// Enough for an accuracy that means something, few enough to leave the flash to the network.
const MAX_SAMPLES: usize = 20;
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
    fits(&plan, board)?;
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
fn fits(plan: &Plan, board: &Board) -> Result<(), String> {
    let frame =
        Frame { row_len: plan.input().row_len(), answer_len: plan.output().len(), tensors: plan.tensor_count() };
    let (needs, left) = (4 * plan.arena_words() + plan.stack_bytes(), board.plan_ram_bytes(&frame));
    if needs > left {
        let (name, has) = (board.name, board.ram.len_bytes);
        return Err(format!(
            "the plan takes {needs} bytes of RAM and {name} has {left} for it, of {has}: plan with --ram-budget {left}"
        ));
    }
    Ok(())
}

fn count(plan_bytes: usize, board: &Board, image_bytes: usize) -> usize {
    (board.plan_flash_bytes().saturating_sub(plan_bytes) / image_bytes).clamp(1, MAX_SAMPLES)
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

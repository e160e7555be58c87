//! The images that travel inside the ELF, with the logits that the host's engine gives for them.

use crate::boards::{Board, Frame};
use crate::noise::Noise;
use infer_nostd::fixed::quantize;
use infer_nostd::{Engine, Plan, TensorInfo};
use std::fmt::Write;
use talk::crc32::Crc32;

/// Enough for an accuracy that means something, few enough to leave the flash to the network.
const MAX_SAMPLES: usize = 20;
/// Any seed but those that training and the tests use.
const SEED: u64 = 0x5EED;

/// An image in the network's own int8, and the class it shows, where it shows one.
struct Sample {
    image: Vec<i8>,
    label: Option<u8>,
}

/// Images of noise that the application without samples tests itself with, and where they begin.
const NOISE_IMAGES: usize = 2;
const NOISE_SEED: u32 = 0x2545_F491;

/// Rust source.
pub struct Sources {
    /// An array expression of `Sample`s, at least one, and as many as fit in the flash beside the plan.
    pub samples: String,
    /// Constants: images of noise, and the CRC-32 of the host's logits for them.
    pub noise: String,
}

/// What the host's engine says to images that travel in the ELF, and to noise.
pub fn generate(plan_bytes: &[u8], board: &Board) -> Result<Sources, String> {
    if !plan_bytes.len().is_multiple_of(4) {
        return Err("the plan is not whole words: the file is cut or padded".into());
    }
    let words: Vec<u32> = plan_bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    let plan = Plan::parse(&words).map_err(|e| e.to_string())?;
    fits(&plan, board)?;
    let mut arena = vec![0; plan.arena_words()];
    let mut engine = Engine::new(plan, &mut arena).map_err(|e| e.to_string())?;
    let input = plan.input();

    let noise = noise(&mut engine, input.len())?;
    let mut source = String::from("[\n");
    for index in 0..count(plan_bytes.len(), board, input.len()) {
        let Sample { image, label } = sample(index as u64, &input);
        let logits = engine.infer(&image).map_err(|e| e.to_string())?;
        writeln!(source, "Sample {{ label: {label:?}, logits: {logits:?}, image: {image:?} }},").unwrap();
    }
    Ok(Sources { samples: source + "]", noise })
}

fn noise(engine: &mut Engine, image_len: usize) -> Result<String, String> {
    let (mut noise, mut crc) = (Noise::new(NOISE_SEED), Crc32::new());
    for _ in 0..NOISE_IMAGES {
        let image: Vec<i8> = (0..image_len).map(|_| noise.value()).collect();
        let logits = engine.infer(&image).map_err(|e| e.to_string())?;
        logits.iter().for_each(|&logit| crc.update(logit.cast_unsigned()));
    }
    Ok(format!(
        "/// Images of noise for a self-test.\npub const NOISE_IMAGES: usize = {NOISE_IMAGES};\n\
         /// Where they begin.\npub const NOISE_SEED: u32 = {NOISE_SEED};\n\
         /// CRC-32 of the logits that the host's engine has for them.\npub const NOISE_CRC: u32 = {};\n",
        crc.value()
    ))
}

/// The linker would notice statics beyond RAM, but not that they leave too little for the stack.
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

//! A plan that is damaged, foreign or made to mislead is refused with its cause; one that passes never panics.

use clap::ValueEnum;
use export::plan::{Options, Target, plan_for};
use infer_nostd::plan::{HEADER_WORDS, MAX_OPERATORS, Operator, TENSOR_WORDS, Tensor, VERSION, crc32};
use infer_nostd::{Engine, Plan, PlanError};
use std::mem::offset_of;
use tests::generate::{Generator, Layer};

/// A network with branches and every kind of memory: rings, padding, accumulators.
fn plan_words(generator: &mut Generator) -> Vec<u32> {
    let graph = generator.network(6);
    export::plan::plan(&graph).expect("generated networks fit the engine")
}

fn cause(words: &[u32]) -> PlanError {
    Plan::parse(words).expect_err("a wrong plan")
}

#[test]
fn every_flipped_bit_is_found() {
    let words = plan_words(&mut Generator::new(3));
    for at in 0..words.len() {
        for bit in 0..32 {
            let mut damaged = words.clone();
            damaged[at] ^= 1 << bit;
            let expected = match at {
                0 => PlanError::NotAPlan,
                1 => PlanError::Version { found: VERSION ^ 1 << bit },
                2 => PlanError::Length { expected: damaged[2], found: words.len() as u32 },
                3 => PlanError::Checksum { expected: damaged[3], found: words[3] },
                _ => PlanError::Checksum { expected: words[3], found: crc32(&damaged, 4) },
            };
            assert_eq!(cause(&damaged), expected, "word {at}, bit {bit}");
        }
    }
}

#[test]
fn a_cut_file_is_found() {
    let words = plan_words(&mut Generator::new(3));
    assert_eq!(cause(&[]), PlanError::NotAPlan);
    assert_eq!(cause(&words[..7]), PlanError::NotAPlan);
    let (expected, found) = (words.len() as u32, words.len() as u32 - 1);
    assert_eq!(cause(&words[..words.len() - 1]), PlanError::Length { expected, found });
}

/// Sets word `at` and makes the checksum right again.
fn forged(words: &[u32], at: usize, value: u32) -> Vec<u32> {
    let mut words = words.to_vec();
    words[at] = value;
    words[3] = crc32(&words, 4);
    words
}

#[test]
fn a_forged_header_is_found() {
    let words = plan_words(&mut Generator::new(3));
    assert_eq!(cause(&forged(&words, 4, 0)), PlanError::OperatorCount { found: 0 });
    let found = MAX_OPERATORS as u32 + 1;
    assert_eq!(cause(&forged(&words, 4, found)), PlanError::OperatorCount { found });
    assert_eq!(cause(&forged(&words, 5, 0)), PlanError::OutsideArena(0));
    assert_eq!(cause(&forged(&words, 6, u32::MAX)), PlanError::Records);
}

/// Changes byte `at` of the record that begins at word `record`.
fn forged_byte(words: &[u32], record: usize, at: usize, change: impl Fn(u8) -> u8) -> Vec<u32> {
    let mut bytes = words[record + at / 4].to_le_bytes();
    bytes[at % 4] = change(bytes[at % 4]);
    forged(words, record + at / 4, u32::from_le_bytes(bytes))
}

#[test]
fn a_forged_record_is_found() {
    let words = plan_words(&mut Generator::new(3));
    let tensor = |at, change: fn(u8) -> u8| cause(&forged_byte(&words, HEADER_WORDS, at, change));
    for (at, change) in [(offset_of!(Tensor, layout), (|_| 4) as fn(u8) -> u8), (offset_of!(Tensor, stacked), |_| 2)] {
        assert_eq!(tensor(at, change), PlanError::UnknownLayout(0));
    }
    for at in [
        offset_of!(Tensor, plane_len),
        offset_of!(Tensor, slot_len),
        offset_of!(Tensor, lanes),
        offset_of!(Tensor, planes),
        offset_of!(Tensor, reciprocal),
        offset_of!(Tensor, reciprocal_shift),
    ] {
        assert_eq!(tensor(at, |byte| byte ^ 1), PlanError::BadLengths(0), "byte {at}");
    }
    let record = HEADER_WORDS + Plan::parse(&words).expect("planned and checked").tensor_count() * TENSOR_WORDS;
    let operator = |at, change: fn(u8) -> u8| cause(&forged_byte(&words, record, at, change));
    for at in [
        offset_of!(Operator, kind),
        offset_of!(Operator, kernel),
        offset_of!(Operator, count_include_pad),
        offset_of!(Operator, merges),
    ] {
        assert_eq!(operator(at, |_| 255), PlanError::UnknownKind(0), "byte {at}");
    }
    assert_eq!(operator(offset_of!(Operator, inputs), |_| 255), PlanError::BadInput(0));
    for at in [offset_of!(Operator, weights), offset_of!(Operator, table)] {
        for place in [0, record as u32, u32::MAX] {
            assert_eq!(cause(&forged(&words, record + at / 4, place)), PlanError::OutsideFile(0), "byte {at}: {place}");
        }
    }
    for at in [
        offset_of!(Operator, advance),
        offset_of!(Operator, reach),
        offset_of!(Operator, end),
        offset_of!(Operator, blocks),
        offset_of!(Operator, shorter),
        offset_of!(Operator, rows_each),
        offset_of!(Operator, reserved),
    ] {
        assert_eq!(operator(at, |byte| byte ^ 1), PlanError::BadSteps(0), "byte {at}");
    }
}

/// A sum is rounded by a shift, so that no other multiplier may stand in its table, and no shift before it.
#[test]
fn a_sum_whose_multiplier_is_no_power_of_two_is_found() {
    let mut generator = Generator::new(5);
    for (layer, at) in [(Layer::Add, 1), (Layer::Requantize, 1), (Layer::Concat, 1), (Layer::Concat, 4)] {
        let words = export::plan::plan(&generator.single(layer)).expect("generated networks fit the engine");
        let plan = Plan::parse(&words).expect("planned and checked");
        let record = HEADER_WORDS + plan.tensor_count() * TENSOR_WORDS;
        let table = plan.operator(0).table as usize;
        for value in [0, 1, 3, words[table + at] + 1, 1 << 31] {
            assert_eq!(cause(&forged(&words, table + at, value)), PlanError::BadRequant(0), "{layer:?}: {value:#x}");
        }
        let shifted = forged_byte(&words, record, offset_of!(Operator, shift_bits), |_| 1);
        assert_eq!(cause(&shifted), PlanError::BadRequant(0), "{layer:?}");
    }
}

/// Forges every word of the records in turn, and some of those behind them, with values near the old one and at the ends of every field. Whatever passes the check
/// runs without a panic, because the test would end with one.
#[test]
fn a_forged_plan_is_refused_or_runs() {
    let mut generator = Generator::new(4);
    let (mut refused, mut ran) = (0, 0);
    for i in 0..80 {
        // Half of them with kernels, of each core in turn.
        let words = match i % 2 {
            0 => plan_words(&mut generator),
            _ => {
                let target = Target::value_variants()[i / 2 % Target::value_variants().len()];
                let options = Options { target, smallest: i % 4 == 1, ..Options::default() };
                plan_for(&generator.kernels(3, 8), &options).expect("generated networks fit the engine")
            }
        };
        let records = Plan::parse(&words).expect("planned and checked").operator(0).weights as usize;
        for at in (4..words.len()).filter(|at| *at < records || at % 7 == 0) {
            let random = generator.range(0, u32::MAX as usize) as u32;
            for value in [words[at] ^ 1, words[at].wrapping_add(0x100), words[at] ^ 0x1_0000, 0, u32::MAX, random] {
                let forged = forged(&words, at, value);
                match Plan::parse(&forged) {
                    Ok(plan) if plan.arena_words() < 1 << 20 => {
                        run(plan, &mut generator);
                        ran += 1;
                    }
                    _ => refused += 1,
                }
            }
        }
    }
    assert!(refused > 1000 && ran > 1000, "{refused} refused, {ran} ran: the test has lost its object");
}

fn run(plan: Plan, generator: &mut Generator) {
    let image = generator.values(plan.input().len());
    let mut arena = vec![0; plan.arena_words()];
    let mut engine = Engine::new(plan, &mut arena).expect("the arena is as long as the plan says");
    assert_eq!(engine.infer(&image).expect("an image of the right size").len(), plan.output().len());
}

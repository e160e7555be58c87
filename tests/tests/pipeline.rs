//! The engine as its caller meets it: rows in, output out, and what a wrong call is told.

use export::plan::{Options, Target, plan_for};
use infer_nostd::plan::{MAX_TENSORS, Uses};
use infer_nostd::{Engine, EngineError, Plan};
use std::collections::BTreeSet;
use tests::generate::Generator;

/// A plan of a generated network whose input has at least two rows.
fn plan_words(generator: &mut Generator) -> Vec<u32> {
    loop {
        let words = export::plan::plan(&generator.network(5)).expect("generated networks fit the engine");
        if Plan::parse(&words).expect("checked").input().height > 1 {
            return words;
        }
    }
}

#[test]
fn rows_one_at_a_time_give_what_a_whole_image_gives() {
    let mut generator = Generator::new(5);
    let words = plan_words(&mut generator);
    let plan = Plan::parse(&words).unwrap();
    let (mut a, mut b) = (vec![0; plan.arena_words()], vec![0; plan.arena_words()]);
    let (mut whole, mut by_row) = (Engine::new(plan, &mut a).unwrap(), Engine::new(plan, &mut b).unwrap());
    for _ in 0..3 {
        let image = generator.values(plan.input().len());
        let expected = whole.infer(&image).unwrap().to_vec();
        let mut outputs = Vec::new();
        for row in image.chunks_exact(plan.input().row_len()) {
            outputs.extend(by_row.push_row(row).unwrap().map(<[i8]>::to_vec));
        }
        assert_eq!(outputs, [expected]);
    }
}

/// Strides may leave rows at the end unread: the answer still waits for them, so that rows and images stay in step.
#[test]
fn the_answer_comes_with_the_last_row_and_only_once() {
    let mut generator = Generator::new(11);
    for _ in 0..200 {
        let words = export::plan::plan(&generator.network(5)).expect("generated networks fit the engine");
        let plan = Plan::parse(&words).unwrap();
        let mut arena = vec![0; plan.arena_words()];
        let mut engine = Engine::new(plan, &mut arena).unwrap();
        for _ in 0..2 {
            let image = generator.values(plan.input().len());
            let answers = image.chunks_exact(plan.input().row_len()).map(|row| engine.push_row(row).unwrap().is_some());
            let answers: Vec<bool> = answers.collect();
            assert_eq!(answers.iter().position(|&answered| answered), Some(plan.input().height - 1));
        }
    }
}

#[test]
fn an_abandoned_image_leaves_no_trace() {
    let mut generator = Generator::new(6);
    let words = plan_words(&mut generator);
    let plan = Plan::parse(&words).unwrap();
    let mut arena = vec![0; plan.arena_words()];
    let mut engine = Engine::new(plan, &mut arena).unwrap();
    let image = generator.values(plan.input().len());
    let expected = engine.infer(&image).unwrap().to_vec();
    engine.start();
    engine.push_row(&generator.values(plan.input().row_len())).unwrap();
    assert_eq!(engine.infer(&image).unwrap(), expected);
}

#[test]
fn a_dirty_arena_changes_nothing() {
    let mut generator = Generator::new(7);
    let words = plan_words(&mut generator);
    let plan = Plan::parse(&words).unwrap();
    let image = generator.values(plan.input().len());
    let (mut clean, mut dirty) = (vec![0; plan.arena_words()], vec![0xA5A5_A5A5; plan.arena_words()]);
    let expected = Engine::new(plan, &mut clean).unwrap().infer(&image).unwrap().to_vec();
    assert_eq!(Engine::new(plan, &mut dirty).unwrap().infer(&image).unwrap(), expected);
}

/// Firmware with several plans: of some the input is stacked, of others it is not.
#[test]
fn an_engine_for_several_plans_runs_each() {
    const USES: u128 = Uses::ALL.0 & !(1 << 126); // kernels of dense layers, which no plan has here: firmware names no more than its plans have
    let mut generator = Generator::new(9);
    let options = Options { target: Target::CortexM3, ..Options::default() };
    let mut stacked = BTreeSet::new();
    for _ in 0..40 {
        let words = plan_for(&generator.kernels(2, 9), &options).expect("generated networks fit the engine");
        let plan = Plan::parse(&words).unwrap();
        let (mut a, mut b) = (vec![0; plan.arena_words()], vec![0; plan.arena_words()]);
        let mut engine = Engine::<MAX_TENSORS, USES>::sized(plan, &mut a).unwrap();
        let image = generator.values(plan.input().len());
        assert_eq!(engine.infer(&image), Engine::new(plan, &mut b).unwrap().infer(&image));
        stacked.insert(plan.tensor(0).stacked);
    }
    assert_eq!(stacked, BTreeSet::from([false, true]));
}

#[test]
fn a_plan_that_uses_more_than_the_engine_has_is_refused() {
    let words = plan_words(&mut Generator::new(10));
    let plan = Plan::parse(&words).unwrap();
    let mut arena = vec![0; plan.arena_words()];
    let lacking = Engine::<MAX_TENSORS, 0>::sized(plan, &mut arena);
    assert_eq!(lacking.unwrap_err(), EngineError::LacksOperators);
}

#[test]
fn a_wrong_call_is_told_what_was_expected() {
    let words = plan_words(&mut Generator::new(8));
    let plan = Plan::parse(&words).unwrap();
    let (expected, found) = (plan.arena_words(), plan.arena_words() - 1);
    let mut short = vec![0; found];
    assert_eq!(Engine::new(plan, &mut short).unwrap_err(), EngineError::ArenaTooSmall { expected, found });
    let mut arena = vec![0; plan.arena_words()];
    let expected = plan.tensor_count();
    assert_eq!(Engine::<1>::sized(plan, &mut arena).unwrap_err(), EngineError::TableTooSmall { expected });
    let mut engine = Engine::new(plan, &mut arena).unwrap();
    let expected = plan.input().row_len();
    assert_eq!(engine.push_row(&[]).unwrap_err(), EngineError::InputLength { expected, found: 0 });
    let expected = plan.input().len();
    assert_eq!(engine.infer(&[0]).map(<[i8]>::len).unwrap_err(), EngineError::InputLength { expected, found: 1 });
}

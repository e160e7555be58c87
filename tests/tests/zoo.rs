//! What ships is what the commands make, and as accurate as the documents say.

use export::board;
use export::inputs::Inputs;
use export::plan::{self, Options, Target};
use export::validate::images::nchw;
use export::{onnx, validate};
use tests::tolerance::{DIGITS_ACCURACY, INT8_LOSS, MNIST_CNN_ACCURACY, TRACT_ENGINE_AGREEMENT};
use tests::zoo::{int8, mnist_test_images, read};

#[test]
fn plans_follow_from_their_int8_files() {
    for name in models::zoo::NAMES {
        for (file, target) in PLANS {
            let words = plan::plan_for(&int8(name), &Options { target, ..Options::default() }).unwrap();
            let command = format!("export plan models/{name}/int8.onnx --target {target} -o models/{name}/{file}");
            assert!(plan::to_bytes(&words) == read(name, file), "{name}/{file}: run `{command}`");
        }
    }
}

/// The fastest plans that fit the boards, and the one for any core.
const PLANS: [(&str, Target); 4] = [
    ("net.plan", Target::Portable),
    ("cortex-m0.plan", Target::CortexM0),
    ("cortex-m3.plan", Target::CortexM3),
    ("cortex-m4.plan", Target::CortexM4),
];

/// What the build script takes where no plan is named is what the commands would make for the board.
#[test]
fn every_board_has_its_plan_and_holds_it() {
    for board in board::emulated() {
        let (file, _) = PLANS.iter().find(|(_, target)| *target == board::target(board)).expect("a plan for its core");
        for name in models::zoo::NAMES {
            let words = board::fastest_plan(&int8(name), board).unwrap();
            assert!(plan::to_bytes(&words) == read(name, file), "{name}/{file} does not fit {}", board.name);
        }
    }
}

#[test]
fn onnx_files_are_written_as_they_are_read() {
    for name in models::zoo::NAMES {
        for file in ["float.onnx", "int8.onnx"] {
            let bytes = read(name, file);
            assert!(onnx::to_bytes(&onnx::from_bytes(&bytes).unwrap()) == bytes, "{name}/{file}");
        }
    }
}

/// The engine reads what it was not trained on: the generator's digits.
#[test]
fn a_network_trained_on_mnist_reads_the_generated_digits() {
    let digits = data::digits::generate(123, 1000);
    let digits = Inputs::dataset(digits, [1, 28, 28]).unwrap();
    let engine = validate::open(&read("mnist-cnn", "net.plan")).unwrap();
    let all: Vec<usize> = (0..digits.len()).collect();
    let answers = validate::answers(&*engine, &digits, &all, &|_| ()).unwrap();
    let accuracy = validate::compare(&answers, None, digits.labels()).accuracy.unwrap();
    assert!(accuracy >= DIGITS_ACCURACY, "{accuracy} % of 1,000");
}

/// The road's promise on real digits: half a minute on two cores, the slowest test on the host.
#[test]
fn the_ten_thousand_through_every_stage() {
    let Some(mnist) = mnist_test_images() else { return };
    let mnist = Inputs::dataset(mnist, [1, 28, 28]).unwrap();
    assert_eq!(mnist.len(), 10_000);
    let all: Vec<usize> = (0..mnist.len()).collect();
    for name in models::zoo::NAMES {
        let stages = ["float.onnx", "int8.onnx", "net.plan"].map(|file| validate::open(&read(name, file)).unwrap());
        let [float, int8, engine] = stages.map(|stage| validate::answers(&*stage, &mnist, &all, &|_| ()).unwrap());
        let accuracy = |answers| validate::compare(answers, None, mnist.labels()).accuracy.unwrap();
        assert_eq!(accuracy(&float), card(name, "test_accuracy"), "{name}: the card is another checkpoint's");
        for answers in [&int8, &engine] {
            let loss = accuracy(&float) - accuracy(answers);
            assert!(loss <= INT8_LOSS, "{name}: {} loses {loss} points", answers.stage);
        }
        let against = validate::compare(&engine, Some(&int8), mnist.labels()).against.unwrap();
        assert!(against.agreement.unwrap() >= TRACT_ENGINE_AGREEMENT, "{name}: {against:?}");
    }
    assert!(card("mnist-cnn", "test_accuracy") >= MNIST_CNN_ACCURACY);
    assert_eq!((card("mnist-cnn", "parameters"), card("mnist-cnn", "epochs")), (19_194.0, 19.0));
}

/// A number of a network's card.json.
fn card(name: &str, key: &str) -> f64 {
    let card: serde_json::Value = serde_json::from_slice(&read(name, "card.json")).unwrap();
    card[key].as_f64().unwrap_or_else(|| panic!("{name}: no number {key} in its card"))
}

/// The first pixel of an image reaches the engine as the integer that it is: no rounding at the door.
#[test]
fn pixels_enter_exactly() {
    let plan_words = plan::words(&read("mnist-cnn", "net.plan"));
    let input = infer_nostd::Plan::parse(&plan_words).unwrap().input();
    let digits = data::digits::generate(5, 1);
    let steps = nchw(&digits, 0..1)
        .iter()
        .map(|&x| infer_nostd::fixed::quantize(x, input.scale, input.zero_point))
        .collect::<Vec<_>>();
    let expected: Vec<i8> = digits.image(0).iter().map(|&pixel| (pixel ^ 0x80) as i8).collect();
    assert_eq!(steps, expected);
}

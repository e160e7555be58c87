//! A run that is interrupted and resumed ends with the bits of one that is not.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use data::Dataset;
use models::Network;
use models::mnist_dsres::MnistDsRes;
use train::fit::CHECKPOINT;
use train::metrics;
use train::progress::Progress;
use train::recipe::Recipe;
use train::split::split;
use train::teacher::Teacher;
use train::{Settings, TrainError, fit, resume};

fn settings(out: &Path) -> Settings {
    Settings {
        recipe: Recipe { batch: 32, ..Recipe::default() },
        teachers: vec![],
        epochs: 2,
        seed: 3,
        device: Device::flex(),
        out: out.to_owned(),
        resume: false,
        stop_after: None,
    }
}

fn digits() -> Dataset {
    data::digits::generate(11, 240)
}

fn run(settings: &Settings, data: &Dataset) -> Result<(), TrainError> {
    let split = split(data, settings.seed)?;
    fit::<MnistDsRes>(settings, data, &split, |_, _| Progress::silent()).map(drop)
}

/// Runs one epoch of two, as if killed then.
fn interrupted(out: &Path) -> Settings {
    let settings = Settings { stop_after: Some(1), ..settings(out) };
    run(&settings, &digits()).unwrap();
    assert!(!out.join(CHECKPOINT).exists());
    settings
}

fn resumed(settings: Settings) -> Settings {
    Settings { resume: true, stop_after: None, ..settings }
}

/// The metrics without what a clock decides.
fn learnt(out: &Path) -> Vec<(usize, usize, f64, f64)> {
    let text = fs::read_to_string(out.join(metrics::FILE)).unwrap();
    let read = |line| serde_json::from_str::<metrics::Epoch>(line).unwrap();
    text.lines().map(read).map(|e| (e.epoch, e.steps, e.train_loss, e.validation_accuracy_ema)).collect()
}

#[test]
fn a_resumed_run_ends_with_the_same_bits() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&settings(whole.path()), &digits()).unwrap();

    let settings = interrupted(parts.path());
    // What a kill in the middle of the next epoch's end would leave behind.
    let stale = parts.path().join(resume::FOLDER).join("partial");
    fs::create_dir(&stale).unwrap();
    fs::write(stale.join("network.bpk"), "half of a file").unwrap();
    let metrics = parts.path().join(metrics::FILE);
    let line = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, line.repeat(2)).unwrap();
    run(&resumed(settings), &digits()).unwrap();

    let bytes = |out: &Path| fs::read(out.join(CHECKPOINT)).unwrap();
    assert_eq!(bytes(whole.path()), bytes(parts.path()));
    assert_eq!(learnt(whole.path()), learnt(parts.path()));
    assert_eq!(learnt(parts.path()).len(), 2);
}

#[test]
fn another_run_is_not_resumed() {
    let out = tempfile::tempdir().unwrap();
    let settings = Settings { seed: 4, ..resumed(interrupted(out.path())) };
    let error = run(&settings, &digits()).unwrap_err().to_string();
    assert!(error.contains("the run to resume has --seed 3, but 4 was asked for"), "{error}");
}

#[test]
fn a_run_is_not_resumed_with_another_teacher() {
    let out = tempfile::tempdir().unwrap();
    let settings = interrupted(out.path());
    let path = out.path().join("teacher.bpk");
    models::checkpoint::save(&MnistDsRes::new(&Device::flex()), &path).unwrap();
    let teacher = Teacher::load(&path, &Device::flex()).unwrap();
    let expected = format!("the run to resume has --teacher none, but {} was asked for", teacher.identity);
    let error = run(&Settings { teachers: vec![teacher], ..resumed(settings) }, &digits()).unwrap_err().to_string();
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn an_unfinished_run_is_not_overwritten() {
    let out = tempfile::tempdir().unwrap();
    interrupted(out.path());
    let error = run(&settings(out.path()), &digits()).unwrap_err();
    assert!(matches!(error, TrainError::Unfinished { .. }), "{error}");
}

#[test]
fn nothing_to_resume_is_said() {
    let out = tempfile::tempdir().unwrap();
    let error = run(&resumed(settings(out.path())), &digits()).unwrap_err();
    assert!(matches!(error, TrainError::NothingToResume { .. }), "{error}");
}

#[test]
fn a_damaged_state_is_named() {
    let out = tempfile::tempdir().unwrap();
    let settings = interrupted(out.path());
    let file = out.path().join(resume::FOLDER).join("epoch-0001/ema.bpk");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let error = run(&resumed(settings), &digits()).unwrap_err().to_string();
    assert!(error.contains("ema.bpk: the saved state is damaged"), "{error}");
}

#[test]
fn images_that_the_network_leaves_nothing_of_are_refused() {
    let out = tempfile::tempdir().unwrap();
    let mut narrow = digits();
    narrow.width = 4;
    narrow.height = 196;
    let error = run(&settings(out.path()), &narrow).unwrap_err();
    assert_eq!(
        error.to_string(),
        "digits: mnist-dsres does not fit: images of 4×196 pixels, but it halves them and needs 5×5 at least; enlarge the \
         images, or choose another network"
    );
}

#[test]
fn a_run_that_diverges_says_so_and_records_nothing() {
    let out = tempfile::tempdir().unwrap();
    let mut settings = settings(out.path());
    settings.recipe.peak_learning_rate = 1e38;
    let error = run(&settings, &digits()).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { epoch: 1 }), "{error}");
    assert!(!out.path().join(metrics::FILE).exists());
}

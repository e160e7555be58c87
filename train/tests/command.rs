//! The `train` command: what it writes, what it refuses, and what a kill leaves.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use burn::tensor::Device;
use models::mnist_dsres::MnistDsRes;
use train::card::Card;

/// A run of three short epochs.
fn short_run(data: &str, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
    command.args(["--model", "mnist-dsres", "--data", data, "--limit", "240", "--batch", "32", "--epochs", "3"]);
    command.arg("--out").arg(out).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn train(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_train")).args(arguments).output().unwrap()
}

/// Exit status 2, and one line that holds `words`.
fn refuses(arguments: &[&str], words: &str) {
    let output = train(arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_run_writes_a_checkpoint_a_card_and_metrics_and_leaves_nothing_else() {
    let out = tempfile::tempdir().unwrap();
    assert!(short_run("digits", out.path()).status().unwrap().success());

    let names = fs::read_dir(out.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["card.json", "checkpoint.bpk", "metrics.jsonl", "report.html", "report.json"]);

    models::checkpoint::load::<MnistDsRes>(&out.path().join("checkpoint.bpk"), &Device::flex()).unwrap();
    let card: Card = serde_json::from_slice(&fs::read(out.path().join("card.json")).unwrap()).unwrap();
    assert_eq!((card.network.as_str(), card.parameters), ("mnist-dsres", 9_086));
    assert_eq!((card.data.train_images, card.data.validation_images, card.test_images), (220, 20, 2_000));
    assert_eq!(fs::read_to_string(out.path().join("metrics.jsonl")).unwrap().lines().count(), 3);

    let run = report::file::read(out.path()).unwrap();
    assert_eq!((run.history.len(), run.source.as_str(), run.labels.len()), (3, "digits", 2_000));
    assert_eq!(run.judgements[0].errors(&run.labels), card.test_errors);
    assert_eq!(run.judgements[0].curves.len(), 3);
    assert_eq!(fs::read_to_string(out.path().join("report.html")).unwrap(), report::page(&run));
}

/// Drawn digits as IDX files, with so few to test with that judging them takes no time.
fn few_test_images(folder: &Path) {
    for (part, count) in [("train", 240), ("t10k", 10)] {
        let digits = data::digits::generate(1, count);
        let sizes = |sizes: &[u32]| sizes.iter().flat_map(|size| size.to_be_bytes()).collect::<Vec<u8>>();
        let images = [&[0, 0, 8, 3][..], &sizes(&[count as u32, 28, 28]), &digits.pixels].concat();
        let labels = [&[0, 0, 8, 1][..], &sizes(&[count as u32]), &digits.labels].concat();
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
}

#[test]
fn a_killed_run_resumes_to_the_same_bits() {
    let [data, whole, killed] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    few_test_images(data.path());
    let short_run = |out| short_run(data.path().to_str().unwrap(), out);
    assert!(short_run(whole.path()).status().unwrap().success());

    let mut child = short_run(killed.path()).spawn().unwrap();
    let first_state = killed.path().join("resume/epoch-0001");
    while !first_state.exists() && child.try_wait().unwrap().is_none() {
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.path().join("checkpoint.bpk").exists(), "killed too late for this test to show anything");

    assert!(short_run(killed.path()).arg("--resume").status().unwrap().success());
    let bytes = |out: &Path| fs::read(out.join("checkpoint.bpk")).unwrap();
    assert_eq!(bytes(whole.path()), bytes(killed.path()));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let data = tempfile::tempdir().unwrap();
    few_test_images(data.path());
    let run = |threads: &str| {
        let out = tempfile::tempdir().unwrap();
        let mut short_run = short_run(data.path().to_str().unwrap(), out.path());
        assert!(short_run.env("RAYON_NUM_THREADS", threads).status().unwrap().success());
        fs::read(out.path().join("checkpoint.bpk")).unwrap()
    };
    assert_eq!(run("1"), run("3"));
}

#[test]
fn a_recipe_and_teachers_are_taken_and_recorded() {
    let [data, first, second] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    few_test_images(data.path());
    let short_run = |out| short_run(data.path().to_str().unwrap(), out);
    assert!(short_run(first.path()).status().unwrap().success());
    let (teacher, recipe) = (first.path().join("checkpoint.bpk"), first.path().join("recipe.json"));
    fs::write(&recipe, r#"{"label_smoothing": 0.05, "augmentation": {"elastic_pixels": 3}}"#).unwrap();

    let mut run = short_run(second.path());
    run.arg("--recipe").arg(&recipe).arg("--teacher").arg(&teacher).args(["--distill-weight", "0.25"]);
    assert!(run.status().unwrap().success());
    let card: Card = serde_json::from_slice(&fs::read(second.path().join("card.json")).unwrap()).unwrap();
    assert_eq!((card.recipe.label_smoothing, card.recipe.batch), (0.05, 32));
    assert_eq!((card.recipe.augmentation.elastic_pixels, card.recipe.augmentation.shift_pixels), (3.0, 1.5));
    assert_eq!((card.recipe.distillation.weight, card.recipe.distillation.temperature), (0.25, 2.0));
    let told = format!(" --recipe {} --distill-weight 0.25 --teacher {}", recipe.display(), teacher.display());
    assert!(card.command.ends_with(&told), "{}", card.command);
    let bytes = |out: &Path| fs::read(out.join("checkpoint.bpk")).unwrap();
    assert_ne!(bytes(first.path()), bytes(second.path()));
}

#[test]
fn bad_input_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().to_str().unwrap();
    refuses(&["--model", "resnet"], "it holds mnist-cnn, mnist-dsres");
    refuses(&["--data", "/no/such/folder", "--out", out], "/no/such/folder");
    refuses(&["--data", "digits", "--device", "tpu", "--out", out], "--device tpu");
    refuses(&["--data", "digits", "--resume", "--out", out], "nothing to resume");
    refuses(&["--data", "digits", "--limit", "3", "--out", out], "3 training images are too few");
    refuses(&["--epochs", "0"], "--epochs");
    refuses(
        &["--data", "digits", "--teacher", "/no/such.bpk", "--out", out],
        "/no/such.bpk: not a readable checkpoint",
    );
    refuses(&["--data", "digits", "--recipe", "/no/such.json", "--out", out], "/no/such.json");
    let recipe = Path::new(out).join("recipe.json");
    fs::write(&recipe, r#"{"ema_decay": 2}"#).unwrap();
    refuses(
        &["--data", "digits", "--recipe", recipe.to_str().unwrap(), "--out", out],
        "ema_decay is 2, expected 0 to 1",
    );
}

//! `export report`: int8 beside float in what a training run left.

use data::{Dataset, Source, Split};
use report::{Judgement, Run};
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::process::Command;

const IMAGES: usize = 30;

/// How the command ended, and what it said.
fn report(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_export")).arg("report").args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

/// Drawn digits as IDX files, opened again.
fn digits(folder: &Path) -> Dataset {
    for (part, seed) in [("train", 5), ("t10k", 6)] {
        let digits = data::digits::generate(seed, IMAGES);
        let sizes = |sizes: &[u32]| sizes.iter().flat_map(|size| size.to_be_bytes()).collect::<Vec<u8>>();
        let images = [&[0, 0, 8, 3][..], &sizes(&[IMAGES as u32, 28, 28]), &digits.pixels].concat();
        let labels = [&[0, 0, 8, 1][..], &sizes(&[IMAGES as u32]), &digits.labels].concat();
        fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    data::open(&Source::Path(folder.into()), Split::Test).unwrap()
}

/// What a run leaves whose network takes everything for a 3.
fn left_by_a_run(folder: &Path, test: &Dataset) -> Run {
    let three = |images: &Dataset| {
        Ok::<_, Infallible>((0..images.len() * 10).map(|i| f32::from(u8::from(i % 10 == 3))).collect())
    };
    let Ok(judgement) = report::judge("float", "burn", test, three);
    let mut run = Run {
        network: "mnist-cnn".into(),
        parameters: 19_194,
        data: "digits".into(),
        source: folder.display().to_string(),
        train_images: IMAGES,
        validation_images: 2,
        classes: (0..10).map(|class| test.class_name(class)).collect(),
        device: "flex".into(),
        seed: 1,
        seconds: 1.0,
        command: "train".into(),
        recipe: vec![],
        history: vec![],
        labels: test.labels.clone(),
        judgements: vec![],
        pictures: Default::default(),
    };
    run.add(judgement, test);
    report::file::write(folder, &run).unwrap();
    run
}

#[test]
fn int8_stands_beside_float() {
    let folder = tempfile::tempdir().unwrap();
    let test = digits(folder.path());
    let before = left_by_a_run(folder.path(), &test);
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/mnist-cnn");
    // An int8 ONNX file and the plan of it are the same integers, and the second takes the place of the first.
    let judged = ["int8.onnx", "net.plan"].map(|file| {
        let (code, said) = report(&[folder.path().to_str().unwrap(), "--int8", zoo.join(file).to_str().unwrap()]);
        assert_eq!(code, Some(0), "{said}");
        report::file::read(folder.path()).unwrap()
    });
    assert_eq!(judged[0], judged[1]);
    let [float, int8]: &[Judgement; 2] = judged[1].judgements[..].try_into().unwrap();
    assert_eq!((float, int8.name.as_str()), (&before.judgements[0], "int8"));
    assert!(int8.errors(&test.labels) <= IMAGES / 10 && float.errors(&test.labels) == IMAGES * 9 / 10);
    let html = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(html == report::page(&judged[1]) && html.contains("Float against int8"));
}

#[test]
fn what_is_no_run_and_other_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let (code, said) = report(&[path]);
    assert_eq!(code, Some(2));
    assert!(said.contains("expected a report.json in this folder"), "{said}");

    let test = digits(folder.path());
    left_by_a_run(folder.path(), &test);
    let (code, said) = report(&[path]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("int8.onnx: expected an int8 ONNX file or a plan, found none; make one with `export onnx`"),
        "{said}"
    );

    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/mnist-cnn/net.plan");
    let (code, said) = report(&[path, "--int8", plan.to_str().unwrap(), "--data", "digits"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--data digits: expected the 30 test images that the run was judged by"), "{said}");
}

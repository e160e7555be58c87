//! The same command on other data: pictures in folders, and IDX files of any size.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use burn::tensor::Device;
use models::mnist_cnn::MnistCnn;
use models::{Network, Task, checkpoint};
use train::card::Card;

fn train(data: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_train"));
    command.arg("--data").arg(data).arg("--out").arg(out);
    command.args(["--batch", "8", "--epochs", "2"]).args(more).output().unwrap()
}

/// Exit status 2, and one message that holds `words`.
fn refuses(data: &Path, words: &str) {
    let out = tempfile::tempdir().unwrap();
    let output = train(data, out.path(), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(words), "{said}");
}

/// Pictures of `width` × `height` noise, each class as bright as its number.
fn pictures(folder: &Path, classes: &[&str], colour: bool, (width, height): (usize, usize)) {
    let (magic, channels) = if colour { ("P6", 3) } else { ("P5", 1) };
    for (class, name) in classes.iter().enumerate() {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..36 {
            let noise = data::noise(number).take(width * height * channels).map(|n| n / 8 + 100 * class as u8);
            let header = format!("{magic} {width} {height} 255 ").into_bytes();
            fs::write(folder.join(format!("{number:02}.ppm")), [header, noise.collect()].concat()).unwrap();
        }
    }
}

#[test]
fn classes_and_size_come_from_a_folder_of_pictures() {
    let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    pictures(data.path(), &["ant", "bee", "cat"], true, (10, 9));
    let output = train(data.path(), out.path(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let network: MnistCnn = checkpoint::load(&out.path().join("checkpoint.bpk"), &Device::flex()).unwrap();
    assert_eq!(network.task(), &Task { input: [3, 9, 10], classes: 3 });
    let card: Card = serde_json::from_slice(&fs::read(out.path().join("card.json")).unwrap()).unwrap();
    // Every sixth of 36 pictures a class is for the test, one in twelve of the others for validation.
    assert_eq!((card.data.train_images, card.data.validation_images, card.test_images), (83, 7, 18));
    assert_eq!(report::file::read(out.path()).unwrap().classes, ["ant", "bee", "cat"]);
}

#[test]
fn a_run_on_pictures_resumes_only_on_the_same_pictures() {
    let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    pictures(data.path(), &["ant", "bee"], false, (9, 9));
    let settings = train::Settings {
        recipe: train::recipe::Recipe { batch: 8, ..Default::default() },
        teachers: vec![],
        epochs: 2,
        seed: 1,
        device: Device::flex(),
        out: out.path().to_owned(),
        resume: false,
        stop_after: Some(1),
    };
    let source = data::Source::Path(data.path().into());
    let images = data::open(&source, data::Split::Train).unwrap();
    let split = train::split::split(&images).unwrap();
    train::fit::<MnistCnn>(&settings, &images, &split, |_, _| train::progress::Progress::silent()).unwrap();

    fs::write(data.path().join("ant/00.ppm"), [b"P5 9 9 255 ", &[7; 81][..]].concat()).unwrap();
    let output = train(data.path(), out.path(), &["--resume"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("the run to resume has --data"), "{said}");
}

#[test]
fn what_no_network_can_learn_from_says_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    pictures(&data.path().join("one"), &["ant"], false, (9, 9));
    refuses(&data.path().join("one"), "1 class, but there must be two at least");
    pictures(&data.path().join("small"), &["ant", "bee"], false, (9, 7));
    refuses(&data.path().join("small"), "mnist-cnn does not fit: images of 9×7 pixels");
    pictures(&data.path().join("mixed"), &["ant"], false, (9, 9));
    pictures(&data.path().join("mixed"), &["bee"], true, (9, 9));
    refuses(&data.path().join("mixed"), "expected a picture of 1×9×9");
    fs::create_dir(data.path().join("empty")).unwrap();
    refuses(&data.path().join("empty"), "nor a folder of pictures for each class");
}

#[test]
fn test_images_of_another_form_are_refused_before_training() {
    let data = tempfile::tempdir().unwrap();
    pictures(&data.path().join("train"), &["ant", "bee"], false, (9, 9));
    pictures(&data.path().join("test"), &["ant", "bee"], false, (9, 10));
    refuses(data.path(), "test images of 1x10x9 to 2, training images of 1x9x9 to 2");
}

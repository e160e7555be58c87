//! Networks for other images than MNIST's go the same road: the checkpoint says what they take.

use burn::tensor::Device;
use models::mnist_cnn::MnistCnn;
use models::mnist_dsres::MnistDsRes;
use models::{Network, Task, checkpoint};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs `export` in `folder`; what it says where it ends well.
fn export(folder: &Path, line: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_export"));
    let output = command.current_dir(folder).args(line.split_whitespace()).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(0), "export {line}: {said}");
    said
}

/// Colour pictures of 12×18 pixels, of three classes: one bright channel each.
fn pictures(folder: &Path) {
    for (class, name) in ["blue", "green", "red"].iter().enumerate() {
        for part in ["train", "test"] {
            let folder = folder.join("pictures").join(part).join(name);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..8 {
                let noise = data::noise((class * 100 + number) as u64).take(18 * 12 * 3).enumerate();
                let pixels: Vec<u8> =
                    noise.map(|(i, n)| if i % 3 == 2 - class { 255 - n / 8 } else { n / 2 }).collect();
                fs::write(folder.join(format!("{number}.ppm")), [b"P6 12 18 255 ", &pixels[..]].concat()).unwrap();
            }
        }
    }
}

fn goes_the_road<N: Network>() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path());
    let task = Task { input: [3, 18, 12], classes: 3 };
    checkpoint::save(&N::build(&task, &Device::flex()), &folder.path().join("checkpoint.bpk")).unwrap();

    let said = export(folder.path(), &format!("onnx --model {} --checkpoint checkpoint.bpk", N::NAME));
    assert!(said.contains("burn and tract agree on 256 images"), "{said}");
    export(folder.path(), "quantize float.onnx --calibration pictures -o int8.onnx");
    export(folder.path(), "plan int8.onnx -o net.plan");
    let said = export(folder.path(), "inspect net.plan");
    assert!(said.contains("3×18×12") || said.contains("18×12×3"), "{said}");
    // Halves of a step are rounded differently, and what differs reaches the layers behind it.
    export(folder.path(), "validate float.onnx int8.onnx net.plan --data pictures --max-step 2 --json rows.json");
    let rows: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("rows.json")).unwrap()).unwrap();
    assert_eq!(rows[2]["images"], 24);
}

#[test]
fn the_convolutional_network_goes_the_road() {
    goes_the_road::<MnistCnn>();
}

#[test]
fn the_residual_network_goes_the_road() {
    goes_the_road::<MnistDsRes>();
}

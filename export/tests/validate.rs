//! `export validate` as scripts meet it: what it prints, what it writes, and how it ends.

use export::graph::{Node, Op};
use export::npy::{self, Array};
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights, qdq};
use export::{onnx, plan};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How a command ended, and what it said.
struct Ended {
    code: Option<i32>,
    out: String,
    error: String,
}

/// Runs `export validate` in `folder`.
fn validate(folder: &Path, line: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_export"));
    let output = command.current_dir(folder).arg("validate").args(line.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), error: text(output.stderr) }
}

fn zoo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/mnist-cnn")
}

/// The rows of `--json`.
fn rows(path: &Path) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn keys(row: &Value) -> Vec<&str> {
    row.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_zoo_passes_and_everything_is_in_the_json() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let line = format!(
        ". --data digits --limit 40 --layers --confusion --min-accuracy 90 --min-agreement 90 --max-step 2 --json {}",
        json.display()
    );
    let ended = validate(&zoo(), &line);
    assert_eq!((ended.code, ended.error.as_str()), (Some(0), ""));
    assert!(ended.out.contains("\nconv7") && ended.out.contains("\nlabel  0"), "{}", ended.out);
    let rows = rows(&json);
    assert_eq!(keys(&rows[0]), ["accuracy", "confusion", "images", "stage"]);
    let engine =
        ["accuracy", "agreement", "confusion", "cosine", "images", "layers", "max_step", "rmse", "sqnr_db", "stage"];
    let found: Vec<&str> = keys(&rows[2]).into_iter().filter(|key| *key != "worst_image").collect();
    assert_eq!(found, engine);
    assert_eq!(keys(&rows[2]["layers"][0]), ["kind", "layer", "max_step", "output", "sqnr_db", "unequal"]);
}

#[test]
fn a_flipped_bit_in_a_plan_is_named_by_its_layer() {
    let folder = tempfile::tempdir().unwrap();
    let graph = onnx::from_file(zoo().join("int8.onnx")).unwrap();
    let mut quantized = qdq::from_graph(&graph).unwrap();
    let node = quantized.nodes.iter_mut().find(|node| node.name == "conv6").unwrap();
    let QuantOp::Conv2d { weights, .. } = &mut node.op else { panic!("conv6 is a convolution") };
    weights.values[0] ^= 0x40;
    std::fs::write(folder.path().join("bad.plan"), plan::to_bytes(&plan::plan(&quantized).unwrap())).unwrap();
    let int8 = zoo().join("int8.onnx");
    let ended = validate(folder.path(), &format!("{} bad.plan --data digits --limit 20", int8.display()));
    assert_eq!(ended.code, Some(1), "{}", ended.error);
    for part in ["the first wrong layer is `conv6` (conv2d): image 0, channel 0, row", "the other layers are right"] {
        assert!(ended.error.contains(part), "{}", ended.error);
    }
}

/// ONNX Runtime leaves a classifier's Softmax behind the last DequantizeLinear: stages answer up to what it reads.
#[test]
fn an_int8_file_answers_with_its_logits() {
    let folder = tempfile::tempdir().unwrap();
    let mut graph = onnx::from_file(zoo().join("int8.onnx")).unwrap();
    let logits = graph.outputs[0].name.clone();
    let (op, inputs) = (Op::Softmax { axis: 1 }, vec![logits]);
    graph.nodes.push(Node { name: "softmax".into(), op, inputs, outputs: vec!["probabilities".into()] });
    graph.outputs[0].name = "probabilities".into();
    std::fs::write(folder.path().join("softmax.onnx"), onnx::to_bytes(&graph)).unwrap();
    let int8 = zoo().join("int8.onnx");
    let line = format!("{} softmax.onnx --data digits --limit 20 --max-step 0", int8.display());
    let ended = validate(folder.path(), &line);
    assert_eq!((ended.code, ended.error.as_str()), (Some(0), ""));
}

#[test]
fn a_missed_threshold_says_its_line() {
    let ended = validate(&zoo(), "float.onnx int8.onnx --data digits --limit 20 --min-sqnr 99");
    assert_eq!(ended.code, Some(1));
    assert!(ended.error.starts_with("int8 ONNX in tract: SQNR is "), "{}", ended.error);
    assert!(ended.error.ends_with(" dB, --min-sqnr asks for 99.0 dB\n"), "{}", ended.error);
}

/// A network that gives as many values as it takes, over vectors that have no labels.
fn autoencoder() -> TempDir {
    let tensor = |name: &str| QuantTensor { name: name.into(), shape: [3, 1, 1], scale: 0.5, zero_point: 0 };
    let weights = Weights {
        shape: [3, 3, 1, 1],
        values: vec![64, 0, 0, 0, 64, 0, 0, 0, 64],
        scales: vec![1.0 / 64.0; 3],
        biases: vec![0; 3],
    };
    let quantized = QuantGraph {
        name: "autoencoder".into(),
        tensors: ["x", "y"].map(tensor).to_vec(),
        nodes: vec![QuantNode {
            name: "dense".into(),
            op: QuantOp::Dense { weights, clamp: Clamp::NONE },
            inputs: vec![0],
            output: 1,
        }],
        input: 0,
        output: 1,
        metadata: Default::default(),
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("int8.onnx", onnx::to_bytes(&qdq::to_graph(&quantized)));
    write("net.plan", plan::to_bytes(&plan::plan(&quantized).unwrap()));
    write("x.npy", npy::to_bytes(&Array { dims: vec![2, 3], values: vec![1.0, -2.0, 3.5, 0.0, 30.0, -30.0] }));
    folder
}

#[test]
fn a_network_without_classes_is_held_by_its_values() {
    let folder = autoencoder();
    let ended =
        validate(folder.path(), "int8.onnx net.plan --data x.npy --max-step 0 --min-sqnr 60 --json report.json");
    assert_eq!((ended.code, ended.error.as_str()), (Some(0), ""));
    let rows = rows(&folder.path().join("report.json"));
    assert_eq!(keys(&rows[0]), ["images", "stage"]);
    assert_eq!(keys(&rows[1]), ["cosine", "images", "layers", "max_step", "rmse", "sqnr_db", "stage"]);
}

#[test]
fn thresholds_and_tables_that_need_labels_say_so() {
    let folder = autoencoder();
    for (option, says) in [
        ("--min-accuracy 90", "--min-accuracy: nothing here has this figure"),
        ("--confusion", "--confusion: expected data with labels"),
    ] {
        let ended = validate(folder.path(), &format!("int8.onnx net.plan --data x.npy {option}"));
        assert_eq!(ended.code, Some(2), "{option}");
        assert!(ended.error.contains(says), "{}", ended.error);
    }
}

#[test]
fn files_of_two_networks_are_not_compared() {
    let folder = autoencoder();
    let other = zoo().join("net.plan");
    let ended = validate(folder.path(), &format!("int8.onnx {} --data x.npy", other.display()));
    assert_eq!(ended.code, Some(2));
    assert!(ended.error.contains("compare files of one network"), "{}", ended.error);
}

#[test]
fn a_file_that_is_no_journal_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.csv");
    std::fs::write(&table, "a,b\n1,2\n").unwrap();
    let line = format!("net.plan --data digits --on qemu:microbit --journal {}", table.display());
    let ended = validate(&zoo(), &line);
    assert_eq!(ended.code, Some(2));
    assert!(ended.error.contains("expected a journal") && ended.error.contains("line 1"), "{}", ended.error);
    assert_eq!(std::fs::read_to_string(&table).unwrap(), "a,b\n1,2\n");
}

//! `export normalize` as a user meets it.

use export::graph::{Attribute, DType, Dim, Graph, Node, Op, Tensor, ValueInfo, shape};
use export::onnx;
use std::path::Path;
use std::process::{Command, Output};

/// Resize, or Transpose to channels first, before a convolution with `auto_pad`; `width` left open where it is none.
fn network(first: &str, width: Option<usize>) -> Vec<u8> {
    let attribute = |name: &str, value| [(name.to_string(), value)].into();
    let other = |op_type: &str, attributes| Op::Other { op_type: op_type.into(), attributes };
    let width = width.map_or(Dim::Symbol("width".into()), Dim::Fixed);
    let shape = vec![Dim::Fixed(1), Dim::Fixed(6), width, Dim::Fixed(2)];
    let value = |name: &str, shape| ValueInfo { name: name.into(), dtype: DType::F32, shape };
    let perm = attribute("perm", Attribute::Ints(vec![0, 3, 1, 2]));
    let graph = Graph {
        name: "elsewhere".into(),
        nodes: vec![
            Node::new("first", other(first, perm), &["x"], "turned"),
            Node::new(
                "conv",
                other("Conv", attribute("auto_pad", Attribute::Text("SAME_UPPER".into()))),
                &["turned", "w"],
                "y",
            ),
        ],
        inputs: vec![value("x", shape.clone())],
        outputs: vec![value("y", shape)],
        initializers: [("w".to_string(), Tensor::f32(&[3, 2, 3, 3], vec![0.5; 54]))].into(),
        ..Graph::default()
    };
    onnx::to_bytes(&graph)
}

fn export(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_export"));
    command.current_dir(folder).args(line.split_whitespace()).output().unwrap()
}

#[test]
fn what_is_written_is_the_normal_form() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.onnx"), network("Transpose", Some(4))).unwrap();
    let done = export(folder.path(), "normalize a.onnx -o out.onnx");
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!(said, "out.onnx: batch×2×6×4 → batch×3×6×4, 1 nodes of 2\n");
    let written = onnx::from_file(folder.path().join("out.onnx")).unwrap();
    assert_eq!(written.nodes[0].op.name(), "Conv");
    assert_eq!(shape::display(&written.inputs[0].shape), "batch×2×6×4");
}

#[test]
fn an_open_size_is_given_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.onnx"), network("Transpose", None)).unwrap();
    let refused = |line: &str, says: &str| {
        let output = export(folder.path(), line);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(says), "{line}: {error}");
    };
    refused("normalize a.onnx -o out.onnx", "--input-shape");
    refused("normalize a.onnx -o out.onnx --input-shape 6xwide", "expected numbers");
    refused("normalize a.onnx -o out.onnx --input-shape 6x4", "as many dimensions");
    refused("normalize a.onnx -o out.onnx --input-shape 7x4x2", "(1×6×width×2)");
    assert!(!folder.path().join("out.onnx").exists());
    let done = export(folder.path(), "normalize a.onnx -o out.onnx --input-shape 6x4x2");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn what_cannot_be_carried_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.onnx"), network("Resize", Some(4))).unwrap();
    let output = export(folder.path(), "normalize a.onnx -o out.onnx");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    let start = "error: a.onnx: one thing of the network cannot be carried: `first` (Resize of 1×6×4×2 with perm = [0, 3, 1, 2]): maps grow to their nearest neighbours by whole factors";
    assert!(error.starts_with(start), "{error}");
}

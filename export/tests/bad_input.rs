//! Bad input as a user meets it: exit status 2, one paragraph that names the file and says what to do, and nothing
//! written: an output that was there stays as it was.

use export::graph::{DType, Dim, Graph, Node, Op, Tensor, ValueInfo, Window};
use export::onnx::proto::ModelProto;
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights};
use export::{onnx, plan};
use prost::Message;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// What is at the output's path before the command runs.
const BEFORE: &[u8] = b"as it was";

/// A folder with files, in which commands run.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    fn export(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_export"));
        command.current_dir(self.0.path()).args(line.split_whitespace()).output().unwrap()
    }

    /// Runs `line`, whose output would be `out`, and holds everything that bad input must do.
    #[track_caller]
    fn refuses(self, line: &str, says: &[&str]) {
        let folder = self.with("out", BEFORE);
        let before = folder.names();
        let output = folder.export(line);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        let paragraph = error.trim_end();
        assert!(paragraph.starts_with("error: ") && !paragraph.contains('\n'), "{line}: not one paragraph: {error}");
        for part in says {
            assert!(paragraph.contains(part), "{line}: `{part}` is not in: {paragraph}");
        }
        assert_eq!(std::fs::read(folder.path("out")).unwrap(), BEFORE, "{line} has written");
        assert_eq!(folder.names(), before, "{line} has left or taken a file");
    }

    fn names(&self) -> Vec<OsString> {
        let mut names: Vec<_> = std::fs::read_dir(self.0.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    }
}

fn value(name: &str, shape: &[usize]) -> ValueInfo {
    let dims = shape.iter().map(|&d| Dim::Fixed(d));
    ValueInfo {
        name: name.into(),
        dtype: DType::F32,
        shape: std::iter::once(Dim::Symbol("batch".into())).chain(dims).collect(),
    }
}

/// image → one 1×1 convolution → logits, then `last` if there is one.
fn float(last: Option<Op>) -> Graph {
    let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
    let node = |name: &str, op, inputs: &[&str], output: &str| Node {
        name: name.into(),
        op,
        inputs: inputs.iter().map(|i| i.to_string()).collect(),
        outputs: vec![output.into()],
    };
    let mut nodes = vec![node("conv1", Op::Conv { window, groups: 1 }, &["image", "conv1.weight"], "conv1.out")];
    nodes.extend(last.map(|op| node("strange", op, &["conv1.out"], "logits")));
    let output = nodes.last().unwrap().outputs[0].clone();
    Graph {
        name: "tiny".into(),
        nodes,
        inputs: vec![value("image", &[1, 28, 28])],
        outputs: vec![value(&output, &[1, 28, 28])],
        initializers: [("conv1.weight".to_string(), Tensor::f32(&[1, 1, 1, 1], vec![0.5]))].into(),
        ..Graph::default()
    }
}

fn quantized() -> QuantGraph {
    let tensor =
        |name: &str| QuantTensor { name: name.into(), shape: [1, 28, 28], scale: 1.0 / 255.0, zero_point: -128 };
    let window = Window { kernel: [1; 2], strides: [1; 2], dilations: [1; 2], pads: [0; 4] };
    let weights = Weights { shape: [1, 1, 1, 1], values: vec![100], scales: vec![0.01], biases: vec![0] };
    let op = QuantOp::Conv2d { window, groups: 1, weights, clamp: Clamp::NONE };
    QuantGraph {
        name: "tiny".into(),
        tensors: vec![tensor("image"), tensor("logits")],
        nodes: vec![QuantNode { name: "conv1".into(), op, inputs: vec![0], output: 1 }],
        input: 0,
        output: 1,
        metadata: Default::default(),
    }
}

fn net_plan() -> Vec<u8> {
    plan::to_bytes(&plan::plan(&quantized()).unwrap())
}

#[test]
fn a_file_that_is_not_there() {
    Folder::new().refuses("quantize none.onnx --calibration digits -o out", &["none.onnx", "check the path"]);
    Folder::new().refuses("plan none.onnx -o out", &["none.onnx"]);
    Folder::new().refuses("inspect none.plan", &["none.plan"]);
}

#[test]
fn a_folder_where_a_file_is_expected() {
    for command in ["plan net -o out", "inspect net", "quantize net --calibration digits -o out"] {
        let folder = Folder::new();
        std::fs::create_dir(folder.path("net")).unwrap();
        for name in ["int8.onnx", "float.onnx", "card.json"] {
            std::fs::write(folder.path("net").join(name), b"").unwrap();
        }
        folder.refuses(command, &["net: expected a file, found a folder", "one of its files: float.onnx, int8.onnx"]);
    }
}

#[test]
fn a_file_that_is_not_onnx() {
    let text = b"These are not the bytes of a model.";
    Folder::new().with("a.onnx", text).refuses("quantize a.onnx --calibration digits -o out", &["a.onnx", "ONNX"]);
    Folder::new().with("a.onnx", text).refuses("plan a.onnx -o out", &["a.onnx", "ONNX"]);
    Folder::new().with("a.onnx", text).refuses("run a.onnx --input out", &["a.onnx", "ONNX"]);
}

#[test]
fn a_file_of_another_kind_is_named() {
    let folder = |name, bytes: &[u8]| Folder::new().with(name, bytes);
    folder("net.plan", &net_plan())
        .refuses("plan net.plan -o out", &["net.plan: expected an ONNX model, found a plan", "export run"]);
    folder("a.bpk", b"NRUB\x01\x00").refuses("inspect a.bpk", &["a.bpk", "a checkpoint of burn", "export onnx"]);
    folder("a.json", b"{\n}").refuses("inspect a.json", &["a.json", "JSON", ".onnx"]);
}

#[test]
fn a_cut_onnx_file() {
    let bytes = onnx::to_bytes(&float(None));
    let cut = &bytes[..bytes.len() - 20];
    Folder::new().with("a.onnx", cut).refuses("quantize a.onnx --calibration digits -o out", &["a.onnx", "ONNX"]);
}

#[test]
fn an_operator_that_is_not_supported() {
    let op = Op::Other { op_type: "GridSample".into(), attributes: Default::default() };
    let folder = Folder::new().with("a.onnx", &onnx::to_bytes(&float(Some(op))));
    folder.refuses("quantize a.onnx --calibration digits -o out", &["a.onnx", "strange", "GridSample"]);
}

#[test]
fn external_data_is_refused() {
    let mut model = ModelProto::decode(&*onnx::to_bytes(&float(None))).unwrap();
    let tensor = &mut model.graph.as_mut().unwrap().initializer[0];
    tensor.data_location = 1;
    let folder = Folder::new().with("a.onnx", &model.encode_to_vec());
    folder.refuses("quantize a.onnx --calibration digits -o out", &["a.onnx", "conv1.weight", "external"]);
}

#[test]
fn a_float_file_is_no_int8_file() {
    let folder = Folder::new().with("float.onnx", &onnx::to_bytes(&float(None)));
    folder.refuses("plan float.onnx -o out", &["float.onnx", "found a float one", "export quantize"]);
}

#[test]
fn an_int8_file_is_not_quantized_again() {
    let int8 = onnx::to_bytes(&export::quantize::qdq::to_graph(&quantized()));
    let folder = Folder::new().with("int8.onnx", &int8);
    folder.refuses("quantize int8.onnx --calibration digits", &["int8.onnx", "quantized already", "export plan"]);
}

#[test]
fn a_plan_of_another_version() {
    let mut bytes = net_plan();
    bytes[4] = 99;
    let says = ["a.plan", "version 99", "export plan"];
    Folder::new().with("a.plan", &bytes).refuses("inspect a.plan", &says);
    Folder::new().with("a.plan", &bytes).refuses("run a.plan --input out", &says);
    Folder::new().with("a.plan", &bytes).refuses("validate a.plan --data digits --limit 1", &says);
}

#[test]
fn a_plan_with_a_flipped_byte() {
    let mut bytes = net_plan();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    Folder::new().with("a.plan", &bytes).refuses("inspect a.plan", &["a.plan", "checksum", "damaged"]);
}

#[test]
fn an_image_of_the_wrong_size() {
    // As many values as one image, as three and as two: only the shape tells.
    for (kind, width, height, found) in
        [("P5", 3, 2, "1×2×3"), ("P5", 98, 8, "1×8×98"), ("P6", 28, 28, "3×28×28"), ("P5", 28, 56, "1×56×28")]
    {
        let values = width * height * if kind == "P6" { 3 } else { 1 };
        let image = [format!("{kind} {width} {height} 255\n").as_bytes(), &vec![0; values]].concat();
        let folder = Folder::new().with("net.plan", &net_plan()).with("picture", &image);
        folder.refuses("run net.plan --input picture -o out", &["picture", "expected inputs of 1×28×28", found]);
    }
}

#[test]
fn images_of_another_size_than_the_network_takes() {
    let idx = |rank: u8, dims: &[u32], values: &[u8]| {
        let dims = dims.iter().flat_map(|d| d.to_be_bytes());
        [0, 0, 8, rank].into_iter().chain(dims).chain(values.iter().copied()).collect::<Vec<u8>>()
    };
    let folder = Folder::new().with("net.plan", &net_plan());
    std::fs::create_dir(folder.path("small")).unwrap();
    let put = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path("small").join(name), bytes).unwrap();
    put("t10k-images-idx3-ubyte", idx(3, &[2, 2, 2], &[0; 8]));
    put("t10k-labels-idx1-ubyte", idx(1, &[2], &[0, 1]));
    folder.refuses("validate net.plan --data small", &["net.plan", "1×28×28", "1×2×2"]);
}

#[test]
fn a_missing_or_truncated_data_set() {
    let folder = Folder::new().with("net.plan", &net_plan());
    folder.refuses("validate net.plan --data nowhere", &["nowhere", "expected a folder"]);
    let folder = Folder::new().with("net.plan", &net_plan());
    folder.refuses(
        "run net.plan --input none.npy -o out",
        &["net.plan: none.npy: expected a folder or a file", "found nothing"],
    );
    let folder = Folder::new().with("a.onnx", &onnx::to_bytes(&float(None)));
    folder.refuses("quantize a.onnx --calibration none -o out", &["error: to calibrate a.onnx: none: expected"]);
    let folder = Folder::new().with("net.plan", &net_plan());
    std::fs::create_dir(folder.path("cut")).unwrap();
    let header = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28];
    std::fs::write(folder.path("cut/t10k-images-idx3-ubyte"), header).unwrap();
    std::fs::write(folder.path("cut/t10k-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 2, 0, 1]).unwrap();
    folder.refuses("validate net.plan --data cut", &["t10k-images-idx3-ubyte", "1584", "16"]);
}

#[test]
fn a_checkpoint_that_is_not_there_or_is_another_networks() {
    Folder::new().refuses("onnx --checkpoint none.bpk -o out", &["none.bpk", "train --model mnist-cnn"]);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/mnist-dsres/checkpoint.bpk");
    let folder = Folder::new().with("other.bpk", &std::fs::read(shipped).unwrap());
    folder.refuses("onnx --checkpoint other.bpk -o out", &["other.bpk", "mnist-dsres", "mnist-cnn"]);
    let folder = Folder::new().with("text.bpk", b"not a checkpoint");
    folder.refuses("onnx --checkpoint text.bpk -o out", &["text.bpk", "checkpoint"]);
    Folder::new().refuses("onnx --model resnet -o out", &["resnet", "mnist-cnn, mnist-dsres"]);
}

#[test]
fn a_place_to_run_without_a_plan_to_run() {
    let folder = Folder::new().with("float.onnx", &onnx::to_bytes(&float(None)));
    folder.refuses("validate float.onnx --data digits --limit 1 --on qemu:microbit", &["--on", "export plan"]);
}

#[test]
fn a_place_that_does_not_exist() {
    let output =
        Folder::new().with("net.plan", &net_plan()).export("validate net.plan --data digits --on qemu:arduino");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stm32f405"));
}

#[test]
fn arrays_that_do_not_fit() {
    let array = |dims: &[usize]| {
        let values = vec![0.5; dims.iter().product()];
        export::npy::to_bytes(&export::npy::Array { dims: dims.into(), values })
    };
    let folder = || Folder::new().with("a.onnx", &onnx::to_bytes(&float(None)));
    let says = ["x.npy", "a.onnx", "expected inputs of 1×28×28", "an array of [3, 27, 28]", "[N, 1, 28, 28]"];
    folder().with("x.npy", &array(&[3, 27, 28])).refuses("quantize a.onnx --calibration x.npy -o out", &says);
    let none = folder().with("x.npy", &array(&[0, 28, 28]));
    none.refuses("quantize a.onnx --calibration x.npy -o out", &["x.npy", "at least one input"]);
    let nan = export::npy::Array { dims: vec![1, 28, 28], values: vec![f32::NAN; 784] };
    let nan = folder().with("x.npy", &export::npy::to_bytes(&nan));
    nan.refuses("quantize a.onnx --calibration x.npy -o out", &["a.onnx", "x.npy: input 0", "not finite (NaN)"]);
    let infinite = export::npy::Array { dims: vec![1, 28, 28], values: vec![f32::INFINITY; 784] };
    let infinite = Folder::new().with("net.plan", &net_plan()).with("x.npy", &export::npy::to_bytes(&infinite));
    infinite.refuses("run net.plan --input x.npy -o out", &["x.npy: input 0", "not finite (inf)"]);
    let fine = || folder().with("x.npy", &array(&[4, 28, 28]));
    let says = ["a.onnx", "mean: expected 1 or 1 finite numbers", "[0.1, 0.2]"];
    fine().refuses("quantize a.onnx --calibration x.npy --input-mean 0.1,0.2 -o out", &says);
    fine().refuses("quantize a.onnx --calibration x.npy --limit 0 -o out", &["--limit", "at least 1"]);
}

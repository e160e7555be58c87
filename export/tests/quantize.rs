//! A float network with every operator goes down the road: calibrated, quantized, written as QDQ, read again, run in
//! tract, planned, and run in the engine.

use data::Dataset;
use export::graph::{DType, Data, Dim, Graph, Node, Op, Tensor, ValueInfo, Window};
use export::inputs::Inputs;
use export::quantize::{EQUALIZED, QuantGraph, Range, Samples, calibrate, qdq, quantize, tune};
use export::validate::{Row, answers, compare, images::nchw, layers, open};
use export::{onnx, plan};

/// A small generator (Knuth's MMIX constants): the same network on every machine.
struct Dice(u64);

impl Dice {
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as u32
    }

    /// Reals of about unit variance times `spread`: sums of four uniform ones.
    fn reals(&mut self, len: usize, spread: f32) -> Vec<f32> {
        let uniform = |dice: &mut Dice| dice.bits() as f32 / (1 << 24) as f32 - 0.5;
        (0..len).map(|_| (0..4).map(|_| uniform(self)).sum::<f32>() * 1.7 * spread).collect()
    }
}

/// Adds nodes one after the other, each reading the value before it.
struct Chain {
    graph: Graph,
    dice: Dice,
    last: String,
}

impl Chain {
    fn new(shape: [usize; 3]) -> Self {
        let dims = shape.map(Dim::Fixed);
        let shape = std::iter::once(Dim::Symbol("batch".into())).chain(dims).collect();
        let inputs = vec![ValueInfo { name: "image".into(), dtype: DType::F32, shape }];
        let graph = Graph { name: "every-operator".into(), inputs, ..Graph::default() };
        Self { graph, dice: Dice(7), last: "image".into() }
    }

    fn node(&mut self, name: &str, op: Op, others: &[String]) -> String {
        let inputs = [std::slice::from_ref(&self.last), others].concat();
        self.last = format!("{name}.out");
        self.graph.nodes.push(Node { name: name.into(), op, inputs, outputs: vec![self.last.clone()] });
        self.last.clone()
    }

    fn weights(&mut self, name: &str, dims: &[usize]) -> Vec<String> {
        let fan_in: usize = dims[1..].iter().product();
        let weights = self.dice.reals(dims.iter().product(), (2.0 / fan_in as f32).sqrt());
        let bias = self.dice.reals(dims[0], 0.1);
        self.graph.initializers.insert(format!("{name}.weight"), Tensor::f32(dims, weights));
        self.graph.initializers.insert(format!("{name}.bias"), Tensor::f32(&dims[..1], bias));
        vec![format!("{name}.weight"), format!("{name}.bias")]
    }

    fn conv(&mut self, name: &str, dims: [usize; 4], window: Window, groups: usize) -> String {
        let weights = self.weights(name, &dims);
        self.node(name, Op::Conv { window, groups }, &weights)
    }

    fn output(mut self, classes: usize) -> Graph {
        let shape = vec![Dim::Symbol("batch".into()), Dim::Fixed(classes)];
        self.graph.outputs.push(ValueInfo { name: self.last.clone(), dtype: DType::F32, shape });
        self.graph
    }
}

fn window(kernel: [usize; 2], strides: [usize; 2], pads: [usize; 4]) -> Window {
    Window { kernel, strides, dilations: [1, 1], pads }
}

/// Two colours of 13×12 pixels through every operator, to 5 classes.
fn every_operator() -> Graph {
    let mut chain = Chain::new([2, 13, 12]);
    chain.conv("stem", [8, 2, 3, 3], window([3, 3], [1, 1], [1; 4]), 1);
    chain.node("stem.relu", Op::Relu, &[]);
    let shortcut = chain.node("pool", Op::MaxPool { window: window([2, 2], [2, 2], [1, 0, 0, 0]) }, &[]);
    chain.conv("depthwise", [8, 1, 3, 3], window([3, 3], [1, 1], [1; 4]), 8);
    chain.node("depthwise.relu6", Op::Clip { min: 0.0, max: 6.0 }, &[]);
    chain.conv("pointwise", [8, 8, 1, 1], window([1, 1], [1, 1], [0; 4]), 1);
    chain.node("join", Op::Add, &[shortcut]);
    chain.node("join.relu", Op::Relu, &[]);
    chain.conv("grouped", [6, 4, 3, 2], window([3, 2], [2, 1], [1, 0, 1, 1]), 2);
    let average = Op::AveragePool { window: window([2, 2], [1, 2], [0, 0, 1, 0]), count_include_pad: false };
    chain.node("average", average, &[]);
    chain.node("flatten", Op::Flatten { axis: 1 }, &[]);
    let weights = chain.weights("hidden", &[12, 72]);
    chain.node("hidden", Op::Gemm { transposed: true }, &weights);
    chain.node("hidden.relu", Op::Relu, &[]);
    let weights = chain.weights("classes", &[5, 12]);
    chain.node("classes", Op::Gemm { transposed: true }, &weights);
    chain.node("softmax", Op::Softmax { axis: 1 }, &[]);
    chain.output(5)
}

/// Smooth images, as a convolution expects: blends of corner colours, and some noise.
fn images(count: usize) -> Dataset {
    let (height, width, channels, mut dice) = (13, 12, 2, Dice(1));
    let mut pixels = Vec::new();
    for _ in 0..count {
        let corners: Vec<f32> = (0..8).map(|_| (dice.bits() % 200) as f32).collect();
        for at in 0..height * width * channels {
            let (pixel, channel) = (at / channels, at % channels);
            let (y, x) = ((pixel / width) as f32 / height as f32, (pixel % width) as f32 / width as f32);
            let [a, b, c, d] = [0, 1, 2, 3].map(|corner| corners[2 * corner + channel]);
            let blend = (a * (1.0 - y) + b * y) * (1.0 - x) + (c * (1.0 - y) + d * y) * x;
            pixels.push((blend + (dice.bits() % 56) as f32) as u8);
        }
    }
    let (name, labels, class_names, sha256) = ("blends".into(), vec![0; count], vec![], vec![]);
    Dataset { name, height, width, channels, classes: 5, class_names, pixels, labels, sha256 }
}

fn quantized(float: &Graph) -> QuantGraph {
    let calibration = images(64);
    let batches = (0..64).step_by(16).map(|start| nchw(&calibration, start..start + 16));
    let mut ranges = calibrate(float, 16, batches).unwrap();
    ranges.insert("image".into(), Range::UNIT);
    quantize(float, &ranges).unwrap()
}

/// The stages of the road over 300 images.
fn rows(files: &[Vec<u8>]) -> Vec<Row> {
    let inputs = Inputs::dataset(images(300), [2, 13, 12]).unwrap();
    let all: Vec<usize> = (0..300).collect();
    let answer = |bytes: &Vec<u8>| answers(&*open(bytes).unwrap(), &inputs, &all, &|_| ()).unwrap();
    let answers: Vec<_> = files.iter().map(answer).collect();
    let before = std::iter::once(None).chain(answers.iter().map(Some));
    answers.iter().zip(before).map(|(answers, before)| compare(answers, before, inputs.labels())).collect()
}

#[test]
fn float_tract_and_engine_agree() {
    let float = every_operator();
    let network = quantized(&float);
    let int8 = onnx::to_bytes(&qdq::to_graph(&network));
    assert_eq!(qdq::from_graph(&onnx::from_bytes(&int8).unwrap()).unwrap(), network);

    let plan = plan::to_bytes(&plan::plan(&network).unwrap());
    let rows = rows(&[onnx::to_bytes(&float), int8, plan]);
    let [_, tract, engine] = &rows[..] else { unreachable!() };
    let (tract, engine) = (tract.against.as_ref().unwrap(), engine.against.as_ref().unwrap());
    // Eight bits over a range of about ±4 σ leave some 40 dB a layer; nine layers in a row keep 30.
    assert!(tract.sqnr_db > 30.0, "int8 against float: {tract:?}");
    // tract requantizes in float and the engine in fixed point: where a value lies on a half, they differ by a step,
    // and a step early on can be one more at the end.
    assert!(engine.max_step.unwrap() <= 2, "engine against tract: {engine:?}");
    assert!(engine.sqnr_db > 40.0, "engine against tract: {engine:?}");
}

/// SQNR of an int8 network's logits in the engine over 300 images, in dB.
fn engine_sqnr_db(float: &Graph, network: &QuantGraph) -> f64 {
    let rows = rows(&[onnx::to_bytes(float), plan::to_bytes(&plan::plan(network).unwrap())]);
    rows[1].against.as_ref().unwrap().sqnr_db
}

#[test]
fn choices_by_measurement_come_nearer_to_float() {
    let float = every_operator();
    let inputs = Inputs::dataset(images(128), [2, 13, 12]).unwrap();
    let (calibration, judging): (Vec<usize>, Vec<usize>) = (0..128).partition(|i| i % 4 != 3);
    let samples =
        Samples { inputs: &inputs, calibration: &calibration, judging: &judging, input_range: Some(Range::UNIT) };
    let tuned = tune(&float, &samples, &|_| ()).unwrap();
    let gains: f64 = tuned.choices.iter().map(|choice| choice.gain_db).sum();
    let decided = || tuned.choices.iter().filter(|choice| !choice.chosen.ends_with("seen anew"));
    assert!(decided().all(|choice| choice.gain_db >= 0.0), "{:?}", tuned.choices);
    let (plain, chosen) = (engine_sqnr_db(&float, &quantized(&float)), engine_sqnr_db(&float, &tuned.network));
    // On images that had no say. The choices gain some 3 dB on those that had.
    assert!(chosen > plain + gains / 3.0, "{plain} dB plain, {chosen} dB chosen, {gains} dB promised");
    assert_eq!(
        qdq::from_graph(&onnx::from_bytes(&onnx::to_bytes(&qdq::to_graph(&tuned.network))).unwrap()).unwrap(),
        tuned.network
    );
}

/// Two convolutions; the first one's channels each use a tenth of what the one before does, and the second makes that good.
fn uneven() -> Graph {
    let mut chain = Chain::new([2, 13, 12]);
    chain.conv("first", [4, 2, 3, 3], window([3, 3], [1, 1], [1; 4]), 1);
    chain.node("relu", Op::Relu, &[]);
    chain.conv("second", [4, 4, 1, 1], window([1, 1], [1, 1], [0; 4]), 1);
    chain.node("average", Op::GlobalAveragePool, &[]);
    chain.node("flatten", Op::Flatten { axis: 1 }, &[]);
    let mut graph = chain.output(4);
    let mut multiply = |name: &str, factor: &dyn Fn(usize) -> f32| {
        let Data::F32(values) = &mut graph.initializers.get_mut(name).unwrap().data else { unreachable!() };
        values.iter_mut().enumerate().for_each(|(i, value)| *value *= factor(i));
    };
    multiply("first.weight", &|i| 0.1f32.powi(i as i32 / 18));
    multiply("first.bias", &|i| 0.1f32.powi(i as i32));
    multiply("second.weight", &|i| 10f32.powi(i as i32 % 4));
    graph
}

#[test]
fn channels_that_share_a_scale_are_equalized_and_layers_held_to_float_all_the_same() {
    let float = uneven();
    let inputs = Inputs::dataset(images(64), [2, 13, 12]).unwrap();
    let all: Vec<usize> = (0..64).collect();
    let samples = Samples { inputs: &inputs, calibration: &all, judging: &all, input_range: Some(Range::UNIT) };
    let tuned = tune(&float, &samples, &|_| ()).unwrap();
    assert!(tuned.in_engine && tuned.choices.iter().any(|choice| choice.chosen == "channels equalized"));
    let factors = &tuned.network.metadata[&format!("{EQUALIZED}relu.out")];
    assert_eq!(factors.split(' ').count(), 4, "{factors}");
    let gain_db = engine_sqnr_db(&float, &tuned.network) - engine_sqnr_db(&float, &quantized(&float));
    assert!(gain_db > 10.0, "two of four channels had less than 3 steps: {gain_db} dB");

    // The float file's values are not the int8 file's, but are compared as multiplied.
    let images: Vec<(usize, Vec<f32>)> = (0..16).map(|i| (i, nchw(&images(16), i..i + 1))).collect();
    let reals: Vec<Vec<f32>> = images.iter().map(|(_, image)| image.clone()).collect();
    let first_db = |network: &QuantGraph| {
        let words = plan::plan(network).unwrap();
        let plan = infer_nostd::Plan::parse(&words).unwrap();
        let layers = layers(&plan, &qdq::to_graph(network), Some((&float, &reals)), &images, 1).unwrap();
        layers[0].sqnr_db.unwrap()
    };
    let mut unsaid = tuned.network.clone();
    unsaid.metadata.retain(|key, _| !key.starts_with(EQUALIZED));
    let (said, unsaid) = (first_db(&tuned.network), first_db(&unsaid));
    assert!(said > 30.0 && unsaid < 1.0, "{said} dB with the factors, {unsaid} dB without");
}

#[test]
fn a_change_that_cannot_be_stored_is_not_made() {
    let mut float = uneven();
    // Over an input that is dark in every image; equalizing would make it infinite.
    let Data::F32(values) = &mut float.initializers.get_mut("first.weight").unwrap().data else { unreachable!() };
    values[18 + 9] = 1e38;
    let dark = |mut dataset: Dataset| {
        dataset.pixels.iter_mut().skip(1).step_by(2).for_each(|pixel| *pixel = 0);
        dataset
    };
    let inputs = Inputs::dataset(dark(images(64)), [2, 13, 12]).unwrap();
    let all: Vec<usize> = (0..64).collect();
    let samples = Samples { inputs: &inputs, calibration: &all, judging: &all, input_range: Some(Range::UNIT) };
    let tuned = tune(&float, &samples, &|_| ()).unwrap();
    assert!(!tuned.network.metadata.keys().any(|key| key.starts_with(EQUALIZED)), "{:?}", tuned.choices);
}

#[test]
fn few_inputs_choose_what_does_good_on_others() {
    let float = every_operator();
    for count in [8, 16, 32] {
        let inputs = Inputs::dataset(images(count), [2, 13, 12]).unwrap();
        let all: Vec<usize> = (0..count).collect();
        let samples = Samples { inputs: &inputs, calibration: &all, judging: &all, input_range: Some(Range::UNIT) };
        let tuned = tune(&float, &samples, &|_| ()).unwrap();
        let plain = tune(&float, &Samples { judging: &all[..3], ..samples }, &|_| ()).unwrap();
        assert_eq!((plain.judged, &plain.choices[..]), (None, &[][..]), "three inputs judge nothing");
        let (plain, chosen) = (engine_sqnr_db(&float, &plain.network), engine_sqnr_db(&float, &tuned.network));
        assert_eq!(tuned.judged.unwrap().inputs, count);
        assert!(chosen > plain, "{count} inputs: {plain} dB plain, {chosen} dB chosen");
    }
}

#[test]
fn a_network_of_normalized_pixels_takes_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut chain = Chain::new([1, 28, 28]);
    chain.conv("conv", [4, 1, 3, 3], window([3, 3], [1, 1], [1; 4]), 1);
    chain.node("relu", Op::Relu, &[]);
    chain.node("pool", Op::GlobalAveragePool, &[]);
    chain.node("flatten", Op::Flatten { axis: 1 }, &[]);
    std::fs::write(path("float.onnx"), onnx::to_bytes(&chain.output(4))).unwrap();
    let line = "quantize float.onnx --calibration digits --limit 32 --input-mean 0.1307 --input-std 0.3081 --explain --json j.json";
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_export"));
    let output = command.current_dir(folder.path()).args(line.split(' ')).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("costs most") && text.contains("verified in tract on 1000 inputs"), "{text}");
    assert!(text.contains("judged by 256 inputs in the engine: SQNR") && text.contains(" ± "), "{text}");
    let network = qdq::from_graph(&onnx::from_file(path("int8.onnx")).unwrap()).unwrap();
    // 0.1307 is level 33.3: the zero point is pixel 33.
    assert_eq!((network.tensors[0].scale, network.tensors[0].zero_point), (1.0 / 255.0, -95));
    assert_eq!(network.metadata["input.mean"], (33.0f32 / 255.0).to_string());
    let json = std::fs::read_to_string(path("j.json")).unwrap();
    for key in ["\"judged_by\"", "\"standard_error_db\"", "\"verified\"", "\"choices\"", "\"alone_db\"", "\"gain_db\""]
    {
        assert!(json.contains(key), "{key} is not in {json}");
    }
}

//! Networks as other tools write them: their normal form means the same, and the engine computes it.

use export::graph::{Graph, Op, passes, shape};
use export::quantize::{self, qdq};
use export::validate::images::channels_first;
use export::validate::tract::Runner;
use export::{onnx, plan, validate};
use prost::Message;
use tests::generate::Generator;
use tests::networks::{self, Network};
use tests::tolerance::{IMPORTED_SQNR_DB, IMPORTED_STEPS, NORMAL_FORM};

/// Samples that both forms are shown.
const SAMPLES: usize = 4;

/// Samples of reals between 0 and 1, as the file has its axes.
fn samples(graph: &Graph) -> Vec<f32> {
    let len = shape::sample_len(&graph.inputs[0]).unwrap();
    Generator::new(len as u64).values(SAMPLES * len).iter().map(|&v| (f32::from(v) + 128.0) / 255.0).collect()
}

/// Values of an input or output in the order that the normal form declares.
fn in_order(normal: &Graph, end: &export::graph::ValueInfo, values: &[f32]) -> Vec<f32> {
    let key = format!("{}.layout", end.name);
    if !normal.metadata.get(&key).is_some_and(|note| note.starts_with("channels first")) {
        return values.to_vec();
    }
    let dims = shape::sample_dims(end).unwrap();
    let sample = dims.iter().product();
    values.chunks(sample).flat_map(|one| channels_first(one, dims[0])).collect()
}

/// The network as it was written, and in its normal form.
fn both(network: &Network) -> (Vec<u8>, Graph) {
    let bytes = network.model.encode_to_vec();
    let graph = onnx::from_bytes(&bytes).unwrap_or_else(|error| panic!("{}: {error}", network.name));
    let normal = passes::run(graph).unwrap_or_else(|error| panic!("{}: {error}", network.name));
    (bytes, normal)
}

#[test]
fn the_normal_form_answers_as_the_file_does() {
    for network in networks::all() {
        let (bytes, normal) = both(&network);
        let written = samples(&onnx::from_bytes(&bytes).unwrap());
        let expected = Runner::from_bytes(&bytes, 1).unwrap().run(&written).unwrap().remove(0);
        let expected = in_order(&normal, &normal.outputs[0], &expected);
        let found =
            Runner::new(&normal, SAMPLES).unwrap().run(&in_order(&normal, &normal.inputs[0], &written)).unwrap();
        assert_eq!(found[0].len(), expected.len(), "{}", network.name);
        let differences = found[0].iter().zip(&expected).map(|(f, e)| (f - e).abs());
        let largest = differences.fold(0.0, f32::max);
        assert!(largest <= NORMAL_FORM, "{}: {largest}", network.name);
    }
}

/// Stages take pictures channels first and give maps so, whatever the order of the file: that of an imported file and of its normal form is one.
#[test]
fn a_file_and_its_normal_form_take_the_same_pictures() {
    for network in networks::all() {
        let (bytes, normal) = both(&network);
        let stages = [bytes, onnx::to_bytes(&normal)].map(|bytes| validate::open(&bytes).unwrap());
        let [imported, normal_form] = stages.each_ref().map(|stage| stage.intake());
        assert_eq!(imported, normal_form, "{}", network.name);
        let last = passes::had_channels_last(&normal.metadata, &normal.inputs[0].name);
        assert_eq!(imported.channels_last, last, "{}", network.name);
        let [imported, normal_form] = stages.map(|stage| stage.answer(&samples(&normal)).unwrap());
        let largest = imported.iter().zip(&normal_form).map(|(i, n)| (i - n).abs()).fold(0.0, f32::max);
        assert!(imported.len() == normal_form.len() && largest <= NORMAL_FORM, "{}: {largest}", network.name);
    }
}

/// What is written is read again as it was, spelled-out activations among it.
#[test]
fn the_normal_form_is_read_as_it_was_written_and_is_its_own() {
    for network in networks::all() {
        let (_, normal) = both(&network);
        assert_eq!(onnx::from_bytes(&onnx::to_bytes(&normal)).unwrap(), normal, "{}", network.name);
        assert_eq!(passes::normalize(&normal).nodes, normal.nodes, "{}", network.name);
    }
}

/// In the normal form there is nothing but what has an int8 form, and no more of it than these.
#[test]
fn the_normal_form_has_few_operators() {
    let allowed = |op: &Op| {
        matches!(
            op,
            Op::Conv { .. }
                | Op::Gemm { .. }
                | Op::Relu
                | Op::Clip { .. }
                | Op::Activation(_)
                | Op::MaxPool { .. }
                | Op::AveragePool { .. }
                | Op::GlobalAveragePool
                | Op::Add
                | Op::Mul
                | Op::Resize { .. }
                | Op::Concat { axis: 1 }
                | Op::Flatten { axis: 1 }
                | Op::Reshape
                | Op::Softmax { .. }
                | Op::LogSoftmax { .. }
        )
    };
    for network in networks::all() {
        let (_, normal) = both(&network);
        let others: Vec<&str> = normal.nodes.iter().filter(|n| !allowed(&n.op)).map(|n| n.op.name()).collect();
        assert!(others.is_empty(), "{}: {others:?}", network.name);
    }
}

/// What `bytes` answer to samples: an ONNX file in tract, a plan in the engine.
fn answers(bytes: &[u8], samples: &[f32]) -> Vec<f32> {
    validate::open(bytes).unwrap().answer(samples).unwrap()
}

/// Decibels by which what was meant is above what is wrong with it.
fn sqnr_db(meant: &[f32], found: &[f32]) -> f64 {
    let power = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let noise = power(&mut meant.iter().zip(found).map(|(m, f)| m - f));
    10.0 * (power(&mut meant.iter().copied()) / noise).log10()
}

#[test]
fn int8_in_the_engine_is_int8_in_tract_and_near_the_float_network() {
    let mut failures = Vec::new();
    for network in networks::all() {
        let (_, normal) = both(&network);
        let samples = samples(&normal);
        let ranges = quantize::calibrate(&normal, SAMPLES, [samples.clone()]).unwrap();
        let quantized =
            quantize::quantize(&normal, &ranges).unwrap_or_else(|error| panic!("{}: {error}", network.name));
        let int8 = onnx::to_bytes(&qdq::to_graph(&quantized));
        assert_eq!(qdq::from_graph(&onnx::from_bytes(&int8).unwrap()).as_ref(), Ok(&quantized), "{}", network.name);
        let words = plan::plan(&quantized).unwrap_or_else(|error| panic!("{}: {error}", network.name));
        let (tract, engine) = (answers(&int8, &samples), answers(&plan::to_bytes(&words), &samples));
        let step = quantized.tensors[quantized.output].scale;
        let steps = tract.iter().zip(&engine).map(|(t, e)| ((t - e) / step).abs().round()).fold(0.0, f32::max);
        let sqnr = sqnr_db(&answers(&onnx::to_bytes(&normal), &samples), &engine);
        println!("{}: {steps} steps from tract, {sqnr:.1} dB above the error against float", network.name);
        if tract.len() != engine.len() || steps > IMPORTED_STEPS || sqnr.is_nan() || sqnr < IMPORTED_SQNR_DB {
            failures.push(network.name);
        }
    }
    assert!(failures.is_empty(), "{failures:?}: see above");
}

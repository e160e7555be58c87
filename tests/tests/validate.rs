//! What `export validate` says of layers: nothing where all is well, and the right name where one is wrong.

use data::digits;
use export::graph::{Graph, Window};
use export::onnx;
use export::plan::{Options, Target, plan_for};
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, qdq};
use export::validate::cause::Cause;
use export::validate::images::nchw;
use export::validate::{Layer, layers};
use infer_nostd::Plan;
use tests::tolerance::LAYER_SQNR_DB;
use tests::zoo::{int8, read};

fn images(count: usize) -> Vec<(usize, Vec<f32>)> {
    let digits = digits::generate(31, count);
    (0..count).map(|image| (image, nchw(&digits, image..image + 1))).collect()
}

/// The layers of a plan of `changed` against those of `network`.
fn held(network: &QuantGraph, changed: &QuantGraph, float: Option<&Graph>, target: Target) -> Vec<Layer> {
    let words = plan_for(changed, &Options { target, ..Options::default() }).unwrap();
    let plan = Plan::parse(&words).unwrap();
    let images = images(3);
    let of_float: Vec<_> = images.iter().map(|(_, image)| image.clone()).collect();
    let float = float.map(|float| (float, of_float.as_slice()));
    layers(&plan, &qdq::to_graph(network), float, &images, 1).unwrap()
}

#[test]
fn every_layer_of_the_zoo_is_within_a_step_on_every_core() {
    for name in models::zoo::NAMES {
        let float = onnx::from_bytes(&read(name, "float.onnx")).unwrap();
        for target in [Target::Portable, Target::CortexM0, Target::CortexM3, Target::CortexM4] {
            for layer in held(&int8(name), &int8(name), Some(&float), target) {
                assert_eq!(layer.divergence, None, "{name} for {target}: {}", layer.layer);
                assert!(layer.max_step <= 1, "{name} for {target}: {layer:?}");
                // Where all values are equal there is no noise.
                assert!(layer.sqnr_db.is_none_or(|db| db > LAYER_SQNR_DB), "{name} for {target}: {layer:?}");
            }
        }
    }
}

/// The layers that are found wrong where a network was changed, and what is said of the first.
fn wrong(network: &QuantGraph, change: impl Fn(&mut QuantGraph)) -> (Vec<String>, Cause) {
    let mut changed = network.clone();
    change(&mut changed);
    let layers = held(network, &changed, None, Target::CortexM4);
    let wrong: Vec<&Layer> = layers.iter().filter(|layer| layer.divergence.is_some()).collect();
    let cause = wrong.first().and_then(|layer| layer.divergence.as_ref()).expect("a wrong layer").cause;
    (wrong.iter().map(|layer| layer.layer.clone()).collect(), cause)
}

fn op<'a>(network: &'a mut QuantGraph, layer: &str) -> &'a mut QuantOp {
    &mut network.nodes.iter_mut().find(|node| node.name == layer).expect(layer).op
}

#[test]
fn a_flipped_bit_of_a_weight_is_found_in_its_layer_and_channel() {
    for (layer, channel) in [("conv1", 3), ("conv4", 0), ("classifier", 9)] {
        let flip = |network: &mut QuantGraph| {
            let QuantOp::Conv2d { weights, .. } = op(network, layer) else { panic!("{layer} is a convolution") };
            let channel_len = weights.values.len() / weights.shape[0];
            weights.values[channel * channel_len] ^= 0x40;
        };
        assert_eq!(wrong(&int8("mnist-cnn"), flip), (vec![layer.to_string()], Cause::Channel(channel)));
    }
}

#[test]
fn a_clamp_that_cuts_is_told_from_other_faults() {
    let cut = |network: &mut QuantGraph| {
        let QuantOp::Add { clamp } = op(network, "add2") else { panic!("add2 is a sum") };
        *clamp = Clamp { max: 10, ..*clamp };
    };
    assert_eq!(wrong(&int8("mnist-dsres"), cut), (vec!["add2".to_string()], Cause::Clamp));
}

/// The tensor between two layers: both are wrong, and the one that writes it comes first.
#[test]
fn a_zero_point_is_told_from_other_faults() {
    let shift = |network: &mut QuantGraph| {
        let node = network.nodes.iter().find(|node| node.name == "classifier").expect("classifier");
        network.tensors[node.output].zero_point += 5;
    };
    let expected = ["classifier", "average"].map(String::from).to_vec();
    assert_eq!(wrong(&int8("mnist-cnn"), shift), (expected, Cause::ZeroPoint(5)));
}

#[test]
fn padding_is_told_from_other_faults() {
    let tensor =
        |name: &str| QuantTensor { name: name.into(), shape: [1, 28, 28], scale: 1.0 / 255.0, zero_point: -128 };
    let pool = |count_include_pad| QuantGraph {
        name: "pool".into(),
        tensors: ["image", "y"].map(tensor).to_vec(),
        nodes: vec![QuantNode {
            name: "pool".into(),
            op: QuantOp::AveragePool {
                window: Window { kernel: [5, 5], strides: [1, 1], dilations: [1, 1], pads: [2; 4] },
                count_include_pad,
            },
            inputs: vec![0],
            output: 1,
        }],
        input: 0,
        output: 1,
        metadata: Default::default(),
    };
    assert_eq!(wrong(&pool(false), |network| *network = pool(true)), (vec!["pool".to_string()], Cause::Padding));
}

/// A file with one thing after the other renamed; nodes and values are called as `name` makes of their names, values of the ends stay.
fn renamed(graph: &Graph, node: impl Fn(usize) -> String, value: impl Fn(&str) -> String) -> Graph {
    let ends: Vec<&String> = graph.inputs.iter().chain(&graph.outputs).map(|end| &end.name).collect();
    let value = |name: &String| if ends.contains(&name) || name.is_empty() { name.clone() } else { value(name) };
    let mut renamed = graph.clone();
    for (number, (new, old)) in renamed.nodes.iter_mut().zip(&graph.nodes).enumerate() {
        new.name = node(number);
        new.inputs = old.inputs.iter().map(value).collect();
        new.outputs = old.outputs.iter().map(value).collect();
    }
    renamed.initializers = graph.initializers.iter().map(|(name, tensor)| (value(name), tensor.clone())).collect();
    renamed
}

/// Names are the file's, and a file may call everything alike.
#[test]
fn layers_are_held_whatever_the_file_calls_them() {
    let plain = qdq::to_graph(&int8("mnist-dsres"));
    let images = images(1);
    let found = |file: &Graph| -> Vec<_> {
        let file = onnx::from_bytes(&onnx::to_bytes(file)).unwrap();
        let words = plan_for(&qdq::from_graph(&file).unwrap(), &Options::default()).unwrap();
        let layers = layers(&Plan::parse(&words).unwrap(), &file, None, &images, 1).unwrap();
        layers.into_iter().map(|layer| (layer.kind, layer.output, layer.max_step, layer.divergence)).collect()
    };
    let expected = found(&plain);
    assert!(expected.len() > 10 && expected.iter().all(|(_, _, step, _)| *step <= 1), "{expected:?}");
    let same = |name: &str| name.to_string();
    let made = |number: usize| plain.nodes[number % plain.nodes.len()].outputs[0].clone();
    let own = |number: usize| plain.nodes[number].name.clone();
    // Int8 values whose tensors would all be called `a`, and values called as the scales of others.
    let quantized: Vec<&str> =
        plain.nodes.iter().map(|n| n.outputs[0].as_str()).filter(|n| n.ends_with(".quantized")).collect();
    let alike = |name: &str| match quantized.iter().position(|other| *other == name) {
        Some(0) => "a".into(),
        Some(1) => "a.quantized".into(),
        Some(2) => "a_QuantizeLinear_Output".into(),
        Some(3) => "a.scale.quantized".into(),
        _ => name.to_string(),
    };
    let long = "/x".repeat(5000);
    let files = [
        ("nodes all alike", renamed(&plain, |_| "same".into(), same)),
        ("nodes without names", renamed(&plain, |_| String::new(), same)),
        ("nodes as what they make", renamed(&plain, made, same)),
        ("nodes as what the next makes", renamed(&plain, |number| made(number + 1), same)),
        ("nodes as the input", renamed(&plain, |_| plain.inputs[0].name.clone(), same)),
        ("nodes as tract numbers them", renamed(&plain, |number| format!("#{number} "), same)),
        ("values alike", renamed(&plain, own, alike)),
        ("names of 10,000 bytes", renamed(&plain, |_| long.clone(), |name| format!("{long}{name}"))),
    ];
    for (kind, file) in files {
        assert_eq!(found(&file), expected, "{kind}");
    }
}

/// Three tensors side by side are two operators of the plan and one layer of the file.
#[test]
fn a_concatenation_of_three_is_held_part_by_part() {
    let tensor = |name: &str, channels, scale| QuantTensor {
        name: name.into(),
        shape: [channels, 28, 28],
        scale,
        zero_point: -128,
    };
    let node =
        |name: &str, op, inputs: &[usize], output| QuantNode { name: name.into(), op, inputs: inputs.to_vec(), output };
    let change = |clamp| QuantOp::Requantize { clamp };
    let network = QuantGraph {
        name: "three".into(),
        tensors: vec![
            tensor("image", 1, 1.0 / 255.0),
            tensor("a", 1, 1.0 / 200.0),
            tensor("b", 1, 1.0 / 100.0),
            tensor("all", 3, 1.0 / 180.0),
        ],
        nodes: vec![
            node("a", change(Clamp::NONE), &[0], 1),
            node("b", change(Clamp::NONE), &[0], 2),
            node("all", QuantOp::Concat, &[0, 1, 2], 3),
        ],
        input: 0,
        output: 3,
        metadata: Default::default(),
    };
    let layers = held(&network, &network, None, Target::Portable);
    let names: Vec<_> =
        layers.iter().map(|layer| (layer.layer.as_str(), layer.output[0], layer.max_step <= 1)).collect();
    assert_eq!(names, [("a", 1, true), ("b", 1, true), ("all", 2, true), ("all", 3, true)]);
}

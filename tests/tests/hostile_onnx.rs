//! ONNX files that are almost right: every stage that reads them answers or refuses, and none panics.

use export::graph::{passes, shape};
use export::onnx::proto::{GraphProto, ModelProto};
use export::quantize::{self, qdq};
use export::{onnx, plan};
use prost::Message;
use tests::networks;
use tests::zoo::read;

/// What each file was good for.
#[derive(Debug, Default)]
struct Count {
    refused: usize,
    read: usize,
}

/// Takes the file down the road as far as it goes. A panic ends the test.
fn walk(model: &ModelProto, count: &mut Count) {
    let Ok(graph) = onnx::from_bytes(&model.encode_to_vec()) else {
        count.refused += 1;
        return;
    };
    count.read += 1;
    let _ = shape::infer(&graph);
    if let Ok(graph) = passes::run(graph.clone()) {
        let _ = quantize::supported(&graph);
        let _ = shape::infer(&graph);
    }
    if let Ok(quantized) = qdq::from_graph(&graph) {
        let _ = plan::plan(&quantized);
    }
}

/// The model with its graph changed.
fn changed(model: &ModelProto, change: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = model.clone();
    change(model.graph.as_mut().expect("a graph"));
    model
}

#[test]
fn changed_files_are_refused_or_read() {
    let mut count = Count::default();
    let shipped = [("mnist-cnn", "float.onnx"), ("mnist-dsres", "float.onnx"), ("mnist-dsres", "int8.onnx")];
    let shipped = shipped.map(|(network, file)| ModelProto::decode(&*read(network, file)).unwrap());
    // The shipped files have few forms; those of other exporters pass through every rule.
    for model in shipped.into_iter().chain(networks::all().into_iter().map(|network| network.model)) {
        let graph = model.graph.as_ref().unwrap();
        for (i, node) in graph.node.iter().enumerate() {
            for inputs in 0..node.input.len() {
                walk(&changed(&model, |g| g.node[i].input.truncate(inputs)), &mut count);
                walk(&changed(&model, |g| g.node[i].input[inputs].clear()), &mut count);
                walk(&changed(&model, |g| g.node[i].input[inputs] = g.node[0].output[0].clone()), &mut count);
            }
            for attribute in 0..node.attribute.len() {
                walk(&changed(&model, |g| drop(g.node[i].attribute.remove(attribute))), &mut count);
                walk(&changed(&model, |g| g.node[i].attribute[attribute].ints.clear()), &mut count);
                for value in [0, -1, i64::MAX, i64::MIN] {
                    walk(&changed(&model, |g| g.node[i].attribute[attribute].ints.fill(value)), &mut count);
                }
            }
            walk(&changed(&model, |g| g.node[i].output.clear()), &mut count);
            walk(&changed(&model, |g| drop(g.node.remove(i))), &mut count);
            walk(&changed(&model, |g| g.node.insert(i, g.node[i].clone())), &mut count);
        }
        for i in 0..graph.initializer.len() {
            for dim in [0, 1, 3, -1, i64::MAX] {
                walk(&changed(&model, |g| g.initializer[i].dims = vec![dim]), &mut count);
            }
            // As many values as its new shape says, so that it is read.
            walk(
                &changed(&model, |g| {
                    g.initializer[i].dims = vec![1];
                    g.initializer[i].raw_data = Some(vec![0x80; element_bytes(g.initializer[i].data_type)]);
                }),
                &mut count,
            );
            for value in [0, -1, 1 << 40, i64::MAX, i64::MIN] {
                walk(&changed(&model, |g| g.initializer[i].int64_data.fill(value)), &mut count);
            }
            walk(&changed(&model, |g| g.initializer[i].float_data.fill(f32::NAN)), &mut count);
            walk(&changed(&model, |g| drop(g.initializer.remove(i))), &mut count);
        }
    }
    assert!(count.refused > 500 && count.read > 500, "{count:?}: the test has lost its object");
}

/// Bytes of a float or an int32, of an int64, of an int8.
fn element_bytes(data_type: i32) -> usize {
    match data_type {
        1 | 6 => 4,
        7 => 8,
        _ => 1,
    }
}

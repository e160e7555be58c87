//! The engine gives the same integers as the definition, on generated networks.

use infer_nostd::plan::Kind;
use infer_nostd::{Engine, Plan};
use std::collections::BTreeSet;
use tests::generate::{Generator, LAYERS};
use tests::reference;

/// C, H, W → H, W, C.
fn channels_last(values: &[i8], [channels, height, width]: [usize; 3]) -> Vec<i8> {
    let pixel = |i: usize| (0..channels).map(move |c| values[c * height * width + i]);
    (0..height * width).flat_map(pixel).collect()
}

/// Plans `graph`, runs two images back to back, and holds both against the definition.
fn check(graph: &export::quantize::QuantGraph, generator: &mut Generator) -> Vec<Kind> {
    let words = export::plan::plan(graph).unwrap_or_else(|error| panic!("{error}\n{graph:?}"));
    let plan = Plan::parse(&words).expect("planned and checked");
    let mut arena = vec![0; plan.arena_words()];
    let mut engine = Engine::new(plan, &mut arena).expect("the arena is as long as the plan says");
    let shape = graph.tensors[graph.input].shape;
    for _ in 0..2 {
        let image = generator.values(shape.iter().product());
        let expected = channels_last(&reference::run(graph, &image), graph.tensors[graph.output].shape);
        let found = engine.infer(&channels_last(&image, shape)).expect("an image of the right size");
        assert_eq!(found, expected, "{graph:?}");
    }
    (0..plan.operator_count()).map(|id| plan.operator(id).kind).collect()
}

#[test]
fn every_operator_is_the_definition_on_generated_shapes() {
    let mut generator = Generator::new(1);
    for layer in LAYERS {
        for _ in 0..300 {
            let graph = generator.single(layer);
            check(&graph, &mut generator);
        }
    }
}

#[test]
fn networks_with_branches_are_the_definition() {
    let mut generator = Generator::new(2);
    let mut kinds = BTreeSet::new();
    for _ in 0..1000 {
        let graph = generator.network(8);
        kinds.extend(check(&graph, &mut generator).iter().map(|&kind| kind as u8));
    }
    assert_eq!(kinds, (Kind::Conv2d as u8..=Kind::Requantize as u8).collect(), "a kind was never run");
}

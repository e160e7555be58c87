//! The bytes on the page FORMAT.md are the bytes that the planner writes.

use export::graph::Window;
use export::quantize::{Clamp, QuantGraph, QuantNode, QuantOp, QuantTensor, Weights};

/// The example of FORMAT.md.
fn example() -> QuantGraph {
    let tensor = |name: &str| QuantTensor { name: name.into(), shape: [1, 1, 1], scale: 0.5, zero_point: 0 };
    let window = Window { kernel: [1, 1], strides: [1, 1], dilations: [1, 1], pads: [0; 4] };
    let weights = Weights { shape: [1, 1, 1, 1], values: vec![2], scales: vec![0.5], biases: vec![3] };
    let op = QuantOp::Conv2d { window, groups: 1, weights, clamp: Clamp::NONE };
    QuantGraph {
        name: "n".into(),
        tensors: vec![tensor("x"), tensor("y")],
        nodes: vec![QuantNode { name: "y".into(), op, inputs: vec![0], output: 1 }],
        input: 0,
        output: 1,
        metadata: Default::default(),
    }
}

#[test]
fn the_example_in_format_md_is_what_the_planner_writes() {
    let words = export::plan::plan(&example()).unwrap();
    let written: Vec<String> = words.iter().map(|word| format!("{word:08x}")).collect();
    let page = include_str!("../../infer-nostd/FORMAT.md");
    let block = page.split("```").nth(1).expect("the example's block");
    let is_word = |text: &&str| text.len() == 8 && text.chars().all(|c| c.is_ascii_hexdigit());
    let shown: Vec<&str> = block.split_whitespace().filter(is_word).collect();
    assert_eq!(shown, written);
}

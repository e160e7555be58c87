//! Shapes by hand, and one test a cause.

use super::*;
use crate::graph::{Activation, DType, Op};

fn batch() -> Dim {
    Dim::Symbol("batch".into())
}

fn image(c: usize, h: usize, w: usize) -> Vec<Dim> {
    vec![batch(), Dim::Fixed(c), Dim::Fixed(h), Dim::Fixed(w)]
}

/// The shape of one node's output over an input `x` and constants of zeros.
fn output(op: Op, x: Vec<Dim>, constants: &[Tensor]) -> Result<Vec<Dim>, Cause> {
    let names: Vec<String> = (0..constants.len()).map(|i| format!("c{i}")).collect();
    let info = |name: &str, shape| ValueInfo { name: name.into(), dtype: DType::F32, shape };
    let inputs = [vec!["x".to_string()], names.clone()].concat();
    let graph = Graph {
        nodes: vec![Node { name: "n".into(), op, inputs, outputs: vec!["y".into()] }],
        inputs: vec![info("x", x)],
        initializers: names.into_iter().zip(constants.iter().cloned()).collect(),
        ..Graph::default()
    };
    infer(&graph).map(|shapes| shapes["y"].shape.clone()).map_err(|e| e.cause)
}

fn zeros(dims: &[usize]) -> Tensor {
    Tensor::f32(dims, vec![0.0; dims.iter().product()])
}

fn window(kernel: usize, stride: usize, dilation: usize, pads: [usize; 4]) -> Window {
    Window { kernel: [kernel; 2], strides: [stride; 2], dilations: [dilation; 2], pads }
}

#[test]
fn shapes_of_each_operator() {
    let pixel = Tensor::i64(&[2], vec![0, -1]);
    let cases = [
        (
            Op::Conv { window: window(3, 1, 1, [1; 4]), groups: 1 },
            image(2, 7, 9),
            vec![zeros(&[4, 2, 3, 3])],
            "batch×4×7×9",
        ),
        (
            Op::Conv { window: window(3, 2, 2, [0, 1, 2, 3]), groups: 2 },
            image(2, 7, 9),
            vec![zeros(&[4, 1, 3, 3])],
            "batch×4×3×5",
        ),
        (Op::MaxPool { window: window(2, 2, 1, [0; 4]) }, image(3, 7, 9), vec![], "batch×3×3×4"),
        (Op::GlobalAveragePool, image(3, 7, 9), vec![], "batch×3×1×1"),
        (Op::Flatten { axis: 1 }, image(3, 7, 9), vec![], "batch×189"),
        (Op::Flatten { axis: -3 }, image(3, 7, 9), vec![], "batch×189"),
        (Op::Reshape, image(3, 7, 9), vec![pixel], "batch×189"),
        (Op::Reshape, image(3, 7, 9), vec![Tensor::i64(&[3], vec![-1, 21, 9])], "batch×21×9"),
        (Op::Gemm { transposed: true }, vec![batch(), Dim::Fixed(5)], vec![zeros(&[7, 5])], "batch×7"),
        (Op::Gemm { transposed: false }, vec![batch(), Dim::Fixed(5)], vec![zeros(&[5, 7])], "batch×7"),
        (Op::MatMul, vec![batch(), Dim::Fixed(5)], vec![zeros(&[5, 7])], "batch×7"),
        (Op::Add, image(3, 7, 9), vec![zeros(&[3, 1, 1])], "batch×3×7×9"),
        (Op::BatchNorm { epsilon: 0.0 }, image(3, 7, 9), vec![zeros(&[3]); 4], "batch×3×7×9"),
        (Op::Relu, image(3, 7, 9), vec![], "batch×3×7×9"),
        (Op::Mul, image(3, 7, 9), vec![zeros(&[3, 1, 1])], "batch×3×7×9"),
        (Op::Activation(Activation::Tanh), image(3, 7, 9), vec![], "batch×3×7×9"),
        (Op::ArgMax { axis: -1, keepdims: false }, image(3, 7, 9), vec![], "batch×3×7"),
        (Op::ArgMax { axis: 1, keepdims: true }, image(3, 7, 9), vec![], "batch×1×7×9"),
        (Op::Concat { axis: 1 }, image(3, 7, 9), vec![], "batch×3×7×9"),
    ];
    for (op, x, constants, expected) in cases {
        let name = format!("{op:?}");
        assert_eq!(output(op, x, &constants).as_deref().map(display), Ok(expected.to_string()), "{name}");
    }
}

#[test]
fn a_window_larger_than_its_input_is_named() {
    let found = output(Op::MaxPool { window: window(9, 1, 1, [0; 4]) }, image(1, 7, 7), &[]);
    let expected = Cause::Window { kernel: [9; 2], dilations: [1; 2], pads: [0; 4], found: "batch×1×7×7".into() };
    assert_eq!(found, Err(expected));
}

#[test]
fn weights_of_other_channels_are_named() {
    let op = Op::Conv { window: window(3, 1, 1, [0; 4]), groups: 1 };
    let found = output(op, image(2, 7, 7), &[zeros(&[4, 3, 3, 3])]).unwrap_err();
    assert!(matches!(found, Cause::Mismatch { .. }), "{found}");
}

#[test]
fn values_set_side_by_side_must_fit() {
    let fixed = vec![Dim::Fixed(2), Dim::Fixed(3)];
    let of = |axis, dims: &[usize]| output(Op::Concat { axis }, fixed.clone(), &[zeros(dims)]);
    assert_eq!(of(-1, &[2, 4]).as_deref().map(display), Ok("2×7".to_string()));
    assert!(matches!(of(0, &[2, 4]), Err(Cause::Mismatch { .. })));
    assert_eq!(of(2, &[2, 4]), Err(Cause::Axis { axis: 2, found: "2×3".into() }));
    assert!(matches!(of(i64::MIN, &[2, 4]), Err(Cause::Axis { .. })));
}

#[test]
fn a_fixed_batch_in_a_reshape_is_refused() {
    let found = output(Op::Reshape, image(1, 2, 2), &[Tensor::i64(&[2], vec![1, 4])]);
    assert_eq!(found, Err(Cause::Reshape { found: "batch×1×2×2".into(), wanted: vec![1, 4] }));
}

#[test]
fn huge_products_do_not_wrap() {
    let huge = Dim::Fixed(1 << 33);
    let found = output(Op::Flatten { axis: 1 }, vec![batch(), huge.clone(), huge], &[]);
    assert!(matches!(found, Err(Cause::NotFixed(_))), "{found:?}");
}

#[test]
fn quantized_types_come_from_the_zero_point() {
    let zero_point = Tensor::new(&[], crate::graph::Data::I8(vec![0]));
    let node = |inputs: &[&str]| Node {
        name: "q".into(),
        op: Op::Quantize { axis: 1 },
        inputs: inputs.iter().map(|s| s.to_string()).collect(),
        outputs: vec!["y".into()],
    };
    let graph = |inputs: &[&str]| Graph {
        nodes: vec![node(inputs)],
        inputs: vec![ValueInfo { name: "x".into(), dtype: DType::F32, shape: image(1, 1, 1) }],
        initializers: [("s".to_string(), zeros(&[])), ("z".to_string(), zero_point.clone())].into(),
        ..Graph::default()
    };
    assert_eq!(infer(&graph(&["x", "s", "z"])).unwrap()["y"].dtype, DType::I8);
    assert_eq!(infer(&graph(&["x", "s"])).unwrap()["y"].dtype, DType::U8);
}

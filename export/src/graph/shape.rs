//! Shapes of all values, from the inputs' shapes and the constants.
//!
//! The batch stays a symbol: what is computed are the dimensions of one sample. Products are checked, so that a file
//! with absurd dimensions ends in an error and not in a wrapped number.

use std::collections::BTreeMap;

use super::{DType, Dim, Graph, Node, Op, Tensor, ValueInfo, Window};

/// Type and shape of every input and every node's output, by name.
pub type Shapes = BTreeMap<String, ValueInfo>;

/// A node whose output has no shape.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("node `{node}` ({op}): {cause}. Check the layer before it, or export the model again")]
pub struct ShapeError {
    /// The node.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// What is wrong there.
    pub cause: Cause,
}

/// Why a node has no output shape.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum Cause {
    /// An input is absent or its shape is not known.
    #[error("input {0} is missing or has no known shape")]
    Missing(usize),
    /// An input has the wrong number of dimensions.
    #[error("input {position} has shape {found}, expected {expected} dimensions")]
    Rank {
        /// Which input.
        position: usize,
        /// Dimensions expected.
        expected: usize,
        /// The shape.
        found: String,
    },
    /// Two inputs do not fit each other.
    #[error("inputs of shapes {left} and {right} do not fit each other ({expected})")]
    Mismatch {
        /// Shape of the first.
        left: String,
        /// Shape of the second.
        right: String,
        /// The rule.
        expected: &'static str,
    },
    /// The window is larger than the padded input.
    #[error(
        "a window of {kernel:?} taps (dilation {dilations:?}) does not fit the input {found} with padding {pads:?}"
    )]
    Window {
        /// Kernel extent.
        kernel: [usize; 2],
        /// Distance between taps.
        dilations: [usize; 2],
        /// Padding.
        pads: [usize; 4],
        /// The input's shape.
        found: String,
    },
    /// A Reshape or Flatten that does not keep the number of values.
    #[error("shape {found} cannot become {wanted:?} for every batch size")]
    Reshape {
        /// The input's shape.
        found: String,
        /// The shape asked for.
        wanted: Vec<i64>,
    },
    /// An axis that the input does not have.
    #[error("axis {axis} is none of the input's shape {found}")]
    Axis {
        /// The axis, as the file has it.
        axis: i64,
        /// The input's shape.
        found: String,
    },
    /// A dimension that must be a number is a symbol, or a product overflows.
    #[error("shape {0} has a symbol where a number is needed, or more values than fit in memory")]
    NotFixed(String),
    /// The operator is not known.
    #[error("the operator is not supported, so its output's shape is unknown")]
    UnknownOperator,
}

/// Shapes of all values of `graph`.
///
/// # Errors
/// The first node whose output has no shape.
pub fn infer(graph: &Graph) -> Result<Shapes, ShapeError> {
    let mut shapes: Shapes = graph.inputs.iter().map(|i| (i.name.clone(), i.clone())).collect();
    for node in &graph.nodes {
        let known = Known { graph, shapes: &shapes, node };
        let error = |cause| ShapeError { node: node.name.clone(), op: node.op.name().into(), cause };
        let (dtype, shape) = known.output().map_err(error)?;
        if let Some(name) = node.outputs.first() {
            shapes.insert(name.clone(), ValueInfo { name: name.clone(), dtype, shape });
        }
    }
    Ok(shapes)
}

/// Dimensions of one sample of `value`: those after the batch. None where one of them is a symbol.
pub fn sample_dims(value: &ValueInfo) -> Option<Vec<usize>> {
    value.shape.iter().skip(1).map(fixed).collect()
}

/// Values in one sample.
pub fn sample_len(value: &ValueInfo) -> Option<usize> {
    product(sample_dims(value)?)
}

/// Height and width of what a window makes of an input of `height` × `width`; none where it does not fit.
pub fn window_output(window: &Window, input: [usize; 2]) -> Option<[usize; 2]> {
    let axis = |i: usize| {
        let padded = input[i].checked_add(window.pads[i])?.checked_add(window.pads[i + 2])?;
        let reach = (window.kernel[i].checked_sub(1)?).checked_mul(window.dilations[i])?.checked_add(1)?;
        Some(padded.checked_sub(reach)?.checked_div(window.strides[i])? + 1)
    };
    Some([axis(0)?, axis(1)?])
}

/// A shape for people: `batch×1×28×28`.
pub fn display(shape: &[Dim]) -> String {
    let dim = |d: &Dim| match d {
        Dim::Fixed(extent) => extent.to_string(),
        Dim::Symbol(symbol) => symbol.clone(),
    };
    shape.iter().map(dim).collect::<Vec<_>>().join("×")
}

fn fixed(dim: &Dim) -> Option<usize> {
    match dim {
        Dim::Fixed(extent) => Some(*extent),
        Dim::Symbol(_) => None,
    }
}

fn product(dims: impl IntoIterator<Item = usize>) -> Option<usize> {
    dims.into_iter().try_fold(1usize, |product, d| product.checked_mul(d))
}

/// A node and what is known before it.
struct Known<'a> {
    graph: &'a Graph,
    shapes: &'a Shapes,
    node: &'a Node,
}

type Typed = (DType, Vec<Dim>);

impl Known<'_> {
    fn input(&self, position: usize) -> Result<Typed, Cause> {
        let name = self.node.input(position).ok_or(Cause::Missing(position))?;
        let constant = |t: &Tensor| (t.data.dtype(), t.dims.iter().map(|&d| Dim::Fixed(d)).collect());
        let value = self.shapes.get(name).map(|v| (v.dtype, v.shape.clone()));
        value.or_else(|| self.graph.initializers.get(name).map(constant)).ok_or(Cause::Missing(position))
    }

    /// The shape of an input of `rank` dimensions.
    fn ranked(&self, position: usize, rank: usize) -> Result<Vec<Dim>, Cause> {
        let (_, shape) = self.input(position)?;
        if shape.len() == rank {
            return Ok(shape);
        }
        Err(Cause::Rank { position, expected: rank, found: display(&shape) })
    }

    fn output(&self) -> Result<Typed, Cause> {
        let floats = |shape| Ok((DType::F32, shape));
        match &self.node.op {
            Op::Conv { window, groups } => floats(self.conv(window, *groups)?),
            Op::Gemm { transposed } => floats(self.gemm(*transposed)?),
            Op::MatMul => floats(self.matmul()?),
            Op::BatchNorm { .. } => floats(self.batch_norm()?),
            Op::MaxPool { window } | Op::AveragePool { window, .. } => Ok((self.input(0)?.0, self.pool(window)?)),
            Op::GlobalAveragePool => floats(self.global_pool()?),
            Op::Add | Op::Mul => Ok((self.input(0)?.0, self.broadcast()?)),
            Op::Concat { axis } => Ok((self.input(0)?.0, self.concat(*axis)?)),
            Op::ArgMax { axis, keepdims } => Ok((DType::I64, self.arg_max(*axis, *keepdims)?)),
            Op::Flatten { axis } => Ok((self.input(0)?.0, self.flatten(*axis)?)),
            Op::Reshape => Ok((self.input(0)?.0, self.reshape()?)),
            Op::Relu | Op::Clip { .. } | Op::Activation(_) | Op::Softmax { .. } | Op::LogSoftmax { .. } => {
                self.input(0)
            }
            Op::Quantize { .. } => Ok((self.quantized_type(), self.input(0)?.1)),
            Op::Dequantize { .. } => floats(self.input(0)?.1),
            Op::Other { op_type, .. } if keeps_shape(op_type) => self.input(0),
            Op::Other { .. } => Err(Cause::UnknownOperator),
        }
    }

    /// QuantizeLinear without a zero point makes unsigned bytes.
    fn quantized_type(&self) -> DType {
        self.input(2).map_or(DType::U8, |(dtype, _)| dtype)
    }

    fn conv(&self, window: &Window, groups: usize) -> Result<Vec<Dim>, Cause> {
        let (x, w) = (self.ranked(0, 4)?, self.ranked(1, 4)?);
        let expected =
            "channels = groups × the weights' second dimension, outputs divide into groups, kernel as declared";
        let mismatch = || Cause::Mismatch { left: display(&x), right: display(&w), expected };
        let channels = fixed(&x[1]).ok_or_else(|| Cause::NotFixed(display(&x)))?;
        let weights: Vec<usize> = w.iter().map(fixed).collect::<Option<_>>().ok_or_else(mismatch)?;
        let fits = groups > 0
            && weights[1].checked_mul(groups) == Some(channels)
            && weights[0] > 0
            && weights[0].is_multiple_of(groups)
            && weights[2..] == window.kernel;
        if !fits {
            return Err(mismatch());
        }
        self.windowed(window, &x, Dim::Fixed(weights[0]))
    }

    fn pool(&self, window: &Window) -> Result<Vec<Dim>, Cause> {
        let x = self.ranked(0, 4)?;
        self.windowed(window, &x, x[1].clone())
    }

    fn windowed(&self, window: &Window, x: &[Dim], channels: Dim) -> Result<Vec<Dim>, Cause> {
        let (Some(height), Some(width)) = (fixed(&x[2]), fixed(&x[3])) else {
            return Err(Cause::NotFixed(display(x)));
        };
        let unfit = || {
            let Window { kernel, dilations, pads, .. } = *window;
            Cause::Window { kernel, dilations, pads, found: display(x) }
        };
        let [height, width] = window_output(window, [height, width]).ok_or_else(unfit)?;
        Ok(vec![x[0].clone(), channels, Dim::Fixed(height), Dim::Fixed(width)])
    }

    fn global_pool(&self) -> Result<Vec<Dim>, Cause> {
        let x = self.ranked(0, 4)?;
        Ok(vec![x[0].clone(), x[1].clone(), Dim::Fixed(1), Dim::Fixed(1)])
    }

    fn gemm(&self, transposed: bool) -> Result<Vec<Dim>, Cause> {
        let (x, w) = (self.ranked(0, 2)?, self.ranked(1, 2)?);
        let (rows, columns) = if transposed { (&w[1], &w[0]) } else { (&w[0], &w[1]) };
        if x[1] != *rows {
            let expected = "columns of the first = inputs of the weights";
            return Err(Cause::Mismatch { left: display(&x), right: display(&w), expected });
        }
        Ok(vec![x[0].clone(), columns.clone()])
    }

    fn matmul(&self) -> Result<Vec<Dim>, Cause> {
        let (x, w) = (self.input(0)?.1, self.ranked(1, 2)?);
        if x.is_empty() || x.last() != Some(&w[0]) {
            let expected = "columns of the first = rows of the second";
            return Err(Cause::Mismatch { left: display(&x), right: display(&w), expected });
        }
        Ok([&x[..x.len() - 1], &w[1..]].concat())
    }

    fn batch_norm(&self) -> Result<Vec<Dim>, Cause> {
        let (_, x) = self.input(0)?;
        for position in 1..5 {
            let parameter = self.ranked(position, 1)?;
            if x.get(1) != parameter.first() {
                let expected = "one parameter a channel";
                return Err(Cause::Mismatch { left: display(&x), right: display(&parameter), expected });
            }
        }
        Ok(x)
    }

    fn broadcast(&self) -> Result<Vec<Dim>, Cause> {
        let (left, right) = (self.input(0)?.1, self.input(1)?.1);
        let expected = "equal dimensions, or 1";
        let mismatch = || Cause::Mismatch { left: display(&left), right: display(&right), expected };
        let rank = left.len().max(right.len());
        let padded = |shape: &[Dim]| [vec![Dim::Fixed(1); rank - shape.len()], shape.to_vec()].concat();
        let pairs = padded(&left).into_iter().zip(padded(&right));
        pairs.map(|(l, r)| broadcast_dim(l, r)).collect::<Option<_>>().ok_or_else(mismatch)
    }

    fn concat(&self, axis: i64) -> Result<Vec<Dim>, Cause> {
        let (_, first) = self.input(0)?;
        let at = axis_of(axis, &first)?;
        let mut sum = 0usize;
        for position in 0..self.node.inputs.len() {
            let x = self.ranked(position, first.len())?;
            let others = |shape: &[Dim]| [&shape[..at], &shape[at + 1..]].concat();
            if others(&x) != others(&first) {
                let expected = "equal dimensions but on the axis that is joined";
                return Err(Cause::Mismatch { left: display(&first), right: display(&x), expected });
            }
            let total = fixed(&x[at]).and_then(|extent| sum.checked_add(extent));
            sum = total.ok_or_else(|| Cause::NotFixed(display(&x)))?;
        }
        Ok([&first[..at], &[Dim::Fixed(sum)], &first[at + 1..]].concat())
    }

    fn arg_max(&self, axis: i64, keepdims: bool) -> Result<Vec<Dim>, Cause> {
        let (_, mut x) = self.input(0)?;
        let at = axis_of(axis, &x)?;
        if keepdims {
            x[at] = Dim::Fixed(1);
        } else {
            x.remove(at);
        }
        Ok(x)
    }

    fn flatten(&self, axis: i64) -> Result<Vec<Dim>, Cause> {
        let (_, x) = self.input(0)?;
        let rank = x.len() as i64;
        let axis = if axis < 0 { axis + rank } else { axis };
        if !(0..=rank).contains(&axis) {
            return Err(Cause::Reshape { found: display(&x), wanted: vec![axis] });
        }
        let (before, after) = x.split_at(axis as usize);
        let side = |dims| merged(dims).ok_or_else(|| Cause::NotFixed(display(&x)));
        Ok(vec![side(before)?, side(after)?])
    }

    fn reshape(&self) -> Result<Vec<Dim>, Cause> {
        let (_, x) = self.input(0)?;
        let target = self.graph.constant(self.node, 1).and_then(Tensor::as_i64).ok_or(Cause::Missing(1))?;
        reshaped(&x, target).ok_or_else(|| Cause::Reshape { found: display(&x), wanted: target.to_vec() })
    }
}

/// The position that `axis` names, counted from the end where it is negative.
fn axis_of(axis: i64, shape: &[Dim]) -> Result<usize, Cause> {
    let rank = shape.len() as i64;
    let at = if axis < 0 { axis.saturating_add(rank) } else { axis };
    if (0..rank).contains(&at) { Ok(at as usize) } else { Err(Cause::Axis { axis, found: display(shape) }) }
}

/// Operators that change values but no shapes, so that a graph can be described before a pass has removed them.
fn keeps_shape(op_type: &str) -> bool {
    const UNARY: [&str; 7] = ["Identity", "Dropout", "Exp", "Sqrt", "Neg", "Abs", "Erf"];
    UNARY.contains(&op_type)
}

fn broadcast_dim(left: Dim, right: Dim) -> Option<Dim> {
    match (&left, &right) {
        _ if left == right => Some(left),
        (Dim::Fixed(1), _) => Some(right),
        (_, Dim::Fixed(1)) => Some(left),
        _ => None,
    }
}

/// The product of dimensions, at most one of them a symbol, and then the only one above 1.
fn merged(dims: &[Dim]) -> Option<Dim> {
    let numbers = product(dims.iter().filter_map(fixed))?;
    let mut symbols = dims.iter().filter(|d| fixed(d).is_none());
    match (symbols.next(), symbols.next()) {
        (None, _) => Some(Dim::Fixed(numbers)),
        (Some(symbol), None) if numbers == 1 => Some(symbol.clone()),
        _ => None,
    }
}

/// ONNX Reshape with `allowzero = 0`: 0 copies the input's dimension, −1 takes what remains.
fn reshaped(x: &[Dim], target: &[i64]) -> Option<Vec<Dim>> {
    let copied = |(i, &t): (usize, &i64)| match t {
        -1 => Some(None),
        0 => x.get(i).cloned().map(Some),
        _ => usize::try_from(t).ok().map(|t| Some(Dim::Fixed(t))),
    };
    let dims: Vec<Option<Dim>> = target.iter().enumerate().map(copied).collect::<Option<_>>()?;
    let rest = remaining(x, &dims)?;
    let holes = dims.iter().filter(|d| d.is_none()).count();
    match (holes, &rest) {
        (0, Dim::Fixed(1)) | (1, _) => Some(dims.into_iter().map(|d| d.unwrap_or_else(|| rest.clone())).collect()),
        _ => None,
    }
}

/// What of `x` the dimensions already given do not account for.
fn remaining(x: &[Dim], given: &[Option<Dim>]) -> Option<Dim> {
    let mut symbols: Vec<&Dim> = x.iter().filter(|d| fixed(d).is_none()).collect();
    for dim in given.iter().flatten().filter(|d| fixed(d).is_none()) {
        symbols.remove(symbols.iter().position(|s| *s == dim)?);
    }
    let have = product(x.iter().filter_map(fixed))?;
    let taken = product(given.iter().flatten().filter_map(fixed))?;
    let rest = have.checked_div(taken).filter(|rest| rest * taken == have)?;
    match symbols[..] {
        [] => Some(Dim::Fixed(rest)),
        [symbol] if rest == 1 => Some(symbol.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Activation;

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
        let expected =
            Cause::Window { kernel: [9; 2], dilations: [1; 2], pads: [0; 4], found: "batch×1×7×7".into() };
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
}

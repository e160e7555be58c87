//! ONNX operators ⇄ [`Op`]: which attributes mean what, from operator set 11 to 25.
//!
//! A form that [`Op`] has no words for (a convolution in one dimension, `auto_pad`, `ceil_mode`, …) becomes
//! [`Op::Other`] with its attributes, so that nothing is lost and an error can show them.

use std::collections::BTreeMap;

use super::proto::data_type;
use super::tensors::write_dtype;
use crate::graph::{Activation, Attribute, Attributes, DType, Data, Formula, Op, Tensor, Window};

const FLOAT: i64 = data_type::FLOAT as i64;

/// What a node's reader may ask: its attributes, the opset, and the constants among its inputs.
pub(super) struct Form<'a> {
    pub(super) op_type: &'a str,
    pub(super) opset: i64,
    pub(super) attributes: Attributes<'a>,
    /// The constant at each input, where it is one.
    pub(super) constants: Vec<Option<&'a Tensor>>,
    /// Whether each input is present.
    pub(super) present: Vec<bool>,
    /// Dimensions of the second input, where known: a convolution's weights.
    pub(super) weight_dims: Option<&'a [usize]>,
}

/// The operator, or [`Op::Other`].
pub(super) fn read_op(form: &Form) -> Op {
    known(form).unwrap_or_else(|| Op::Other { op_type: form.op_type.into(), attributes: form.attributes.0.clone() })
}

/// The operator that `op_type` with these attributes is, for nodes that spell it in another form.
pub(crate) fn operator(op_type: &str, attributes: &BTreeMap<String, Attribute>, weight_dims: Option<&[usize]>) -> Op {
    let attributes = Attributes(attributes);
    let (constants, present) = (vec![], vec![]);
    read_op(&Form { op_type, opset: super::OPSET_WRITTEN, attributes, constants, present, weight_dims })
}

fn known(form: &Form) -> Option<Op> {
    let a = form.attributes;
    Some(match form.op_type {
        "Conv" => read_conv(form)?,
        "Gemm" => read_gemm(a)?,
        "MatMul" => Op::MatMul,
        "BatchNormalization" => read_batch_norm(a)?,
        "Relu" => Op::Relu,
        "Clip" => read_clip(form)?,
        "MaxPool" => read_max_pool(a)?,
        "AveragePool" => read_average_pool(a)?,
        "GlobalAveragePool" => Op::GlobalAveragePool,
        "Add" => Op::Add,
        "Mul" => Op::Mul,
        "Resize" => Op::Resize { factors: read_factors(form)? },
        "Concat" => Op::Concat { axis: a.int("axis", 1)? },
        "ArgMax" if a.int("select_last_index", 0)? == 0 => {
            Op::ArgMax { axis: a.int("axis", 0)?, keepdims: a.int("keepdims", 1)? != 0 }
        }
        "Flatten" => Op::Flatten { axis: a.int("axis", 1)? },
        "Reshape" if a.int("allowzero", 0)? == 0 => Op::Reshape,
        // Before opset 13 Softmax flattened what follows `axis`: another operator, refused.
        "Softmax" if form.opset >= 13 => Op::Softmax { axis: a.int("axis", -1)? },
        "LogSoftmax" if form.opset >= 13 => Op::LogSoftmax { axis: a.int("axis", -1)? },
        "QuantizeLinear" if is_of_bytes(form)? => Op::Quantize { axis: a.int("axis", 1)? },
        "DequantizeLinear" if is_of_reals(a)? => Op::Dequantize { axis: a.int("axis", 1)? },
        _ => Op::Activation(read_activation(form.op_type, a)?),
    })
}

/// Functions that ONNX has as one operator; [`fuse_activation`](crate::graph::passes::fuse_activation) finds the others.
fn read_activation(op_type: &str, a: Attributes) -> Option<Activation> {
    Some(match op_type {
        "Sigmoid" => Activation::Sigmoid,
        "Tanh" => Activation::Tanh,
        "HardSigmoid" => Activation::HardSigmoid { alpha: a.float("alpha", 0.2)?, beta: a.float("beta", 0.5)? },
        "HardSwish" => Activation::HardSwish,
        "LeakyRelu" => Activation::LeakyRelu { alpha: a.float("alpha", 0.01)? },
        "Elu" => Activation::Elu { alpha: a.float("alpha", 1.0)? },
        "Softplus" => Activation::Softplus,
        "Swish" => match a.float("alpha", 1.0)? {
            1.0 => Activation::Silu,
            alpha => Activation::Formula(Formula::swish(alpha)),
        },
        "Gelu" => match a.text("approximate", "none")? {
            "none" => Activation::Gelu,
            "tanh" => Activation::Formula(Formula::gelu_tanh()),
            _ => return None,
        },
        _ => return None,
    })
}

/// Whether a QuantizeLinear makes bytes, by one scale or one a channel, in float32. Blocked scales (opset 21) and other types have no words in
/// [`Op`]; a type that is chosen must be the zero point's, which is uint8 where there is none.
fn is_of_bytes(form: &Form) -> Option<bool> {
    let a = form.attributes;
    let zero_point = match form.present.get(2) {
        Some(true) => form.constants.get(2).copied().flatten().map(|zero_point| zero_point.data.dtype()),
        _ => Some(DType::U8),
    };
    let chosen = i32::try_from(a.int("output_dtype", 0)?).ok()?;
    let is_its_type = chosen == 0 || zero_point.is_some_and(|dtype| write_dtype(dtype) == chosen);
    let in_float = [0, FLOAT].contains(&a.int("precision", 0)?);
    Some(a.int("block_size", 0)? == 0 && is_its_type && in_float && a.int("saturate", 1)? == 1)
}

/// Whether a DequantizeLinear makes float32, by one scale or one a channel.
fn is_of_reals(a: Attributes) -> Option<bool> {
    Some(a.int("block_size", 0)? == 0 && [0, FLOAT].contains(&a.int("output_dtype", 0)?))
}

fn read_conv(form: &Form) -> Option<Op> {
    let from_weights = match form.weight_dims {
        Some(&[_, _, height, width]) => Some([height, width]),
        _ => None,
    };
    let kernel = match from_weights {
        Some(kernel) => form.attributes.sizes("kernel_shape", kernel)?,
        None => {
            form.attributes.0.contains_key("kernel_shape").then(|| form.attributes.sizes("kernel_shape", [0, 0]))??
        }
    };
    let groups = usize::try_from(form.attributes.int("group", 1)?).ok()?;
    Some(Op::Conv { window: read_window(form.attributes, kernel)?, groups })
}

/// The window of a convolution or a pool, where its padding is written out.
fn read_window(a: Attributes, kernel: [usize; 2]) -> Option<Window> {
    let pads = match a.text("auto_pad", "NOTSET")? {
        "NOTSET" => a.sizes("pads", [0; 4])?,
        "VALID" => [0; 4],
        _ => return None,
    };
    let window =
        Window { kernel, strides: a.sizes("strides", [1, 1])?, dilations: a.sizes("dilations", [1, 1])?, pads };
    let positive = [window.kernel, window.strides, window.dilations].concat().iter().all(|&v| v > 0);
    positive.then_some(window)
}

fn read_pool(a: Attributes) -> Option<Window> {
    (a.int("ceil_mode", 0)? == 0).then_some(())?;
    read_window(a, a.sizes("kernel_shape", [0, 0])?)
}

fn read_max_pool(a: Attributes) -> Option<Op> {
    (a.int("storage_order", 0)? == 0).then_some(())?;
    Some(Op::MaxPool { window: read_pool(a)? })
}

fn read_average_pool(a: Attributes) -> Option<Op> {
    // The attribute came with opset 19; files are written in 18.
    (a.sizes("dilations", [1, 1])? == [1, 1]).then_some(())?;
    Some(Op::AveragePool { window: read_pool(a)?, count_include_pad: a.int("count_include_pad", 0)? != 0 })
}

fn read_gemm(a: Attributes) -> Option<Op> {
    let plain = a.float("alpha", 1.0)? == 1.0 && a.float("beta", 1.0)? == 1.0 && a.int("transA", 0)? == 0;
    plain.then_some(Op::Gemm { transposed: a.int("transB", 0)? != 0 })
}

fn read_batch_norm(a: Attributes) -> Option<Op> {
    (a.int("training_mode", 0)? == 0).then_some(())?;
    Some(Op::BatchNorm { epsilon: a.float("epsilon", 1e-5)? })
}

fn read_clip(form: &Form) -> Option<Op> {
    let bound = |position: usize, absent: f32| {
        if !form.present.get(position).is_some_and(|&p| p) {
            return Some(absent);
        }
        match &(*form.constants.get(position)?)?.data {
            Data::F32(values) if values.len() == 1 => Some(values[0]),
            _ => None,
        }
    };
    Some(Op::Clip { min: bound(1, f32::NEG_INFINITY)?, max: bound(2, f32::INFINITY)? })
}

/// The factors of a Resize as it is written; [`passes`](crate::graph::passes) know other spellings.
fn read_factors(form: &Form) -> Option<[usize; 2]> {
    let texts = RESIZE.map(|(name, text)| form.attributes.text(name, "").is_some_and(|found| found == text));
    let is_plain = texts == [true; 3] && form.attributes.0.len() == RESIZE.len() && !*form.present.get(1)?;
    let scales = (*form.constants.get(2)?)?.as_f32()?;
    match *scales {
        [1.0, 1.0, down, across] if is_plain && form.present.len() == 3 => {
            let whole = |x: f32| (x.fract() == 0.0 && (1.0..=255.0).contains(&x)).then_some(x as usize);
            Some([whole(down)?, whole(across)?])
        }
        _ => None,
    }
}

/// How a Resize is written.
const RESIZE: [(&str, &str); 3] =
    [("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")];

/// Attributes of an operator in the opset that is written.
pub(super) fn write_op(op: &Op) -> BTreeMap<String, Attribute> {
    match op {
        Op::Conv { window, groups } => {
            let mut attributes = write_window(window);
            attributes.insert("dilations".into(), ints(&window.dilations));
            attributes.insert("group".into(), Attribute::Int(*groups as i64));
            attributes
        }
        Op::MaxPool { window } => {
            let mut attributes = write_window(window);
            attributes.insert("dilations".into(), ints(&window.dilations));
            attributes
        }
        Op::AveragePool { window, count_include_pad } => {
            let mut attributes = write_window(window);
            attributes.insert("count_include_pad".into(), Attribute::Int(i64::from(*count_include_pad)));
            attributes
        }
        Op::Gemm { transposed } => one("transB", Attribute::Int(i64::from(*transposed))),
        Op::BatchNorm { epsilon } => one("epsilon", Attribute::Float(*epsilon)),
        Op::Flatten { axis }
        | Op::Concat { axis }
        | Op::Softmax { axis }
        | Op::LogSoftmax { axis }
        | Op::Quantize { axis }
        | Op::Dequantize { axis } => one("axis", Attribute::Int(*axis)),
        Op::ArgMax { axis, keepdims } => BTreeMap::from([
            ("axis".into(), Attribute::Int(*axis)),
            ("keepdims".into(), Attribute::Int(i64::from(*keepdims))),
        ]),
        Op::Activation(function) => write_activation(function),
        Op::Resize { .. } => RESIZE.map(|(name, text)| (name.into(), Attribute::Text(text.into()))).into(),
        Op::Other { attributes, .. } => attributes.clone(),
        Op::MatMul | Op::Relu | Op::Clip { .. } | Op::GlobalAveragePool | Op::Add | Op::Mul | Op::Reshape => {
            BTreeMap::new()
        }
    }
}

fn write_activation(function: &Activation) -> BTreeMap<String, Attribute> {
    let alpha = |alpha| one("alpha", Attribute::Float(alpha));
    match *function {
        Activation::HardSigmoid { alpha, beta } => {
            BTreeMap::from([("alpha".into(), Attribute::Float(alpha)), ("beta".into(), Attribute::Float(beta))])
        }
        Activation::LeakyRelu { alpha: slope } => alpha(slope),
        Activation::Elu { alpha: limit } => alpha(limit),
        _ => BTreeMap::new(),
    }
}

fn write_window(window: &Window) -> BTreeMap<String, Attribute> {
    BTreeMap::from([
        ("kernel_shape".into(), ints(&window.kernel)),
        ("strides".into(), ints(&window.strides)),
        ("pads".into(), ints(&window.pads)),
    ])
}

fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&v| v as i64).collect())
}

fn one(name: &str, value: Attribute) -> BTreeMap<String, Attribute> {
    BTreeMap::from([(name.into(), value)])
}

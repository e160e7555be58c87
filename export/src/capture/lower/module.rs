//! Layers: convolutions, pools, normalization, linear layers.

use super::{Lowering, other};
use crate::graph::{Attribute, Op, Tensor, Window};
use burn::backend::ir::{InterpolateModeIr, InterpolateOpIr, LinearOpIr, ModuleOperationIr};

impl Lowering<'_> {
    pub(super) fn module(&mut self, operation: &ModuleOperationIr) -> Option<()> {
        match operation {
            ModuleOperationIr::Conv2d(conv) => {
                let [top_bottom, left_right] = conv.options.padding;
                let window = Window {
                    kernel: [conv.weight.shape[2], conv.weight.shape[3]],
                    strides: conv.options.stride,
                    dilations: conv.options.dilation,
                    pads: [top_bottom.0, left_right.0, top_bottom.1, left_right.1],
                };
                let inputs: Vec<_> = [&conv.x, &conv.weight].into_iter().chain(&conv.bias).collect();
                self.node(Op::Conv { window, groups: conv.options.groups }, &inputs, &conv.out)
            }
            ModuleOperationIr::Conv1d(conv) => {
                let options = &conv.options;
                let window = line(conv.weight.shape[2], options.stride[0], options.dilation[0], options.padding[0]);
                let op = other("Conv", window.into_iter().chain([("group", Attribute::Int(options.groups as i64))]));
                let inputs: Vec<_> = [&conv.x, &conv.weight].into_iter().chain(&conv.bias).collect();
                self.node(op, &inputs, &conv.out)
            }
            ModuleOperationIr::BatchNorm(norm) => {
                let op = Op::BatchNorm { epsilon: norm.epsilon.elem() };
                self.node(op, &[&norm.x, &norm.gamma, &norm.beta, &norm.mean, &norm.variance], &norm.out)
            }
            ModuleOperationIr::MaxPool2d(pool) if !pool.ceil_mode => {
                let window = window(pool.kernel_size, pool.stride, pool.dilation, pool.padding);
                self.node(Op::MaxPool { window }, &[&pool.x], &pool.out)
            }
            ModuleOperationIr::MaxPool1d(pool) if !pool.ceil_mode => {
                let window = line(pool.kernel_size, pool.stride, pool.dilation, (pool.padding, pool.padding));
                self.node(other("MaxPool", window), &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AvgPool2d(pool) if !pool.ceil_mode => {
                let window = window(pool.kernel_size, pool.stride, [1, 1], pool.padding);
                let op = Op::AveragePool { window, count_include_pad: pool.count_include_pad };
                self.node(op, &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AvgPool1d(pool) if !pool.ceil_mode => {
                let [kernel, strides, _, pads] = line(pool.kernel_size, pool.stride, 1, (pool.padding, pool.padding));
                let counts = ("count_include_pad", Attribute::Int(i64::from(pool.count_include_pad)));
                self.node(other("AveragePool", [kernel, strides, pads, counts]), &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AdaptiveAvgPool2d(pool) if pool.output_size == [1, 1] => {
                self.node(Op::GlobalAveragePool, &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AdaptiveAvgPool2d(pool) => {
                let [height, width] = [0, 1].map(|axis| share(pool.x.shape[2 + axis], pool.output_size[axis]));
                let kernel = [height?, width?];
                let window = window(kernel, kernel, [1, 1], [0, 0]);
                self.node(Op::AveragePool { window, count_include_pad: false }, &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AdaptiveAvgPool1d(pool) => {
                let kernel = share(pool.x.shape[2], pool.output_size)?;
                let [kernel, strides, ..] = line(kernel, kernel, 1, (0, 0));
                self.node(other("AveragePool", [kernel, strides]), &[&pool.x], &pool.out)
            }
            // Rounded up: ONNX has it as an attribute, and a pass writes it out.
            ModuleOperationIr::MaxPool2d(pool) => {
                let window = plane(pool.kernel_size, pool.stride, pool.dilation, pool.padding);
                self.node(rounded_up("MaxPool", window, None), &[&pool.x], &pool.out)
            }
            ModuleOperationIr::MaxPool1d(pool) => {
                let window = line(pool.kernel_size, pool.stride, pool.dilation, (pool.padding, pool.padding));
                self.node(rounded_up("MaxPool", window, None), &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AvgPool2d(pool) => {
                let window = plane(pool.kernel_size, pool.stride, [1, 1], pool.padding);
                self.node(rounded_up("AveragePool", window, Some(pool.count_include_pad)), &[&pool.x], &pool.out)
            }
            ModuleOperationIr::AvgPool1d(pool) => {
                let window = line(pool.kernel_size, pool.stride, 1, (pool.padding, pool.padding));
                self.node(rounded_up("AveragePool", window, Some(pool.count_include_pad)), &[&pool.x], &pool.out)
            }
            ModuleOperationIr::ConvTranspose2d(conv) => {
                let options = &conv.options;
                let kernel = [conv.weight.shape[2], conv.weight.shape[3]];
                let window = plane(kernel, options.stride, options.dilation, options.padding);
                let more = [("output_padding", ints(&options.padding_out)), group(options.groups)];
                let inputs: Vec<_> = [&conv.x, &conv.weight].into_iter().chain(&conv.bias).collect();
                self.node(other("ConvTranspose", window.into_iter().chain(more)), &inputs, &conv.out)
            }
            ModuleOperationIr::ConvTranspose1d(conv) => {
                let options = &conv.options;
                let (stride, dilation, padding) = (options.stride[0], options.dilation[0], options.padding[0]);
                let window = line(conv.weight.shape[2], stride, dilation, (padding, padding));
                let more = [("output_padding", ints(&options.padding_out)), group(options.groups)];
                let inputs: Vec<_> = [&conv.x, &conv.weight].into_iter().chain(&conv.bias).collect();
                self.node(other("ConvTranspose", window.into_iter().chain(more)), &inputs, &conv.out)
            }
            ModuleOperationIr::LayerNorm(norm) => {
                let epsilon = ("epsilon", Attribute::Float(norm.epsilon.elem()));
                let inputs: Vec<_> = [&norm.input, &norm.gamma].into_iter().chain(&norm.beta).collect();
                self.node(other("LayerNormalization", [epsilon]), &inputs, &norm.out)
            }
            ModuleOperationIr::Linear(linear) if linear.x.shape.num_dims() == 2 => {
                // burn keeps the weights as [inputs, outputs].
                let inputs: Vec<_> = [&linear.x, &linear.weight].into_iter().chain(&linear.bias).collect();
                self.node(Op::Gemm { transposed: false }, &inputs, &linear.out)
            }
            ModuleOperationIr::Linear(linear) => self.linear_of_rows(linear),
            ModuleOperationIr::Interpolate(interpolate) => self.resize(interpolate),
            _ => None,
        }
    }

    /// A linear layer on the last of more than two dimensions.
    fn linear_of_rows(&mut self, linear: &LinearOpIr) -> Option<()> {
        self.node(Op::MatMul, &[&linear.x, &linear.weight], &linear.out)?;
        let Some(bias) = &linear.bias else { return Some(()) };
        let product = format!("{}_product", self.nodes.last()?.name);
        let out = std::mem::replace(&mut self.nodes.last_mut()?.outputs[0], product.clone());
        let (name, bias) = (format!("node_{}", self.nodes.len()), self.name(bias));
        self.nodes.push(crate::graph::Node { name, op: Op::Add, inputs: vec![product, bias], outputs: vec![out] });
        Some(())
    }

    fn resize(&mut self, interpolate: &InterpolateOpIr) -> Option<()> {
        let align_corners = interpolate.options.align_corners;
        let between = if align_corners { "align_corners" } else { "half_pixel" };
        let (mode, coordinates, nearest) = match interpolate.options.mode {
            InterpolateModeIr::Nearest => ("nearest", "asymmetric", "floor"),
            InterpolateModeIr::NearestExact => ("nearest", "half_pixel", "round_prefer_ceil"),
            InterpolateModeIr::Bilinear => ("linear", between, "floor"),
            InterpolateModeIr::Bicubic | InterpolateModeIr::Lanczos3 => return None,
        };
        let text = |value: &str| Attribute::Text(value.into());
        let attributes = [
            ("mode", text(mode)),
            ("coordinate_transformation_mode", text(coordinates)),
            ("nearest_mode", text(nearest)),
        ];
        let scale = |axis: usize| interpolate.output_size[axis] as f32 / interpolate.x.shape[2 + axis] as f32;
        let scales = Tensor::f32(&[4], vec![1.0, 1.0, scale(0), scale(1)]);
        let none = Tensor::f32(&[0], vec![]);
        self.with_constants(
            other("Resize", attributes),
            &interpolate.x,
            [("region", none), ("scales", scales)],
            &interpolate.out,
        )
    }
}

/// The extent of windows that share an axis out evenly.
fn share(input: usize, output: usize) -> Option<usize> {
    input.checked_div(output).filter(|kernel| kernel * output == input && *kernel > 0)
}

/// The same padding on both sides.
fn window(kernel: [usize; 2], strides: [usize; 2], dilations: [usize; 2], padding: [usize; 2]) -> Window {
    Window { kernel, strides, dilations, pads: [padding[0], padding[1], padding[0], padding[1]] }
}

/// A pool of windows whose last one may reach beyond the input, with whether padding counts in means.
fn rounded_up(op_type: &str, window: [(&'static str, Attribute); 4], counts: Option<bool>) -> Op {
    // Means have no dilation in every version of the operator.
    let window = window.into_iter().filter(|(name, _)| counts.is_none() || *name != "dilations");
    let counts = counts.map(|counts| ("count_include_pad", Attribute::Int(i64::from(counts))));
    other(op_type, window.chain([("ceil_mode", Attribute::Int(1))]).chain(counts))
}

fn ints(values: &[usize]) -> Attribute {
    Attribute::Ints(values.iter().map(|&value| value as i64).collect())
}

fn group(count: usize) -> (&'static str, Attribute) {
    ("group", Attribute::Int(count as i64))
}

/// ONNX's attributes of a window in two dimensions, with the same padding on both sides.
fn plane(
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    [down, across]: [usize; 2],
) -> [(&'static str, Attribute); 4] {
    [
        ("kernel_shape", ints(&kernel)),
        ("strides", ints(&strides)),
        ("dilations", ints(&dilations)),
        ("pads", ints(&[down, across, down, across])),
    ]
}

/// ONNX's attributes of a window in one dimension.
fn line(kernel: usize, stride: usize, dilation: usize, padding: (usize, usize)) -> [(&'static str, Attribute); 4] {
    [
        ("kernel_shape", ints(&[kernel])),
        ("strides", ints(&[stride])),
        ("dilations", ints(&[dilation])),
        ("pads", ints(&[padding.0, padding.1])),
    ]
}

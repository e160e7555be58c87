//! The chain against plain loops in f64: outputs, statistics, and gradients as differences of outputs.

use chain::{Activation, Block, Chain, backward, forward, infer};

/// Numbers in [-1, 1) from a multiplicative congruential generator.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// Images `[N][C][H][W]`.
type Images = Vec<Vec<Vec<Vec<f64>>>>;

fn shaped(values: &[f64], [channels, height, width]: [usize; 3]) -> Images {
    let rows = |plane: &[f64]| plane.chunks(width).map(<[f64]>::to_vec).collect();
    let planes = |image: &[f64]| image.chunks(height * width).map(rows).collect();
    values.chunks(channels * height * width).map(planes).collect()
}

fn flat(images: &Images) -> Vec<f64> {
    images.iter().flatten().flatten().flatten().copied().collect()
}

fn convolve(block: &Block, x: &Images, weights: &[f64], bias: &[f64]) -> Images {
    let [rows, columns] = block.kernel;
    let inputs = if block.depthwise { 1 } else { block.inputs };
    let out = |size: usize, d: usize| (size + 2 * block.padding[d] - block.kernel[d]) / block.stride[d] + 1;
    let (height, width) = (x[0][0].len(), x[0][0][0].len());
    let pixel = |image: &Vec<Vec<Vec<f64>>>, o: usize, i: usize, j: usize| {
        let mut sum = bias.get(o).copied().unwrap_or(0.0);
        for c in 0..inputs {
            for r in 0..rows {
                for k in 0..columns {
                    let row = (i * block.stride[0] + r).checked_sub(block.padding[0]).filter(|row| *row < height);
                    let column = (j * block.stride[1] + k).checked_sub(block.padding[1]).filter(|c| *c < width);
                    if let (Some(row), Some(column)) = (row, column) {
                        let channel = if block.depthwise { o } else { c };
                        sum += weights[((o * inputs + c) * rows + r) * columns + k] * image[channel][row][column];
                    }
                }
            }
        }
        sum
    };
    let plane = |image, o| -> Vec<Vec<f64>> {
        let row = |i| (0..out(width, 1)).map(|j| pixel(image, o, i, j)).collect();
        (0..out(height, 0)).map(row).collect()
    };
    x.iter().map(|image| (0..block.outputs).map(|o| plane(image, o)).collect()).collect()
}

/// The chain's output, and means and variances as [`chain::Forward`] has them.
fn naive(chain: &Chain, images: &[f64], parameters: &[f64], given: Option<&[f64]>) -> (Vec<f64>, Vec<f64>) {
    let (mut x, mut rest, mut statistics) = (shaped(images, chain.input()), parameters, Vec::new());
    let mut take = |count: usize| {
        let (taken, after) = rest.split_at(count);
        rest = after;
        taken
    };
    for block in &chain.blocks {
        let weights = take(block.weights());
        let bias = take(if block.bias { block.outputs } else { 0 });
        let mut y = convolve(block, &x, weights, bias);
        if let Some(epsilon) = block.norm {
            let (gamma, beta) = (take(block.outputs), take(block.outputs));
            let values =
                |c: usize| -> Vec<f64> { y.iter().flat_map(|image| image[c].iter().flatten().copied()).collect() };
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            let mut means: Vec<f64> = (0..block.outputs).map(|c| mean(&values(c))).collect();
            let square = |c: usize| values(c).iter().map(|v| (v - means[c]).powi(2)).collect::<Vec<_>>();
            let mut variances: Vec<f64> = (0..block.outputs).map(|c| mean(&square(c))).collect();
            if let Some(given) = given {
                let given = &given[statistics.len()..];
                means = given[..block.outputs].to_vec();
                variances = given[block.outputs..][..block.outputs].to_vec();
            }
            for image in &mut y {
                for (c, plane) in image.iter_mut().enumerate() {
                    for value in plane.iter_mut().flatten() {
                        *value = (*value - means[c]) / (variances[c] + epsilon).sqrt() * gamma[c] + beta[c];
                    }
                }
            }
            statistics.extend(means.into_iter().chain(variances));
        }
        let Activation { least, greatest } = block.activation;
        let clamp = |v: f64| v.max(least.into()).min(greatest.into());
        let pool = block.pool;
        let most = |plane: &Vec<Vec<f64>>, i: usize, j: usize| {
            let window = plane[i * pool..][..pool].iter().flat_map(|row| &row[j * pool..][..pool]);
            window.map(|v| clamp(*v)).fold(f64::NEG_INFINITY, f64::max)
        };
        let pooled = |plane: &Vec<Vec<f64>>| -> Vec<Vec<f64>> {
            let row = |i| (0..plane[0].len() / pool).map(|j| most(plane, i, j)).collect();
            (0..plane.len() / pool).map(row).collect()
        };
        x = y.iter().map(|image| image.iter().map(pooled).collect()).collect();
    }
    (flat(&x), statistics)
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Sums of up to some hundred terms of about one in f32, through a few layers.
const TOLERANCE: f64 = 2e-4;

fn close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let size = expected.iter().fold(1.0, |size: f64, v| size.max(v.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() <= TOLERANCE * size, "{what} {i}: {found}, expected {expected}");
    }
}

/// Holds a chain's outputs, statistics and gradients against the naive ones.
fn check(size: [usize; 2], count: usize, blocks: Vec<Block>) {
    let chain = Chain { size, blocks };
    let mut numbers = Numbers(7);
    let images = numbers.take(count * chain.input().iter().product::<usize>());
    let mut parameters = numbers.take(chain.parameters());
    let found = forward(&chain, &images, &parameters);
    let (output, statistics) = naive(&chain, &wide(&images), &wide(&parameters), None);
    close(&found.output, &output, "output");
    close(&found.statistics, &statistics, "statistics");

    let slope = numbers.take(output.len());
    let gradients = backward(&found.saved, &parameters, &slope, true);
    let loss = |images: &[f64], parameters: &[f64]| -> f64 {
        let (output, _) = naive(&chain, images, parameters, None);
        output.iter().zip(&slope).map(|(o, s)| o * f64::from(*s)).sum()
    };
    let difference = |values: &[f64], at: usize, loss: &dyn Fn(&[f64]) -> f64| {
        let [less, more] = [-1e-6, 1e-6].map(|step| {
            let mut moved = values.to_vec();
            moved[at] += step;
            loss(&moved)
        });
        (more - less) / 2e-6
    };
    let (images, wide_parameters) = (wide(&images), wide(&parameters));
    // A prime step: every channel and every tap is among those that are tried.
    let step = |len: usize| if len > 60 { 7 } else { 1 };
    let some = |values: &[f32]| values.iter().step_by(step(values.len())).copied().collect::<Vec<_>>();
    let expected = |values: &[f64], loss: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        (0..values.len()).step_by(step(values.len())).map(|at| difference(values, at, loss)).collect()
    };
    close(
        &some(&gradients.parameters),
        &expected(&wide_parameters, &|moved| loss(&images, moved)),
        "gradient of the parameters",
    );
    close(
        &some(&gradients.images),
        &expected(&images, &|moved| loss(moved, &wide_parameters)),
        "gradient of the images",
    );

    let given: Vec<f32> = statistics.iter().map(|_| 1.5 + numbers.next()).collect();
    parameters.reverse();
    let narrow: Vec<f32> = images.iter().map(|v| *v as f32).collect();
    let found = infer(&chain, &narrow, &parameters, &given);
    let (output, _) = naive(&chain, &images, &wide(&parameters), Some(&wide(&given)));
    close(&found, &output, "output with given statistics");
}

fn block(inputs: usize, outputs: usize) -> Block {
    let conv = Block::conv(inputs, outputs, [3, 3]);
    Block { padding: [1, 1], norm: Some(1e-5), activation: Activation::RELU, ..conv }
}

#[test]
fn a_block_of_one_channel() {
    check([6, 5], 3, vec![block(1, 1)]);
}

#[test]
fn three_blocks_with_pools_and_a_classifier() {
    let pooled = Block { pool: 2, ..block(8, 8) };
    let classifier =
        Block { kernel: [1, 1], padding: [0, 0], norm: None, activation: Activation::NONE, ..block(16, 10) };
    check([9, 7], 9, vec![block(1, 8), pooled, block(8, 16), classifier]);
}

#[test]
fn channels_that_fill_no_vector() {
    check([5, 11], 2, vec![block(3, 5), block(5, 20), block(20, 9)]);
}

#[test]
fn strides_and_kernels_of_any_shape() {
    let strided = Block { kernel: [3, 2], stride: [2, 3], padding: [1, 0], ..block(2, 6) };
    let large = Block { kernel: [5, 5], padding: [2, 2], pool: 3, bias: false, ..block(6, 3) };
    check([10, 16], 2, vec![strided, Block { pool: 1, ..large.clone() }]);
    check([9, 9], 2, vec![block(2, 6), large]);
}

#[test]
fn depthwise_and_relu6() {
    let depthwise = |channels, stride| Block { depthwise: true, stride, ..block(channels, channels) };
    let pointwise = Block { kernel: [1, 1], padding: [0, 0], activation: Activation::NONE, ..block(12, 24) };
    let relu6 = Block { activation: Activation { least: 0.0, greatest: 0.5 }, ..depthwise(12, [1, 1]) };
    check([6, 7], 3, vec![relu6, pointwise, depthwise(24, [2, 2])]);
    check([5, 4], 2, vec![depthwise(3, [1, 1])]);
}

#[test]
fn the_result_is_the_same_on_any_number_of_threads() {
    let chain = Chain { size: [8, 8], blocks: vec![block(1, 8), Block { pool: 2, ..block(8, 16) }] };
    let mut numbers = Numbers(3);
    let (images, parameters) = (numbers.take(37 * 64), numbers.take(chain.parameters()));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let pass = forward(&chain, &images, &parameters);
            let gradients = backward(&pass.saved, &parameters, &pass.output, true);
            (pass.output, pass.statistics, gradients.parameters, gradients.images)
        })
    };
    assert_eq!(run(1), run(3));
}

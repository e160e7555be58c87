//! Kernels in the order in which convolutions read them, and their gradients back.

use crate::layer::Layer;

/// Vectors of the output that a convolution makes at once.
pub const WIDE: usize = 2;

/// The blocks of up to [`WIDE`] vectors that `vectors` fall into: first vector, how many.
pub fn blocks(vectors: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..vectors).step_by(WIDE).map(move |first| (first, WIDE.min(vectors - first)))
}

/// A dense kernel: for each block of vectors, row and tap, the weights to all lanes of the block.
/// `weight` gives the weight (row, column, from, to) of a kernel of `from` channels, `pixel` numbers apart, to `to` channels.
struct Order {
    kernel: [usize; 2],
    pixel: usize,
    from: usize,
    to: usize,
    lanes: usize,
}

impl Order {
    fn dense(&self, weight: impl Fn(usize, usize, usize, usize) -> f32) -> Vec<f32> {
        let vectors = self.to.div_ceil(self.lanes);
        let mut packed = Vec::with_capacity(self.kernel[0] * self.kernel[1] * self.pixel * vectors * self.lanes);
        for (first, wide) in blocks(vectors) {
            for row in 0..self.kernel[0] {
                for column in 0..self.kernel[1] {
                    for from in 0..self.pixel {
                        for to in first * self.lanes..(first + wide) * self.lanes {
                            let inside = from < self.from && to < self.to;
                            packed.push(if inside { weight(row, column, from, to) } else { 0.0 });
                        }
                    }
                }
            }
        }
        packed
    }

    fn depthwise(&self, weight: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
        let [rows, columns] = self.kernel;
        let channels = self.to.next_multiple_of(self.lanes);
        let at = |i: usize| {
            let (tap, channel) = (i / channels, i % channels);
            if channel < self.to { weight(tap / columns, tap % columns, channel) } else { 0.0 }
        };
        (0..rows * columns * channels).map(at).collect()
    }
}

impl Layer {
    /// Where weight (row, column, from, to) stands in the block's kernel.
    fn place(&self, row: usize, column: usize, from: usize, to: usize) -> usize {
        let [rows, columns] = self.block.kernel;
        ((to * self.block.inputs + from) * rows + row) * columns + column
    }

    fn place_depthwise(&self, row: usize, column: usize, channel: usize) -> usize {
        let [rows, columns] = self.block.kernel;
        (channel * rows + row) * columns + column
    }

    /// The kernel for the way forward.
    pub fn pack(&self, weights: &[f32]) -> Vec<f32> {
        let (pixel, from, to) = (self.pixel, self.block.inputs, self.block.outputs);
        let order = Order { kernel: self.block.kernel, pixel, from, to, lanes: self.lanes };
        if self.block.depthwise {
            return order.depthwise(|row, column, channel| weights[self.place_depthwise(row, column, channel)]);
        }
        order.dense(|row, column, from, to| weights[self.place(row, column, from, to)])
    }

    /// The kernel for the way back: turned by half a turn, outputs and inputs exchanged.
    pub fn pack_turned(&self, weights: &[f32]) -> Vec<f32> {
        let [rows, columns] = self.block.kernel;
        let (pixel, from, to) = (self.channels(), self.block.outputs, self.block.inputs);
        let order = Order { kernel: self.block.kernel, pixel, from, to, lanes: self.lanes };
        let turn = |row, column| (rows - 1 - row, columns - 1 - column);
        if self.block.depthwise {
            return order.depthwise(|row, column, channel| {
                let (row, column) = turn(row, column);
                weights[self.place_depthwise(row, column, channel)]
            });
        }
        order.dense(|row, column, from, to| {
            let (row, column) = turn(row, column);
            weights[self.place(row, column, to, from)]
        })
    }

    /// Numbers of the kernel's gradient as [`weights`](crate::weights) makes it: for each row and tap, all channels of the output
    /// (of a depthwise one, for each row and column all channels).
    pub fn packed_gradient(&self) -> usize {
        let [rows, columns] = self.block.kernel;
        let from = if self.block.depthwise { 1 } else { self.pixel };
        rows * columns * from * self.channels()
    }

    /// Brings a kernel's gradient into the kernel's own order.
    pub fn unpack_gradient(&self, packed: &[f32], gradient: &mut [f32]) {
        let ([rows, columns], channels) = (self.block.kernel, self.channels());
        for row in 0..rows {
            for column in 0..columns {
                let tap = row * columns + column;
                for to in 0..self.block.outputs {
                    if self.block.depthwise {
                        gradient[self.place_depthwise(row, column, to)] = packed[tap * channels + to];
                        continue;
                    }
                    for from in 0..self.block.inputs {
                        gradient[self.place(row, column, from, to)] = packed[(tap * self.pixel + from) * channels + to];
                    }
                }
            }
        }
    }
}

/// `values`, filled up with zeros to whole vectors.
pub fn fill(values: impl IntoIterator<Item = f32>, lanes: usize) -> Vec<f32> {
    let mut filled: Vec<f32> = values.into_iter().collect();
    filled.resize(filled.len().next_multiple_of(lanes), 0.0);
    filled
}

//! A block with its sizes: what lies where, in vectors of a given number of lanes.

use crate::{Block, Chain};

/// A block of a chain.
#[derive(Clone, Debug)]
pub struct Layer {
    pub block: Block,
    /// Lanes of a vector.
    pub lanes: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Height and width of the convolution's output.
    pub convolved: [usize; 2],
    /// Height and width of the block's output.
    pub pooled: [usize; 2],
    /// Where the block's parameters begin in the chain's.
    pub parameters: usize,
    /// Channels of the input, filled up to whole vectors unless `gathered`.
    pub pixel: usize,
    /// Whether the input lies as windows, one for each pixel of the output, and not as an image.
    pub gathered: bool,
}

/// How a convolution walks over the padded image in front of it.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// Numbers under a row of the kernel.
    pub taps: usize,
    /// Rows of the kernel.
    pub rows: usize,
    /// Numbers from one row of the image to the next.
    pub row: usize,
    /// Numbers from one pixel of the image to the next.
    pub pixel: usize,
    /// Pixels and rows from one window to the next.
    pub stride: [usize; 2],
    /// Height and width of the output.
    pub out: [usize; 2],
    /// Vectors of a pixel of the output.
    pub vectors: usize,
}

impl Layer {
    /// All of a chain's.
    pub fn all(chain: &Chain, lanes: usize) -> Vec<Self> {
        let (mut size, mut parameters) = (chain.size, 0);
        let layer = |(index, block): (usize, &Block)| {
            // Few channels would waste most of a vector, and a kernel's row would be short.
            let gathered = index == 0 && !block.depthwise && block.inputs < lanes;
            let layer = Self {
                block: block.clone(),
                lanes,
                size,
                convolved: block.convolved(size),
                pooled: block.size(size),
                parameters,
                pixel: if gathered { block.inputs } else { block.inputs.next_multiple_of(lanes) },
                gathered,
            };
            size = layer.pooled;
            parameters += block.parameters();
            layer
        };
        chain.blocks.iter().enumerate().map(layer).collect()
    }

    /// Channels out, filled up to whole vectors.
    pub fn channels(&self) -> usize {
        self.block.outputs.next_multiple_of(self.lanes)
    }

    /// Vectors of a pixel of the output.
    pub fn vectors(&self) -> usize {
        self.channels() / self.lanes
    }

    /// Vectors of a pixel of the input's gradient.
    pub fn input_vectors(&self) -> usize {
        self.block.inputs.div_ceil(self.lanes)
    }

    /// Numbers of the convolution's output, of one image.
    pub fn plane(&self) -> usize {
        self.convolved[0] * self.convolved[1] * self.channels()
    }

    /// The convolution itself.
    pub fn window(&self) -> Window {
        let [rows, columns] = self.block.kernel;
        let width = self.size[1] + 2 * self.block.padding[1];
        let taps = rows * columns * self.pixel;
        let (rows, taps, pixel, stride, width) = match self.gathered {
            true => (1, taps, taps, [1, 1], self.convolved[1]),
            false => (rows, taps / rows, self.pixel, self.block.stride, width),
        };
        Window { taps, rows, row: width * pixel, pixel, stride, out: self.convolved, vectors: self.vectors() }
    }

    /// The convolution from the output's gradient to the input's: the kernel turned by half a turn, over an image in which the output's pixels lie
    /// `stride` apart.
    pub fn gradient_window(&self) -> Window {
        let [_, width] = self.size;
        let pixel = self.channels();
        Window {
            taps: self.block.kernel[1] * pixel,
            rows: self.block.kernel[0],
            row: (width + self.block.kernel[1] - 1) * pixel,
            pixel,
            stride: [1, 1],
            out: self.size,
            vectors: self.input_vectors(),
        }
    }

    /// Numbers of the padded input image, and a pixel more: rows of whole steps are read from any tap on.
    pub fn padded(&self) -> usize {
        let window = self.window();
        let height = if self.gathered { self.convolved[0] } else { self.size[0] + 2 * self.block.padding[0] };
        height * window.row + window.taps + window.step()
    }

    /// Numbers of the padded gradient of the output, and a pixel more.
    pub fn padded_gradient(&self) -> usize {
        let height = self.size[0] + self.block.kernel[0] - 1;
        height * self.gradient_window().row + self.gradient_step() + self.channels()
    }

    /// Where pixel (row, 0) of the output lies in its padded gradient.
    pub fn gradient_row(&self, row: usize) -> usize {
        let [top, left] = [0, 1].map(|d| self.block.kernel[d] - 1 - self.block.padding[d]);
        let window = self.gradient_window();
        (row * self.block.stride[0] + top) * window.row + left * window.pixel
    }

    /// Numbers of the padded gradient from one pixel of the output to the next.
    pub fn gradient_step(&self) -> usize {
        self.block.stride[1] * self.channels()
    }
}

impl Window {
    /// Where the window over pixel (row, 0) of the output begins.
    pub fn begin(&self, row: usize) -> usize {
        row * self.stride[0] * self.row
    }

    /// Numbers from one window to the next.
    pub fn step(&self) -> usize {
        self.stride[1] * self.pixel
    }
}

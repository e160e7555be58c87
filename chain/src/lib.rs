//! Convolution blocks in a row, forward and backward, in vectors of the CPU that it runs on.
//!
//! A [`Block`] is a convolution, a batch normalization, an activation and a max pool, the last three as far as there are
//! any. A [`Chain`] is blocks one after the other, which is most of a small network, and three functions: [`forward`] and
//! [`backward`] to train it, [`infer`] to use it. Nothing here knows of tensors, devices or gradients of anything else.
//!
//! What makes it fast:
//! - **Channels in lanes.** Inside, pixels follow one another and a pixel's channels fill whole vectors
//!   so that rows of 28, 14 or 7 pixels have no ragged ends. Images come and go as `[N, C, H, W]`.
//! - **Convolutions without copies.** A kernel's row over one pixel is a stretch of memory that begins at that pixel, so a convolution
//!   is a product of matrices whose rows overlap.
//! - **Only the convolutions' outputs are kept.** Normalization, activation and pool are done again where their result is read, an image
//!   at a time in the nearest cache: a layer costs one pass over memory each way, not five.
//!
//! The result does not depend on the number of threads: images are worked on in groups of a fixed size, and sums over
//! groups are taken in order.

mod backward;
mod buffer;
mod conv;
mod forward;
mod layer;
mod pack;
mod points;
mod simd;
mod source;
mod weights;

pub use backward::{Gradients, backward};
pub use forward::{Forward, Saved, forward, infer};

/// Least and greatest value that a block lets through; a gradient passes strictly between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation {
    /// Least value.
    pub least: f32,
    /// Greatest value.
    pub greatest: f32,
}

impl Activation {
    /// Lets everything through.
    pub const NONE: Self = Self { least: f32::NEG_INFINITY, greatest: f32::INFINITY };
    /// max(x, 0).
    pub const RELU: Self = Self { least: 0.0, greatest: f32::INFINITY };
    /// min(max(x, 0), 6).
    pub const RELU6: Self = Self { least: 0.0, greatest: 6.0 };
}

/// A convolution and what follows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Rows of zeros above and below, columns of zeros on the left and right. Smaller than the kernel.
    pub padding: [usize; 2],
    /// Each channel on its own; `inputs` and `outputs` are then equal.
    pub depthwise: bool,
    /// Whether the convolution adds a bias.
    pub bias: bool,
    /// ε of the batch normalization, if there is one.
    pub norm: Option<f64>,
    /// What follows.
    pub activation: Activation,
    /// Height and width of the max pool's windows, which lie side by side; 1 is no pool. Rows and columns that fill no window are left out.
    pub pool: usize,
}

impl Block {
    /// A convolution with a bias and nothing more: stride 1, no padding, nothing that follows.
    pub const fn conv(inputs: usize, outputs: usize, kernel: [usize; 2]) -> Self {
        Self {
            inputs,
            outputs,
            kernel,
            stride: [1, 1],
            padding: [0, 0],
            depthwise: false,
            bias: true,
            norm: None,
            activation: Activation::NONE,
            pool: 1,
        }
    }

    /// Numbers in the block's kernel.
    pub fn weights(&self) -> usize {
        let inputs = if self.depthwise { 1 } else { self.inputs };
        self.outputs * inputs * self.kernel[0] * self.kernel[1]
    }

    /// Numbers in all that the block learns.
    pub fn parameters(&self) -> usize {
        let vectors = usize::from(self.bias) + 2 * usize::from(self.norm.is_some());
        self.weights() + vectors * self.outputs
    }

    /// Height and width of the convolution's output.
    fn convolved(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|d| (size[d] + 2 * self.padding[d]).saturating_sub(self.kernel[d]) / self.stride[d] + 1)
    }

    /// Height and width of the block's output.
    fn size(&self, size: [usize; 2]) -> [usize; 2] {
        self.convolved(size).map(|d| d / self.pool)
    }
}

/// Blocks one after the other.
///
/// Their parameters are one slice: for each block its kernel `[outputs, inputs, height, width]` (`[outputs, 1, height, width]` where depthwise),
/// then, as far as there are any, bias, scale γ and shift β of the normalization.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Height and width of the input.
    pub size: [usize; 2],
    /// At least one.
    pub blocks: Vec<Block>,
}

impl Chain {
    /// Channels, height and width of an image going in.
    pub fn input(&self) -> [usize; 3] {
        let [height, width] = self.size;
        [self.blocks.first().map_or(0, |block| block.inputs), height, width]
    }

    /// Height and width of an image coming out.
    pub fn output_size(&self) -> [usize; 2] {
        self.blocks.iter().fold(self.size, |size, block| block.size(size))
    }

    /// Channels, height and width of an image coming out.
    pub fn output(&self) -> [usize; 3] {
        let [height, width] = self.output_size();
        [self.blocks.last().map_or(0, |block| block.outputs), height, width]
    }

    /// Numbers in all that the chain learns.
    pub fn parameters(&self) -> usize {
        self.blocks.iter().map(Block::parameters).sum()
    }
}

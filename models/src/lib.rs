//! The zoo: one file a network, each a burn module.
//!
//! - [`mnist_cnn`], [`mnist_dsres`], [`mnist_cnn_wide`]: the networks. Field names are written for the reader of the
//!   ONNX file: `conv1.weight` there is the field `conv1` here.
//! - [`network`]: what every network offers: a name, `forward`, and which tasks it fits.
//! - [`task`]: the images that a network takes, and how many classes it tells apart.
//! - [`trace`]: one line a layer (name, output shape, parameters), observed from a real forward pass.
//! - [`zoo`]: from a name on the command line to a type.
//! - [`checkpoint`]: weights on disk, and errors that say which tensor does not fit.
//!
//! Beside `src` is one folder a network, `mnist-cnn/` and so on, with its trained `checkpoint.bpk`, `card.json` and
//! everything that is made from them.
//!
//! Every network takes `[N, channels, height, width]` pixels in `[0, 1]` (pixel / 255) and answers `[N, classes]` logits; its
//! [`task`] says how many, and is MNIST's where nothing else is asked for.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use models::{mnist_cnn::MnistCnn, network::Network};
//!
//! let device = Device::flex();
//! let network = MnistCnn::new(&device);
//! let logits = network.forward(Tensor::zeros([2, 1, 28, 28], &device));
//! assert_eq!(logits.dims(), [2, 10]);
//! ```

pub mod checkpoint;
mod fused;
pub mod layers;
pub mod mnist_cnn;
pub mod mnist_cnn_wide;
pub mod mnist_dsres;
pub mod network;
pub mod task;
pub mod trace;
pub mod zoo;

pub use network::Network;
pub use task::Task;

//! A network of one's own, from a burn module to a plan: twenty lines of burn, then one call an arrow of the road.
//!
//! ```text
//! cargo run --release --example own_network -- FOLDER
//! ```

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::relu};
use export::float::{BatchNorms, onnx_from_module};
use export::quantize::{calibrate, qdq, quantize};
use export::{files, onnx, plan};
use std::convert::Infallible;
use std::path::PathBuf;

/// What one input is: channels, height, width.
const INPUT: [usize; 3] = [3, 32, 32];

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    norm: BatchNorm,
    pool: AdaptiveAvgPool2d,
    head: Linear,
}

impl Net {
    fn new(device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([3, 16], [3, 3]).with_stride([2, 2]).init(device),
            norm: BatchNormConfig::new(16).init(device),
            pool: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
            head: LinearConfig::new(16, 4).init(device),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = relu(self.norm.forward(self.conv.forward(x)));
        self.head.forward(self.pool.forward(x).flatten(1, 3))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/own_network".into()));
    std::fs::create_dir_all(&folder)?;
    let write =
        |name: &str, bytes: &[u8]| files::write_atomically(&folder.join(name), bytes, |_| Ok::<_, Infallible>(()));

    let net = Net::new(&Device::flex()); // yours would be trained
    let len: usize = INPUT.iter().product();
    let images: Vec<f32> = data::noise(1).take(32 * len).map(|pixel| f32::from(pixel) / 255.0).collect();

    // burn → ONNX: captured, BatchNorm folded, and held against burn in tract on these images.
    let float = onnx_from_module("net", &net, INPUT, Net::forward, BatchNorms::Folded, [], &images)?;
    write("float.onnx", &float.bytes)?;

    // ONNX → int8: ranges from images, then scales, weights and biases.
    let ranges = calibrate(&float.graph, 16, images.chunks(16 * len).map(<[f32]>::to_vec))?;
    let int8 = quantize(&float.graph, &ranges)?;
    write("int8.onnx", &onnx::to_bytes(&qdq::to_graph(&int8)))?;

    // int8 → plan: order of work, RAM and packed weights, checked by the engine itself.
    let words = plan::plan(&int8)?;
    write("net.plan", &plan::to_bytes(&words))?;

    let checked = infer_nostd::Plan::parse(&words)?;
    println!(
        "{}: {} bytes of flash, {} of RAM; `export validate {} --data …` holds the three files against each other",
        folder.join("net.plan").display(),
        words.len() * 4,
        checked.arena_words() * 4,
        folder.display()
    );
    Ok(())
}

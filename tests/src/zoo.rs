//! The networks that ship, and their files.

use export::onnx;
use export::quantize::{QuantGraph, qdq};
use std::path::{Path, PathBuf};

/// The folder of a network.
pub fn folder(network: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models").join(network)
}

/// The bytes of one of its files.
///
/// # Panics
/// The file is not there: the zoo is incomplete.
pub fn read(network: &str, file: &str) -> Vec<u8> {
    let path = folder(network).join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A network as its int8 ONNX file has it.
///
/// # Panics
/// The file is not there, or not what it should be: the zoo is incomplete.
pub fn int8(network: &str) -> QuantGraph {
    let graph = onnx::from_bytes(&read(network, "int8.onnx")).unwrap_or_else(|error| panic!("{network}: {error}"));
    qdq::from_graph(&graph).unwrap_or_else(|error| panic!("{network}: {error}"))
}

/// MNIST's test images, where `$MNIST_DIR` says where they are; `None`, said aloud, where it does not.
///
/// # Panics
/// `$MNIST_DIR` is set and MNIST is not there.
pub fn mnist_test_images() -> Option<data::Dataset> {
    if std::env::var_os("MNIST_DIR").is_none() {
        println!("skipped: set MNIST_DIR to a folder with the four files of MNIST");
        return None;
    }
    Some(data::open(&data::Source::Mnist, data::Split::Test).unwrap_or_else(|error| panic!("{error}")))
}

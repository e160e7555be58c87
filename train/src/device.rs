//! `--device`: where the tensors live.

use burn::tensor::Device;

use crate::error::TrainError;

/// The device called `name`: `flex`, `cuda`, `cuda:1`, `libtorch`, `libtorch:0`, `wgpu` or `remote:URL`.
pub fn open(name: &str) -> Result<Device, TrainError> {
    let (kind, rest) = match name.split_once(':') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (name, None),
    };
    match (kind, rest) {
        ("flex", None) => flex(name),
        ("cuda", index) => cuda(name, index),
        ("libtorch", index) => libtorch(name, index),
        ("wgpu", None) => wgpu(name),
        ("remote", Some(url)) => remote(name, url),
        _ => Err(unknown(name, "there is no such device")),
    }
}

fn unknown(device: &str, reason: impl ToString) -> TrainError {
    TrainError::Device { device: device.to_owned(), reason: reason.to_string() }
}

#[allow(dead_code)] // unused where every backend is built in
fn not_built(device: &str, feature: &'static str) -> TrainError {
    TrainError::DeviceNotBuilt { device: device.to_owned(), feature }
}

#[cfg(feature = "flex")]
fn flex(_name: &str) -> Result<Device, TrainError> {
    Ok(Device::flex())
}

#[cfg(not(feature = "flex"))]
fn flex(name: &str) -> Result<Device, TrainError> {
    Err(not_built(name, "flex"))
}

#[cfg(feature = "cuda")]
fn cuda(name: &str, index: Option<&str>) -> Result<Device, TrainError> {
    match index.map(str::parse::<usize>) {
        None => Ok(Device::cuda(burn::tensor::DeviceIndex::Default)),
        Some(Ok(index)) => Ok(Device::cuda(index)),
        Some(Err(error)) => Err(unknown(name, error)),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda(name: &str, _index: Option<&str>) -> Result<Device, TrainError> {
    Err(not_built(name, "cuda"))
}

#[cfg(feature = "libtorch")]
fn libtorch(name: &str, index: Option<&str>) -> Result<Device, TrainError> {
    match index.map(str::parse::<usize>) {
        None => Ok(Device::libtorch()),
        Some(Ok(index)) => Ok(Device::libtorch_cuda(index)),
        Some(Err(error)) => Err(unknown(name, error)),
    }
}

#[cfg(not(feature = "libtorch"))]
fn libtorch(name: &str, _index: Option<&str>) -> Result<Device, TrainError> {
    Err(not_built(name, "libtorch"))
}

#[cfg(feature = "wgpu")]
fn wgpu(_name: &str) -> Result<Device, TrainError> {
    Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice))
}

#[cfg(not(feature = "wgpu"))]
fn wgpu(name: &str) -> Result<Device, TrainError> {
    Err(not_built(name, "wgpu"))
}

#[cfg(feature = "remote")]
fn remote(name: &str, url: &str) -> Result<Device, TrainError> {
    let host = burn::remote::RemoteHost::websocket(url);
    Device::remote_options(&host).init().map_err(|error| unknown(name, error))
}

#[cfg(not(feature = "remote"))]
fn remote(name: &str, _url: &str) -> Result<Device, TrainError> {
    Err(not_built(name, "remote"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flex_is_built_in() {
        assert_eq!(open("flex").unwrap(), Device::flex());
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_that_is_not_built_names_its_feature() {
        assert_eq!(
            open("cuda:1").unwrap_err().to_string(),
            "--device cuda:1: this build has no cuda backend; build it with \
             `cargo build --release --bin train --features train/cuda`"
        );
    }

    #[test]
    fn an_unknown_device_is_told_what_there_is() {
        assert_eq!(
            open("tpu").unwrap_err().to_string(),
            "--device tpu: there is no such device; known are flex, cuda, cuda:INDEX, libtorch, libtorch:INDEX, wgpu and \
             remote:URL (as in remote:ws://gpu:3000)"
        );
    }
}

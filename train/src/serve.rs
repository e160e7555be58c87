//! `train serve`: lends this machine's device to `train --device remote:URL` on another.

use crate::error::TrainError;

/// Serves the device called `device` on `address` (`127.0.0.1:3000`; port 0 takes a free one) until it is interrupted.
///
/// The connection is neither encrypted nor authenticated: it belongs on one machine, or on a network that is trusted.
///
/// # Errors
/// The device or the address cannot be had.
#[cfg(feature = "remote")]
pub fn serve(device: &str, address: &str) -> Result<(), TrainError> {
    use burn::server::{RemoteServer, WebSocketTransport};

    let refused = |reason: String| TrainError::Serve { address: address.to_owned(), reason };
    let server = RemoteServer::new([crate::device::open(device)?]);
    let listener = std::net::TcpListener::bind(address).map_err(|error| refused(error.to_string()))?;
    let bound = listener.local_addr().map_err(|error| refused(error.to_string()))?;
    eprintln!("serving {device}; train on it with --device remote:ws://{bound}");
    server.serve(WebSocketTransport::from_listener(listener)).map_err(|error| refused(error.to_string()))
}

/// Says how to build a `train` that serves.
///
/// # Errors
/// Always.
#[cfg(not(feature = "remote"))]
pub fn serve(_device: &str, _address: &str) -> Result<(), TrainError> {
    Err(TrainError::DeviceNotBuilt { device: "serve".to_owned(), feature: "remote" })
}

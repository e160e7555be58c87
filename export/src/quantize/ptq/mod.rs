//! Post-training quantization: a float network and what it is fed → [`QuantGraph`](super::QuantGraph).

mod apply;
mod calibrate;
mod constants;
mod draft;
mod end;
mod equalize;
mod explain;
mod histogram;
mod judge;
mod moments;
mod pixels;
mod rounding;
mod score;
mod sites;
#[cfg(test)]
mod tests;
mod tune;
mod weights;

pub use apply::{quantize, supported};
pub use calibrate::{CalibrateError, Calibration, calibrate, watched};
pub use equalize::EQUALIZED;
pub use explain::{LayerError, explain};
pub use histogram::Histogram;
pub use pixels::{Folded, fold};
pub use score::Sqnr;
pub use tune::{Choice, Samples, Tuned, tune};

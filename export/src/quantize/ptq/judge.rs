//! How well an int8 network does: its logits against the float network's, on images kept for this.

use super::CalibrateError;
use crate::{
    graph::Graph,
    onnx, plan,
    quantize::{QuantGraph, logits, qdq},
    validate::{self, Stage, tract::Runner},
};
use std::thread;

/// Images, and what the float network says to them.
pub(super) struct Judge {
    /// N×C×H×W.
    images: Vec<f32>,
    image_len: usize,
    /// Logits, N×K.
    float: Vec<f32>,
}

impl Judge {
    /// Asks the float network; `images` are at least one.
    pub fn new(graph: &Graph, images: Vec<f32>) -> Result<Self, CalibrateError> {
        let runner = Runner::with_values(graph, &[logits(graph)?], validate::stage::BATCH)?;
        if images.is_empty() {
            return Err(CalibrateError::NoImages);
        }
        Ok(Self { image_len: runner.image_len(), float: runner.run(&images)?.remove(0), images })
    }

    /// Energy of the float logits over that of the int8 ones' error, in dB; infinite where they are equal.
    ///
    /// The engine runs the network, as on the chip; tract, where the engine has no plan for it.
    pub fn sqnr_db(&self, network: &QuantGraph) -> Result<f64, CalibrateError> {
        let bytes = match plan::plan(network) {
            Ok(words) => plan::to_bytes(&words),
            Err(_) => onnx::to_bytes(&qdq::to_graph(network)),
        };
        Ok(sqnr_db(&self.float, &self.answers(&*validate::open(&bytes)?)?))
    }

    /// Asks on all cores.
    fn answers(&self, stage: &dyn Stage) -> Result<Vec<f32>, CalibrateError> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = (self.images.len() / self.image_len).div_ceil(threads).max(1) * self.image_len;
        let parts: Result<Vec<_>, _> = thread::scope(|scope| {
            let ask = |images| scope.spawn(move || stage.answer(images));
            let workers: Vec<_> = self.images.chunks(share).map(ask).collect();
            workers.into_iter().map(|worker| worker.join().expect("a stage does not panic")).collect()
        });
        Ok(parts?.concat())
    }
}

/// Energy of `signal` over that of its difference from `other`, in dB.
pub(super) fn sqnr_db(signal: &[f32], other: &[f32]) -> f64 {
    let energy = |differences: &mut dyn Iterator<Item = f64>| differences.map(|d| d * d).sum::<f64>();
    let noise = energy(&mut signal.iter().zip(other).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    10.0 * (energy(&mut signal.iter().map(|a| f64::from(*a))) / noise).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_of_literal_vectors() {
        assert_eq!(sqnr_db(&[3.0, 4.0], &[3.0, 3.5]), 20.0);
        assert_eq!(sqnr_db(&[3.0, 4.0], &[3.0, 4.0]), f64::INFINITY);
    }
}

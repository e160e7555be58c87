//! How well an int8 network does: its logits against the float network's, on images that it was not made from.

use super::CalibrateError;
use crate::{
    graph::Graph,
    onnx, plan,
    quantize::{QuantGraph, logits, qdq},
    validate::{self, Stage, tract::Runner},
};
use std::thread;

/// What runs an int8 network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Machine {
    /// As on the chip.
    Engine,
    /// For what the engine has no plan for.
    Tract,
}

/// An int8 network as a machine takes it: a plan, or an ONNX file.
pub(super) struct Runnable(Vec<u8>);

impl Machine {
    /// The engine, where it has a plan for all these.
    pub fn of(networks: &[QuantGraph]) -> Self {
        if networks.iter().all(|network| plan::plan(network).is_ok()) { Self::Engine } else { Self::Tract }
    }

    /// None where the engine has no plan.
    pub fn prepare(self, network: &QuantGraph) -> Option<Runnable> {
        Some(Runnable(match self {
            Self::Engine => plan::to_bytes(&plan::plan(network).ok()?),
            Self::Tract => onnx::to_bytes(&qdq::to_graph(network)),
        }))
    }
}

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

    /// Energy of the float logits of each image.
    pub fn signals(&self) -> Vec<f64> {
        self.energies(&vec![0.0; self.float.len()])
    }

    /// Energy of the error of each image's int8 logits.
    pub fn errors(&self, network: &Runnable) -> Result<Vec<f64>, CalibrateError> {
        Ok(self.energies(&self.answers(&*validate::open(&network.0)?)?))
    }

    fn energies(&self, answers: &[f32]) -> Vec<f64> {
        let images = self.images.len() / self.image_len;
        let outputs = (self.float.len() / images.max(1)).max(1);
        let square = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
        let pairs = self.float.chunks(outputs).zip(answers.chunks(outputs));
        pairs.map(|(float, int8)| float.iter().zip(int8).map(square).sum()).collect()
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

//! Images → ranges: what calibration keeps of each value, in constant memory however many images go by.

use super::{
    QuantizeError,
    activation::sites,
    ranges::{Range, Ranges},
};
use crate::{
    graph::{Graph, Op},
    validate::tract::{RunError, Runner},
};
use std::collections::BTreeMap;

/// Why calibration gave no ranges.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// tract cannot run the float network.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A value is not finite.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// There was nothing to look at.
    #[error("calibration saw no image. Give a source with at least one")]
    NoImages,
}

/// Runs the float network over batches of images (reals, N×C×H×W) and gives the range of every [`watched`] value.
///
/// `batch` is how many images tract takes at a time; the batches that come in may have any size.
///
/// # Errors
/// tract cannot run the network, a value is not finite, or there is no image.
pub fn calibrate(
    graph: &Graph,
    batch: usize,
    images: impl IntoIterator<Item = Vec<f32>>,
) -> Result<Ranges, CalibrateError> {
    let runner = Runner::with_values(graph, &watched(graph), batch)?;
    let mut calibration = Calibration::default();
    for batch in images {
        for (value, seen) in runner.outputs().iter().zip(runner.run(&batch)?) {
            calibration.observe(value, &seen)?;
        }
    }
    if calibration.observers.is_empty() { Err(CalibrateError::NoImages) } else { Ok(calibration.ranges()) }
}

/// The values whose range decides a scale: the input, and each operator's output after its fused activation.
///
/// Values that keep their input's scale (MaxPool, Flatten, Reshape) and a trailing Softmax are not among them.
pub fn watched(graph: &Graph) -> Vec<String> {
    let own_scale = |op: &Op| !keeps_scale(op) && !matches!(op, Op::Softmax { .. });
    let outputs = sites(graph).into_iter().filter(|site| own_scale(&site.node.op)).map(|site| site.output);
    graph.inputs.iter().map(|input| input.name.as_str()).chain(outputs).map(String::from).collect()
}

pub(super) fn keeps_scale(op: &Op) -> bool {
    matches!(op, Op::MaxPool { .. } | Op::Flatten { .. } | Op::Reshape)
}

/// What has been seen of the network's values so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibration {
    observers: BTreeMap<String, MinMax>,
}

impl Calibration {
    /// Takes in a batch of a value.
    ///
    /// # Errors
    /// [`QuantizeError::NotFinite`] where the batch holds a NaN or an infinity.
    pub fn observe(&mut self, value: &str, batch: &[f32]) -> Result<(), QuantizeError> {
        if batch.is_empty() {
            return Ok(());
        }
        if batch.iter().any(|x| !x.is_finite()) {
            return Err(QuantizeError::NotFinite { tensor: value.into() });
        }
        self.observers.entry(value.into()).or_default().observe(batch);
        Ok(())
    }

    /// The ranges of everything observed.
    pub fn ranges(&self) -> Ranges {
        self.observers.iter().map(|(value, observer)| (value.clone(), observer.range())).collect()
    }
}

/// Keeps the smallest and the largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
struct MinMax {
    min: f32,
    max: f32,
}

impl Default for MinMax {
    fn default() -> Self {
        Self { min: f32::INFINITY, max: f32::NEG_INFINITY }
    }
}

impl MinMax {
    fn observe(&mut self, batch: &[f32]) {
        for &x in batch {
            self.min = self.min.min(x);
            self.max = self.max.max(x);
        }
    }

    fn range(self) -> Range {
        Range { min: self.min, max: self.max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_grow_over_batches() {
        let mut calibration = Calibration::default();
        calibration.observe("a", &[0.5, -1.0]).unwrap();
        calibration.observe("b", &[3.0]).unwrap();
        calibration.observe("a", &[2.0, 0.0]).unwrap();
        let expected = [("a".into(), Range { min: -1.0, max: 2.0 }), ("b".into(), Range { min: 3.0, max: 3.0 })];
        assert_eq!(calibration.ranges(), Ranges::from(expected));
    }

    #[test]
    fn a_nan_is_named() {
        let error = Calibration::default().observe("conv3", &[0.0, f32::NAN]).unwrap_err();
        assert_eq!(error, QuantizeError::NotFinite { tensor: "conv3".into() });
    }
}

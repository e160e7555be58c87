//! Images → statistics: what calibration keeps of each value, in constant memory however many images go by.

use super::{
    Histogram,
    equalize::{self, Group},
    moments::{Moments, View},
    sites::sites,
};
use crate::{
    graph::{Activation, Graph, Node, Op, Window},
    inputs::InputError,
    quantize::{
        Affine, QuantizeError, Range, Ranges,
        interface::is_left_off,
        operator::keeps_scale,
        shape::{self, Shapes},
    },
    validate::{
        StageError,
        tract::{RunError, Runner},
    },
};
use std::{collections::BTreeMap, rc::Rc};

/// Windows that are looked at for each layer, over all images.
const WINDOWS: usize = 8192;

/// Why calibration gave no ranges.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// tract cannot run the float network.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The int8 network cannot be run.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A value is not finite, or the network has no int8 form.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// An image could not be read.
    #[error(transparent)]
    Input(#[from] InputError),
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
    if calibration.is_empty() { Err(CalibrateError::NoImages) } else { Ok(calibration.ranges()) }
}

/// The values whose range decides a scale: the input, and each operator's output after its fused activation.
///
/// Values that keep their input's scale (MaxPool, Resize, Flatten, Reshape), those whose range is known (Sigmoid, Tanh) and what is left
/// off at the end are not among them.
pub fn watched(graph: &Graph) -> Vec<String> {
    let own_scale =
        |node: &Node| !keeps_scale(&node.op) && known_affine(&node.op).is_none() && !is_left_off(graph, node);
    let outputs = sites(graph).into_iter().filter(|site| own_scale(site.node)).map(|site| site.output);
    graph.inputs.iter().map(|input| input.name.as_str()).chain(outputs).map(String::from).collect()
}

/// The scale of results whose range needs no calibration: 256 steps from 0 to below 1, or from −1 to below 1.
pub(super) fn known_affine(op: &Op) -> Option<Affine> {
    match op {
        Op::Activation(Activation::Sigmoid) => Some(Affine { scale: 1.0 / 256.0, zero_point: -128 }),
        Op::Activation(Activation::Tanh) => Some(Affine { scale: 1.0 / 128.0, zero_point: 0 }),
        Op::Activation(Activation::HardSigmoid { .. }) => Some(Range::UNIT.affine()),
        _ => None,
    }
}

/// What has been seen of the network's values so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calibration {
    histograms: BTreeMap<String, Histogram>,
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
        self.histograms.entry(value.into()).or_default().observe(batch);
        Ok(())
    }

    /// Whether nothing has been observed.
    pub fn is_empty(&self) -> bool {
        self.histograms.is_empty()
    }

    /// What has been seen of a value.
    pub fn histogram(&self, value: &str) -> Option<&Histogram> {
        self.histograms.get(value)
    }

    /// The smallest and the largest value of everything observed.
    pub fn ranges(&self) -> Ranges {
        self.histograms.iter().map(|(value, seen)| (value.clone(), seen.range())).collect()
    }
}

/// A layer with weights, as calibration looks at it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// The node's name.
    pub name: String,
    /// What it reads.
    pub input: String,
    pub moments: Rc<Moments>,
}

/// The convolutions and linear layers, with nothing seen yet.
fn layers(graph: &Graph, shapes: &Shapes) -> Result<Vec<Layer>, QuantizeError> {
    let linear = graph.nodes.iter().filter(|node| matches!(node.op, Op::Conv { .. } | Op::Gemm { .. } | Op::MatMul));
    let layer = |node: &Node| {
        let moments = Rc::new(Moments::new(view(node, shapes)?));
        Ok(Layer { name: node.name.clone(), input: node.inputs[0].clone(), moments })
    };
    linear.map(layer).collect()
}

fn view(node: &Node, shapes: &Shapes) -> Result<View, QuantizeError> {
    let (input, [_, height, width]) = (shapes.of(&node.inputs[0])?, shapes.of(&node.outputs[0])?);
    let (window, groups): (Window, usize) = match node.op {
        Op::Conv { window, groups } => (window, groups),
        _ => (shape::whole(input), 1),
    };
    Ok(View { input, output: [height, width], window, groups })
}

/// Everything that the choices are made from.
#[derive(Clone)]
pub(super) struct Survey {
    pub calibration: Calibration,
    /// The range of each channel of the values that calibration keeps.
    pub channels: BTreeMap<String, Vec<Range>>,
    pub layers: Vec<Layer>,
}

impl Survey {
    /// One pass over `count` images in batches.
    pub fn take<E>(
        graph: &Graph,
        batch: usize,
        count: usize,
        images: impl IntoIterator<Item = Result<Vec<f32>, E>>,
    ) -> Result<Self, CalibrateError>
    where
        CalibrateError: From<E>,
    {
        let shapes = Shapes::infer(graph)?;
        let mut layers = layers(graph, &shapes)?;
        let watched = watched(graph);
        // In the graph's order, so that what is wrong is named where it begins.
        let mut values = watched.clone();
        for layer in &layers {
            if !values.contains(&layer.input) {
                values.push(layer.input.clone());
            }
        }
        let runner = Runner::with_values(graph, &values, batch)?;
        let (mut calibration, mut seen, positions) = (Calibration::default(), 0, WINDOWS.div_ceil(count.max(1)));
        let mut channels: BTreeMap<String, Vec<Range>> = BTreeMap::new();
        for images in images {
            let images = images?;
            let results = runner.run(&images)?;
            for (value, result) in values.iter().zip(&results) {
                if watched.contains(value) {
                    calibration.observe(value, result)?;
                    let [count, height, width] = shapes.of(value)?;
                    let ranges = channels.entry(value.clone()).or_insert_with(|| vec![Range::NOTHING; count]);
                    for (i, plane) in result.chunks_exact((height * width).max(1)).enumerate() {
                        ranges[i % count] = ranges[i % count].with(plane);
                    }
                }
                for layer in layers.iter_mut().filter(|layer| layer.input == *value) {
                    let len = layer.moments.view.input.iter().product::<usize>().max(1);
                    let moments = Rc::make_mut(&mut layer.moments);
                    for (turn, image) in result.chunks_exact(len).enumerate() {
                        moments.observe(image, positions, seen + turn);
                    }
                }
            }
            seen += images.len() / runner.image_len().max(1);
        }
        if calibration.is_empty() { Err(CalibrateError::NoImages) } else { Ok(Self { calibration, channels, layers }) }
    }

    /// As if the channels of a group of values had been `factors` times as large.
    pub fn scale(&mut self, group: &Group, factors: &[f32]) {
        for value in &group.values {
            if let Some(channels) = self.channels.get_mut(value) {
                let count = channels.len();
                channels
                    .iter_mut()
                    .enumerate()
                    .for_each(|(i, seen)| *seen = seen.scaled(equalize::factor_of(factors, i, count)));
            }
        }
        for layer in self.layers.iter_mut().filter(|layer| group.readers.contains(&layer.name)) {
            layer.moments = Rc::new(layer.moments.scaled(factors));
        }
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

//! Layer by layer: where the engine first leaves the int8 network, and what int8 costs against float.

use super::cause::{self, Cause, Difference};
use super::compare::sqnr_db;
use super::images::to_steps;
use super::isolate::{IsolateError, Isolated, crop};
use super::trace::{self, Map};
use super::tract::{RunError, Runner};
use crate::graph::{Graph, shape};
use crate::plan;
use crate::quantize::EQUALIZED;
use infer_nostd::{EngineError, Plan};
use serde::Serialize;
use std::fmt;

/// One layer of a plan against the int8 network and against the float one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// The layer's name.
    pub layer: String,
    /// What it computes.
    pub kind: &'static str,
    /// Channels, height, width of what it makes.
    pub output: [usize; 3],
    /// Largest difference from the int8 network, in steps, with the same inputs: what this layer does otherwise.
    pub max_step: u32,
    /// Values that differ from the int8 network's, in percent, with the same inputs.
    pub unequal: f64,
    /// Energy of the float network's values over that of the difference, in dB: what int8 costs up to here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqnr_db: Option<f64>,
    /// Where it differs most from the int8 network, if it does by more than it may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<Divergence>,
}

/// A layer's largest difference in the first image that shows one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Divergence {
    /// The image, counted from 0.
    pub image: usize,
    /// Channel.
    pub channel: usize,
    /// Row.
    pub row: usize,
    /// Column.
    pub column: usize,
    /// What the int8 network says, in steps.
    pub expected: i8,
    /// What the engine made.
    pub found: i8,
    /// Values of the image that differ by more than they may.
    pub values: usize,
    /// What kind of fault it looks like.
    #[serde(serialize_with = "as_text")]
    pub cause: Cause,
}

fn as_text<S: serde::Serializer>(cause: &Cause, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cause)
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { image, channel, row, column, expected, found, values, cause } = self;
        write!(
            f,
            "image {image}, channel {channel}, row {row}, column {column}: expected {expected}, found {found}; "
        )?;
        write!(f, "{values} values of the image differ; {cause}")
    }
}

/// Why layers could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum LayersError {
    /// The int8 network does not serve.
    #[error(transparent)]
    Isolate(#[from] IsolateError),
    /// tract does not run the float network.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The engine refuses the image.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Compares the layers of `plan` with those of the int8 network that it was made of, and of the float network where there is one.
///
/// `images` are some of a larger set, by their numbers in it: reals as the plan takes them, C×H×W each; with the float network are the same as it
/// takes them. `tolerance` is in steps: 1 allows for rounding.
///
/// # Errors
/// The networks are not of one kind, or a runtime refuses them.
pub fn layers(
    plan: &Plan,
    int8: &Graph,
    float: Option<(&Graph, &[Vec<f32>])>,
    images: &[(usize, Vec<f32>)],
    tolerance: u32,
) -> Result<Vec<Layer>, LayersError> {
    let isolated = Isolated::new(int8, plan)?;
    let float = float.map(|(graph, images)| Ok::<_, LayersError>((Float::new(graph, int8, &isolated)?, images)));
    let float = float.transpose()?;
    let mut tallies = vec![Tally::default(); plan.operator_count()];
    for (index, (number, image)) in images.iter().enumerate() {
        let made = trace::trace(plan, &to_steps(image, &plan.input()))?;
        let expected = isolated.expected(&made)?;
        for (id, tally) in tallies.iter_mut().enumerate() {
            tally.hold(&expected[id], &made[id + 1]);
            if tally.divergence.is_none() {
                tally.divergence = divergence(plan, id, *number, &expected[id], &made[id + 1], tolerance);
            }
        }
        if let Some((float, image)) = float.as_ref().and_then(|(float, images)| Some((float, images.get(index)?))) {
            float.hold(image, &made, &isolated, &mut tallies)?;
        }
    }
    let rows = plan::layers(plan).into_iter().skip(1).zip(tallies);
    Ok(rows
        .map(|(row, tally)| Layer {
            layer: row.layer,
            kind: row.kind,
            output: row.output,
            max_step: tally.max_step,
            unequal: 100.0 * tally.unequal as f64 / tally.values.max(1) as f64,
            sqnr_db: tally.is_held_to_float.then(|| sqnr_db(tally.signal, tally.noise)),
            divergence: tally.divergence,
        })
        .collect())
}

/// What has been seen of one layer.
#[derive(Debug, Clone, Default)]
struct Tally {
    values: usize,
    unequal: usize,
    max_step: u32,
    is_held_to_float: bool,
    signal: f64,
    noise: f64,
    divergence: Option<Divergence>,
}

impl Tally {
    fn hold(&mut self, expected: &Map, found: &Map) {
        let steps = || expected.steps.iter().zip(&found.steps).map(|(e, f)| u32::from(e.abs_diff(*f)));
        self.values += found.steps.len();
        self.unequal += steps().filter(|&step| step > 0).count();
        self.max_step = self.max_step.max(steps().max().unwrap_or(0));
    }
}

fn divergence(plan: &Plan, id: usize, image: usize, expected: &Map, found: &Map, tolerance: u32) -> Option<Divergence> {
    let all = cause::differences(expected, found, tolerance);
    let most = all.iter().map(|d| d.expected.abs_diff(d.found)).max()?;
    let &Difference { channel, row, column, expected: e, found: f } =
        all.iter().find(|d| d.expected.abs_diff(d.found) == most)?;
    let operator = plan.operator(id);
    let input = plan.tensor(operator.inputs[0].into());
    let cause = cause::guess(operator, input, expected, found, &all);
    Some(Divergence { image, channel, row, column, expected: e, found: f, values: all.len(), cause })
}

/// What a value's channels are multiplied by in the int8 network, nothing where they are not; none where the file says it wrongly.
fn factors(int8: &Graph, value: &str, channels: usize) -> Option<Vec<f32>> {
    let Some(text) = int8.metadata.get(&format!("{EQUALIZED}{value}")) else { return Some(Vec::new()) };
    let factors: Vec<f32> = text.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    (factors.len() == channels && factors.iter().all(|f| f.is_finite() && *f > 0.0)).then_some(factors)
}

/// The float network's values for those of the plan's tensors that it has.
struct Float {
    runner: Runner,
    /// The tensors of the runner's outputs, and what their channels are multiplied by in the int8 network; nothing is one.
    tensors: Vec<(usize, Vec<f32>)>,
}

impl Float {
    fn new(graph: &Graph, int8: &Graph, isolated: &Isolated) -> Result<Self, LayersError> {
        let shapes = shape::infer(graph).unwrap_or_default();
        let has = |name: &str, len: usize| shapes.get(name).and_then(shape::sample_len) == Some(len);
        let tensors = isolated.tensors().iter().enumerate().skip(1);
        let known = tensors.filter(|(_, tensor)| has(&tensor.name, tensor.shape.iter().product()));
        let known = known.filter_map(|(id, tensor)| {
            Some(((id, factors(int8, &tensor.name, tensor.shape[0])?), tensor.name.as_str()))
        });
        let (tensors, names): (Vec<_>, Vec<_>) = known.unzip();
        Ok(Self { runner: Runner::with_values(graph, &names, 1)?, tensors })
    }

    fn hold(&self, image: &[f32], made: &[Map], isolated: &Isolated, tallies: &mut [Tally]) -> Result<(), LayersError> {
        for ((id, factors), mut values) in self.tensors.iter().zip(self.runner.run(image)?) {
            let (tensor, map, tally) = (&isolated.tensors()[*id], &made[*id], &mut tallies[id - 1]);
            let plane = values.len().checked_div(factors.len()).unwrap_or(0).max(1);
            for (values, factor) in values.chunks_mut(plane).zip(factors) {
                values.iter_mut().for_each(|value| *value *= factor);
            }
            tally.is_held_to_float = true;
            for (real, &step) in crop(&values, tensor.shape, map.shape).iter().zip(&map.steps) {
                tally.signal += f64::from(*real).powi(2);
                tally.noise += f64::from(real - tensor.affine.dequantize(step)).powi(2);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_read_whole_or_not_at_all() {
        let read = |text: &str| {
            let metadata = [(format!("{EQUALIZED}a,b"), text.into())].into();
            factors(&Graph { metadata, ..Graph::default() }, "a,b", 2)
        };
        assert_eq!(read("1.5 64"), Some(vec![1.5, 64.0]));
        for wrong in ["", "1.5", "1 2 3", "1,2", "1 NaN", "1 inf", "1 0", "1 -2", "1 x"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(factors(&Graph::default(), "a,b", 2), Some(vec![]), "not multiplied");
    }
}

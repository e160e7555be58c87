//! The choices that defend accuracy, each made by what it does to the network's output.
//!
//! It starts from plain min–max ranges and weights at their nearest steps, and changes one thing at a time: how weights are
//! rounded, where each tensor's range ends, what biases are corrected by. A change stays where the int8 network, run by
//! the engine on images kept for this, comes nearer to the float one; so the result is never worse there than where it started.

use super::{
    CalibrateError,
    apply::{Recipe, quantize_by},
    bias,
    calibrate::Survey,
    constants::Constants,
    end::{self, End, Side},
    equalize::{self, Pair},
    judge::Judge,
    moments::Moments,
    rounding::{Rounded, Spread},
    watched,
};
use crate::{
    graph::Graph,
    inputs::Inputs,
    quantize::{QuantGraph, Range, Ranges, logits},
    validate::stage::BATCH,
};

/// Less than this many dB is chance.
const LEAST_GAIN_DB: f64 = 0.03;
/// Ends of a range that may do no good, one after the other, before narrower ones are not tried.
const PATIENCE: usize = 2;
/// Rounds of bias correction: what is corrected early changes what later layers read.
const BIAS_ROUNDS: usize = 2;
/// Most images that biases are corrected with.
const BIAS_IMAGES: usize = 64;

/// The key of an int8 file's metadata under which the values stand, with commas between, whose channels were multiplied: they are not the
/// float file's, value by value.
pub const EQUALIZED: &str = "quantization.equalized";

/// Which inputs the choices are made from and by.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// Where they come from.
    pub inputs: &'a Inputs,
    /// What ranges and statistics are taken from, by number.
    pub calibration: &'a [usize],
    /// What choices are judged by; held in memory.
    pub judging: &'a [usize],
    /// The input's range where it is known beforehand, as that of pixels.
    pub input_range: Option<Range>,
}

/// A network with everything chosen.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The float network that it was made from: equalizing has changed its weights, not what it computes.
    pub graph: Graph,
    /// The int8 network.
    pub network: QuantGraph,
    /// The ranges that its scales come from.
    pub ranges: Ranges,
    /// What was tried, in order.
    pub choices: Vec<Choice>,
}

/// One thing that was decided by measurement.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Choice {
    /// The tensor or node; empty for the whole network.
    pub of: String,
    /// What was chosen for it.
    pub chosen: String,
    /// SQNR of the logits with it, in dB.
    pub sqnr_db: f64,
    /// How much better than before, in dB.
    pub gain_db: f64,
}

/// Quantizes with the choices that keep the logits nearest to the float network's. `done` hears of each value that is decided, of as
/// many as [`watched`] gives.
///
/// # Errors
/// What the network or the inputs do not allow: one [`CalibrateError`] a cause.
pub fn tune(graph: &Graph, samples: &Samples, done: &dyn Fn(&str)) -> Result<Tuned, CalibrateError> {
    let survey = samples.survey(graph)?;
    let judge = Judge::new(graph, samples.inputs.read(samples.judging.iter().copied())?)?;
    let recipe = Recipe { ranges: samples.ranges(graph, &survey), ..Recipe::default() };
    let sqnr_db = judge.sqnr_db(&quantize_by(graph, &recipe)?)?;
    let start = Choice { of: String::new(), chosen: "min–max, nearest steps".into(), sqnr_db, gain_db: 0.0 };
    let (graph, equalized, choices) = (graph.clone(), Vec::new(), vec![start]);
    let mut tuning = Tuning { graph, samples, judge, survey, recipe, sqnr_db, equalized, choices };
    tuning.weights()?;
    tuning.equalize()?;
    for value in watched(&tuning.graph) {
        tuning.range(&value)?;
        done(&value);
    }
    tuning.biases()?;
    let mut network = quantize_by(&tuning.graph, &tuning.recipe)?;
    if !tuning.equalized.is_empty() {
        network.metadata.insert(EQUALIZED.into(), tuning.equalized.join(","));
    }
    Ok(Tuned { graph: tuning.graph, network, ranges: tuning.recipe.ranges, choices: tuning.choices })
}

impl Samples<'_> {
    fn survey(&self, graph: &Graph) -> Result<Survey, CalibrateError> {
        let batches = self.calibration.chunks(BATCH).map(|batch| self.inputs.read(batch.iter().copied()));
        Survey::take(graph, BATCH, self.calibration.len(), batches)
    }

    /// Min–max, but for an input whose range is known.
    fn ranges(&self, graph: &Graph, survey: &Survey) -> Ranges {
        let mut ranges = survey.calibration.ranges();
        if let (Some(range), [input, ..]) = (self.input_range, &graph.inputs[..]) {
            ranges.insert(input.name.clone(), range);
        }
        ranges
    }
}

struct Tuning<'s> {
    /// The float network; equalizing changes its weights, not what it computes.
    graph: Graph,
    samples: &'s Samples<'s>,
    judge: Judge,
    survey: Survey,
    recipe: Recipe,
    sqnr_db: f64,
    /// The values whose channels have been multiplied.
    equalized: Vec<String>,
    choices: Vec<Choice>,
}

impl Tuning<'_> {
    /// Rounds the weights of all layers with regard to what they read.
    fn weights(&mut self) -> Result<(), CalibrateError> {
        let mut recipe = self.recipe.clone();
        for layer in &self.survey.layers {
            if let Some(rounded) = rounded(&self.graph, &layer.name, &layer.moments)? {
                recipe.weights.insert(layer.name.clone(), rounded);
            }
        }
        let all = recipe.weights.clone();
        if !self.accept(recipe, "", "weights rounded to make good each other's errors")? {
            for (node, rounded) in all {
                self.layer_weights(&node, rounded)?;
            }
        }
        Ok(())
    }

    /// Brings the channels of tensors between two convolutions to one range, one tensor after the other.
    fn equalize(&mut self) -> Result<(), CalibrateError> {
        let before = (self.graph.clone(), self.recipe.clone(), self.sqnr_db, self.choices.len());
        for pair in equalize::pairs(&self.graph) {
            if self.equalize_pair(&pair)? {
                self.equalized.push(pair.value);
            }
        }
        if self.equalized.is_empty() {
            return Ok(());
        }
        let survey = self.samples.survey(&self.graph)?;
        self.recipe.ranges = self.samples.ranges(&self.graph, &survey);
        let sqnr_db = self.judge.sqnr_db(&quantize_by(&self.graph, &self.recipe)?)?;
        if sqnr_db > before.2 {
            (self.survey, self.sqnr_db) = (survey, sqnr_db);
            return Ok(());
        }
        // The ranges as they are, not as they were foretold, have lost what was gained.
        (self.graph, self.recipe, self.sqnr_db) = (before.0, before.1, before.2);
        self.choices.truncate(before.3);
        self.equalized.clear();
        self.survey = self.samples.survey(&self.graph)?;
        Ok(())
    }

    fn equalize_pair(&mut self, pair: &Pair) -> Result<bool, CalibrateError> {
        let Some(position) = self.survey.layers.iter().position(|layer| layer.name == pair.second) else {
            return Ok(false);
        };
        let moments = &self.survey.layers[position].moments;
        let Some(factors) = pair.factors(&moments.peaks) else { return Ok(false) };
        let Some(graph) = pair.apply(&self.graph, &factors) else { return Ok(false) };
        let (moments, mut recipe) = (moments.scaled(&factors), self.recipe.clone());
        if let Some(range) = recipe.ranges.get_mut(&pair.value) {
            let peak = moments.peaks.iter().copied().fold(0f32, f32::max);
            *range = Range { min: if range.min < 0.0 { -peak } else { 0.0 }, max: peak };
        }
        if let Some(first) = recipe.weights.get_mut(&pair.first) {
            first.scales.iter_mut().zip(&factors).for_each(|(scale, factor)| *scale *= factor);
        }
        if recipe.weights.contains_key(&pair.second)
            && let Some(second) = rounded(&graph, &pair.second, &moments)?
        {
            recipe.weights.insert(pair.second.clone(), second);
        }
        let before = std::mem::replace(&mut self.graph, graph);
        let is_better = self.accept(recipe, &pair.value, "channels equalized")?;
        if is_better {
            self.survey.layers[position].moments = moments;
        } else {
            self.graph = before;
        }
        Ok(is_better)
    }

    fn layer_weights(&mut self, node: &str, rounded: Rounded) -> Result<(), CalibrateError> {
        let mut recipe = self.recipe.clone();
        recipe.weights.insert(node.into(), rounded);
        self.accept(recipe, node, "weights rounded to make good each other's errors").map(|_| ())
    }

    /// Chooses both ends of a value's range.
    fn range(&mut self, value: &str) -> Result<(), CalibrateError> {
        let is_input = self.graph.inputs.iter().any(|input| input.name == value);
        // Clipped logits would make classes equal that are not.
        if (is_input && self.samples.input_range.is_some()) || value == logits(&self.graph)? {
            return Ok(());
        }
        let Some(histogram) = self.survey.calibration.histogram(value) else { return Ok(()) };
        let extreme = histogram.range();
        let (before, mut chosen) = (self.sqnr_db, [End::Extreme; 2]);
        for side in Side::BOTH {
            let mut worse = 0;
            for (end, limit) in end::candidates(histogram, side) {
                let mut recipe = self.recipe.clone();
                let Some(range) = recipe.ranges.get_mut(value) else { continue };
                *side.of(range) = limit;
                let sqnr_db = self.judge.sqnr_db(&quantize_by(&self.graph, &recipe)?)?;
                if sqnr_db > self.sqnr_db + LEAST_GAIN_DB {
                    (self.recipe, self.sqnr_db, chosen[side as usize], worse) = (recipe, sqnr_db, end, 0);
                } else {
                    worse += 1;
                }
                // Ever narrower ranges clip ever more.
                if worse == PATIENCE {
                    break;
                }
            }
        }
        let [low, high] = chosen.map(|end| end.to_string());
        let chosen = if extreme.min < 0.0 { format!("from {low} to {high}") } else { format!("to {high}") };
        let (sqnr_db, gain_db) = (self.sqnr_db, self.sqnr_db - before);
        self.choices.push(Choice { of: value.into(), chosen, sqnr_db, gain_db });
        Ok(())
    }

    fn biases(&mut self) -> Result<(), CalibrateError> {
        let images = self.samples.inputs.read(self.samples.calibration.iter().copied().take(BIAS_IMAGES))?;
        for _ in 0..BIAS_ROUNDS {
            let network = quantize_by(&self.graph, &self.recipe)?;
            let corrections = bias::corrections(&self.graph, &network, &images)?;
            if !self.accept(Recipe { corrections, ..self.recipe.clone() }, "", "biases corrected")? {
                break;
            }
        }
        Ok(())
    }

    /// Takes a recipe where it is better than the one before.
    fn accept(&mut self, recipe: Recipe, of: &str, what: &str) -> Result<bool, CalibrateError> {
        let sqnr_db = self.judge.sqnr_db(&quantize_by(&self.graph, &recipe)?)?;
        let gain_db = sqnr_db - self.sqnr_db;
        let is_better = gain_db > LEAST_GAIN_DB;
        if is_better {
            (self.recipe, self.sqnr_db) = (recipe, sqnr_db);
            self.choices.push(Choice { of: of.into(), chosen: what.into(), sqnr_db, gain_db });
        }
        Ok(is_better)
    }
}

/// A layer's weights, rounded with regard to what it reads; none where the node's weights do not fit its input, which quantizing
/// refuses by name.
fn rounded(graph: &Graph, name: &str, moments: &Moments) -> Result<Option<Rounded>, CalibrateError> {
    let Some(node) = graph.nodes.iter().find(|node| node.name == name) else { return Ok(None) };
    let weights = Constants { graph, node }.weights()?;
    let taps = moments.view.taps();
    if taps != weights.taps() {
        return Ok(None);
    }
    let spread = |group| moments.products(group).and_then(|products| Spread::new(taps, &products));
    let spreads: Vec<Option<Spread>> = (0..moments.view.groups).map(spread).collect();
    Ok(Some(weights.rounded(&spreads)))
}

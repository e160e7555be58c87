//! An int8 network in the making: what was seen of the inputs that it is made from, and what follows from each decision by that.
//!
//! Drafts of one network share every decision; their numbers (where a percentile lies, how weights are rounded) come from the inputs
//! that each has seen. So a decision can be judged by inputs that had no part in the draft that they judge.

use super::{
    CalibrateError, Histogram,
    apply::{Recipe, quantize_by},
    calibrate::{Layer, Survey},
    constants::Constants,
    end::{End, Side},
    equalize::{self, EQUALIZED, Group},
    rounding::{Rounded, Spread},
    tune::Samples,
};
use crate::{
    graph::Graph,
    quantize::{QuantGraph, QuantizeError},
    validate::stage::BATCH,
};
use std::{collections::BTreeMap, rc::Rc};

#[derive(Clone)]
pub(super) struct Draft<'s> {
    /// The float network; equalizing changes its weights, not what it computes.
    pub graph: Rc<Graph>,
    pub survey: Rc<Survey>,
    pub recipe: Recipe,
    /// Ends of ranges that are not where the values seen end.
    ends: BTreeMap<(String, Side), End>,
    /// What the channels of values were multiplied by.
    factors: BTreeMap<String, Rc<[f32]>>,
    samples: &'s Samples<'s>,
    /// What it is made from, of the samples.
    numbers: Rc<[usize]>,
}

impl<'s> Draft<'s> {
    /// Min–max ranges, but for an input whose range is known, and nearest steps.
    pub fn new(graph: &Graph, samples: &'s Samples<'s>, numbers: &[usize]) -> Result<Self, CalibrateError> {
        let (survey, graph) = (Rc::new(survey(graph, samples, numbers)?), Rc::new(graph.clone()));
        let (recipe, ends, factors) = (Recipe::default(), BTreeMap::new(), BTreeMap::new());
        Ok(Self { graph, survey, recipe, ends, factors, samples, numbers: numbers.into() }.with_ranges())
    }

    /// The int8 network as it stands.
    pub fn network(&self) -> Result<QuantGraph, QuantizeError> {
        let mut network = quantize_by(&self.graph, &self.recipe)?;
        for tensor in &network.tensors {
            if let Some(factors) = self.factors.get(&tensor.name) {
                let channels = tensor.shape[0];
                let texts = (0..channels).map(|i| equalize::factor_of(factors, i, channels).to_string());
                network.metadata.insert(format!("{EQUALIZED}{}", tensor.name), texts.collect::<Vec<_>>().join(" "));
            }
        }
        Ok(network)
    }

    /// How one end of a value's range is set.
    pub fn end(&self, value: &str, side: Side) -> End {
        self.ends.get(&(value.into(), side)).copied().unwrap_or(End::Extreme)
    }

    /// With its inputs seen anew, by a network whose weights have changed.
    pub fn surveyed(&self) -> Result<Self, CalibrateError> {
        let survey = survey(&self.graph, self.samples, &self.numbers)?;
        Ok(Self { survey: Rc::new(survey), ..self.clone() }.with_ranges())
    }

    fn with_ranges(mut self) -> Self {
        self.recipe.ranges = self.survey.calibration.ranges();
        for ((value, side), end) in &self.ends {
            let seen = self.survey.calibration.histogram(value);
            if let (Some(range), Some(seen)) = (self.recipe.ranges.get_mut(value), seen) {
                *side.of(range) = end.limit(seen, *side);
            }
        }
        if let (Some(range), [input, ..]) = (self.samples.input_range, &self.graph.inputs[..]) {
            self.recipe.ranges.insert(input.name.clone(), range);
        }
        self
    }

    /// With the weights of layers rounded with regard to what they read; none where no layer can be.
    pub fn rounded(&self, layers: &[String]) -> Result<Option<Self>, CalibrateError> {
        let mut weights = self.recipe.weights.clone();
        for layer in self.survey.layers.iter().filter(|layer| layers.contains(&layer.name)) {
            if let Some(rounded) = rounded(&self.graph, layer)? {
                weights.insert(layer.name.clone(), rounded);
            }
        }
        let is_other = weights.len() > self.recipe.weights.len();
        let recipe = Recipe { weights, ..self.recipe.clone() };
        Ok(is_other.then(|| Self { recipe, ..self.clone() }))
    }

    /// With the channels of groups of values brought to one range; none where they are of one already.
    pub fn equalized(&self, groups: &[Group], share: f32) -> Result<Option<Self>, CalibrateError> {
        let mut draft = self.clone();
        let (graph, survey) = (Rc::make_mut(&mut draft.graph), Rc::make_mut(&mut draft.survey));
        let mut changed = Vec::new();
        for group in groups {
            let Some(factors) = group.factors(&survey.channels, share) else { continue };
            group.apply(graph, &factors);
            survey.scale(group, &factors);
            for maker in &group.makers {
                if let Some(Rounded { scales, .. }) = draft.recipe.weights.get_mut(maker) {
                    let outputs = scales.len();
                    scales
                        .iter_mut()
                        .enumerate()
                        .for_each(|(i, scale)| *scale *= equalize::factor_of(&factors, i, outputs));
                }
            }
            let factors: Rc<[f32]> = factors.into();
            draft.factors.extend(group.values.iter().map(|value| (value.clone(), Rc::clone(&factors))));
            changed.extend(group.readers.iter().filter(|reader| draft.recipe.weights.contains_key(*reader)));
        }
        for layer in draft.survey.layers.iter().filter(|layer| changed.contains(&&layer.name)) {
            if let Some(rounded) = rounded(&draft.graph, layer)? {
                draft.recipe.weights.insert(layer.name.clone(), rounded);
            }
        }
        Ok((draft.factors.len() > self.factors.len()).then_some(draft))
    }

    /// With one end of a value's range set; none where it is there already.
    pub fn ended(&self, value: &str, side: Side, end: End) -> Option<Self> {
        let limit = end.limit(self.seen(value)?, side);
        let mut draft = self.clone();
        let before = std::mem::replace(side.of(draft.recipe.ranges.get_mut(value)?), limit);
        draft.ends.insert((value.into(), side), end);
        (before != limit).then_some(draft)
    }

    /// What was seen of a value whose range may be chosen.
    pub fn seen(&self, value: &str) -> Option<&Histogram> {
        let is_known = self.samples.input_range.is_some() && self.graph.inputs.iter().any(|input| input.name == value);
        self.survey.calibration.histogram(value).filter(|_| !is_known)
    }
}

fn survey(graph: &Graph, samples: &Samples, numbers: &[usize]) -> Result<Survey, CalibrateError> {
    let batches = numbers.chunks(BATCH).map(|batch| samples.inputs.read(batch.iter().copied()));
    Survey::take(graph, BATCH, numbers.len(), batches)
}

/// A layer's weights, rounded with regard to what it reads; none where the node's weights do not fit its input, which quantizing
/// refuses by name.
fn rounded(graph: &Graph, layer: &Layer) -> Result<Option<Rounded>, CalibrateError> {
    let Some(node) = graph.nodes.iter().find(|node| node.name == layer.name) else { return Ok(None) };
    let weights = Constants { graph, node }.weights()?;
    let (moments, taps) = (&layer.moments, layer.moments.view.taps());
    if taps != weights.taps() {
        return Ok(None);
    }
    let spread = |group| moments.products(group).and_then(|products| Spread::new(taps, products, moments.inputs));
    let spreads: Vec<Option<Spread>> = (0..moments.view.groups).map(spread).collect();
    Ok(Some(weights.rounded(&spreads)))
}

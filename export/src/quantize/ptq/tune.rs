//! The choices that defend accuracy, each made by what it does to the network's output.
//!
//! It starts from plain min–max ranges and weights at their nearest steps, and changes one thing at a time: where ranges need room, how
//! weights are rounded, channels that share a scale, where ranges may end early. A change stays where it brings the int8 logits,
//! as the engine computes them, nearer to the float ones, by more than chance, on inputs that the judged network was not made from.
//! Where inputs are few they judge in turns: each change is made to drafts of the network that leave a part of the inputs out,
//! judged by these, and then made to the network of all inputs. Where ranges end early is judged by that network too.

use super::{
    CalibrateError,
    draft::Draft,
    end::{self, End, Side},
    equalize::{self, Group},
    judge::{Judge, Machine, Runnable},
    score::{Gain, Sqnr},
    watched,
};
use crate::{
    graph::Graph,
    inputs::Inputs,
    quantize::{QuantGraph, Range, Ranges, logits, operator::keeps_scale},
};
use std::rc::Rc;

/// Drafts that leave out a part of the inputs each.
const PARTS: usize = 4;
/// Fewer inputs judge nothing.
const LEAST_JUDGES: usize = 4;
/// A new input goes beyond what so many have shown once in as many times; after fewer, wider ranges are tried as well.
const ENOUGH_FOR_RANGES: usize = 64;
/// The least gain, in dB, that room in a range is made for. Few of the inputs that judge need it, so it is not sure by their number;
/// but those that do lose much without.
const ROOM_DB: f64 = 0.3;
/// Ends of a range that may do no good, one after the other, before narrower ones are not tried.
const PATIENCE: usize = 2;

/// Which inputs the choices are made from and by.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// Where they come from.
    pub inputs: &'a Inputs,
    /// What ranges and statistics are taken from, by number.
    pub calibration: &'a [usize],
    /// What choices are judged by; held in memory. Those that calibrate as well judge in turns, each a network made without them.
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
    /// What was tried, in order; nothing where there were too few inputs to judge by.
    pub choices: Vec<Choice>,
    /// How the network did with all choices, by inputs that what was judged had not seen.
    pub judged: Option<Sqnr>,
    /// Whether the engine ran what was judged; it was tract, where the engine has no plan for the network.
    pub in_engine: bool,
}

/// One thing that was decided by measurement.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Choice {
    /// The tensor or node; empty for the whole network.
    pub of: String,
    /// What was chosen for it.
    pub chosen: String,
    /// SQNR of the logits with it, in dB; of every network that judged it.
    pub sqnr_db: f64,
    /// How much better than before, in dB.
    pub gain_db: f64,
}

/// Quantizes with the choices that keep the logits nearest to the float network's. `done` hears of each value that is decided, of as
/// many as [`watched`] gives.
///
/// With fewer than four inputs to judge by, ranges are min–max and weights at their nearest steps.
///
/// # Errors
/// What the network or the inputs do not allow: one [`CalibrateError`] a cause.
pub fn tune(graph: &Graph, samples: &Samples, done: &dyn Fn(&str)) -> Result<Tuned, CalibrateError> {
    let mut tuning = Tuning::new(graph, samples)?;
    if samples.calibration.len() < ENOUGH_FOR_RANGES {
        for value in watched(graph) {
            tuning.widen(&value)?;
        }
    }
    tuning.round_weights()?;
    tuning.equalize()?;
    tuning.judge_whole()?;
    for value in watched(graph) {
        tuning.narrow(&value)?;
        done(&value);
    }
    let (draft, judged) = (tuning.fullest(), tuning.sqnr());
    let (graph, ranges) = (Graph::clone(&draft.graph), draft.recipe.ranges.clone());
    let in_engine = tuning.machine == Machine::Engine;
    Ok(Tuned { graph, network: draft.network()?, ranges, choices: tuning.choices, judged, in_engine })
}

/// A change that a draft may take: the draft with it, or none where there is nothing to change.
type Change<'c, 's> = &'c dyn Fn(&Draft<'s>) -> Result<Option<Draft<'s>>, CalibrateError>;

/// Energy of the error of each input that judges.
#[derive(Clone, Default)]
struct Errors {
    /// By the draft that has not seen the input.
    unseen: Vec<f64>,
    /// By that and the network of all inputs, where it is judged as well.
    all: Vec<f64>,
}

#[derive(Clone)]
struct Tuning<'s> {
    machine: Machine,
    /// What is judged, and by what.
    drafts: Vec<(Draft<'s>, Rc<Judge>)>,
    /// What is made from all of calibration, where no judged draft is.
    whole: Option<Draft<'s>>,
    /// Whether that is judged as well.
    judges_whole: bool,
    /// Energy of the float logits of every input that judges.
    signals: Rc<[f64]>,
    errors: Errors,
    choices: Vec<Choice>,
}

impl<'s> Tuning<'s> {
    fn new(graph: &Graph, samples: &'s Samples<'s>) -> Result<Self, CalibrateError> {
        let Samples { inputs, calibration, judging, .. } = *samples;
        let in_turns = judging.iter().any(|number| calibration.contains(number));
        let parts = if judging.len() < LEAST_JUDGES {
            0
        } else if in_turns {
            PARTS
        } else {
            1
        };
        let mut drafts = Vec::new();
        for part in 0..parts {
            let judges: Vec<usize> = judging.iter().copied().skip(part).step_by(parts).collect();
            let others: Vec<usize> = calibration.iter().copied().filter(|number| !judges.contains(number)).collect();
            let judge = Judge::new(graph, inputs.read(judges)?)?;
            drafts.push((Draft::new(graph, samples, &others)?, Rc::new(judge)));
        }
        let whole = if parts == 1 { None } else { Some(Draft::new(graph, samples, calibration)?) };
        let networks = drafts.iter().map(|(draft, _)| draft).chain(&whole).map(Draft::network);
        let machine = Machine::of(&networks.collect::<Result<Vec<_>, _>>()?);
        let signals = drafts.iter().flat_map(|(_, judge)| judge.signals()).collect();
        let (errors, choices) = (Errors::default(), Vec::new());
        let mut tuning = Self { machine, drafts, whole, judges_whole: false, signals, errors, choices };
        tuning.judge()?;
        tuning.note("", "min–max, nearest steps".into(), 0.0);
        Ok(tuning)
    }

    /// The draft that has seen the most, which is written in the end.
    fn fullest(&self) -> &Draft<'s> {
        self.whole.as_ref().unwrap_or_else(|| &self.drafts[0].0)
    }

    /// Lets what is made from all of calibration be judged as well. How errors add up or cancel differs from draft to draft, and it is
    /// this one that is written; that it has seen its judges matters little, for where a range ends leaves little to be learnt by heart.
    fn judge_whole(&mut self) -> Result<(), CalibrateError> {
        if self.whole.is_some() && !self.drafts.is_empty() {
            self.judges_whole = true;
            self.judge()?;
            self.note("", "made from all inputs, judged as well".into(), 0.0);
        }
        Ok(())
    }

    /// Asks the judges; false where a draft cannot be run.
    fn judge(&mut self) -> Result<bool, CalibrateError> {
        let whole = match self.whole.as_ref().map(|whole| self.runnable(whole)) {
            Some(None) => return Ok(false),
            runnable => runnable.flatten(),
        };
        let mut errors = Errors::default();
        for (draft, judge) in &self.drafts {
            let Some(network) = self.runnable(draft) else { return Ok(false) };
            let own = judge.errors(&network)?;
            let others = match &whole {
                Some(whole) if self.judges_whole => judge.errors(whole)?,
                _ => vec![0.0; own.len()],
            };
            errors.all.extend(own.iter().zip(others).map(|(own, other)| own + other));
            errors.unseen.extend(own);
        }
        self.errors = errors;
        Ok(true)
    }

    /// None where a change has left what int8 can hold, or what the engine has a plan for.
    fn runnable(&self, draft: &Draft) -> Option<Runnable> {
        self.machine.prepare(&draft.network().ok()?)
    }

    /// By inputs that the judged drafts had not seen; none without.
    fn sqnr(&self) -> Option<Sqnr> {
        (!self.drafts.is_empty()).then(|| Sqnr::of(&self.signals, &self.errors.unseen))
    }

    /// Every draft with a change; none where that changes none.
    fn changed(&self, change: Change<'_, 's>) -> Result<Option<Self>, CalibrateError> {
        let mut changed = self.clone();
        let mut is_other = false;
        for draft in changed.drafts.iter_mut().map(|(draft, _)| draft).chain(&mut changed.whole) {
            if let Some(other) = change(draft)? {
                (*draft, is_other) = (other, true);
            }
        }
        Ok(is_other.then_some(changed))
    }

    /// Makes a change whose gain suffices, and says how much it is, in dB.
    fn take(&mut self, change: Change<'_, 's>, suffices: fn(Gain) -> bool) -> Result<Option<f64>, CalibrateError> {
        let mut changed = match self.changed(change) {
            Ok(Some(changed)) => changed,
            // What cannot be quantized with the change can be without.
            Ok(None) | Err(CalibrateError::Quantize(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        if !changed.judge()? {
            return Ok(None);
        }
        let gain = Gain::of(&self.errors.all, &changed.errors.all);
        if !suffices(gain) {
            return Ok(None);
        }
        *self = changed;
        Ok(Some(gain.db))
    }

    /// Makes a change that is sure to gain, and a note of it.
    fn accept(&mut self, of: &str, what: &str, change: Change<'_, 's>) -> Result<bool, CalibrateError> {
        let gain_db = self.take(change, Gain::is_sure)?;
        if let Some(gain_db) = gain_db {
            self.note(of, what.into(), gain_db);
        }
        Ok(gain_db.is_some())
    }

    fn note(&mut self, of: &str, chosen: String, gain_db: f64) {
        if !self.drafts.is_empty() {
            let signals: Vec<f64> = self.signals.iter().map(|s| if self.judges_whole { 2.0 * s } else { *s }).collect();
            let sqnr_db = Sqnr::of(&signals, &self.errors.all).db;
            self.choices.push(Choice { of: of.into(), chosen, sqnr_db, gain_db });
        }
    }

    /// Makes room in a value's range for inputs that go beyond those seen.
    fn widen(&mut self, value: &str) -> Result<(), CalibrateError> {
        let before = self.fullest().clone();
        let Some(seen) = before.seen(value) else { return Ok(()) };
        let mut gain_db = 0.0;
        for side in Side::BOTH {
            for &end in end::wider(seen, side) {
                match self.take(&|draft| Ok(draft.ended(value, side, end)), |gain| gain.db > ROOM_DB)? {
                    Some(gain) => gain_db += gain,
                    None => break,
                }
            }
        }
        if gain_db > 0.0 {
            self.note(value, self.ends(value), gain_db);
        }
        Ok(())
    }

    /// Rounds the weights of all layers with regard to what they read, or of those where that is a gain.
    fn round_weights(&mut self) -> Result<(), CalibrateError> {
        let what = "weights rounded to make good each other's errors";
        let layers: Vec<String> = self.fullest().survey.layers.iter().map(|layer| layer.name.clone()).collect();
        if !self.accept("", what, &|draft| draft.rounded(&layers))? {
            for layer in layers {
                self.accept(&layer, what, &|draft| draft.rounded(std::slice::from_ref(&layer)))?;
            }
        }
        Ok(())
    }

    /// Brings the channels of values to one range: of all groups, or of those where that is a gain.
    fn equalize(&mut self) -> Result<(), CalibrateError> {
        let before = self.clone();
        let groups = equalize::groups(&self.fullest().graph)?;
        if !self.equalize_groups("", &groups)? {
            let mut is_any = false;
            for group in groups {
                let value = group.values.last().cloned().unwrap_or_default();
                is_any |= self.equalize_groups(&value, &[group])?;
            }
            if !is_any {
                return Ok(());
            }
        }
        for draft in self.drafts.iter_mut().map(|(draft, _)| draft).chain(&mut self.whole) {
            *draft = draft.surveyed()?;
        }
        // The ranges as they are, not as they were foretold, may have lost what was gained.
        let foretold = self.errors.all.clone();
        if self.judge()? && Gain::of(&before.errors.all, &self.errors.all).is_sure() {
            self.note("", "equalized channels seen anew".into(), Gain::of(&foretold, &self.errors.all).db);
        } else {
            *self = before;
        }
        Ok(())
    }

    fn equalize_groups(&mut self, of: &str, groups: &[Group]) -> Result<bool, CalibrateError> {
        for (share, what) in [(1.0, "channels equalized"), (0.5, "channels brought nearer to each other")] {
            if self.accept(of, what, &|draft| draft.equalized(groups, share))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Chooses both ends of a value's range, where there was no need to widen it.
    fn narrow(&mut self, value: &str) -> Result<(), CalibrateError> {
        let before = self.fullest().clone();
        // Clipped logits would make classes equal that are not.
        if value == scale_of(&before.graph, logits(&before.graph)?) {
            return Ok(());
        }
        let Some(seen) = before.seen(value) else { return Ok(()) };
        let mut gain_db = 0.0;
        for side in Side::BOTH.into_iter().filter(|&side| before.end(value, side) == End::Extreme) {
            let mut worse = 0;
            for end in end::narrower(seen, side) {
                match self.take(&|draft| Ok(draft.ended(value, side, end)), Gain::is_sure)? {
                    Some(gain) => (gain_db, worse) = (gain_db + gain, 0),
                    None => worse += 1,
                }
                // Ever narrower ranges clip ever more.
                if worse == PATIENCE {
                    break;
                }
            }
        }
        self.note(value, self.ends(value), gain_db);
        Ok(())
    }

    /// Where a value's range ends, in words.
    fn ends(&self, value: &str) -> String {
        let draft = self.fullest();
        let [low, high] = Side::BOTH.map(|side| draft.end(value, side));
        let is_signed = draft.recipe.ranges.get(value).is_some_and(|range| range.min < 0.0);
        if is_signed { format!("from {low} to {high}") } else { format!("to {high}") }
    }
}

/// The value whose scale a value has.
fn scale_of<'g>(graph: &'g Graph, mut value: &'g str) -> &'g str {
    while let Some(index) = graph.producer(value)
        && keeps_scale(&graph.nodes[index].op)
        && let Some(input) = graph.nodes[index].input(0)
    {
        value = input;
    }
    value
}

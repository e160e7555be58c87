//! How a picture, or an array, becomes the input of one file of a network: the only place that decides it.
//!
//! The files of one network may take the same picture in different ways: a float file what it was trained on, say (pixel − mean) / deviation,
//! and its int8 file pixels, as the normalization is folded in. Each file says it in its metadata, and an [`Intake`] is what it says.

use super::{InputError, Normalization, Shape};
use crate::graph::{Graph, shape};
use infer_nostd::TensorInfo;
use std::collections::BTreeMap;

/// Before the keys of the normalization that an int8 file has folded in.
const FLOAT: &str = "float.";

/// How a file takes a network's input.
#[derive(Debug, Clone, PartialEq)]
pub struct Intake {
    /// Channels, height and width of one input.
    pub shape: Shape,
    /// What becomes of pixels; none where the file does not say it, and pixels in 0…1 are what most take.
    pub normalization: Option<Normalization>,
    /// The float network's normalization, where another one is folded in: numbers that are no bytes are taken as the float network takes them.
    pub trained: Option<Normalization>,
    /// Whether an array whose dimensions fit either way has its channels last, as the file that was imported has them.
    pub channels_last: bool,
}

impl From<Shape> for Intake {
    /// Pixels in 0…1, other numbers as they are.
    fn from(shape: Shape) -> Self {
        Self { shape, normalization: None, trained: None, channels_last: false }
    }
}

impl Intake {
    /// What a graph says of its one input, in the order of axes that it declares (channels first, for a normalized graph).
    ///
    /// # Errors
    /// Metadata that holds no numbers.
    pub fn of_graph(graph: &Graph) -> Result<Option<Self>, InputError> {
        let [input] = &graph.inputs[..] else { return Ok(None) };
        let Some(dims) = shape::sample_dims(input) else { return Ok(None) };
        Self::of_metadata([0, 1, 2].map(|axis| dims.get(axis).copied().unwrap_or(1)), &input.name, &graph.metadata)
            .map(Some)
    }

    /// What a file's metadata says of the input `name` of that shape.
    ///
    /// # Errors
    /// Metadata that holds no numbers.
    pub fn of_metadata(shape: Shape, name: &str, metadata: &BTreeMap<String, String>) -> Result<Self, InputError> {
        Ok(Self {
            shape,
            normalization: Normalization::from_metadata(metadata)?,
            trained: Normalization::from_prefixed(FLOAT, metadata)?,
            channels_last: crate::graph::passes::had_channels_last(metadata, name),
        })
    }

    /// What a plan's input says: where its step is a level of pixels, it takes the level as pixel − 128.
    pub fn of_plan(input: &TensorInfo) -> Self {
        let is_level = (input.scale * 255.0 - 1.0).abs() < 1e-6; // a few roundings of f32
        let zero = (f32::from(input.zero_point) + 128.0) / 255.0;
        let level = || Normalization { mean: vec![zero], ..Normalization::default() };
        Self { normalization: is_level.then(level), ..input.shape().into() }
    }

    /// The same, with a normalization in place of the file's own.
    pub fn with(self, normalization: Normalization) -> Self {
        Self { normalization: Some(normalization), ..self }
    }

    /// Writes down that a network takes pixels by `folded` by now, and took them as this says before.
    pub fn note_folded(&self, folded: &Normalization, metadata: &mut BTreeMap<String, String>) {
        folded.to_metadata(metadata);
        if let Some(before) = &self.normalization {
            before.to_prefixed(FLOAT, metadata);
        }
    }

    /// Completes what files of one network say by what the others do. A float file that says nothing takes what its int8 file has folded in; a plan
    /// that says nothing takes what the file before it does; numbers are in all of them the float network's, and arrays in the imported file's order.
    pub fn complete(files: &mut [(Intake, IsFloat)]) {
        let folded = files.iter().find_map(|(intake, _)| intake.trained.clone());
        let said = files.first().and_then(|(first, _)| first.normalization.clone());
        let trained = folded.or(said);
        let channels_last = files.iter().any(|(intake, _)| intake.channels_last);
        let mut before = None;
        for (intake, is_float) in files {
            let other = if *is_float { &trained } else { &before };
            intake.normalization = intake.normalization.take().or_else(|| other.clone());
            intake.trained = trained.clone();
            intake.channels_last = channels_last;
            before = intake.normalization.clone();
        }
    }
}

/// Whether a file works on floats.
pub type IsFloat = bool;

#[cfg(test)]
mod tests {
    use super::*;

    fn imagenet() -> Normalization {
        Normalization { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225], ..Normalization::default() }
    }

    fn plan_input(scale: f32, zero_point: i8) -> TensorInfo {
        TensorInfo { channels: 3, height: 4, width: 5, scale, zero_point }
    }

    #[test]
    fn a_plan_whose_step_is_a_level_takes_bytes() {
        let of = |zero_point| Intake::of_plan(&plan_input(1.0 / 255.0, zero_point)).normalization.unwrap();
        assert_eq!(of(-128), Normalization::default());
        assert_eq!(of(-128 + 51).mean, [0.2]);
        let reals = Intake::of_plan(&plan_input(0.02, 3));
        assert_eq!((reals.shape, reals.normalization), ([3, 4, 5], None));
    }

    #[test]
    fn what_was_folded_is_written_and_read() {
        let mut metadata = BTreeMap::new();
        Intake::from([3, 4, 5]).with(imagenet()).note_folded(&Normalization::default(), &mut metadata);
        let read = Intake::of_metadata([3, 4, 5], "x", &metadata).unwrap();
        assert_eq!((read.normalization, read.trained), (Some(Normalization::default()), Some(imagenet())));
    }

    #[test]
    fn files_of_one_network_complete_each_other() {
        let silent = || Intake::from([3, 4, 5]);
        let int8 = Intake { trained: Some(imagenet()), ..silent().with(Normalization::default()) };
        let mut files = [(silent(), true), (int8, false), (silent(), false)];
        Intake::complete(&mut files);
        let [float, int8, plan] = files.map(|(intake, _)| intake);
        assert_eq!(float.normalization, Some(imagenet()));
        assert_eq!(plan, int8);
        // A file that says what it takes is believed.
        let mut files = [(silent().with(imagenet()), true), (Intake::of_plan(&plan_input(1.0 / 255.0, -128)), false)];
        Intake::complete(&mut files);
        assert_eq!(files[1].0.normalization, Some(Normalization::default()));
        assert_eq!(files[1].0.trained, Some(imagenet()));
        let mut files = [(Intake { channels_last: true, ..silent() }, true), (silent(), false)];
        Intake::complete(&mut files);
        assert!(files[1].0.channels_last, "the plan of an imported file is given the same arrays");
        let mut files = [(silent(), true), (silent(), false)];
        Intake::complete(&mut files);
        assert_eq!(files, [(silent(), true), (silent(), false)]);
    }
}

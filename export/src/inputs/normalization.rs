//! What a network was trained on instead of pixels: (pixel − mean) / deviation, of pixels in 0…1 or 0…255.

use super::InputError;
use std::collections::BTreeMap;

/// Key of the means in an ONNX file's `metadata_props`, numbers with commas between.
const MEAN: &str = "input.mean";
/// Key of the deviations.
const STD: &str = "input.std";
/// Key of the brightest pixel, 1 or 255.
const BRIGHTEST: &str = "input.brightest";
/// ONNX's own key for the range that pixels are brought to.
const RANGE: &str = "Image.NominalPixelRange";

/// (pixel − mean) / deviation, for all channels or one a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// What the brightest pixel is before: 1, or 255 for bytes as they are.
    pub brightest: f32,
    /// Subtracted from the pixel.
    pub mean: Vec<f32>,
    /// What the difference is divided by; not zero.
    pub std: Vec<f32>,
}

impl Default for Normalization {
    /// Pixels in 0…1.
    fn default() -> Self {
        Self { brightest: 1.0, mean: vec![0.0], std: vec![1.0] }
    }
}

impl Normalization {
    /// Pixels as they are, 0…255.
    pub fn bytes() -> Self {
        Self { brightest: 255.0, ..Self::default() }
    }

    /// What an ONNX file's metadata says: `input.mean`, `input.std` and `input.brightest`, or `Image.NominalPixelRange`; none where it says nothing.
    ///
    /// # Errors
    /// Numbers that are none.
    pub fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Option<Self>, InputError> {
        if let Some(said) = Self::from_prefixed("", metadata)? {
            return Ok(Some(said));
        }
        Ok(match metadata.get(RANGE).map(String::as_str) {
            Some("NominalRange_0_255") => Some(Self::bytes()),
            Some("Normalized_0_1") => Some(Self::default()),
            Some("Normalized_1_1") => Some(Self { mean: vec![0.5], std: vec![0.5], ..Self::default() }),
            _ => None,
        })
    }

    /// The same, of keys that begin with `prefix`, without the range.
    pub(super) fn from_prefixed(prefix: &str, metadata: &BTreeMap<String, String>) -> Result<Option<Self>, InputError> {
        let text = |key: &str| metadata.get(&format!("{prefix}{key}"));
        let numbers = |key: &'static str, missing: f32| match text(key) {
            None => Ok(vec![missing]),
            Some(text) => parse(text).ok_or_else(|| InputError::Normalization {
                what: key,
                expected: "numbers with commas between".into(),
                found: format!("`{text}`"),
            }),
        };
        if [MEAN, STD, BRIGHTEST].iter().all(|key| text(key).is_none()) {
            return Ok(None);
        }
        let brightest = numbers(BRIGHTEST, 1.0)?[0];
        Ok(Some(Self { brightest, mean: numbers(MEAN, 0.0)?, std: numbers(STD, 1.0)? }))
    }

    /// As [`from_metadata`](Self::from_metadata) reads it.
    pub fn to_metadata(&self, metadata: &mut BTreeMap<String, String>) {
        metadata.remove(RANGE);
        self.to_prefixed("", metadata);
    }

    pub(super) fn to_prefixed(&self, prefix: &str, metadata: &mut BTreeMap<String, String>) {
        let text = |values: &[f32]| values.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
        metadata.insert(format!("{prefix}{BRIGHTEST}"), self.brightest.to_string());
        metadata.insert(format!("{prefix}{MEAN}"), text(&self.mean));
        metadata.insert(format!("{prefix}{STD}"), text(&self.std));
    }

    /// Factor and offset, a channel, that turn what this makes of a pixel into what `other` makes of it; none where that is the same.
    pub fn into_other(&self, other: &Self, channels: usize) -> Vec<[f32; 2]> {
        if self == other {
            return vec![];
        }
        let of = |channel| {
            let ((mean, std), (other_mean, other_std)) = (self.of(channel), other.of(channel));
            let brighter = f64::from(other.brightest) / f64::from(self.brightest);
            let factor = f64::from(std) * brighter / f64::from(other_std);
            let offset = (f64::from(mean) * brighter - f64::from(other_mean)) / f64::from(other_std);
            [factor as f32, offset as f32]
        };
        (0..channels).map(of).collect()
    }

    /// Whether there are means and deviations for so many channels.
    ///
    /// # Errors
    /// Other numbers of them, what is not finite, or deviations of zero.
    pub fn check(&self, channels: usize) -> Result<(), InputError> {
        let brightest = vec![self.brightest];
        for (what, values) in [("brightest pixel", &brightest), ("mean", &self.mean), ("standard deviation", &self.std)]
        {
            let usable = |v: &f32| if what == "mean" { v.is_finite() } else { v.is_normal() };
            if ![1, channels].contains(&values.len()) || !values.iter().all(usable) {
                let expected = format!("1 or {channels} finite numbers, not zero but for means");
                return Err(InputError::Normalization { what, expected, found: format!("{values:?}") });
            }
        }
        Ok(())
    }

    /// Mean and deviation of a channel.
    pub fn of(&self, channel: usize) -> (f32, f32) {
        let pick = |values: &[f32], missing| values.get(channel).or(values.first()).copied().unwrap_or(missing);
        (pick(&self.mean, 0.0), pick(&self.std, 1.0))
    }

    /// Pixels 0…255, C×H×W, → what the network takes.
    pub(super) fn apply(&self, values: &mut [f32], channels: usize) {
        let plane = (values.len() / channels.max(1)).max(1);
        for (channel, values) in values.chunks_mut(plane).enumerate() {
            let (mean, std) = self.of(channel);
            for value in values {
                *value = (*value * self.brightest / 255.0 - mean) / std;
            }
        }
    }
}

/// Numbers with commas between.
fn parse(text: &str) -> Option<Vec<f32>> {
    text.split(',').map(|number| number.trim().parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let rgb = Normalization { brightest: 1.0, mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] };
        let mut metadata = BTreeMap::from([(RANGE.to_string(), "Normalized_0_1".to_string())]);
        rgb.to_metadata(&mut metadata);
        assert_eq!(metadata["input.mean"], "0.485,0.456,0.406");
        assert_eq!(Normalization::from_metadata(&metadata).unwrap(), Some(rgb));
        let range = |text: &str| Normalization::from_metadata(&[(RANGE.to_string(), text.to_string())].into()).unwrap();
        assert_eq!(range("NominalRange_0_255"), Some(Normalization::bytes()));
        assert_eq!(range("Normalized_0_1"), Some(Normalization::default()));
        assert_eq!(range("NominalRange_16_235"), None);
        let wrong = Normalization::from_metadata(&[(MEAN.to_string(), "a".to_string())].into()).unwrap_err();
        assert!(wrong.to_string().starts_with("input.mean: expected numbers with commas between, found `a`"));
    }

    #[test]
    fn channels_are_normalized_apart() {
        let two = Normalization { mean: vec![0.0, 0.5], std: vec![1.0, 0.25], ..Normalization::default() };
        let mut values = [0.0, 255.0, 0.0, 255.0];
        two.apply(&mut values, 2);
        assert_eq!(values, [0.0, 1.0, -2.0, 2.0]);
        for pixel in (0..=255u8).map(f32::from) {
            let mut values = [pixel, pixel];
            Normalization::bytes().apply(&mut values[..1], 1);
            Normalization::default().apply(&mut values[1..], 1);
            assert_eq!(values, [pixel, pixel / 255.0]);
        }
    }

    #[test]
    fn what_one_makes_becomes_what_another_makes() {
        let one = Normalization { brightest: 255.0, mean: vec![100.0, 110.0], std: vec![50.0] };
        let other = Normalization { brightest: 1.0, mean: vec![0.5], std: vec![0.25, 0.5] };
        let factors = one.into_other(&other, 2);
        for pixel in [0.0, 51.0, 255.0] {
            let (mut from, mut to) = ([pixel; 2], [pixel; 2]);
            one.apply(&mut from, 2);
            other.apply(&mut to, 2);
            for channel in 0..2 {
                let [factor, offset] = factors[channel];
                assert!((from[channel] * factor + offset - to[channel]).abs() < 1e-6, "{pixel} {channel}");
            }
        }
        assert_eq!(one.into_other(&one, 2), [[0.0; 2]; 0]);
    }

    #[test]
    fn unusable_numbers_are_refused() {
        let error =
            |mean: &[f32], std: &[f32]| Normalization { brightest: 1.0, mean: mean.into(), std: std.into() }.check(3);
        assert!(error(&[0.0], &[1.0, 1.0, 1.0]).is_ok());
        for (mean, std) in [(&[0.0, 0.0][..], &[1.0][..]), (&[0.0], &[0.0]), (&[f32::NAN], &[1.0]), (&[0.0], &[])] {
            assert!(error(mean, std).is_err(), "{mean:?} {std:?}");
        }
    }
}

//! What the user asks of a network, and what misses it.

use anyhow::{Result, ensure};
use export::validate::{Difference, Layer, Row};

/// Thresholds; each is a check of every stage that it applies to.
#[derive(Debug, clap::Args)]
pub struct Limits {
    /// Fail (status 1) where a stage's accuracy is below this, in percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_accuracy: Option<f64>,
    /// Fail where a stage agrees with the one before on fewer images than this, in percent
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_agreement: Option<f64>,
    /// Fail where an answer is farther than this from the stage before, in int8 steps
    #[arg(long, value_name = "STEPS")]
    max_step: Option<u32>,
    /// Fail where the answers' root mean square difference from the stage before is above this
    #[arg(long, value_name = "REAL", value_parser = real)]
    max_rmse: Option<f64>,
    /// Fail where the cosine between the answers and those of the stage before is below this
    #[arg(long, value_name = "REAL", value_parser = real)]
    min_cosine: Option<f64>,
    /// Fail where the SQNR of the answers against the stage before is below this, in dB
    #[arg(long, value_name = "DB", value_parser = real)]
    min_sqnr: Option<f64>,
    /// Fail where a layer's SQNR against the float file is below this, in dB
    #[arg(long, value_name = "DB", value_parser = real)]
    min_layer_sqnr: Option<f64>,
    /// Fail where a layer of a plan is farther than this from the int8 file, given the same inputs, in steps
    #[arg(long, value_name = "STEPS", default_value_t = 1)]
    pub layer_tolerance: u32,
}

/// A threshold that figures can miss and reach: every figure would pass one that is not a number.
fn real(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| value.is_finite());
    value.ok_or_else(|| "expected a finite number".into())
}

fn percent(text: &str) -> Result<f64, String> {
    let value = real(text).ok().filter(|value| (0.0..=100.0).contains(value));
    value.ok_or_else(|| "expected a percentage, 0 to 100".into())
}

/// One threshold, and the figures that it holds for.
struct Check {
    option: &'static str,
    what: &'static str,
    limit: Option<f64>,
    /// Where a figure is of, and the figure.
    found: Vec<(String, f64)>,
    side: Side,
    unit: Unit,
}

/// Which side of its limit a figure must not be on.
#[derive(Clone, Copy)]
enum Side {
    Below,
    Above,
}

/// How a figure is written.
#[derive(Clone, Copy)]
enum Unit {
    Percent,
    Decibels,
    Plain,
}

impl Limits {
    /// A line for each check that fails.
    ///
    /// # Errors
    /// A threshold that nothing can be held to: it would pass unseen.
    pub fn misses(&self, rows: &[Row]) -> Result<Vec<String>> {
        let mut misses = Vec::new();
        for check in self.checks(rows) {
            misses.extend(check.misses()?);
        }
        misses.extend(rows.iter().filter_map(divergence));
        Ok(misses)
    }

    fn checks(&self, rows: &[Row]) -> [Check; 7] {
        use Side::{Above, Below};
        use Unit::{Decibels, Percent, Plain};
        let check = |option, what, limit, found, side, unit| Check { option, what, limit, found, side, unit };
        let accuracy = each(rows, |row| row.accuracy);
        let against = |figure: fn(&Difference) -> Option<f64>| each(rows, |row| figure(row.against.as_ref()?));
        let agreement = against(|difference| difference.agreement);
        let steps = against(|difference| difference.max_step.map(f64::from));
        let [rmse, cosine] =
            [against(|difference| Some(difference.rmse)), against(|difference| Some(difference.cosine))];
        let sqnr = against(|difference| Some(difference.sqnr_db));
        [
            check("--min-accuracy", "accuracy", self.min_accuracy, accuracy, Below, Percent),
            check("--min-agreement", "agreement", self.min_agreement, agreement, Below, Percent),
            check("--max-step", "largest step", self.max_step.map(f64::from), steps, Above, Plain),
            check("--max-rmse", "RMSE", self.max_rmse, rmse, Above, Plain),
            check("--min-cosine", "cosine", self.min_cosine, cosine, Below, Plain),
            check("--min-sqnr", "SQNR", self.min_sqnr, sqnr, Below, Decibels),
            check("--min-layer-sqnr", "SQNR to float", self.min_layer_sqnr, layers(rows), Below, Decibels),
        ]
    }
}

/// A figure of each stage that has it.
fn each(rows: &[Row], figure: impl Fn(&Row) -> Option<f64>) -> Vec<(String, f64)> {
    rows.iter().filter_map(|row| Some((row.stage.clone(), figure(row)?))).collect()
}

/// The SQNR of each layer that has one.
fn layers(rows: &[Row]) -> Vec<(String, f64)> {
    let all = rows.iter().flat_map(|row| row.layers.iter().map(move |layer| (row, layer)));
    let place = |row: &Row, layer: &Layer| format!("{}: layer `{}`", row.stage, layer.layer);
    all.filter_map(|(row, layer)| Some((place(row, layer), layer.sqnr_db?))).collect()
}

impl Check {
    fn misses(&self) -> Result<Vec<String>> {
        let Self { option, what, found, unit, .. } = self;
        let Some(limit) = self.limit else { return Ok(Vec::new()) };
        ensure!(
            !found.is_empty(),
            "{option}: nothing here has this figure; give labels, a second stage, or a plan after its ONNX files"
        );
        let is_missed = |figure: f64| match self.side {
            Side::Below => figure < limit || figure.is_nan(),
            Side::Above => figure > limit || figure.is_nan(),
        };
        let missed = found.iter().filter(|(_, figure)| is_missed(*figure));
        let line = |(place, figure): &(String, f64)| {
            format!("{place}: {what} is {}, {option} asks for {}", unit.show(*figure), unit.show(limit))
        };
        Ok(missed.map(line).collect())
    }
}

impl Unit {
    fn show(self, figure: f64) -> String {
        match self {
            Self::Percent => format!("{figure:.2} %"),
            Self::Decibels => format!("{figure:.1} dB"),
            Self::Plain => figure.to_string(),
        }
    }
}

/// The first layer that is wrong, and how many more there are.
fn divergence(row: &Row) -> Option<String> {
    let wrong: Vec<_> = row.layers.iter().filter(|layer| layer.divergence.is_some()).collect();
    let first = wrong.first()?;
    let others = match wrong.len() - 1 {
        0 => "the other layers are right".to_string(),
        more => format!("{more} more differ of themselves"),
    };
    Some(format!(
        "{}: the first wrong layer is `{}` ({}): {}. Given the engine's inputs, {others}",
        row.stage,
        first.layer,
        first.kind,
        first.divergence.as_ref()?
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        limits: Limits,
    }

    fn misses(line: &str) -> Vec<String> {
        let against = Difference {
            agreement: Some(98.9),
            max_step: Some(2),
            rmse: 0.25,
            cosine: 0.999,
            sqnr_db: 30.0,
            worst_image: Some(3),
        };
        let row = Row {
            stage: "int8".into(),
            images: 10,
            accuracy: Some(90.0),
            against: Some(against),
            board: None,
            confusion: vec![],
            layers: vec![],
        };
        let arguments = ["only"].into_iter().chain(line.split_whitespace());
        Only::parse_from(arguments).limits.misses(&[row]).unwrap_or_else(|error| vec![error.to_string()])
    }

    #[test]
    fn what_is_reached_is_silent() {
        let line =
            "--min-accuracy 90 --min-agreement 98.9 --max-step 2 --max-rmse 0.25 --min-cosine 0.999 --min-sqnr 30";
        assert_eq!(misses(line), [""; 0]);
    }

    #[test]
    fn each_threshold_names_the_stage_the_figure_and_itself() {
        for (line, expected) in [
            ("--min-accuracy 90.1", "int8: accuracy is 90.00 %, --min-accuracy asks for 90.10 %"),
            ("--min-agreement 99", "int8: agreement is 98.90 %, --min-agreement asks for 99.00 %"),
            ("--max-step 1", "int8: largest step is 2, --max-step asks for 1"),
            ("--max-rmse 0.2", "int8: RMSE is 0.25, --max-rmse asks for 0.2"),
            ("--min-cosine 0.9999", "int8: cosine is 0.999, --min-cosine asks for 0.9999"),
            ("--min-sqnr 30.5", "int8: SQNR is 30.0 dB, --min-sqnr asks for 30.5 dB"),
        ] {
            assert_eq!(misses(line), [expected]);
        }
    }

    #[test]
    fn a_threshold_that_no_figure_misses_is_refused() {
        for line in [
            "--min-accuracy=nan",
            "--min-accuracy=100.5",
            "--min-agreement=-1",
            "--max-rmse=inf",
            "--min-cosine=NaN",
            "--min-sqnr=-inf",
            "--min-layer-sqnr=nan",
            "--max-step=-1",
        ] {
            assert!(Only::try_parse_from(["only", line]).is_err(), "{line}");
        }
        assert_eq!(misses("--min-accuracy 0 --min-sqnr=-3.5"), [""; 0]);
    }

    #[test]
    fn a_threshold_that_nothing_is_held_to_is_refused() {
        let found = misses("--min-layer-sqnr 20");
        assert!(found[0].starts_with("--min-layer-sqnr: nothing here has this figure"), "{found:?}");
    }
}

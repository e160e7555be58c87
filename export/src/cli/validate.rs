//! `export validate`: every stage answers the same images, and each is held against the one before.

use super::network::{self, Network};
use super::{emulated, files, images::check_shape, progress};
use anyhow::{Context, Result, bail, ensure};
use data::{Dataset, Split};
use export::{
    board::On,
    report,
    validate::{self, Answers, Difference, Row, Stage},
};
use std::path::{Path, PathBuf};

/// The files of a network in the zoo, in the order of the road.
const STAGES: [&str; 3] = ["float.onnx", "int8.onnx", "net.plan"];

/// A stage, and the file or the folder it is of.
type Opened = (PathBuf, Box<dyn Stage>);

/// Run every stage over the same test images and compare them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  export validate models/mnist-cnn --data mnist
  export validate models/mnist-cnn --data digits --limit 200 --on qemu:stm32vldiscovery
  export validate float.onnx int8.onnx net.plan --data digits --limit 500 --min-agreement 99.5")]
pub struct Validate {
    /// ONNX files and plans in the order of comparison, or a folder with float.onnx, int8.onnx and net.plan
    #[arg(default_value = "models/mnist-cnn")]
    files: Vec<PathBuf>,
    /// Images to judge with, from the test part: mnist, digits, or a folder of IDX files
    #[arg(long, value_name = "SOURCE")]
    data: data::Source,
    /// Run on an emulated board as well, after this machine: a plan as it is, a folder's int8.onnx by the fastest plan for the
    /// board's core that fits; may be given again for another
    #[arg(long, value_name = "qemu:BOARD")]
    on: Vec<On>,
    /// Only the first N images
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Write the table as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail (status 1) where a stage's accuracy is below this, in percent
    #[arg(long, value_name = "PERCENT")]
    min_accuracy: Option<f64>,
    /// Fail (status 1) where a stage agrees with the one before on fewer images than this, in percent
    #[arg(long, value_name = "PERCENT")]
    min_agreement: Option<f64>,
}

impl Validate {
    /// Prints the table; false where a threshold is missed.
    pub fn run(&self) -> Result<bool> {
        let stages = self.stages()?;
        let dataset = self.dataset()?;
        for (path, stage) in &stages {
            check_shape(path, stage.input_shape(), &dataset.name, [dataset.channels, dataset.height, dataset.width])?;
        }
        let rows = rows(&stages, &dataset)?;
        print!("{}{}", table(&rows), boards_table(&rows));
        if let Some(path) = &self.json {
            files::write(path, (serde_json::to_string_pretty(&rows)? + "\n").as_bytes())?;
        }
        Ok(self.misses(&rows).iter().inspect(|miss| eprintln!("{miss}")).count() == 0)
    }

    fn stages(&self) -> Result<Vec<Opened>> {
        let mut stages = Vec::new();
        let mut is_run = self.on.is_empty();
        for argument in &self.files {
            let mut plan = None;
            for path in expand(argument)? {
                let bytes = files::read(&path)?;
                stages.push((path.clone(), validate::open(&bytes).with_context(|| path.display().to_string())?));
                plan = validate::is_plan(&bytes).then_some(Network::Plan(bytes));
            }
            if !self.on.is_empty()
                && let Some(network) = self.network(argument, plan)?
            {
                self.on_boards(argument, &network, &mut stages)?;
                is_run = true;
            }
        }
        ensure!(
            is_run,
            "--on runs plans, and there is none among the files; make one with `export plan`, or give a folder with int8.onnx"
        );
        Ok(stages)
    }

    /// What of an argument runs on boards: its plan, or what an int8 ONNX file in a folder says, to be planned for each core.
    fn network(&self, argument: &Path, plan: Option<Network>) -> Result<Option<Network>> {
        let int8 = network::file_of(argument);
        if argument.is_dir() && int8.exists() { Network::open(&int8).map(Some) } else { Ok(plan) }
    }

    fn on_boards(&self, argument: &Path, network: &Network, stages: &mut Vec<Opened>) -> Result<()> {
        let name = || argument.display().to_string();
        for on in &self.on {
            let plan = network.plan_for(on.0).with_context(name)?;
            // The engine on this machine stands between tract and the boards.
            if stages.last().is_some_and(|(path, _)| path.extension().is_some_and(|e| e == "onnx")) {
                stages.push((argument.into(), validate::open(&plan).with_context(name)?));
            }
            stages.push((argument.into(), Box::new(emulated::stage(*on, &plan).with_context(name)?)));
        }
        Ok(())
    }

    fn dataset(&self) -> Result<Dataset> {
        let dataset = data::open(&self.data, Split::Test)?.take(self.limit.unwrap_or(usize::MAX));
        ensure!(
            !dataset.is_empty(),
            "--data {}: expected at least one image, found none; give a larger --limit",
            self.data
        );
        Ok(dataset)
    }

    fn misses(&self, rows: &[Row]) -> Vec<String> {
        let miss = |what: &str, row: &Row, found: f64, least: Option<f64>| {
            let least = least.filter(|&least| found < least)?;
            Some(format!("{}: {what} {:.2} % is below the {least} % asked for", row.stage, found))
        };
        let accuracy = rows.iter().filter_map(|row| miss("accuracy", row, row.accuracy, self.min_accuracy));
        let agreement =
            rows.iter().filter_map(|row| miss("agreement", row, row.against.as_ref()?.agreement, self.min_agreement));
        // The same integers on the desk and on the board: anything else is a defect, whatever was asked for.
        let bits = rows.iter().filter_map(|row| {
            let steps = row.board.and(row.against.as_ref()?.max_step).filter(|&steps| steps > 0)?;
            Some(format!("{}: differs from this machine by up to {steps} steps, expected the same bits", row.stage))
        });
        accuracy.chain(agreement).chain(bits).collect()
    }
}

/// A folder stands for those of its files that there are.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let found: Vec<_> = STAGES.iter().map(|name| path.join(name)).filter(|file| file.exists()).collect();
    ensure!(!found.is_empty(), "{}: expected {} in this folder, found none of them", path.display(), STAGES.join(", "));
    Ok(found)
}

fn rows(stages: &[Opened], dataset: &Dataset) -> Result<Vec<Row>> {
    let progress = progress::bar("validating", stages.len() * dataset.len());
    let (mut rows, mut before) = (Vec::new(), None::<Answers>);
    for (path, stage) in stages {
        let answers = validate::answers(&**stage, dataset, &|n| progress.inc(n as u64));
        let answers = answers.with_context(|| path.display().to_string())?;
        ensure!(
            answers.logits.iter().all(|logit| logit.is_finite()),
            "{}: some answers are not numbers; check the weights of the network",
            path.display()
        );
        let count = |answers: &Answers| answers.logits.len() / dataset.len();
        if let Some(other) = before.as_ref().map(count).filter(|&other| other != count(&answers)) {
            bail!(
                "{}: gives {} values an image, the file before it {other}; compare files of one network",
                path.display(),
                count(&answers)
            );
        }
        let row = validate::compare(&answers, before.as_ref(), &dataset.labels);
        rows.push(Row { board: stage.figures(), ..row });
        before = Some(answers);
    }
    progress.finish_and_clear();
    Ok(rows)
}

fn table(rows: &[Row]) -> String {
    let headers = ["stage", "images", "accuracy", "agreement", "max step", "RMSE", "cosine", "SQNR"];
    report::table(&headers, &rows.iter().map(line).collect::<Vec<_>>())
}

/// What the emulated boards took, if there were any.
fn boards_table(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let board = row.board?;
        let bytes = |count: usize| report::grouped(count as u64);
        let ram = [board.ram_bytes, board.static_bytes, board.stack_bytes].map(bytes);
        let numbers = [&[report::grouped(board.instructions), bytes(board.flash_bytes)][..], &ram].concat();
        Some([vec![row.stage.clone()], numbers].concat())
    };
    let lines: Vec<_> = rows.iter().filter_map(line).collect();
    if lines.is_empty() {
        return String::new();
    }
    let headers = ["board", "instructions", "flash bytes", "RAM bytes", "static", "stack"];
    format!("\n{}", report::table(&headers, &lines))
}

fn line(row: &Row) -> Vec<String> {
    let mut line = vec![row.stage.clone(), row.images.to_string(), format!("{:.2} %", row.accuracy)];
    line.extend(row.against.iter().flat_map(columns));
    line
}

/// Agreement, largest step, RMSE, cosine, SQNR.
fn columns(difference: &Difference) -> [String; 5] {
    let Difference { agreement, max_step, rmse, cosine, sqnr_db } = difference;
    [
        format!("{agreement:.2} %"),
        max_step.map_or("–".into(), |steps| steps.to_string()),
        format!("{rmse:.5}"),
        format!("{cosine:.6}"),
        if *sqnr_db == f64::INFINITY { "equal".into() } else { format!("{sqnr_db:.1} dB") },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(agreement: f64) -> Row {
        let against = Difference { agreement, max_step: Some(1), rmse: 0.25, cosine: 0.999, sqnr_db: 30.0 };
        Row { stage: "int8".into(), images: 10, accuracy: 90.0, against: Some(against), board: None }
    }

    fn validate(min_accuracy: Option<f64>, min_agreement: Option<f64>) -> Validate {
        Validate {
            files: vec![],
            data: data::Source::Digits,
            on: vec![],
            limit: None,
            json: None,
            min_accuracy,
            min_agreement,
        }
    }

    #[test]
    fn thresholds_are_in_percent_and_name_the_stage() {
        assert_eq!(validate(Some(90.0), Some(99.0)).misses(&[row(99.0)]), [""; 0]);
        let expected = ["int8: agreement 98.90 % is below the 99 % asked for"];
        assert_eq!(validate(None, Some(99.0)).misses(&[row(98.9)]), expected);
        let expected = ["int8: accuracy 90.00 % is below the 90.1 % asked for"];
        assert_eq!(validate(Some(90.1), None).misses(&[row(100.0)]), expected);
    }

    #[test]
    fn a_line_of_the_table() {
        assert_eq!(line(&row(99.0)), ["int8", "10", "90.00 %", "99.00 %", "1", "0.25000", "0.999000", "30.0 dB"]);
    }
}

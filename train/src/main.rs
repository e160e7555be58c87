//! The `train` command.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use data::{Dataset, Source};
use models::layers::learnable_parameters;
use models::zoo::{self, Visit};
use models::{Network, Task};
use train::card::{Card, DataCard};
use train::evaluate::Score;
use train::fit::CHECKPOINT;
use train::progress::Progress;
use train::recipe::{Distillation, Recipe};
use train::split::{Split, split};
use train::teacher::Teacher;
use train::{Outcome, Settings, TrainError, device, fit, judge, metrics, progress, resume, serve};

/// Train a network of the zoo.
///
/// Writes checkpoint.bpk (the averaged weights), report.html with report.json, card.json, metrics.jsonl and, while it runs, resume/.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  \
        train                                            mnist-cnn on MNIST, 19 epochs\n  \
        train --data digits --epochs 3 --out runs/quick  a quick one, with no download\n  \
        train --data fashion                             any folder of IDX files, or of pictures in a folder a class\n  \
        train --out runs/quick --resume                  go on where a run was interrupted\n  \
        train serve --device cuda                        lend a device to --device remote:URL elsewhere"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The network: mnist-cnn, mnist-dsres or mnist-cnn-wide
    #[arg(long, default_value = "mnist-cnn")]
    model: String,
    /// mnist, digits, or a folder with IDX files or with pictures in a folder for each class
    #[arg(long, default_value = "mnist")]
    data: Source,
    /// Times each image is seen
    #[arg(long, default_value_t = 19, value_parser = clap::value_parser!(u64).range(1..))]
    epochs: u64,
    /// The seed of all random numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// flex, cuda, cuda:INDEX, libtorch, libtorch:INDEX, wgpu or remote:URL; all but flex are cargo features
    #[arg(long, default_value = "flex")]
    device: String,
    /// Images a step [default: the recipe's, 128]
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..))]
    batch: Option<u64>,
    /// The method's numbers, as JSON; what is left out has its default
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Learn from this checkpoint too; may be given several times
    #[arg(long, value_name = "CHECKPOINT")]
    teacher: Vec<PathBuf>,
    /// The teachers' part of the loss, 0 to 1 [default: the recipe's, 0.9]
    #[arg(long, value_name = "PART", requires = "teacher")]
    distill_weight: Option<f32>,
    /// What teachers' and own logits are divided by [default: the recipe's, 2]
    #[arg(long, value_name = "T", requires = "teacher")]
    temperature: Option<f32>,
    /// Train on the first N training images only
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The folder to write to [default: runs/MODEL]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on after the last complete epoch in --out
    #[arg(long)]
    resume: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lend this machine's device to `train --device remote:URL` on another; neither encrypted nor authenticated
    Serve {
        /// flex, cuda, cuda:INDEX, libtorch, libtorch:INDEX or wgpu
        #[arg(long, default_value = "flex")]
        device: String,
        /// Address and port to listen on; port 0 takes a free one
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
        listen: String,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), TrainError> {
    match &arguments.command {
        Some(Command::Serve { device, listen }) => serve::serve(device, listen),
        None => zoo::visit(&arguments.model, Train { arguments })?,
    }
}

struct Train<'a> {
    arguments: &'a Arguments,
}

impl Visit for Train<'_> {
    type Output = Result<(), TrainError>;

    fn visit<N: Network>(self) -> Self::Output {
        let arguments = self.arguments;
        let settings = arguments.settings()?;
        let data = arguments.training_data()?;
        arguments.check_test(&data)?;
        let split = split(&data)?;
        eprintln!("{}", beginning::<N>(&settings, &data, &split));
        let progress = |_steps, done| Progress::new(&settings.recipe, split.train.len(), settings.epochs, done);
        let outcome = fit::<N>(&settings, &data, &split, progress)?;

        // The only place that reads the test images, after everything has been chosen.
        let test = data::open(&arguments.data, data::Split::Test)?;
        let bar = progress::answering("judging by the test images", report::judge::images_asked(test.len()));
        let judgement = judge::judge(&outcome.network, &test, &settings.device, |images| bar.inc(images as u64));
        bar.finish_and_clear();
        let score = Score { images: test.len(), errors: judgement.errors(&test.labels) };
        let card = arguments.card(&settings, DataCard::new(&data, &test, &split), &outcome, score);
        card.write(&settings.out)?;
        let history = metrics::read(&settings.out)?;
        let page =
            report::file::write(&settings.out, &card.report(&arguments.data.to_string(), history, &test, judgement))?;
        resume::clear(&settings.out)?;
        println!("{}, {}", ending(&settings, score), page.display());
        Ok(())
    }
}

fn beginning<N: Network>(settings: &Settings, data: &Dataset, split: &Split) -> String {
    format!(
        "{}: {} training and {} validation images of {}, seed {}, to {}",
        N::NAME,
        split.train.len(),
        split.validation.len(),
        data.name,
        settings.seed,
        settings.out.display()
    )
}

fn ending(settings: &Settings, score: Score) -> String {
    let Score { images, errors } = score;
    let checkpoint = settings.out.join(CHECKPOINT);
    format!("test {:.2} % ({errors} errors in {images}), {}", score.accuracy(), checkpoint.display())
}

impl Arguments {
    fn settings(&self) -> Result<Settings, TrainError> {
        let device = device::open(&self.device)?;
        let teachers = self.teacher.iter().map(|path| Teacher::load(path, &device));
        Ok(Settings {
            recipe: self.recipe()?,
            teachers: teachers.collect::<Result<_, _>>()?,
            epochs: self.epochs as usize,
            seed: self.seed,
            device,
            out: self.out(),
            resume: self.resume,
            stop_after: None,
        })
    }

    /// The recipe's file or the default, and what the other arguments say.
    fn recipe(&self) -> Result<Recipe, TrainError> {
        let mut recipe = self.recipe.as_deref().map_or(Ok(Recipe::default()), Recipe::read)?;
        recipe.batch = self.batch.map_or(recipe.batch, |batch| batch as usize);
        let Distillation { weight, temperature } = &mut recipe.distillation;
        *weight = self.distill_weight.unwrap_or(*weight);
        *temperature = self.temperature.unwrap_or(*temperature);
        let path = self.recipe.clone().unwrap_or_else(|| "command line".into());
        recipe.check().map_err(|reason| TrainError::Recipe { path, reason })?;
        Ok(recipe)
    }

    fn out(&self) -> PathBuf {
        let runs = || PathBuf::from("runs").join(&self.model);
        self.out.clone().unwrap_or_else(runs)
    }

    fn training_data(&self) -> Result<Dataset, TrainError> {
        let data = data::open(&self.data, data::Split::Train)?;
        Ok(match self.limit {
            Some(limit) => data.take(limit),
            None => data,
        })
    }

    /// Opens the test images for their form alone, so that a run does not end in what could be known before.
    fn check_test(&self, data: &Dataset) -> Result<(), TrainError> {
        let form = |data: &Dataset| Task { input: [data.channels, data.height, data.width], classes: data.classes };
        let (train, test) = (form(data), form(&data::open(&self.data, data::Split::Test)?));
        if train == test {
            return Ok(());
        }
        Err(TrainError::OtherTest { data: data.name.clone(), train, test })
    }

    fn card<N: Network>(&self, settings: &Settings, data: DataCard, outcome: &Outcome<N>, test: Score) -> Card {
        Card {
            network: N::NAME.to_owned(),
            parameters: learnable_parameters(&outcome.network),
            command: self.command(),
            device: self.device.clone(),
            seed: settings.seed,
            epochs: settings.epochs,
            recipe: settings.recipe.clone(),
            data,
            validation_accuracy: outcome.validation.accuracy(),
            test_accuracy: test.accuracy(),
            test_errors: test.errors,
            test_images: test.images,
            seconds: outcome.seconds,
        }
    }

    /// The command that trains the same checkpoint.
    fn command(&self) -> String {
        let option = |name: &str, value: Option<String>| value.map(|value| format!(" --{name} {value}"));
        let teachers = self.teacher.iter().map(|path| option("teacher", Some(path.display().to_string())));
        let options = [
            option("batch", self.batch.map(|n| n.to_string())),
            option("limit", self.limit.map(|n| n.to_string())),
            option("recipe", self.recipe.as_ref().map(|path| path.display().to_string())),
            option("distill-weight", self.distill_weight.map(|part| part.to_string())),
            option("temperature", self.temperature.map(|t| t.to_string())),
        ];
        format!(
            "cargo run --release --bin train -- --model {} --data {} --epochs {} --seed {} --device {}{}",
            self.model,
            self.data,
            self.epochs,
            self.seed,
            self.device,
            options.into_iter().chain(teachers).flatten().collect::<String>()
        )
    }
}

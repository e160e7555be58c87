//! The loop.

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use data::Dataset;
use models::{Network, Task, checkpoint};

use crate::batch::{Batch, Prepared};
use crate::error::TrainError;
use crate::evaluate::{Score, evaluate};
use crate::loss::distilled;
use crate::metrics::{self, Epoch};
use crate::progress::Progress;
use crate::random::{Random, Stream};
use crate::recipe::Recipe;
use crate::resume::{self, Identity, State};
use crate::schedule::OneCycle;
use crate::split::Split;
use crate::teacher::{self, Teacher};
use crate::{batch, ema, files, init, optimizer};

/// The checkpoint's name in the run's folder.
pub const CHECKPOINT: &str = "checkpoint.bpk";

/// Batches that are prepared while a step runs.
const AHEAD: usize = 2;

/// A run, apart from its network and its data.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The method.
    pub recipe: Recipe,
    /// Networks to learn from besides the labels, on the plain device.
    pub teachers: Vec<Teacher>,
    /// Epochs in all.
    pub epochs: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Where the tensors live; a plain device, not an autodiff one.
    pub device: Device,
    /// The folder for everything that the run writes.
    pub out: PathBuf,
    /// Go on from the last complete epoch in `out`.
    pub resume: bool,
    /// Stop after this epoch, as a kill would. For tests of `resume`.
    pub stop_after: Option<usize>,
}

/// What a run ends with.
#[derive(Clone, Debug)]
pub struct Outcome<N> {
    /// The averaged network, on the plain device: what the checkpoint holds.
    pub network: N,
    /// Its score on the held-back images.
    pub validation: Score,
    /// Of training, interruptions not counted.
    pub seconds: f64,
}

/// Trains a network on `split.train` and writes its average to `out/checkpoint.bpk`.
pub fn fit<N: Network>(
    settings: &Settings,
    data: &Dataset,
    split: &Split,
    progress: impl FnOnce(usize, usize) -> Progress,
) -> Result<Outcome<N>, TrainError> {
    let task = task::<N>(data)?;
    fit_teachers::<N>(&settings.teachers, &task)?;
    files::make_folder(&settings.out)?;
    let run = Run::new::<N>(settings, data, split, task);
    let mut state: State<N> = run.begin()?;
    let mut progress = progress(run.steps, state.step);
    let last = settings.stop_after.unwrap_or(settings.epochs);
    while state.epoch < last.min(settings.epochs) {
        let epoch = run.epoch(&mut state, &mut progress);
        if !epoch.train_loss.is_finite() {
            return Err(TrainError::Diverged { epoch: epoch.epoch });
        }
        metrics::append(&settings.out, &epoch)?;
        resume::save(&settings.out, &run.identity, &state)?;
        progress.epoch(&epoch);
    }
    run.finish(state)
}

/// What does not change during a run.
struct Run<'a> {
    settings: &'a Settings,
    data: &'a Dataset,
    split: &'a Split,
    /// Of the whole run.
    steps: usize,
    schedule: OneCycle,
    identity: Identity,
    task: Task,
}

/// Sums over the images of an epoch. They stay on the device, so that a step waits for nothing.
struct Sums {
    loss: Tensor<1>,
    correct: Tensor<1, Int>,
}

impl Sums {
    fn zero(device: &Device) -> Self {
        Self { loss: Tensor::zeros([1], device), correct: Tensor::zeros([1], device) }
    }

    /// Adds a batch: its mean loss, its logits, its labels.
    fn add(&mut self, loss: Tensor<1>, logits: Tensor<2>, labels: Tensor<1, Int>) {
        let images = labels.dims()[0] as f32;
        let right = logits.argmax(1).flatten(0, 1).equal(labels).int().sum();
        self.loss = self.loss.clone() + loss * images;
        self.correct = self.correct.clone() + right;
    }
}

impl<'a> Run<'a> {
    fn new<N: Network>(settings: &'a Settings, data: &'a Dataset, split: &'a Split, task: Task) -> Self {
        let steps = settings.epochs * split.train.len().div_ceil(settings.recipe.batch);
        let schedule = OneCycle::new(&settings.recipe, steps);
        let identity = identity::<N>(settings, data, split);
        Self { settings, data, split, steps, schedule, identity, task }
    }

    fn begin<N: Network>(&self) -> Result<State<N>, TrainError> {
        let Settings { out, device, recipe, .. } = self.settings;
        let optimizer = optimizer::adamw(recipe);
        if self.settings.resume {
            let state: State<N> = resume::load(out, &self.identity, &self.task, optimizer, device)?;
            metrics::truncate(out, state.epoch)?;
            return Ok(state);
        }
        if resume::exists(out)? {
            return Err(TrainError::Unfinished { path: out.join(resume::FOLDER) });
        }
        metrics::truncate(out, 0)?;
        let network = init::initialize(N::build(&self.task, &device.clone().autodiff()), self.settings.seed);
        Ok(State { ema: network.valid(), network, optimizer, epoch: 0, step: 0, seconds: 0.0 })
    }

    /// Trains for one epoch and judges the result.
    fn epoch<N: Network>(&self, state: &mut State<N>, progress: &mut Progress) -> Epoch {
        let begun = Instant::now();
        let mut sums = Sums::zero(&self.settings.device);
        let order = self.order(state.epoch);
        self.prepare(&order, state.epoch, |prepared| {
            let loss = self.step(state, prepared, &mut sums);
            progress.step(state.step, || loss.into_scalar());
        });
        let seconds = begun.elapsed().as_secs_f64();
        state.epoch += 1;
        state.seconds += seconds;
        self.report(state, sums, seconds)
    }

    /// Does `step` with every batch of an epoch, in order, while another thread prepares the next ones.
    fn prepare(&self, order: &[usize], epoch: usize, step: impl FnMut(Prepared)) {
        let (Settings { recipe, seed, .. }, data) = (self.settings, self.data);
        thread::scope(|scope| {
            let (ready, prepared) = sync_channel(AHEAD);
            scope.spawn(move || {
                let batches = order.chunks(recipe.batch);
                let mut batches = batches.map(|i| batch::augmented(data, i, &recipe.augmentation, (*seed, epoch)));
                // It ends early only where nobody wants a batch any more.
                batches.all(|batch| ready.send(batch).is_ok())
            });
            prepared.into_iter().for_each(step);
        });
    }

    /// The training images in the order of epoch `epoch`.
    fn order(&self, epoch: usize) -> Vec<usize> {
        let train = &self.split.train;
        let order = Random::new(self.settings.seed, Stream::Order, epoch, 0).permutation(train.len());
        order.into_iter().map(|i| train[i]).collect()
    }

    /// One step; returns the mean loss of the batch.
    fn step<N: Network>(&self, state: &mut State<N>, prepared: Prepared, sums: &mut Sums) -> Tensor<1> {
        let targets = self.targets(&prepared.labels);
        let Batch { images, labels } = prepared.batch(&self.settings.device);
        let Settings { recipe, teachers, .. } = self.settings;
        let taught = teacher::probabilities(teachers, &images, recipe.distillation.temperature);
        let logits = state.network.forward_fused(Tensor::from_inner(images));
        let loss = distilled(&recipe.distillation, &logits, targets, taught.map(Tensor::from_inner));
        let gradients = GradientsParams::from_grads(loss.backward(), &state.network);
        self.update(state, gradients);
        let loss = loss.inner();
        sums.add(loss.clone(), logits.inner(), labels);
        loss
    }

    fn targets(&self, labels: &[u8]) -> Tensor<2> {
        let Settings { recipe, device, .. } = self.settings;
        batch::smooth_targets(labels, self.data.classes, recipe.label_smoothing, &device.clone().autodiff())
    }

    /// Moves the weights, then their average.
    fn update<N: Network>(&self, state: &mut State<N>, gradients: GradientsParams) {
        let learning_rate = self.schedule.learning_rate(state.step);
        let network = state.network.clone();
        state.network = state.optimizer.step(learning_rate, network, gradients);
        let keep = ema::keep(self.settings.recipe.ema_decay, state.step);
        state.ema = ema::blend(state.ema.clone(), &state.network.valid(), keep);
        state.step += 1;
    }

    fn report<N: Network>(&self, state: &State<N>, sums: Sums, seconds: f64) -> Epoch {
        let images = self.split.train.len() as f64;
        let correct: i64 = sums.correct.into_scalar();
        Epoch {
            epoch: state.epoch,
            steps: state.step,
            learning_rate: self.schedule.learning_rate(state.step - 1),
            train_loss: f64::from(sums.loss.into_scalar::<f32>()) / images,
            train_accuracy: 100.0 * correct as f64 / images,
            validation_accuracy: self.validate(&state.network.valid()).accuracy(),
            validation_accuracy_ema: self.validate(&state.ema).accuracy(),
            seconds,
            images_per_second: images / seconds,
        }
    }

    fn validate<N: Network>(&self, network: &N) -> Score {
        let Settings { device, .. } = self.settings;
        evaluate(network, self.data, &self.split.validation, device)
    }

    fn finish<N: Network>(&self, state: State<N>) -> Result<Outcome<N>, TrainError> {
        if state.epoch == self.settings.epochs {
            checkpoint::save(&state.ema, &self.settings.out.join(CHECKPOINT))?;
        }
        Ok(Outcome { validation: self.validate(&state.ema), network: state.ema, seconds: state.seconds })
    }
}

fn identity<N: Network>(settings: &Settings, data: &Dataset, split: &Split) -> Identity {
    let hashes = data.sha256.iter().map(|(file, hash)| format!(" {file} {hash}"));
    Identity {
        network: N::NAME.to_owned(),
        seed: settings.seed,
        epochs: settings.epochs,
        images: split.train.len(),
        data: format!("{}{}", data.name, hashes.collect::<String>()),
        recipe: settings.recipe.clone(),
        teachers: settings.teachers.iter().map(|teacher| teacher.identity.clone()).collect(),
    }
}

fn fit_teachers<N: Network>(teachers: &[Teacher], expected: &Task) -> Result<(), TrainError> {
    match teachers.iter().find(|teacher| teacher.task != *expected) {
        None => Ok(()),
        Some(Teacher { identity, task, .. }) => Err(TrainError::TeacherTask {
            teacher: identity.clone(),
            network: N::NAME,
            expected: expected.clone(),
            found: task.clone(),
        }),
    }
}

/// What the data asks of a network.
fn task<N: Network>(data: &Dataset) -> Result<Task, TrainError> {
    let task = Task { input: [data.channels, data.height, data.width], classes: data.classes };
    let unfit = |reason| TrainError::Unfit { data: data.name.clone(), network: N::NAME, reason };
    N::fits(&task).map_err(unfit).map(|()| task)
}

//! The state between two epochs, on disk.
//!
//! `resume/epoch-0007/` holds `network.bpk` and `ema.bpk` (with burn's parameter ids, which the optimizer's
//! state refers to), `optimizer.bpk` and `state.json`. A folder is written under another name and renamed when
//! it is whole, then older ones go: whenever the run is killed, the newest `epoch-N` is a complete state.

use std::fs;
use std::path::{Path, PathBuf};

use burn::optim::ModuleOptimizer;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::Device;
use models::{Network, Task};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::files;
use crate::recipe::Recipe;

/// The folder's name in the run's folder.
pub const FOLDER: &str = "resume";

const NETWORK: &str = "network.bpk";
const EMA: &str = "ema.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";

/// What makes two runs the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The network's name.
    pub network: String,
    /// The seed.
    pub seed: u64,
    /// Epochs in all: the schedule depends on them.
    pub epochs: usize,
    /// Training images.
    pub images: usize,
    /// The data's name and hashes.
    pub data: String,
    /// The hyperparameters.
    pub recipe: Recipe,
    /// The teachers' networks and hashes.
    #[serde(default)]
    pub teachers: Vec<String>,
}

/// A run between two epochs.
#[derive(Clone)]
pub struct State<N> {
    /// The network, on an autodiff device.
    pub network: N,
    /// Its average, on the plain device.
    pub ema: N,
    /// Adam's moments.
    pub optimizer: ModuleOptimizer,
    /// Complete epochs.
    pub epoch: usize,
    /// Steps so far.
    pub step: usize,
    /// Seconds of training so far.
    pub seconds: f64,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    identity: Identity,
    epoch: usize,
    step: usize,
    seconds: f64,
}

/// Writes the state, then deletes older ones.
pub fn save<N: Network>(out: &Path, identity: &Identity, state: &State<N>) -> Result<(), TrainError> {
    let folder = out.join(FOLDER);
    let partial = folder.join("partial");
    remove(&partial)?;
    files::make_folder(&partial)?;
    write_state(&partial, identity, state)?;
    let whole = folder.join(format!("epoch-{:04}", state.epoch));
    remove(&whole)?;
    fs::rename(&partial, &whole).map_err(TrainError::file(&whole))?;
    for older in epochs(&folder)?.into_iter().filter(|f| *f != whole) {
        remove(&older)?;
    }
    Ok(())
}

/// Reads the newest state of the run `identity`, of a network for `task`, onto `device` (a plain one).
pub fn load<N: Network>(
    out: &Path,
    identity: &Identity,
    task: &Task,
    optimizer: ModuleOptimizer,
    device: &Device,
) -> Result<State<N>, TrainError> {
    let folder = out.join(FOLDER);
    let newest = epochs(&folder)?.pop();
    let newest = newest.ok_or(TrainError::NothingToResume { path: folder })?;
    let saved = read_saved(&newest.join(STATE))?;
    same_run(&newest.join(STATE), &saved.identity, identity)?;
    let record = |file: &str, network: N| {
        let path = newest.join(file);
        let loaded = ModuleRecord::load(&path).and_then(|r| network.try_load_record(r));
        loaded.map_err(damaged(&path))
    };
    let path = newest.join(OPTIMIZER);
    Ok(State {
        network: record(NETWORK, N::build(task, &device.clone().autodiff()))?,
        ema: record(EMA, N::build(task, device).valid())?,
        optimizer: optimizer.load(&path).map_err(damaged(&path))?,
        epoch: saved.epoch,
        step: saved.step,
        seconds: saved.seconds,
    })
}

/// Whether there is a state in the run's folder.
pub fn exists(out: &Path) -> Result<bool, TrainError> {
    Ok(!epochs(&out.join(FOLDER))?.is_empty())
}

/// Deletes the state: the run is over.
pub fn clear(out: &Path) -> Result<(), TrainError> {
    remove(&out.join(FOLDER))
}

fn write_state<N: Network>(folder: &Path, identity: &Identity, state: &State<N>) -> Result<(), TrainError> {
    let record = |file: &str, network: N| {
        let path = folder.join(file);
        network.save_file(&path).map_err(damaged(&path))
    };
    // `valid` also gathers the running statistics, which burn keeps by thread until asked.
    record(NETWORK, state.network.valid())?;
    record(EMA, state.ema.clone())?;
    let path = folder.join(OPTIMIZER);
    state.optimizer.save(&path).map_err(damaged(&path))?;
    let saved = Saved { identity: identity.clone(), epoch: state.epoch, step: state.step, seconds: state.seconds };
    files::write_json(&folder.join(STATE), &saved)
}

/// The complete states, oldest first.
fn epochs(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let whole = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str());
        name.is_some_and(|n| n.starts_with("epoch-"))
    };
    let entries = fs::read_dir(folder).map_err(TrainError::file(folder))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(whole).collect();
    found.sort();
    Ok(found)
}

fn read_saved(path: &Path) -> Result<Saved, TrainError> {
    let text = fs::read_to_string(path).map_err(TrainError::file(path))?;
    serde_json::from_str(&text).map_err(|error| TrainError::State { path: path.to_owned(), reason: error.to_string() })
}

fn same_run(path: &Path, expected: &Identity, found: &Identity) -> Result<(), TrainError> {
    let differs = |setting, expected: String, found: String| {
        if expected == found {
            return Ok(());
        }
        Err(TrainError::OtherRun { path: path.to_owned(), setting, expected, found })
    };
    let (a, b) = (expected, found);
    differs("--model", a.network.clone(), b.network.clone())?;
    differs("--seed", a.seed.to_string(), b.seed.to_string())?;
    differs("--epochs", a.epochs.to_string(), b.epochs.to_string())?;
    differs("training images", a.images.to_string(), b.images.to_string())?;
    differs("--data", a.data.clone(), b.data.clone())?;
    let teachers = |teachers: &[String]| if teachers.is_empty() { "none".to_owned() } else { teachers.join(", ") };
    differs("--teacher", teachers(&a.teachers), teachers(&b.teachers))?;
    differs("the recipe", json(&a.recipe), json(&b.recipe))
}

fn json(recipe: &Recipe) -> String {
    serde_json::to_string(recipe).expect("finite numbers")
}

fn damaged(path: &Path) -> impl FnOnce(RecordError) -> TrainError {
    let path = path.to_owned();
    move |error| TrainError::State { path, reason: error.to_string() }
}

fn remove(folder: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(TrainError::file(folder)(error)),
        _ => Ok(()),
    }
}

//! Weights on disk: one burnpack file, its tensors named by module path (`conv1.weight`), the
//! network's name and its task in its metadata. The same weights give the same bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use burn_pack::{Reader, Writer};

use crate::network::Network;
use crate::task::{NoTask, Task};

/// The metadata key under which a checkpoint names its network.
const NETWORK_KEY: &str = "network";
/// The metadata key under which a checkpoint names what its network was built for; MNIST where there is none.
const TASK_KEY: &str = "task";

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is no such file.
    #[error("{}: no such checkpoint; train one with `train --model {network}`", path.display())]
    Missing {
        /// The file that was asked for.
        path: PathBuf,
        /// The network whose weights were wanted.
        network: &'static str,
    },
    /// The file is not a burnpack file, or is damaged.
    #[error("{}: not a readable checkpoint (a burnpack file, .bpk, was expected): {reason}; \
             restore the file, or train it again", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// The checkpoint is another network's.
    #[error("{}: this is a checkpoint of {found}, but {expected} was expected; choose the network \
             with --model {found}, or another file", path.display())]
    OtherNetwork {
        /// The file.
        path: PathBuf,
        /// The network that was to be loaded.
        expected: &'static str,
        /// The network that the file names.
        found: String,
    },
    /// The task that the checkpoint names is none, or none that the network fits.
    #[error("{}: made for {task}: {reason}; the file is damaged or of another version, so train it again", path.display())]
    Task {
        /// The file.
        path: PathBuf,
        /// What it names.
        task: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor is missing, left over, or of another shape.
    #[error("{}: tensor {tensor} does not fit {network}: expected {expected}, found {found}; \
             the file is from another version of this network, so train it again", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The network that was to be loaded.
        network: &'static str,
        /// The tensor's module path.
        tensor: String,
        /// The shape that the network has, or "no such tensor".
        expected: String,
        /// The shape that the file has, or "no such tensor".
        found: String,
    },
    /// The file could not be written.
    #[error("{}: could not write the checkpoint: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        reason: String,
    },
}

/// Writes the weights of `network` to `path`, beside it first and then renamed.
pub fn save<N: Network>(network: &N, path: &Path) -> Result<(), CheckpointError> {
    Writer::new(tensors(&network.valid()))
        .with_metadata(NETWORK_KEY, N::NAME)
        .with_metadata(TASK_KEY, &network.task().to_string())
        .auto_extension(false)
        .write_to_file(path)
        .map_err(|e| CheckpointError::Unwritable { path: path.to_owned(), reason: e.to_string() })
}

/// Reads a network from `path` onto `device`, built for the task that the file names.
pub fn load<N: Network>(path: &Path, device: &Device) -> Result<N, CheckpointError> {
    let reader = open::<N>(path)?;
    let network = N::build(&task::<N>(path, &reader)?, device);
    check(&network, path, reader)?;
    let record = ModuleRecord::load(path).map_err(|e| unreadable(path, e))?;
    network.try_load_record(record).map_err(|e| unreadable(path, e))
}

/// The name of the network whose weights the checkpoint at `path` holds.
pub fn network_name(path: &Path) -> Result<String, CheckpointError> {
    let reader = Reader::from_file(path).map_err(|e| unreadable(path, e))?;
    let name = reader.metadata().get(NETWORK_KEY).cloned();
    name.ok_or_else(|| unreadable(path, format!("it does not say under {NETWORK_KEY:?} which network it is of")))
}

/// Opens a file that is the network's, or no network's by name.
fn open<N: Network>(path: &Path) -> Result<Reader, CheckpointError> {
    if !path.is_file() {
        return Err(CheckpointError::Missing { path: path.to_owned(), network: N::NAME });
    }
    let reader = Reader::from_file(path).map_err(|e| unreadable(path, e))?;
    let named = reader.metadata().get(NETWORK_KEY).cloned();
    if let Some(found) = named.filter(|found| found != N::NAME) {
        return Err(CheckpointError::OtherNetwork { path: path.to_owned(), expected: N::NAME, found });
    }
    Ok(reader)
}

fn task<N: Network>(path: &Path, reader: &Reader) -> Result<Task, CheckpointError> {
    let Some(text) = reader.metadata().get(TASK_KEY) else { return Ok(Task::MNIST) };
    let refused = |reason: String| CheckpointError::Task { path: path.to_owned(), task: text.clone(), reason };
    let task: Task = text.parse().map_err(|error: NoTask| refused(error.to_string()))?;
    N::fits(&task).map_err(|unfit| refused(unfit.to_string()))?;
    Ok(task)
}

/// Holds the file's names and shapes against the network's, before anything is loaded.
fn check<N: Network>(network: &N, path: &Path, reader: Reader) -> Result<(), CheckpointError> {
    let stored = reader.into_tensors().map_err(|e| unreadable(path, e))?;
    match mismatch(&shapes(&tensors(network)), &shapes(&stored)) {
        None => Ok(()),
        Some((tensor, expected, found)) => {
            Err(CheckpointError::Tensor { path: path.to_owned(), network: N::NAME, tensor, expected, found })
        }
    }
}

type Shapes = BTreeMap<String, Vec<usize>>;

fn shapes(tensors: &[burn_pack::Tensor]) -> Shapes {
    let shape = |t: &burn_pack::Tensor| (t.name.clone(), t.shape.to_vec());
    tensors.iter().map(shape).collect()
}

/// The first tensor, by name, on which the two disagree: its name, expected, found.
fn mismatch(expected: &Shapes, found: &Shapes) -> Option<(String, String, String)> {
    let say = |shape: Option<&Vec<usize>>| match shape {
        Some(shape) => format!("shape {shape:?}"),
        None => "no such tensor".to_owned(),
    };
    let names: std::collections::BTreeSet<_> = expected.keys().chain(found.keys()).collect();
    names
        .into_iter()
        .map(|name| (name, expected.get(name), found.get(name)))
        .find(|(_, expected, found)| expected != found)
        .map(|(name, expected, found)| (name.clone(), say(expected), say(found)))
}

fn unreadable(path: &Path, error: impl std::fmt::Display) -> CheckpointError {
    CheckpointError::Unreadable { path: path.to_owned(), reason: error.to_string() }
}

/// The tensors of a module, named by path. burn's parameter ids are left out: they are random, and
/// equal weights should be equal files.
fn tensors(module: &impl Module) -> Vec<burn_pack::Tensor> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.tensors
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    tensors: Vec<burn_pack::Tensor>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.transform_for_save().val().into_data();
        let (bytes, shape, dtype) = data.into_parts();
        let name = self.path.join(".");
        self.tensors.push(burn_pack::Tensor::new(name, dtype, shape, None, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mnist_cnn::MnistCnn;
    use crate::mnist_dsres::MnistDsRes;

    fn weights(network: &MnistCnn) -> Vec<Vec<u8>> {
        let bytes = |t: &burn_pack::Tensor| t.to_bytes().unwrap().to_vec();
        tensors(network).iter().map(bytes).collect()
    }

    #[test]
    fn what_is_saved_is_loaded_and_saved_again_is_the_same_file() {
        let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
        let (first, second) = (folder.path().join("a.bpk"), folder.path().join("b.bpk"));
        let network = MnistCnn::new(&device);
        save(&network, &first).unwrap();
        assert_eq!(network_name(&first).unwrap(), "mnist-cnn");
        let loaded: MnistCnn = load(&first, &device).unwrap();
        save(&loaded, &second).unwrap();
        assert_eq!(weights(&network), weights(&loaded));
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
    }

    #[test]
    fn a_network_is_loaded_for_the_task_it_was_saved_for() {
        let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
        let path = folder.path().join("colour.bpk");
        let task = Task { input: [3, 16, 20], classes: 4 };
        save(&MnistDsRes::build(&task, &device), &path).unwrap();
        let loaded: MnistDsRes = load(&path, &device).unwrap();
        assert_eq!(loaded.task(), &task);
    }

    #[test]
    fn a_task_that_does_not_fit_is_refused() {
        let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
        let path = folder.path().join("small.bpk");
        for (task, reason) in [("1x2x28 to 10", "needs 8×8 at least"), ("digits", "expected a task like")] {
            let writer = Writer::new(tensors(&MnistCnn::new(&device))).with_metadata(TASK_KEY, task);
            writer.auto_extension(false).write_to_file(&path).unwrap();
            let error = load::<MnistCnn>(&path, &device).unwrap_err().to_string();
            assert!(error.contains(task) && error.contains(reason), "{error}");
        }
    }

    #[test]
    fn another_networks_checkpoint_is_named() {
        let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
        let path = folder.path().join("dsres.bpk");
        save(&MnistDsRes::new(&device), &path).unwrap();
        let error = load::<MnistCnn>(&path, &device).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{}: this is a checkpoint of mnist-dsres, but mnist-cnn was expected; choose the \
                 network with --model mnist-dsres, or another file",
                path.display()
            )
        );
    }

    #[test]
    fn a_tensor_that_does_not_fit_is_named_with_both_shapes() {
        let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
        let path = folder.path().join("unnamed.bpk");
        let record = MnistDsRes::new(&device).into_record();
        record.save(&path).unwrap();
        match load::<MnistCnn>(&path, &device).unwrap_err() {
            CheckpointError::Tensor { tensor, expected, found, .. } => {
                assert_eq!((&*tensor, &*expected, &*found), ("block1.depthwise.bias", "no such tensor", "shape [12]"))
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn missing_and_damaged_files_say_so() {
        let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
        let path = folder.path().join("none.bpk");
        let missing = load::<MnistCnn>(&path, &device).unwrap_err();
        assert!(matches!(missing, CheckpointError::Missing { .. }));

        save(&MnistCnn::new(&device), &path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let damaged = load::<MnistCnn>(&path, &device).unwrap_err();
        assert!(matches!(damaged, CheckpointError::Unreadable { .. }));
    }
}

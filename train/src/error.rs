//! What can go wrong in a run, and what to do about it.

use std::path::PathBuf;

/// Why a run could not start, go on or be written.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The data could not be read.
    #[error(transparent)]
    Data(#[from] data::DataError),
    /// A checkpoint could not be read or written.
    #[error(transparent)]
    Checkpoint(#[from] models::checkpoint::CheckpointError),
    /// No network has this name.
    #[error(transparent)]
    Network(#[from] models::zoo::UnknownNetwork),
    /// The network cannot be built for the data.
    #[error("{data}: {network} does not fit: {reason}")]
    Unfit {
        /// The data's name.
        data: String,
        /// The network's name.
        network: &'static str,
        /// Why, and what to do.
        reason: models::task::Unfit,
    },
    /// A recipe that is not one.
    #[error("{}: not a recipe: {reason}; `card.json` of a run holds one, under \"recipe\"", path.display())]
    Recipe {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A teacher for other images.
    #[error(
        "teacher {teacher} is for {found} (channels x height x width to classes), but {network} learns {expected}; choose another teacher"
    )]
    TeacherTask {
        /// The teacher's network and hash.
        teacher: String,
        /// The network that is to learn.
        network: &'static str,
        /// Its task.
        expected: models::Task,
        /// The teacher's.
        found: models::Task,
    },
    /// The test images are not of the training images' shape and classes.
    #[error(
        "{data}: test images of {test}, training images of {train} (channels, height, width, classes); give both the same form"
    )]
    OtherTest {
        /// The data's name.
        data: String,
        /// What the training images are.
        train: models::Task,
        /// What the test images are.
        test: models::Task,
    },
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] report::file::FileError),
    /// Too few images to split and train on.
    #[error("{data}: {found} training images are too few; at least {least} are needed")]
    TooFew {
        /// The data's name.
        data: String,
        /// How many there are.
        found: usize,
        /// How many there must be.
        least: usize,
    },
    /// The loss is no longer a number.
    #[error(
        "epoch {epoch}: the loss is not finite, so the network has diverged; the state before this \
             epoch is kept: lower the peak learning rate, or try another seed in another --out"
    )]
    Diverged {
        /// Counted from 1.
        epoch: usize,
    },
    /// A device that this build does not have.
    #[error(
        "--device {device}: this build has no {feature} backend; build it with \
             `cargo build --release --bin train --features train/{feature}`"
    )]
    DeviceNotBuilt {
        /// The device that was asked for.
        device: String,
        /// The cargo feature that has it.
        feature: &'static str,
    },
    /// A device that nobody knows, or that did not answer.
    #[error(
        "--device {device}: {reason}; known are flex, cuda, cuda:INDEX, libtorch, libtorch:INDEX, wgpu and remote:URL \
             (as in remote:ws://gpu:3000)"
    )]
    Device {
        /// The device that was asked for.
        device: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `train serve` cannot serve.
    #[error("{address}: not served: {reason}; choose another --listen address, or end what uses it")]
    Serve {
        /// Where it should listen.
        address: String,
        /// What was in the way.
        reason: String,
    },
    /// `--resume` where there is nothing to resume.
    #[error("{}: nothing to resume (no folder epoch-N in it); start afresh without --resume", path.display())]
    NothingToResume {
        /// The folder that was searched.
        path: PathBuf,
    },
    /// A fresh run would overwrite the state of another.
    #[error("{}: holds the state of an unfinished run; go on with it with --resume, or delete the \
             folder, or choose another --out", path.display())]
    Unfinished {
        /// The folder with the state.
        path: PathBuf,
    },
    /// `--resume` with other settings than the run began with.
    #[error("{}: the run to resume has {setting} {expected}, but {found} was asked for; \
             repeat the run's own settings, or start afresh in another --out", path.display())]
    OtherRun {
        /// The state's file.
        path: PathBuf,
        /// What differs.
        setting: &'static str,
        /// The value of the run that is on disk.
        expected: String,
        /// The value that was asked for.
        found: String,
    },
    /// A saved state that is not readable.
    #[error("{}: the saved state is damaged ({reason}); delete this folder to resume from the epoch \
             before, or start afresh", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be written or read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
}

impl TrainError {
    /// For `map_err`: an I/O error with the path that it is about.
    pub fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

//! Training: images in, a checkpoint out. The only crate with autodiff.
//!
//! In the order in which a run uses them:
//!
//! - [`recipe`]: the numbers of the method, all in one struct.
//! - [`device`]: where the tensors live.
//! - [`split`]: which training images are held back for validation.
//! - [`init`]: the first weights, from the seed.
//! - [`augment`], [`elastic`], [`batch`]: images become tensors, each a little different every epoch.
//! - [`schedule`]: the learning rate of a step.
//! - [`optimizer`]: AdamW, with weight decay on kernels only; Muon for some of them where the recipe says so.
//! - [`ema`]: the running average of the weights, which is what is shipped.
//! - [`teacher`]: trained networks to learn from.
//! - [`loss`]: what a step makes smaller.
//! - [`mod@fit`]: the loop that joins them.
//! - [`mod@evaluate`]: accuracy on held-back images. [`mod@judge`]: all that the report says of the test images.
//! - [`resume`]: the state between two epochs, on disk, that a kill cannot spoil.
//! - [`metrics`], [`card`], [`progress`]: what a run tells; [`report`] draws a page of it.
//! - [`mod@serve`]: this machine's device for a run on another.
//!
//! Every random number comes from [`random`], as a function of (seed, what for, epoch, image): a run that
//! is interrupted and resumed ends with the same bits as one that is not.

pub mod augment;
pub mod batch;
pub mod card;
pub mod device;
pub mod elastic;
pub mod ema;
pub mod error;
pub mod evaluate;
pub mod files;
pub mod fit;
pub mod init;
pub mod judge;
pub mod loss;
pub mod metrics;
mod muon;
pub mod optimizer;
pub mod progress;
pub mod random;
pub mod recipe;
pub mod resume;
pub mod schedule;
pub mod serve;
pub mod split;
pub mod teacher;

pub use error::TrainError;
pub use fit::{Outcome, Settings, fit};

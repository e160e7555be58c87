//! Runs int8 convolutional networks on microcontrollers, a row at a time.
//!
//! `no_std`, no allocator, no float in the path of an image. A network arrives as a [`Plan`]: one block of words with
//! its weights, its shapes and the RAM that it needs, made on the desk by `export plan`. The plan is checked once, by a
//! `const fn`, so firmware with a damaged plan does not compile; then an [`Engine`] takes the image row by row, as a
//! camera or a UART delivers it, and answers after the last:
//!
//! ```
//! use infer_nostd::{Engine, Plan};
//! # fn classify(words: &[u32], rows: &[&[i8]]) -> Result<(), Box<dyn std::error::Error>> {
//! let plan = Plan::parse(words)?; // in firmware: a const, from include_plan!
//! let mut arena = vec![0; plan.arena_words()]; // in firmware: a static array
//! let mut engine = Engine::new(plan, &mut arena)?;
//! for row in rows {
//!     if let Some(logits) = engine.push_row(row)? {
//!         println!("{logits:?}");
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! A step is a row: [`Engine::push_row`] returns when all that the row makes possible is done, and between two calls anything may run.
//! A task yields there (`yield_now().await`, or the `await` that reads the next row), an interrupt may come at any time. The engine
//! has no statics and holds no lock; examples/ has it in a plain program and in an embassy task.
//!
//! The tour, from the bottom up: [`fixed`] is the arithmetic and the only code that rounds an activation; [`arch`] holds the inner
//! products and the kernels for particular cores; `ops` the operators, one a file; `ring` the rows that are alive; [`plan`] the file and its check;
//! [`schedule`] who works when; [`pipeline`] the engine.

#![no_std]

pub mod arch;
pub mod fixed;
mod ops;
pub mod pipeline;
pub mod plan;
mod ring;
pub mod schedule;

pub use pipeline::{Engine, EngineError};
pub use plan::{Plan, PlanError, TensorInfo};

#[cfg(test)]
extern crate std;

/// The words of a plan file, as a constant array: `static WORDS: [u32; _]` in flash, aligned by its type.
///
/// The argument is what [`include_bytes!`] takes.
///
/// It defines `static WORDS: [u32; N]` and `const PLAN: Plan<'static>`. The engine wants `PLAN.arena_words()` words of RAM from its caller, and its
/// kernels take `PLAN.stack_bytes()` of the stack:
///
/// ```
/// infer_nostd::include_plan!(static WORDS, PLAN = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/mnist-cnn/net.plan"));
/// let mut arena = [0; PLAN.arena_words()];
/// assert!(infer_nostd::Engine::<{ PLAN.tensor_count() }, { PLAN.uses() }>::sized(PLAN, &mut arena).is_ok());
/// ```
///
/// A file that fails its check does not compile:
///
/// ```compile_fail
/// infer_nostd::include_plan!(static WORDS, PLAN = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/mnist-cnn/float.onnx"));
/// ```
#[macro_export]
macro_rules! include_plan {
    ($(#[$meta:meta])* static $words:ident, $plan:ident = $file:expr) => {
        $(#[$meta])*
        static $words: [u32; include_bytes!($file).len() / 4] =
            $crate::plan::words_from_bytes(include_bytes!($file));
        $(#[$meta])*
        #[allow(long_running_const_eval)]
        const $plan: $crate::Plan<'static> = match $crate::Plan::parse(&$words) {
            Ok(plan) => plan,
            Err(_) => panic!("the plan does not pass its check: `export inspect` says why"),
        };
    };
}

//! What a training run leaves for people: `report.html`, one page that needs no network and no other file.
//!
//! `report.json` holds all that the page shows, and the page is a function of it: `train` writes both with what burn
//! answers, and `export report` reads the one, adds what the engine answers in int8, and draws the other anew. So neither
//! command knows the other, and the page is written in one place.
//!
//! - [`run`]: what there is to tell of a run.
//! - [`judge`]: what a runtime makes of the test images, as they are and disturbed.
//! - [`disturb`]: images turned, shifted and made noisy, the same bytes for every runtime.
//! - [`page()`]: the page. [`chart`] draws curves, [`picture`] puts images into text.
//! - [`file`](mod@file): both files, read and written.
//!
//! It knows neither burn nor ONNX nor the engine: whoever can answer images with logits can be judged.
//!
//! ```
//! let test = data::digits::generate(7, 20);
//! // A runtime that takes everything for a 3.
//! let three = |images: &data::Dataset| Ok::<_, std::convert::Infallible>(
//!     (0..images.len()).flat_map(|_| (0..10).map(|class| if class == 3 { 1.0 } else { 0.0 })).collect(),
//! );
//! let judgement = report::judge("three", "no runtime", &test, three).unwrap();
//! assert_eq!(judgement.errors(&test.labels), 18);
//! ```

pub mod chart;
pub mod disturb;
pub mod file;
mod html;
pub mod judge;
mod page;
pub mod picture;
pub mod run;

pub use judge::judge;
pub use page::page;
pub use run::{Curve, Epoch, Judgement, Misread, Point, Run};

//! What crosses crates: references that are believed at sight, generators of networks, and the table of tolerances.
//!
//! The tests themselves are in `tests/tests`, one file a promise.

pub mod generate;
pub mod networks;
pub mod reference;
pub mod tolerance;
pub mod zoo;

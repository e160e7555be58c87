//! A table's entry for each value: any function of one value, the change of scale included.
//!
//! Table: 256 int8, the entry of q at q mod 256.

use super::Step;
use crate::arch;
use crate::ring::{RowMut, Rows};

/// One row.
#[inline(never)]
pub fn row(step: &Step, rows: &Rows, out: &mut RowMut) {
    let table = &arch::as_bytes(step.table())[..256];
    super::each_value(step, rows, out, |value| table[value as usize]);
}

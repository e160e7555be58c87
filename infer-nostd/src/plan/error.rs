//! What can be wrong with a plan.

use core::fmt;

/// One cause each; the number is the operator or tensor it was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// The first word is not the magic, or there is no whole header.
    NotAPlan,
    /// Written in another version of the format.
    Version {
        /// The file's version.
        found: u32,
    },
    /// The header's length is not the file's.
    Length {
        /// Words that the header claims.
        expected: u32,
        /// Words that there are.
        found: u32,
    },
    /// The contents do not have the header's CRC-32.
    Checksum {
        /// The header's.
        expected: u32,
        /// The contents'.
        found: u32,
    },
    /// No operators, or more than [`MAX_OPERATORS`](super::MAX_OPERATORS).
    OperatorCount {
        /// Operators that the header claims.
        found: u32,
    },
    /// An operator's kind or kernel is not one this version knows.
    UnknownKind(u16),
    /// A tensor's layout is not one this version knows.
    UnknownLayout(u16),
    /// An operator's kernel does not take its window, or does not read or write the layouts there are.
    UnfitKernel(u16),
    /// A tensor has an empty or oversized dimension, no ring, or rows stacked where they may not be.
    BadShape(u16),
    /// A tensor's scale is not finite and positive.
    BadScale(u16),
    /// A tensor's lengths are not those that its shape, its layout and its ring give.
    BadLengths(u16),
    /// An operator reads a tensor that is not made before it.
    BadInput(u16),
    /// A tensor's rows land, though its reader may want them later or is not alone.
    BadLanding(u16),
    /// A tensor other than the output that nobody reads, or whose last reader is another than its record says.
    LastReader(u16),
    /// An operator's window, stride, padding or groups do not give its output's shape.
    BadGeometry(u16),
    /// An operator's steps or blocks are not those that its window and its tensors give.
    BadSteps(u16),
    /// An operator's shift or clamp is out of range, or a multiplier is not positive.
    BadRequant(u16),
    /// The records or the names lie outside the file.
    Records,
    /// Weights or tables do not lie between the records and the names.
    OutsideFile(u16),
    /// A ring or accumulators lie outside the arena.
    OutsideArena(u16),
    /// A tensor's ring or an operator's accumulators share RAM with another's.
    Overlap(u16),
    /// A tensor's ring is too short: a row would be overwritten before it is read.
    RingTooShort {
        /// The tensor.
        tensor: u16,
        /// Rows that it needs.
        needed: u16,
    },
    /// The input ends and the output is not complete.
    Incomplete,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use PlanError::*;
        match *self {
            NotAPlan => write!(f, "not a plan: it does not begin with INFP"),
            Version { found } => {
                write!(f, "plan version {found}, expected {}: make it again with `export plan`", super::VERSION)
            }
            Length { expected, found } => {
                write!(f, "the plan has {found} words, its header says {expected}: the file is cut or padded")
            }
            Checksum { expected, found } => {
                write!(f, "the plan's checksum is {found:08x}, its header says {expected:08x}: the file is damaged")
            }
            OperatorCount { found } => write!(f, "{found} operators, expected 1 to {}", super::MAX_OPERATORS),
            UnknownKind(op) => {
                write!(f, "operator {op} is of a kind, or has a kernel, that this version does not know")
            }
            UnknownLayout(tensor) => write!(f, "tensor {tensor} is of a layout that this version does not know"),
            UnfitKernel(op) => write!(f, "operator {op}'s kernel does not take its window, or its tensors' layouts"),
            BadShape(tensor) => write!(f, "tensor {tensor} has an empty or oversized dimension, or no ring"),
            BadScale(tensor) => write!(f, "tensor {tensor}'s scale is not finite and positive"),
            BadLengths(tensor) => {
                write!(f, "tensor {tensor}'s lengths are not those that its shape, layout and ring give")
            }
            BadInput(op) => write!(f, "operator {op} reads a tensor that is not made before it"),
            BadLanding(tensor) => write!(f, "tensor {tensor}'s rows land, but are not read one by one by one operator"),
            LastReader(tensor) => write!(f, "tensor {tensor} is read by others than its record says, or by none"),
            BadGeometry(op) => {
                write!(f, "operator {op}'s window, stride, padding or groups do not give its output's shape")
            }
            BadSteps(op) => {
                write!(f, "operator {op}'s steps or blocks are not those that its window and its tensors give")
            }
            BadRequant(op) => write!(f, "operator {op}'s shift, clamp or a multiplier is out of range"),
            Records => write!(f, "the records or the names lie outside the file"),
            OutsideFile(op) => {
                write!(f, "operator {op}'s weights or tables do not lie between the records and the names")
            }
            OutsideArena(id) => write!(f, "tensor {id}'s ring or its accumulators lie outside the arena"),
            Overlap(id) => write!(f, "tensor {id}'s ring or its accumulators share RAM with another's"),
            RingTooShort { tensor, needed } => write!(f, "tensor {tensor}'s ring is too short: it needs {needed} rows"),
            Incomplete => write!(f, "the schedule ends before the output is complete"),
        }
    }
}

impl core::error::Error for PlanError {}

//! The plan: a network, its weights and its memory, as one block of words. FORMAT.md describes the file.
//!
//! [`Plan::parse`] is a `const fn` and checks everything that the engine relies on, so that firmware with a bad plan
//! does not compile and the engine never looks twice:
//!
//! ```
//! use infer_nostd::{Plan, PlanError};
//! assert_eq!(Plan::parse(&[1, 2, 3]).unwrap_err(), PlanError::NotAPlan);
//! ```

/// `?` is not const yet.
macro_rules! tri {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

mod check;
mod crc;
mod error;
mod record;

pub use crc::crc32;
pub use error::PlanError;
pub use record::{Kind, NO_READER, OPERATOR_WORDS, Operator, TENSOR_WORDS, Tensor};

/// First word of a plan: `INFP` in ASCII, low byte first.
pub const MAGIC: u32 = u32::from_le_bytes(*b"INFP");
/// The version of the format that this crate reads and the planner writes.
pub const VERSION: u32 = 1;
/// Words before the first record.
pub const HEADER_WORDS: usize = 8;
/// Most operators in a plan.
pub const MAX_OPERATORS: usize = 255;
/// Most tensors in a plan: the input and one an operator.
pub const MAX_TENSORS: usize = MAX_OPERATORS + 1;

/// A checked plan.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    words: &'a [u32],
    operators: usize,
    arena_words: usize,
    names: usize,
}

/// Shape and quantization of what goes in and what comes out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorInfo {
    /// Rows.
    pub height: usize,
    /// Pixels a row.
    pub width: usize,
    /// Values a pixel.
    pub channels: usize,
    /// Real value of one step.
    pub scale: f32,
    /// The step that stands for zero.
    pub zero_point: i8,
}

impl TensorInfo {
    /// Channels, height, width.
    pub const fn shape(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }

    /// Values of a row.
    pub const fn row_len(&self) -> usize {
        self.width * self.channels
    }

    /// Values in all.
    pub const fn len(&self) -> usize {
        self.height * self.row_len()
    }

    /// Never: every dimension is at least 1.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> Plan<'a> {
    /// Reads and checks a plan.
    ///
    /// # Errors
    /// The first thing found wrong, as a [`PlanError`]: nothing is half-read.
    pub const fn parse(words: &'a [u32]) -> Result<Self, PlanError> {
        let plan = tri!(check::header(words));
        tri!(check::records(&plan));
        tri!(check::memory(&plan));
        tri!(check::rings(&plan));
        Ok(plan)
    }

    /// For the planner: the slots that each tensor's ring needs, of a plan whose memory is not laid out yet.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), but rings and accumulators are not looked at.
    pub const fn ring_slots(words: &[u32]) -> Result<[u16; MAX_TENSORS], PlanError> {
        let plan = tri!(check::header(words));
        tri!(check::records(&plan));
        check::rows_alive(&plan)
    }

    /// Operators in the plan.
    pub const fn operator_count(&self) -> usize {
        self.operators
    }

    /// Tensors in the plan: the input and one an operator.
    pub const fn tensor_count(&self) -> usize {
        self.operators + 1
    }

    /// Words of RAM that the engine wants from its caller.
    pub const fn arena_words(&self) -> usize {
        self.arena_words
    }

    /// What the network takes.
    pub const fn input(&self) -> TensorInfo {
        self.info(0)
    }

    /// What the network gives.
    pub const fn output(&self) -> TensorInfo {
        self.info(self.operators)
    }

    /// Tensor `id`, which must be below [`tensor_count`](Self::tensor_count).
    pub const fn tensor(&self, id: usize) -> Tensor {
        Tensor::decode(self.words, HEADER_WORDS + id * TENSOR_WORDS)
    }

    /// Operator `id`, which must be below [`operator_count`](Self::operator_count).
    pub const fn operator(&self, id: usize) -> Operator {
        match Operator::decode(self.words, self.operator_at(id)) {
            Some(operator) => operator,
            None => unreachable!(), // `check` has seen every kind
        }
    }

    /// Operator `id`'s weights, packed for its kernel, as words of four int8, low byte first.
    pub const fn weights(&self, id: usize) -> &'a [u32] {
        let operator = self.operator(id);
        let (input, output) = (self.tensor(operator.inputs[0] as usize), self.tensor(id + 1));
        let words = operator.weights_len(&input, &output).div_ceil(4);
        self.slice(operator.weights as usize, words)
    }

    /// Operator `id`'s biases and multipliers.
    pub const fn table(&self, id: usize) -> &'a [u32] {
        let operator = self.operator(id);
        self.slice(operator.table as usize, operator.table_words(&self.tensor(id + 1)))
    }

    /// Names, for people: the network's, then each tensor's, every one as UTF-8 ended by a zero byte, in words.
    pub const fn names(&self) -> &'a [u32] {
        self.slice(self.names, self.words.len() - self.names)
    }

    /// Words of the whole plan.
    pub const fn words(&self) -> &'a [u32] {
        self.words
    }

    const fn slice(&self, at: usize, len: usize) -> &'a [u32] {
        self.words.split_at(at).1.split_at(len).0
    }

    const fn operator_at(&self, id: usize) -> usize {
        HEADER_WORDS + self.tensor_count() * TENSOR_WORDS + id * OPERATOR_WORDS
    }

    const fn info(&self, id: usize) -> TensorInfo {
        let tensor = self.tensor(id);
        TensorInfo {
            height: tensor.height as usize,
            width: tensor.width as usize,
            channels: tensor.channels as usize,
            scale: tensor.scale,
            zero_point: tensor.zero_point,
        }
    }
}

/// The words of a plan file's bytes, low byte first.
///
/// # Panics
/// There are not exactly 4·N bytes; in a constant, that does not compile.
pub const fn words_from_bytes<const N: usize>(bytes: &[u8]) -> [u32; N] {
    assert!(bytes.len() == 4 * N, "a plan is whole words: the file is cut or padded");
    let mut words = [0; N];
    let mut i = 0;
    while i < N {
        words[i] = u32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]);
        i += 1;
    }
    words
}

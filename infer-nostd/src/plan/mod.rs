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
mod kernel;
mod layout;
mod operator;
mod tensor;
mod uses;

use crate::arch::records::{self, Records};
use crate::schedule::Life;

pub use crc::crc32;
pub use error::PlanError;
pub(crate) use kernel::MANY_SEGMENTS;
pub use kernel::{Kernel, MAX_SEGMENTS, MAX_WINDOW_ROWS, Place, Run, Taps, Walk, Window};
pub use layout::Layout;
pub use operator::{Kind, OPERATOR_WORDS, Operator};
pub use tensor::{NO_READER, NOWHERE, TENSOR_WORDS, Tensor};
pub use uses::Uses;

/// First word of a plan: `INFP` in ASCII, low byte first.
pub const MAGIC: u32 = u32::from_le_bytes(*b"INFP");
/// The version of the format that this crate reads and the planner writes.
pub const VERSION: u32 = 5;
/// Words before the first record.
pub const HEADER_WORDS: usize = 8;
/// Most operators in a plan.
pub const MAX_OPERATORS: usize = 255;
/// Most tensors in a plan: the input and one an operator.
pub const MAX_TENSORS: usize = MAX_OPERATORS + 1;

/// A checked plan.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    records: Records<'a>,
    arena_words: usize,
    names: usize,
    uses: Uses,
}

/// What the schedule lets a tensor's rows do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShortLived {
    /// Whether each is dead as soon as it is read.
    pub passing: bool,
    /// Whether each may land outside the ring.
    pub may_land: bool,
    /// When in an image there are any.
    pub life: Life,
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
        let run = check::run(&plan);
        tri!(check::memory(&plan, &run.lives));
        tri!(check::rings(&plan, &run));
        Ok(Self { uses: Uses::of(&plan), ..plan })
    }

    /// For the planner: the slots that each tensor's ring needs, of a plan whose memory is not laid out yet.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), but rings and accumulators are not looked at.
    pub const fn ring_slots(words: &[u32]) -> Result<[u16; MAX_TENSORS], PlanError> {
        let plan = tri!(check::header(words));
        tri!(check::records(&plan));
        let run = check::run(&plan);
        if run.completes { Ok(run.alive) } else { Err(PlanError::Incomplete) }
    }

    /// For the planner: which tensors' rows are dead as soon as they are read, which tensors' rows may land, and when each tensor's memory is in
    /// use, of a plan whose memory is not laid out yet.
    ///
    /// # Errors
    /// As [`ring_slots`](Self::ring_slots).
    pub const fn short_lived(words: &[u32]) -> Result<[ShortLived; MAX_TENSORS], PlanError> {
        let plan = tri!(check::header(words));
        tri!(check::records(&plan));
        let run = check::run(&plan);
        let mut tensors = [ShortLived { passing: false, may_land: false, life: Life::NONE }; MAX_TENSORS];
        let mut id = 0;
        while id < plan.tensor_count() {
            tensors[id] = ShortLived {
                passing: crate::schedule::is_passing(&plan, id),
                may_land: crate::schedule::may_land(&plan, id),
                life: run.lives[id],
            };
            id += 1;
        }
        Ok(tensors)
    }

    /// Operators in the plan.
    #[inline(always)]
    pub const fn operator_count(&self) -> usize {
        self.operators().len()
    }

    /// Tensors in the plan: the input and one an operator.
    #[inline(always)]
    pub const fn tensor_count(&self) -> usize {
        self.tensors().len()
    }

    /// Words of RAM that the engine wants from its caller.
    pub const fn arena_words(&self) -> usize {
        self.arena_words
    }

    /// Bytes of stack that its kernels take at most, on a core that has them; the engine's own come on top.
    pub const fn stack_bytes(&self) -> usize {
        let (mut most, mut id) = (0, 0);
        while id < self.operator_count() {
            let operator = self.operator(id);
            let bytes = operator.stack_bytes(self.tensor(operator.inputs[0] as usize));
            most = if bytes > most { bytes } else { most };
            id += 1;
        }
        most
    }

    /// What the plan uses of the engine, for [`Engine`](crate::Engine)'s second parameter.
    pub const fn uses(&self) -> u128 {
        self.uses.0
    }

    /// What the network takes.
    pub const fn input(&self) -> TensorInfo {
        self.info(0)
    }

    /// What the network gives.
    pub const fn output(&self) -> TensorInfo {
        self.info(self.operator_count())
    }

    /// The input, then what each operator makes.
    #[inline(always)]
    pub const fn tensors(&self) -> &'a [Tensor] {
        self.records.tensors()
    }

    /// The operators in the order of their numbers.
    #[inline(always)]
    pub const fn operators(&self) -> &'a [Operator] {
        self.records.operators()
    }

    /// Tensor `id`, which must be below [`tensor_count`](Self::tensor_count).
    #[inline(always)]
    pub const fn tensor(&self, id: usize) -> &'a Tensor {
        &self.tensors()[id]
    }

    /// Operator `id`, which must be below [`operator_count`](Self::operator_count).
    #[inline(always)]
    pub const fn operator(&self, id: usize) -> &'a Operator {
        &self.operators()[id]
    }

    /// Operator `id` with its first input and its output.
    #[inline(always)]
    pub(crate) const fn around(&self, id: usize) -> (&'a Operator, &'a Tensor, &'a Tensor) {
        self.records.around(id)
    }

    /// Operator `id`'s weights, packed for its kernel.
    pub const fn weights(&self, id: usize) -> &'a [u32] {
        let operator = self.operator(id);
        let (input, output) = (self.tensor(operator.inputs[0] as usize), self.tensor(id + 1));
        self.data(operator.weights).split_at(operator.weights_words(input, output)).0
    }

    /// Operator `id`'s biases and multipliers.
    pub const fn table(&self, id: usize) -> &'a [u32] {
        let operator = self.operator(id);
        self.data(operator.table).split_at(operator.table_words(self.tensor(id + 1))).0
    }

    /// The words from `at` on, where weights or a table begin.
    #[inline(always)]
    pub(crate) const fn data(&self, at: u32) -> &'a [u32] {
        self.words().split_at(at as usize).1
    }

    /// Names, for people: the network's, then each tensor's, every one as UTF-8 ended by a zero byte, in words.
    pub const fn names(&self) -> &'a [u32] {
        self.words().split_at(self.names).1
    }

    /// Words of the whole plan.
    pub const fn words(&self) -> &'a [u32] {
        self.records.words()
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

/// The words of a tensor's record, as the file has them.
pub const fn tensor_words(tensor: &Tensor) -> &[u32; TENSOR_WORDS] {
    records::tensor_words(tensor)
}

/// The words of an operator's record, as the file has them.
pub const fn operator_words(operator: &Operator) -> &[u32; OPERATOR_WORDS] {
    records::operator_words(operator)
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

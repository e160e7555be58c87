//! What a stage takes that runs on a chip.

use serde::{Deserialize, Serialize};

/// What the firmware takes of its board: the most over all images, and the time of all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Instructions of an inference, input and output left out, where an emulator counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<u64>,
    /// Cycles of an inference, input and output left out, where a chip's clock counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u64>,
    /// Flash taken by code, constants, the plan and the sample images.
    pub flash_bytes: usize,
    /// All RAM: statics and stack.
    pub ram_bytes: usize,
    /// RAM taken by statics, the engine's arena among them.
    pub static_bytes: usize,
    /// RAM taken by the stack at its deepest.
    pub stack_bytes: usize,
    /// How long the board ran, in ms: where several emulators ran at once, their sum.
    pub run_ms: u64,
}

impl Figures {
    /// Those of these images and of more.
    pub fn and(self, more: Self) -> Self {
        Self {
            instructions: self.instructions.max(more.instructions),
            cycles: self.cycles.max(more.cycles),
            flash_bytes: self.flash_bytes.max(more.flash_bytes),
            ram_bytes: self.ram_bytes.max(more.ram_bytes),
            static_bytes: self.static_bytes.max(more.static_bytes),
            stack_bytes: self.stack_bytes.max(more.stack_bytes),
            run_ms: self.run_ms + more.run_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_the_most_and_the_time_the_sum() {
        let one = Figures { instructions: Some(9), ram_bytes: 4, stack_bytes: 3, run_ms: 10, ..Figures::default() };
        let two = Figures { instructions: Some(8), ram_bytes: 5, stack_bytes: 2, run_ms: 11, ..Figures::default() };
        let both = Figures { instructions: Some(9), ram_bytes: 5, stack_bytes: 3, run_ms: 21, ..Figures::default() };
        assert_eq!(one.and(two), both);
    }
}

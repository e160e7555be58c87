//! Whose turn it is, told to the plugin in counter/ or timed by SysTick.

use core::sync::atomic::{AtomicU8, Ordering, compiler_fence};
use firmware::network::{BOARD, OPERATORS};
use firmware::say;
use firmware::stopwatch::Stopwatch;

/// The time outside, the engine's own work (rows in, what is next), then each operator's.
const LAPS: usize = 2 + OPERATORS;
/// Outside the inference.
pub const OUTSIDE: usize = 0;
/// A row comes in.
pub const INPUT: usize = 1;

/// The lap of operator `id`.
pub const fn operator(id: usize) -> usize {
    2 + id
}

/// A byte stored to element N begins lap N, for the plugin that watches the array; nobody reads it. `export bench` finds it
/// by its name.
#[used]
static BENCH_LAP: [AtomicU8; LAPS] = [const { AtomicU8::new(0) }; LAPS];

/// Nobody watches stores on a chip.
const ON_A_CHIP: bool = BOARD.chip.is_some();

/// Laps that are timed here: elsewhere the table would only take stack.
const TIMED: usize = if ON_A_CHIP { LAPS } else { 0 };

/// Ticks by lap, on a chip.
pub struct Laps {
    watch: Stopwatch,
    lap: usize,
    ticks: [u32; TIMED],
}

impl Laps {
    /// Outside, and the clock is running.
    pub fn start() -> Self {
        Self { watch: Stopwatch::start(), lap: OUTSIDE, ticks: [0; TIMED] }
    }

    /// `lap` begins.
    #[inline(always)]
    pub fn switch(&mut self, lap: usize) {
        compiler_fence(Ordering::SeqCst); // what was done before stays before
        if ON_A_CHIP {
            let ticks = self.watch.lap();
            if let Some(sum) = self.ticks.get_mut(self.lap) {
                *sum += ticks;
            }
            self.lap = lap;
        } else if let Some(byte) = BENCH_LAP.get(lap) {
            byte.store(0, Ordering::Relaxed);
        }
        compiler_fence(Ordering::SeqCst);
    }

    /// Prints the ticks of every lap and of all, on a chip.
    pub fn print(&self) {
        if !ON_A_CHIP {
            return;
        }
        say!("bench on ", BOARD.name, ", ", BOARD.core, ", in ticks");
        for (lap, &ticks) in self.ticks.iter().enumerate().skip(INPUT) {
            match lap.checked_sub(operator(0)) {
                None => say!("input ", ticks),
                Some(id) => say!("operator ", id, " ", ticks),
            }
        }
        say!("total ", self.ticks.iter().skip(INPUT).sum::<u32>());
    }
}

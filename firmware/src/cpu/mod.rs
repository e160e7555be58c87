//! What differs between families of processors: start-up, a clock, the stack's memory, the handler of faults.

#![allow(unsafe_code, reason = "memory for the whole of the program")]

use core::mem::MaybeUninit;

use crate::network::{self, Arena, Engine};

#[cfg(target_arch = "arm")]
mod cortex_m;
#[cfg(target_arch = "riscv32")]
mod riscv;

#[cfg(target_arch = "arm")]
pub use cortex_m::*;
#[cfg(target_arch = "riscv32")]
pub use riscv::*;

/// Makes `$run`, a function from the engine to an exit status, the program.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        #[$crate::cpu::entry]
        fn main() -> ! {
            semihosting::process::exit($run($crate::cpu::engine()))
        }
    };
}

/// The engine, in memory that is the program's own to its end. To be called once.
#[inline(never)] // it is made on the stack, which is free again
pub fn engine() -> &'static mut Engine {
    static mut ARENA: Arena = [0; _];
    static mut ENGINE: MaybeUninit<Engine> = MaybeUninit::uninit();
    // SAFETY: no other place knows the statics, and `program`'s main function, which the start-up code calls once, is the only caller.
    unsafe { (*(&raw mut ENGINE)).write(network::engine(&mut *(&raw mut ARENA))) }
}

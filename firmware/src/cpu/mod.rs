//! What differs between families of processors: start-up, a clock, the stack's memory, the handler of faults.

#![allow(unsafe_code, reason = "memory for the whole of the program")]

use core::mem::MaybeUninit;

use crate::network::{self, Arena, Engine};

#[cfg(target_arch = "arm")]
mod cortex_m;
#[cfg(target_arch = "riscv32")]
mod riscv;
#[cfg(feature = "board-rp2040")]
mod second_stage;

#[cfg(target_arch = "arm")]
pub use cortex_m::*;
#[cfg(target_arch = "riscv32")]
pub use riscv::*;

/// Makes `$run`, a function from the engine to an exit status, the program, which a debugger shows and QEMU runs. With
/// `on_fault` it is a program of its own, which never ends, and does that after a panic or a fault.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        fn main_loop(engine: &mut $crate::network::Engine) -> ! {
            semihosting::process::exit($run(engine))
        }
        $crate::program!(main_loop, on_fault: $crate::fault::report);
    };
    ($run:path, on_fault: $on_fault:expr) => {
        #[$crate::cpu::entry]
        fn main() -> ! {
            $run($crate::cpu::engine())
        }

        /// What cpu's handlers call.
        #[unsafe(no_mangle)]
        #[allow(unsafe_code, reason = "a name for the linker")]
        fn firmware_on_fault(pc: u32, caller: u32) -> ! {
            $on_fault(pc, caller)
        }
    };
}

/// Reads a register of a peripheral.
#[inline(always)]
pub fn read(address: u32) -> u32 {
    // SAFETY: drivers name registers, which are no memory of Rust's.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes a register of a peripheral.
#[inline(always)]
pub fn write(address: u32, value: u32) {
    // SAFETY: as in `read`.
    unsafe { (address as *mut u32).write_volatile(value) }
}

/// The engine, in memory that is the program's own to its end. To be called once.
#[inline(never)] // it is made on the stack, which is free again
pub fn engine() -> &'static mut Engine {
    static mut ARENA: Arena = [0; _];
    static mut ENGINE: MaybeUninit<Engine> = MaybeUninit::uninit();
    let (arena, engine) = (&raw mut ARENA, &raw mut ENGINE);
    // SAFETY: no other place knows the statics, and `program`'s main function, which the start-up code calls once, is the only caller.
    let (arena, engine) = unsafe { (&mut *arena, &mut *engine) };
    engine.write(network::engine(arena))
}

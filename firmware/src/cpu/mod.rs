//! What differs between families of processors: start-up, a clock, the stack's memory, the handler of faults.

#[cfg(target_arch = "arm")]
mod cortex_m;
#[cfg(target_arch = "riscv32")]
mod riscv;

#[cfg(target_arch = "arm")]
pub use cortex_m::*;
#[cfg(target_arch = "riscv32")]
pub use riscv::*;

/// Makes `$run`, a function from the engine's working memory to an exit status, the program.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        #[$crate::cpu::entry]
        #[allow(unsafe_code, reason = "memory for the whole of the program")]
        fn main() -> ! {
            let arena = {
                static mut ARENA: $crate::network::Arena = [0; _];
                // SAFETY: nothing but the start-up code calls this function, once; no other place knows the static.
                unsafe { &mut *(&raw mut ARENA) }
            };
            semihosting::process::exit($run(arena))
        }
    };
}

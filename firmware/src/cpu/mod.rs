//! What differs between families of processors: start-up, a clock, the stack's memory, the handler of faults.

#![allow(unsafe_code, reason = "memory for the whole of the program")]

use core::mem::MaybeUninit;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::boards::Region;
use crate::network::{self, Arena, BOARD, Engine};

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
            $crate::log::started();
            $run($crate::cpu::engine())
        }

        /// What cpu's handlers call.
        #[unsafe(no_mangle)]
        #[allow(unsafe_code, reason = "a name for the linker")]
        fn firmware_on_fault(fault: $crate::fault::Fault) -> ! {
            $crate::log::ended(fault);
            $on_fault(fault)
        }
    };
}

unsafe extern "C" {
    /// memory.x: the first word behind the stack, which is the first of the statics.
    static _stack_start: u32;
}

/// Where the stack lies, which grows down to the beginning of RAM; painted by the start-up code.
pub fn stack() -> Range<*const u32> {
    BOARD.ram.origin as *const u32..&raw const _stack_start
}

/// Where RAM's statics lie: behind the stack, so that one too deep leaves RAM, which traps, and not a static is overwritten.
pub fn statics() -> Range<*const u32> {
    let Region { origin, len_bytes } = BOARD.ram;
    stack().end..(origin + len_bytes) as *const u32
}

/// Where processors of a family have their peripherals, and never memory.
#[cfg(target_arch = "arm")]
const PERIPHERALS: Range<u32> = 0x4000_0000..0x6000_0000;
/// Where an FE310 has its peripherals.
#[cfg(target_arch = "riscv32")]
const PERIPHERALS: Range<u32> = 0x1000_0000..0x2000_0000;

/// A register of a peripheral. The check costs nothing where the address is known to the compiler, as drivers' are.
#[inline(always)]
const fn register(address: u32) -> *mut u32 {
    assert!(PERIPHERALS.start <= address && address < PERIPHERALS.end && address.is_multiple_of(4));
    address as *mut u32
}

/// Reads a register of a peripheral.
#[inline(always)]
pub(crate) fn read(address: u32) -> u32 {
    // SAFETY: `register` gives places that are aligned and no memory of Rust's.
    unsafe { register(address).read_volatile() }
}

/// Writes a register of a peripheral. No driver has one that makes a peripheral write to memory.
#[inline(always)]
pub(crate) fn write(address: u32, value: u32) {
    // SAFETY: as in `read`.
    unsafe { register(address).write_volatile(value) }
}

/// The engine, in memory that is the program's own to its end.
///
/// # Panics
/// When it is called again.
#[inline(never)] // it is made on the stack, which is free again
pub fn engine() -> &'static mut Engine {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    static mut ARENA: Arena = [0; _];
    static mut ENGINE: MaybeUninit<Engine> = MaybeUninit::uninit();
    assert!(!TAKEN.load(Relaxed));
    TAKEN.store(true, Relaxed);
    let (arena, engine) = (&raw mut ARENA, &raw mut ENGINE);
    // SAFETY: no other place knows the statics, and nothing comes here twice: one core runs this, and no interrupt does.
    let (arena, engine) = unsafe { (&mut *arena, &mut *engine) };
    engine.write(network::engine(arena))
}

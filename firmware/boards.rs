//! The boards: the one table that the memory map, the runner, the emulator and `export` take their facts from.
//!
//! A new board is an entry here, a feature `board-NAME` in Cargo.toml and an alias `flash-NAME` in .cargo/config.toml
//! (`cargo test -p firmware` says what is missing). The file uses nothing but `core`, so that the build script, the
//! firmware and host tools can each take it in with `#[path = "…/boards.rs"] mod boards;`.
#![allow(dead_code, reason = "each program that includes this file reads the columns it needs")]

/// A run of memory, in bytes.
pub struct Region {
    /// Address of its first byte.
    pub origin: u32,
    /// Its length.
    pub len_bytes: u32,
}

/// Everything that differs between boards.
pub struct Board {
    /// The chip's short name; `board-NAME` is its cargo feature, `cargo flash-NAME` its alias.
    pub name: &'static str,
    /// What people call the board.
    pub title: &'static str,
    /// The processor core, as Arm writes it.
    pub core: &'static str,
    /// Rust's target triple.
    pub target: &'static str,
    /// The name that probe-rs has for the chip.
    pub chip: &'static str,
    /// Flash, where the vector table begins.
    pub flash: Region,
    /// RAM, the stack at its end.
    pub ram: Region,
    /// QEMU's name of a machine with this chip's core, flash and RAM.
    pub qemu_machine: &'static str,
    /// SysTick's processor clock in that machine (QEMU's hw/arm/*_soc.c).
    pub qemu_systick_hz: u32,
    /// SysTick's processor clock on the chip out of reset, where the chip has a SysTick.
    pub reset_systick_hz: Option<u32>,
}

/// All boards.
pub const BOARDS: &[Board] = &[
    Board {
        name: "stm32f405",
        title: "STM32F405 (Netduino Plus 2, Feather STM32F405, …)",
        core: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        chip: "STM32F405RGTx",
        flash: Region { origin: 0x0800_0000, len_bytes: 1024 * 1024 },
        // SRAM1 and SRAM2; the 64 KB of core-coupled memory at 0x1000_0000 lie apart and stay unused.
        ram: Region { origin: 0x2000_0000, len_bytes: 128 * 1024 },
        qemu_machine: "netduinoplus2",
        qemu_systick_hz: 168_000_000,
        reset_systick_hz: Some(16_000_000),
    },
    Board {
        name: "stm32f100rb",
        title: "STM32VLDISCOVERY (STM32F100RB)",
        core: "Cortex-M3",
        target: "thumbv7m-none-eabi",
        chip: "STM32F100RB",
        flash: Region { origin: 0x0800_0000, len_bytes: 128 * 1024 },
        ram: Region { origin: 0x2000_0000, len_bytes: 8 * 1024 },
        qemu_machine: "stm32vldiscovery",
        qemu_systick_hz: 24_000_000,
        reset_systick_hz: Some(8_000_000),
    },
    Board {
        name: "nrf51822",
        title: "micro:bit v1 (nRF51822)",
        core: "Cortex-M0",
        target: "thumbv6m-none-eabi",
        chip: "nRF51822_xxAA",
        flash: Region { origin: 0, len_bytes: 256 * 1024 },
        ram: Region { origin: 0x2000_0000, len_bytes: 16 * 1024 },
        qemu_machine: "microbit",
        qemu_systick_hz: 16_000_000,
        // The nRF51 series left SysTick out; QEMU's machine has one.
        reset_systick_hz: None,
    },
];

/// The board of that name: its own, or its QEMU machine's.
pub fn find(name: &str) -> Option<&'static Board> {
    BOARDS.iter().find(|board| board.name == name || board.qemu_machine == name)
}

/// Instructions executed in `ticks` of SysTick under `qemu-system-arm -icount shift=0`, where each takes 1 ns.
pub const fn instructions(ticks: u64, systick_hz: u32) -> u64 {
    // In kHz, which loses nothing: an hour of ticks would overflow 64 bits in Hz.
    ticks * 1_000_000 / (systick_hz / 1_000) as u64
}

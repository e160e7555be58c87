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

/// A serial line to the host: which peripheral, on which pins.
#[derive(Clone, Copy)]
pub enum Serial {
    /// UART of an nRF51 or nRF52, its pins numbered through the ports.
    Nrf {
        /// Out.
        tx: u8,
        /// In.
        rx: u8,
    },
    /// USART1 of an STM32F1 on PA9 and PA10.
    Stm32f1,
    /// USART1 of an STM32F4 on PA9 and PA10.
    Stm32f4,
    /// USART2 of an STM32F411 on PA2 and PA3, which a Nucleo's debugger passes on.
    Stm32f411,
    /// USART3 of an STM32H7 on PD8 and PD9, which a Nucleo-144's debugger passes on.
    Stm32h7,
    /// UART0 of an RP2040 on GP0 and GP1.
    Rp2040,
    /// UART0 of an RP2350 on GP0 and GP1.
    Rp2350,
    /// UART0 of an FE310.
    SiFive,
}

/// What a chip's boot ROM wants to find in flash besides the vector table at its beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// Nothing.
    VectorTable,
    /// RP2040: a second stage in the 256 bytes before the vector table, which sets up the memory chip (RP2040 Datasheet, 2.8.1.3.1).
    SecondStage,
    /// RP2350: a block that says what the image is, within the first 4 KB (RP2350 Datasheet, 5.9.5.1).
    ImageDefinition,
}

/// A machine of QEMU's.
pub struct Qemu {
    /// QEMU's program for the processor's family.
    pub program: &'static str,
    /// Its name for the machine, and options.
    pub machine: &'static str,
    /// Ticks a second of the clock that the stopwatch reads in it: SysTick (QEMU's hw/arm/*_soc.c), or `mcycle`, which
    /// counts nanoseconds there.
    pub clock_hz: u32,
}

/// Everything that differs between boards.
pub struct Board {
    /// The chip's short name; `board-NAME` is its cargo feature, `cargo flash-NAME` its alias.
    pub name: &'static str,
    /// What people call the board.
    pub title: &'static str,
    /// The processor core, as its maker writes it.
    pub core: &'static str,
    /// Rust's target triple.
    pub target: &'static str,
    /// The planner's name for the core, whose kernels a plan may use: `export plan --target`.
    pub plan_target: &'static str,
    /// The name that probe-rs has for the chip; none where the machine is QEMU's alone.
    pub chip: Option<&'static str>,
    /// Flash, where the program begins.
    pub flash: Region,
    /// RAM: the stack at its beginning, the statics at its end.
    pub ram: Region,
    /// What the chip's boot ROM wants to find in flash.
    pub boot: Boot,
    /// The machine in QEMU with this chip's core, flash and RAM, where there is one.
    pub qemu: Option<Qemu>,
    /// SysTick's processor clock on the chip while `serve` runs, where the chip has a SysTick and that clock is known.
    pub systick_hz: Option<u32>,
    /// The line that the program `serve` answers on; none where it has no driver.
    pub serial: Option<Serial>,
}

/// All boards, for people.
pub const BOARDS: &[Board] = &[
    Board {
        name: "stm32f405",
        title: "STM32F405 (Netduino Plus 2, Feather STM32F405, …)",
        core: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        plan_target: "cortex-m4",
        chip: Some("STM32F405RGTx"),
        flash: Region { origin: 0x0800_0000, len_bytes: 1024 * 1024 },
        // SRAM1 and SRAM2; the 64 KB of core-coupled memory at 0x1000_0000 lie apart and stay unused.
        ram: Region { origin: 0x2000_0000, len_bytes: 128 * 1024 },
        boot: Boot::VectorTable,
        qemu: Some(Qemu { program: ARM, machine: "netduinoplus2", clock_hz: 168_000_000 }),
        systick_hz: Some(16_000_000),
        serial: Some(Serial::Stm32f4),
    },
    Board {
        name: "stm32f100rb",
        title: "STM32VLDISCOVERY (STM32F100RB)",
        core: "Cortex-M3",
        target: "thumbv7m-none-eabi",
        plan_target: "cortex-m3",
        chip: Some("STM32F100RB"),
        flash: Region { origin: 0x0800_0000, len_bytes: 128 * 1024 },
        ram: Region { origin: 0x2000_0000, len_bytes: 8 * 1024 },
        boot: Boot::VectorTable,
        qemu: Some(Qemu { program: ARM, machine: "stm32vldiscovery", clock_hz: 24_000_000 }),
        systick_hz: Some(8_000_000),
        serial: Some(Serial::Stm32f1),
    },
    Board {
        name: "nrf51822",
        title: "micro:bit v1 (nRF51822)",
        core: "Cortex-M0",
        target: "thumbv6m-none-eabi",
        plan_target: "cortex-m0",
        chip: Some("nRF51822_xxAA"),
        flash: Region { origin: 0, len_bytes: 256 * 1024 },
        ram: Region { origin: 0x2000_0000, len_bytes: 16 * 1024 },
        boot: Boot::VectorTable,
        qemu: Some(Qemu { program: ARM, machine: "microbit", clock_hz: 16_000_000 }),
        // The nRF51 series left SysTick out; QEMU's machine has one.
        systick_hz: None,
        serial: Some(Serial::Nrf { tx: 24, rx: 25 }),
    },
    FE310,
    Board {
        name: "stm32f411",
        title: "Nucleo-F411RE (STM32F411RE)",
        core: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        plan_target: "cortex-m4",
        chip: Some("STM32F411RETx"),
        flash: Region { origin: 0x0800_0000, len_bytes: 512 * 1024 },
        ram: Region { origin: 0x2000_0000, len_bytes: 128 * 1024 },
        boot: Boot::VectorTable,
        qemu: None,
        systick_hz: Some(16_000_000),
        serial: Some(Serial::Stm32f411),
    },
    Board {
        name: "stm32h743",
        title: "Nucleo-H743ZI (STM32H743ZI)",
        core: "Cortex-M7F",
        target: "thumbv7em-none-eabihf",
        plan_target: "cortex-m7",
        chip: Some("STM32H743ZITx"),
        flash: Region { origin: 0x0800_0000, len_bytes: 2 * MIB },
        // DTCM, which the core reads without waiting; the other memories stay unused.
        ram: Region { origin: 0x2000_0000, len_bytes: 128 * 1024 },
        boot: Boot::VectorTable,
        qemu: None,
        systick_hz: Some(64_000_000),
        serial: Some(Serial::Stm32h7),
    },
    Board {
        name: "nrf52833",
        title: "micro:bit v2 (nRF52833)",
        core: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        plan_target: "cortex-m4",
        chip: Some("nRF52833_xxAA"),
        flash: Region { origin: 0, len_bytes: 512 * 1024 },
        ram: Region { origin: 0x2000_0000, len_bytes: 128 * 1024 },
        boot: Boot::VectorTable,
        qemu: None,
        systick_hz: Some(64_000_000),
        serial: Some(Serial::Nrf { tx: 6, rx: 32 + 8 }),
    },
    Board {
        name: "nrf52840",
        title: "nRF52840-DK (nRF52840)",
        core: "Cortex-M4F",
        target: "thumbv7em-none-eabihf",
        plan_target: "cortex-m4",
        chip: Some("nRF52840_xxAA"),
        flash: Region { origin: 0, len_bytes: MIB },
        ram: Region { origin: 0x2000_0000, len_bytes: 256 * 1024 },
        boot: Boot::VectorTable,
        qemu: None,
        systick_hz: Some(64_000_000),
        serial: Some(Serial::Nrf { tx: 6, rx: 8 }),
    },
    Board {
        name: "rp2040",
        title: "Raspberry Pi Pico (RP2040)",
        core: "Cortex-M0+",
        target: "thumbv6m-none-eabi",
        plan_target: "cortex-m0",
        chip: Some("RP2040"),
        // The Pico's memory chip, behind the second stage.
        flash: Region { origin: 0x1000_0000 + SECOND_STAGE_BYTES, len_bytes: 2 * MIB - SECOND_STAGE_BYTES },
        // The four striped banks; the two of 4 KB behind them stay unused.
        ram: Region { origin: 0x2000_0000, len_bytes: 256 * 1024 },
        boot: Boot::SecondStage,
        qemu: None,
        // The Pico's crystal, which its serial line needs.
        systick_hz: Some(12_000_000),
        serial: Some(Serial::Rp2040),
    },
    Board {
        name: "rp2350",
        title: "Raspberry Pi Pico 2 (RP2350)",
        core: "Cortex-M33F",
        target: "thumbv8m.main-none-eabihf",
        plan_target: "cortex-m33",
        chip: Some("RP235x"),
        flash: Region { origin: 0x1000_0000, len_bytes: 4 * MIB },
        ram: Region { origin: 0x2000_0000, len_bytes: 520 * 1024 },
        boot: Boot::ImageDefinition,
        qemu: None,
        systick_hz: Some(12_000_000),
        serial: Some(Serial::Rp2350),
    },
];

/// Bytes of the RP2040's second stage.
pub const SECOND_STAGE_BYTES: u32 = 256;

/// Instruction sets that no board above has, on the machine of one that runs them as well: for tests.
pub const SUBSETS: &[Board] = &[Board {
    name: "fe310-imc",
    title: "HiFive1 Rev B, its atomic instructions left out",
    core: "RV32IMC",
    target: "riscv32imc-unknown-none-elf",
    chip: None,
    ..FE310
}];

const FE310: Board = Board {
    name: "fe310",
    title: "HiFive1 Rev B (FE310-G002)",
    core: "RV32IMAC",
    target: "riscv32imac-unknown-none-elf",
    plan_target: "portable",
    chip: Some("fe310-g002"),
    // The first 64 KB belong to the board's boot loader, which jumps behind them; QEMU's machine does as well.
    flash: Region { origin: 0x2001_0000, len_bytes: 4 * MIB - 64 * 1024 },
    ram: Region { origin: 0x8000_0000, len_bytes: 16 * 1024 },
    boot: Boot::VectorTable,
    qemu: Some(Qemu { program: RISCV32, machine: "sifive_e,revb=true", clock_hz: 1_000_000_000 }),
    systick_hz: None,
    serial: Some(Serial::SiFive),
};

const ARM: &str = "qemu-system-arm";
const RISCV32: &str = "qemu-system-riscv32";

/// Arm's MPS2+ as QEMU has it with each core, for `export bench`: memory for any network, and no chip to flash.
pub const CORES: &[Board] = &[
    // QEMU's machine with a Cortex-M0 has 16 KB of RAM; Armv6-M code runs on the M3 as it is, instruction by instruction.
    Board { name: "mps2-m0", core: "Cortex-M0", target: "thumbv6m-none-eabi", plan_target: "cortex-m0", ..MPS2 },
    MPS2,
    Board {
        name: "mps2-m4",
        core: "Cortex-M4F",
        plan_target: "cortex-m4",
        qemu: mps2("mps2-an386", 25_000_000),
        ..MPS2_DSP
    },
    Board {
        name: "mps2-m7",
        core: "Cortex-M7F",
        plan_target: "cortex-m7",
        qemu: mps2("mps2-an500", 25_000_000),
        ..MPS2_DSP
    },
    Board {
        name: "mps2-m33",
        core: "Cortex-M33F",
        target: "thumbv8m.main-none-eabihf",
        plan_target: "cortex-m33",
        // The secure side's addresses: the machine starts there.
        flash: Region { origin: 0x1000_0000, len_bytes: 4 * MIB },
        ram: Region { origin: 0x3800_0000, len_bytes: 4 * MIB },
        qemu: mps2("mps2-an505", 20_000_000),
        ..MPS2
    },
];

const MIB: u32 = 1024 * 1024;

const MPS2: Board = Board {
    name: "mps2-m3",
    title: "MPS2+ in QEMU",
    core: "Cortex-M3",
    target: "thumbv7m-none-eabi",
    plan_target: "cortex-m3",
    chip: None,
    flash: Region { origin: 0, len_bytes: 4 * MIB },
    ram: Region { origin: 0x2000_0000, len_bytes: 4 * MIB },
    boot: Boot::VectorTable,
    qemu: mps2("mps2-an385", 25_000_000),
    systick_hz: None,
    serial: None,
};

const fn mps2(machine: &'static str, clock_hz: u32) -> Option<Qemu> {
    Some(Qemu { program: ARM, machine, clock_hz })
}

const MPS2_DSP: Board = Board { target: "thumbv7em-none-eabihf", ..MPS2 };

/// Flash left for the program and one image to test itself with; a plan may take the rest.
const PROGRAM_BYTES: usize = 32 * 1024;
/// Stack of program and engine, kernels and a network's own share left out; it measures 1 KB at its deepest.
const STACK_BYTES: usize = 3 * 512;

/// Values of a network that a program keeps on the stack.
pub struct Frame {
    /// A row of the image: as it arrives, and as int8.
    pub row_len: usize,
    /// An answer, twice.
    pub answer_len: usize,
    /// Activations, whose progress the engine keeps.
    pub tensors: usize,
}

impl Board {
    /// Bytes of flash that a plan may take.
    pub const fn plan_flash_bytes(&self) -> usize {
        (self.flash.len_bytes as usize).saturating_sub(PROGRAM_BYTES)
    }

    /// Bytes of RAM that a plan may take: rows, accumulators, and the stack of its kernels.
    pub const fn plan_ram_bytes(&self, frame: &Frame) -> usize {
        let Frame { row_len, answer_len, tensors } = *frame;
        (self.ram.len_bytes as usize).saturating_sub(STACK_BYTES + 2 * row_len + 2 * answer_len + 6 * tensors)
    }
}

impl Board {
    /// QEMU's name of the machine, without options; none where it has no such machine.
    pub fn machine(&self) -> Option<&'static str> {
        self.qemu.as_ref()?.machine.split(',').next()
    }
}

/// The board of that name: its own, or its QEMU machine's.
pub fn find(name: &str) -> Option<&'static Board> {
    BOARDS.iter().chain(SUBSETS).find(|board| board.name == name || board.machine() == Some(name))
}

/// Instructions executed in `ticks` of the stopwatch under QEMU's `-icount shift=0`, where each takes 1 ns.
pub const fn instructions(ticks: u64, clock_hz: u32) -> u64 {
    // In kHz, which loses nothing: an hour of ticks would overflow 64 bits in Hz.
    ticks * 1_000_000 / (clock_hz / 1_000) as u64
}

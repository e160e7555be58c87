//! UART0 of Raspberry Pi's RP2040 and RP2350 on GP0 (out) and GP1 (in), by a crystal of 12 MHz, which from then on is the processor's clock
//! too (RP2040 Datasheet, 2.14, 2.15, 2.16, 2.19, 4.2; RP2350 Datasheet, 7.5, 8.1, 8.2, 9.11, 12.1). No emulator has them: built, and not run by this
//! project's tests.

use super::{BAUD, Uart};
use crate::cpu::{read, write};

const CRYSTAL_HZ: u32 = 12_000_000;

/// Where the peripherals of a chip lie, and what its reset controller calls them.
pub struct Chip {
    resets: u32,
    /// The pins' functions, the pins themselves, UART0.
    reset_bits: u32,
    clocks: u32,
    crystal: u32,
    pin_functions: u32,
    pads: u32,
    uart: u32,
}

/// The Pico's.
pub const RP2040: Chip = Chip {
    resets: 0x4000_C000,
    reset_bits: 1 << 5 | 1 << 8 | 1 << 22,
    clocks: 0x4000_8000,
    crystal: 0x4002_4000,
    pin_functions: 0x4001_4000,
    pads: 0x4001_C000,
    uart: 0x4003_4000,
};

/// The Pico 2's.
pub const RP2350: Chip = Chip {
    resets: 0x4002_0000,
    reset_bits: 1 << 6 | 1 << 9 | 1 << 26,
    clocks: 0x4001_0000,
    crystal: 0x4004_8000,
    pin_functions: 0x4002_8000,
    pads: 0x4003_8000,
    uart: 0x4007_0000,
};

const RESET: u32 = 0x00;
const RESET_DONE: u32 = 0x08;

const XOSC_CTRL: u32 = 0x00;
/// On, for 1 to 15 MHz.
const XOSC_ENABLE: u32 = 0xFA_BAA0;
const XOSC_STATUS: u32 = 0x04;
const XOSC_STABLE: u32 = 1 << 31;
const XOSC_STARTUP: u32 = 0x0C;
/// A millisecond in units of 256 cycles.
const XOSC_DELAY: u32 = CRYSTAL_HZ.div_ceil(1_000 * 256);

const CLK_REF_CTRL: u32 = 0x30;
const REF_FROM_CRYSTAL: u32 = 2;
const CLK_REF_SELECTED: u32 = 0x38;
const CLK_SYS_CTRL: u32 = 0x3C;
const SYS_FROM_REF: u32 = 0;
const CLK_SYS_SELECTED: u32 = 0x44;
const CLK_PERI_CTRL: u32 = 0x48;
/// On, from the system's clock.
const PERI_ENABLE: u32 = 1 << 11;

const GPIO0_CTRL: u32 = 0x04;
const GPIO1_CTRL: u32 = 0x0C;
const FUNCTION_UART: u32 = 2;
const PAD_GPIO0: u32 = 0x04;
const PAD_GPIO1: u32 = 0x08;
/// Input enabled, 4 mA, Schmitt trigger; not isolated, which an RP2350's pads are out of reset.
const PAD: u32 = 1 << 6 | 1 << 4 | 1 << 1;

const UARTDR: u32 = 0x00;
const UARTFR: u32 = 0x18;
const RXFE: u32 = 1 << 4;
const TXFF: u32 = 1 << 5;
const UARTIBRD: u32 = 0x24;
const UARTFBRD: u32 = 0x28;
const UARTLCR_H: u32 = 0x2C;
/// Queues, 8 bits.
const FEN_WLEN: u32 = 1 << 4 | 0b11 << 5;
const UARTCR: u32 = 0x30;
/// The whole, transmitter, receiver.
const UARTEN_TXE_RXE: u32 = 1 | 1 << 8 | 1 << 9;

/// Bit times in 64ths of sixteen cycles.
const DIVISOR: u32 = (CRYSTAL_HZ * 4 + BAUD / 2) / BAUD;

impl Uart for Chip {
    fn start(&self) {
        write(self.crystal + XOSC_STARTUP, XOSC_DELAY);
        write(self.crystal + XOSC_CTRL, XOSC_ENABLE);
        while read(self.crystal + XOSC_STATUS) & XOSC_STABLE == 0 {}
        self.switch(CLK_REF_CTRL, REF_FROM_CRYSTAL, CLK_REF_SELECTED);
        self.switch(CLK_SYS_CTRL, SYS_FROM_REF, CLK_SYS_SELECTED);
        write(self.clocks + CLK_PERI_CTRL, PERI_ENABLE);

        let resets = read(self.resets + RESET);
        write(self.resets + RESET, resets | self.reset_bits); // after a fault they are as that left them
        write(self.resets + RESET, resets & !self.reset_bits);
        while read(self.resets + RESET_DONE) & self.reset_bits != self.reset_bits {}

        for (pad, function) in [(PAD_GPIO0, GPIO0_CTRL), (PAD_GPIO1, GPIO1_CTRL)] {
            write(self.pads + pad, PAD);
            write(self.pin_functions + function, FUNCTION_UART);
        }
        write(self.uart + UARTIBRD, DIVISOR / 64);
        write(self.uart + UARTFBRD, DIVISOR % 64);
        write(self.uart + UARTLCR_H, FEN_WLEN);
        write(self.uart + UARTCR, UARTEN_TXE_RXE);
    }

    fn receive(&self) -> u8 {
        while read(self.uart + UARTFR) & RXFE != 0 {}
        read(self.uart + UARTDR) as u8
    }

    fn send(&self, byte: u8) {
        while read(self.uart + UARTFR) & TXFF != 0 {}
        write(self.uart + UARTDR, byte.into());
    }
}

impl Chip {
    /// Gives a clock another source, of those that it changes between without a glitch, and waits for it.
    fn switch(&self, control: u32, source: u32, selected: u32) {
        write(self.clocks + control, source);
        while read(self.clocks + selected) & 1 << source == 0 {}
    }
}

//! UART0 of SiFive's FE310, on pins 17 (out) and 16 (in), by the board's crystal of 16 MHz (FE310-G002 Manual v19p05, chapters 6, 17, 18).

use super::{BAUD, Uart};
use crate::cpu::{read, write};

const CLOCK_HZ: u32 = 16_000_000;
const PRCI_HFXOSCCFG: u32 = 0x1000_8004;
const PRCI_PLLCFG: u32 = 0x1000_8008;
/// The crystal, past the PLL.
const PLLSEL_PLLREFSEL_PLLBYPASS: u32 = 1 << 16 | 1 << 17 | 1 << 18;
const GPIO_IOF_EN: u32 = 0x1001_2038;
const GPIO_IOF_SEL: u32 = 0x1001_203C;
const PINS: u32 = 1 << 16 | 1 << 17;

const UART: u32 = 0x1001_3000;
const TXDATA: u32 = UART;
const RXDATA: u32 = UART + 0x04;
const TXCTRL: u32 = UART + 0x08;
const RXCTRL: u32 = UART + 0x0C;
const DIV: u32 = UART + 0x18;
/// Bit 31: nothing to read, no room to write.
const BUSY: u32 = 1 << 31;

/// UART0.
pub struct SiFive;

impl Uart for SiFive {
    fn start(&self) {
        write(PRCI_HFXOSCCFG, 1 << 30);
        while read(PRCI_HFXOSCCFG) & 1 << 31 == 0 {}
        write(PRCI_PLLCFG, PLLSEL_PLLREFSEL_PLLBYPASS);
        write(GPIO_IOF_SEL, read(GPIO_IOF_SEL) & !PINS);
        write(GPIO_IOF_EN, read(GPIO_IOF_EN) | PINS);
        write(DIV, CLOCK_HZ / BAUD - 1);
        write(TXCTRL, 1);
        write(RXCTRL, 1);
    }

    fn receive(&self) -> u8 {
        loop {
            let data = read(RXDATA);
            if data & BUSY == 0 {
                return data as u8;
            }
        }
    }

    fn send(&self, byte: u8) {
        while read(TXDATA) & BUSY != 0 {}
        write(TXDATA, byte.into());
    }
}

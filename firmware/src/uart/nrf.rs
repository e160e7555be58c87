//! UART of Nordic's nRF51 and nRF52 (nRF51 Series Reference Manual 3.0, chapters 13, 14, 28; nRF52840 Product Specification 1.1, 6.33).

use super::Uart;
use crate::cpu::{read, write};

const CLOCK: u32 = 0x4000_0000;
const HFCLKSTART: u32 = CLOCK;
const HFCLKSTARTED: u32 = CLOCK + 0x100;

const UART: u32 = 0x4000_2000;
const STARTRX: u32 = UART;
const STARTTX: u32 = UART + 0x008;
const RXDRDY: u32 = UART + 0x108;
const TXDRDY: u32 = UART + 0x11C;
const ENABLE: u32 = UART + 0x500;
const PSELTXD: u32 = UART + 0x50C;
const PSELRXD: u32 = UART + 0x514;
const RXD: u32 = UART + 0x518;
const TXD: u32 = UART + 0x51C;
const BAUDRATE: u32 = UART + 0x524;

/// The register's value for 115,200 baud.
const BAUD_115200: u32 = 0x01D7_E000;

/// The UART, and its pins: a pin is its number, 32 times its port added.
pub struct Nrf {
    pub tx: u8,
    pub rx: u8,
}

impl Uart for Nrf {
    /// The crystal instead of the RC oscillator, whose error is too large; then pins, then line.
    fn start(&self) {
        let Self { tx, rx } = *self;
        write(HFCLKSTART, 1);
        while read(HFCLKSTARTED) == 0 {}
        let port = |pin: u8| 0x5000_0000 + u32::from(pin / 32) * 0x300;
        let configuration = |pin: u8| port(pin) + 0x700 + 4 * u32::from(pin % 32);
        write(port(tx) + 0x508, 1 << (tx % 32)); // OUTSET: an idle line is high
        write(configuration(tx), 0b11); // an output
        write(configuration(rx), 0); // an input
        write(PSELTXD, tx.into());
        write(PSELRXD, rx.into());
        write(BAUDRATE, BAUD_115200);
        write(ENABLE, 4);
        write(STARTTX, 1);
        write(STARTRX, 1);
        write(TXDRDY, 0);
        write(RXDRDY, 0);
    }

    /// The event is cleared before the byte is read, as another may be behind it.
    fn receive(&self) -> u8 {
        while read(RXDRDY) == 0 {}
        write(RXDRDY, 0);
        read(RXD) as u8
    }

    /// Waits until the byte has gone.
    fn send(&self, byte: u8) {
        write(TXD, byte.into());
        while read(TXDRDY) == 0 {}
        write(TXDRDY, 0);
    }
}

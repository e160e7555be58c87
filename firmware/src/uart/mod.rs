//! The board's serial line to its host: 115,200 baud, 8 data bits, no parity, 1 stop bit. Polled, as host and chip take turns.

mod nrf;
mod rp2;
mod sifive;
mod stm32;

use crate::boards::Serial;
use crate::network::BOARD;

/// Bits a second.
const BAUD: u32 = 115_200;

/// A peripheral that carries bytes.
trait Uart {
    /// Sets clock, pins and line up.
    fn start(&self);

    /// Waits for a byte.
    fn receive(&self) -> u8;

    /// Sends a byte as soon as there is room for it.
    fn send(&self, byte: u8);
}

/// The board's. A constant, so that no call goes through a table.
const LINE: &dyn Uart = match BOARD.serial {
    Some(Serial::Nrf { tx, rx }) => &nrf::Nrf { tx, rx },
    Some(Serial::Stm32f1) => &stm32::F1_USART1,
    Some(Serial::Stm32f4) => &stm32::F4_USART1,
    Some(Serial::Stm32f411) => &stm32::F4_USART2,
    Some(Serial::Stm32h7) => &stm32::H7_USART3,
    Some(Serial::Rp2040) => &rp2::RP2040,
    Some(Serial::Rp2350) => &rp2::RP2350,
    Some(Serial::SiFive) => &sifive::SiFive,
    None => &Absent,
};

/// Sets clock, pins and line up.
pub fn start() {
    LINE.start();
}

/// Waits for a byte.
pub fn receive() -> u8 {
    LINE.receive()
}

/// Sends a byte as soon as there is room for it.
#[inline(never)]
pub fn send(byte: u8) {
    LINE.send(byte);
}

/// For the programs that have no line; `serve` is not built for such a board.
struct Absent;

impl Uart for Absent {
    fn start(&self) {}

    fn receive(&self) -> u8 {
        unreachable!()
    }

    fn send(&self, _: u8) {}
}

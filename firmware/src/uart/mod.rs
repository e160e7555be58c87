//! The board's serial line to its host: 115,200 baud, 8 data bits, no parity, 1 stop bit. Polled, as host and chip take turns.

mod nrf;
mod sifive;
mod stm32;

use crate::boards::Serial;
use crate::network::BOARD;

/// Bits a second.
const BAUD: u32 = 115_200;

/// Sets clock, pins and line up.
pub fn start() {
    match SERIAL {
        Serial::Nrf { tx, rx } => nrf::start(tx, rx),
        Serial::Stm32f1 => stm32::start_f1(),
        Serial::Stm32f4 => stm32::start_f4(),
        Serial::SiFive => sifive::start(),
    }
}

/// Waits for a byte.
pub fn receive() -> u8 {
    match SERIAL {
        Serial::Nrf { .. } => nrf::receive(),
        Serial::Stm32f1 => stm32::receive(stm32::F1),
        Serial::Stm32f4 => stm32::receive(stm32::F4),
        Serial::SiFive => sifive::receive(),
    }
}

/// Sends a byte as soon as there is room for it.
#[inline(never)]
pub fn send(byte: u8) {
    match SERIAL {
        Serial::Nrf { .. } => nrf::send(byte),
        Serial::Stm32f1 => stm32::send(stm32::F1, byte),
        Serial::Stm32f4 => stm32::send(stm32::F4, byte),
        Serial::SiFive => sifive::send(byte),
    }
}

const SERIAL: Serial = match BOARD.serial {
    Some(serial) => serial,
    None => panic!("this board's serial line has no driver here"),
};

//! The board's serial line to its host: 115,200 baud, 8 data bits, no parity, 1 stop bit. Polled, as host and chip take turns.

mod nrf;
mod rp2;
mod sifive;
mod stm32;
mod stm32h7;

use crate::boards::Serial;
use crate::network::BOARD;

/// Bits a second.
const BAUD: u32 = 115_200;

/// Sets clock, pins and line up.
pub fn start() {
    match BOARD.serial {
        Some(Serial::Nrf { tx, rx }) => nrf::start(tx, rx),
        Some(Serial::Stm32f1) => stm32::start_f1(),
        Some(Serial::Stm32f4) => stm32::start_f4_usart1(),
        Some(Serial::Stm32f411) => stm32::start_f4_usart2(),
        Some(Serial::Stm32h7) => stm32h7::start(),
        Some(Serial::Rp2040) => rp2::start(&rp2::RP2040),
        Some(Serial::Rp2350) => rp2::start(&rp2::RP2350),
        Some(Serial::SiFive) => sifive::start(),
        None => unreachable!(), // `serve` is not built for such a board
    }
}

/// Waits for a byte.
pub fn receive() -> u8 {
    match BOARD.serial {
        Some(Serial::Nrf { .. }) => nrf::receive(),
        Some(Serial::Stm32f1) => stm32::receive(stm32::F1_USART1),
        Some(Serial::Stm32f4) => stm32::receive(stm32::F4_USART1),
        Some(Serial::Stm32f411) => stm32::receive(stm32::F4_USART2),
        Some(Serial::Stm32h7) => stm32h7::receive(),
        Some(Serial::Rp2040) => rp2::receive(&rp2::RP2040),
        Some(Serial::Rp2350) => rp2::receive(&rp2::RP2350),
        Some(Serial::SiFive) => sifive::receive(),
        None => unreachable!(),
    }
}

/// Sends a byte as soon as there is room for it.
#[inline(never)]
pub fn send(byte: u8) {
    match BOARD.serial {
        Some(Serial::Nrf { .. }) => nrf::send(byte),
        Some(Serial::Stm32f1) => stm32::send(stm32::F1_USART1, byte),
        Some(Serial::Stm32f4) => stm32::send(stm32::F4_USART1, byte),
        Some(Serial::Stm32f411) => stm32::send(stm32::F4_USART2, byte),
        Some(Serial::Stm32h7) => stm32h7::send(byte),
        Some(Serial::Rp2040) => rp2::send(&rp2::RP2040, byte),
        Some(Serial::Rp2350) => rp2::send(&rp2::RP2350, byte),
        Some(Serial::SiFive) => sifive::send(byte),
        None => unreachable!(),
    }
}

//! USART3 of ST's STM32H7 on PD8 (out) and PD9 (in), by the RC oscillator of 64 MHz that runs out of reset, which is the bus's clock and
//! by that the USART's (reference manual RM0433, chapters 8, 11, 48). No emulator has it: built, and not run by this project's tests.

use super::BAUD;
use crate::cpu::{read, write};

const CLOCK_HZ: u32 = 64_000_000;
const RCC_AHB4ENR: u32 = 0x5802_44E0;
const RCC_APB1LENR: u32 = 0x5802_44E8;
const GPIOD_MODER: u32 = 0x5802_0C00;
const GPIOD_AFRH: u32 = 0x5802_0C24;

const USART3: u32 = 0x4000_4800;
const CR1: u32 = USART3;
/// The whole, receiver, transmitter.
const UE_RE_TE: u32 = 1 | 1 << 2 | 1 << 3;
const CR3: u32 = USART3 + 0x08;
/// A byte that comes too early replaces the one before, and nothing stops: the frame's checksum tells.
const OVRDIS: u32 = 1 << 12;
const BRR: u32 = USART3 + 0x0C;
const ISR: u32 = USART3 + 0x1C;
const RXNE: u32 = 1 << 5;
const TXE: u32 = 1 << 7;
const RDR: u32 = USART3 + 0x24;
const TDR: u32 = USART3 + 0x28;

/// Sets clocks, pins and line up.
pub fn start() {
    set(RCC_AHB4ENR, 0, 1 << 3); // GPIOD
    set(RCC_APB1LENR, 0, 1 << 18); // USART3
    read(RCC_APB1LENR); // the clock is on when this has come back
    set(GPIOD_AFRH, 0xFF, 0x77); // alternate function 7
    set(GPIOD_MODER, 0b1111 << 16, 0b1010 << 16);
    write(BRR, (CLOCK_HZ + BAUD / 2) / BAUD);
    write(CR3, OVRDIS);
    write(CR1, UE_RE_TE);
}

fn set(register: u32, cleared: u32, set: u32) {
    write(register, read(register) & !cleared | set);
}

/// Waits for a byte.
pub fn receive() -> u8 {
    while read(ISR) & RXNE == 0 {}
    read(RDR) as u8
}

/// Sends a byte as soon as the one before has left the register.
pub fn send(byte: u8) {
    while read(ISR) & TXE == 0 {}
    write(TDR, byte.into());
}

//! USARTs of ST's STM32F1 and STM32F4 on port A, by the RC oscillator that runs out of reset (reference manuals RM0041, chapters 7, 8,
//! 23; RM0090, chapters 7, 8, 30; RM0383, chapters 6, 8, 19).

use super::BAUD;
use crate::cpu::{read, write};

/// Base addresses; the registers are the same.
pub const F1_USART1: u32 = 0x4001_3800;
pub const F4_USART1: u32 = 0x4001_1000;
pub const F4_USART2: u32 = 0x4000_4400;

const SR: u32 = 0x00;
const RXNE: u32 = 1 << 5;
const TXE: u32 = 1 << 7;
const DR: u32 = 0x04;
const BRR: u32 = 0x08;
const CR1: u32 = 0x0C;
/// Receiver, transmitter, the whole.
const RE_TE_UE: u32 = 1 << 2 | 1 << 3 | 1 << 13;

const F1_APB2ENR: u32 = 0x4002_1018;
const F1_GPIOA_CRH: u32 = 0x4001_0804;
const F4_AHB1ENR: u32 = 0x4002_3830;
const F4_APB1ENR: u32 = 0x4002_3840;
const F4_APB2ENR: u32 = 0x4002_3844;
const F4_GPIOA_MODER: u32 = 0x4002_0000;
const F4_GPIOA_AFRL: u32 = 0x4002_0020;
const F4_GPIOA_AFRH: u32 = 0x4002_0024;

/// Sets an F1's USART1 up: PA9 out, PA10 in.
pub fn start_f1() {
    set(F1_APB2ENR, 0, 1 << 2 | 1 << 14); // GPIOA, USART1
    set(F1_GPIOA_CRH, 0xFF << 4, 0x4B << 4); // PA9 its function's output, PA10 an input
    enable(F1_USART1, 8_000_000);
}

/// Sets an F4's USART1 up: PA9 out, PA10 in.
pub fn start_f4_usart1() {
    set(F4_AHB1ENR, 0, 1); // GPIOA
    set(F4_APB2ENR, 0, 1 << 4); // USART1
    set(F4_GPIOA_AFRH, 0xFF << 4, 0x77 << 4); // alternate function 7
    set(F4_GPIOA_MODER, 0b1111 << 18, 0b1010 << 18);
    enable(F4_USART1, 16_000_000);
}

/// Sets an F4's USART2 up: PA2 out, PA3 in.
pub fn start_f4_usart2() {
    set(F4_AHB1ENR, 0, 1); // GPIOA
    set(F4_APB1ENR, 0, 1 << 17); // USART2
    set(F4_GPIOA_AFRL, 0xFF << 8, 0x77 << 8); // alternate function 7
    set(F4_GPIOA_MODER, 0b1111 << 4, 0b1010 << 4);
    enable(F4_USART2, 16_000_000);
}

fn enable(usart: u32, clock_hz: u32) {
    write(usart + BRR, (clock_hz + BAUD / 2) / BAUD);
    write(usart + CR1, RE_TE_UE);
}

fn set(register: u32, cleared: u32, set: u32) {
    write(register, read(register) & !cleared | set);
}

/// Waits for a byte.
pub fn receive(usart: u32) -> u8 {
    while read(usart + SR) & RXNE == 0 {}
    read(usart + DR) as u8
}

/// Sends a byte as soon as the one before has left the register.
pub fn send(usart: u32, byte: u8) {
    while read(usart + SR) & TXE == 0 {}
    write(usart + DR, byte.into());
}

//! USARTs of ST's STM32F1, F4 and H7, by the RC oscillator that runs out of reset (reference manuals RM0041, chapters 7, 8, 23; RM0090,
//! chapters 7, 8, 30; RM0383, chapters 6, 8, 19; RM0433, chapters 8, 11, 48). No emulator has the H7: built, and not run by this
//! project's tests.

use super::{BAUD, Uart};
use crate::cpu::{read, write};

/// A USART, and what it needs of the chip around it.
pub struct Stm32 {
    /// Clocks and pins: in each register bits that are cleared, and bits that are set after that.
    around: &'static [(u32, u32, u32)],
    clock_hz: u32,
    base: u32,
    layout: &'static Layout,
}

/// Offsets of a USART's registers, and what turns it on.
struct Layout {
    /// Bit 5: a byte has come. Bit 7: there is room for one.
    status: u32,
    received: u32,
    sent: u32,
    baud_divisor: u32,
    /// Registers and values: the receiver, the transmitter and the whole last.
    on: &'static [(u32, u32)],
}

const RECEIVED: u32 = 1 << 5;
const ROOM: u32 = 1 << 7;

/// F1 and F4. UE, TE, RE.
const SR_DR: Layout =
    Layout { status: 0x00, received: 0x04, sent: 0x04, baud_divisor: 0x08, on: &[(0x0C, 1 << 13 | 1 << 3 | 1 << 2)] };

/// H7. OVRDIS: a byte that comes too early replaces the one before, and nothing stops: the frame's checksum tells. TE, RE, UE.
const ISR_RDR_TDR: Layout = Layout {
    status: 0x1C,
    received: 0x24,
    sent: 0x28,
    baud_divisor: 0x0C,
    on: &[(0x08, 1 << 12), (0x00, 1 << 3 | 1 << 2 | 1)],
};

const F1_APB2ENR: u32 = 0x4002_1018;
const F1_GPIOA_CRH: u32 = 0x4001_0804;

/// PA9 out, PA10 in.
pub const F1_USART1: Stm32 = Stm32 {
    around: &[
        (F1_APB2ENR, 0, 1 << 2 | 1 << 14),    // GPIOA, USART1
        (F1_GPIOA_CRH, 0xFF << 4, 0x4B << 4), // PA9 its function's output, PA10 an input
    ],
    clock_hz: 8_000_000,
    base: 0x4001_3800,
    layout: &SR_DR,
};

const F4_AHB1ENR: u32 = 0x4002_3830;
const F4_APB1ENR: u32 = 0x4002_3840;
const F4_APB2ENR: u32 = 0x4002_3844;
const F4_GPIOA_MODER: u32 = 0x4002_0000;
const F4_GPIOA_AFRL: u32 = 0x4002_0020;
const F4_GPIOA_AFRH: u32 = 0x4002_0024;

/// PA9 out, PA10 in.
pub const F4_USART1: Stm32 = Stm32 {
    around: &[
        (F4_AHB1ENR, 0, 1),                    // GPIOA
        (F4_APB2ENR, 0, 1 << 4),               // USART1
        (F4_GPIOA_AFRH, 0xFF << 4, 0x77 << 4), // alternate function 7
        (F4_GPIOA_MODER, 0b1111 << 18, 0b1010 << 18),
    ],
    clock_hz: 16_000_000,
    base: 0x4001_1000,
    layout: &SR_DR,
};

/// PA2 out, PA3 in.
pub const F4_USART2: Stm32 = Stm32 {
    around: &[
        (F4_AHB1ENR, 0, 1),                    // GPIOA
        (F4_APB1ENR, 0, 1 << 17),              // USART2
        (F4_GPIOA_AFRL, 0xFF << 8, 0x77 << 8), // alternate function 7
        (F4_GPIOA_MODER, 0b1111 << 4, 0b1010 << 4),
    ],
    clock_hz: 16_000_000,
    base: 0x4000_4400,
    layout: &SR_DR,
};

const H7_AHB4ENR: u32 = 0x5802_44E0;
const H7_APB1LENR: u32 = 0x5802_44E8;
const H7_GPIOD_MODER: u32 = 0x5802_0C00;
const H7_GPIOD_AFRH: u32 = 0x5802_0C24;

/// PD8 out, PD9 in. The oscillator's clock is the bus's, and by that the USART's.
pub const H7_USART3: Stm32 = Stm32 {
    around: &[
        (H7_AHB4ENR, 0, 1 << 3),     // GPIOD
        (H7_APB1LENR, 0, 1 << 18),   // USART3
        (H7_APB1LENR, 0, 0),         // the clock is on when this has been read
        (H7_GPIOD_AFRH, 0xFF, 0x77), // alternate function 7
        (H7_GPIOD_MODER, 0b1111 << 16, 0b1010 << 16),
    ],
    clock_hz: 64_000_000,
    base: 0x4000_4800,
    layout: &ISR_RDR_TDR,
};

impl Uart for Stm32 {
    fn start(&self) {
        for &(register, cleared, set) in self.around {
            write(register, read(register) & !cleared | set);
        }
        write(self.base + self.layout.baud_divisor, (self.clock_hz + BAUD / 2) / BAUD);
        for &(offset, value) in self.layout.on {
            write(self.base + offset, value);
        }
    }

    fn receive(&self) -> u8 {
        while read(self.base + self.layout.status) & RECEIVED == 0 {}
        read(self.base + self.layout.received) as u8
    }

    fn send(&self, byte: u8) {
        while read(self.base + self.layout.status) & ROOM == 0 {}
        write(self.base + self.layout.sent, byte.into());
    }
}

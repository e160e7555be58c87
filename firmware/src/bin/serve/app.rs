//! The program as the chip runs it.

use firmware::memory;
use firmware::network::{BOARD, Engine, LOGITS, NOISE_CRC, NOISE_IMAGES, NOISE_SEED, PLAN_CRC, ROW_LEN, ROWS};
use firmware::noise::Noise;
use firmware::stopwatch::{Stopwatch, TICKS_HZ};
use firmware::{cpu, line, log};
use infer_nostd::arch::bytes_as_i8;
use talk::chip::{Answer, Chip, Dropped, Network};
use talk::crc32::Crc32;
use talk::frame::CHECKSUM_LEN;
use talk::message::{Hello, ROW_HEADER_LEN, SelfTest, VERSION};

firmware::program!(run, on_fault: |_| cpu::reset());

const _: () = assert!(
    BOARD.serial.is_some() || cfg!(feature = "rtt"),
    "the board has no serial line that `uart` has a driver for: add the feature `rtt`"
);

/// The longest frame there is to take: a row's.
const FRAME_LEN: usize = ROW_HEADER_LEN + ROW_LEN + CHECKSUM_LEN;

fn run(engine: &mut Engine) -> ! {
    line::start();
    let mut network = Timed { engine, watch: Stopwatch::start(), answer: [0; LOGITS] };
    let mut chip = Chip::<FRAME_LEN>::new();
    loop {
        chip.take(line::receive(), &mut network, line::send);
    }
}

/// The engine with a stopwatch.
struct Timed<'a> {
    engine: &'a mut Engine,
    watch: Stopwatch,
    answer: [u8; LOGITS],
}

impl Network for Timed<'_> {
    const ROW_LEN: usize = ROW_LEN;

    fn hello(&self) -> Hello {
        Hello {
            version: VERSION,
            row_len: ROW_LEN as u32,
            rows: ROWS as u32,
            answer_len: LOGITS as u32,
            plan_crc: PLAN_CRC,
            ticks_hz: TICKS_HZ,
        }
    }

    fn start(&mut self) {
        self.engine.start();
        self.watch.take();
    }

    fn push_row(&mut self, row: &[u8]) -> Option<Answer<'_>> {
        let logits = self.watch.push_row(self.engine, bytes_as_i8(row))?;
        let ticks = self.watch.take();
        log::answered(logits, ticks);
        for (byte, logit) in self.answer.iter_mut().zip(logits) {
            *byte = logit.cast_unsigned();
        }
        Some(Answer { ticks, logits: &self.answer })
    }

    fn dropped(&mut self, reason: Dropped) {
        log::dropped(reason);
    }

    fn self_test(&mut self) -> SelfTest {
        let (mut noise, mut crc, mut slowest) = (Noise::new(NOISE_SEED), Crc32::new(), 0);
        let mut row = [0; ROW_LEN];
        for _ in 0..NOISE_IMAGES {
            self.start();
            for _ in 0..ROWS {
                row.fill_with(|| noise.value().cast_unsigned());
                if let Some(Answer { ticks, logits }) = self.push_row(&row) {
                    logits.iter().for_each(|&logit| crc.update(logit));
                    slowest = ticks.max(slowest);
                }
            }
        }
        let memory::Usage { static_bytes, stack_bytes } = memory::usage();
        let [static_bytes, stack_bytes] = [static_bytes, stack_bytes].map(|bytes| bytes as u32);
        SelfTest { passed: crc.value() == NOISE_CRC, ticks: slowest, static_bytes, stack_bytes }
    }
}

//! Both sides against each other, over lines that do everything a line can do to bytes.

use std::collections::VecDeque;
use std::io;
use talk::chip::{Answer, Chip, Dropped, Network};
use talk::crc32::Crc32;
use talk::frame::{CHECKSUM_LEN, Sender};
use talk::host::{Host, HostError, Line};
use talk::message::{Hello, ROW_HEADER_LEN, Request, SelfTest, VERSION};

const ROW_LEN: usize = 9;
const ROWS: usize = 7;
const FRAME_LEN: usize = ROW_HEADER_LEN + ROW_LEN + CHECKSUM_LEN;

/// Its logits are a checksum of the rows and their order.
#[derive(Default)]
struct Sum {
    rows: usize,
    crc: Crc32,
    answer: [u8; 4],
    dropped: Option<Dropped>,
}

impl Network for Sum {
    const ROW_LEN: usize = ROW_LEN;

    fn hello(&self) -> Hello {
        let [row_len, rows] = [ROW_LEN as u32, ROWS as u32];
        Hello { version: VERSION, row_len, rows, answer_len: 4, plan_crc: 0xC0DB_C0DB, ticks_hz: 16_000_000 }
    }

    fn start(&mut self) {
        *self = Self::default();
    }

    fn push_row(&mut self, row: &[u8]) -> Option<Answer<'_>> {
        assert_eq!(row.len(), ROW_LEN);
        row.iter().for_each(|&byte| self.crc.update(byte));
        self.rows += 1;
        assert!(self.rows <= ROWS);
        self.answer = self.crc.value().to_le_bytes();
        (self.rows == ROWS).then_some(Answer { ticks: 77, logits: &self.answer })
    }

    fn self_test(&mut self) -> SelfTest {
        self.start();
        SelfTest { passed: true, ticks: 78, static_bytes: 3_720, stack_bytes: 1_024 }
    }

    fn dropped(&mut self, reason: Dropped) {
        self.dropped = Some(reason);
    }
}

/// The same bytes from the same seed.
struct Random(u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// True once in `n` times; never where `n` is 0.
    fn once_in(&mut self, n: u32) -> bool {
        n > 0 && self.next().is_multiple_of(n)
    }

    fn image(&mut self) -> Vec<i8> {
        (0..ROW_LEN * ROWS).map(|_| (self.next() >> 24) as i8).collect()
    }
}

/// A chip at the end of a bad line; each trouble comes once in so many bytes, 0 being never.
struct BadLine {
    chip: Chip<FRAME_LEN>,
    network: Sum,
    back: VecDeque<u8>,
    random: Random,
    /// Bytes that change, get lost, or come from nowhere.
    damage: u32,
    /// The chip loses its power.
    resets: u32,
    /// The host loses its patience.
    haste: u32,
}

impl BadLine {
    fn new(seed: u32) -> Self {
        let (chip, network) = (Chip::new(), Sum::default());
        let random = Random(seed.wrapping_mul(0x9E37_79B9) | 1);
        Self { chip, network, back: VecDeque::new(), random, damage: 0, resets: 0, haste: 0 }
    }

    /// What arrives of a byte.
    fn carry(random: &mut Random, damage: u32, byte: u8) -> Vec<u8> {
        if !random.once_in(damage) {
            return vec![byte];
        }
        let noise = random.next();
        match noise % 3 {
            0 => vec![],
            1 => vec![byte ^ (1 << (noise >> 8 & 7))],
            _ => vec![byte, (noise >> 8) as u8],
        }
    }
}

impl Line for &mut BadLine {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for &byte in bytes {
            if self.random.once_in(self.resets) {
                (self.chip, self.network) = (Chip::new(), Sum::default());
            }
            for byte in BadLine::carry(&mut self.random, self.damage, byte) {
                let mut sent = Vec::new();
                self.chip.take(byte, &mut self.network, |byte| sent.push(byte));
                for byte in sent {
                    self.back.extend(BadLine::carry(&mut self.random, self.damage, byte));
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        if self.random.once_in(self.haste) { Ok(None) } else { Ok(self.back.pop_front()) }
    }
}

fn expected(image: &[i8]) -> Vec<i8> {
    let mut crc = Crc32::new();
    image.iter().for_each(|&value| crc.update(value as u8));
    crc.value().to_le_bytes().map(|byte| byte as i8).to_vec()
}

#[test]
fn a_good_line_carries_every_message() {
    let mut line = BadLine::new(1);
    let mut host = Host::connect(&mut line).unwrap();
    assert_eq!((host.hello().plan_crc, host.hello().ticks_hz), (0xC0DB_C0DB, 16_000_000));
    let found = host.self_test().unwrap();
    assert_eq!(found, SelfTest { passed: true, ticks: 78, static_bytes: 3_720, stack_bytes: 1_024 });
    let image = Random(5).image();
    let answer = host.classify(&image).unwrap();
    assert_eq!((answer.ticks, &answer.logits), (77, &expected(&image)));
    let largest = answer.logits.iter().max().unwrap();
    assert_eq!(&answer.logits[answer.class as usize], largest);
    let wrong = host.classify(&image[1..]).unwrap_err();
    assert!(matches!(wrong, HostError::ImageLength { expected: 63, found: 62 }), "{wrong}");
}

/// Damage in both directions, resets and a hasty host: an answer may fail to come, but none is wrong, and when the trouble is over
/// the next image is answered.
#[test]
fn no_line_makes_a_chip_answer_wrongly_or_for_ever_silent() {
    let (mut answered, mut gave_up) = (0, 0);
    for seed in 1..=400 {
        let mut line = BadLine::new(seed);
        Host::connect(&mut line).unwrap();
        line.damage = [30, 100, 400][seed as usize % 3];
        line.resets = [0, 300][seed as usize / 3 % 2];
        line.haste = [0, 200][seed as usize / 6 % 2];
        for _ in 0..8 {
            let image = line.random.image();
            let answer = Host::connect(&mut line).and_then(|mut host| host.classify(&image));
            match answer {
                Ok(answer) => {
                    assert_eq!(answer.logits, expected(&image), "seed {seed}");
                    answered += 1;
                }
                Err(HostError::Silent { .. }) => gave_up += 1,
                // A byte from nowhere cannot make a frame, so that what is read is what was sent.
                Err(other) => panic!("seed {seed}: {other}"),
            }
        }
        (line.damage, line.resets, line.haste) = (0, 0, 0);
        let image = line.random.image();
        let answer = Host::connect(&mut line).unwrap().classify(&image).unwrap();
        assert_eq!(answer.logits, expected(&image), "seed {seed}");
    }
    assert!(
        answered > 1_500 && gave_up > 500,
        "{answered} answered, {gave_up} given up: the lines are too good or too bad"
    );
}

#[test]
fn a_host_that_dies_within_an_image_leaves_nothing_behind() {
    let mut random = Random(9);
    let mut frames = Vec::new();
    for number in 0..ROWS as u32 {
        Request::Row { number, values: &[0xC0; ROW_LEN] }.send(|byte| frames.push(byte));
    }
    for died_after in 0..frames.len() {
        let mut line = BadLine::new(1);
        (&mut line).send(&frames[..died_after]).unwrap();
        let image = random.image();
        let answer = Host::connect(&mut line).unwrap().classify(&image).unwrap();
        assert_eq!(answer.logits, expected(&image), "after {died_after} bytes");
    }
}

#[test]
fn garbage_is_survived() {
    for seed in 1..=50 {
        let mut line = BadLine::new(seed);
        let garbage: Vec<u8> = (0..10_000).map(|_| line.random.next() as u8).collect();
        (&mut line).send(&garbage).unwrap();
        let image = line.random.image();
        let answer = Host::connect(&mut line).unwrap().classify(&image).unwrap();
        assert_eq!(answer.logits, expected(&image), "seed {seed}");
    }
}

/// Well-formed frames that are no requests: of no kind, too short, rows of other lengths and numbers. And one that is not well formed.
#[test]
fn requests_that_make_no_sense_are_answered_with_the_row_to_send() {
    let mut line = BadLine::new(1);
    let row = |number: u8, len: usize| [&[2, number, 0, 0, 0][..], &[7; ROW_LEN + 1][..len]].concat();
    let of_length = |found: usize| (row(0, found), Dropped::RowLength { expected: ROW_LEN, found });
    let rows = [of_length(0), of_length(ROW_LEN - 1), (row(0, ROW_LEN + 1), Dropped::Damaged)];
    let out_of_turn = [(row(3, ROW_LEN), Dropped::RowNumber { expected: 0, found: 3 })];
    let others = [&[][..], &[0], &[1, 1], &[2], &[2, 0, 0, 0], &[4, 0], &[0x82, 0, 0]];
    let others = others.map(|payload| (payload.to_vec(), Dropped::Unknown));
    for (payload, reason) in rows.into_iter().chain(out_of_turn).chain(others) {
        let mut sender = talk::frame::Sender::begin(|byte| (&mut line).send(&[byte]).unwrap());
        sender.put_all(&payload);
        sender.end();
        assert_eq!(line.network.dropped.take(), Some(reason), "{payload:?}");
        let sent: Vec<u8> = line.back.drain(..).collect();
        let mut expected = Vec::new();
        talk::message::Reply::Waiting { row: 0, image_crc: 0 }.send(|byte| expected.push(byte));
        assert_eq!(sent, expected, "{payload:?}");
    }
    (&mut line).send(&[1, 0xC0]).unwrap();
    assert_eq!(line.network.dropped, Some(Dropped::Damaged));
}

#[test]
fn nobody_at_the_other_end_is_told() {
    #[derive(Debug)]
    struct Nobody;
    impl Line for Nobody {
        fn send(&mut self, _: &[u8]) -> io::Result<()> {
            Ok(())
        }
        fn receive(&mut self) -> io::Result<Option<u8>> {
            Ok(None)
        }
    }
    let error = Host::connect(Nobody).unwrap_err().to_string();
    assert!(error.contains("did not answer hello"), "{error}");
}

/// Says the same for ever, whatever it is asked.
#[derive(Debug)]
struct Talker<'a>(std::iter::Cycle<std::slice::Iter<'a, u8>>);

impl Line for Talker<'_> {
    fn send(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        Ok(self.0.next().copied())
    }
}

#[test]
fn a_line_that_never_falls_silent_is_no_chip() {
    let error = Host::connect(Talker(b"$GPGGA,\xC0".iter().cycle())).unwrap_err().to_string();
    assert!(error.contains("did not answer hello"), "{error}");
}

#[test]
fn a_chip_of_another_version_is_told_by_it_whatever_else_it_says() {
    for rest in [0, 3, 40] {
        let mut line = Vec::new();
        let mut sender = Sender::begin(|byte| line.push(byte));
        sender.put_all(&[0x81, 9, 0, 0, 0]);
        sender.put_all(&vec![1; rest]);
        sender.end();
        let error = Host::connect(Talker(line.iter().cycle())).unwrap_err().to_string();
        assert!(error.contains("speaks version 9"), "{error}");
    }
}

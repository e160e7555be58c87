//! A line through a debugger: two rings of bytes in the chip's memory, one either way, as SEGGER's RTT lays them out.
//!
//! `firmware/src/rtt.rs` is the chip's end. The debugger stops the chip to look at the rings, for well under a millisecond, and while it
//! stands still the clock that times an inference stands still as well.

use super::gdb::Gdb;
use super::{Board, BoardError, Firmware, qemu};
use object::{Object, ObjectSymbol};
use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};
use talk::host::Line;

/// The control block's name in the ELF.
const SYMBOL: &str = "_SEGGER_RTT";
/// What it begins with, once the firmware has set it up.
const ID: &[u8; 16] = b"SEGGER RTT\0\0\0\0\0\0";
/// ID, how many rings up and how many down, then the rings: one either way.
const RINGS_AT: u32 = 24;
const BLOCK_LEN: usize = RINGS_AT as usize + 2 * RING_LEN;
/// Name, address, length, where the next byte is written, where the next is read, flags.
const RING_LEN: usize = 24;
const WRITTEN_AT: u32 = 12;
const READ_AT: u32 = 16;

/// Longest that the chip may take between two bytes, as over a serial line.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the chip runs between two looks.
const PAUSE: Duration = Duration::from_millis(1);
/// Longest that a debugger's server may take to start.
const START: Duration = Duration::from_secs(20);

/// An open line, the debugger's server behind it, which ends with it.
pub struct RttLine {
    gdb: Gdb<TcpStream>,
    /// Where the control block is.
    block: u32,
    taken: VecDeque<u8>,
    server: Child,
    /// What the server says, when it has ended.
    said: Option<JoinHandle<String>>,
    _firmware: Firmware,
}

impl RttLine {
    /// Starts firmware in QEMU, which is the debugger as well; `icount shift=0` makes its clock count instructions.
    ///
    /// # Errors
    /// No QEMU, or firmware without RTT.
    pub fn emulated(firmware: Firmware) -> Result<Self, BoardError> {
        let machine = qemu::machine_of(firmware.board)?;
        let mut command = qemu::command(machine, firmware.elf(), "null");
        let port = free_port().map_err(BoardError::io("a TCP port"))?;
        command.args(["-icount", "shift=0", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
        let failure = |said: String| BoardError::io(machine.program)(io::Error::other(said));
        Self::start(firmware, command, port, |cause| qemu::spawn_error(machine, cause), failure)
    }

    /// Starts a debugger's server on a port, and connects. What it says when it ends instead is `failure`'s to read.
    pub(super) fn start(
        firmware: Firmware,
        mut command: Command,
        port: u16,
        no_program: impl FnOnce(io::Error) -> BoardError,
        failure: impl FnOnce(String) -> BoardError,
    ) -> Result<Self, BoardError> {
        let block = control_block(&firmware)?;
        let mut server =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(no_program)?;
        let said = server.stderr.take().map(|mut pipe| {
            thread::spawn(move || {
                let mut said = Vec::new();
                let _ = pipe.read_to_end(&mut said);
                String::from_utf8_lossy(&said).into_owned()
            })
        });
        let connected = connect(&mut server, port).and_then(|stream| stream.map(Gdb::new).transpose());
        match connected {
            Ok(Some(mut gdb)) => match gdb.go() {
                Ok(()) => Ok(Self { gdb, block, taken: VecDeque::new(), server, said, _firmware: firmware }),
                Err(cause) => Err(end(server, BoardError::io("the debugger's server")(cause))),
            },
            Ok(None) => Err(failure(said.and_then(|said| said.join().ok()).unwrap_or_default())),
            Err(cause) => Err(end(server, BoardError::io("the debugger's server")(cause))),
        }
    }

    /// Bytes to the chip as far as there is room, and its bytes from there; how many went over.
    fn exchange(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (sent, taken) = self.stopped(bytes).map_err(|cause| self.with_last_words(cause))?;
        self.taken.extend(taken);
        Ok(sent)
    }

    fn stopped(&mut self, bytes: &[u8]) -> io::Result<(usize, Vec<u8>)> {
        self.gdb.stop()?;
        let exchanged = exchange(&mut self.gdb, self.block, bytes);
        self.gdb.go()?;
        exchanged
    }

    /// A server that has ended says why, if anybody does.
    fn with_last_words(&mut self, cause: io::Error) -> io::Error {
        sleep(100 * PAUSE); // the connection ends a little before its server
        let Ok(Some(_)) = self.server.try_wait() else { return cause };
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        io::Error::new(cause.kind(), format!("{cause}\n{}", said.trim()).trim_end().to_owned())
    }
}

/// A port that nobody listens on.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A connection to a server that has just been started; none where it has ended.
fn connect(server: &mut Child, port: u16) -> io::Result<Option<TcpStream>> {
    let started = Instant::now();
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => return Ok(Some(stream)),
            Err(_) if server.try_wait()?.is_some() => return Ok(None),
            Err(cause) if started.elapsed() > START => return Err(cause),
            Err(_) => sleep(10 * PAUSE),
        }
    }
}

fn end(mut server: Child, error: BoardError) -> BoardError {
    let _ = server.kill();
    let _ = server.wait();
    error
}

fn control_block(firmware: &Firmware) -> Result<u32, BoardError> {
    let name = firmware.elf().display().to_string();
    let elf = std::fs::read(firmware.elf()).map_err(BoardError::io(name))?;
    let file = object::File::parse(&*elf).ok();
    let symbol = file.and_then(|file| file.symbols().find(|it| it.name() == Ok(SYMBOL)).map(|it| it.address() as u32));
    let Board { name: board, .. } = firmware.board;
    symbol.ok_or_else(|| BoardError::Image { board, reason: format!("no symbol {SYMBOL}: it has no RTT") })
}

impl Line for RttLine {
    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let mut last = Instant::now();
        while !bytes.is_empty() {
            let sent = self.exchange(bytes)?;
            bytes = &bytes[sent..];
            if sent > 0 {
                last = Instant::now();
            } else if last.elapsed() > PATIENCE {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the chip takes no bytes"));
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        let started = Instant::now();
        while self.taken.is_empty() && started.elapsed() < PATIENCE {
            self.exchange(&[])?;
            if self.taken.is_empty() {
                sleep(PAUSE);
            }
        }
        Ok(self.taken.pop_front())
    }
}

impl Drop for RttLine {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Memory of a chip that is stopped.
trait Memory {
    fn read(&mut self, address: u32, len: usize) -> io::Result<Vec<u8>>;
    fn write(&mut self, address: u32, bytes: &[u8]) -> io::Result<()>;
}

impl Memory for Gdb<TcpStream> {
    fn read(&mut self, address: u32, len: usize) -> io::Result<Vec<u8>> {
        self.read(address, len)
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> io::Result<()> {
        self.write(address, bytes)
    }
}

/// Puts as many bytes as there is room for into the ring down, and takes all there are from the ring up. Before the firmware has set
/// the rings up, none either way.
fn exchange(memory: &mut impl Memory, block: u32, bytes: &[u8]) -> io::Result<(usize, Vec<u8>)> {
    let found = memory.read(block, BLOCK_LEN)?;
    let (head, rings) = found.split_at(RINGS_AT as usize);
    if !head.starts_with(ID) {
        return Ok((0, Vec::new()));
    }
    let (up, down) = rings.split_at(RING_LEN);
    let (up, down) = (Ring::new(up)?, Ring::new(down)?);
    let (up_at, down_at) = (block + RINGS_AT, block + RINGS_AT + RING_LEN as u32);

    let mut taken = Vec::new();
    for (at, len) in up.pieces(up.read, up.unread()) {
        taken.extend(memory.read(up.start + at, len as usize)?);
    }
    if !taken.is_empty() {
        memory.write(up_at + READ_AT, &up.written.to_le_bytes())?;
    }

    let sent = (down.len - 1 - down.unread()).min(bytes.len() as u32);
    let mut rest = &bytes[..sent as usize];
    for (at, len) in down.pieces(down.written, sent) {
        let (piece, behind) = rest.split_at(len as usize);
        memory.write(down.start + at, piece)?;
        rest = behind;
    }
    if sent > 0 {
        memory.write(down_at + WRITTEN_AT, &((down.written + sent) % down.len).to_le_bytes())?;
    }
    Ok((sent as usize, taken))
}

/// A ring as the chip's memory has it. Where the next byte is written is never where the next is read but in an empty ring.
struct Ring {
    start: u32,
    len: u32,
    written: u32,
    read: u32,
}

impl Ring {
    fn new(bytes: &[u8]) -> io::Result<Self> {
        let mut words = bytes.chunks_exact(4).map(|word| word.iter().rev().fold(0, |all, &b| all << 8 | u32::from(b)));
        let mut word = || words.next().unwrap_or(0);
        let (_name, start, len, written, read) = (word(), word(), word(), word(), word());
        let is_ring = written < len && read < len && len < 1 << 16 && start.checked_add(len).is_some();
        if is_ring {
            return Ok(Self { start, len, written, read });
        }
        Err(io::Error::other(format!(
            "RTT's rings in the chip's memory are damaged: {len} bytes at {start:#010x}, written to {written} and read to {read}"
        )))
    }

    fn unread(&self) -> u32 {
        (self.len + self.written - self.read) % self.len
    }

    /// `count` bytes from a place on, as runs of neighbours: offset and length.
    fn pieces(&self, from: u32, count: u32) -> impl Iterator<Item = (u32, u32)> {
        let first = count.min(self.len - from);
        [(from, first), (0, count - first)].into_iter().filter(|&(_, len)| len > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the memory of the tests begins: the block, then 8 bytes up, then 4 down.
    const BLOCK: u32 = 0x2000_0000;
    const UP: u32 = BLOCK + BLOCK_LEN as u32;
    const DOWN: u32 = UP + 8;

    struct Ram(Vec<u8>);

    impl Memory for Ram {
        fn read(&mut self, address: u32, len: usize) -> io::Result<Vec<u8>> {
            let at = (address - BLOCK) as usize;
            Ok(self.0[at..at + len].to_vec())
        }

        fn write(&mut self, address: u32, bytes: &[u8]) -> io::Result<()> {
            let at = (address - BLOCK) as usize;
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
    }

    /// Memory with rings written and read to these places.
    fn ram(up: [u32; 2], down: [u32; 2]) -> Ram {
        let mut bytes = ID.to_vec();
        let words = [1, 1, 0, UP, 8, up[0], up[1], 2, 0, DOWN, 4, down[0], down[1], 2];
        bytes.extend(words.iter().flat_map(|word: &u32| word.to_le_bytes()));
        bytes.extend(b"01234567....");
        Ram(bytes)
    }

    fn word(ram: &Ram, at: u32) -> u32 {
        u32::from_le_bytes(ram.0[at as usize..][..4].try_into().unwrap())
    }

    #[test]
    fn all_bytes_are_taken_around_the_end_of_the_ring() {
        for (written, read, expected) in [(0, 0, ""), (5, 2, "234"), (2, 6, "6701"), (0, 7, "7"), (7, 0, "0123456")] {
            let mut ram = ram([written, read], [0, 0]);
            let (sent, taken) = exchange(&mut ram, BLOCK, &[]).unwrap();
            assert_eq!((sent, taken.as_slice()), (0, expected.as_bytes()));
            assert_eq!(word(&ram, RINGS_AT + READ_AT), written);
        }
    }

    #[test]
    fn as_many_bytes_are_put_as_there_is_room_for() {
        for (written, read, sent, ring) in
            [(0, 0, 3, "abc."), (3, 3, 3, "bc.a"), (2, 1, 2, "..ab"), (1, 2, 0, "...."), (3, 0, 0, "....")]
        {
            let mut ram = ram([0, 0], [written, read]);
            assert_eq!(exchange(&mut ram, BLOCK, b"abcdef").unwrap(), (sent, vec![]));
            assert_eq!(&ram.0[BLOCK_LEN + 8..], ring.as_bytes());
            assert_eq!(word(&ram, RINGS_AT + RING_LEN as u32 + WRITTEN_AT), (written + sent as u32) % 4);
        }
    }

    #[test]
    fn before_the_firmware_has_begun_nothing_goes_over() {
        let mut ram = ram([3, 0], [0, 0]);
        ram.0[0] = 0;
        assert_eq!(exchange(&mut ram, BLOCK, b"a").unwrap(), (0, vec![]));
    }

    #[test]
    fn damaged_rings_are_refused() {
        for (up, down) in [([8, 0], [0, 0]), ([0, 8], [0, 0]), ([0, 0], [4, 0]), ([0, 0], [0, u32::MAX])] {
            let error = exchange(&mut ram(up, down), BLOCK, b"a").unwrap_err().to_string();
            assert!(error.contains("damaged"), "{error}");
        }
    }
}

//! A debugger's server, asked in GDB's remote serial protocol: memory of a chip that is stopped for a moment.
//!
//! probe-rs, OpenOCD and QEMU each are such a server, so that what works on the emulated chip is what works on the chip.
//! (Debugging with GDB, appendix E.)

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest that a server may take over an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is taken, in bytes: memory is asked for in pieces.
const MAX_PACKET_LEN: usize = 1 << 16;
/// Stops the chip, outside of any packet.
const INTERRUPT: u8 = 0x03;

/// A connection to a server, the chip stopped or running.
pub(super) struct Gdb<S> {
    stream: S,
}

impl Gdb<TcpStream> {
    /// Takes an open connection; the chip is stopped from here on.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut gdb = Self { stream };
        // The first makes a server that waits for a debugger begin. How many times it says that the chip is stopped, and when, is its own
        // affair: an answer to the second comes behind all of them.
        gdb.put("?")?;
        gdb.ask("qSupported").map(|_| gdb)
    }
}

impl<S: Read + Write> Gdb<S> {
    /// Lets the chip run.
    pub(super) fn go(&mut self) -> io::Result<()> {
        self.put("vCont;c")
    }

    /// Stops the running chip.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        self.tell(&[INTERRUPT])?;
        self.take().map(|_| ())
    }

    /// Bytes of the stopped chip's memory.
    pub(super) fn read(&mut self, address: u32, len: usize) -> io::Result<Vec<u8>> {
        let answer = self.ask(&format!("m{address:x},{len:x}"))?;
        let bytes = from_hex(&answer).filter(|bytes| bytes.len() == len);
        bytes.ok_or_else(|| refused(&format!("{len} bytes at {address:#010x} cannot be read"), &answer))
    }

    /// Bytes into the stopped chip's memory.
    pub(super) fn write(&mut self, address: u32, bytes: &[u8]) -> io::Result<()> {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let answer = self.ask(&format!("M{address:x},{:x}:{hex}", bytes.len()))?;
        let is_done = answer == b"OK";
        if is_done { Ok(()) } else { Err(refused(&format!("{address:#010x} cannot be written"), &answer)) }
    }

    /// The answer to a packet, whatever the server says before it of a chip that has stopped.
    fn ask(&mut self, packet: &str) -> io::Result<Vec<u8>> {
        self.put(packet)?;
        loop {
            let answer = self.take()?;
            if !matches!(answer.first(), Some(b'S' | b'T')) {
                return Ok(answer);
            }
        }
    }

    fn put(&mut self, packet: &str) -> io::Result<()> {
        let sum = packet.bytes().fold(0u8, u8::wrapping_add);
        self.tell(format!("${packet}#{sum:02x}").as_bytes())
    }

    fn tell(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).map_err(explained)
    }

    /// The next packet that is no text for the user, acknowledged.
    fn take(&mut self) -> io::Result<Vec<u8>> {
        loop {
            while self.byte()? != b'$' {} // acknowledgements
            let mut packet = Vec::new();
            loop {
                match self.byte()? {
                    b'#' => break,
                    _ if packet.len() == MAX_PACKET_LEN => return Err(io::Error::other("an answer without end")),
                    byte => packet.push(byte),
                }
            }
            let _checksum = [self.byte()?, self.byte()?]; // TCP has its own
            self.tell(b"+")?;
            if !packet.starts_with(b"O") || packet == b"OK" {
                return Ok(packet);
            }
        }
    }

    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).map(|()| byte[0]).map_err(explained)
    }
}

/// In words what the system says of a server that falls silent, or goes.
fn explained(cause: io::Error) -> io::Error {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
    let words = match cause.kind() {
        WouldBlock | TimedOut => {
            format!("the debugger's server has said nothing for {} s: is the chip still powered?", PATIENCE.as_secs())
        }
        UnexpectedEof | BrokenPipe | ConnectionAborted | ConnectionReset => {
            "the debugger's server has gone: is the probe still plugged in?".into()
        }
        _ => return cause,
    };
    io::Error::new(cause.kind(), words)
}

fn refused(what: &str, answer: &[u8]) -> io::Error {
    io::Error::other(format!("{what}: the debugger's server answered `{}`", String::from_utf8_lossy(answer)))
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let byte = |pair: &[u8]| Some((digit(pair.first()?)? << 4 | digit(pair.get(1)?)?) as u8);
    text.chunks(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// What a server says, and what it was told.
    #[derive(Default)]
    struct Server {
        says: VecDeque<u8>,
        told: Vec<u8>,
    }

    impl Read for Server {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.says.read(bytes)
        }
    }

    impl Write for Server {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.told.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn with(says: &str) -> Gdb<Server> {
        Gdb { stream: Server { says: says.bytes().collect(), told: Vec::new() } }
    }

    fn told(gdb: Gdb<Server>) -> String {
        String::from_utf8(gdb.stream.told).unwrap()
    }

    #[test]
    fn memory_is_read_and_written_in_packets_with_checksums() {
        let mut gdb = with("+$c0ff#2d+$OK#9a");
        assert_eq!(gdb.read(0x2000_0010, 2).unwrap(), [0xC0, 0xFF]);
        gdb.write(0x2000_0010, &[1, 0xA0]).unwrap();
        assert_eq!(told(gdb), "$m20000010,2#4e+$M20000010,2:01a0#5a+");
    }

    #[test]
    fn a_chip_is_stopped_and_what_it_printed_is_passed_over() {
        let mut gdb = with("+$O6869#a4$T02thread:01;#00");
        gdb.go().unwrap();
        gdb.stop().unwrap();
        assert_eq!(told(gdb), "$vCont;c#a8\u{3}++");
    }

    #[test]
    fn that_the_chip_has_stopped_is_no_answer_to_a_question() {
        assert_eq!(with("+$T02thread:01;#00$S05#b8$c0#93").read(0x10, 1).unwrap(), [0xC0]);
    }

    #[test]
    fn a_server_that_falls_silent_or_goes_is_told_in_words() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let (server, mut gdb) = (listener.accept().unwrap(), Gdb { stream });
        assert!(gdb.read(0x10, 2).unwrap_err().to_string().contains("still powered?"));
        drop(server);
        assert!(gdb.stop().unwrap_err().to_string().contains("still plugged in?"));
    }

    #[test]
    fn what_a_server_refuses_or_cuts_short_is_told() {
        let read = |says: &str| with(says).read(0x10, 2).unwrap_err().to_string();
        assert_eq!(read("+$E01#a6"), "2 bytes at 0x00000010 cannot be read: the debugger's server answered `E01`");
        assert!(read("+$aa#00").contains("cannot be read"));
        assert!(read("+$zz00#00").contains("cannot be read"));
        assert_eq!(with("+$aa").read(0x10, 2).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(with("+$E22#00").write(0x10, &[1]).unwrap_err().to_string().contains("cannot be written"));
    }
}

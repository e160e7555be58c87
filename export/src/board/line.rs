//! Serial lines to chips: a device, a TCP port, or the line of a machine in QEMU.

use super::{BoardError, Firmware, qemu};
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;
use talk::host::Line;

/// Longest that a chip may take between two bytes; the self-test of a large network on a slow core is what takes long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What stty is told: `firmware/src/uart` speaks so.
const SETTINGS: [&str; 6] = ["115200", "raw", "-echo", "cs8", "-cstopb", "-parenb"];

/// An open line.
pub struct SerialLine {
    to: Box<dyn Write + Send>,
    from: Receiver<Vec<u8>>,
    /// Bytes that have come and are not taken yet, the next one last.
    taken: Vec<u8>,
    /// The emulator whose line this is, and what it runs.
    machine: Option<(Child, Firmware)>,
}

impl SerialLine {
    /// Opens a device (`/dev/ttyACM0`) at the firmware's speed, or connects to HOST:PORT, where ser2net or a debugger's server passes
    /// bytes on.
    ///
    /// # Errors
    /// [`BoardError::Port`].
    pub fn open(port: &str) -> Result<Self, BoardError> {
        let error = |cause: io::Error| BoardError::Port { port: port.into(), cause };
        if let Some((host, number)) = port.rsplit_once(':')
            && let Ok(number) = number.parse::<u16>()
        {
            let stream = TcpStream::connect((host, number)).map_err(error)?;
            stream.set_nodelay(true).map_err(error)?;
            return Ok(Self::new(stream.try_clone().map_err(error)?, stream, None));
        }
        let device = OpenOptions::new().read(true).write(true).open(port).map_err(error)?;
        // Its standard input is the device, which is the way that every system's stty has.
        let stty = Command::new("stty").args(SETTINGS).stdin(device.try_clone().map_err(error)?).output();
        if !stty.map_err(error)?.status.success() {
            return Err(error(io::Error::other("it is no serial line, stty says")));
        }
        Ok(Self::new(device.try_clone().map_err(error)?, device, None))
    }

    /// Starts firmware in QEMU, whose serial line this is; `icount shift=0` makes its clock count instructions. It ends with this.
    ///
    /// # Errors
    /// No QEMU.
    pub fn emulated(firmware: Firmware) -> Result<Self, BoardError> {
        let machine = qemu::machine_of(firmware.board)?;
        let mut command = qemu::command(machine, firmware.elf(), "stdio");
        command.args(["-icount", "shift=0"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|cause| qemu::spawn_error(machine, cause))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or_else(|| BoardError::io(machine.program)(io::Error::other("no pipes to it")))?;
        Ok(Self::new(from, to, Some((child, firmware))))
    }

    fn new(
        mut from: impl Read + Send + 'static,
        to: impl Write + Send + 'static,
        machine: Option<(Child, Firmware)>,
    ) -> Self {
        let (sender, receiver) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 256];
            while let Ok(len @ 1..) = from.read(&mut bytes) {
                if sender.send(bytes[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { to: Box::new(to), from: receiver, taken: Vec::new(), machine }
    }
}

impl Line for SerialLine {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.to.write_all(bytes)?;
        self.to.flush()
    }

    fn receive(&mut self) -> io::Result<Option<u8>> {
        if self.taken.is_empty() {
            match self.from.recv_timeout(PATIENCE) {
                Ok(bytes) => self.taken = bytes.into_iter().rev().collect(),
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(self.taken.pop())
    }
}

impl Drop for SerialLine {
    fn drop(&mut self) {
        if let Some((machine, _)) = &mut self.machine {
            let _ = machine.kill();
            let _ = machine.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_tcp_port_is_a_line_and_its_end_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().to_string();
        let echo = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 3];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        let mut line = SerialLine::open(&port).unwrap();
        line.send(&[1, 2, 3]).unwrap();
        assert_eq!([(); 3].map(|()| line.receive().unwrap()), [Some(1), Some(2), Some(3)]);
        echo.join().unwrap();
        assert_eq!(line.receive().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_port_that_is_not_there_or_no_line_is_named() {
        let error = |port: &str| SerialLine::open(port).err().unwrap().to_string();
        assert!(error("/dev/no-such-line").contains("/dev/no-such-line"), "{}", error("/dev/no-such-line"));
        assert!(error("/dev/null").contains("no serial line"), "{}", error("/dev/null"));
    }
}

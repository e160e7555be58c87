//! The report: lines of text, written by the plugin and read by `export bench`.
//!
//! ```text
//! lap 0 0 0                      lap, instructions, estimated cycles
//! lap 1 209 268
//! written 20000000 20000040      RAM written while counting: first address, first behind it
//! code 00000400 000004a2         code that ran
//! end
//! ```

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// One lap's counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lap {
    /// Instructions that ran; one that an IT block skips counts, as it takes its time.
    pub instructions: u64,
    /// Estimated cycles; 0 without a model.
    pub cycles: u64,
}

/// Everything that was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// By number; lap 0, the time outside, is empty.
    pub laps: Vec<Lap>,
    /// RAM written while counting, the stack included, the array of laps left out: in order, apart.
    pub written: Vec<Range<u32>>,
    /// Code that ran while counting: in order, apart.
    pub code: Vec<Range<u32>>,
}

impl Report {
    /// All laps together.
    pub fn total(&self) -> Lap {
        let add = |a: Lap, b: &Lap| Lap { instructions: a.instructions + b.instructions, cycles: a.cycles + b.cycles };
        self.laps.iter().fold(Lap::default(), add)
    }

    /// Different bytes of RAM that were written.
    pub fn written_bytes(&self) -> u64 {
        self.written.iter().map(|range| range.len() as u64).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Lap { instructions, cycles }) in self.laps.iter().enumerate() {
            writeln!(f, "lap {number} {instructions} {cycles}")?;
        }
        for (name, ranges) in [("written", &self.written), ("code", &self.code)] {
            for Range { start, end } in ranges {
                writeln!(f, "{name} {start:08x} {end:08x}")?;
            }
        }
        writeln!(f, "end")
    }
}

/// A file that is no report, or only the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportError {
    /// The line that is wrong; `None` where the last one, `end`, is missing.
    pub line: Option<String>,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.line {
            Some(line) => write!(f, "a report of the counter has no line `{line}`"),
            None => write!(f, "the counter's report lacks its end: QEMU was stopped while it wrote"),
        }
    }
}

impl std::error::Error for ReportError {}

impl FromStr for Report {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<Self, ReportError> {
        let mut report = Self { laps: Vec::new(), written: Vec::new(), code: Vec::new() };
        for line in text.lines() {
            if line == "end" {
                return Ok(report);
            }
            report.take(line).ok_or_else(|| ReportError { line: Some(line.into()) })?;
        }
        Err(ReportError { line: None })
    }
}

impl Report {
    fn take(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let address = |word| u32::from_str_radix(word, 16).ok();
        match words[..] {
            ["lap", number, instructions, cycles] if number.parse() == Ok(self.laps.len()) => {
                let lap = Lap { instructions: instructions.parse().ok()?, cycles: cycles.parse().ok()? };
                self.laps.push(lap);
            }
            ["written", start, end] => self.written.push(address(start)?..address(end)?),
            ["code", start, end] => self.code.push(address(start)?..address(end)?),
            _ => return None,
        }
        Some(())
    }
}

/// Numbers in order as runs without gaps.
pub(crate) fn ranges(numbers: impl IntoIterator<Item = u32>) -> Vec<Range<u32>> {
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some(range) if range.end == number => range.end += 1,
            _ => ranges.push(number..number + 1),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let lap = Lap { instructions: 209, cycles: 1 << 40 };
        Report { laps: vec![Lap::default(), lap], written: vec![0x2000_0000..0x2000_0003], code: vec![0x400..0x4A2] }
    }

    #[test]
    fn a_report_survives_its_file() {
        let text = "lap 0 0 0\nlap 1 209 1099511627776\nwritten 20000000 20000003\ncode 00000400 000004a2\nend\n";
        assert_eq!(report().to_string(), text);
        assert_eq!(text.parse(), Ok(report()));
        assert_eq!(report().written_bytes(), 3);
    }

    #[test]
    fn what_is_no_whole_report_is_refused() {
        let refused = |text: &str| text.parse::<Report>().unwrap_err().line;
        assert_eq!(refused("lap 0 0 0\n"), None);
        for line in ["lap 1 0 0", "lap 0 0", "code 400", "code 400 xyz", "lap 0 -1 0", ""] {
            assert_eq!(refused(&format!("{line}\nend\n")).as_deref(), Some(line));
        }
    }

    #[test]
    fn neighbours_become_ranges() {
        assert_eq!(ranges([1, 2, 3, 7, 9, 10]), [1..4, 7..8, 9..11]);
    }
}

//! A board's answers in a file, as they come: a run that was stopped goes on from there.
//!
//! A line of JSON a batch of images. What answered and what it was asked are known by their checksums, so that a journal
//! serves any number of boards, networks and runs, and an answer of other firmware or to other images is never taken.

use super::{BoardError, Figures};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use talk::crc32::Crc32;

/// The answers to a batch of images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub asked: Asked,
    /// What the board took.
    pub figures: Figures,
    /// Int8 answers, image after image.
    pub logits: Vec<i8>,
}

/// What answered, and what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Asked {
    /// What the report calls it.
    stage: String,
    /// CRC-32 of the ELF.
    elf_crc: u32,
    /// CRC-32 of the images.
    images_crc: u32,
    /// Int8 values of the images.
    image_values: usize,
}

impl Asked {
    pub(super) fn new(stage: &str, elf_crc: u32, images: &[i8]) -> Self {
        let mut crc = Crc32::new();
        images.iter().for_each(|&value| crc.update(value.cast_unsigned()));
        Self { stage: stage.into(), elf_crc, images_crc: crc.value(), image_values: images.len() }
    }
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    state: Mutex<State>,
    name: String,
}

#[derive(Debug)]
struct State {
    file: File,
    entries: HashMap<Asked, Entry>,
}

impl Drop for State {
    fn drop(&mut self) {
        // A program that another thread is just starting has the file too, for a moment, and with it the lock.
        let _ = self.file.unlock();
    }
}

impl Journal {
    /// Opens a journal, or begins one. A last line that was being written when its run was stopped is cut off.
    ///
    /// # Errors
    /// The file cannot be read and written, is no journal, or another run's.
    pub fn open(path: &Path) -> Result<Self, BoardError> {
        let name = path.display().to_string();
        let error = || BoardError::io(name.clone());
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path).map_err(error())?;
        // Two runs would write over one another's lines. Where a file system has no locks, nobody looks.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(BoardError::JournalInUse { file: name });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(error())?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut entries = HashMap::new();
        for (line, text) in bytes[..whole].split(|&byte| byte == b'\n').filter(|text| !text.is_empty()).enumerate() {
            let entry = serde_json::from_slice::<Entry>(text);
            let entry = entry.map_err(|_| BoardError::NoJournal { file: name.clone(), line: line + 1 })?;
            entries.insert(entry.asked.clone(), entry);
        }
        let begins = |line: &[u8]| line.iter().zip(br#"{"stage":"#).all(|(found, expected)| found == expected);
        if whole == 0 && !begins(&bytes) {
            return Err(BoardError::NoJournal { file: name, line: 1 });
        }
        file.set_len(whole as u64).and_then(|()| file.seek(SeekFrom::End(0))).map_err(error())?;
        Ok(Self { state: Mutex::new(State { file, entries }), name })
    }

    /// What was answered before.
    pub(super) fn find(&self, asked: &Asked) -> Option<Entry> {
        self.state().entries.get(asked).cloned()
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, entry: Entry) -> Result<(), BoardError> {
        let mut line = serde_json::to_vec(&entry).expect("numbers and names");
        line.push(b'\n');
        let mut state = self.state();
        let written = state.file.stream_position().and_then(|end| {
            // Half a line, of a disk that is full, would spoil those after it.
            state.file.write_all(&line).inspect_err(|_| {
                let _ = state.file.set_len(end).and_then(|()| state.file.seek(SeekFrom::End(0)));
            })
        });
        written.map_err(BoardError::io(self.name.clone()))?;
        state.entries.insert(entry.asked.clone(), entry);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use tempfile::TempDir;

    const ONE: &[i8] = &[1, -1];
    const TWO: &[i8] = &[2, -2];

    fn entry(images: &[i8], logits: &[i8]) -> Entry {
        let figures = Figures { instructions: Some(7), ..Figures::default() };
        Entry { asked: Asked::new("board", 5, images), figures, logits: logits.into() }
    }

    /// A file with two entries.
    fn written() -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("run.journal");
        let journal = Journal::open(&path).unwrap();
        journal.keep(entry(ONE, &[1, -128])).unwrap();
        journal.keep(entry(TWO, &[2, 127])).unwrap();
        (folder, path)
    }

    #[test]
    fn answers_are_found_again_by_what_was_asked_and_by_whom() {
        let (_folder, path) = written();
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.find(&Asked::new("board", 5, TWO)), Some(entry(TWO, &[2, 127])));
        for (stage, elf_crc, images) in [("other", 5, TWO), ("board", 6, TWO), ("board", 5, &[3, -3])] {
            assert_eq!(journal.find(&Asked::new(stage, elf_crc, images)), None);
        }
    }

    #[test]
    fn wherever_a_run_was_stopped_the_whole_lines_are_kept() {
        let (_folder, path) = written();
        let bytes = fs::read(&path).unwrap();
        let first = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        for len in [0, 1, 5, first - 1] {
            fs::write(&path, &bytes[..len]).unwrap();
            assert_eq!(Journal::open(&path).unwrap().find(&entry(ONE, &[]).asked), None, "cut off at {len}");
        }
        for len in [first, first + 1, first + 30, bytes.len() - 1] {
            fs::write(&path, &bytes[..len]).unwrap();
            let journal = Journal::open(&path).unwrap();
            assert_eq!(journal.find(&entry(TWO, &[]).asked), None);
            assert!(journal.find(&entry(ONE, &[]).asked).is_some());
            journal.keep(entry(TWO, &[2, 127])).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes, "cut off at {len}");
        }
    }

    #[test]
    fn a_journal_is_one_runs_at_a_time() {
        let (_folder, path) = written();
        let journal = Journal::open(&path).unwrap();
        let error = Journal::open(&path).unwrap_err().to_string();
        assert!(error.contains("run.journal: another run"), "{error}");
        drop(journal);
        assert!(Journal::open(&path).is_ok());
    }

    #[test]
    fn another_file_is_refused_and_left_as_it_is() {
        let (_folder, path) = written();
        for (other, line) in [("a,b\n1,2\n", 1), ("no line", 1)] {
            fs::write(&path, other).unwrap();
            let error = Journal::open(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("line {line}")), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), other);
        }
    }
}

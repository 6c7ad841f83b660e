//! Reads recordings.

use std::fs;
use std::path::{Path, PathBuf};

use super::batch::{Found, ReadBatch};
use super::error::{Failure, RecordingError};
use super::file::{BatchEntry, Contents, Ending, RecordingFile};
use super::folder;
use super::key::Key;
use crate::recording::{Record, RecordingAbout};

/// A recording that can be read, also while it is written.
#[derive(Debug)]
pub struct Recording {
    dir: PathBuf,
    key: Option<Key>,
    about: RecordingAbout,
    files: Vec<PathBuf>,
    /// The random number of the run that made each file; `None` where the file does not say.
    runs: Vec<Option<u32>>,
    /// How many files at its beginning are not there any more.
    removed_files: u64,
}

impl Recording {
    /// Opens the recording in a folder.
    ///
    /// # Errors
    ///
    /// There is none, a file in its middle is missing, it is encrypted with another key or was made by a newer version of the program.
    pub fn open(dir: &Path, key: Option<&Key>) -> Result<Self, RecordingError> {
        let (first, files) = folder::list(dir)?;
        let path = files.first().ok_or_else(|| Failure::NoFiles.at(dir))?;
        // What is wrong with a later file is said when it is its turn.
        let mut abouts = vec![RecordingFile::about(path, key)?];
        abouts.extend(files.iter().skip(1).map(|path| RecordingFile::about(path, key).unwrap_or_default()));
        let runs = abouts.iter().map(|about| about.as_ref().map(|about| about.recorder)).collect();
        let redacted = abouts.iter().flatten().any(|about| about.redacted);
        let about = abouts.into_iter().flatten().next().ok_or_else(|| Failure::Empty.at(path))?;
        let about = RecordingAbout { redacted, resumed_ms: None, ..about };
        Ok(Self { dir: dir.to_owned(), key: key.cloned(), about, files, runs, removed_files: first - 1 })
    }

    /// How many runs of a recorder made it, one after the other.
    pub fn runs(&self) -> usize {
        let mut runs: Vec<_> = self.runs.iter().flatten().collect();
        runs.dedup();
        runs.len()
    }

    /// Whether a file may end anyhow: nothing follows that was made by the same run.
    fn ends_run(&self, index: usize) -> bool {
        let (before, after) = self.runs.split_at_checked(index + 1).unwrap_or((&self.runs, &[]));
        let next = after.iter().flatten().next();
        next.is_none() || next != before.iter().flatten().next_back()
    }

    /// The folder that it is in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What it says of itself.
    pub fn about(&self) -> &RecordingAbout {
        &self.about
    }

    /// How many files at its beginning are not there any more: it had its largest size.
    pub fn removed_files(&self) -> u64 {
        self.removed_files
    }

    /// Whether its files are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.key.is_some()
    }

    /// How many files it has, and how many bytes they take.
    pub fn size(&self) -> Result<(u64, u64), RecordingError> {
        let mut bytes = 0;
        for file in &self.files {
            bytes += fs::metadata(file).map_err(|source| Failure::io("read")(source).at(file))?.len();
        }
        Ok((self.files.len() as u64, bytes))
    }

    /// All records, in the order in which they were complete. Of sessions that began in files that are not there any more the first one
    /// says how they were then.
    pub fn records(&self) -> Records<'_> {
        Records { recording: self, next: 0, reading: None, ended: None, left_out: 0 }
    }

    /// Looks through a file; `None` for one that ends before there is anything to read, as the last may.
    pub(super) fn open_file(&self, index: usize) -> Result<Option<(RecordingFile, Contents)>, RecordingError> {
        let path = self.files.get(index).ok_or_else(|| Failure::NoFiles.at(&self.dir))?;
        let is_last = self.ends_run(index);
        match RecordingFile::open(path, self.key.as_ref())? {
            None if !is_last => Err(Failure::damaged("it ends before its beginning is complete").at(path)),
            Some((_, contents)) if !is_last && contents.ending != Ending::Rotated => {
                Err(Failure::damaged("it ends too early").at(path))
            }
            found => Ok(found),
        }
    }

    pub(super) fn files(&self) -> usize {
        self.files.len()
    }
}

/// How a recording ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingEnd {
    /// As it should: everything is there.
    Complete,
    /// In the middle: its recorder was ended or still writes, or later files are gone. At most the last second is missing if the recorder
    /// was ended.
    Open {
        /// Bytes at its end of which nothing could be made.
        left_out: u64,
    },
}

/// The records of a recording, in the order of its files.
pub struct Records<'a> {
    recording: &'a Recording,
    /// The file that comes next.
    next: usize,
    reading: Option<Reading>,
    ended: Option<RecordingEnd>,
    left_out: u64,
}

struct Reading {
    file: RecordingFile,
    batches: std::vec::IntoIter<BatchEntry>,
    batch: Option<(ReadBatch, usize)>,
    is_first: bool,
}

impl Records<'_> {
    /// How the recording ends; `None` before it was read to its end.
    pub fn ending(&self) -> Option<RecordingEnd> {
        self.ended
    }

    /// Bytes at the ends of the recorder's runs of which nothing could be made, as far as they were read.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    fn advance(&mut self) -> Result<Option<Record>, RecordingError> {
        loop {
            let Some(reading) = &mut self.reading else {
                if !self.next_file()? {
                    return Ok(None);
                }
                continue;
            };
            match reading.next()? {
                Some(record) => return Ok(Some(record)),
                None => self.reading = None,
            }
        }
    }

    /// Goes on with the next file; returns whether there is one.
    fn next_file(&mut self) -> Result<bool, RecordingError> {
        if self.next >= self.recording.files() {
            self.ended.get_or_insert(RecordingEnd::Open { left_out: self.left_out });
            return Ok(false);
        }
        let is_first = self.next == 0;
        let opened = self.recording.open_file(self.next)?;
        self.next += 1;
        if let Some((file, contents)) = opened {
            self.ended = (contents.ending == Ending::Complete).then_some(RecordingEnd::Complete);
            if let Ending::Torn(bytes) = contents.ending {
                self.left_out += bytes;
            }
            self.reading = Some(Reading { file, batches: contents.batches.into_iter(), batch: None, is_first });
        }
        Ok(true)
    }
}

impl Reading {
    fn next(&mut self) -> Result<Option<Record>, RecordingError> {
        loop {
            let Some((batch, row)) = &mut self.batch else {
                let Some(entry) = self.batches.next() else { return Ok(None) };
                self.batch = Some((self.file.batch(&entry)?, 0));
                continue;
            };
            match batch.read(row).map_err(|failure| failure.at(self.file.path()))? {
                Some(Found::Record(record)) => return Ok(Some(record)),
                Some(Found::State(record)) if self.is_first => return Ok(Some(record)),
                // It is known from earlier files.
                Some(Found::State(_)) => {}
                None => self.batch = None,
            }
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(record) => record.map(Ok),
            Err(error) => {
                // Nothing comes after an error.
                (self.reading, self.next) = (None, self.recording.files());
                Some(Err(error))
            }
        }
    }
}

//! The records of a segment with a name, in order, while its owner may be appending to it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::error::{Failure, SegmentError};
use super::format::{HEADER, Header};
use super::{read_record, torn};

/// Reads, takes no lock and changes nothing.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    path: PathBuf,
    file: File,
    header: Header,
    /// Where the next record begins.
    at: u64,
    /// The file's size when it was last asked for.
    size: u64,
}

impl SegmentReader {
    /// Opens the segment at `path`. `None`: it is being made, or was when the process or the machine went down.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, SegmentError> {
        let failed = |source| Failure::Open(source).at(path);
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let mut start = vec![0; HEADER.min(usize::try_from(size).unwrap_or(HEADER))];
        file.read_exact_at(&mut start, 0).map_err(failed)?;
        if Header::is_unfinished(&start) {
            return Ok(None);
        }
        let header = Header::read(&start).map_err(|failure| failure.at(path))?;
        Ok(Some(Self { path: path.to_owned(), file, header, at: HEADER as u64, size }))
    }

    /// Reads the next record; `into` holds nothing else afterwards. False: there is no whole one after the last, now.
    pub(crate) fn next(&mut self, into: &mut Vec<u8>) -> Result<bool, SegmentError> {
        let mut next = self.try_next(into)?;
        if next.is_none() {
            self.size = self.file.metadata().map_err(|source| Failure::Read(source).at(&self.path))?.len();
            next = self.try_next(into)?;
        }
        self.at = next.unwrap_or(self.at);
        Ok(next.is_some())
    }

    fn try_next(&self, into: &mut Vec<u8>) -> Result<Option<u64>, SegmentError> {
        match read_record(&self.file, self.header, self.at, self.size, into) {
            // Its owner has cut off what was torn.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            read => read.map_err(|source| Failure::Read(source).at(&self.path)),
        }
    }

    /// Bytes after the last record that was read, but for zeros at the end: they are room for further ones.
    pub(crate) fn bytes_left(&self) -> u64 {
        torn(&self.file, self.at, self.size).unwrap_or_else(|_| self.size.saturating_sub(self.at))
    }

    /// What was read is not what its owner wrote.
    pub(crate) fn damaged(&self) -> SegmentError {
        Failure::Damaged { offset: self.at }.at(&self.path)
    }
}

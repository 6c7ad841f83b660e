//! Records on the disk: what does not fit into memory, until it is read back.
//!
//! ```text
//!   record   length of the bytes (4, little endian) | their CRC-32 (4) | bytes
//! ```
//!
//! The file has no name, so nothing of it is left after the process, whatever way that ends.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const HEADER: usize = 8;

/// Why records could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}: {source}; give a folder with more room (--temp-dir)", folder.display())]
pub struct SegmentError {
    /// Where the file is.
    pub folder: PathBuf,
    /// What was tried.
    pub what: &'static str,
    /// Why it failed.
    pub source: io::Error,
}

/// A file of records that are appended, and read back by their number.
#[derive(Debug)]
pub(crate) struct Segment {
    folder: PathBuf,
    file: File,
    /// Where each record begins.
    starts: Vec<u64>,
    end: u64,
}

impl Segment {
    /// An empty one in this folder.
    pub(crate) fn create_in(folder: &Path) -> Result<Self, SegmentError> {
        let file = tempfile::tempfile_in(folder).map_err(|source| SegmentError {
            folder: folder.to_owned(),
            what: "a temporary file could not be made",
            source,
        })?;
        Ok(Self { folder: folder.to_owned(), file, starts: Vec::new(), end: 0 })
    }

    /// Appends a record, given in parts. Returns its number, from 0 on.
    pub(crate) fn append(&mut self, parts: &[&[u8]]) -> Result<usize, SegmentError> {
        let failed = |source| self.error("a temporary file could not be written", source);
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let length = u32::try_from(length).map_err(|_| failed(io::ErrorKind::FileTooLarge.into()))?;
        let mut checksum = crc32fast::Hasher::new();
        parts.iter().for_each(|part| checksum.update(part));
        let mut header = [0; HEADER];
        let (first, second) = header.split_at_mut(4);
        first.copy_from_slice(&length.to_le_bytes());
        second.copy_from_slice(&checksum.finalize().to_le_bytes());
        let mut at = self.end;
        for part in std::iter::once(&header[..]).chain(parts.iter().copied()) {
            self.file.write_all_at(part, at).map_err(failed)?;
            at += part.len() as u64;
        }
        self.starts.push(self.end);
        self.end = at;
        Ok(self.starts.len() - 1)
    }

    /// Reads a record; `into` has nothing else afterwards.
    pub(crate) fn read(&self, record: usize, into: &mut Vec<u8>) -> Result<(), SegmentError> {
        let failed = |source| self.error("a temporary file could not be read", source);
        let start = *self.starts.get(record).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let end = self.starts.get(record + 1).copied().unwrap_or(self.end);
        let mut header = [0; HEADER];
        self.file.read_exact_at(&mut header, start).map_err(failed)?;
        let (length, checksum) = header.split_at(4);
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        if start + HEADER as u64 + u64::from(number(length)) != end {
            return Err(failed(io::Error::new(
                io::ErrorKind::InvalidData,
                "a record has another length than was written",
            )));
        }
        into.clear();
        into.resize(number(length) as usize, 0);
        self.file.read_exact_at(into, start + HEADER as u64).map_err(failed)?;
        if crc32fast::hash(into) != number(checksum) {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "a record is not as it was written")));
        }
        Ok(())
    }

    /// Forgets the records from this one on.
    pub(crate) fn truncate(&mut self, record: usize) {
        if let Some(start) = self.starts.get(record) {
            self.end = *start;
            self.starts.truncate(record);
        }
    }

    fn error(&self, what: &'static str, source: io::Error) -> SegmentError {
        SegmentError { folder: self.folder.clone(), what, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(segment: &Segment, record: usize) -> Vec<u8> {
        let mut bytes = b"of before".to_vec();
        segment.read(record, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn records_are_read_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = Segment::create_in(folder.path()).unwrap();
        assert_eq!(segment.append(&[b"one", b"", b"two"]).unwrap(), 0);
        assert_eq!(segment.append(&[]).unwrap(), 1);
        assert_eq!(segment.append(&[&[7; 300_000]]).unwrap(), 2);
        assert_eq!((read(&segment, 0), read(&segment, 1)), (b"onetwo".to_vec(), Vec::new()));
        assert_eq!(read(&segment, 2), [7; 300_000]);
        assert!(segment.read(3, &mut Vec::new()).is_err());
        // It has no name.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_cut_off_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = Segment::create_in(folder.path()).unwrap();
        for byte in 0..5 {
            segment.append(&[&[byte; 10]]).unwrap();
        }
        segment.truncate(9);
        segment.truncate(2);
        assert!(segment.read(2, &mut Vec::new()).is_err());
        assert_eq!(segment.append(&[b"shorter"]).unwrap(), 2);
        assert_eq!((read(&segment, 1), read(&segment, 2)), (vec![1; 10], b"shorter".to_vec()));
    }

    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let mut segment = Segment::create_in(folder.path()).unwrap();
        segment.append(&[b"one"]).unwrap();
        segment.append(&[b"two"]).unwrap();
        segment.file.write_all_at(b"x", HEADER as u64).unwrap();
        let error = segment.read(0, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("not as it was written"), "{error}");
        segment.file.write_all_at(&[200], HEADER as u64 + 3).unwrap();
        assert!(segment.read(1, &mut Vec::new()).unwrap_err().to_string().contains("another length"));
        segment.file.set_len(3).unwrap();
        assert!(segment.read(0, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Segment::create_in(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all") && error.contains("--temp-dir"), "{error}");
    }
}

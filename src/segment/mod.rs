//! Segment files: records that are appended, and read back by their number.
//!
//! A segment without a name holds what does not fit into memory, and disappears with the process, however that ends. One with a name
//! survives a crash: when it is opened again it ends with its last whole record, and whatever is torn after that is cut off.
//!
//! ```text
//!   header   magic (8 bytes) | version (4) | key (8) | CRC-32 of these (4)
//!   record   length of the bytes (4) | CRC-32 of key, offset, length and bytes (4) | bytes
//! ```
//!
//! Numbers are little endian. The key is random, and the offset is that of the record: so nothing that a record contains, and nothing
//! that an earlier file or an append that failed has left on the disk, is ever taken for a record.
//!
//! Limits: a record has less than 4 GiB, a segment as many bytes as its owner allows. A segment with a name belongs to one process at a time;
//! others may read it meanwhile ([`SegmentReader`]).
//!
//! Room on the disk can be reserved ahead ([`Segment::reserve`]): what is appended there does not fail for want of it, and short records are copied
//! there instead of written (`ahead`). Zeros after the last record are such room, and are no records.

mod ahead;
mod error;
#[cfg(test)]
pub(crate) mod faults;
mod format;
mod reader;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ahead::Ahead;
use error::Failure;
pub use error::SegmentError;
use format::{HEADER, Header, RECORD_HEADER, RecordHeader};
pub(crate) use reader::SegmentReader;
use rustix::fs::FallocateFlags;

use crate::files::{self, FileMode};

/// A file of records.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The file; of one without a name, its folder.
    path: PathBuf,
    file: File,
    header: Header,
    /// Where each record begins.
    starts: Vec<u64>,
    end: u64,
    /// The file has no more bytes than this.
    limit: u64,
    /// There may be something after `end`: what an append that failed has left, or records that were forgotten.
    has_leftovers: bool,
    ahead: Ahead,
}

/// A segment with a name, opened.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) segment: Segment,
    /// Bytes that were cut off after the last whole record, but for zeros at the end.
    pub(crate) cut_off: u64,
}

impl Segment {
    /// An empty one without a name, in this folder.
    pub(crate) fn without_name(folder: &Path) -> Result<Self, SegmentError> {
        let failed = |source| Failure::Create(source).at(folder);
        let file = tempfile::tempfile_in(folder).map_err(failed)?;
        Self::begin(folder.to_owned(), file, u64::MAX).map_err(failed)
    }

    /// It takes no more bytes than this: the disk is full then.
    #[cfg(test)]
    pub(crate) fn with_limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Breaks a record.
    #[cfg(test)]
    pub(crate) fn damage(&self, record: usize) {
        let at = self.starts[record] + RECORD_HEADER as u64;
        self.file.write_all_at(b"!", at).unwrap();
    }

    /// What it gave back is not what its owner wrote.
    pub(crate) fn damaged(&self, record: usize) -> SegmentError {
        Failure::Damaged { offset: self.starts.get(record).copied().unwrap_or(self.end) }.at(&self.path)
    }

    /// Opens the segment at `path`, which belongs to this process until it is dropped; makes it if it is not there. It grows to `limit`
    /// bytes at most.
    pub(crate) fn open(path: &Path, mode: FileMode, limit: u64) -> Result<Opened, SegmentError> {
        let failed = |source| Failure::Open(source).at(path);
        let file = mode.open_or_create(path, File::options().read(true).write(true)).map_err(failed)?;
        files::try_lock(&file).map_err(|_| Failure::Taken.at(path))?;
        let size = file.metadata().map_err(failed)?.len();
        let mut start = vec![0; HEADER.min(usize::try_from(size).unwrap_or(HEADER))];
        file.read_exact_at(&mut start, 0).map_err(failed)?;
        if Header::is_unfinished(&start) {
            let segment = Self::begin(path.to_owned(), file, limit).map_err(failed)?;
            segment.sync()?;
            files::sync_folder_of(path).map_err(failed)?;
            return Ok(Opened { segment, cut_off: size });
        }
        let header = Header::read(&start).map_err(|failure| failure.at(path))?;
        let (starts, end) = whole_records(&file, header, size).map_err(failed)?;
        let cut_off = torn(&file, end, size).map_err(failed)?;
        let (path, has_leftovers, ahead) = (path.to_owned(), end < size, Ahead::default());
        let mut segment = Self { path, file, header, starts, end, limit, has_leftovers, ahead };
        segment.remove_leftovers().map_err(failed)?;
        Ok(Opened { segment, cut_off })
    }

    /// Writes the header of an empty segment.
    fn begin(path: PathBuf, file: File, limit: u64) -> io::Result<Self> {
        let header = Header::random();
        file.set_len(0)?;
        write_at(&file, &mut [IoSlice::new(&header.bytes())], 0)?;
        let end = HEADER as u64;
        let (starts, ahead) = (Vec::new(), Ahead::default());
        Ok(Self { path, file, header, starts, end, limit, has_leftovers: false, ahead })
    }

    /// Reserves room on the disk for `bytes` more, unless the file system has no such thing. What is left of it is given back when the segment is
    /// opened the next time.
    pub(crate) fn reserve(&mut self, bytes: u64) -> Result<(), SegmentError> {
        match allocate(&self.file, self.end, bytes) {
            Ok(()) => self.ahead.reserved(&self.file, self.end + bytes),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(source) => return Err(Failure::Write(source).at(&self.path)),
        }
        Ok(())
    }

    /// Gives back what is reserved and not used.
    pub(crate) fn seal(&mut self) -> Result<(), SegmentError> {
        self.ahead.give_up();
        self.file.set_len(self.end).map_err(|source| Failure::Write(source).at(&self.path))
    }

    /// The file, for whoever syncs it beside its owner.
    pub(crate) fn file(&self) -> Result<File, SegmentError> {
        self.file.try_clone().map_err(|source| Failure::Open(source).at(&self.path))
    }

    /// Appends a record, given in parts. Returns its number, from 0 on.
    ///
    /// After an error the segment is as it was before.
    pub(crate) fn append(&mut self, parts: &[&[u8]]) -> Result<usize, SegmentError> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let end = self.end + RECORD_HEADER as u64 + length as u64;
        let Some(length) = u32::try_from(length).ok().filter(|_| end <= self.limit) else {
            return Err(Failure::Full { limit: self.limit }.at(&self.path));
        };
        let record = RecordHeader::new(self.header, self.end, length, parts);
        if let Err(source) = self.write(&record.bytes(), parts) {
            return Err(Failure::Write(source).at(&self.path));
        }
        self.starts.push(self.end);
        self.end = end;
        Ok(self.starts.len() - 1)
    }

    fn write(&mut self, header: &[u8], parts: &[&[u8]]) -> io::Result<()> {
        self.remove_leftovers()?;
        if self.ahead.copy(&self.file, self.end, header, parts) {
            return Ok(());
        }
        // Until all of it is written.
        self.has_leftovers = true;
        let mut slices: Vec<_> = std::iter::once(header).chain(parts.iter().copied()).map(IoSlice::new).collect();
        write_at(&self.file, &mut slices, self.end)?;
        self.has_leftovers = false;
        Ok(())
    }

    /// Reads a record; `into` holds nothing else afterwards.
    pub(crate) fn read(&self, record: usize, into: &mut Vec<u8>) -> Result<(), SegmentError> {
        let failed = |source| Failure::Read(source).at(&self.path);
        let start = *self.starts.get(record).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let end = self.starts.get(record + 1).copied().unwrap_or(self.end);
        match read_record(&self.file, self.header, start, end, into).map_err(failed)? {
            Some(next) if next == end => Ok(()),
            _ => Err(self.damaged(record)),
        }
    }

    /// Forgets the records from this one on.
    pub(crate) fn truncate(&mut self, record: usize) {
        if let Some(start) = self.starts.get(record) {
            self.end = *start;
            self.starts.truncate(record);
            self.has_leftovers = true;
            // Otherwise the next append does it, or fails.
            let _ = self.remove_leftovers();
        }
    }

    fn remove_leftovers(&mut self) -> io::Result<()> {
        if self.has_leftovers {
            self.ahead.give_up();
            self.file.set_len(self.end)?;
            self.has_leftovers = false;
        }
        Ok(())
    }

    /// Returns when everything that was appended is on the disk.
    pub(crate) fn sync(&self) -> Result<(), SegmentError> {
        files::sync(&self.file).map_err(|source| Failure::Write(source).at(&self.path))
    }

    /// The number of records.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where its last record ends.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }
}

impl Drop for Segment {
    /// No zeros are left after the last record. Those that a kill leaves are cut off when it is opened again.
    fn drop(&mut self) {
        if self.ahead.is_used() {
            let _ = self.seal();
        }
    }
}

/// Writes all of it in one call, as far as the system does that.
fn write_at(file: &File, mut slices: &mut [IoSlice<'_>], mut at: u64) -> io::Result<()> {
    #[cfg(test)]
    faults::before_write(file, slices, at)?;
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match rustix::io::pwritev(file, slices, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                at += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Room on the disk beyond the end of the file.
fn allocate(file: &File, from: u64, bytes: u64) -> io::Result<()> {
    #[cfg(test)]
    faults::before_allocate(bytes)?;
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, from, bytes) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                return Err(io::ErrorKind::Unsupported.into());
            }
            result => return result.map_err(io::Error::from),
        }
    }
}

/// Where each record begins, and where the last whole one ends.
fn whole_records(file: &File, header: Header, size: u64) -> io::Result<(Vec<u64>, u64)> {
    let (mut starts, mut at, mut bytes) = (Vec::new(), HEADER as u64, Vec::new());
    while let Some(next) = read_record(file, header, at, size, &mut bytes)? {
        starts.push(at);
        at = next;
    }
    Ok((starts, at))
}

/// How many bytes there are from an offset to the last one that is not zero.
fn torn(file: &File, from: u64, end: u64) -> io::Result<u64> {
    let mut bytes = vec![0; 64 << 10];
    let mut end = end;
    while end > from {
        let start = end.saturating_sub(bytes.len() as u64).max(from);
        let part = bytes.get_mut(..usize::try_from(end - start).unwrap_or(0)).unwrap_or_default();
        file.read_exact_at(part, start)?;
        if let Some(last) = part.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1 - from);
        }
        end = start;
    }
    Ok(0)
}

/// Reads the record at an offset; returns where the next one begins. None where there is no whole record before `end`.
fn read_record(file: &File, header: Header, at: u64, end: u64, into: &mut Vec<u8>) -> io::Result<Option<u64>> {
    into.clear();
    let body = at + RECORD_HEADER as u64;
    let Some(room) = end.checked_sub(body) else { return Ok(None) };
    let mut bytes = [0; RECORD_HEADER];
    file.read_exact_at(&mut bytes, at)?;
    let record = RecordHeader::read(bytes);
    if u64::from(record.length) > room {
        return Ok(None);
    }
    into.resize(record.length as usize, 0);
    file.read_exact_at(into, body)?;
    let is_whole = record == RecordHeader::new(header, at, record.length, &[into]);
    Ok(is_whole.then_some(body + u64::from(record.length)))
}

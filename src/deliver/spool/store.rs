//! The segments of a spool as their owner has them: what is appended, and what is removed.
//!
//! Room for half a segment more than a segment is to have is reserved on the disk when it is begun. Where the next one cannot be begun (the disk is
//! full, or the spool has reached its bound) the spool is full: no further statements are let in, and those that were let in before find their
//! room in that half.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;

use super::error::SpoolError;
use super::folder;
use super::manifest::{Content, Manifests};
use super::reader::preamble;
use super::record::{Preamble, Record, write_front};
use crate::deliver::batch::Batch;
use crate::files::FileMode;
use crate::segment::{Opened, Segment};

/// Segments in a folder, of which the last grows.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    mode: FileMode,
    run: String,
    limits: Limits,
    /// Those that are complete, the oldest first.
    complete: VecDeque<Complete>,
    /// Of those.
    complete_bytes: u64,
    current: Option<Current>,
    /// The position of the next message.
    next: u64,
    is_full: bool,
    front: Vec<u8>,
    /// Where segments have manifests.
    manifests: Option<Manifests>,
}

/// Bytes on the disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// A segment with so many is complete.
    pub(super) segment: u64,
    /// All of them together.
    pub(super) all: u64,
}

#[derive(Debug)]
struct Complete {
    first: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Current {
    first: u64,
    segment: Segment,
    /// Where segments have manifests.
    content: Content,
}

/// What was found where the spool was opened.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recovered {
    /// Bytes after the last whole record, which are gone.
    pub(super) torn: u64,
}

impl Store {
    /// Opens what is in the folder, which must belong to this process. `at_least`: no message gets a position up to this one.
    pub(super) fn open(
        folder: PathBuf,
        mode: FileMode,
        run: &str,
        limits: Limits,
        at_least: u64,
        manifests: Option<Manifests>,
    ) -> Result<(Self, Recovered), SpoolError> {
        let firsts = folder::segments(&folder)?;
        let (complete, run) = (VecDeque::new(), run.to_owned());
        let (current, front) = (None, Vec::new());
        let next = at_least.saturating_add(1);
        let complete_bytes = 0;
        let mut store = Self {
            folder,
            mode,
            run,
            limits,
            complete,
            complete_bytes,
            current,
            next,
            is_full: false,
            front,
            manifests,
        };
        let mut recovered = Recovered::default();
        for (index, first) in firsts.iter().enumerate() {
            let is_last = index + 1 == firsts.len();
            recovered.torn += store.recover(*first, is_last)?;
        }
        Ok((store, recovered))
    }

    /// Adds a segment of an earlier process. Returns how many bytes at its end were torn.
    fn recover(&mut self, first: u64, is_last: bool) -> Result<u64, SpoolError> {
        let path = folder::segment(&self.folder, first);
        if !is_last {
            // What it has to say of itself; its messages are looked at when they are read.
            let mut buffer = Vec::new();
            if let Some(mut segment) = crate::segment::SegmentReader::open(&path)?
                && segment.next(&mut buffer)?
            {
                preamble(&buffer, &path)?;
            }
            let bytes = std::fs::metadata(&path).map_err(|source| SpoolError::io("read", &path, source))?.len();
            self.completed(first, bytes);
            return Ok(0);
        }
        let Opened { mut segment, cut_off } = Segment::open(&path, self.mode, u64::MAX)?;
        // What its process had reserved.
        let _ = segment.seal();
        let mut buffer = Vec::new();
        if segment.len() > 0 {
            segment.read(0, &mut buffer)?;
            preamble(&buffer, &path)?;
        }
        if segment.len() < 2 {
            // Nothing was ever in it. Its name may be needed.
            drop(segment);
            folder::remove(&path)?;
            self.next = self.next.max(first);
            return Ok(cut_off);
        }
        segment.read(segment.len() - 1, &mut buffer)?;
        let end = Record::read(&buffer).map(|record| record.end());
        self.next = self.next.max(end.ok_or_else(|| segment.damaged(segment.len() - 1))?);
        self.completed(first, segment.bytes());
        Ok(cut_off)
    }

    /// Nothing more comes to the segment.
    fn completed(&mut self, first: u64, bytes: u64) {
        self.complete.push_back(Complete { first, bytes });
        self.complete_bytes += bytes;
    }

    /// Appends the messages of a batch, which get the next positions. After an error nothing has changed.
    ///
    /// Returns a file that was begun, and whose name is to survive the machine's end too.
    pub(super) fn append(&mut self, batch: &mut Batch) -> Result<Option<File>, SpoolError> {
        let mut begun = None;
        let is_complete = self.current.as_ref().is_none_or(|current| current.segment.bytes() >= self.limits.segment);
        if is_complete && (self.current.is_none() || !self.is_full) {
            match self.begin() {
                Ok(file) => begun = file,
                // What was let in before finds its room in the segment that is there.
                Err(error) if self.current.is_none() => return Err(self.refused(error)),
                Err(error) => drop(self.refused(error)),
            }
        }
        let Some(current) = &mut self.current else { return Ok(begun) };
        write_front(batch, self.next, &mut self.front);
        if let Err(error) = current.segment.append(&[&self.front, batch.lines(0..batch.len())]) {
            return Err(self.refused(error.into()));
        }
        batch.set_position(self.next);
        self.next = self.next.saturating_add(batch.len() as u64);
        if let Some(manifests) = &self.manifests {
            current.content.add(&[&self.front, batch.lines(0..batch.len())], batch.len());
            if manifests.is_due() {
                self.write_manifest();
            }
        }
        Ok(begun)
    }

    /// Says, signed, what the segment has that grows. A disk that does not take it leaves that to the next one.
    pub(super) fn write_manifest(&mut self) {
        if let (Some(manifests), Some(current)) = (&mut self.manifests, &mut self.current) {
            let Current { first, segment, content } = current;
            let _ = manifests.write(segment, content, *first, folder::segment_name(*first));
        }
    }

    /// The same, if the last manifest was long enough ago.
    pub(super) fn write_due_manifest(&mut self) {
        if self.manifests.as_ref().is_some_and(Manifests::is_due) {
            self.write_manifest();
        }
    }

    fn refused(&mut self, error: SpoolError) -> SpoolError {
        self.is_full = true;
        error
    }

    /// Begins the next segment; the one before is complete. Returns its file, if it was not there already.
    pub(super) fn begin(&mut self) -> Result<Option<File>, SpoolError> {
        let reserve = self.limits.segment + self.limits.segment / 2;
        if let Some(current) = self.current.as_mut().filter(|current| current.first == self.next) {
            // Nothing is in it yet.
            current.segment.reserve(reserve)?;
            self.is_full = false;
            return Ok(None);
        }
        if self.bytes_without_reserve().saturating_add(reserve) > self.limits.all {
            return Err(SpoolError::Bound { bound: self.limits.all });
        }
        let path = folder::segment(&self.folder, self.next);
        let made = self.make(&path, reserve);
        if made.is_err() {
            // Otherwise the next attempt does.
            let _ = folder::remove(&path);
        }
        let (segment, file) = made?;
        self.complete_current();
        self.current = Some(Current { first: self.next, segment, content: Content::default() });
        self.is_full = false;
        Ok(Some(file))
    }

    fn make(&self, path: &std::path::Path, reserve: u64) -> Result<(Segment, File), SpoolError> {
        let mut segment = Segment::open(path, self.mode, u64::MAX)?.segment;
        segment.reserve(reserve)?;
        segment.append(&[&Preamble::new(self.next, &self.run).bytes()])?;
        let file = segment.file()?;
        Ok((segment, file))
    }

    fn complete_current(&mut self) {
        self.write_manifest();
        if let Some(Current { first, mut segment, .. }) = self.current.take() {
            // What is not given back now is when the file is removed.
            let _ = segment.seal();
            self.completed(first, segment.bytes());
        }
    }

    /// The oldest segment, if nobody needs anything of it: every message through `delivered` is where it belongs.
    pub(super) fn oldest_delivered(&self, delivered: u64) -> Option<PathBuf> {
        let oldest = self.complete.front()?;
        let following = self.complete.get(1).map(|complete| complete.first);
        let end = following.or_else(|| self.current.as_ref().map(|current| current.first)).unwrap_or(self.next);
        (end <= delivered.saturating_add(1)).then(|| folder::segment(&self.folder, oldest.first))
    }

    /// The oldest segment's file is removed.
    pub(super) fn removed_oldest(&mut self) {
        if let Some(oldest) = self.complete.pop_front() {
            self.complete_bytes -= oldest.bytes;
        }
    }

    /// Removes the segments of which nobody needs anything.
    pub(super) fn remove_delivered(&mut self, delivered: u64) -> Result<(), SpoolError> {
        while let Some(path) = self.oldest_delivered(delivered) {
            folder::remove(&path)?;
            self.removed_oldest();
        }
        Ok(())
    }

    /// Tries to make room, where there was none. Everything through `delivered` is where it belongs, and that is known on the disk.
    pub(super) fn try_again(&mut self, delivered: u64) -> Result<Option<File>, SpoolError> {
        match self.begin() {
            // The last segment keeps its room from the next.
            Err(error) if error.is_full() && delivered.saturating_add(1) >= self.next && self.current.is_some() => {
                self.complete_current();
                self.remove_delivered(delivered)?;
                self.begin()
            }
            begun => begun,
        }
    }

    /// Gives back the room that was kept for what was let in, where all of it is delivered.
    pub(super) fn give_back(&mut self, delivered: u64) {
        if delivered >= self.last()
            && let Some(current) = &mut self.current
        {
            let _ = current.segment.seal();
        }
    }

    /// No further statements are to be let in.
    pub(super) fn is_full(&self) -> bool {
        self.is_full
    }

    /// The position of the last message; 0 without one.
    pub(super) fn last(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// The position of the first message that is there, or would be.
    pub(super) fn first(&self) -> u64 {
        let current = self.current.as_ref().map(|current| current.first);
        self.complete.front().map(|complete| complete.first).or(current).unwrap_or(self.next)
    }

    /// Bytes that messages take of the disk.
    pub(super) fn bytes_without_reserve(&self) -> u64 {
        self.complete_bytes + self.current.as_ref().map_or(0, |current| current.segment.bytes())
    }
}

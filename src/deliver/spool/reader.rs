//! Reads what is in a spool, from any position on, while its process may be writing to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::SpoolError;
use super::folder;
use super::record::{Preamble, Record, VERSION};
use crate::deliver::batch::{Batch, Numbered};
use crate::segment::SegmentReader;

/// A message of a spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpooledMessage {
    /// Its position in the spool, from 1.
    pub position: u64,
    /// The connection that it is of.
    pub connection: u64,
    /// Its number within the connection, and what it says of itself.
    pub numbered: Option<Numbered>,
    /// The process that has observed it: `--instance` and its start.
    pub run: Arc<str>,
    /// The message, without a newline.
    pub json: Vec<u8>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The batch has messages.
    Messages,
    /// There is nothing more now.
    Nothing,
    /// These many messages are not there, or cannot be read; the next ones can.
    Missing {
        /// How many.
        messages: u64,
        /// Bytes of the segment that cannot be read.
        bytes: u64,
    },
}

/// Reads a spool: takes no lock, changes nothing, and ends at what is there now; when it is asked again, it goes on.
#[derive(Debug)]
pub struct SpoolReader {
    folder: PathBuf,
    /// The position of the next message; 0: the first there is.
    next: u64,
    open: Option<Open>,
    buffer: Vec<u8>,
    /// A record that was read, and not given out.
    has_record: bool,
    batch: Batch,
    given: usize,
}

#[derive(Debug)]
struct Open {
    first: u64,
    run: Arc<str>,
    segment: SegmentReader,
}

impl SpoolReader {
    /// Reads the spool in this folder from its first message on. That may have been delivered: whole segments are removed.
    pub fn open(folder: &Path) -> Result<Self, SpoolError> {
        // It is there, and can be listed.
        folder::segments(folder)?;
        Ok(Self::at(folder, 0))
    }

    /// Reads from a position on.
    pub(crate) fn at(folder: &Path, next: u64) -> Self {
        let (buffer, batch) = (Vec::new(), Batch::new());
        Self { folder: folder.to_owned(), next, open: None, buffer, has_record: false, batch, given: 0 }
    }

    /// The position of the next message.
    pub(crate) fn next_position(&self) -> u64 {
        self.next
    }

    /// Reads the next messages to an empty batch, which are all of one process: about `bytes` and `messages`, and at least one record.
    /// Their positions are those of the spool ([`Batch::position`]), and their origin is the process ([`Batch::routed`]).
    ///
    /// # Errors
    ///
    /// Another version, or a file that cannot be read. Another call tries again.
    pub fn read(&mut self, into: &mut Batch, messages: usize, bytes: usize) -> Result<Found, SpoolError> {
        let mut run: Option<Arc<str>> = None;
        while into.len() < messages && into.byte_len() < bytes {
            match self.next_record()? {
                Found::Messages => {}
                // What is missing is told the next time.
                _ if !into.is_empty() => break,
                other => return Ok(other),
            }
            let (Some(open), Some(record)) = (&self.open, Record::read(&self.buffer)) else { return self.pass_over() };
            if run.get_or_insert_with(|| Arc::clone(&open.run)) != &open.run {
                break;
            }
            let (end, before) = (record.end(), into.len());
            if record.append_to(into, self.next).is_none() {
                return if before > 0 { Ok(Found::Messages) } else { self.pass_over() };
            }
            into.set_origin(before, &open.run);
            (self.next, self.has_record) = (end, false);
        }
        Ok(if into.is_empty() { Found::Nothing } else { Found::Messages })
    }

    /// Reads a record with messages from `next` on into the buffer, if there is one.
    fn next_record(&mut self) -> Result<Found, SpoolError> {
        loop {
            if self.has_record {
                return Ok(Found::Messages);
            }
            let Some(open) = &mut self.open else {
                match self.find()? {
                    Found::Messages => continue,
                    other => return Ok(other),
                }
            };
            if open.segment.next(&mut self.buffer)? {
                match Record::read(&self.buffer) {
                    Some(record) if record.end() > self.next => self.has_record = true,
                    // Empty ones are not written.
                    Some(_) => {}
                    None => return self.pass_over(),
                }
                continue;
            }
            let Some(following) = self.following()? else { return Ok(Found::Nothing) };
            // Since there is another one, this one does not grow any more: what is not there now is not there.
            if let Some(open) = &mut self.open
                && open.segment.next(&mut self.buffer)?
            {
                self.has_record = Record::read(&self.buffer).is_some_and(|record| record.end() > self.next);
                continue;
            }
            let bytes = self.open.take().map_or(0, |open| open.segment.bytes_left());
            if following > self.next {
                let messages = following - self.next;
                self.next = following;
                return Ok(Found::Missing { messages, bytes });
            }
        }
    }

    /// Opens the segment with the next message, or the first one after that.
    fn find(&mut self) -> Result<Found, SpoolError> {
        let firsts = folder::segments(&self.folder)?;
        let index = firsts.partition_point(|first| *first <= self.next).saturating_sub(1);
        for first in firsts.get(index..).unwrap_or_default() {
            let path = folder::segment(&self.folder, *first);
            let mut segment = match SegmentReader::open(&path) {
                Ok(Some(segment)) => segment,
                Ok(None) => continue,
                // It was delivered meanwhile.
                Err(error) if error.is_gone() => continue,
                Err(error) => return Err(error.into()),
            };
            if !segment.next(&mut self.buffer)? {
                continue;
            }
            let preamble = preamble(&self.buffer, &path)?;
            self.open = Some(Open { first: *first, run: preamble.run.into(), segment });
            if *first > self.next {
                let messages = *first - self.next;
                let is_gap = self.next > 0;
                self.next = *first;
                if is_gap {
                    return Ok(Found::Missing { messages, bytes: 0 });
                }
            }
            return Ok(Found::Messages);
        }
        Ok(Found::Nothing)
    }

    /// The first position of the segment after the one that is open.
    fn following(&self) -> Result<Option<u64>, SpoolError> {
        let Some(open) = &self.open else { return Ok(None) };
        Ok(folder::segments(&self.folder)?.into_iter().find(|first| *first > open.first))
    }

    /// The record cannot be read, though it is whole: what comes after it in its segment is not looked at.
    fn pass_over(&mut self) -> Result<Found, SpoolError> {
        self.has_record = false;
        let following = self.following()?;
        let Some(open) = &self.open else { return Ok(Found::Nothing) };
        let Some(following) = following else { return Err(open.segment.damaged().into()) };
        let (messages, bytes) = (following.saturating_sub(self.next), open.segment.bytes_left());
        (self.next, self.open) = (following, None);
        Ok(Found::Missing { messages, bytes })
    }

    /// The next message, for who wants them one by one.
    fn next_message(&mut self) -> Result<Option<SpooledMessage>, SpoolError> {
        while self.given == self.batch.len() {
            self.given = 0;
            self.batch.clear();
            let mut batch = std::mem::take(&mut self.batch);
            let found = self.read(&mut batch, AT_ONCE, AT_ONCE_BYTES);
            self.batch = batch;
            match found? {
                Found::Messages => {}
                Found::Nothing => return Ok(None),
                Found::Missing { messages, bytes } => {
                    tracing::warn!(messages, bytes, "messages of the spool cannot be read");
                }
            }
        }
        let index = self.given;
        self.given += 1;
        let position = self.batch.position(index);
        Ok(self.batch.routed(index).map(|message| SpooledMessage {
            position,
            connection: message.connection,
            numbered: message.numbered,
            run: message.origin.cloned().unwrap_or_default(),
            json: message.value.to_vec(),
        }))
    }
}

/// How much is read at once for who wants messages one by one.
const AT_ONCE: usize = 1000;
const AT_ONCE_BYTES: usize = 1 << 20;

/// `None` is the end of what is there now: another call may find more.
impl Iterator for SpoolReader {
    type Item = Result<SpooledMessage, SpoolError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_message().transpose()
    }
}

/// What a segment begins with, if this program knows it.
pub(super) fn preamble(bytes: &[u8], path: &Path) -> Result<Preamble, SpoolError> {
    let Some(preamble) = Preamble::read(bytes) else { return Err(SpoolError::Foreign { path: path.to_owned() }) };
    if preamble.spool != VERSION {
        return Err(SpoolError::Version { path: path.to_owned(), found: preamble.spool, known: VERSION });
    }
    Ok(preamble)
}

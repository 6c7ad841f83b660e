//! One file of a recording, read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::SchemaRef;

use super::batch::ReadBatch;
use super::checked::check;
use super::error::{Failure, RecordingError};
use super::input::Input;
use super::key::Key;
use super::message::{self, BatchFacts, Head, PREFIX};
use super::schema::read_about;
use crate::recording::RecordingAbout;

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Of its metadata.
    offset: u64,
    metadata: usize,
    body: u64,
}

impl Place {
    fn body_offset(self) -> u64 {
        self.offset + self.metadata as u64
    }

    fn end(self) -> u64 {
        self.body_offset() + self.body
    }
}

/// Where a batch is, and what is known of it without reading it.
#[derive(Debug, Clone)]
pub(super) struct BatchEntry {
    place: Place,
    /// The dictionaries that the first batch does not have in the same way.
    dictionaries: Arc<[Place]>,
    pub(super) facts: BatchFacts,
    pub(super) rows: u64,
}

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The recording ends with it, as it should.
    Complete,
    /// Another file follows.
    Rotated,
    /// In the middle: the recorder was ended, or still writes. This many bytes are left out.
    Torn(u64),
}

/// What a file has.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) batches: Vec<BatchEntry>,
    pub(super) ending: Ending,
}

/// A file whose batches can be read.
pub(super) struct RecordingFile {
    path: PathBuf,
    input: Input,
    schema: SchemaRef,
    /// The dictionaries of the first batch; those of names stay.
    first: HashMap<i64, ArrayRef>,
}

impl RecordingFile {
    /// Opens a file and looks through it. `None` if it ends before there is anything to read.
    pub(super) fn open(path: &Path, key: Option<&Key>) -> Result<Option<(Self, Contents)>, RecordingError> {
        Self::look_through(path, key).map_err(|failure| failure.at(path))
    }

    /// What a file says of its recording. `None` if it ends before that.
    pub(super) fn about(path: &Path, key: Option<&Key>) -> Result<Option<RecordingAbout>, RecordingError> {
        let read = || Ok(read_schema(&mut Input::open(path, key)?)?.map(|(_, _, about)| about));
        read().map_err(|failure: Failure| failure.at(path))
    }

    fn look_through(path: &Path, key: Option<&Key>) -> Result<Option<(Self, Contents)>, Failure> {
        let mut input = Input::open(path, key)?;
        let Some((at, schema, _)) = read_schema(&mut input)? else { return Ok(None) };
        let mut file = Self { path: path.to_owned(), input, schema, first: HashMap::new() };
        let (mut batches, mut ending) = file.find_batches(at)?;
        if let Ending::Torn(left_out) = ending {
            ending = Ending::Torn(left_out + file.drop_broken_end(&mut batches));
        }
        Ok(Some((file, Contents { batches, ending })))
    }

    fn find_batches(&mut self, mut at: u64) -> Result<(Vec<BatchEntry>, Ending), Failure> {
        let mut batches: Vec<BatchEntry> = Vec::new();
        let mut known: Arc<[Place]> = Arc::new([]);
        let mut new = Vec::new();
        loop {
            // Where a batch with its dictionaries begins: what is left out from there on counts.
            let (place, head) = match next_head(&mut self.input, at) {
                Ok(Next::Message(place, head)) => (place, head),
                Ok(Next::End) => {
                    let complete = batches.last().is_some_and(|batch| batch.facts.complete);
                    return Ok((batches, if complete { Ending::Complete } else { Ending::Rotated }));
                }
                Err(damaged @ Failure::Damaged(_)) if self.is_finished()? => return Err(damaged),
                // What a machine that went down has left is not always zero bytes long.
                Ok(Next::Torn) | Err(Failure::Damaged(_)) => {
                    let end = batches.last().map_or(at, |batch| batch.place.end());
                    let torn = self.input.torn().unwrap_or_default();
                    return Ok((batches, Ending::Torn(self.input.length() - end + torn)));
                }
                Err(error) => return Err(error),
            };
            at = place.end();
            match head {
                Head::Dictionary => new.push(place),
                Head::Batch { rows, facts } => {
                    if batches.is_empty() {
                        for place in new.drain(..) {
                            let (metadata, body) = self.read(place)?;
                            check(&metadata, body, &self.schema)?.dictionary(&mut self.first)?;
                        }
                    } else if !new.is_empty() {
                        known = new.drain(..).collect();
                    }
                    batches.push(BatchEntry { place, dictionaries: Arc::clone(&known), facts, rows });
                }
                Head::Schema(_) => return Err(Failure::damaged("a second schema")),
            }
        }
    }

    /// Whether the end of the file is there, whatever is before it.
    fn is_finished(&mut self) -> Result<bool, Failure> {
        let end = self.input.length().saturating_sub(PREFIX as u64);
        let is_marked = self.input.is_sealed() || self.input.read(end, PREFIX)? == message::END;
        Ok(self.input.torn().is_none() && is_marked)
    }

    /// Forgets the last batch if it is not what was written; returns how many bytes that leaves out.
    fn drop_broken_end(&mut self, batches: &mut Vec<BatchEntry>) -> u64 {
        let Some(last) = batches.pop() else { return 0 };
        if self.read_batch(&last).is_ok() {
            batches.push(last);
            return 0;
        }
        let previous = batches.last().map_or(last.place.offset, |batch| batch.place.end());
        last.place.end() - previous
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a batch.
    pub(super) fn batch(&mut self, entry: &BatchEntry) -> Result<ReadBatch, RecordingError> {
        self.read_batch(entry).map_err(|failure| failure.at(&self.path))
    }

    fn read_batch(&mut self, entry: &BatchEntry) -> Result<ReadBatch, Failure> {
        let mut dictionaries = self.first.clone();
        for place in entry.dictionaries.iter() {
            let (metadata, body) = self.read(*place)?;
            check(&metadata, body, &self.schema)?.dictionary(&mut dictionaries)?;
        }
        let (metadata, body) = self.read(entry.place)?;
        let columns = check(&metadata, body, &self.schema)?.batch(&dictionaries)?;
        ReadBatch::new(columns)
    }

    fn read(&mut self, place: Place) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let body = usize::try_from(place.body).map_err(Failure::damaged)?;
        Ok((self.input.read(place.offset, place.metadata)?, self.input.read(place.body_offset(), body)?))
    }
}

enum Next {
    Message(Place, Head),
    /// The end that a finished file has.
    End,
    /// The file ends within a message, or before one.
    Torn,
}

/// Reads a file's beginning: where it ends, and what it says. `None` if the file ends before that.
fn read_schema(input: &mut Input) -> Result<Option<(u64, SchemaRef, RecordingAbout)>, Failure> {
    match next_head(input, 0)? {
        Next::Message(place, Head::Schema(schema)) => {
            let about = read_about(&schema)?;
            Ok(Some((place.end(), Arc::new(*schema), about)))
        }
        Next::Message(..) | Next::End => Err(Failure::Foreign),
        Next::Torn => Ok(None),
    }
}

/// Reads the metadata of the message at an offset.
fn next_head(input: &mut Input, at: u64) -> Result<Next, Failure> {
    let room = input.length().saturating_sub(at);
    if room < PREFIX as u64 {
        return Ok(Next::Torn);
    }
    let prefix = input.read(at, PREFIX)?;
    let prefix = prefix.first_chunk::<PREFIX>().copied().unwrap_or_default();
    let metadata = match (message::metadata_length(prefix), at) {
        (Err(_), 0) => return Err(Failure::Foreign),
        (length, _) => length?,
    };
    if metadata == 0 {
        return Ok(Next::End);
    }
    let offset = at + PREFIX as u64;
    if input.length() - offset < metadata as u64 {
        return Ok(Next::Torn);
    }
    let (body, head) = message::read_head(&input.read(offset, metadata)?)?;
    let place = Place { offset, metadata, body };
    if place.end() > input.length() {
        return Ok(Next::Torn);
    }
    Ok(Next::Message(place, head))
}

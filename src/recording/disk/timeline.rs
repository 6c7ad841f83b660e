//! The records of a recording in the order in which they started, although its files have them in the order in which they were complete.
//!
//! What is known of each batch without reading it is the earliest start in it. Batches are read in the order of these; their records are held
//! until no batch that is not read yet can have an earlier one. A statement that took ten minutes lies in a batch whose other records come
//! ten minutes later: as long as there is memory these are held as well; beyond that only what is due is taken from a batch, which is then
//! read again for the rest.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use super::batch::Found;
use super::error::{Failure, RecordingError};
use super::file::{BatchEntry, Ending, RecordingFile};
use super::recording::{Recording, RecordingEnd};
use super::sessions::OpenSessions;
use crate::recording::{Record, SessionId};

/// What the records that wait for their time may take.
const MEMORY: usize = 64 << 20;
/// Files that are open at the same time.
const OPEN_FILES: usize = 16;

/// Records in the order in which they started; those of a session in its order. See [`Recording::timeline`].
pub struct Timeline<'a> {
    merge: Merge<'a>,
    from_ns: u64,
    to_ns: u64,
    /// Sessions as they are when the timeline begins, and the first records after.
    ready: VecDeque<Record>,
    /// What was before; until the timeline begins.
    before: Option<OpenSessions>,
}

impl Recording {
    /// The records that started in a part of the recording, in nanoseconds from its beginning, in the order in which they started. Those
    /// that started at the same time come in the order of their sessions' ids.
    ///
    /// Sessions that were open when the part begins come first, as they were then.
    pub fn timeline(&self, from_ns: u64, to_ns: u64) -> Result<Timeline<'_>, RecordingError> {
        Timeline::new(self, from_ns, to_ns, MEMORY)
    }
}

impl<'a> Timeline<'a> {
    pub(super) fn new(
        recording: &'a Recording,
        from_ns: u64,
        to_ns: u64,
        memory: usize,
    ) -> Result<Self, RecordingError> {
        let merge = Merge::new(recording, from_ns, to_ns, memory)?;
        let before = (from_ns > 0).then(OpenSessions::default);
        Ok(Self { merge, from_ns, to_ns, ready: VecDeque::new(), before })
    }

    /// How the recording ends.
    pub fn ending(&self) -> RecordingEnd {
        self.merge.ending
    }

    /// The latest start of all records, which tells how long the recording is.
    pub fn last_ns(&self) -> u64 {
        self.merge.last_ns
    }

    fn advance(&mut self) -> Result<Option<Record>, RecordingError> {
        if let Some(mut before) = self.before.take() {
            let first = loop {
                match self.merge.advance()? {
                    Some(record) if record.started.monotonic_ns < self.from_ns => before.apply(&record),
                    other => break other,
                }
            };
            self.ready.extend(before.states_at(self.from_ns));
            self.ready.extend(first);
        }
        let record = match self.ready.pop_front() {
            Some(record) => Some(record),
            None => self.merge.advance()?,
        };
        Ok(record.filter(|record| record.started.monotonic_ns < self.to_ns))
    }
}

impl Iterator for Timeline<'_> {
    type Item = Result<Record, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.advance() {
            Ok(record) => record.map(Ok),
            Err(error) => {
                self.merge.stop();
                Some(Err(error))
            }
        }
    }
}

/// All records from the last file on that begins before a time.
struct Merge<'a> {
    recording: &'a Recording,
    memory: usize,
    /// Batches by the earliest start of what was not taken from them yet.
    waiting: BinaryHeap<Reverse<Waiting>>,
    /// Records that wait for their time.
    held: BinaryHeap<Reverse<Held>>,
    held_bytes: usize,
    open: VecDeque<(usize, RecordingFile)>,
    /// The file whose sessions' states are records.
    first_file: usize,
    ending: RecordingEnd,
    last_ns: u64,
}

/// A batch with records that start at this time or later.
struct Waiting {
    due_ns: u64,
    file: usize,
    index: usize,
    entry: BatchEntry,
}

/// A record that waits.
struct Held {
    record: Record,
    bytes: usize,
}

impl Held {
    fn key(&self) -> (u64, SessionId, u64) {
        (self.record.started.monotonic_ns, self.record.session, self.record.number)
    }
}

impl<'a> Merge<'a> {
    fn new(recording: &'a Recording, from_ns: u64, to_ns: u64, memory: usize) -> Result<Self, RecordingError> {
        let mut merge = Self {
            recording,
            memory,
            waiting: BinaryHeap::new(),
            held: BinaryHeap::new(),
            held_bytes: 0,
            open: VecDeque::new(),
            first_file: 0,
            ending: RecordingEnd::Open { left_out: 0 },
            last_ns: 0,
        };
        for index in 0..recording.files() {
            merge.add_file(index, from_ns, to_ns)?;
        }
        Ok(merge)
    }

    fn add_file(&mut self, file: usize, from_ns: u64, to_ns: u64) -> Result<(), RecordingError> {
        let Some((_, contents)) = self.recording.open_file(file)? else { return Ok(()) };
        match contents.ending {
            Ending::Complete => self.ending = RecordingEnd::Complete,
            Ending::Rotated => self.ending = RecordingEnd::Open { left_out: 0 },
            Ending::Torn(left_out) => self.ending = RecordingEnd::Open { left_out },
        }
        // Each file begins with the sessions that are open: nothing before it is needed.
        if contents.batches.first().is_some_and(|batch| batch.facts.first_ns <= from_ns) && file > 0 {
            self.waiting.clear();
            self.first_file = file;
        }
        for (index, entry) in contents.batches.into_iter().enumerate() {
            if entry.rows == 0 {
                continue;
            }
            self.last_ns = self.last_ns.max(entry.facts.last_ns);
            if entry.facts.first_ns < to_ns {
                self.waiting.push(Reverse(Waiting { due_ns: entry.facts.first_ns, file, index, entry }));
            }
        }
        Ok(())
    }

    /// Nothing more comes.
    fn stop(&mut self) {
        self.waiting.clear();
        self.held.clear();
    }

    fn advance(&mut self) -> Result<Option<Record>, RecordingError> {
        loop {
            let due = self.held.peek().map(|Reverse(held)| held.record.started.monotonic_ns);
            let is_next = match (due, self.waiting.peek()) {
                (Some(due), Some(Reverse(waiting))) => due < waiting.due_ns,
                (_, None) => true,
                (None, Some(_)) => false,
            };
            if is_next {
                let held = self.held.pop();
                return Ok(held.map(|Reverse(held)| {
                    self.held_bytes -= held.bytes;
                    held.record
                }));
            }
            if let Some(Reverse(waiting)) = self.waiting.pop() {
                self.take(waiting)?;
            }
        }
    }

    /// Takes records from a batch: all that are left, or, if there is no memory for them, those that are due.
    fn take(&mut self, mut waiting: Waiting) -> Result<(), RecordingError> {
        let states = waiting.file == self.first_file;
        let room = self.memory.saturating_sub(self.held_bytes);
        let next_due = self.waiting.peek().map_or(u64::MAX, |Reverse(next)| next.due_ns);
        let file = self.file(waiting.file)?;
        let mut batch = file.batch(&waiting.entry)?;
        let path = file.path().to_owned();
        let failed = |failure: Failure| failure.at(&path);
        let starts = batch.starts(states).map_err(failed)?;
        let left = starts.iter().filter(|(_, started)| *started >= waiting.due_ns);
        let earliest = left.clone().map(|(_, started)| *started).min();
        let until = if batch.bytes() <= room { u64::MAX } else { earliest.unwrap_or(0).max(next_due) };
        for (row, _) in left.clone().filter(|(_, started)| *started <= until) {
            let mut row = *row;
            if let Some(Found::Record(record) | Found::State(record)) = batch.read(&mut row).map_err(failed)? {
                let bytes = record.bytes();
                self.held_bytes += bytes;
                self.held.push(Reverse(Held { record, bytes }));
            }
        }
        if let Some(due_ns) = left.map(|(_, started)| *started).filter(|started| *started > until).min() {
            waiting.due_ns = due_ns;
            self.waiting.push(Reverse(waiting));
        }
        Ok(())
    }

    fn file(&mut self, index: usize) -> Result<&mut RecordingFile, RecordingError> {
        let found = self.open.iter().position(|(open, _)| *open == index);
        let file = match found.and_then(|position| self.open.remove(position)) {
            Some(file) => file,
            None => {
                let found = self.recording.open_file(index)?;
                let (file, _) = found.ok_or_else(|| Failure::damaged("it was longer").at(self.recording.dir()))?;
                (index, file)
            }
        };
        if self.open.len() >= OPEN_FILES {
            self.open.pop_front();
        }
        self.open.push_back(file);
        match self.open.back_mut() {
            Some((_, file)) => Ok(file),
            None => Err(Failure::damaged("no file is open").at(self.recording.dir())),
        }
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due_ns, self.file, self.index).cmp(&(other.due_ns, other.file, other.index))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

//! From a log's files to records.

use std::collections::VecDeque;

use super::chain::Chain;
use super::counts::Counts;
use super::entry::Entry;
use super::general::{GeneralLog, GeneralTable};
use super::held::Held;
use super::lines::Lines;
use super::sessions::{Sessions, Zero};
use super::slow::{SlowLog, SlowTable};
use super::table::{Layout, Rows};
use super::when::{Clock, LogZone};
use crate::recording::{Lack, Record, RecordingAbout, RecordingSource, SessionClose};
use crate::stored::{Input, InputError};

/// Bytes of a statement that are kept: `max_allowed_packet` is 64 MiB by default. One that is longer is recorded, and not replayed.
const TEXT_BYTES: usize = 64 << 20;

/// What log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// The slow query log.
    SlowLog,
    /// The general query log.
    GeneralLog,
}

impl SourceKind {
    /// The same, as recordings name it.
    pub fn source(self) -> RecordingSource {
        match self {
            Self::SlowLog => RecordingSource::SlowLog,
            Self::GeneralLog => RecordingSource::GeneralLog,
        }
    }

    /// What such a log does not have.
    pub fn lacks(self) -> Vec<Lack> {
        match self {
            // Prepared statements are in it with their values, as text; failed statements are missing (MySQL), or not known to have failed.
            Self::SlowLog => {
                vec![Lack::Outcomes, Lack::Checksums, Lack::Statements, Lack::Commands, Lack::SessionFacts]
            }
            Self::GeneralLog => {
                vec![Lack::Outcomes, Lack::Checksums, Lack::Durations, Lack::StoredPrograms, Lack::SessionFacts]
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SlowLog => "slow log",
            Self::GeneralLog => "general log",
        }
    }
}

/// How a log is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// The random number in the upper half of the sessions' ids.
    pub recorder: u32,
    /// The character set of texts in sessions that set none.
    pub charset: Option<String>,
    /// The zone of times that name none.
    pub zone: LogZone,
}

/// Why an import ends.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
    /// There is nothing in it.
    #[error("{name} has no entry of a {kind}: {hint}")]
    Nothing {
        /// The input.
        name: String,
        /// What it was to be.
        kind: &'static str,
        /// What to do.
        hint: &'static str,
    },
}

enum Log {
    Slow(SlowLog),
    SlowTable(SlowTable),
    General(GeneralLog),
    GeneralTable(GeneralTable),
}

impl Log {
    fn open(kind: SourceKind, mut input: Chain, zone: &LogZone) -> Result<Self, InputError> {
        let clock = Clock::new(zone);
        let layout = Layout::of(input.fill()?);
        Ok(match (kind, layout) {
            (SourceKind::SlowLog, None) => Self::Slow(SlowLog::new(Lines::new(input, TEXT_BYTES), clock)),
            (SourceKind::SlowLog, Some(layout)) => {
                Self::SlowTable(SlowTable { rows: Rows::new(input, layout, TEXT_BYTES), clock })
            }
            (SourceKind::GeneralLog, None) => Self::General(GeneralLog::new(Lines::new(input, TEXT_BYTES), clock)),
            (SourceKind::GeneralLog, Some(layout)) => {
                Self::GeneralTable(GeneralTable { rows: Rows::new(input, layout, TEXT_BYTES), clock })
            }
        })
    }

    fn next(&mut self, counts: &mut Counts) -> Result<Option<Entry>, InputError> {
        match self {
            Self::Slow(log) => log.next(counts),
            Self::SlowTable(log) => log.next(counts),
            Self::General(log) => log.next(counts),
            Self::GeneralTable(log) => log.next(counts),
        }
    }
}

/// A slow or general log as records, one after the other.
pub struct Import {
    kind: SourceKind,
    recorder: u32,
    log: Log,
    held: Held,
    sessions: Sessions,
    ready: VecDeque<Record>,
    counts: Counts,
    is_at_end: bool,
}

impl Import {
    /// Opens a log, whose files are read one after the other: the oldest first.
    pub fn open(kind: SourceKind, inputs: Vec<Input>, options: &ImportOptions) -> Result<Self, ImportError> {
        let names: Vec<_> = inputs.iter().map(Input::name).collect();
        let import = Self::of_chain(kind, Chain::new(inputs), options)?;
        if import.is_at_end && import.held.is_empty() {
            let hint = match kind {
                SourceKind::SlowLog => {
                    "it should have lines that begin with `# User@Host:`, or be a dump of mysql.slow_log"
                }
                SourceKind::GeneralLog => {
                    "it should have lines such as `2026-01-31T12:00:00.000000Z  8 Query  SELECT 1`, or be a dump of mysql.general_log"
                }
            };
            return Err(ImportError::Nothing { name: names.join(", "), kind: kind.name(), hint });
        }
        Ok(import)
    }

    pub(super) fn of_chain(kind: SourceKind, input: Chain, options: &ImportOptions) -> Result<Self, ImportError> {
        let mut import = Self {
            kind,
            recorder: options.recorder,
            log: Log::open(kind, input, &options.zone)?,
            held: Held::default(),
            sessions: Sessions::new(options.recorder, options.charset.clone()),
            ready: VecDeque::new(),
            counts: Counts::default(),
            is_at_end: false,
        };
        while import.held.wants_more() && import.read()? {}
        import.held.start_ns();
        Ok(import)
    }

    /// What the recording says of itself.
    pub fn about(&mut self) -> RecordingAbout {
        let started_ms = self.held.start_ns() / 1_000_000;
        let about = RecordingAbout::new(self.kind.source(), self.recorder, started_ms);
        RecordingAbout { lacks: self.kind.lacks(), ..about }
    }

    /// What was imported so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Reads an entry; false at the log's end.
    fn read(&mut self) -> Result<bool, InputError> {
        if self.is_at_end {
            return Ok(false);
        }
        match self.log.next(&mut self.counts)? {
            Some(entry) => self.held.push(entry),
            None => self.is_at_end = true,
        }
        Ok(!self.is_at_end)
    }

    fn step(&mut self) -> Result<bool, InputError> {
        let zero = Zero { start_ns: self.held.start_ns() };
        if let Some(entry) = self.held.pop() {
            self.sessions.add(entry, zero, &mut self.counts, &mut self.ready);
            return Ok(true);
        }
        if self.read()? {
            return Ok(true);
        }
        self.sessions.end_all(zero, SessionClose::RecordingEnded, &mut self.ready);
        Ok(false)
    }
}

impl Iterator for Import {
    type Item = Result<Record, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.pop_front() {
                return Some(Ok(record));
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => return self.ready.pop_front().map(Ok),
                Err(error) => return Some(Err(error.into())),
            }
        }
    }
}

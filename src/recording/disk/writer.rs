//! Writes recordings.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow_ipc::{CompressionType, MetadataVersion};
use arrow_schema::SchemaRef;

use super::earlier::Earlier;
use super::error::{Failure, RecordingError};
use super::folder::Folder;
use super::key::Key;
use super::message::{self, BatchFacts, Encoded};
use super::output::Output;
use super::rows::{Batch, Rows};
use super::schema::schema;
use super::sessions::OpenSessions;
use crate::recording::{Event, Param, ParamValue, Record, RecordedCommand, RecordingAbout};
use crate::session::Now;

/// Rows are written when they take this much memory.
const BATCH_BYTES: usize = 8 << 20;
/// Or when the oldest is this old: what the end of the process loses at most.
const BATCH_NS: u64 = 1_000_000_000;
/// A command with more than this is recorded without its content, as one that is truncated.
const MAX_RECORD_BYTES: usize = 256 << 20;
/// More costs more time than it saves space.
const ZSTD_LEVEL: i32 = 1;

/// What a recording may take, and how it is kept.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// A file that has this many bytes is the last but one.
    pub rotate_bytes: u64,
    /// So is one that is this old.
    pub rotate_after: Duration,
    /// All files together have no more bytes than this.
    pub max_bytes: Option<u64>,
    /// What happens then.
    pub when_full: WhenFull,
    /// The files are encrypted with this.
    pub key: Option<Key>,
}

impl Default for WriterOptions {
    /// Files of 256 MiB or an hour, without a limit to their number, not encrypted.
    fn default() -> Self {
        Self {
            rotate_bytes: 256 << 20,
            rotate_after: Duration::from_secs(3600),
            max_bytes: None,
            when_full: WhenFull::Stop,
            key: None,
        }
    }
}

/// What happens when a recording has reached its largest size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum WhenFull {
    /// It ends: a replay begins where it began
    Stop,
    /// Its oldest files are removed: it always has what happened last
    RemoveOldest,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Files that were made.
    pub files: u64,
    /// Files of these that were removed again, since the recording had its largest size.
    pub removed_files: u64,
    /// Bytes in all files that were made.
    pub bytes: u64,
    /// Records.
    pub records: u64,
    /// Commands among them.
    pub commands: u64,
    /// Commands whose content was too large to be recorded.
    pub cut_commands: u64,
}

/// Writes a recording into a folder, file after file.
///
/// Records are kept for up to a second, or until there are 8 MiB of them, and then written as one batch. An error is final: what was
/// written up to then can be read.
pub struct RecordingWriter {
    folder: Folder,
    schema: SchemaRef,
    options: WriterOptions,
    rows: Rows,
    /// When the first of these rows came.
    rows_since: Option<Now>,
    sessions: OpenSessions,
    file: Option<OpenFile>,
    next_number: u64,
    /// The files that are finished, the oldest first, each with its size.
    finished: VecDeque<(PathBuf, u64)>,
    finished_bytes: u64,
    written: Written,
    /// The latest time that was told.
    now: Now,
    /// When its first record may start.
    begins_at_ns: u64,
    /// The recording that it goes on with, before the first record is written.
    earlier: Option<Earlier>,
}

/// The file that is being written.
struct OpenFile {
    output: Output,
    path: PathBuf,
    since: Now,
    dictionaries: DictionaryTracker,
}

impl std::fmt::Debug for RecordingWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (folder, written) = (self.folder.path(), &self.written);
        f.debug_struct("RecordingWriter").field("folder", &folder).field("written", written).finish_non_exhaustive()
    }
}

impl RecordingWriter {
    /// Begins a recording in a folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// The folder is used by another recorder, or holds something.
    pub fn create(dir: &Path, about: &RecordingAbout, options: WriterOptions) -> Result<Self, RecordingError> {
        Self::begin(Folder::create(dir)?, about, options, None, 0)
    }

    /// Begins a recording in a folder, or goes on with the one that it has: of the same source and server, by an earlier run of a recorder. In `about`
    /// is then what the further files say.
    ///
    /// # Errors
    ///
    /// The folder is used by another recorder, or holds something else.
    pub fn resume(dir: &Path, about: &mut RecordingAbout, options: WriterOptions) -> Result<Self, RecordingError> {
        let folder = Folder::take(dir)?;
        let earlier = Earlier::look(&folder, options.key.as_ref())?;
        let begins_at_ns = earlier.as_ref().map_or(Ok(0), |earlier| earlier.continue_with(about, dir))?;
        Self::begin(folder, about, options, earlier, begins_at_ns)
    }

    fn begin(
        folder: Folder,
        about: &RecordingAbout,
        options: WriterOptions,
        mut earlier: Option<Earlier>,
        begins_at_ns: u64,
    ) -> Result<Self, RecordingError> {
        let schema = schema(about).map_err(|failure| failure.at(folder.path()))?;
        let finished = earlier.as_mut().map(|earlier| std::mem::take(&mut earlier.files)).unwrap_or_default();
        let mut writer = Self {
            folder,
            rows: Rows::new(SchemaRef::clone(&schema)),
            schema,
            options,
            rows_since: None,
            sessions: OpenSessions::default(),
            file: None,
            next_number: earlier.as_ref().map_or(1, |earlier| earlier.next_number),
            finished_bytes: finished.iter().map(|(_, bytes)| bytes).sum(),
            finished,
            written: Written::default(),
            now: Now { monotonic_ns: begins_at_ns, epoch_ms: about.resumed_ms.unwrap_or(about.started_ms) },
            begins_at_ns,
            earlier,
        };
        // A recording without a record is one, too; and what is wrong with the folder shows now.
        writer.open_file()?;
        Ok(writer)
    }

    /// The file takes no more bytes than this.
    #[cfg(test)]
    pub(super) fn limit_file(&mut self, limit: u64) {
        self.file.as_mut().unwrap().output.limit(limit);
    }

    /// What was written up to now, without what waits.
    pub fn written(&self) -> Written {
        let open = self.file.as_ref().map_or(0, |file| file.output.written());
        Written { bytes: self.written.bytes + open, ..self.written }
    }

    /// When its first record may start, in nanoseconds from the recording's beginning.
    pub fn begins_at_ns(&self) -> u64 {
        self.begins_at_ns
    }

    /// Sessions that were open when the run before this one was ended end there, before anything else is written.
    fn end_earlier(&mut self) -> Result<(), RecordingError> {
        let Some(earlier) = self.earlier.take() else { return Ok(()) };
        let ends = earlier.ends(self.options.key.as_ref())?;
        for end in &ends {
            self.add(end)?;
        }
        if ends.is_empty() { Ok(()) } else { self.write_rows(false) }
    }

    /// Takes a record in. It is written soon.
    pub fn write(&mut self, record: &Record) -> Result<(), RecordingError> {
        self.end_earlier()?;
        let started = self.sessions.not_before_predecessor(record);
        let cut = self.cut(record);
        let is_as_it_was = cut.is_none() && started == record.started;
        if is_as_it_was {
            return self.add(record);
        }
        let mut record = cut.unwrap_or_else(|| record.clone());
        record.started = started;
        self.add(&record)
    }

    /// Writes what has waited long enough, and goes on in another file where that is due. To be called several times a second.
    pub fn flush_due(&mut self, now: Now) -> Result<(), RecordingError> {
        self.end_earlier()?;
        if self.now.monotonic_ns < now.monotonic_ns {
            self.now = now;
        }
        let since = |then: Now| now.monotonic_ns.saturating_sub(then.monotonic_ns);
        if self.rows_since.is_some_and(|then| since(then) >= BATCH_NS) {
            self.flush()?;
        }
        let rotate_ns = u64::try_from(self.options.rotate_after.as_nanos()).unwrap_or(u64::MAX);
        if self.file.as_ref().is_some_and(|file| since(file.since) >= rotate_ns) {
            self.rotate()?;
        }
        Ok(())
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        if !self.rows.is_empty() {
            self.write_rows(false)?;
        }
        if self.file.as_ref().is_some_and(|file| file.output.written() >= self.options.rotate_bytes) {
            self.rotate()?;
        }
        Ok(())
    }

    /// Ends the recording. Everything is on disk when this returns.
    pub fn finish(mut self) -> Result<Written, RecordingError> {
        self.end_earlier()?;
        if self.file.is_none() {
            self.open_file()?;
        }
        self.write_rows(true)?;
        self.close_file()?;
        self.folder.sync()?;
        Ok(self.written)
    }

    /// The record without its content, if that is too large.
    fn cut(&mut self, record: &Record) -> Option<Record> {
        let Event::Command(command) = &record.event else { return None };
        if content_bytes(command) <= MAX_RECORD_BYTES {
            return None;
        }
        self.written.cut_commands += 1;
        let without = RecordedCommand {
            sql: None,
            truncated: true,
            params: Vec::new(),
            attributes: Vec::new(),
            argument: None,
            files: Vec::new(),
            ..(**command).clone()
        };
        Some(Record { event: Event::Command(Box::new(without)), ..record.clone() })
    }

    fn add(&mut self, record: &Record) -> Result<(), RecordingError> {
        if self.file.is_none() {
            self.open_file()?;
        }
        // A batch has this much, or one record: what it takes while it is encoded is bounded.
        if !self.rows.is_empty() && self.rows.bytes() + record.bytes() > BATCH_BYTES {
            self.flush()?;
        }
        let path = self.folder.path();
        self.rows.add(record).map_err(|failure| failure.at(path))?;
        self.written.records += 1;
        self.written.commands += u64::from(matches!(record.event, Event::Command(_)));
        if self.now.monotonic_ns < record.started.monotonic_ns {
            self.now = record.started;
        }
        self.rows_since.get_or_insert(self.now);
        self.sessions.apply(record);
        if self.rows.bytes() >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes the rows as a batch.
    fn write_rows(&mut self, complete: bool) -> Result<(), RecordingError> {
        self.rows_since = None;
        let path = self.folder.path();
        let batch = self.rows.finish().map_err(|failure| failure.at(path))?;
        let Some(file) = &mut self.file else { return Ok(()) };
        let messages = encode(batch, complete, &mut file.dictionaries).map_err(|failure| failure.at(&file.path))?;
        let bytes: u64 = messages.iter().map(Encoded::len).sum();
        let taken = self.finished_bytes + file.output.written() + bytes;
        if let Some(limit) = self.options.max_bytes.filter(|limit| taken > *limit) {
            self.make_room(limit, taken)?;
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.output.append(&messages)
    }

    /// The recording would be too large.
    fn make_room(&mut self, limit: u64, mut taken: u64) -> Result<(), RecordingError> {
        if self.options.when_full == WhenFull::Stop {
            return Err(Failure::Full { limit }.at(self.folder.path()));
        }
        while taken > limit {
            // What is being written stays, even where it alone is larger.
            let Some((path, bytes)) = self.finished.pop_front() else { break };
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::io("remove the oldest file")(source).at(&path));
                }
                _ => {}
            }
            self.finished_bytes -= bytes;
            self.written.removed_files += 1;
            taken -= bytes;
        }
        Ok(())
    }

    /// The next record begins another file.
    fn rotate(&mut self) -> Result<(), RecordingError> {
        if !self.rows.is_empty() {
            self.write_rows(false)?;
        }
        self.close_file()?;
        self.open_file()
    }

    fn close_file(&mut self) -> Result<(), RecordingError> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let bytes = file.output.finish(&message::END)?;
        self.finished.push_back((file.path, bytes));
        self.finished_bytes += bytes;
        self.written.bytes += bytes;
        Ok(())
    }

    fn open_file(&mut self) -> Result<(), RecordingError> {
        let path = self.folder.file(self.next_number, self.options.key.is_some());
        let mut output = Output::create(&path, self.options.key.as_ref())?;
        let mut dictionaries = DictionaryTracker::new(false);
        let failed = |failure: Failure| failure.at(&path);
        let options = write_options().map_err(failed)?;
        let encoded =
            IpcDataGenerator {}.schema_to_bytes_with_dictionary_tracker(&self.schema, &mut dictionaries, &options);
        output.append(&[Encoded::new(&encoded.ipc_message, encoded.arrow_data).map_err(failed)?])?;
        self.next_number += 1;
        self.written.files += 1;
        // Even without sessions: it says when the file begins.
        let now_ns = self.now.monotonic_ns;
        self.rows.begin_at(now_ns);
        for state in self.sessions.states_at(now_ns) {
            if let Event::Begin(begin) = &state.event {
                self.rows.add_state(&state, begin).map_err(failed)?;
            }
        }
        self.file = Some(OpenFile { output, path, since: self.now, dictionaries });
        self.folder.sync()?;
        self.write_rows(false)
    }
}

fn write_options() -> Result<IpcWriteOptions, Failure> {
    IpcWriteOptions::try_new(8, false, MetadataVersion::V5)
        .and_then(|options| options.try_with_compression(Some(CompressionType::ZSTD)))
        .and_then(|options| options.try_with_compression_level(Some(ZSTD_LEVEL)))
        .map_err(Failure::invalid)
}

/// A batch as messages. They may be large: no byte of them is copied, and the batch goes before they are written.
fn encode(batch: Batch, complete: bool, dictionaries: &mut DictionaryTracker) -> Result<Vec<Encoded>, Failure> {
    let options = write_options()?;
    let Batch { columns, first_ns, last_ns } = batch;
    let (changed, rows) = IpcDataGenerator {}
        .encode(&columns, dictionaries, &options, &mut IpcWriteContext::default())
        .map_err(Failure::invalid)?;
    drop(columns);
    let mut messages = Vec::with_capacity(changed.len() + 1);
    for dictionary in changed {
        let metadata = message::with_pairs(&dictionary, &[])?;
        messages.push(Encoded::new(&metadata, dictionary.arrow_data)?);
    }
    let metadata = message::with_facts(&rows, BatchFacts { first_ns, last_ns, complete })?;
    messages.push(Encoded::new(&metadata, rows.arrow_data)?);
    Ok(messages)
}

/// About how many bytes of content a command has.
fn content_bytes(command: &RecordedCommand) -> usize {
    let values = command.params.iter().chain(command.attributes.iter().map(|attribute| &attribute.param));
    let length = |param: &Param| if let ParamValue::Given(bytes) = &param.value { bytes.len() } else { 0 };
    let values: usize = values.map(length).sum();
    let files: usize = command.files.iter().map(|file| file.len()).sum();
    let sql = command.sql.as_ref().map_or(0, |sql| sql.len());
    sql + values + files + command.argument.as_ref().map_or(0, |argument| argument.len())
}

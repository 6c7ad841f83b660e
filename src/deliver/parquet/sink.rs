//! The sink of statements: one file after the other, in which each is a row.
//!
//! A message is delivered when the file that it is in is whole, on the disk and has its name. What is not in a whole file when the process is killed is
//! lost: a file has its age or size before that, so both bound how much it can be.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::broken::Broken;
use super::config::{FileOptions, StatementParquetConfig};
use super::disk::failed;
use super::file::PartFile;
use super::folder::Folder;
use super::lanes::Lanes;
use super::names::{self, SUFFIX};
use super::schema::Schema;
use super::statement;
use crate::deliver::batch::Batch;
use crate::deliver::counters::{LossReason, SinkCounter};
use crate::deliver::error::SinkError;
use crate::deliver::ledger::{AuditConfig, Ledger};
use crate::deliver::sidecar::Sidecar;
use crate::deliver::sink::Sink;
use crate::fields::Fields;

/// A row group ends when this many bytes of rows are in it. Compressed it waits in memory until then.
const GROUP_BYTES: usize = 32 << 20;
/// The pause between attempts when the sink is to be closed.
const FLUSH_PAUSE: Duration = Duration::from_millis(50);

/// Writes statements to Parquet files.
pub struct StatementParquetSink {
    name: String,
    config: StatementParquetConfig,
    schema: Schema,
    lanes: Lanes,
    _folder: Folder,
    open: Option<PartFile>,
    /// When the open file was begun.
    since: Option<Instant>,
    /// The position of the last message that was taken.
    taken: u64,
    /// The position up to which all messages are in whole files.
    delivered: u64,
    /// The file is to end: something went wrong before it had.
    ending: bool,
    broken: Broken,
    counter: Option<Arc<SinkCounter>>,
    /// With a marker stream.
    sidecar: Option<Box<Sidecar>>,
}

impl StatementParquetSink {
    /// Takes the directory for this process, removes what an earlier run has left unfinished, and starts the encoding threads.
    pub fn open(config: &StatementParquetConfig) -> Result<Self, SinkError> {
        Ok(Self {
            name: format!("parquet:{}", config.dir.display()),
            schema: statement::schema(false),
            lanes: Lanes::start()?,
            _folder: Folder::open(&config.dir, config.mode, None)?,
            config: config.clone(),
            open: None,
            since: None,
            taken: 0,
            delivered: 0,
            ending: false,
            broken: Broken::default(),
            counter: None,
            sidecar: None,
        })
    }

    /// Opens it with a marker stream, in files beside those of messages, and with columns that say what the hash of each message is.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_audited(config: &StatementParquetConfig, audit: &AuditConfig) -> Result<Self, SinkError> {
        let mut sink = Self::open(config)?;
        leave_to_its_file(&config.dir)?;
        let sidecar = Sidecar::open(&sink.name, config.dir.join(names::STREAM), config.mode, 0, audit)?;
        (sink.schema, sink.sidecar) = (statement::schema(true), Some(Box::new(sidecar)));
        Ok(sink)
    }

    /// Does again what could not be done before.
    fn resume(&mut self) -> Result<(), SinkError> {
        self.broken.check()?;
        if self.ending {
            return self.end_file();
        }
        // What belongs to the files before comes before the next one.
        self.sidecar.as_mut().map_or(Ok(()), |sidecar| sidecar.write_out())?;
        self.open.as_mut().map_or(Ok(()), PartFile::settle)
    }

    fn end_file(&mut self) -> Result<(), SinkError> {
        self.ending = true;
        let mut ended = None;
        if let Some(file) = &mut self.open {
            let path = file.path().to_owned();
            file.finish(&path, &mut self.lanes)?;
            tracing::debug!(sink = self.name, file = %path.display(), bytes = file.written(), "complete");
            ended = Some((path, file.written()));
        }
        (self.open, self.since, self.ending) = (None, None, false);
        self.delivered = self.taken;
        let (Some(sidecar), Some((path, bytes))) = (&mut self.sidecar, ended) else { return Ok(()) };
        // With its own manifest and its own markers a file is proven by its own sidecar.
        sidecar.settle_rows();
        sidecar.rotate(&path, bytes, names::sidecar_of(&path));
        sidecar.mark();
        sidecar.write_out()
    }

    /// Ends the file before its size or its age does.
    #[cfg(test)]
    pub(crate) fn end_file_now(&mut self) {
        self.end_file().unwrap();
    }

    fn is_old(&self) -> bool {
        let limit = self.config.roll_age;
        !limit.is_zero() && self.since.is_some_and(|since| since.elapsed() >= limit)
    }

    /// Names sort by time.
    fn free_path(&self) -> PathBuf {
        let mut now = Timestamp::now();
        loop {
            let path = self.config.dir.join(format!("statements-{}{SUFFIX}", now.strftime("%Y%m%dT%H%M%S.%6fZ")));
            if !path.exists() {
                return path;
            }
            now += Duration::from_micros(1);
        }
    }

    fn begin_file(&mut self) -> Result<(), SinkError> {
        // The directory itself must be there: a disk that is not mounted is not to be written beside.
        if !self.config.dir.is_dir() {
            return Err(failed("write to", &self.config.dir, io::ErrorKind::NotFound.into()));
        }
        let path = self.free_path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let StatementParquetConfig { compression, mode, fsync, .. } = self.config;
        let options = FileOptions { compression, mode, fsync };
        self.open = Some(PartFile::create(&self.config.dir, &name, &self.schema, options)?);
        self.since = Some(Instant::now());
        Ok(())
    }

    /// Takes a message. After an error it was not taken.
    fn take(&mut self, batch: &Batch, index: usize) -> Result<(), SinkError> {
        if self.is_old() {
            self.end_file()?;
        }
        if self.open.is_none() {
            self.begin_file()?;
        }
        let Some(file) = &mut self.open else { return Ok(()) };
        let Some(message) = batch.routed(index) else { return Ok(()) };
        // One that an earlier process has left in its spool is that process's.
        let proxy = message.origin.map_or(self.config.proxy.as_str(), |origin| origin);
        let place = self.sidecar.as_mut().and_then(|sidecar| sidecar.place(&message));
        let is_audited = self.sidecar.is_some();
        let row = Fields::parse(message.value).ok_or(super::columns::NO_SLOT);
        let row = row.and_then(|fields| {
            file.push(|slots| {
                statement::write(&fields, message.numbered, proxy, slots)?;
                if is_audited { statement::write_place(place.as_ref(), slots) } else { Ok(()) }
            })
        });
        // No statement's message: nothing makes one that does not fit.
        if let (Err(_), Some(counter)) = (&row, &self.counter) {
            counter.lose(LossReason::Rejected, 1);
        }
        if let (Some(sidecar), Some((id, link))) = (&mut self.sidecar, place) {
            match row {
                Ok(()) => sidecar.took_row(&id, &link),
                Err(_) => sidecar.lost(&id, LossReason::Rejected),
            }
        }
        self.taken = batch.position(index);
        file.pass_on(&mut self.lanes)?;
        let group_limit = match usize::try_from(self.config.roll_bytes) {
            // Whether a file is large enough is seen when a row group is complete.
            Ok(roll) if roll > 0 => roll.clamp(1024, GROUP_BYTES),
            _ => GROUP_BYTES,
        };
        if file.group_bytes() >= group_limit {
            file.end_group(&mut self.lanes)?;
            if self.config.roll_bytes > 0 && file.written() >= self.config.roll_bytes {
                // The message is taken; what is in the way is tried again before the next one.
                match self.end_file() {
                    Err(SinkError::Io { .. }) => {}
                    ended => ended?,
                }
            }
        }
        Ok(())
    }
}

/// Where a crash came between the name of a file and that of its sidecar, the stream that is there is that sidecar.
fn leave_to_its_file(dir: &Path) -> Result<(), SinkError> {
    let stream = dir.join(names::STREAM);
    if !stream.exists() {
        return Ok(());
    }
    let files = names::seen(dir).map_err(|source| failed("look into", dir, source))?;
    match files.last().map(|file| names::sidecar_of(file)).filter(|sidecar| !sidecar.exists()) {
        Some(sidecar) => fs::rename(&stream, sidecar).map_err(|source| failed("rename", &stream, source)),
        None => Ok(()),
    }
}

impl Sink for StatementParquetSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn attach(&mut self, counter: &Arc<SinkCounter>) {
        self.counter = Some(Arc::clone(counter));
        if let Some(sidecar) = &mut self.sidecar {
            sidecar.attach(counter);
        }
    }

    fn ledger(&self) -> Option<Arc<Ledger>> {
        self.sidecar.as_ref().map(|sidecar| sidecar.ledger())
    }

    fn reads_labels(&self) -> bool {
        true
    }

    fn write(&mut self, batch: &Batch, from: usize) -> Result<usize, SinkError> {
        let resumed = self.resume();
        self.broken.note(resumed)?;
        for index in from..batch.len() {
            let taken = self.take(batch, index);
            match self.broken.note(taken) {
                Ok(()) => {}
                // What is in the way is still there at the next attempt.
                Err(SinkError::Io { .. }) if index > from => return Ok(index - from),
                Err(error) => return Err(error),
            }
        }
        Ok(batch.len().saturating_sub(from))
    }

    fn delivered_through(&self) -> u64 {
        self.delivered
    }

    fn tick(&mut self) -> Result<(), SinkError> {
        let result = self.resume().and_then(|()| if self.is_old() { self.end_file() } else { Ok(()) });
        self.broken.note(result)?;
        let Some(sidecar) = &mut self.sidecar else { return Ok(()) };
        sidecar.check_path()?;
        sidecar.tick()
    }

    fn flush(&mut self, deadline: Instant) -> Result<(), SinkError> {
        loop {
            let result = self.broken.check().and_then(|()| self.end_file());
            let Err(error) = self.broken.note(result) else {
                return self.sidecar.as_mut().map_or(Ok(()), |sidecar| sidecar.finish(None));
            };
            if matches!(error, SinkError::Ended { .. }) || Instant::now() + FLUSH_PAUSE > deadline {
                return Err(SinkError::Undelivered {
                    messages: self.taken - self.delivered,
                    reason: error.to_string(),
                });
            }
            std::thread::sleep(FLUSH_PAUSE);
        }
    }
}

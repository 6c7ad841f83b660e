//! `mysql-interceptor binlog`: from a source to the sinks, with checkpoints.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::assembler::{Assembler, AssemblerOptions, BinlogCounters, Position, Progress};
use super::checkpoint::{Checkpoint, CheckpointError, CheckpointFile};
use super::decoder::{DecodeError, Decoder, Event};
use super::event::{EventHeader, EventType};
use super::filter::TableRules;
use super::gtid::{AnyGtid, AnyGtidSet};
use super::history::{HistoryError, NoSource, SchemaSource};
use super::source::{BinlogError, BinlogStart, FileSource, ServerSchemas, ServerSource, SourceOptions};
use crate::sink::{Batch, Direct, PushError};

/// Messages are handed to the sinks when there are so many bytes of them, or when the source has nothing more for now.
const BATCH_BYTES: usize = 1 << 20;
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(500);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Where to read from.
#[derive(Debug, Clone)]
pub(crate) enum SourceConfig {
    /// One of these servers.
    Servers(Vec<SourceOptions>),
    /// These files, in this order.
    Files(Vec<PathBuf>),
}

/// `--from`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum From {
    Now,
    Oldest,
    Position(Position),
    Gtids(AnyGtidSet),
    /// Seconds since 1970.
    Timestamp(u32),
    Checkpoint,
}

/// `--until`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Until {
    Never,
    Now,
    Position(Position),
    Gtid(AnyGtid),
    /// Seconds since 1970.
    Timestamp(u32),
}

/// All that `mysql-interceptor binlog` is told.
#[derive(Debug, Clone)]
pub(crate) struct BinlogConfig {
    pub(crate) source: SourceConfig,
    pub(crate) from: From,
    pub(crate) until: Until,
    pub(crate) tables: TableRules,
    pub(crate) messages: AssemblerOptions,
    pub(crate) checkpoint: Option<PathBuf>,
    pub(crate) schema_history: Option<PathBuf>,
    pub(crate) strict: bool,
}

/// Why reading ended before it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Source(#[from] BinlogError),
    #[error(transparent)]
    Sink(#[from] PushError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("{0}")]
    Start(String),
    #[error("{position}: an event of type {code}, which is not known (--strict)")]
    Unknown { position: Position, code: u8 },
}

/// What was done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) counters: BinlogCounters,
    pub(crate) position: Position,
}

/// Reads until the end that was asked for, or `stop` is set.
pub(crate) fn run(config: &BinlogConfig, sinks: &mut Direct, stop: &Arc<AtomicBool>) -> Result<Summary, RunError> {
    match &config.source {
        SourceConfig::Files(files) => run_files(config, files, sinks, stop),
        SourceConfig::Servers(servers) => run_server(config, servers, sinks, stop),
    }
}

/// What is the same for all sources.
struct Run<'a, C> {
    config: &'a BinlogConfig,
    sinks: &'a mut Direct,
    stop: &'a AtomicBool,
    decoder: Decoder<TableRules>,
    assembler: Assembler<C>,
    batch: Batch,
    until: Until,
    checkpoint: Option<CheckpointFile>,
    /// Places where reading could go on, with the number of messages before them.
    boundaries: VecDeque<(u64, Checkpoint)>,
    gtids: Option<AnyGtidSet>,
    last_checkpoint: Instant,
    last_progress: Instant,
    /// Transactions before this moment are left out (`--from TIMESTAMP`).
    skip_before: Option<u32>,
    last_timestamp: u32,
}

impl<'a, C: SchemaSource> Run<'a, C> {
    fn new(config: &'a BinlogConfig, sinks: &'a mut Direct, stop: &'a AtomicBool, catalog: C) -> Self {
        Self {
            sinks,
            stop,
            decoder: Decoder::new(config.tables.clone()),
            assembler: Assembler::new(config.messages.clone(), catalog, Position::default()),
            batch: Batch::new(),
            until: config.until.clone(),
            checkpoint: config.checkpoint.clone().map(CheckpointFile::new),
            boundaries: VecDeque::new(),
            gtids: None,
            last_checkpoint: Instant::now(),
            last_progress: Instant::now(),
            skip_before: None,
            last_timestamp: 0,
            config,
        }
    }

    /// Takes one event. True when the end that was asked for is reached.
    fn event(&mut self, event: &[u8]) -> Result<bool, RunError> {
        let header = EventHeader::parse(event).map_err(|what| self.broken(what.into()))?;
        if self.is_beyond_the_end(&header) {
            return Ok(true);
        }
        self.assembler.begin_event(&header);
        if header.timestamp > 0 && header.flags & EventHeader::ARTIFICIAL == 0 {
            self.last_timestamp = header.timestamp;
        }
        // Decided where a transaction begins: its first pieces may go on before its end has come.
        let begins = !self.assembler.in_transaction() && header.flags & EventHeader::ARTIFICIAL == 0;
        if begins && header.event_type != EventType::FormatDescription {
            self.skip_before = self.skip_before.filter(|moment| header.timestamp < *moment);
        }
        let unknown_before = self.assembler.counters().unknown;
        let mut progress = Progress::Going;
        let (assembler, batch, gtids) = (&mut self.assembler, &mut self.batch, &mut self.gtids);
        let (sinks, stop, skips) = (&mut *self.sinks, self.stop, self.skip_before.is_some());
        let result = self.decoder.decode(event, &mut |header, event| {
            if let Event::PreviousGtids(set) = &event
                && gtids.is_none()
            {
                *gtids = Some(AnyGtidSet::MySql(set.clone()));
            }
            if assembler.event(header, event, batch)? == Progress::Boundary {
                progress = Progress::Boundary;
            }
            // Large transactions go on in pieces, compressed ones too.
            if batch.byte_len() >= BATCH_BYTES {
                if skips {
                    batch.clear();
                } else {
                    sinks.push(batch, stop).map_err(|error| DecodeError::Consumer(error.into()))?;
                }
            }
            Ok(())
        });
        let result = match result {
            Err(DecodeError::Consumer(error)) => match error.downcast::<PushError>() {
                Ok(error) => return self.not_taken(*error),
                Err(error) => Err(DecodeError::Consumer(error)),
            },
            result => result,
        };
        result.map_err(|source| {
            let end = self.assembler.position();
            let offset = end.offset.saturating_sub(u64::from(header.length));
            BinlogError::Event { position: Position { file: end.file.clone(), offset }, source }
        })?;
        if self.config.strict && self.assembler.counters().unknown > unknown_before {
            return Err(RunError::Unknown {
                position: self.assembler.position().clone(),
                code: header.event_type.code(),
            });
        }
        if progress == Progress::Boundary {
            return self.boundary(&header);
        }
        // The end may lie behind an event that ends no transaction, the first ones of a file.
        let position = self.assembler.position();
        Ok(!self.assembler.in_transaction()
            && matches!(&self.until, Until::Position(end) if !position.file.is_empty() && is_at_or_behind(position, end)))
    }

    fn broken(&self, source: DecodeError) -> RunError {
        BinlogError::Event { position: self.assembler.position().clone(), source }.into()
    }

    /// A transaction has ended.
    fn boundary(&mut self, header: &EventHeader) -> Result<bool, RunError> {
        let gtid = self.assembler.gtid();
        if let (Some(set), Some(gtid)) = (&mut self.gtids, gtid)
            && header.event_type != EventType::Rotate
        {
            // Both are of the same server, or there is no set to keep.
            let _ = set.add(gtid);
        }
        if self.skip_before.is_some() {
            self.batch.clear();
            return Ok(false);
        }
        let is_end = match &self.until {
            Until::Position(end) => is_at_or_behind(self.assembler.position(), end),
            Until::Gtid(end) => header.event_type != EventType::Rotate && gtid == Some(end),
            _ => false,
        };
        let place = self.assembler.position().clone();
        self.assembler.history.reached(&place, false);
        if self.checkpoint.is_some() {
            let position = self.assembler.position();
            let gtid_set = self.gtids.as_ref().map(ToString::to_string);
            let checkpoint = Checkpoint { file: position.file.clone(), offset: position.offset, gtid_set };
            let messages = self.sinks.pushed() + self.batch.len() as u64;
            match self.boundaries.back_mut() {
                Some((count, last)) if *count == messages => *last = checkpoint,
                _ => self.boundaries.push_back((messages, checkpoint)),
            }
        }
        self.tick()?;
        Ok(is_end)
    }

    /// Whether this event is not wanted any more.
    fn is_beyond_the_end(&self, header: &EventHeader) -> bool {
        match &self.until {
            Until::Timestamp(end) => {
                !self.assembler.in_transaction()
                    && header.timestamp >= *end
                    && header.flags & EventHeader::ARTIFICIAL == 0
                    && header.event_type != EventType::FormatDescription
            }
            Until::Position(end) => {
                header.flags & EventHeader::ARTIFICIAL == 0
                    && header.next_position != 0
                    && header.event_type != EventType::FormatDescription
                    && is_at_or_behind(self.assembler.position(), end)
            }
            _ => false,
        }
    }

    fn push(&mut self) -> Result<(), RunError> {
        if let Err(error) = self.sinks.push(&mut self.batch, self.stop) {
            self.not_taken(error)?;
        }
        self.tick()
    }

    /// What a sink has not taken when we are told to stop is read again after the next start.
    fn not_taken(&mut self, error: PushError) -> Result<bool, RunError> {
        if error != PushError::Stopped {
            return Err(error.into());
        }
        self.batch.clear();
        let pushed = self.sinks.pushed();
        self.boundaries.retain(|(messages, _)| *messages <= pushed);
        Ok(true)
    }

    /// Saves how far the sinks are, and says it now and then.
    fn tick(&mut self) -> Result<(), RunError> {
        if self.last_checkpoint.elapsed() >= CHECKPOINT_INTERVAL {
            self.save_checkpoint()?;
        }
        if self.last_progress.elapsed() >= PROGRESS_INTERVAL {
            self.log_progress();
        }
        Ok(())
    }

    fn save_checkpoint(&mut self) -> Result<(), RunError> {
        self.last_checkpoint = Instant::now();
        let acknowledged = self.sinks.acknowledged();
        let mut reached = None;
        while self.boundaries.front().is_some_and(|(messages, _)| *messages <= acknowledged) {
            reached = self.boundaries.pop_front();
        }
        if let (Some(file), Some((_, checkpoint))) = (&mut self.checkpoint, reached) {
            if let Some(history) = self.assembler.history.sync_handle() {
                history.sync()?;
            }
            file.save(&checkpoint)?;
        }
        Ok(())
    }

    fn log_progress(&mut self) {
        self.last_progress = Instant::now();
        let counters = self.assembler.counters();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs());
        tracing::info!(
            position = %self.assembler.position(),
            lag_seconds = now.saturating_sub(u64::from(self.last_timestamp)),
            events = counters.events,
            rows = counters.rows,
            bytes = counters.bytes,
            delivered = self.sinks.acknowledged(),
            "reading"
        );
    }

    /// Waits until the sinks have everything, and saves that.
    fn finish(&mut self) -> Result<Summary, RunError> {
        if !self.stop.load(Ordering::Relaxed) {
            // Rows of a transaction whose end is not to be read, or is not there.
            self.assembler.flush_pending(&mut self.batch);
        }
        self.push()?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.checkpoint.is_some() && self.sinks.acknowledged() < self.sinks.pushed() && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let place = self.assembler.position().clone();
        self.assembler.history.reached(&place, true);
        self.save_checkpoint()?;
        Ok(Summary { counters: self.assembler.counters(), position: self.assembler.position().clone() })
    }
}

/// Whether `position` is `end` or lies behind it. Files' numbers count, not their texts: `binlog.999999` is before `binlog.1000000`.
fn is_at_or_behind(position: &Position, end: &Position) -> bool {
    let number = |file: &str| file.rsplit('.').next().and_then(|number| number.parse::<u64>().ok());
    match (number(&position.file), number(&end.file)) {
        (Some(a), Some(b)) => (a, position.offset) >= (b, end.offset),
        _ => position.file == end.file && position.offset >= end.offset,
    }
}

fn run_files(
    config: &BinlogConfig,
    files: &[PathBuf],
    sinks: &mut Direct,
    stop: &AtomicBool,
) -> Result<Summary, RunError> {
    let mut run = Run::new(config, sinks, stop, NoSource);
    let result = read_files(&mut run, files);
    // What was read before an error is delivered.
    let summary = run.finish();
    result.and(summary)
}

fn read_files(run: &mut Run<'_, NoSource>, files: &[PathBuf]) -> Result<(), RunError> {
    let (config, stop) = (run.config, run.stop);
    let start = match &config.from {
        From::Position(position) => Some(position.clone()),
        From::Checkpoint => match &run.checkpoint {
            Some(file) => file.load()?.map(|checkpoint| checkpoint.position()),
            None => return Err(RunError::Start("--from checkpoint needs --checkpoint FILE".into())),
        },
        From::Timestamp(moment) => {
            run.skip_before = Some(*moment);
            None
        }
        From::Oldest | From::Now => None,
        From::Gtids(_) => return Err(RunError::Start("--from with GTIDs needs a server (--source)".into())),
    };
    let resumes = start.is_some() && config.from == From::Checkpoint;
    let begin = start.clone().unwrap_or_default();
    run.assembler.history.begin(&begin, config.schema_history.as_deref(), resumes)?;
    let mut reached_start = start.is_none();
    'files: for path in files {
        let mut source = FileSource::open(path)?;
        let name = source.name().to_owned();
        if let Some(start) = &start {
            if !reached_start && name != start.file {
                continue;
            }
            reached_start = true;
        }
        run.assembler.restart(Position { file: name.clone(), offset: 4 });
        loop {
            if stop.load(Ordering::Relaxed) {
                break 'files;
            }
            let begin = source.position().offset;
            let Some(event) = source.next()? else { break };
            let skipped = start.as_ref().is_some_and(|start| start.file == name && begin < start.offset);
            if skipped {
                // The format is needed all the same.
                let header = EventHeader::parse(event).map_err(|what| run.broken(what.into()))?;
                run.assembler.begin_event(&header);
                if header.event_type != EventType::FormatDescription {
                    continue;
                }
                run.decoder.decode(event, &mut |_, _| Ok(())).map_err(|error| run.broken(error))?;
                continue;
            }
            if run.event(event)? {
                break 'files;
            }
        }
        // A file is not the end of a transaction, but what was read of it is all there is.
        run.push()?;
    }
    if !reached_start {
        let wanted = start.map(|start| start.to_string()).unwrap_or_default();
        return Err(RunError::Start(format!("--from {wanted}: no file of that name is given")));
    }
    Ok(())
}

fn run_server(
    config: &BinlogConfig,
    servers: &[SourceOptions],
    sinks: &mut Direct,
    stop: &Arc<AtomicBool>,
) -> Result<Summary, RunError> {
    let Some(first) = servers.first() else {
        return Err(RunError::Start("no --source is given".into()));
    };
    let mut run = Run::new(config, sinks, stop, ServerSchemas::new(first.clone(), Arc::clone(stop)));
    let mut backoff = FIRST_BACKOFF;
    let mut next_start: Option<BinlogStart> = None;
    let mut attempt = 0;
    loop {
        let options = servers.get(attempt % servers.len()).unwrap_or(first);
        if attempt > 0 && servers.len() > 1 {
            run.assembler.history.source_changed(ServerSchemas::new(options.clone(), Arc::clone(stop)));
        }
        attempt += 1;
        match stream(&mut run, options, &mut next_start, &mut backoff, stop) {
            Ok(()) => return run.finish(),
            Err(RunError::Source(error)) if error.is_transient() && next_start.is_some() => {
                if stop.load(Ordering::Relaxed) {
                    return run.finish();
                }
                tracing::warn!(%error, seconds = backoff.as_secs_f64(), "the stream broke; connecting again");
                wait(backoff, stop);
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
            Err(error) => {
                // What was read before is delivered.
                let _ = run.finish();
                return Err(error);
            }
        }
    }
}

/// Reads a server's stream until the end that was asked for. `next_start` is where to go on if it breaks.
fn stream<C: SchemaSource>(
    run: &mut Run<'_, C>,
    options: &SourceOptions,
    next_start: &mut Option<BinlogStart>,
    backoff: &mut Duration,
    stop: &Arc<AtomicBool>,
) -> Result<(), RunError> {
    let mut source = ServerSource::connect(options, Arc::clone(stop))?;
    let start = match next_start.take() {
        Some(start) => start,
        None => {
            let start = first_start(run, &mut source, options, stop)?;
            let had_checkpoint = run.checkpoint.as_ref().is_some_and(|file| matches!(file.load(), Ok(Some(_))));
            let (begin, resumes) = match &start {
                BinlogStart::Position(position) => (position.clone(), had_checkpoint && run.config.from == From::Checkpoint),
                BinlogStart::Gtids(_) => (Position::default(), false),
            };
            run.assembler.history.begin(&begin, run.config.schema_history.as_deref(), resumes)?;
            start
        }
    };
    if run.until == Until::Now {
        run.until = Until::Position(source.current_position()?);
    }
    if let BinlogStart::Position(position) = &start {
        run.assembler.restart(position.clone());
        if let Until::Position(end) = &run.until
            && is_at_or_behind(position, end)
        {
            return Ok(());
        }
    }
    if let BinlogStart::Gtids(set) = &start {
        run.assembler.restart(Position::default());
        run.gtids = Some(set.clone());
    }
    *next_start = Some(start.clone());
    let checksums = source.start(options, &start)?;
    run.decoder.begin_stream(checksums);
    tracing::info!(source = ?options.connect, version = source.server_version(), start = ?start, "reading the binlog");
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if source.is_idle() && !run.assembler.in_transaction() {
            run.push()?;
        }
        run.tick()?;
        let Some(event) = source.next()? else {
            return Ok(());
        };
        let is_end = run.event(event)?;
        if !run.assembler.in_transaction() && !run.assembler.position().file.is_empty() {
            *next_start = Some(BinlogStart::Position(run.assembler.position().clone()));
            *backoff = FIRST_BACKOFF;
        }
        if is_end {
            return Ok(());
        }
    }
}

fn first_start<C: SchemaSource>(
    run: &mut Run<'_, C>,
    source: &mut ServerSource,
    options: &SourceOptions,
    stop: &Arc<AtomicBool>,
) -> Result<BinlogStart, RunError> {
    let oldest = |source: &mut ServerSource| -> Result<BinlogStart, RunError> {
        let files = source.files()?;
        let (file, _) =
            files.into_iter().next().ok_or_else(|| RunError::Start("the source has no binlog files".into()))?;
        Ok(BinlogStart::Position(Position { file, offset: 4 }))
    };
    match &run.config.from {
        From::Now => Ok(BinlogStart::Position(source.current_position()?)),
        From::Oldest => oldest(source),
        From::Position(position) => {
            let files = source.files()?;
            if !files.iter().any(|(name, _)| *name == position.file) {
                let (first, last) = (files.first(), files.last());
                let name = |file: Option<&(String, u64)>| file.map(|(name, _)| name.clone()).unwrap_or_default();
                return Err(RunError::Start(format!(
                    "--from {position}: the source has no file of that name (it may have been purged); it has {} to {}",
                    name(first),
                    name(last)
                )));
            }
            Ok(BinlogStart::Position(position.clone()))
        }
        From::Gtids(set) => Ok(BinlogStart::Gtids(set.clone())),
        From::Checkpoint => {
            let Some(file) = &run.checkpoint else {
                return Err(RunError::Start("--from checkpoint needs --checkpoint FILE".into()));
            };
            match file.load()? {
                Some(checkpoint) => {
                    run.gtids = checkpoint.gtid_set.as_ref().and_then(|text| text.parse().ok());
                    Ok(BinlogStart::Position(checkpoint.position()))
                }
                None => {
                    tracing::warn!("there is no checkpoint yet: beginning with the oldest event");
                    oldest(source)
                }
            }
        }
        From::Timestamp(moment) => {
            run.skip_before = Some(*moment);
            // The last file that began before the moment.
            for (file, _) in source.files()?.into_iter().rev() {
                let position = Position { file, offset: 4 };
                if began_before(&position, *moment, options, stop)? {
                    return Ok(BinlogStart::Position(position));
                }
            }
            oldest(source)
        }
    }
}

/// Whether a file's first event is older than a moment.
fn began_before(
    position: &Position,
    moment: u32,
    options: &SourceOptions,
    stop: &Arc<AtomicBool>,
) -> Result<bool, RunError> {
    let mut source = ServerSource::connect(options, Arc::clone(stop))?;
    source.start(options, &BinlogStart::Position(position.clone()))?;
    for _ in 0..4 {
        let Some(event) = source.next()? else { break };
        if let Ok(header) = EventHeader::parse(event)
            && header.timestamp > 0
        {
            return Ok(header.timestamp < moment);
        }
    }
    Ok(false)
}

fn wait(time: Duration, stop: &AtomicBool) {
    let end = Instant::now() + time;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(50));
    }
}

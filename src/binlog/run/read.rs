//! The thread that reads: events in, pieces out.

use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use super::encode::Job;
use super::place::{From, Until, is_at_or_behind};
use crate::audit::{Begins, StreamOpened, StreamPosition};
use crate::binlog::checkpoint::tail::{Compared, TailCheck};
use crate::binlog::checkpoint::{Checkpoint, CheckpointFile};
use crate::binlog::event::decoder::Decoder;
use crate::binlog::event::error::DecodeError;
use crate::binlog::event::event_type::EventType;
use crate::binlog::event::header::EventHeader;
use crate::binlog::event::position::Position;
use crate::binlog::run::config::BinlogConfig;
use crate::binlog::run::error::RunError;
use crate::binlog::run::extent::Extent;
use crate::binlog::source::{BinlogError, BinlogStart};
use crate::binlog::table::filter::TableRules;
use crate::binlog::table::history::{HistorySync, NoSource, SchemaSource};
use crate::binlog::transaction::assembler::Assembler;
use crate::binlog::transaction::hold_error::HoldError;
use crate::binlog::transaction::piece::Piece;
use crate::binlog::transaction::prepared::Keep;
use crate::binlog::transaction::prepared::folder::Folder;
use crate::binlog::transaction::progress::Progress;

/// Where pieces go: to each encoding thread in turn.
pub(super) struct Out {
    jobs: Vec<SyncSender<Job>>,
    next: usize,
    /// Pieces whose memory can be used again.
    used: Receiver<Piece>,
}

impl Out {
    pub(super) fn new(jobs: Vec<SyncSender<Job>>, used: Receiver<Piece>) -> Self {
        Self { jobs, next: 0, used }
    }

    /// Waits for room. An error means that nobody wants it.
    fn send(&mut self, job: Job) -> Result<(), RunError> {
        let sender = self.jobs.get(self.next).ok_or(RunError::Ended)?;
        self.next = (self.next + 1) % self.jobs.len();
        sender.send(job).map_err(|_| RunError::Ended)
    }
}

/// What is the same for all sources.
pub(super) struct Reading<'a> {
    pub(super) config: &'a BinlogConfig,
    pub(super) stop: &'a CancellationToken,
    pub(super) decoder: Decoder<TableRules>,
    pub(super) assembler: Assembler<Box<dyn SchemaSource + Send>>,
    pub(super) until: Until,
    pub(super) extent: Arc<Extent>,
    /// For the thread that saves checkpoints.
    history: Arc<OnceLock<HistorySync>>,
    out: Out,
    /// Transactions before this time are left out (`--from TIMESTAMP`).
    pub(super) skip_before: Option<u32>,
    warned_of_prepared: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        config: &'a BinlogConfig,
        out: Out,
        stop: &'a CancellationToken,
        extent: Arc<Extent>,
        history: Arc<OnceLock<HistorySync>>,
    ) -> Self {
        // Who can be asked is known when there is a connection.
        let mut assembler: Assembler<Box<dyn SchemaSource + Send>> =
            Assembler::new(config.messages.clone(), Box::new(NoSource), Position::default());
        if let Some(folder) = &config.xa_dir {
            assembler.keep_prepared(Keep::InFolder(Folder::new(folder.clone())));
        }
        Self {
            stop,
            decoder: Decoder::new(config.messages.tables.clone()),
            assembler,
            warned_of_prepared: false,
            until: config.until.clone(),
            extent,
            history,
            out,
            skip_before: match config.from {
                From::Timestamp(time) => Some(time),
                _ => None,
            },
            config,
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// The checkpoint of an earlier run, if there was one, with the XA transactions that were prepared there.
    pub(super) fn checkpoint(&mut self) -> Result<Option<Checkpoint>, RunError> {
        let checkpoint = self.load_checkpoint()?;
        if let Some(checkpoint) = &checkpoint {
            self.assembler.restore_prepared(&checkpoint.prepared)?;
        }
        Ok(checkpoint)
    }

    fn load_checkpoint(&self) -> Result<Option<Checkpoint>, RunError> {
        match (&self.config.resume, &self.config.checkpoint) {
            (Some(checkpoint), _) => Ok(Some(checkpoint.clone())),
            (None, Some(path)) => Ok(CheckpointFile::new(path.clone(), self.config.file_mode).load()?),
            (None, None) if self.config.keeps_checkpoint_elsewhere => Ok(None),
            (None, None) => Err(RunError::Start(
                "`from` checkpoint needs `checkpoint` FILE, or `exactly_once`, which keeps it in Kafka".into(),
            )),
        }
    }

    /// Reading begins at `position`; `resumes` where an earlier run ended there.
    pub(super) fn begin_history(&mut self, position: &Position, resumes: bool) -> Result<(), RunError> {
        let history = self.assembler.history();
        let file = self.config.schema_history.as_deref().map(|path| (path, self.config.file_mode));
        history.begin(position, file, resumes)?;
        if let Some(sync) = history.sync_handle() {
            self.history.get_or_init(|| sync);
        }
        Ok(())
    }

    /// Why reading begins at a checkpoint.
    pub(super) fn begins_at_checkpoint(&self) -> Begins {
        if self.config.keeps_checkpoint_elsewhere { Begins::Committed } else { Begins::Checkpoint }
    }

    /// The stream begins at `start`; what is known of the GTIDs before that is the assembler's.
    pub(super) fn opened(
        &mut self,
        begins: Begins,
        start: &BinlogStart,
        server: Option<&String>,
    ) -> Result<(), RunError> {
        let (position, gtids) = match start {
            BinlogStart::Position(position) => (position.clone(), self.assembler.gtids()),
            BinlogStart::Gtids(set) => (Position::default(), Some(set)),
        };
        let (gtid_set, server) = (gtids.map(ToString::to_string), server.cloned());
        let position = StreamPosition { server, file: position.file, offset: position.offset, gtid_set };
        self.out.send(Job::Opened(Box::new(StreamOpened { begins, position })))
    }

    fn has_checksums(&self) -> bool {
        self.decoder.format().is_some_and(|format| format.checksum)
    }

    /// Takes note of an event before the place where reading begins, and compares it with what was read there before.
    pub(super) fn pass_over(&mut self, event: &[u8], check: Option<&mut TailCheck>) -> Result<Compared, RunError> {
        let header = EventHeader::parse(event).map_err(|what| self.broken(what.into()))?;
        let has_checksums = self.has_checksums();
        self.assembler.pass_over(true);
        self.assembler.begin_event(&header, event, has_checksums);
        let end = self.assembler.position().offset;
        let compared = check.map_or(Compared::Going, |check| check.event(&header, event, has_checksums, end));
        if header.event_type == EventType::FormatDescription {
            // The format is needed all the same.
            let assembler = &mut self.assembler;
            let result = self.decoder.decode(event, &mut |header, event| assembler.event(header, event).map(drop));
            result.map_err(|error| self.broken(error))?;
        }
        Ok(compared)
    }

    /// Takes one event. True when the end that was asked for is reached.
    pub(super) fn event(&mut self, event: &[u8]) -> Result<bool, RunError> {
        let header = EventHeader::parse(event).map_err(|what| self.broken(what.into()))?;
        if self.is_beyond_the_end(&header) {
            return Ok(true);
        }
        self.assembler.pass_over(false);
        self.assembler.begin_event(&header, event, self.has_checksums());
        // Decided where a transaction begins: it is kept whole or not at all.
        let is_synthetic = header.flags & EventHeader::ARTIFICIAL != 0;
        if !self.assembler.in_transaction() && !is_synthetic && header.event_type != EventType::FormatDescription {
            self.skip_before = self.skip_before.filter(|time| header.timestamp < *time);
            self.assembler.skip(self.skip_before.is_some());
        }
        let result = self.take(&header, event);
        if result.is_err() {
            // A checkpoint after what could not be read would pass it over at the next start.
            self.assembler.take_back_event();
        }
        result
    }

    fn take(&mut self, header: &EventHeader, event: &[u8]) -> Result<bool, RunError> {
        let before = self.assembler.counters();
        let mut progress = Progress::Going;
        let assembler = &mut self.assembler;
        let result = self.decoder.decode(event, &mut |header, event| {
            if assembler.event(header, event)? == Progress::Boundary {
                progress = Progress::Boundary;
            }
            Ok(())
        });
        match result {
            Err(DecodeError::Consumer(error)) => {
                return Err(match error.downcast::<HoldError>() {
                    Ok(error) => RunError::Hold(*error),
                    Err(error) => self.broken_event(header, DecodeError::Consumer(error)),
                });
            }
            result => result.map_err(|source| self.broken_event(header, source))?,
        }
        let now = self.assembler.counters();
        if self.config.strict && now.unknown > before.unknown {
            return Err(RunError::Unknown {
                position: self.assembler.position().clone(),
                code: header.event_type.code(),
            });
        }
        if self.config.strict && now.incidents > before.incidents {
            return Err(RunError::Incident { position: self.assembler.position().clone() });
        }
        if matches!(header.event_type, EventType::Heartbeat | EventType::HeartbeatV2) {
            self.extent.set_idle(self.assembler.position());
        }
        self.give_out(false)?;
        if progress == Progress::Boundary {
            return Ok(self.is_end(header));
        }
        // The end may lie after an event that ends no transaction, the first ones of a file.
        let position = self.assembler.position();
        Ok(!self.assembler.in_transaction()
            && matches!(&self.until, Until::Position(end) if !position.file.is_empty() && is_at_or_behind(position, end)))
    }

    /// Gives out what there is, because nothing more may come for a while.
    pub(super) fn flush(&mut self) -> Result<(), RunError> {
        self.give_out(true)
    }

    fn give_out(&mut self, flush: bool) -> Result<(), RunError> {
        while let Some(piece) = self.assembler.next_piece(flush)? {
            self.warn_of_prepared(&piece);
            self.out.send(Job::Piece(Box::new(piece)))?;
            while let Ok(piece) = self.out.used.try_recv() {
                self.assembler.recycle(piece);
            }
        }
        Ok(())
    }

    /// What waits for XA COMMIT cannot be kept for a restart where there is a checkpoint but no folder.
    fn warn_of_prepared(&mut self, piece: &Piece) {
        if !self.config.keeps_checkpoint_elsewhere || self.config.xa_dir.is_some() || self.warned_of_prepared {
            return;
        }
        let waits = |boundary: &Checkpoint| boundary.prepared.iter().any(|xa| xa.events > 0);
        if piece.boundary().is_some_and(waits) {
            self.warned_of_prepared = true;
            tracing::warn!(
                "an XA transaction is prepared, and there is no folder to keep its rows in until XA COMMIT: should this program be started again \
                 before that, it will refuse to go on without them; give one with --xa-dir (said once)"
            );
        }
    }

    /// Nothing more comes; `result` says why.
    pub(super) fn end(mut self, result: Result<(), RunError>) {
        self.assembler.end_of_stream();
        let position = self.assembler.position().clone();
        self.assembler.history().reached(&position, true);
        // What was read before an error is delivered, but nothing of a transaction whose end is not there. Nobody to tell where the
        // channel is closed.
        let end = self.flush().and_then(|()| self.out.send(Job::Piece(Box::new(self.assembler.end_piece()))));
        let _ = self.out.send(Job::End(result.and(end)));
    }

    pub(super) fn broken(&self, source: DecodeError) -> RunError {
        BinlogError::Event { position: self.assembler.position().clone(), source }.into()
    }

    /// The current position is the event's end.
    fn broken_event(&self, header: &EventHeader, source: DecodeError) -> RunError {
        let end = self.assembler.position();
        let offset = end.offset.saturating_sub(u64::from(header.length));
        BinlogError::Event { position: Position { file: end.file.clone(), offset }, source }.into()
    }

    /// Whether the transaction that has just ended is the last that is wanted.
    fn is_end(&self, header: &EventHeader) -> bool {
        match &self.until {
            _ if self.skip_before.is_some() => false,
            Until::Position(end) => is_at_or_behind(self.assembler.position(), end),
            Until::Gtid(end) => {
                let has_passed = |end| self.assembler.gtids().is_some_and(|gtids| gtids.contains(end));
                header.event_type != EventType::Rotate && (self.assembler.gtid() == Some(end) || has_passed(end))
            }
            _ => false,
        }
    }

    /// Whether this event is not wanted any more.
    fn is_beyond_the_end(&self, header: &EventHeader) -> bool {
        let is_synthetic = header.flags & EventHeader::ARTIFICIAL != 0;
        if is_synthetic || header.event_type == EventType::FormatDescription {
            return false;
        }
        match &self.until {
            Until::Timestamp(end) => !self.assembler.in_transaction() && header.timestamp >= *end,
            Until::Position(end) => {
                !self.assembler.in_transaction()
                    && header.is_in_file()
                    && is_at_or_behind(self.assembler.position(), end)
            }
            _ => false,
        }
    }
}

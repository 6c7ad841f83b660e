//! The thread that delivers: batches to the sinks in order, and the checkpoint after them.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::encode::{Encoded, EncodedPiece};
use super::progress::Reporter;
use crate::audit::{Event, StreamClosed, StreamPosition, TopicOpened};
use crate::binlog::checkpoint::{Checkpoint, CheckpointFile};
use crate::binlog::run::config::BinlogConfig;
use crate::binlog::run::error::RunError;
use crate::binlog::run::figures::Figures;
use crate::binlog::run::summary::Summary;
use crate::binlog::table::history::HistorySync;
use crate::binlog::transaction::prepared::folder::remove;
use crate::clocks;
use crate::deliver::{Pipeline, PushError, Sequences};

const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(500);
/// How long the sinks have to deliver what was read when reading has ended.
const FLUSH: Duration = Duration::from_secs(30);
/// The same when we are told to stop: many supervisors kill after ten seconds.
const FLUSH_WHEN_STOPPED: Duration = Duration::from_secs(8);

/// Boundaries that are kept while a marker is waited for. Beyond that every other one is forgotten: reading would go on a little earlier.
const MOST_BOUNDARIES: usize = 4_096;

/// Where reading could go on.
struct Boundary {
    /// From 1 on.
    number: u64,
    /// The last position of each form before it.
    positions: Vec<u64>,
    checkpoint: Checkpoint,
    /// Files that nobody needs once it is reached.
    obsolete: Vec<PathBuf>,
}

pub(super) struct Delivery<'a> {
    sinks: &'a mut Pipeline,
    stop: &'a CancellationToken,
    checkpoint: Option<CheckpointFile>,
    /// A checkpoint is kept, here or in a sink.
    can_resume: bool,
    /// Those that are not reached yet.
    boundaries: VecDeque<Boundary>,
    /// How many there were.
    last_boundary: u64,
    /// Of each form that a sink with a marker stream takes.
    sequences: Vec<Option<Sequences>>,
    /// Where the last transaction ended that was passed on.
    whole: Option<StreamPosition>,
    /// There are files that become obsolete.
    has_files: bool,
    last_checkpoint: Instant,
    reporter: Reporter,
    figures: Arc<Figures>,
    started: Instant,
    /// The schema history that the reading thread writes: it must be on disk before a checkpoint that lies after it.
    history: Arc<OnceLock<HistorySync>>,
    summary: Summary,
}

impl<'a> Delivery<'a> {
    pub(super) fn new(
        config: &BinlogConfig,
        sinks: &'a mut Pipeline,
        stop: &'a CancellationToken,
        reporter: Reporter,
        figures: Arc<Figures>,
        history: Arc<OnceLock<HistorySync>>,
    ) -> Self {
        Self {
            sinks,
            stop,
            checkpoint: config.checkpoint.clone().map(|path| CheckpointFile::new(path, config.file_mode)),
            can_resume: config.checkpoint.is_some() || config.keeps_checkpoint_elsewhere,
            boundaries: VecDeque::new(),
            last_boundary: 0,
            sequences: Vec::new(),
            whole: None,
            has_files: config.xa_dir.is_some(),
            last_checkpoint: Instant::now(),
            reporter,
            figures,
            started: Instant::now(),
            history,
            summary: Summary::default(),
        }
        .with_sequences(config)
    }

    fn with_sequences(mut self, config: &BinlogConfig) -> Self {
        let sequences = |form| self.sinks.has_markers(form).then(|| Sequences::new(config.checkpoint_topic.clone()));
        self.sequences = (0..self.sinks.positions().len()).map(sequences).collect();
        self
    }

    /// Delivers what the encoding threads produce, each in turn, until the end.
    pub(super) fn run(mut self, encoded: &[Receiver<Encoded>]) -> Result<Summary, RunError> {
        let result = self.deliver(encoded);
        self.reporter.end();
        // What was read before an error is delivered.
        let finished = self.finish();
        self.summary.elapsed = self.started.elapsed();
        result.and(finished).map(|()| self.summary)
    }

    fn deliver(&mut self, encoded: &[Receiver<Encoded>]) -> Result<(), RunError> {
        for receiver in encoded.iter().cycle() {
            let encoded = loop {
                match receiver.recv_timeout(CHECKPOINT_INTERVAL) {
                    Ok(encoded) => break encoded,
                    Err(RecvTimeoutError::Timeout) => self.tick()?,
                    Err(RecvTimeoutError::Disconnected) => return Err(RunError::Ended),
                }
            };
            match encoded {
                Encoded::End(result) => return result,
                Encoded::Opened(opened) => {
                    self.whole.get_or_insert_with(|| opened.position.clone());
                    self.sinks.tell(None, clocks::epoch_ms(), &Event::StreamOpened(*opened));
                }
                Encoded::Piece(piece) => {
                    if !self.piece(piece)? {
                        return Ok(());
                    }
                }
                Encoded::Broken { before, error } => {
                    for piece in before {
                        if !self.piece(piece)? {
                            return Ok(());
                        }
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// False when we stopped waiting for a full sink because we are told to stop: what it has not taken is read again after the next
    /// start.
    fn piece(&mut self, EncodedPiece { batches, end }: EncodedPiece) -> Result<bool, RunError> {
        for (form, mut batch) in batches.into_iter().enumerate() {
            if let Some(Some(sequences)) = self.sequences.get_mut(form) {
                for (topic, session) in sequences.number(&mut batch) {
                    let topic = TopicOpened { session, topic: topic.as_ref().to_owned() };
                    self.sinks.tell(Some(form), clocks::epoch_ms(), &Event::TopicOpened(topic));
                }
            }
            match self.sinks.push(form, batch, self.stop) {
                Ok(()) => {}
                Err(PushError::Stopped) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        let rows = self.summary.counters.rows + end.counters.rows;
        self.summary.counters = end.counters;
        self.summary.counters.rows = rows;
        self.summary.position = end.position;
        self.summary.timestamp = end.timestamp;
        self.figures.update(&self.summary);
        if let Some(checkpoint) = end.boundary {
            self.boundary(checkpoint, end.obsolete);
        }
        self.tick()?;
        Ok(true)
    }

    fn boundary(&mut self, checkpoint: Checkpoint, obsolete: Vec<PathBuf>) {
        self.last_boundary += 1;
        let number = self.last_boundary;
        let has_markers = self.sequences.iter().any(Option::is_some);
        if has_markers {
            let position = stream_position(&checkpoint);
            self.whole = Some(position.clone());
            self.sinks.tell_rows(self.summary.counters.rows);
            self.sinks.tell_boundary(number, position);
        }
        if self.checkpoint.is_none() && !self.has_files {
            return;
        }
        let positions = self.sinks.positions();
        match self.boundaries.back_mut() {
            // A marker may have the one before, and never get to the last one.
            Some(last) if last.positions == positions && !has_markers => {
                last.checkpoint = checkpoint;
                last.obsolete.extend(obsolete);
            }
            _ => self.boundaries.push_back(Boundary { number, positions, checkpoint, obsolete }),
        }
        if self.boundaries.len() > MOST_BOUNDARIES {
            self.thin_out();
        }
    }

    /// Forgets every other boundary, but not the last.
    fn thin_out(&mut self) {
        let mut kept = VecDeque::with_capacity(self.boundaries.len() / 2 + 1);
        let mut boundaries = self.boundaries.drain(..);
        while let Some(mut boundary) = boundaries.next() {
            if let Some(mut next) = boundaries.next() {
                boundary.obsolete.append(&mut next.obsolete);
                next.obsolete = boundary.obsolete;
                boundary = next;
            }
            kept.push_back(boundary);
        }
        drop(boundaries);
        self.boundaries = kept;
    }

    /// Saves how far the sinks are, and reports it now and then.
    fn tick(&mut self) -> Result<(), RunError> {
        if self.last_checkpoint.elapsed() >= CHECKPOINT_INTERVAL {
            self.save_checkpoint()?;
        }
        self.reporter.report(&self.summary);
        self.sinks.check()?;
        Ok(())
    }

    fn save_checkpoint(&mut self) -> Result<(), RunError> {
        self.last_checkpoint = Instant::now();
        let (mut reached, mut obsolete) = (None, Vec::new());
        // What a marker stream does not have yet comes again after a kill: then it has no gap, and no message is left without a marker.
        let covered = self.sinks.covered().unwrap_or(u64::MAX);
        let is_reached =
            |boundary: &Boundary| boundary.number <= covered && self.sinks.has_delivered(&boundary.positions);
        while self.boundaries.front().is_some_and(is_reached) {
            if let Some(mut boundary) = self.boundaries.pop_front() {
                obsolete.append(&mut boundary.obsolete);
                reached = Some(boundary);
            }
        }
        if let (Some(file), Some(Boundary { positions, mut checkpoint, .. })) = (&mut self.checkpoint, reached) {
            if let Some(history) = self.history.get() {
                history.sync()?;
            }
            checkpoint.staged = self.sinks.marks(&positions);
            file.save(&checkpoint)?;
            self.sinks.publish(&positions).map_err(RunError::Publish)?;
        }
        remove(&obsolete);
        Ok(())
    }

    /// Lets the sinks deliver what they have, and saves how far they came.
    fn finish(&mut self) -> Result<(), RunError> {
        let time = match self.stop.is_cancelled() {
            true => FLUSH_WHEN_STOPPED,
            false => FLUSH,
        };
        tracing::debug!(
            seconds = time.as_secs(),
            "reading has ended: the sinks have this long to deliver what they have"
        );
        if let Some(position) = self.whole.take() {
            self.sinks.tell(None, clocks::epoch_ms(), &Event::StreamClosed(StreamClosed { position }));
        }
        let report = self.sinks.shutdown(Instant::now() + time);
        // What was delivered stands in the last line; an error at the start is the only one.
        if !report.is_complete() {
            report.log(match self.can_resume {
                true => "rows were not delivered: they come again at the next start, from the checkpoint",
                false => "rows were lost",
            });
        }
        self.summary.is_delivered = report.is_complete();
        self.save_checkpoint()
    }
}

fn stream_position(checkpoint: &Checkpoint) -> StreamPosition {
    let Checkpoint { server, file, offset, gtid_set, .. } = checkpoint.clone();
    StreamPosition { server, file, offset, gtid_set }
}

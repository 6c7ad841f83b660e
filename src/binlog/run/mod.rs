//! `mysql-interceptor binlog`: from a source to the sinks, with checkpoints.
//!
//! ```text
//!   read      one thread      source, decoder, assembler         pieces of about half a megabyte of rows
//!     |
//!   encode    some threads    pieces in turn                     a batch of messages per form
//!     |
//!   deliver   this thread     in the order of the stream         sinks, checkpoint, progress
//! ```
//!
//! All channels are bounded: a sink that is slow makes the source be read more slowly.

mod deliver;
mod encode;
mod files;
mod place;
mod progress;
mod read;
mod server;
mod start_check;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock, mpsc};
use std::{panic, thread};

pub(crate) use place::{From, Until};
pub(crate) use progress::{ProgressStyle, clear_bar};

use tokio_util::sync::CancellationToken;

use super::checkpoint::{Checkpoint, CheckpointError, CheckpointFile};
use super::source::{BinlogError, SourceOptions};
use crate::binlog::event::position::Position;
use crate::binlog::output::form::FormFactory;
use crate::binlog::table::history::{HistoryError, HistorySync};
use crate::binlog::transaction::assembler::{AssemblerOptions, HoldError};
use crate::binlog::transaction::counters::BinlogCounters;
use crate::binlog::transaction::piece::Piece;
use crate::deliver::{Pipeline, PushError, SinkError};
use crate::files::FileMode;
use deliver::Delivery;
use encode::{Encoded, Job, encode};
use progress::{Extent, Reporter};
use read::{Out, Reading};

/// Pieces that wait in front of and behind each encoding thread.
const WAITING: usize = 2;
/// More threads than this find nothing to do: one reads all they get.
const MOST_ENCODERS: usize = 8;

/// Where to read from.
#[derive(Debug, Clone)]
pub(crate) enum SourceConfig {
    /// One of these servers.
    Servers(Vec<SourceOptions>),
    /// These files, in this order.
    Files(Vec<PathBuf>),
}

/// What to do where the source does not have any more what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::EnumMessage, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum OnPurged {
    /// End with an error
    #[default]
    Fail,
    /// Say what is missing, and go on with the oldest event that is there
    Oldest,
}

/// All that `mysql-interceptor binlog` is told.
#[derive(Debug, Clone)]
pub(crate) struct BinlogConfig {
    pub(crate) source: SourceConfig,
    pub(crate) from: From,
    pub(crate) until: Until,
    pub(crate) on_purged: OnPurged,
    pub(crate) messages: AssemblerOptions,
    pub(crate) checkpoint: Option<PathBuf>,
    /// Where the tables' columns are kept through time.
    pub(crate) schema_history: Option<PathBuf>,
    /// The rights of these two files.
    pub(crate) file_mode: FileMode,
    /// The checkpoint of an earlier run, where it is not in a file.
    pub(crate) resume: Option<Checkpoint>,
    /// A sink keeps checkpoints (`--exactly-once`).
    pub(crate) keeps_checkpoint_elsewhere: bool,
    pub(crate) strict: bool,
    pub(crate) progress: ProgressStyle,
}

/// Why reading ended before it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error(transparent)]
    Source(#[from] BinlogError),
    #[error(transparent)]
    Sink(#[from] PushError),
    /// What is delivered and covered by the checkpoint cannot be seen.
    #[error("{0}; it is done at the next start")]
    Publish(SinkError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(
        "{position}: the files end in the middle of a transaction, of which {row_events} row events were read: nothing of it is passed on; \
         give the file that goes on with it as well, in order"
    )]
    Unfinished { position: Position, row_events: u64 },
    #[error("{0}")]
    Start(String),
    #[error("{position}: an event of type {code}, which is not known (--strict)")]
    Unknown { position: Position, code: u8 },
    #[error(
        "{position}: the server reports an incident: events may be missing from its binlog (--strict); after a new copy of the data go on \
         behind it with --from"
    )]
    Incident { position: Position },
    #[error("thread {name} could not be started: {source}")]
    Thread { name: &'static str, source: std::io::Error },
    /// The other side of a channel is gone; it has said why.
    #[error("ended")]
    Ended,
}

/// What was done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) counters: BinlogCounters,
    pub(crate) position: Position,
    /// The time of the latest event, in seconds since 1970.
    pub(crate) timestamp: u32,
    /// Every sink came to its end and lost nothing.
    pub(crate) is_delivered: bool,
}

/// Ends the thread that asks how far the source is, whatever way the function that started it is left: it is waited for.
struct EndOfLag<'a> {
    end: &'a AtomicBool,
    thread: &'a thread::Thread,
}

impl Drop for EndOfLag<'_> {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.thread.unpark();
    }
}

/// Reads until the end that was asked for, or `stop` is cancelled, and closes the sinks; `forms` are those that `sinks` takes, in order.
pub(crate) fn run(
    config: &BinlogConfig,
    forms: &[FormFactory],
    sinks: &mut Pipeline,
    stop: &CancellationToken,
) -> Result<Summary, RunError> {
    // Its own: an error here is no stop for others.
    let stop = &stop.child_token();
    let lock = |path: &PathBuf| CheckpointFile::new(path.clone(), config.file_mode).lock();
    let _locked = config.checkpoint.as_ref().map(lock).transpose()?;
    let encoders = thread::available_parallelism().map_or(1, usize::from).min(MOST_ENCODERS);
    let spare_batches = sinks.spare_batches();
    let (used_sender, used) = mpsc::channel::<Piece>();
    // Told to end when the sinks take nothing any more.
    let end = AtomicBool::new(false);
    thread::scope(|scope| {
        let (mut jobs, mut encoded): (Vec<SyncSender<Job>>, Vec<Receiver<Encoded>>) = (Vec::new(), Vec::new());
        for _ in 0..encoders {
            let (job_sender, job_receiver) = sync_channel(WAITING);
            let (encoded_sender, encoded_receiver) = sync_channel(WAITING);
            jobs.push(job_sender);
            encoded.push(encoded_receiver);
            let (used, spare_batches) = (used_sender.clone(), spare_batches.clone());
            let forms = forms.iter().map(|form| form()).collect();
            thread::Builder::new()
                .name("binlog-encode".to_owned())
                .spawn_scoped(scope, move || encode(&job_receiver, &encoded_sender, forms, &used, &spare_batches))
                .map_err(|source| RunError::Thread { name: "binlog-encode", source })?;
        }
        let extent = Arc::new(Extent::default());
        let out = Out::new(jobs, used);
        let history = Arc::new(OnceLock::<HistorySync>::new());
        let history_file = Arc::clone(&history);
        let end = &end;
        let asked = Arc::clone(&extent);
        let lag = thread::Builder::new()
            .name("binlog-lag".to_owned())
            .spawn_scoped(scope, move || asked.keep_asking(end))
            .map_err(|source| RunError::Thread { name: "binlog-lag", source })?;
        let end_of_lag = EndOfLag { end, thread: lag.thread() };
        let reporter = Reporter::new(config.progress, Arc::clone(&extent));
        let reader = thread::Builder::new()
            .name("binlog-read".to_owned())
            .spawn_scoped(scope, move || {
                let mut reading = Reading::new(config, out, stop, extent, history);
                let result = match &config.source {
                    SourceConfig::Files(files) => files::read(&mut reading, files),
                    SourceConfig::Servers(servers) => server::read(&mut reading, servers),
                };
                reading.end(result);
            })
            .map_err(|source| RunError::Thread { name: "binlog-read", source })?;
        let result = Delivery::new(config, sinks, stop, reporter, history_file).run(&encoded);
        drop(end_of_lag);
        if result.is_err() {
            // The thread that reads may be waiting for the source, which may say nothing for a while.
            stop.cancel();
        }
        // The channels are gone now, so nobody waits for us.
        drop(encoded);
        if let Err(panicked) = reader.join() {
            panic::resume_unwind(panicked);
        }
        result
    })
}

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

pub(crate) mod config;
mod deliver;
mod encode;
pub(crate) mod error;
mod extent;
mod figures;
mod files;
pub(crate) mod place;
pub(crate) mod progress;
mod read;
mod server;
mod start_check;
pub(crate) mod summary;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock, mpsc};
use std::{panic, thread};

use tokio_util::sync::CancellationToken;

use crate::binlog::checkpoint::CheckpointFile;
use crate::binlog::output::form::FormFactory;
use crate::binlog::run::config::{BinlogConfig, SourceConfig};
use crate::binlog::run::deliver::Delivery;
use crate::binlog::run::encode::{Encoded, Job, encode};
use crate::binlog::run::error::RunError;
use crate::binlog::run::extent::Extent;
use crate::binlog::run::figures::Figures;
#[cfg(test)]
use crate::binlog::run::figures::PROGRESS_METRICS;
use crate::binlog::run::progress::Reporter;
use crate::binlog::run::read::{Out, Reading};
use crate::binlog::run::summary::Summary;
#[cfg(test)]
use crate::binlog::run::summary::counter_metrics;
use crate::binlog::table::history::HistorySync;
use crate::binlog::transaction::piece::Piece;
use crate::deliver::Pipeline;
#[cfg(test)]
use crate::metrics::Metric;

/// Pieces that wait before and after each encoding thread.
const WAITING: usize = 2;
/// More threads than this find nothing to do: one reads all they get.
const MOST_ENCODERS: usize = 8;

/// Every metric of a run, with its key in the last log line if it has one.
#[cfg(test)]
pub(crate) fn metrics() -> Vec<(Metric, Option<&'static str>)> {
    counter_metrics().chain(PROGRESS_METRICS.map(|metric| (metric, None))).collect()
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
        let figures = Arc::new(Figures::new(Arc::clone(&extent)));
        config.watch.begin(&figures);
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
        let result = Delivery::new(config, sinks, stop, reporter, figures, history_file).run(&encoded);
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

//! How far a run is, for the log and for metrics.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::binlog::run::extent::Extent;
use crate::binlog::run::summary::{Summary, tell_counters};
use crate::metrics::{Check, Metric, Readings, Source, Verdict};

const LAG_SECONDS: Metric = Metric::gauge(
    "mysql_interceptor_binlog_lag_seconds",
    "Age of the latest event that was passed on to the sinks; 0 where the source has nothing more",
    &[],
);
const LAG_BYTES: Metric = Metric::gauge(
    "mysql_interceptor_binlog_lag_bytes",
    "Bytes of the source's binlog that were not passed on yet; only where the account may ask for it (REPLICATION CLIENT)",
    &[],
);
const FILE: Metric = Metric::gauge(
    "mysql_interceptor_binlog_file_number",
    "The number in the name of the binlog file that is read",
    &[],
);
const OFFSET: Metric = Metric::gauge(
    "mysql_interceptor_binlog_position_bytes",
    "The place in that file up to which it was passed on",
    &[],
);
const EVENT_TIME: Metric = Metric::gauge(
    "mysql_interceptor_binlog_event_timestamp_seconds",
    "Time of the latest event that was passed on, in seconds since 1970",
    &[],
);
const CONNECTED: Metric =
    Metric::gauge("mysql_interceptor_binlog_connected", "1 while the source's stream is read, else 0", &[]);

/// The metrics of how far it is.
pub(super) const PROGRESS_METRICS: [Metric; 6] = [LAG_SECONDS, LAG_BYTES, FILE, OFFSET, EVENT_TIME, CONNECTED];

/// How far a run is. Written by the thread that delivers.
#[derive(Debug)]
pub(super) struct Figures {
    extent: Arc<Extent>,
    summary: Mutex<Summary>,
}

/// How far it is behind its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) seconds: Option<u64>,
    pub(super) bytes: Option<u64>,
}

impl Lag {
    /// At this summary's place.
    pub(super) fn of(summary: &Summary, extent: &Extent) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        // A source that is quiet has no lag, however long ago its last event was.
        let seconds = match extent.is_caught_up(&summary.position) {
            true => Some(0),
            false => (summary.timestamp > 0).then(|| now.saturating_sub(u64::from(summary.timestamp))),
        };
        Self { seconds, bytes: extent.bytes_after(&summary.position) }
    }
}

impl Figures {
    pub(super) fn new(extent: Arc<Extent>) -> Self {
        Self { extent, summary: Mutex::default() }
    }

    /// It is so far now.
    pub(super) fn update(&self, summary: &Summary) {
        self.summary().clone_from(summary);
    }

    fn summary(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Figures {
    fn tell(&self, readings: &mut Readings) {
        let summary = self.summary().clone();
        tell_counters(&summary, readings);
        let lag = Lag::of(&summary, &self.extent);
        let number = summary.position.file.rsplit_once('.').and_then(|(_, number)| number.parse().ok());
        let offset = number.map(|_: u64| summary.position.offset);
        let time = Some(u64::from(summary.timestamp)).filter(|time| *time > 0);
        let connected = self.extent.connection().map(|up| u64::from(up.is_ok()));
        let values = [lag.seconds, lag.bytes, number, offset, time, connected];
        for (metric, value) in PROGRESS_METRICS.iter().zip(values) {
            // What is not known is not said.
            if let Some(value) = value {
                readings.whole(metric, &[], value);
            }
        }
    }
}

impl Check for Figures {
    fn check(&self) -> Pin<Box<dyn Future<Output = Verdict> + Send + '_>> {
        let verdict = self.extent.connection().unwrap_or(Ok(()));
        Box::pin(async { verdict.map_err(|reason| format!("the source is not read: {reason}")) })
    }
}

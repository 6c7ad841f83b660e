//! What was done, for the log, metrics and the exit code.

use std::time::Duration;

use crate::binlog::event::position::Position;
use crate::binlog::transaction::counters::BinlogCounters;
#[cfg(test)]
use crate::metrics::Metric;
use crate::metrics::{Readings, table};

/// What was done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) counters: BinlogCounters,
    pub(crate) position: Position,
    /// The time of the latest event, in seconds since 1970.
    pub(crate) timestamp: u32,
    /// Every sink came to its end and lost nothing.
    pub(crate) is_delivered: bool,
    /// How long it took, once it is over.
    pub(crate) elapsed: Duration,
}

table! {
    /// Everything that is counted, in the order of the last log line.
    const COUNTERS of Summary;
    /// Logs all of it.
    fn log_counters;

    position = logged(|summary| tracing::field::display(&summary.position));
    rows = counter("mysql_interceptor_binlog_rows_total", "Rows that became messages",
        |summary| summary.counters.rows);
    transactions = counter("mysql_interceptor_binlog_transactions_total", "Transactions that ended",
        |summary| summary.counters.transactions);
    events = counter("mysql_interceptor_binlog_events_total", "Events that were read, those inside compressed transactions too",
        |summary| summary.counters.events);
    bytes = counter("mysql_interceptor_binlog_read_bytes_total", "Their bytes",
        |summary| summary.counters.bytes);
    ddl = counter("mysql_interceptor_binlog_ddl_total", "Statements that change definitions",
        |summary| summary.counters.ddl);
    filtered = counter("mysql_interceptor_binlog_filtered_events_total", "Row events of tables that are not wanted",
        |summary| summary.counters.filtered);
    unknown = counter("mysql_interceptor_binlog_unknown_events_total", "Events of types that are not known",
        |summary| summary.counters.unknown);
    incidents = counter("mysql_interceptor_binlog_incidents_total", "INCIDENT events: the server may have lost others",
        |summary| summary.counters.incidents);
    rolled_back = counter("mysql_interceptor_binlog_rolled_back_transactions_total", "Transactions that were rolled back, and are in the binlog all the same",
        |summary| summary.counters.rolled_back);
    unfinished = counter("mysql_interceptor_binlog_unfinished_transactions_total", "Transactions whose end did not come: nothing of them is passed on",
        |summary| summary.counters.unfinished);
    xa_waiting = gauge("mysql_interceptor_binlog_prepared_transactions", "XA transactions that are prepared and have not ended: nothing of them is passed on yet",
        |summary| summary.counters.xa_waiting);
    xa_unseen = counter("mysql_interceptor_binlog_unseen_transactions_total", "XA transactions that were committed, but prepared before what was read: their rows are missing",
        |summary| summary.counters.xa_unseen);
    statements_without_rows = counter("mysql_interceptor_binlog_statements_without_rows_total", "Statements that are logged as text: there are no rows of them",
        |summary| summary.counters.statements_without_rows);
    nameless = counter("mysql_interceptor_binlog_nameless_events_total", "Row events whose columns have no names",
        |summary| summary.counters.nameless);
    seconds = logged(|summary| summary.elapsed.as_secs_f64());
    rows_per_second = logged(|summary| (summary.counters.rows as f64 / summary.elapsed.as_secs_f64()) as u64);
}

/// Every counter's metric, with its key in the log line.
#[cfg(test)]
pub(super) fn counter_metrics() -> impl Iterator<Item = (Metric, Option<&'static str>)> {
    COUNTERS.iter().filter_map(|row| Some((row.metric?, Some(row.key))))
}

/// Adds the counters.
pub(super) fn tell_counters(summary: &Summary, readings: &mut Readings) {
    COUNTERS.iter().for_each(|row| row.tell(summary, readings));
}

impl Summary {
    /// Logs it.
    pub(crate) fn log(&self, end: &'static str) {
        log_counters(self, end);
    }
}

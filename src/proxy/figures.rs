//! All that a proxy counts, as one list for the log and for metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::shared::Shared;
use crate::deliver::{HeldCounts, SinkCounters};
use crate::metrics::{Kind, Metric, Readings, Source, table};
use crate::recording::RecordingCounts;

/// All that a proxy counts, of itself and of those who work for it.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) shared: Arc<Shared>,
    pub(super) sinks: Arc<SinkCounters>,
    /// Clients are accepted.
    pub(super) is_listening: AtomicBool,
}

impl Figures {
    fn held(&self) -> HeldCounts {
        self.shared.publishing.held()
    }

    fn recorded(&self) -> RecordingCounts {
        self.shared.config.recording.counts()
    }
}

/// A counter that others add to.
trait Value {
    fn value(&self) -> u64;
}

impl Value for AtomicU64 {
    fn value(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }
}

impl Value for AtomicUsize {
    fn value(&self) -> u64 {
        self.load(Ordering::Relaxed) as u64
    }
}

const LOST: &str = "Sessions that the observer could not follow to their end, and that went on unobserved";
const UNSEEN: &str = "Sessions whose statements cannot be seen by nature, and connections that were no session";
const BYTES: &str = "Bytes forwarded, by direction";

table! {
    /// Everything that the proxy counts, in the order of its log line.
    const COUNTERS of Figures;
    /// Logs all of it.
    pub(super) fn log_counters;

    open = gauge("mysql_interceptor_sessions_open", "Client connections open now",
        |all| all.shared.publishing.counters.open.value());
    connections = counter("mysql_interceptor_connections_total", "Client connections accepted",
        |all| all.shared.counters.connections.value());
    statements = counter("mysql_interceptor_statements_total", "Statements whose outcome was seen",
        |all| all.shared.publishing.counters.statements());
    filtered_statements = counter("mysql_interceptor_filtered_statements_total", "Statements that a filter or --sample left out",
        |all| all.shared.publishing.counters.filtered_statements.value());
    truncated_statements = counter("mysql_interceptor_truncated_statements_total", "Statements longer than --max-statement-bytes: their text is cut",
        |all| all.shared.publishing.counters.truncated_statements.value());
    rolled_back = counter("mysql_interceptor_rolled_back_messages_total", "Messages that were dropped because their transaction was rolled back",
        |all| all.shared.publishing.counters.rolled_back.value());
    outcome_unknown = counter("mysql_interceptor_outcome_unknown_messages_total", "Messages that were published without knowing whether their transaction was committed",
        |all| all.shared.publishing.counters.outcome_unknown.value());
    // The sum of the next four.
    observer_lost_sessions = logged(|all| all.shared.counters.observer_lost_sessions.value());
    // A packet contradicted the protocol as it is known here.
    lost_protocol = counter_of("mysql_interceptor_lost_sessions_total", LOST, reason = "protocol",
        |all| all.shared.counters.lost_protocol.value());
    // A compressed frame could not be unpacked.
    lost_compression = counter_of("mysql_interceptor_lost_sessions_total", LOST, reason = "compression",
        |all| all.shared.counters.lost_compression.value());
    // More was sent ahead of the server's answers than is kept.
    lost_backlog = counter_of("mysql_interceptor_lost_sessions_total", LOST, reason = "backlog",
        |all| all.shared.counters.lost_backlog.value());
    // The observer panicked, which is a bug.
    lost_panic = counter_of("mysql_interceptor_lost_sessions_total", LOST, reason = "panic",
        |all| all.shared.counters.lost_panic.value());
    // TLS that is forwarded blind, with --tls=passthrough.
    passthrough_sessions = counter_of("mysql_interceptor_unseen_sessions_total", UNSEEN, reason = "passthrough",
        |all| all.shared.counters.passthrough_sessions.value());
    replication_sessions = counter_of("mysql_interceptor_unseen_sessions_total", UNSEEN, reason = "replication",
        |all| all.shared.counters.replication_sessions.value());
    clone_sessions = counter_of("mysql_interceptor_unseen_sessions_total", UNSEEN, reason = "clone",
        |all| all.shared.counters.clone_sessions.value());
    // Scanners, TLS to a plain port, other protocols.
    not_sessions = counter_of("mysql_interceptor_unseen_sessions_total", UNSEEN, reason = "no_session",
        |all| all.shared.counters.not_sessions.value());
    tls_sessions = counter("mysql_interceptor_tls_sessions_total", "Sessions observed through TLS on both sides",
        |all| all.shared.counters.tls_sessions.value());
    upstream_failures = counter("mysql_interceptor_upstream_failures_total", "Clients that were told that the server, or TLS with it, is unavailable",
        |all| all.shared.counters.upstream_failures.value());
    tls_failures = counter("mysql_interceptor_tls_failures_total", "Clients that failed in the TLS handshake",
        |all| all.shared.counters.tls_failures.value());
    handshake_timeouts = counter("mysql_interceptor_handshake_timeouts_total", "Clients cut off by --handshake-timeout",
        |all| all.shared.counters.handshake_timeouts.value());
    refused_sessions = counter("mysql_interceptor_refused_sessions_total", "Sessions that were ended because their statements could not be seen (--on-unobservable=close)",
        |all| all.shared.counters.refused_sessions.value());
    left_without_login = counter("mysql_interceptor_left_without_login_total", "Clients that left without having sent a byte, as health checks do",
        |all| all.shared.counters.left_without_login.value());
    session_probes = counter("mysql_interceptor_session_probes_total", "Sessions whose server was asked for time zone and isolation level (--session-probe=inject)",
        |all| all.shared.counters.session_probes.value());
    session_probes_failed = counter("mysql_interceptor_session_probes_failed_total", "Of these: answered with an error, or not in a way that is understood",
        |all| all.shared.counters.session_probes_failed.value());
    uncommented_statements = counter("mysql_interceptor_uncommented_statements_total", "Texts that went to the server without a comment (--inline-debug)",
        |all| all.shared.counters.uncommented_statements.value());
    held_up = counter("mysql_interceptor_held_up_total", "Times that a client was kept waiting because a queue or the spool was full (--backpressure=block, --spool-full=block)",
        |all| all.shared.counters.held_up.value());
    refused_requests = counter("mysql_interceptor_refused_requests_total", "Requests that were answered with an error because the spool was full (--spool-full=error)",
        |all| all.shared.counters.refused_requests.value());
    bytes_to_server = counter_of("mysql_interceptor_forwarded_bytes_total", BYTES, direction = "to_server",
        |all| all.shared.counters.bytes_to_server.total());
    bytes_to_client = counter_of("mysql_interceptor_forwarded_bytes_total", BYTES, direction = "to_client",
        |all| all.shared.counters.bytes_to_client.total());
    held = gauge("mysql_interceptor_held_messages", "Messages that wait for their transaction's end, in memory and on the disk",
        |all| all.held().messages);
    held_bytes = gauge("mysql_interceptor_held_bytes", "Bytes of those in memory",
        |all| all.held().bytes);
    held_on_disk = gauge("mysql_interceptor_held_disk_bytes", "Bytes of those on the disk (--temp-dir)",
        |all| all.held().bytes_on_disk);
    spilled_transactions = counter("mysql_interceptor_spilled_transactions_total", "Transactions that went to --temp-dir",
        |all| all.held().spilled);
    recorded_sessions = counter("mysql_interceptor_recorded_sessions_total", "Sessions whose beginning was written to a recording",
        |all| all.recorded().recorded_sessions);
    recorded_commands = counter("mysql_interceptor_recorded_commands_total", "Commands that were written to a recording",
        |all| all.recorded().recorded_commands);
    recording_gaps = counter("mysql_interceptor_recording_gaps_total", "Records that found no room in --record-queue-bytes: each begins a gap in a session's recording",
        |all| all.recorded().refused);
    recording_unwritten = counter("mysql_interceptor_recording_unwritten_total", "Records that were waiting when a recording could not be written any further",
        |all| all.recorded().unwritten);
    recordings_stopped = counter("mysql_interceptor_recordings_stopped_total", "Recordings that ended because they could not be written any further",
        |all| all.recorded().stopped);
    recording_queue_bytes = gauge("mysql_interceptor_recording_queue_bytes", "Bytes of records that wait to be written",
        |all| all.recorded().queued_bytes);
    // By sink and reason among the metrics of sinks.
    dropped = logged(|all| all.sinks.lost_total());
}

/// How long statements took.
const DURATIONS: Metric = Metric {
    name: "mysql_interceptor_statement_duration_seconds",
    kind: Kind::Histogram,
    help: "How long statements took, as durationNs of their messages",
    labels: &[],
};

/// Every metric of a proxy, with its key in the log line if it has one.
#[cfg(test)]
pub(crate) fn metrics() -> Vec<(Metric, Option<&'static str>)> {
    let rows = COUNTERS.iter().filter_map(|row| Some((row.metric?, Some(row.key))));
    rows.chain([(DURATIONS, None)]).collect()
}

impl Source for Figures {
    fn tell(&self, readings: &mut Readings) {
        COUNTERS.iter().for_each(|row| row.tell(self, readings));
        readings.durations(&DURATIONS, &[], self.shared.publishing.counters.durations());
    }
}

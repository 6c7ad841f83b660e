//! What the proxy counts. Nothing is lost or given up without one of these going up.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::publish::Publishing;
use crate::recording::RecordingCounts;

macro_rules! counters {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// Counters of one proxy process.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            /// Client connections accepted.
            pub(super) connections: AtomicU64,
            $($(#[doc = $doc])* pub(super) $name: AtomicU64,)*
        }

        impl Counters {
            /// Logs all of them in one line, those of messages and of recordings, what is held until commit, and how many messages the sinks have dropped.
            pub(super) fn log(&self, what: &'static str, publishing: &Publishing, recorded: RecordingCounts, dropped: u64) {
                let (published, held) = (&*publishing.counters, publishing.held());
                tracing::info!(
                    open = published.open.load(Ordering::Relaxed),
                    connections = self.connections.load(Ordering::Relaxed),
                    statements = published.statements.load(Ordering::Relaxed),
                    filtered_statements = published.filtered_statements.load(Ordering::Relaxed),
                    truncated_statements = published.truncated_statements.load(Ordering::Relaxed),
                    rolled_back = published.rolled_back.load(Ordering::Relaxed),
                    outcome_unknown = published.outcome_unknown.load(Ordering::Relaxed),
                    $($name = self.$name.load(Ordering::Relaxed),)*
                    held = held.messages,
                    held_bytes = held.bytes,
                    held_on_disk = held.bytes_on_disk,
                    spilled_transactions = held.spilled,
                    recorded_sessions = recorded.recorded_sessions,
                    recorded_commands = recorded.recorded_commands,
                    recording_gaps = recorded.refused,
                    recording_unwritten = recorded.unwritten,
                    recordings_stopped = recorded.stopped,
                    recording_queue_bytes = recorded.queued_bytes,
                    dropped,
                    "{what}"
                );
            }
        }
    };
}

counters! {
    /// Sessions that the observer could not follow to their end; the next four are its reasons.
    observer_lost_sessions,
    /// A packet contradicted the protocol as it is known here.
    lost_protocol,
    /// A compressed frame could not be unpacked.
    lost_compression,
    /// More was sent ahead of the server's answers than is kept.
    lost_backlog,
    /// The observer panicked, which is a bug.
    lost_panic,
    /// TLS sessions forwarded blind, with --tls=passthrough.
    passthrough_sessions,
    /// Sessions that became a replication stream.
    replication_sessions,
    /// Sessions that became a CLONE.
    clone_sessions,
    /// Connections whose bytes were no session at all: scanners, TLS to a plain port, other protocols.
    not_sessions,
    /// Sessions observed through TLS on both sides.
    tls_sessions,
    /// Clients that were told that the server cannot be reached.
    upstream_failures,
    /// Clients that failed in the TLS handshake.
    tls_failures,
    /// Clients cut off by --handshake-timeout.
    handshake_timeouts,
    /// Sessions that were ended because their statements could not be seen, with --on-unobservable=close.
    refused_sessions,
    /// Clients that left without having sent a byte, as health checks do.
    left_without_login,
    /// Sessions whose server was asked for time zone and isolation level, with --session-probe=inject.
    session_probes,
    /// Of those: answered with an error, or not in a way that is understood.
    session_probes_failed,
    /// Texts that went to the server without a comment, with --inline-debug.
    uncommented_statements,
    /// Times that a client was kept waiting because queues were full, with --backpressure=block.
    held_up,
    /// Bytes forwarded from clients to the server.
    bytes_to_server,
    /// Bytes forwarded from the server to clients.
    bytes_to_client,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

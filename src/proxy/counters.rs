//! What the proxy counts. Nothing is lost or given up without one of these going up.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::Striped;

/// Counters of one proxy process.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) observer_lost_sessions: AtomicU64,
    pub(super) lost_protocol: AtomicU64,
    pub(super) lost_compression: AtomicU64,
    pub(super) lost_backlog: AtomicU64,
    pub(super) lost_panic: AtomicU64,
    pub(super) passthrough_sessions: AtomicU64,
    pub(super) replication_sessions: AtomicU64,
    pub(super) clone_sessions: AtomicU64,
    pub(super) not_sessions: AtomicU64,
    pub(super) tls_sessions: AtomicU64,
    pub(super) upstream_failures: AtomicU64,
    pub(super) tls_failures: AtomicU64,
    pub(super) handshake_timeouts: AtomicU64,
    pub(super) refused_sessions: AtomicU64,
    pub(super) left_without_login: AtomicU64,
    pub(super) session_probes: AtomicU64,
    pub(super) session_probes_failed: AtomicU64,
    pub(super) uncommented_statements: AtomicU64,
    pub(super) held_up: AtomicU64,
    pub(super) refused_requests: AtomicU64,
    pub(super) bytes_to_server: Striped,
    pub(super) bytes_to_client: Striped,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

//! Connections that only look whether the port is open.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::{Counters, add};

/// So many of them are a habit, not an accident.
const HABIT: u64 = 3;

/// Notes clients that leave without having sent a byte, as TCP health checks do. The server counts each of them as a failed handshake of
/// the proxy's address, and in the end refuses that address: somebody is to know before.
#[derive(Debug, Default)]
pub(super) struct Probes {
    seen: AtomicU64,
}

impl Probes {
    /// A client has left without a byte. Speaks of it once.
    pub(super) fn left(&self, counters: &Counters, client: SocketAddr) {
        add(&counters.left_without_login, 1);
        if self.seen.fetch_add(1, Ordering::Relaxed) + 1 == HABIT {
            tracing::warn!(
                client = %client.ip(),
                "clients connect and leave without a byte, as a TCP health check does: the server counts each as a failed handshake, \
                 and after max_connect_errors of them refuses everybody who comes through this proxy (error 1129). Check in another \
                 way (docs/operations.md, \"Health checks\"). Said once; the counter left_without_login goes on"
            );
        }
    }
}

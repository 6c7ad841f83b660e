//! What the mirror counts. No session is given up and no statement left out without one of these going up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use strum::VariantArray;

use crate::mysql::sql::Safety;
use crate::report::DifferenceClass;

/// Why a session is not mirrored any more, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Dropped {
    /// It fell so far behind that its queue, or all sessions' queue together, was full.
    Behind,
    /// As many connections to the target as are allowed were open.
    Connections,
    /// The target could not be reached.
    Unreachable,
    /// The target refused the login, or no account is known for the user.
    Login,
    /// The connection to the target was lost.
    Lost,
    /// A part of the session was not seen.
    Gap,
    /// The folder of waiting sessions was full, or could not be written or read.
    Disk,
    /// The mirror was switched off, or the program stopped, before everything was done.
    Stopped,
}

impl Dropped {
    /// What happened to the session, for the log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Behind => "the target is too slow: its queue is full (--mirror-queue-bytes)",
            Self::Connections => "as many connections to the target are open as --mirror-connections allows",
            Self::Unreachable => "the target cannot be reached",
            Self::Login => "the target does not let it in",
            Self::Lost => "the connection to the target was lost",
            Self::Gap => "a part of the session was not seen",
            Self::Disk => "the folder of waiting sessions is full or broken (--mirror-queue-dir)",
            Self::Stopped => "the mirror stopped before the session was done",
        }
    }
}

/// Counters of all mirrors of a process, one after the other.
#[derive(Debug, Default)]
pub(super) struct MirrorCounters {
    /// Sessions that are mirrored now.
    pub(super) open: AtomicUsize,
    /// Sessions whose mirroring began: at their login, or later.
    pub(super) sessions: AtomicU64,
    /// Of those: in their middle, because the mirror was switched on then or the session had been dropped.
    pub(super) joined: AtomicU64,
    /// Sessions that a filter or the sample left out.
    pub(super) left_out_sessions: AtomicU64,
    dropped: [AtomicU64; Dropped::VARIANTS.len()],
    /// Commands that were executed.
    pub(super) commands: AtomicU64,
    /// Commands that a filter left out.
    pub(super) left_out: AtomicU64,
    refused: [AtomicU64; Safety::VARIANTS.len()],
    /// Commands that cannot be executed again: cut, not understood, of a kind that makes no sense there.
    pub(super) unplayable: AtomicU64,
    /// Commands of transactions that had begun before the session was mirrored.
    pub(super) torn: AtomicU64,
    /// Commands that a dropped session had waiting.
    pub(super) discarded: AtomicU64,
    differences: [AtomicU64; DifferenceClass::VARIANTS.len()],
    /// Bytes that wait in memory.
    pub(super) queued_bytes: AtomicUsize,
    /// Bytes that wait on the disk.
    pub(super) disk_bytes: AtomicU64,
    /// Records that went over the disk.
    pub(super) spooled: AtomicU64,
    /// The longest that a command waited since the last report, in microseconds.
    lag_us: AtomicU64,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl MirrorCounters {
    /// A session is given up.
    pub(super) fn drop_session(&self, why: Dropped) {
        if let Some(counter) = self.dropped.get(why as usize) {
            add(counter, 1);
        }
    }

    /// A command is not executed because of what it might do.
    pub(super) fn refuse(&self, what: Safety) {
        if let Some(counter) = self.refused.get(what as usize) {
            add(counter, 1);
        }
    }

    /// The target did something else.
    pub(super) fn differ(&self, class: DifferenceClass) {
        let place = DifferenceClass::VARIANTS.iter().position(|known| *known == class);
        if let Some(counter) = place.and_then(|place| self.differences.get(place)) {
            add(counter, 1);
        }
    }

    /// A command had waited for so long when its turn came.
    pub(super) fn lagged(&self, by: Duration) {
        self.lag_us.fetch_max(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Logs all of them in one line. The lag begins again.
    pub(super) fn log(&self, what: &'static str) {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        tracing::info!(
            open = self.open.load(Ordering::Relaxed),
            sessions = get(&self.sessions),
            joined = get(&self.joined),
            left_out_sessions = get(&self.left_out_sessions),
            dropped = %named(&self.dropped, Dropped::VARIANTS),
            commands = get(&self.commands),
            left_out = get(&self.left_out),
            refused = %named(&self.refused, Safety::VARIANTS),
            unplayable = get(&self.unplayable),
            torn = get(&self.torn),
            discarded = get(&self.discarded),
            differences = %named(&self.differences, DifferenceClass::VARIANTS),
            queued_bytes = self.queued_bytes.load(Ordering::Relaxed),
            disk_bytes = get(&self.disk_bytes),
            spooled = get(&self.spooled),
            lag_ms = self.lag_us.swap(0, Ordering::Relaxed) / 1000,
            "{what}"
        );
    }
}

/// Those that are not zero, by name: `behind 3, lost 1`.
fn named<T: std::fmt::Display>(counters: &[AtomicU64], names: &[T]) -> String {
    let counted = counters.iter().zip(names).map(|(counter, name)| (counter.load(Ordering::Relaxed), name));
    let counted: Vec<_> = counted.filter(|(count, _)| *count > 0).map(|(n, name)| format!("{name} {n}")).collect();
    if counted.is_empty() { "none".to_owned() } else { counted.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_by_kind_is_named() {
        let counters = MirrorCounters::default();
        assert_eq!(named(&counters.dropped, Dropped::VARIANTS), "none");
        counters.drop_session(Dropped::Lost);
        counters.drop_session(Dropped::Behind);
        counters.drop_session(Dropped::Lost);
        assert_eq!(named(&counters.dropped, Dropped::VARIANTS), "behind 1, lost 2");
        counters.refuse(Safety::Writes);
        assert_eq!(named(&counters.refused, Safety::VARIANTS), "writes 1");
        counters.differ(DifferenceClass::Rows);
        assert_eq!(named(&counters.differences, DifferenceClass::VARIANTS), "rows 1");
    }
}

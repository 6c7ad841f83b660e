//! What the mirror counts. No session is given up and no statement left out without one of these going up.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use strum::VariantArray;

#[cfg(test)]
use crate::metrics::Metric;
use crate::metrics::{Readings, Source, table};
use crate::mysql::sql::Safety;
use crate::report::DifferenceClass;

/// Why a session is not mirrored any more, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantArray)]
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
        log_counters(self, what);
        self.lag_us.store(0, Ordering::Relaxed);
    }
}

table! {
    /// Everything that the mirror counts, in the order of its log line.
    const COUNTERS of MirrorCounters;
    /// Logs all of it.
    fn log_counters;

    open = gauge("mysql_interceptor_mirror_sessions_open", "Sessions that are mirrored now",
        |mirror| mirror.open.load(Ordering::Relaxed) as u64);
    sessions = counter("mysql_interceptor_mirror_sessions_total", "Sessions whose mirroring began: at their login, or later",
        |mirror| get(&mirror.sessions));
    joined = counter("mysql_interceptor_mirror_joined_sessions_total", "Of these: in their middle",
        |mirror| get(&mirror.joined));
    left_out_sessions = counter("mysql_interceptor_mirror_left_out_sessions_total", "Sessions that a filter or the sample left out",
        |mirror| get(&mirror.left_out_sessions));
    dropped = counter_by("mysql_interceptor_mirror_dropped_sessions_total", "Sessions that are not mirrored any more, or not at all", reason,
        |mirror| named(&mirror.dropped, Dropped::VARIANTS));
    commands = counter("mysql_interceptor_mirror_commands_total", "Commands that were executed",
        |mirror| get(&mirror.commands));
    left_out = counter("mysql_interceptor_mirror_left_out_commands_total", "Commands that a filter left out",
        |mirror| get(&mirror.left_out));
    refused = counter_by("mysql_interceptor_mirror_refused_commands_total", "Commands that were not executed because of what they might do", reason,
        |mirror| named(&mirror.refused, Safety::VARIANTS));
    unplayable = counter("mysql_interceptor_mirror_unplayable_commands_total", "Commands that cannot be executed again: cut, not understood, of a kind that makes no sense there",
        |mirror| get(&mirror.unplayable));
    torn = counter("mysql_interceptor_mirror_torn_commands_total", "Commands of transactions that had begun before the session was mirrored",
        |mirror| get(&mirror.torn));
    discarded = counter("mysql_interceptor_mirror_discarded_commands_total", "Commands that a dropped session had waiting",
        |mirror| get(&mirror.discarded));
    differences = counter_by("mysql_interceptor_mirror_differences_total", "Commands that the target answered differently", class,
        |mirror| named(&mirror.differences, DifferenceClass::VARIANTS));
    queued_bytes = gauge("mysql_interceptor_mirror_queue_bytes", "Bytes that wait in memory",
        |mirror| mirror.queued_bytes.load(Ordering::Relaxed) as u64);
    disk_bytes = gauge("mysql_interceptor_mirror_disk_bytes", "Bytes that wait on the disk",
        |mirror| get(&mirror.disk_bytes));
    spooled = counter("mysql_interceptor_mirror_spooled_records_total", "Records that went over the disk",
        |mirror| get(&mirror.spooled));
    lag_ms = millis("mysql_interceptor_mirror_lag_seconds", "The longest that a command waited since the last line of counters in the log",
        |mirror| get(&mirror.lag_us) / 1000);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Counters with their names.
fn named<T: Copy + Into<&'static str>>(counters: &[AtomicU64], names: &[T]) -> Vec<(&'static str, u64)> {
    names.iter().map(|name| (*name).into()).zip(counters.iter().map(get)).collect()
}

/// Every metric of the mirror, with its key in the log line.
#[cfg(test)]
pub(crate) fn metrics() -> Vec<(Metric, Option<&'static str>)> {
    COUNTERS.iter().filter_map(|row| Some((row.metric?, Some(row.key)))).collect()
}

impl Source for MirrorCounters {
    fn tell(&self, readings: &mut Readings) {
        COUNTERS.iter().for_each(|row| row.tell(self, readings));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Named;

    #[test]
    fn what_is_counted_by_kind_is_named() {
        let counters = MirrorCounters::default();
        let text = |counters: &[AtomicU64]| Named(named(counters, Dropped::VARIANTS)).to_string();
        assert_eq!(text(&counters.dropped), "none");
        counters.drop_session(Dropped::Lost);
        counters.drop_session(Dropped::Behind);
        counters.drop_session(Dropped::Lost);
        assert_eq!(text(&counters.dropped), "behind 1, lost 2");
        counters.refuse(Safety::Writes);
        assert_eq!(Named(named(&counters.refused, Safety::VARIANTS)).to_string(), "writes 1");
        counters.differ(DifferenceClass::Rows);
        assert_eq!(Named(named(&counters.differences, DifferenceClass::VARIANTS)).to_string(), "rows 1");
    }

    #[test]
    fn every_reason_is_documented() {
        let document = include_str!("../../docs/mirror.md");
        for why in Dropped::VARIANTS {
            assert!(document.contains(&format!("`{why}`")), "docs/mirror.md does not know `{why}`");
        }
    }
}

//! A log's first entries, held back until it is known when the earliest of them began.

use super::entry::Entry;

/// Slow logs have statements in the order of their ends: the first that began may come late.
const HELD: usize = 2000;

/// Entries that are held back, and when the recording begins.
#[derive(Debug, Default)]
pub(super) struct Held {
    entries: std::collections::VecDeque<Entry>,
    start_ns: Option<u64>,
}

impl Held {
    /// Whether more entries are needed to know the start.
    pub(super) fn wants_more(&self) -> bool {
        self.start_ns.is_none() && self.entries.len() < HELD
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// The next entry.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    /// When the earliest began of those that are held the first time this is asked, in nanoseconds since 1970.
    pub(super) fn start_ns(&mut self) -> u64 {
        *self.start_ns.get_or_insert_with(|| {
            let starts = self.entries.iter().map(|entry| entry.started_ns).filter(|start| *start > 0);
            starts.min().unwrap_or(0)
        })
    }
}

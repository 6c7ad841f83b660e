//! The sessions that are open while a recording is written: what later files must say of them.

use std::collections::BTreeMap;

use crate::recording::{Event, Record, SessionBegin, SessionId, SessionState};
use crate::session::Now;

/// Texts of prepared statements are kept up to this size altogether; it is a server's worth of them.
const MAX_PREPARED_BYTES: usize = 256 << 20;

/// The open sessions, each with its state.
#[derive(Default)]
pub(super) struct OpenSessions {
    sessions: BTreeMap<SessionId, Open>,
    prepared_bytes: usize,
}

struct Open {
    state: SessionState,
    /// The number of its last record.
    number: u64,
    /// When that started.
    started: Now,
}

impl OpenSessions {
    /// When a record starts, as far as its session's order goes: not before its predecessor.
    pub(super) fn not_before_predecessor(&self, record: &Record) -> Now {
        match self.sessions.get(&record.session) {
            Some(open) if open.started.monotonic_ns > record.started.monotonic_ns => open.started,
            _ => record.started,
        }
    }

    /// Takes in a record.
    pub(super) fn apply(&mut self, record: &Record) {
        match &record.event {
            Event::Begin(begin) => self.begin(record, begin),
            Event::Command(command) => {
                let Some(open) = self.sessions.get_mut(&record.session) else { return };
                (open.number, open.started) = (record.number, record.started);
                let before = open.state.prepared_bytes();
                open.state.apply(command);
                self.prepared_bytes = self.prepared_bytes - before + open.state.prepared_bytes();
                if self.prepared_bytes > MAX_PREPARED_BYTES {
                    self.prepared_bytes -= open.state.prepared_bytes();
                    open.state.forget_prepared();
                }
            }
            Event::Lost(_) | Event::End(_) => self.remove(record.session),
        }
    }

    fn begin(&mut self, record: &Record, begin: &SessionBegin) {
        self.remove(record.session);
        if begin.refused.is_some() {
            return;
        }
        let state = SessionState::new(begin);
        self.prepared_bytes += state.prepared_bytes();
        self.sessions.insert(record.session, Open { state, number: record.number, started: record.started });
    }

    fn remove(&mut self, session: SessionId) {
        if let Some(open) = self.sessions.remove(&session) {
            self.prepared_bytes -= open.state.prepared_bytes();
        }
    }

    /// Each as it is at this time, as a record that begins it. What began later begins then.
    pub(super) fn states_at(&self, monotonic_ns: u64) -> impl Iterator<Item = Record> {
        self.sessions.iter().map(move |(session, open)| Record {
            session: *session,
            number: open.number,
            started: open.started.not_before(monotonic_ns),
            event: Event::Begin(Box::new(open.state.begin())),
        })
    }
}

//! Entries in the order of a log become records of sessions.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use bytes::Bytes;
use lru::LruCache;

use super::counts::{Counts, Skipped};
use super::entry::{Entry, What, Who};
use crate::mysql::sql::{Lexis, StatementKind, StatementSummary};
use crate::mysql::wire::Command;
use crate::recording::{
    Event, Record, RecordedCommand, RecordedError, SessionBegin, SessionClose, SessionId, SessionSettings,
};
use crate::session::Now;

/// Sessions that are open at a time. A log may not have their ends (MariaDB's slow log has none): then the one that was idle longest ends.
const OPEN_SESSIONS: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");
/// ER_ACCESS_DENIED_ERROR
const ACCESS_DENIED: u16 = 1045;

/// Where a recording's time begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zero {
    /// Nanoseconds since 1970.
    pub(super) start_ns: u64,
}

impl Zero {
    /// A time of the wall clock as records have it.
    pub(super) fn now(self, wall_ns: u64) -> Now {
        self.at(wall_ns.saturating_sub(self.start_ns))
    }

    fn at(self, monotonic_ns: u64) -> Now {
        Now { monotonic_ns, epoch_ms: self.start_ns.saturating_add(monotonic_ns) / 1_000_000 }
    }
}

/// Gives records of one session their numbers and times.
#[derive(Debug)]
pub(super) struct Track {
    id: SessionId,
    next: u64,
    /// When the last record ended: the next one does not begin before.
    last_ns: u64,
}

impl Track {
    pub(super) fn new(id: SessionId) -> Self {
        Self { id, next: 0, last_ns: 0 }
    }

    pub(super) fn record(&mut self, zero: Zero, started: Now, duration_ns: u64, event: Event) -> Record {
        let started = zero.at(started.monotonic_ns.max(self.last_ns));
        self.last_ns = started.monotonic_ns.saturating_add(duration_ns);
        let number = self.next;
        self.next += 1;
        Record { session: self.id, number, started, event }
    }

    /// The session's end, at the time of what came last.
    pub(super) fn end(&mut self, zero: Zero, close: SessionClose) -> Record {
        self.record(zero, zero.at(self.last_ns), 0, Event::End(close))
    }
}

/// COM_INIT_DB
pub(super) fn init_db(database: &str) -> RecordedCommand {
    RecordedCommand {
        argument: Some(Bytes::copy_from_slice(database.as_bytes())),
        ..RecordedCommand::new(Command::InitDb)
    }
}

struct Open {
    track: Track,
    /// What its first record will be, until the next entry tells whether the login was refused.
    begin: Option<(Now, Box<SessionBegin>)>,
    database: Option<String>,
}

/// The sessions that a log is at.
pub(super) struct Sessions {
    recorder: u32,
    next_session: u32,
    open: LruCache<u64, Open>,
    charset: Option<String>,
}

impl Sessions {
    /// `charset`: that of texts in sessions that set none.
    pub(super) fn new(recorder: u32, charset: Option<String>) -> Self {
        Self { recorder, next_session: 0, open: LruCache::new(OPEN_SESSIONS), charset }
    }

    /// What an entry is as records.
    pub(super) fn add(&mut self, entry: Entry, zero: Zero, counts: &mut Counts, out: &mut VecDeque<Record>) {
        let Some(thread) = entry.thread else { return self.end_all(zero, SessionClose::Closed, out) };
        let now = zero.now(entry.started_ns);
        counts.clamped += u64::from(entry.started_ns > 0 && entry.started_ns < zero.start_ns);
        match entry.what {
            What::Connect => {
                self.end(thread, zero, SessionClose::Closed, out);
                self.begin(thread, now, entry.who, entry.database, false, counts, zero, out);
            }
            What::Refused(words) => self.refuse(thread, now, entry.who, words, counts, zero, out),
            What::Restart => {}
            What::Quit => {
                if let Some(open) = self.open.get_mut(&thread) {
                    open.settle(zero, out);
                    let quit = open.track.record(zero, now, 0, Event::End(SessionClose::Quit));
                    out.push_back(quit);
                    self.open.pop(&thread);
                }
            }
            What::Text(_) | What::InitDb | What::Command(..) => {
                if !self.open.contains(&thread) {
                    self.begin(thread, now, entry.who.clone(), entry.database.clone(), true, counts, zero, out);
                }
                if let Some(open) = self.open.get_mut(&thread) {
                    open.settle(zero, out);
                    open.command(entry, zero, counts, out);
                }
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what a session begins with, and where its records go")]
    fn begin(
        &mut self,
        thread: u64,
        now: Now,
        who: Who,
        database: Option<String>,
        began_before: bool,
        counts: &mut Counts,
        zero: Zero,
        out: &mut VecDeque<Record>,
    ) {
        let id = SessionId(u64::from(self.recorder) << 32 | u64::from(self.next_session));
        self.next_session = self.next_session.wrapping_add(1);
        counts.sessions += 1;
        counts.began_before += u64::from(began_before);
        let begin = SessionBegin {
            began_before,
            client: who.client,
            connection_id: u32::try_from(thread).ok(),
            user: who.user,
            database: database.clone(),
            settings: SessionSettings { client_charset: self.charset.clone(), ..SessionSettings::default() },
            ..SessionBegin::default()
        };
        let open = Open { track: Track::new(id), begin: Some((now, Box::new(begin))), database };
        if let Some((_, mut idle)) = self.open.push(thread, open) {
            idle.close(zero, SessionClose::Closed, out);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "what a refusal is, and where its records go")]
    fn refuse(
        &mut self,
        thread: u64,
        now: Now,
        who: Who,
        words: String,
        counts: &mut Counts,
        zero: Zero,
        out: &mut VecDeque<Record>,
    ) {
        if !self.open.contains(&thread) {
            self.begin(thread, now, who, None, false, counts, zero, out);
        }
        if let Some((_, begin)) = self.open.get_mut(&thread).and_then(|open| open.begin.as_mut()) {
            begin.refused =
                Some(RecordedError { code: ACCESS_DENIED, state: Some("28000".to_owned()), message: words });
        }
        self.end(thread, zero, SessionClose::Closed, out);
    }

    fn end(&mut self, thread: u64, zero: Zero, close: SessionClose, out: &mut VecDeque<Record>) {
        if let Some(mut open) = self.open.pop(&thread) {
            open.close(zero, close, out);
        }
    }

    /// Ends all sessions, those first that were idle longest.
    pub(super) fn end_all(&mut self, zero: Zero, close: SessionClose, out: &mut VecDeque<Record>) {
        while let Some((_, mut open)) = self.open.pop_lru() {
            open.close(zero, close, out);
        }
    }
}

impl Open {
    /// Its first record, if that waited.
    fn settle(&mut self, zero: Zero, out: &mut VecDeque<Record>) {
        if let Some((now, begin)) = self.begin.take() {
            out.push_back(self.track.record(zero, now, 0, Event::Begin(begin)));
        }
    }

    fn close(&mut self, zero: Zero, close: SessionClose, out: &mut VecDeque<Record>) {
        self.settle(zero, out);
        out.push_back(self.track.end(zero, close));
    }

    fn command(&mut self, entry: Entry, zero: Zero, counts: &mut Counts, out: &mut VecDeque<Record>) {
        let now = zero.now(entry.started_ns);
        let command = match entry.what {
            What::Text(text) => {
                let kind = StatementSummary::of_text(&text, Lexis::default(), &|_| None).kind;
                self.follow(kind, entry.database, now, zero, counts, out);
                let truncated = entry.is_cut || has_hidden_secret(kind, &text);
                RecordedCommand { sql: Some(text.into()), truncated, ..RecordedCommand::new(Command::Query) }
            }
            What::InitDb => {
                let Some(database) = entry.database else { return counts.skip(Skipped::NoContent) };
                self.database = Some(database.clone());
                init_db(&database)
            }
            What::Command(command, argument) => RecordedCommand {
                argument: Some(Bytes::from(argument)).filter(|argument| !argument.is_empty()),
                ..RecordedCommand::new(command)
            },
            What::Connect | What::Refused(_) | What::Quit | What::Restart => return,
        };
        let command = RecordedCommand { duration_ns: entry.duration_ns, results: entry.results, ..command };
        self.push(command, now, zero, counts, out);
    }

    /// Sees to it that a statement finds the database that it had: a log may have it only as a fact, and not what led to it.
    fn follow(
        &mut self,
        kind: StatementKind,
        database: Option<String>,
        now: Now,
        zero: Zero,
        counts: &mut Counts,
        out: &mut VecDeque<Record>,
    ) {
        let Some(database) = database else { return };
        if self.database.as_ref() != Some(&database) {
            if kind != StatementKind::Use {
                self.push(init_db(&database), now, zero, counts, out);
            }
            self.database = Some(database);
        }
    }

    fn push(
        &mut self,
        command: RecordedCommand,
        now: Now,
        zero: Zero,
        counts: &mut Counts,
        out: &mut VecDeque<Record>,
    ) {
        counts.commands += 1;
        counts.unplayable += u64::from(command.truncated || command.undecodable);
        let duration_ns = command.duration_ns.unwrap_or(0);
        out.push_back(self.track.record(zero, now, duration_ns, Event::Command(Box::new(command))));
    }
}

/// Whether MySQL wrote `<secret>` in place of a password.
fn has_hidden_secret(kind: StatementKind, text: &[u8]) -> bool {
    matches!(kind, StatementKind::Account | StatementKind::Admin | StatementKind::Block)
        && memchr::memmem::find(text, b"<secret>").is_some()
}

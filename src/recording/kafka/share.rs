//! A player's share of a topic: which records come next, and which sessions are not over. No I/O.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use tokio_util::sync::CancellationToken;

use super::progress::{Done, Found, Unfinished, Zero};
use crate::mysql::sql::{Effects, Lexis, StatementKind, StatementSummary};
use crate::recording::{Event, Record, RecordedAnswer, RecordedCommand, RecordingAbout, SessionClose, SessionId};

/// What became of a topic's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ShareCounts {
    /// Sessions that were handed out here.
    pub(crate) sessions: u64,
    /// Of these: begun again from their beginning, since another player, or this one before, did not come to their end.
    pub(crate) begun_again: u64,
    /// Writes of such sessions that may have been committed before they were begun again.
    pub(crate) maybe_committed: u64,
    /// Sessions given up here, since their partition went to another player.
    pub(crate) given_up: u64,
    /// Sessions that were over when their partition came here.
    pub(crate) done_before: u64,
    /// Records that came again.
    pub(crate) repeated: u64,
    /// Records that are not in the topic, though later ones of their sessions are.
    pub(crate) missing: u64,
    /// Records whose session's beginning is not in the topic.
    pub(crate) without_beginning: u64,
    /// Messages that are no records.
    pub(crate) foreign: u64,
}

/// A record of a partition that waits to be handed out.
#[derive(Debug)]
struct Waiting {
    offset: i64,
    record: Record,
    about: Option<RecordingAbout>,
    bytes: usize,
}

#[derive(Debug)]
struct Open {
    begin: i64,
    has_begun: bool,
    /// Begun again: what was read before of it may have been committed.
    is_again: bool,
    /// Writes of the transaction that is open.
    pending_writes: u64,
    next_number: u64,
    /// When its recording began, in nanoseconds since 1970.
    start_ns: u64,
    last: Record,
    has_ended: bool,
    token: CancellationToken,
}

/// A partition that this player has.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// What was done before it came here.
    before: Done,
    /// Where it ends.
    end: i64,
    waiting: VecDeque<Waiting>,
    pub(super) waiting_bytes: usize,
    /// Whether everything up to its end was read.
    pub(super) is_at_end: bool,
    next: i64,
    open: HashMap<SessionId, Open>,
    over: HashSet<SessionId>,
    pub(super) is_changed: bool,
    pub(super) is_paused: bool,
}

/// All partitions of this player.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) parts: BTreeMap<i32, Part>,
    pub(super) zero: Option<Zero>,
    pub(super) counts: ShareCounts,
    /// Whether the topic is being written: what comes after where it ended at the start is played too.
    pub(super) follows: bool,
    /// Sessions that were given up and are not closed yet.
    pub(super) closing: HashSet<SessionId>,
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    Record(Box<Record>),
    /// Nothing now.
    Nothing,
}

impl Share {
    /// A partition comes, done so far as its committed offset says.
    pub(super) fn assign(&mut self, partition: i32, before: Done, end: i64) {
        let next = before.offset();
        let part = Part { before, end, next, is_at_end: next >= end, is_changed: true, ..Part::default() };
        self.parts.insert(partition, part);
    }

    /// A partition goes: its sessions are given up. Returns how far it is.
    pub(super) fn revoke(&mut self, partition: i32) -> Option<Done> {
        let part = self.parts.remove(&partition)?;
        let done = part.done();
        for (session, open) in part.open {
            self.counts.given_up += u64::from(open.has_begun);
            open.token.cancel();
            if open.has_begun {
                self.closing.insert(session);
            }
        }
        Some(done)
    }

    /// A message of a partition.
    pub(super) fn push(&mut self, partition: i32, offset: i64, record: Record, about: Option<RecordingAbout>) {
        let Some(part) = self.parts.get_mut(&partition).filter(|part| self.follows || offset < part.end) else {
            return;
        };
        let bytes = record.bytes();
        part.waiting_bytes += bytes;
        part.waiting.push_back(Waiting { offset, record, about, bytes });
        part.is_at_end = offset + 1 >= part.end;
    }

    /// All messages that a partition has now were read.
    pub(super) fn at_end(&mut self, partition: i32) {
        if let Some(part) = self.parts.get_mut(&partition) {
            part.is_at_end = true;
        }
    }

    /// The next record: the earliest that any partition has. `is_late`: also if a partition may have an earlier one that was not read yet.
    pub(super) fn next(&mut self, is_late: bool) -> Turn {
        loop {
            let is_complete = self.parts.values().all(|part| part.is_at_end || !part.waiting.is_empty());
            if !is_complete && !is_late {
                return Turn::Nothing;
            }
            let heads = self.parts.iter().filter_map(|(partition, part)| {
                part.waiting.front().map(|waiting| (waiting.record.started.epoch_ms, *partition))
            });
            let Some((_, partition)) = heads.min() else { return Turn::Nothing };
            let zero_ns = self.zero.map_or(0, |zero| zero.recorded_ns);
            let Some(part) = self.parts.get_mut(&partition) else { return Turn::Nothing };
            let Some(waiting) = part.waiting.pop_front() else { return Turn::Nothing };
            part.waiting_bytes = part.waiting_bytes.saturating_sub(waiting.bytes);
            if let Some(record) = part.admit(waiting, zero_ns, &mut self.counts) {
                return Turn::Record(Box::new(record));
            }
        }
    }

    /// The ends of sessions that have none in the topic, once everything was handed out.
    pub(super) fn missing_end(&mut self) -> Option<Record> {
        let parts = self.parts.values_mut().filter(|part| part.is_at_end && part.waiting.is_empty());
        parts.filter_map(Part::missing_end).next()
    }

    /// Whether everything was handed out, and all sessions are over.
    pub(super) fn is_done(&self) -> bool {
        self.parts.values().all(|part| part.is_at_end && part.waiting.is_empty() && part.open.is_empty())
    }

    fn part_of(&mut self, session: SessionId) -> Option<&mut Part> {
        self.parts.values_mut().find(|part| part.open.contains_key(&session))
    }

    /// The session is opened on the target.
    pub(super) fn began(&mut self, session: SessionId) {
        if let Some(part) = self.part_of(session)
            && let Some(open) = part.open.get_mut(&session)
        {
            open.has_begun = true;
            part.is_changed = true;
        }
    }

    /// The session is over, or its connection closed after it was given up.
    pub(super) fn ended(&mut self, session: SessionId, token: &CancellationToken) {
        self.closing.remove(&session);
        // One that was given up may have come back as another.
        if token.is_cancelled() {
            return;
        }
        if let Some(part) = self.part_of(session) {
            part.open.remove(&session);
            part.is_changed = true;
        }
    }

    /// What cancels the session when it is given up.
    pub(super) fn token(&self, session: SessionId) -> Option<CancellationToken> {
        self.parts.values().find_map(|part| part.open.get(&session)).map(|open| open.token.clone())
    }
}

impl Part {
    /// How far it is.
    pub(super) fn done(&self) -> Done {
        let mut unfinished: Vec<_> =
            self.open.values().map(|open| Unfinished { begin: open.begin, has_begun: open.has_begun }).collect();
        // Those of before that were not read again yet.
        let unread = self.before.unfinished.iter().filter(|before| before.begin >= self.next);
        unfinished.extend(unread.copied());
        unfinished.sort_unstable();
        // All was read: what stands after the last message (marks of transactions) is nothing to be done.
        let is_read = self.is_at_end && self.waiting.is_empty();
        let next = if is_read { self.next.max(self.end) } else { self.next };
        Done { next: next.max(self.before.next), unfinished }
    }

    /// What is to be done with a record; `None`: nothing.
    fn admit(&mut self, waiting: Waiting, zero_ns: u64, counts: &mut ShareCounts) -> Option<Record> {
        let Waiting { offset, mut record, about, .. } = waiting;
        self.next = offset + 1;
        self.is_changed = true;
        let session = record.session;
        if matches!(record.event, Event::Begin(_)) && record.number == 0 && !self.open.contains_key(&session) {
            let found = self.before.find(offset);
            if found == Found::Done || self.over.contains(&session) {
                counts.done_before += u64::from(self.over.insert(session));
                return None;
            }
            let is_again = found == Found::Interrupted;
            counts.sessions += 1;
            counts.begun_again += u64::from(is_again);
            let start_ns = about.map_or(0, |about| about.started_ms.saturating_mul(1_000_000));
            let open = Open {
                begin: offset,
                has_begun: false,
                is_again,
                pending_writes: 0,
                next_number: 0,
                start_ns,
                last: record.clone(),
                has_ended: false,
                token: CancellationToken::new(),
            };
            self.open.insert(session, open);
        }
        if self.over.contains(&session) {
            if matches!(record.event, Event::End(_)) {
                self.over.remove(&session);
            }
            return None;
        }
        let Some(open) = self.open.get_mut(&session) else {
            counts.without_beginning += 1;
            return None;
        };
        if record.number < open.next_number {
            counts.repeated += 1;
            return None;
        }
        counts.missing += record.number - open.next_number;
        open.next_number = record.number + 1;
        if open.is_again
            && offset < self.before.next
            && let Event::Command(command) = &record.event
        {
            counts.maybe_committed += open.committed_writes(command);
        }
        let wall_ns = open.start_ns.saturating_add(record.started.monotonic_ns);
        record.started.monotonic_ns = wall_ns.saturating_sub(zero_ns);
        open.has_ended = matches!(record.event, Event::End(_));
        open.last = Record { event: Event::End(SessionClose::RecordingEnded), ..record };
        Some(record)
    }

    fn missing_end(&mut self) -> Option<Record> {
        let open = self.open.values_mut().find(|open| !open.has_ended)?;
        open.has_ended = true;
        let number = open.next_number;
        open.next_number += 1;
        Some(Record { number, ..open.last.clone() })
    }
}

impl Open {
    /// How many writes a command commits: its own, or those of its transaction.
    fn committed_writes(&mut self, command: &RecordedCommand) -> u64 {
        let went_well = matches!(command.results.last().map(|result| &result.answer), Some(RecordedAnswer::Ok { .. }));
        if let Some(sql) = command.sql.as_deref().filter(|_| went_well) {
            let summary = StatementSummary::of_text(sql, Lexis::default(), &|_| None);
            if summary.kind == StatementKind::Rollback {
                self.pending_writes = 0;
            }
            self.pending_writes += u64::from(summary.effects != Effects::empty());
        }
        if command.in_transaction() == Some(false) { std::mem::take(&mut self.pending_writes) } else { 0 }
    }
}

//! What a sink's marker stream has to tell: which messages it has, which it will never have, and what became of sessions.

mod stream;

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::audit::{Claim, Event, Instance, Link, Lost, MessageId, SessionClaims, Signer, StreamPosition};
use crate::deliver::batch::{Batch, Numbered};
use crate::deliver::counters::LossReason;
use crate::deliver::queue::lock;
pub(crate) use stream::MarkerStream;

/// Events that wait for a sink that does not take them; what comes beyond that is lost, which the next marker says.
const WAITING_EVENTS: usize = 100_000;

/// What all marker streams of a process have in common.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// This run of the process.
    pub instance: Instance,
    /// Its name and start, for people.
    pub proxy: String,
    /// From one marker to the next.
    pub interval: Duration,
    /// Who signs, if anybody does.
    pub signer: Option<Arc<Signer>>,
}

/// Of one sink. Sinks say what they have, the dispatcher what it drops, sessions what becomes of them; the marker stream takes it.
#[derive(Debug)]
pub struct Ledger {
    identity: Identity,
    state: Mutex<State>,
}

/// Which process a message is of.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    proxy: Arc<str>,
    instance: Instance,
}

impl Identity {
    pub(crate) fn of(config: &AuditConfig) -> Self {
        Self { proxy: config.proxy.as_str().into(), instance: config.instance }
    }

    /// The name of a message that was numbered; `None`: it has none. What comes from a spool may be an earlier process's.
    pub(crate) fn name(&self, numbered: &Numbered, origin: Option<&Arc<str>>) -> Option<MessageId> {
        let instance = match origin.filter(|origin| **origin != self.proxy) {
            None => self.instance,
            Some(other) => Instance::of(other),
        };
        let Numbered { session, seq, .. } = *numbered;
        (session > 0).then_some(MessageId { instance, session, seq })
    }
}

#[derive(Debug, Default)]
struct State {
    /// Since the last marker.
    sessions: BTreeMap<(Instance, u64), Account>,
    /// What the sink has only if it commits it; `None` for a sink that does not commit.
    uncommitted: Option<BTreeMap<(Instance, u64), Account>>,
    /// Since the last look, each with its time in milliseconds since 1970.
    events: VecDeque<(u64, Event)>,
    counts: Counts,
    stream: Stream,
}

/// How far a binlog is delivered.
#[derive(Debug, Default)]
struct Stream {
    /// Between transactions, the next first; those up to which not everything is delivered.
    boundaries: VecDeque<Boundary>,
    /// The last one up to which everything is.
    reached: Option<Boundary>,
    /// The number of the last one that a marker has which is delivered itself.
    covered: u64,
}

/// A position of a binlog between two transactions.
#[derive(Debug, Clone)]
struct Boundary {
    /// From 1 on.
    number: u64,
    /// The position in delivery of the last message before it.
    through: u64,
    position: Arc<StreamPosition>,
}

/// Since the start.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    statements: u64,
    /// Of a binlog.
    rows: Option<u64>,
    delivered: u64,
    opened: u64,
    denied: u64,
    closed: u64,
    sight_lost: u64,
    events_lost: u64,
}

/// What the sink has of a session, and what it will never have.
#[derive(Debug, Default)]
struct Account {
    delivered: Vec<Claim>,
    lost: Vec<(u64, u64, LossReason)>,
}

impl Account {
    fn deliver(&mut self, seq: u64, link: &Link) {
        match self.delivered.last_mut() {
            // A message that was cut after the next one had been delivered does not fit: then another run begins.
            Some(run) if run.last.checked_add(1) == Some(seq) && run.head == link.previous => {
                (run.last, run.head) = (seq, link.hash);
            }
            _ => self.delivered.push(Claim { first: seq, last: seq, head: link.hash }),
        }
    }

    fn lose(&mut self, seq: u64, reason: LossReason) {
        match self.lost.last_mut() {
            Some((_, last, known)) if last.checked_add(1) == Some(seq) && *known == reason => *last = seq,
            _ => self.lost.push((seq, seq, reason)),
        }
    }

    /// Adds what comes after it, of the same chain.
    fn append(&mut self, later: Self) {
        for claim in later.delivered {
            match self.delivered.last_mut() {
                Some(run) if run.last.checked_add(1) == Some(claim.first) => {
                    (run.last, run.head) = (claim.last, claim.head);
                }
                _ => self.delivered.push(claim),
            }
        }
        self.lost.extend(later.lost);
    }

    fn claims(self, of: Option<Instance>, session: u64) -> SessionClaims {
        let lost = self.lost.into_iter();
        let lost = lost.map(|(first, last, reason)| Lost { first, last, reason: reason.label().to_owned() });
        SessionClaims { of, session, delivered: self.delivered, lost: lost.collect() }
    }
}

/// Messages that a sink has taken, and that will be delivered together. Those of a session take no more memory than one of them.
#[derive(Debug, Default)]
pub(crate) struct Together {
    sessions: BTreeMap<(Instance, u64), Account>,
    messages: u64,
}

impl Together {
    /// Adds the next one.
    pub(crate) fn add(&mut self, id: &MessageId, link: &Link) {
        self.messages += 1;
        self.sessions.entry((id.instance, id.session)).or_default().deliver(id.seq, link);
    }
}

/// What the entries of a ledger are made with, all at once.
pub(crate) struct Entries<'a>(std::sync::MutexGuard<'a, State>);

impl Entries<'_> {
    /// The sink has this message.
    pub(crate) fn delivered(&mut self, id: &MessageId, link: &Link) {
        self.account(id).deliver(id.seq, link);
        self.0.counts.delivered += u64::from(self.0.uncommitted.is_none());
    }

    /// The sink has these messages.
    pub(crate) fn delivered_together(&mut self, together: Together) {
        self.0.counts.delivered += together.messages;
        for (session, account) in together.sessions {
            self.0.sessions.entry(session).or_default().delivered.extend(account.delivered);
        }
    }

    /// The sink will never have this message.
    pub(crate) fn lost(&mut self, id: &MessageId, reason: LossReason) {
        self.account(id).lose(id.seq, reason);
    }

    fn account(&mut self, id: &MessageId) -> &mut Account {
        let state = &mut *self.0;
        let sessions = state.uncommitted.as_mut().unwrap_or(&mut state.sessions);
        sessions.entry((id.instance, id.session)).or_default()
    }
}

impl Ledger {
    pub(crate) fn new(config: &AuditConfig) -> Self {
        Self { identity: Identity::of(config), state: Mutex::default() }
    }

    /// To make entries.
    pub(crate) fn entries(&self) -> Entries<'_> {
        Entries(lock(&self.state))
    }

    /// The sink will never have the messages from index `from` on.
    #[cold]
    pub(crate) fn lost(&self, reason: LossReason, batch: &Batch, from: usize) {
        let mut entries = self.entries();
        for message in (from..batch.len()).filter_map(|index| batch.routed(index)) {
            if let Some(id) = message.numbered.and_then(|numbered| self.identity.name(&numbered, message.origin)) {
                entries.lost(&id, reason);
            }
        }
    }

    /// The sink commits what it has. Its messages are never cut.
    pub(crate) fn await_commits(&self) {
        lock(&self.state).uncommitted = Some(BTreeMap::new());
    }

    /// The sink has committed what was entered since the last time.
    pub(crate) fn commit(&self) {
        let mut state = lock(&self.state);
        for (session, account) in state.uncommitted.as_mut().map(std::mem::take).unwrap_or_default() {
            state.counts.delivered += account.delivered.iter().map(|run| run.last - run.first + 1).sum::<u64>();
            state.sessions.entry(session).or_default().append(account);
        }
    }

    /// What comes before this position of a binlog is delivered when everything through `through` is. Boundaries are numbered from 1 on.
    pub(crate) fn boundary(&self, number: u64, through: u64, position: &Arc<StreamPosition>) {
        let boundaries = &mut lock(&self.state).stream.boundaries;
        let boundary = Boundary { number, through, position: Arc::clone(position) };
        match boundaries.back_mut().filter(|last| last.through == through) {
            Some(last) => *last = boundary,
            None => boundaries.push_back(boundary),
        }
    }

    /// The sink has everything through here.
    pub(crate) fn delivered_through(&self, through: u64) {
        let stream = &mut lock(&self.state).stream;
        while stream.boundaries.front().is_some_and(|boundary| boundary.through <= through) {
            stream.reached = stream.boundaries.pop_front();
        }
    }

    /// The number of the last boundary whose position a marker has that is delivered, too.
    pub(crate) fn covered(&self) -> u64 {
        lock(&self.state).stream.covered
    }

    /// So many rows have become messages since the start.
    pub(crate) fn rows(&self, rows: u64) {
        lock(&self.state).counts.rows = Some(rows);
    }

    pub(crate) fn tell(&self, time: u64, event: Event) {
        let mut state = lock(&self.state);
        let counts = &mut state.counts;
        let counted = match &event {
            Event::SessionOpened(_) => Some(&mut counts.opened),
            Event::SessionDenied(_) => Some(&mut counts.denied),
            Event::SessionClosed(_) => Some(&mut counts.closed),
            Event::SightLost(_) => Some(&mut counts.sight_lost),
            _ => None,
        };
        if let Some(count) = counted {
            *count += 1;
        }
        if state.events.len() < WAITING_EVENTS {
            state.events.push_back((time, event));
        } else {
            state.counts.events_lost += 1;
        }
    }
}

/// Numbers the sessions of a process, and tells every marker stream what becomes of them.
#[derive(Debug, Default)]
pub struct Witness {
    sessions: AtomicU64,
    ledgers: Vec<Arc<Ledger>>,
}

impl Witness {
    pub(crate) fn new(ledgers: Vec<Arc<Ledger>>) -> Self {
        Self { sessions: AtomicU64::new(0), ledgers }
    }

    /// Whether anybody wants to know.
    pub(crate) fn is_needed(&self) -> bool {
        !self.ledgers.is_empty()
    }

    pub(crate) fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Relaxed) + 1
    }

    /// Something happened at this time, in milliseconds since 1970.
    pub fn tell(&self, time: u64, event: &Event) {
        for ledger in &self.ledgers {
            ledger.tell(time, event.clone());
        }
    }

    /// So many more statements were seen.
    pub fn seen(&self, statements: u64) {
        for ledger in &self.ledgers {
            lock(&ledger.state).counts.statements += statements;
        }
    }

    /// No sink will have the messages from index `from` on.
    pub(crate) fn lost(&self, reason: LossReason, batch: &Batch, from: usize) {
        for ledger in &self.ledgers {
            ledger.lost(reason, batch, from);
        }
    }
}

#[cfg(test)]
mod tests;

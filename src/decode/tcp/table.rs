//! All connections, by their addresses and ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use lru::LruCache;

use super::connection::{After, Connection, State};
use super::counters::TcpCounters;
use super::early::Early;
use super::key::Key;
use super::streams::{Ending, Opening, Streams};
use crate::decode::packet::Segment;
use crate::session::{Now, Side};

/// After this a segment between the same ports, without a SYN, belongs to another connection.
const LINGER_NS: u64 = 60_000_000_000;

/// What may be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at the same time.
    pub(crate) connections: usize,
    /// Bytes that wait for missing ones, of one connection.
    pub(crate) bytes: usize,
    /// And of all together.
    pub(crate) bytes_together: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 100_000, bytes: 16 << 20, bytes_together: 256 << 20 }
    }
}

/// Which side of a connection is a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Servers {
    /// These ports are servers'.
    pub(crate) ports: BTreeSet<u16>,
    /// Others may be, too: their first bytes say so.
    pub(crate) others: bool,
}

impl Servers {
    /// Who has sent the segment. `None`: it is not of a connection that is looked at. Also, whether the server is known by its port.
    fn sender(&self, segment: &Segment<'_>) -> Option<(Side, bool)> {
        let by_syn = segment.is_syn.then_some(if segment.acknowledged.is_none() { Side::Client } else { Side::Server });
        let (from, to) = (segment.from.port(), segment.to.port());
        match (self.ports.contains(&from), self.ports.contains(&to)) {
            (true, false) => Some((Side::Server, true)),
            (false, true) => Some((Side::Client, true)),
            (true, true) => Some((by_syn.unwrap_or(Side::Client), true)),
            (false, false) => by_syn.filter(|_| self.others).map(|side| (side, false)),
        }
    }
}

struct Entry<S> {
    connection: Connection<S>,
    client: SocketAddr,
}

/// Every connection that is looked at.
pub(crate) struct Connections<H: Streams> {
    servers: Servers,
    limits: Limits,
    entries: LruCache<Key, Entry<H::Stream>>,
    /// Connections that wait for missing bytes, by the time to look at them.
    waiting: BTreeMap<(u64, u64), Key>,
    waiting_bytes: usize,
    /// Segments of connections that are not among the entries yet.
    early: Early,
    pub(crate) counters: TcpCounters,
}

impl<H: Streams> Connections<H> {
    pub(crate) fn new(servers: Servers, limits: Limits) -> Self {
        Self {
            servers,
            limits,
            entries: LruCache::unbounded(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            early: Early::default(),
            counters: TcpCounters::default(),
        }
    }

    /// The next segment that was captured.
    pub(crate) fn segment(&mut self, segment: &Segment<'_>, now: Now, to: &mut H) {
        self.advance(now, to);
        let key = Key::of(segment);
        if self.early.has(&key) && !self.early.fits(&key, segment) {
            self.take_early(&key, to);
        }
        if !self.early.has(&key) && !self.may_be_early(&key, segment, now) {
            self.take(key, segment, now, to);
        } else if self.early.keep(key, segment, now) {
            self.take_early(&key, to);
        }
    }

    /// Whether the segment is of a connection whose beginning may still come.
    fn may_be_early(&self, key: &Key, segment: &Segment<'_>, now: Now) -> bool {
        let is_wanted = || !segment.is_reset && self.servers.sender(segment).is_some();
        match self.entries.peek(key) {
            None => is_wanted(),
            Some(entry) if begins_another(entry, segment, now) => is_wanted(),
            // Its ports may be in use again.
            Some(entry) => matches!(entry.connection.state, State::Closed(_)) && !segment.payload.is_empty(),
        }
    }

    fn take_early(&mut self, key: &Key, to: &mut H) {
        for kept in self.early.take(key) {
            self.take(*key, &kept.segment(), kept.now, to);
        }
    }

    /// The next segment in the order in which connections are told of.
    fn take(&mut self, key: Key, segment: &Segment<'_>, now: Now, to: &mut H) {
        let is_new = match self.entries.get(&key) {
            None => true,
            Some(entry) => begins_another(entry, segment, now),
        };
        if is_new && !self.open(key, segment, now, to) {
            self.counters.other_segments += 1;
            return;
        }
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if matches!(entry.connection.state, State::Closed(_)) {
            return;
        }
        let from = if segment.from == entry.client { Side::Client } else { Side::Server };
        let before = entry.connection.waiting_bytes();
        let mut after = entry.connection.segment(from, segment, now, to, &mut self.counters);
        if before > 0 || entry.connection.waiting_bytes() > 0 {
            let others = self.waiting_bytes - before;
            while entry.connection.waiting_bytes() > self.limits.bytes
                || others + entry.connection.waiting_bytes() > self.limits.bytes_together
            {
                if !entry.connection.give_up_missing(now, to, &mut self.counters) {
                    break;
                }
                after = entry.connection.look(now, to, &mut self.counters);
            }
            self.waiting_bytes = others + entry.connection.waiting_bytes();
        }
        self.after(key, after, now, to);
    }

    fn after(&mut self, key: Key, after: After, now: Now, to: &mut H) {
        let Some(entry) = self.entries.peek_mut(&key) else { return };
        match after {
            After::GoesOn => {}
            After::Waits { until_ns } => {
                self.waiting.insert((until_ns, entry.connection.number), key);
            }
            After::Closes => {
                self.waiting_bytes -= entry.connection.waiting_bytes();
                entry.connection.finish(Ending::Closed, now, to, &mut self.counters);
            }
        }
    }

    /// What waits for missing bytes takes so much memory.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Time has passed: what was waited for long enough is given up.
    pub(crate) fn advance(&mut self, now: Now, to: &mut H) {
        while let Some(key) = self.early.next_due(now) {
            self.take_early(&key, to);
        }
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= now.monotonic_ns
        {
            let ((_, number), key) = first.remove_entry();
            let Some(entry) = self.entries.peek_mut(&key) else { continue };
            if entry.connection.number != number || matches!(entry.connection.state, State::Closed(_)) {
                continue;
            }
            let before = entry.connection.waiting_bytes();
            let after = entry.connection.look(now, to, &mut self.counters);
            self.waiting_bytes = self.waiting_bytes - before + entry.connection.waiting_bytes();
            self.after(key, after, now, to);
        }
    }

    /// A connection that is seen for the first time. False: it is not looked at.
    fn open(&mut self, key: Key, segment: &Segment<'_>, now: Now, to: &mut H) -> bool {
        let Some((from, is_known_server)) = self.servers.sender(segment) else { return false };
        // What only ends shows nothing.
        if segment.is_reset {
            return false;
        }
        if let Some(mut replaced) = self.entries.pop(&key) {
            self.waiting_bytes -= replaced.connection.waiting_bytes();
            replaced.connection.finish(Ending::Replaced, now, to, &mut self.counters);
        } else if self.entries.len() >= self.limits.connections
            && let Some((_, mut oldest)) = self.entries.pop_lru()
        {
            self.waiting_bytes -= oldest.connection.waiting_bytes();
            if !matches!(oldest.connection.state, State::Closed(_)) {
                self.counters.forgotten += 1;
                oldest.connection.finish(Ending::Forgotten, now, to, &mut self.counters);
            }
        }
        self.counters.connections += 1;
        self.counters.begun_before += u64::from(!segment.is_syn);
        let (client, server) = match from {
            Side::Client => (segment.from, segment.to),
            Side::Server => (segment.to, segment.from),
        };
        let number = self.counters.connections;
        let opening = Opening { number, client, server, from_beginning: segment.is_syn, is_known_server, now };
        let mut connection = Connection::new(number, to.open(&opening));
        if segment.is_syn {
            connection.begin(from, segment.sequence, segment.acknowledged);
        }
        self.entries.put(key, Entry { connection, client });
        true
    }

    /// The capture has ended.
    pub(crate) fn finish(&mut self, now: Now, to: &mut H) {
        while let Some(key) = self.early.next() {
            self.take_early(&key, to);
        }
        while let Some((_, mut entry)) = self.entries.pop_lru() {
            if !matches!(entry.connection.state, State::Closed(_)) {
                entry.connection.finish(Ending::CaptureEnded, now, to, &mut self.counters);
            }
        }
        self.waiting.clear();
        self.waiting_bytes = 0;
    }
}

/// Whether a segment between the same ends is of another connection than the one that is known.
fn begins_another<S>(entry: &Entry<S>, segment: &Segment<'_>, now: Now) -> bool {
    let from = if segment.from == entry.client { Side::Client } else { Side::Server };
    match &entry.connection.state {
        _ if segment.is_syn => !entry.connection.has_begun_with(from, segment),
        State::Closed(at) => {
            now.monotonic_ns.saturating_sub(at.monotonic_ns) > LINGER_NS && !segment.payload.is_empty()
        }
        _ => false,
    }
}

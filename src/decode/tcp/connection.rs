//! One connection: two directions, and the order between them.

use super::counters::TcpCounters;
use super::half::{Content, Half, Place};
use super::streams::{Ending, Streams};
use crate::decode::packet::Segment;
use crate::session::{Now, Side};

/// How long what was acknowledged and not captured may still come: packets are captured in another order than they were sent.
const PATIENCE_NS: u64 = 1_000_000_000;
/// Or how many segments of the connection.
const PATIENCE_SEGMENTS: u32 = 500;
/// How long what was not acknowledged is waited for.
const LONG_PATIENCE_NS: u64 = 60_000_000_000;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    pub(super) number: u64,
    /// By [`Side`]: the client's, the server's.
    halves: [Half; 2],
    pub(super) state: State<S>,
    stall: Option<Stall>,
    arrivals: u64,
}

/// What becomes of its bytes.
#[derive(Debug)]
pub(super) enum State<S> {
    Open(S),
    /// Nobody wants to hear more of it, but is to hear of its end.
    Ignored(S),
    Closed(Now),
}

/// It cannot go on, because bytes are missing.
#[derive(Debug, Clone, Copy)]
struct Stall {
    since_ns: u64,
    segments: u32,
    /// Where it stands.
    at: [u64; 2],
}

/// What a segment has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing is to be done.
    GoesOn,
    /// It waits for missing bytes, since just now: to be looked at again at this time.
    Waits { until_ns: u64 },
    /// It is closed.
    Closes,
}

const fn index(side: Side) -> usize {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

const fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

impl<S> Connection<S> {
    pub(super) fn new(number: u64, stream: S) -> Self {
        Self {
            number,
            halves: [Half::default(), Half::default()],
            state: State::Open(stream),
            stall: None,
            arrivals: 0,
        }
    }

    /// What its pieces take of memory.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.halves.iter().map(Half::waiting_bytes).sum()
    }

    /// A SYN, whose acknowledgment, if it has one, says with what number the other side began.
    pub(super) fn begin(&mut self, from: Side, sequence: u32, acknowledged: Option<u32>) {
        self.half(from).begin(sequence);
        if let Some(acknowledged) = acknowledged {
            let initial = acknowledged.wrapping_sub(1);
            if !self.half(other(from)).has_begun_with(initial) {
                self.half(other(from)).begin(initial);
            }
        }
    }

    /// Whether this SYN belongs to the connection: it is the first one again, or the answer to it.
    pub(super) fn has_begun_with(&self, from: Side, segment: &Segment<'_>) -> bool {
        self.halves[index(from)].has_begun_with(segment.sequence)
            || segment.acknowledged.is_some_and(|acknowledged| {
                self.halves[index(other(from))].has_begun_with(acknowledged.wrapping_sub(1))
            })
    }

    fn half(&mut self, side: Side) -> &mut Half {
        &mut self.halves[index(side)]
    }

    /// The next segment of an open connection.
    pub(super) fn segment<H: Streams<Stream = S>>(
        &mut self,
        from: Side,
        segment: &Segment<'_>,
        now: Now,
        to: &mut H,
        counters: &mut TcpCounters,
    ) -> After {
        if segment.is_syn && !self.has_begun_with(from, segment) {
            return After::GoesOn;
        }
        if segment.is_syn && !self.halves[index(from)].has_begun_with(segment.sequence) {
            self.half(from).begin(segment.sequence);
        }
        let after = segment.acknowledged.and_then(|acknowledged| self.half(other(from)).offset(acknowledged));
        if let Some(after) = after {
            self.half(other(from)).acknowledge(after);
        }
        let first = if segment.is_syn { segment.sequence.wrapping_add(1) } else { segment.sequence };
        let Some(offset) = self.half(from).offset(first) else {
            counters.strange_segments += 1;
            return After::GoesOn;
        };
        if segment.is_reset {
            return After::Closes;
        }
        self.arrivals += 1;
        let place = Place { after: after.unwrap_or(0), now, arrival: self.arrivals };
        self.payload(from, offset, segment, place, to, counters);
        self.drain(to, counters);
        self.look(now, to, counters)
    }

    /// Tells what may be told at once; keeps the rest.
    fn payload<H: Streams<Stream = S>>(
        &mut self,
        from: Side,
        offset: u64,
        segment: &Segment<'_>,
        place: Place,
        to: &mut H,
        counters: &mut TcpCounters,
    ) {
        let (length, payload) = (u64::from(segment.length), segment.payload);
        let is_due = place.after <= self.halves[index(other(from))].next();
        let half = self.half(from);
        let is_next = is_due && half.is_next(offset);
        if is_next && !payload.is_empty() {
            half.advance(payload.len() as u64);
            self.tell(from, payload, place.now, to);
        } else if !payload.is_empty() {
            let repeated = half.keep(offset, payload, place);
            counters.repeated_bytes += repeated;
            counters.reordered_segments += u64::from(repeated < payload.len() as u64);
        }
        let cut = length.saturating_sub(payload.len() as u64);
        if cut > 0 {
            self.half(from).keep_cut(offset.saturating_add(payload.len() as u64), cut, place);
        }
        if segment.is_fin {
            self.half(from).keep_fin(offset.saturating_add(length), place);
        }
    }

    fn tell<H: Streams<Stream = S>>(&mut self, from: Side, bytes: &[u8], now: Now, to: &mut H) {
        if let State::Open(stream) = &mut self.state
            && !to.bytes(stream, from, bytes, now)
        {
            self.ignore();
        }
    }

    fn tell_gap<H: Streams<Stream = S>>(
        &mut self,
        from: Side,
        bytes: u64,
        now: Now,
        to: &mut H,
        counters: &mut TcpCounters,
    ) {
        if let State::Open(stream) = &mut self.state {
            counters.gaps += 1;
            if !to.gap(stream, from, bytes, now) {
                self.ignore();
            }
        }
    }

    fn ignore(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Closed(Now::default())) {
            State::Open(stream) => State::Ignored(stream),
            state => state,
        };
    }

    /// Tells what waits and may be told now. Of two pieces the one that came first.
    fn drain<H: Streams<Stream = S>>(&mut self, to: &mut H, counters: &mut TcpCounters) {
        loop {
            let Some(from) = self.next_side() else { return };
            let Some(piece) = self.half(from).take() else { return };
            match piece.content {
                Content::Bytes(bytes) => self.tell(from, &bytes, piece.now, to),
                Content::Cut(count) => {
                    counters.cut_bytes += count;
                    self.tell_gap(from, count, piece.now, to, counters);
                }
                Content::Fin => self.half(from).is_finished = true,
            }
        }
    }

    /// The side whose next piece is to be told now.
    fn next_side(&self) -> Option<Side> {
        let [client, server] = &self.halves;
        let is_due = |after: u64, half: &Half| after <= half.next();
        let earlier = |client: u64, server: u64| if server < client { Side::Server } else { Side::Client };
        match (client.head(), server.head()) {
            (None, None) => None,
            (Some((after, _)), None) => is_due(after, server).then_some(Side::Client),
            (None, Some((after, _))) => is_due(after, client).then_some(Side::Server),
            (Some((client_after, client_arrival)), Some((server_after, server_arrival))) => {
                match (is_due(client_after, server), is_due(server_after, client)) {
                    (true, false) => Some(Side::Client),
                    (false, true) => Some(Side::Server),
                    // Each after the other is no order: somebody has made up these numbers.
                    _ => Some(earlier(client_arrival, server_arrival)),
                }
            }
        }
    }

    /// The side whose bytes are missing so that nothing can be told, and how many. The client's first: it asks.
    fn missing(&self) -> Option<(Side, super::half::Hole)> {
        [Side::Client, Side::Server].into_iter().find_map(|side| {
            let needed = self.halves[index(other(side))].head().map(|(after, _)| after);
            self.halves[index(side)].hole(needed).map(|hole| (side, hole))
        })
    }

    /// Gives up missing bytes if it is time to.
    pub(super) fn look<H: Streams<Stream = S>>(&mut self, now: Now, to: &mut H, counters: &mut TcpCounters) -> After {
        loop {
            if self.halves.iter().all(|half| half.is_finished) {
                return After::Closes;
            }
            let Some((_, hole)) = self.missing() else {
                self.stall = None;
                return After::GoesOn;
            };
            let at = [self.halves[0].next(), self.halves[1].next()];
            let is_new = self.stall.is_none_or(|stall| stall.at != at);
            if is_new {
                self.stall = Some(Stall { since_ns: now.monotonic_ns, segments: 0, at });
            }
            let Some(stall) = &mut self.stall else { return After::GoesOn };
            stall.segments += 1;
            let patience = if hole.is_certain { PATIENCE_NS } else { LONG_PATIENCE_NS };
            let is_over = now.monotonic_ns.saturating_sub(stall.since_ns) >= patience
                || (hole.is_certain && stall.segments > PATIENCE_SEGMENTS);
            if !is_over {
                let until_ns = stall.since_ns.saturating_add(PATIENCE_NS);
                let until_ns =
                    if until_ns > now.monotonic_ns { until_ns } else { stall.since_ns.saturating_add(patience) };
                return if is_new || until_ns > stall.since_ns.saturating_add(PATIENCE_NS) {
                    After::Waits { until_ns }
                } else {
                    After::GoesOn
                };
            }
            self.give_up_missing(now, to, counters);
        }
    }

    /// What is missing now does not come any more. False: nothing was.
    pub(super) fn give_up_missing<H: Streams<Stream = S>>(
        &mut self,
        now: Now,
        to: &mut H,
        counters: &mut TcpCounters,
    ) -> bool {
        let Some((side, hole)) = self.missing() else { return false };
        counters.lost_bytes += hole.bytes;
        self.half(side).advance(hole.bytes);
        self.tell_gap(side, hole.bytes, hole.before.unwrap_or(now), to, counters);
        self.drain(to, counters);
        true
    }

    /// Nothing more comes: what waits is told, and the end.
    pub(super) fn finish<H: Streams<Stream = S>>(
        &mut self,
        ending: Ending,
        now: Now,
        to: &mut H,
        counters: &mut TcpCounters,
    ) {
        while self.give_up_missing(now, to, counters) {}
        // Both ends may have waited for what did not come.
        let is_closed = self.halves.iter().all(|half| half.is_finished);
        let ending = if is_closed { Ending::Closed } else { ending };
        let state = std::mem::replace(&mut self.state, State::Closed(now));
        self.halves.iter_mut().for_each(Half::clear);
        if let State::Open(stream) | State::Ignored(stream) = state {
            to.close(stream, ending, now);
        }
    }
}

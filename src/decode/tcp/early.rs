//! What of a connection was captured before it is known how it begins: packets may be captured in another order than they were sent, the SYN
//! after the first bytes.

use std::collections::{HashMap, VecDeque};

use super::key::Key;
use crate::decode::packet::Segment;
use crate::session::Now;

/// How long a beginning is waited for.
const PATIENCE_NS: u64 = 100_000_000;
/// How many segments of a connection are kept meanwhile, and how many bytes of all together.
const SEGMENTS: usize = 16;
const BYTES: usize = 8 << 20;
/// Bytes that fit after a SYN begin within these.
const WINDOW: u32 = 1 << 20;

/// A segment that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    header: Segment<'static>,
    payload: Vec<u8>,
    pub(super) now: Now,
}

impl Kept {
    fn new(segment: &Segment<'_>, now: Now) -> Self {
        Self { header: Segment { payload: &[], ..*segment }, payload: segment.payload.to_vec(), now }
    }

    pub(super) fn segment(&self) -> Segment<'_> {
        Segment { payload: &self.payload, ..self.header }
    }
}

#[derive(Debug)]
struct Held {
    number: u64,
    segments: Vec<Kept>,
}

/// Connections that are not open yet.
#[derive(Debug, Default)]
pub(super) struct Early {
    held: HashMap<Key, Held>,
    /// Until when, in the order in which they came. Those that are gone stay here until then.
    due: VecDeque<(u64, u64, Key)>,
    bytes: usize,
    numbers: u64,
}

impl Early {
    pub(super) fn has(&self, key: &Key) -> bool {
        self.held.contains_key(key)
    }

    /// Whether the segment may be of the same connection as what is held.
    pub(super) fn fits(&self, key: &Key, segment: &Segment<'_>) -> bool {
        let fits = |kept: &Kept| !segment.is_syn || follows(&kept.header, segment);
        self.held.get(key).is_none_or(|held| held.segments.iter().all(fits))
    }

    /// Keeps a segment. True: nothing more is to be waited for.
    pub(super) fn keep(&mut self, key: Key, segment: &Segment<'_>, now: Now) -> bool {
        let held = self.held.entry(key).or_insert_with(|| {
            self.numbers += 1;
            self.due.push_back((now.monotonic_ns.saturating_add(PATIENCE_NS), self.numbers, key));
            Held { number: self.numbers, segments: Vec::new() }
        });
        self.bytes += segment.payload.len();
        held.segments.push(Kept::new(segment, now));
        let says_both_beginnings = segment.is_syn && segment.acknowledged.is_some();
        says_both_beginnings || segment.is_reset || held.segments.len() >= SEGMENTS
    }

    /// What was held of a connection: SYNs first, the rest in the order in which it came.
    pub(super) fn take(&mut self, key: &Key) -> Vec<Kept> {
        let Some(mut held) = self.held.remove(key) else { return Vec::new() };
        self.bytes -= held.segments.iter().map(|kept| kept.payload.len()).sum::<usize>();
        held.segments.sort_by_key(|kept| !kept.header.is_syn);
        held.segments
    }

    /// A connection that was held long enough, or is the first one of too many.
    pub(super) fn next_due(&mut self, now: Now) -> Option<Key> {
        while let Some((until_ns, number, key)) = self.due.front().copied() {
            let is_held = self.held.get(&key).is_some_and(|held| held.number == number);
            if is_held && until_ns > now.monotonic_ns && self.bytes <= BYTES {
                return None;
            }
            self.due.pop_front();
            if is_held {
                return Some(key);
            }
        }
        None
    }

    /// Any connection that is held, the first one first.
    pub(super) fn next(&mut self) -> Option<Key> {
        self.next_due(Now { monotonic_ns: u64::MAX, epoch_ms: 0 })
    }
}

/// Whether `kept` may be of the connection that begins with `syn`.
fn follows(kept: &Segment<'static>, syn: &Segment<'_>) -> bool {
    let after = |number: u32, initial: u32| number.wrapping_sub(initial.wrapping_add(1)) <= WINDOW;
    let begins = |segment: &Segment<'_>, initial: u32| match segment.is_syn {
        true => segment.sequence == initial,
        false => after(segment.sequence, initial),
    };
    let acknowledges = |segment: &Segment<'_>, initial: u32| segment.acknowledged.is_none_or(|ack| after(ack, initial));
    if kept.from == syn.from {
        begins(kept, syn.sequence)
    } else {
        acknowledges(kept, syn.sequence) && syn.acknowledged.is_none_or(|ack| begins(kept, ack.wrapping_sub(1)))
    }
}
